# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces that come, go and change their names, and what the status says of them, of a firewall that runs. All tests share one."""
import shutil

from conftest import POLICY
from lab import KEEPSTATE, NOBODY, SERVER4, wait_for


def use(firewall, policy):
    firewall.path.write_text(policy)
    firewall.say("reload")


def test_interface_that_appears_later(lab, firewall):
    use(firewall, POLICY.replace("{ lan0 }", "{ lan0, late0 }"))
    extra = lab.host("late")
    try:
        lab.connect(extra, "late0", "10.0.9", "fd00:19")
        wait_for(lambda: "late0" in firewall.say("status"), 5, "late0 in the status")
        wait_for(lambda: extra.ping(SERVER4, count=1) == 1, 5, "the late network reaches the server")
        assert lab.server.ping("10.0.9.10") == 0
        assert lab.server.ping("fd00:19::10") == 0
    finally:
        extra.close()
        lab.gateway.run("ip", "link", "delete", "late0")
    assert lab.client.ping(SERVER4) == 3
    assert firewall.answers()


def warnings_of(answer):
    """Without the one about the backstop, which depends on the kernel."""
    return [warning for warning in answer["warnings"] if "no backstop" not in warning]


def test_what_is_in_no_zone_is_said(lab, firewall):
    """In the status, and by a reload that takes interfaces and zones away. Everything stays guarded."""
    assert warnings_of(firewall.data("status")[0]) == []
    assert lab.client.ping(SERVER4) == 3
    firewall.path.write_text("zone inner { lan0 }\nzone wan { late0, vpn* }\nallow from inner to wan\n")
    done = firewall.cli("reload")
    assert done.returncode == 0
    assert "in no zone any more, denied by default: wan0" in done.stdout and "guarded" not in done.stdout, done
    assert "zone wan: no interface is there yet: late0, vpn*" in done.stderr
    assert "live state" in done.stderr and "(lan)" in done.stderr, "the states of lan are cut: " + done.stderr
    assert "zone wan: no interface is there yet" in firewall.say("status")
    assert "ignore { wan0 }" in firewall.say("status")
    assert "gone" in firewall.say("states")

    firewall.path.write_text("zone lan { late0 }\n")
    answer = firewall.data("reload")[0]
    assert answer["in_no_zone"] == ["lan0"] and answer["now_guarded"] == answer["no_longer_guarded"] == []
    assert "zone lan: no interface is there yet" in answer["warnings"][0]
    assert lab.client.ping(SERVER4) == 0, "what is in no zone is denied"

    firewall.path.write_text(POLICY)
    answer = firewall.data("reload")[0]
    assert answer["now_guarded"] == answer["in_no_zone"] == []
    assert warnings_of(answer) == [] and answer["states_cut"] == 0 and answer["zones_cut"] == []
    assert lab.client.ping(SERVER4) == 3


def test_a_rename_changes_the_zone_in_place(lab, firewall):
    use(firewall, "zone lan { lan0 }\nzone side { side0 }\nzone wan { wan0 }\nallow from lan to wan\n")
    assert lab.client.ping(SERVER4) == 3
    try:
        rename(lab.gateway, "lan0", "side0")
        wait_for(lambda: zone_of(firewall, "side0") == "side", 5, "side0 in its zone")
        assert lab.client.ping(SERVER4) == 0
    finally:
        rename(lab.gateway, "side0", "lan0")
    wait_for(lambda: zone_of(firewall, "lan0") == "lan", 5, "lan0 in its zone")
    assert "took our filters off" not in firewall.log_path.read_text()


def test_a_name_that_is_not_utf8_is_shown(lab, firewall):
    """The kernel takes any bytes; JSON does not."""
    name = b"odd\xff"
    lab.gateway.ip("link", "add", name, "type", "veth", "peer", "name", "even0")
    try:
        wait_for(lambda: "odd\\xff" in firewall.guarded(), 5, "odd\\xff in the status")
        text = firewall.say("status")
        assert "odd\\xff" in text
        assert [line for line in text.splitlines() if line != line.rstrip()] == [], "rows end in blanks"
    finally:
        lab.gateway.run("ip", "link", "delete", "even0")


def rename(host, old, new):
    """Without taking it down where the kernel can (6.2), which would cost it its IPv6 addresses."""
    host.ip("link", "set", old, "name", new)


def zone_of(firewall, name):
    return {one["name"]: one["zone"] for one in firewall.data("status")[0]["interfaces"]}.get(name)


def role_of(firewall, name):
    return {one["name"]: one["role"] for one in firewall.data("status")[0]["interfaces"]}.get(name)


def test_ports_of_a_bridge(lab, firewall):
    """Guarded through it, until a zone names one of them."""
    gateway = lab.gateway
    use(firewall, POLICY.replace("{ lan0 }", "{ lan0, named0 }"))
    gateway.ip("link", "add", "bridge0", "type", "bridge")
    try:
        gateway.ip("link", "add", "port0", "type", "veth", "peer", "name", "port1")
        wait_for(lambda: role_of(firewall, "port0") == "guarded", 5, "port0 guarded by itself")
        gateway.ip("link", "set", "port0", "master", "bridge0")
        wait_for(lambda: role_of(firewall, "port0") is None, 5, "port0 guarded through bridge0")
        assert role_of(firewall, "bridge0") == "guarded"
        gateway.ip("link", "set", "port0", "name", "named0")
        wait_for(lambda: role_of(firewall, "named0") == "port", 5, "named0 a port")
        assert role_of(firewall, "bridge0") == "carrier" and zone_of(firewall, "named0") == "lan"
        gateway.ip("link", "set", "named0", "nomaster")
        wait_for(lambda: role_of(firewall, "named0") == "guarded", 5, "named0 guarded by itself")
        assert role_of(firewall, "bridge0") == "guarded"
    finally:
        gateway.run("ip", "link", "delete", "bridge0")
        for name in ("port1", "port0"):
            gateway.run("ip", "link", "delete", name)


def test_where_routes_may_lead_elsewhere(lab, firewall):
    assert firewall.data("status")[0]["routes"] == {"differ": False, "why": ""}
    lab.gateway.ip("rule", "add", "fwmark", "7", "lookup", "100")
    try:
        wait_for(lambda: firewall.data("status")[0]["routes"]["differ"], 5, "the rule noticed")
        assert "rules by mark: egress decides" in firewall.say("status")
    finally:
        lab.gateway.ip("rule", "delete", "fwmark", "7", "lookup", "100")
    wait_for(lambda: not firewall.data("status")[0]["routes"]["differ"], 5, "the rule gone")


def test_forwarding_off_is_warned_about(lab, firewall):
    try:
        lab.gateway.write("/proc/sys/net/ipv4/ip_forward", 0)
        assert "does not forward IPv4" in " ".join(firewall.data("status")[0]["warnings"])
    finally:
        lab.gateway.write("/proc/sys/net/ipv4/ip_forward", 1)
    assert warnings_of(firewall.data("status")[0]) == []


def test_interface_that_vanishes_and_returns(lab, firewall):
    use(firewall, POLICY.replace("{ lan0 }", "{ lan0, brief0 }"))
    for _ in range(5):
        lab.gateway.ip("link", "add", "brief0", "type", "dummy") if has_dummy(lab) else lab.gateway.ip(
            "link", "add", "brief0", "type", "veth", "peer", "name", "brief1")
        lab.gateway.ip("link", "set", "brief0", "up")
        wait_for(lambda: "brief0" in firewall.guarded(), 5, "guarded")
        lab.gateway.ip("link", "delete", "brief0")
    assert firewall.answers()
    assert lab.client.ping(SERVER4) == 3


def has_dummy(lab):
    made = lab.gateway.run("ip", "link", "add", "probe0", "type", "dummy").returncode == 0
    if made:
        lab.gateway.ip("link", "delete", "probe0")
    return made


def test_stop_without_permission_says_so(lab, firewall):
    copy = lab.scratch() / "keepstate"
    shutil.copy(KEEPSTATE, copy)
    copy.chmod(0o755)
    done = lab.gateway.run(*NOBODY, copy, "stop")
    assert done.returncode == 3 and "needs root" in done.stderr, done
