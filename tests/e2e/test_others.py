# SPDX-License-Identifier: BSD-2-Clause
"""Other programs on our interfaces: traffic control of all kinds stays as it is, and the verdict stays ours.

    client 10.0.0.10 --- lan0 box wan0 --- 192.0.2.10 server

lan0 has an `ingress` qdisc with a filter from before the start, as a traffic shaper or libvirt leaves it. The same with IPv6.
"""
import time

import hooks as raw_hooks
import pytest
from lab import end_process, wait_for
from wires import ALL, Firewall, Plain, hooks, kinds, log_of, net_fixture, put, reach

POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
allow from lan to wan
nat from lan to wan masquerade
nat from lan to wan family ipv6 masquerade
"""
CLIENT = pytest.mark.parametrize("client", ["10.0.0.10", "fd00::10"], ids=["ipv4", "ipv6"])
SERVER = pytest.mark.parametrize("server, seen", [("192.0.2.10", "192.0.2.1"), ("2001:db8::10", "2001:db8::1")],
                                 ids=["ipv4", "ipv6"])
TCX = pytest.mark.skipif(raw_hooks.tcx_reason() is not None, reason=str(raw_hooks.tcx_reason()))


net = net_fixture(Plain)


def put_ingress_qdisc(host, device):
    """A policer where the kernel has one; else a filter that does no more than match."""
    host.run("tc", "qdisc", "add", "dev", device, "ingress", check=True)
    add = ["tc", "filter", "add", "dev", device, "parent", "ffff:", "protocol", "all", "prio", "10", "u32",
           "match", "u32", "0", "0"]
    if host.run(*add, "police", "rate", "1gbit", "burst", "1m", "conform-exceed", "drop/pass", "flowid", ":1").returncode:
        host.run(*add, "flowid", "1:1", check=True)


def ingress_side(net):
    return (net.box.run("tc", "qdisc", "show", "dev", "lan0").stdout +
            net.box.run("tc", "filter", "show", "dev", "lan0", "parent", "ffff:").stdout)


@pytest.fixture(scope="module")
def before(net):
    """The output of tc for lan0 before the firewall comes."""
    put_ingress_qdisc(net.box, "lan0")
    return ingress_side(net)


@pytest.fixture(scope="module")
def firewall(net, before, tmp_path_factory):
    made = Firewall(net.box, POLICY, tmp_path_factory.mktemp("others"))
    try:
        made.start()
    except AssertionError:
        if not raw_hooks.tcx_reason():
            raise
        assert "ingress" in log_of(made), "it refuses without the reason"
        pytest.skip("refused with the reason: an ingress qdisc is there, and the kernel has no tcx")
    yield made
    made.stop()


# --- an ingress qdisc that was there ---


@SERVER
def test_traffic_passes_beside_an_ingress_qdisc(net, firewall, server, seen):
    assert reach(net.client, server) == {"tcp": seen, "udp": seen, "ping": "yes"}


@CLIENT
def test_traffic_that_is_shaped_by_an_ifb_passes(net, firewall, client):
    """Smart queue management leads what comes in through a device of its own: that is nobody's zone, and left alone."""
    if net.box.run("ip", "link", "add", "ifb9", "type", "ifb").returncode:
        pytest.skip("no ifb here")
    words = ["dev", "lan0", "parent", "ffff:", "protocol", "all", "pref", "77"]
    try:
        net.box.run("ip", "link", "set", "ifb9", "up", check=True)
        net.box.run("tc", "filter", "add", *words, "u32", "match", "u32", "0", "0", "action", "mirred", "egress", "redirect",
                    "dev", "ifb9", check=True)
        server = "192.0.2.10" if "." in client else "2001:db8::10"
        assert reach(net.client, server)["ping"] == "yes", log_of(firewall)[-800:]
        assert kinds(net.server, client) == set()
    finally:
        net.box.run("tc", "filter", "del", *words)
        net.box.run("ip", "link", "del", "ifb9")


@CLIENT
def test_both_directions_are_filtered_beside_an_ingress_qdisc(net, firewall, client):
    """Into lan0, and out of it: what comes from outside, and what the box itself may not send."""
    assert kinds(net.server, client) == set()
    assert kinds(net.box, client) == set(), "egress is not filtered"
    assert kinds(net.client, "10.0.0.1" if "." in client else "fd00::1") == set(), "ingress is not filtered"
    interfaces = {interface["name"]: interface for interface in firewall.data("status")[0]["interfaces"]}
    assert interfaces["lan0"]["ingress"] and interfaces["lan0"]["egress"]


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_no_churn_beside_an_ingress_qdisc(net, firewall):
    """Nobody puts anything back for ever."""
    said, spent = log_of(firewall), cpu_seconds(firewall.child.pid)
    time.sleep(2)
    assert len(log_of(firewall)) == len(said), "the log grows:\n" + log_of(firewall)[len(said):][:400]
    assert cpu_seconds(firewall.child.pid) - spent < 0.3, "the daemon is busy with nothing"


def test_the_ingress_qdisc_is_untouched(net, firewall, before):
    assert ingress_side(net) == before


# --- other filters ---


@pytest.fixture(scope="module")
def lan_is_done(net, firewall):
    """The filter of lan0 has been seen to be harmless, or not. The following is about wan0."""
    net.box.run("tc", "filter", "del", "dev", "lan0", "parent", "ffff:", check=True)


@pytest.fixture
def wan_clsact(net, firewall, lan_is_done):
    """A clsact qdisc on wan0, ours or one made here, without what a test adds."""
    made = net.box.run("tc", "qdisc", "add", "dev", "wan0", "clsact").returncode == 0
    yield
    if made:
        net.box.run("tc", "qdisc", "del", "dev", "wan0", "clsact")


def filter_of_others(net, side, priority, *words):
    """A filter of somebody else, taken off at the end of the test."""
    where = ["dev", "wan0", side, "protocol", "all", "pref", str(priority)]
    net.box.run("tc", "filter", "add", *where, *words, check=True)
    return where


@SERVER
def test_a_filter_that_says_ok(net, firewall, wan_clsact, server, seen):
    """TC_ACT_OK writes the filter's class into skb->tc_index, where our seal is: the other half is translated all the same."""
    made = [filter_of_others(net, side, 10, "u32", "match", "u32", "0", "0", "flowid", "1:1")
            for side in ("ingress", "egress")]
    try:
        assert reach(net.client, server) == {"tcp": seen, "udp": seen, "ping": "yes"}
        assert kinds(net.server, "10.0.0.10") == set()
        assert kinds(net.server, "fd00::10") == set()
    finally:
        for where in made:
            net.box.run("tc", "filter", "del", *where)


def test_a_filter_that_says_ok_stays_known_when_an_interface_comes(net, firewall, wan_clsact):
    """Its interface is believed without a seal; another one that comes changes nothing of that, not even for a second."""
    where = filter_of_others(net, "ingress", 10, "u32", "match", "u32", "0", "0", "flowid", "1:1")
    try:
        wait_for(lambda: "ping" in kinds(net.client, "192.0.2.10"), 5, "the filter is noted")
        net.box.run("ip", "link", "add", "late0", "type", "veth", "peer", "late1", check=True)
        wait_for(lambda: "late0" in log_of(firewall), 5, "the daemon has seen it")
        assert net.client.ping("192.0.2.10") == 3
    finally:
        net.box.run("ip", "link", "del", "late0")
        net.box.run("tc", "filter", "del", *where)


def stays_ours(firewall, attempt):
    """Nothing passes; or what passes is told by the next `status`, and mended within seconds."""
    said = len(log_of(firewall))
    got = attempt()
    if not got:
        return
    warnings = firewall.data("status")[0]["warnings"]
    assert warnings, f"{got} passed, and `status` says nothing"
    assert log_of(firewall)[said:], f"{got} passed, and the log says nothing"
    wait_for(lambda: not attempt(), 5, "the verdict is ours again")


@CLIENT
def test_a_filter_at_our_priority(net, firewall, wan_clsact, client):
    """`bpf` filters of one priority run in an order of their own: the newest first. This one lets everything pass."""
    made = [filter_of_others(net, side, 1, "bpf", "da", "bytecode", "1,6 0 0 0") for side in ("ingress", "egress")]
    try:
        stays_ours(firewall, lambda: kinds(net.server, client))
        stays_ours(firewall, lambda: kinds(net.box, "192.0.2.10" if "." in client else "2001:db8::10"))
        assert kinds(net.client, "192.0.2.10") == ALL
    finally:
        for where in made:
            for line in net.box.run("tc", "filter", "show", *where[:3], "pref", "1").stdout.splitlines():
                if "bytecode" in line:
                    handle = line.split("handle ")[1].split()[0]
                    net.box.run("tc", "filter", "del", *where, "handle", handle, "bpf")


@TCX
@pytest.mark.parametrize("place", ["first", "last"])
@CLIENT
def test_a_tcx_program_that_passes_everything(net, firewall, lan_is_done, watch, client, place):
    """TCX_PASS ends the list of programs: a program before ours decides instead of it."""
    ours = {side: set(programs) for side, programs in hooks(net.box, "list", "wan0").items()}
    others = [watch.start(net.box, "tcx", "wan0", side, place, 0, program="hooks.py") for side in ("ingress", "egress")]
    stays_ours(firewall, lambda: kinds(net.server, client))
    stays_ours(firewall, lambda: kinds(net.box, "192.0.2.10" if "." in client else "2001:db8::10"))
    assert kinds(net.client, "192.0.2.10") == ALL
    for other, side in zip(others, ("ingress", "egress")):
        mine = set(other.facts["programs"]) - ours[side]
        assert mine <= set(hooks(net.box, "list", "wan0")[side]), "the other program was taken off"
        end_process(other)
    assert kinds(net.server, client) == set()
    assert kinds(net.client, "2001:db8::10") == ALL


@TCX
def test_a_fight_is_not_told_every_second(net, firewall, lan_is_done, watch):
    """Somebody puts himself before us again and again."""
    said, ours = len(log_of(firewall)), hooks(net.box, "list", "wan0")["ingress"][0]
    for _ in range(5):
        other = watch.start(net.box, "tcx", "wan0", "ingress", "first", 0, program="hooks.py")
        wait_for(lambda: hooks(net.box, "list", "wan0")["ingress"][0] == ours, 5, "ours is first again")
        end_process(other)
    assert log_of(firewall)[said:].count("sees packets before ours") <= 1, log_of(firewall)[said:]


def test_no_churn_in_the_end(net, firewall, lan_is_done):
    time.sleep(0.5)
    test_no_churn_beside_an_ingress_qdisc(net, firewall)
    put(firewall, POLICY)
    assert kinds(net.client, "192.0.2.10") == ALL
    warnings = firewall.data("status")[0]["warnings"]
    assert not [warning for warning in warnings if "wan0" in warning or "lan0" in warning], warnings
