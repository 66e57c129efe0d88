# SPDX-License-Identifier: BSD-2-Clause
"""Starting, stopping, and interfaces that come and go."""
import glob
import shutil
import time

from conftest import POLICY
from lab import CLIENT4, CLIENT6, KEEPSTATE, NOBODY, SERVER4, uses_port, wait_for


def left_behind(name):
    """Files of an instance."""
    return [path for where in ("/run/keepstate", "/run/keepstate/bpf") for path in glob.glob(f"{where}/{name}")]


def test_nothing_passes_at_start(lab, make_firewall, watch):
    """An outside prober that runs from before the start gets nothing through once the firewall says that it runs."""
    firewall = make_firewall(start=False)
    prober = watch.start(lab.server, "probe", CLIENT4, 5600)
    time.sleep(0.2)
    firewall.start()
    counter = watch.start(lab.client, "count", 5600)
    time.sleep(1.5)
    assert watch.end(counter) == {"datagrams": 0, "connections": 0}
    assert watch.end(prober)["sent"] > 100


def test_what_was_open_before_the_start_is_not_known(lab, make_firewall, watch):
    """A connection that the firewall did not see opening may not go on, if the policy says so."""
    watch.start(lab.server, "serve", 5601)
    watch.start(lab.client, "follow", SERVER4, 5601)
    firewall = make_firewall(POLICY + "option settle off\n")
    time.sleep(0.5)
    assert not [flow for flow in firewall.data("states") if uses_port(flow, 5601) and "ESTABLISHED" in str(flow)]


def test_pickup_takes_over_what_was_open(lab, make_firewall, watch):
    watch.start(lab.server, "serve", 5602)
    follower = watch.start(lab.client, "follow", SERVER4, 5602)
    firewall = make_firewall(POLICY + "option settle off, pickup on\n")
    time.sleep(1)
    facts = watch.end(follower)
    assert facts["error"] is None, facts
    assert [flow for flow in firewall.data("states") if uses_port(flow, 5602)]


def test_stop_leaves_nothing_behind(lab, make_firewall):
    firewall = make_firewall()
    name = firewall.data("status")[0]["instance"]
    assert firewall.filters() != ""
    assert len(left_behind(name)) == 2, "no runtime directory, or no pins"
    firewall.stop()
    assert firewall.filters() == ""
    qdiscs = lab.gateway.run("tc", "qdisc", "show").stdout
    assert "clsact" not in qdiscs, qdiscs
    assert left_behind(name) == []
    assert lab.server.ping(CLIENT4) == 3, "without a firewall the server reaches the client"


def test_stop_keeps_what_others_attached(lab, make_firewall):
    """A filter of somebody else on our interface is there before, during and after."""
    lab.gateway.run("tc", "qdisc", "add", "dev", "lan0", "clsact", check=True)
    lab.gateway.run("tc", "filter", "add", "dev", "lan0", "ingress", "protocol", "ip", "pref", "40000", "u32",
                    "match", "u32", "0", "0", "flowid", "1:1", check=True)
    try:
        firewall = make_firewall()
        assert lab.client.ping(SERVER4) == 3
        firewall.stop()
        assert "u32" in lab.gateway.run("tc", "filter", "show", "dev", "lan0", "ingress").stdout
    finally:
        lab.gateway.run("tc", "qdisc", "del", "dev", "lan0", "clsact")


def test_terminate_ends_the_daemon_as_stop_does_or_keeps_filtering(lab, make_firewall):
    """SIGTERM is what an init system sends. Whatever it means, nothing may pass that the policy does not allow."""
    firewall = make_firewall()
    firewall.child.terminate()
    firewall.child.wait(10)
    if firewall.filters():
        assert lab.server.ping(CLIENT4) == 0


def test_interface_that_appears_later(lab, make_firewall):
    firewall = make_firewall(POLICY.replace("{ lan0 }", "{ lan0, late0 }"))
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


def test_what_is_in_no_zone_is_said(lab, make_firewall):
    """At the start, in the status, and by a reload that takes interfaces and zones away. Everything stays guarded."""
    firewall = make_firewall()
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


def test_in_force_since_the_start(lab, make_firewall):
    """Not since the present process began, nor since the last reload."""
    firewall = make_firewall("zone lan { late0 }\n")
    assert "in no zone, denied by default: lan0, wan0: " in firewall.log_path.read_text()
    status = firewall.data("status")[0]
    assert status["since"] >= status["started"]
    time.sleep(1.1)
    firewall.path.write_text(POLICY)
    firewall.say("reload")
    firewall.crash()
    time.sleep(1.1)
    firewall.start()
    assert firewall.data("status")[0]["since"] == status["since"]


def test_a_rename_changes_the_zone_in_place(lab, make_firewall):
    firewall = make_firewall("zone lan { lan0 }\nzone side { side0 }\nzone wan { wan0 }\nallow from lan to wan\n")
    assert lab.client.ping(SERVER4) == 3
    try:
        rename(lab.gateway, "lan0", "side0")
        wait_for(lambda: zone_of(firewall, "side0") == "side", 5, "side0 in its zone")
        assert lab.client.ping(SERVER4) == 0
    finally:
        rename(lab.gateway, "side0", "lan0")
    wait_for(lambda: zone_of(firewall, "lan0") == "lan", 5, "lan0 in its zone")
    assert "took our filters off" not in firewall.log_path.read_text()


def test_a_name_that_is_not_utf8_is_shown(lab, make_firewall):
    """The kernel takes any bytes; JSON does not."""
    firewall = make_firewall()
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


def test_ports_of_a_bridge(lab, make_firewall):
    """Guarded through it, until a zone names one of them."""
    gateway = lab.gateway
    firewall = make_firewall(POLICY.replace("{ lan0 }", "{ lan0, named0 }"))
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


def test_where_routes_may_lead_elsewhere(lab, make_firewall):
    firewall = make_firewall()
    assert firewall.data("status")[0]["routes"] == {"differ": False, "why": ""}
    lab.gateway.ip("rule", "add", "fwmark", "7", "lookup", "100")
    try:
        wait_for(lambda: firewall.data("status")[0]["routes"]["differ"], 5, "the rule noticed")
        assert "rules by mark: egress decides" in firewall.say("status")
    finally:
        lab.gateway.ip("rule", "delete", "fwmark", "7", "lookup", "100")
    wait_for(lambda: not firewall.data("status")[0]["routes"]["differ"], 5, "the rule gone")


def test_forwarding_off_is_warned_about(lab, make_firewall):
    firewall = make_firewall()
    try:
        lab.gateway.write("/proc/sys/net/ipv4/ip_forward", 0)
        assert "does not forward IPv4" in " ".join(firewall.data("status")[0]["warnings"])
    finally:
        lab.gateway.write("/proc/sys/net/ipv4/ip_forward", 1)
    assert warnings_of(firewall.data("status")[0]) == []


def test_interface_that_vanishes_and_returns(lab, make_firewall):
    firewall = make_firewall(POLICY.replace("{ lan0 }", "{ lan0, brief0 }"))
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


def test_wildcard_interfaces(lab, make_firewall):
    make_firewall(POLICY.replace("{ lan0 }", "{ lan* }"))
    assert lab.client.ping(SERVER4) == 3
    assert lab.server.ping(CLIENT6) == 0


def test_a_broken_policy_does_not_start(lab, make_firewall):
    firewall = make_firewall("zone lan { lan0 }\nallow form lan\n", start=False)
    firewall.start(wait=False)
    assert firewall.child.wait(20) != 0
    assert "policy.conf:2:" in firewall.log_path.read_text()
    assert firewall.filters() == ""
    assert left_behind(firewall.instance()) == []


def test_commands_without_a_daemon_say_so(lab, make_firewall):
    firewall = make_firewall(start=False)
    for command in ("status", "states", "counters", "reload", "stop"):
        done = firewall.cli(command)
        assert done.returncode not in (0, -6, -11), f"{command}: {done}"
        assert done.stderr.strip(), f"{command} says nothing"


def test_stop_without_permission_says_so(lab, make_firewall):
    make_firewall()
    copy = lab.scratch() / "keepstate"
    shutil.copy(KEEPSTATE, copy)
    copy.chmod(0o755)
    done = lab.gateway.run(*NOBODY, copy, "stop")
    assert done.returncode == 3 and "needs root" in done.stderr, done


def test_crash_at_once_after_start(lab, make_firewall):
    """However early it dies, the next one starts."""
    firewall = make_firewall(start=False)
    for delay in (0.0, 0.05, 0.2, 0.5, 1.0):
        firewall.start(wait=False)
        time.sleep(delay)
        firewall.crash()
    firewall.start()
    wait_for(lambda: lab.client.ping(SERVER4) == 3, what="the client reaches the server")
    assert lab.server.ping(CLIENT4) == 0
