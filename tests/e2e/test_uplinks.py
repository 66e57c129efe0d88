# SPDX-License-Identifier: BSD-2-Clause
"""Two uplinks and policy routing: a packet is judged by where it really leaves."""
import contextlib
import json
import socket
import sys
import time

import pytest
from conftest import need
from lab import NOBODY, PATIENCE, masquerade, wait_for
from reallab import (CLIENT4, CLIENT6, DSL4, DSL6, DSLNEAR4, DSLNEAR6, FAR4, FAR6, GUEST4, GUEST6, ICMP, ICMP6, LOUNGE4, LOUNGE6,
                     NEAR4, NEAR6, ONE_WAN, OUTER, SECOND4, SECOND6, TWO_WANS, WAN4, ask, ask_by_tcp, echo_packet, hears,
                     icmp_heard, syn_packet, udp_packet, window)
from uplinks import (BOTH_UPLINKS, FIRST, SECOND, anywhere, both, by, came_right, far, mark_port, other_table, settle,
                     ways, zoned)

pytestmark = pytest.mark.usefixtures("usual_routes")

# --- what the rules deny asks for no neighbours ------------------------------------------------------------------------


def neighbours(reallab, device):
    text = reallab.gateway.run("ip", "-j", "neigh", "show", "dev", device).stdout
    return {entry["dst"] for entry in json.loads(text or "[]")}


@pytest.mark.parametrize("routing", ["plain", "policy"])
@both
def test_a_scan_makes_no_neighbours(reallab, real_gate, family, routing):
    """100 addresses of a routed network, TCP and UDP, denied: the kernel asks for none of them. So too when egress decides."""
    if routing == "policy":
        other_table(reallab, "fwmark", "1")
    gate = real_gate.use("allow from lan to wan\nallow from wan to guest tcp port 443\n"
                         f"allow from wan to lan tcp port 80 destination {{ {CLIENT4}, {CLIENT6} }}\nallow from self\n")
    settle(gate)
    targets = [by(family, f"10.0.0.{last}", f"fd00:10::bad:{last:x}") for last in range(100, 200)]
    for device in ("lan0", "guest0"):
        reallab.gateway.run("ip", "neigh", "flush", "dev", device)
    reallab.send(reallab.outside, [packet for target in targets for packet in
                                   (syn_packet(far(family), 50000, target, 80), udp_packet(far(family), 50000, target, 161))])
    time.sleep(0.2)
    assert not neighbours(reallab, "lan0") & set(targets), "the scan has filled the neighbour table"
    assert not [flow for flow in gate.flows(far(family)) if flow["destination"] in targets]
    end = f"[{targets[0]}]" if family == 6 else targets[0]
    start = f"[{far(6)}]" if family == 6 else far(4)
    gate.agrees(f"wan {start}:50000 > lan {end}:80 tcp syn", False)


# --- policy routing ----------------------------------------------------------------------------------------------------


@need("nft")
@ways
def test_by_mark(reallab, real_gate, mirror, family, rules, zones):
    """mwan3 and pbr: netfilter marks after we have seen the packet, and it leaves by the other uplink with its address."""
    gate = real_gate.use(rules, zones)
    mark_port(reallab, 5101)
    other_table(reallab, "fwmark", "1")
    settle(gate)
    with reallab.client.udp(anywhere(family)) as sock:
        came_right(ask(sock, far(family), 5101), family, "eth1")
        came_right(ask(sock, far(family), 5101), family, "eth1")  # as an established flow
        came_right(ask(sock, far(family), 5100), family, "eth0")
    came_right(ask_by_tcp(reallab.client, far(family), 5101), family, "eth1")
    came_right(ask_by_tcp(reallab.client, far(family), 5100), family, "eth0")


@need("nft")
@both
def test_by_mark_the_true_zone_decides(reallab, real_gate, mirror, family):
    """Allowed is where it really goes, and only that."""
    mark_port(reallab, 5101)
    other_table(reallab, "fwmark", "1")
    gate = real_gate.use("allow from lan to wan\n" + masquerade("from lan to { wan, dsl }"))
    settle(gate)
    with reallab.client.udp(anywhere(family)) as sock:
        assert not ask(sock, far(family), 5101, wait=0.4), "it leaves where no rule allows it"
        came_right(ask(sock, far(family), 5100), family, "eth0")
    assert not [seen for seen in mirror.seen if seen[0] == 5101 and seen[2] in (by(family, CLIENT4, CLIENT6),)]
    assert not gate.flows(far(family), 5101), "a flow is left behind"
    gate.use("allow from lan to dsl udp port 5101\n" + masquerade("from lan to { wan, dsl }"))
    settle(gate)
    with reallab.client.udp(anywhere(family)) as sock:
        came_right(ask(sock, far(family), 5101), family, "eth1")
        assert not ask(sock, far(family), 5100, wait=0.4), "it leaves where no rule allows it"
    assert {flow["to"] for flow in gate.flows(far(family))} == {"dsl"}


@ways
def test_by_tos(reallab, real_gate, mirror, family, rules, zones):
    gate = real_gate.use(rules, zones)
    other_table(reallab, "tos", "0x10")
    settle(gate)
    with reallab.client.udp(anywhere(family)) as sock:
        came_right(ask(sock, far(family), 5100), family, "eth0")
    with reallab.client.udp(anywhere(family)) as sock:
        if family == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0x10)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x10)
        came_right(ask(sock, far(family), 5100), family, "eth1")


@ways
def test_by_source(reallab, real_gate, mirror, family, rules, zones):
    gate = real_gate.use(rules, zones)
    other_table(reallab, "from", {"-4": SECOND4, "-6": SECOND6})
    settle(gate)
    for source, device in ((by(family, CLIENT4, CLIENT6), "eth0"), (by(family, SECOND4, SECOND6), "eth1")):
        with reallab.client.udp(source) as sock:
            came_right(ask(sock, far(family), 5100), family, device)
        came_right(ask_by_tcp(reallab.client, far(family), 5100, source), family, device)


@ways
def test_by_interface(reallab, real_gate, mirror, family, rules, zones):
    """Guests go by the other uplink."""
    gate = real_gate.use(rules.replace("lan to", "{ lan, guest } to").replace("{ lan, self }", "{ lan, guest, self }"), zones)
    other_table(reallab, "iif", "guest0")
    settle(gate)
    for host, device in ((reallab.client, "eth0"), (reallab.guest, "eth1")):
        with host.udp(anywhere(family)) as sock:
            came_right(ask(sock, far(family), 5100), family, device)


ASK_AS = """
import socket, sys
target, port = sys.argv[1:]
sock = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(1)
sock.sendto(b"who am I?", (target, int(port)))
print(sock.recv(2048).decode())
"""


@ways
def test_own_by_uid(reallab, real_gate, mirror, family, rules, zones):
    """The box's own packets, by whose process it is."""
    gate = real_gate.use(rules, zones)
    other_table(reallab, "uidrange", "65534-65534")
    settle(gate)
    for who, device in (([], "eth0"), (NOBODY, "eth1")):
        done = reallab.gateway.run(*who, sys.executable if not who else "/usr/bin/python3", "-c", ASK_AS, far(family), 5100)
        assert done.returncode == 0, done.stderr[-300:]
        came_right(json.loads(done.stdout), family, device)


@need("nft")
@ways
def test_own_by_mark(reallab, real_gate, mirror, family, rules, zones):
    """netfilter sends the box's own packet another way after its source was chosen: it is masqueraded there."""
    gate = real_gate.use(rules, zones)
    mark_port(reallab, 5101, "output")
    other_table(reallab, "fwmark", "1")
    settle(gate)
    with reallab.gateway.udp(anywhere(family)) as sock:
        came_right(ask(sock, far(family), 5101), family, "eth1")
        came_right(ask(sock, far(family), 5100), family, "eth0")


# --- several next hops -------------------------------------------------------------------------------------------------


@both
@zoned
def test_several_next_hops(reallab, real_gate, mirror, family, rules, zones):
    """Each of 24 new connections works, bears the address of where it leaves, and goes on so."""
    reallab.gateway.write("/proc/sys/net/ipv4/fib_multipath_hash_policy", 1)
    reallab.gateway.write("/proc/sys/net/ipv6/fib_multipath_hash_policy", 1)
    gate = real_gate.use(rules, zones)
    reallab.default_routes(FIRST, SECOND)
    settle(gate)
    devices, lost, wrong = set(), 0, []
    for turn in range(24):
        if turn % 2:
            answers = [ask_by_tcp(reallab.client, far(family), 5100)]
        else:
            with reallab.client.udp(anywhere(family), 42000 + turn) as sock:
                answers = [ask(sock, far(family), 5100) for _ in range(2)]
        lost += answers.count(None)
        for answer in filter(None, answers):
            devices.add(answer["device"])
            if answer["source"] != by(family, *OUTER[answer["device"]]):
                wrong.append(answer)
    assert not lost and not wrong, f"{lost} without an answer, {len(wrong)} with another uplink's address"
    assert devices == {"eth0", "eth1"}, devices


@both
def test_several_next_hops_of_one_zone_untranslated(reallab, real_gate, mirror, family):
    """It leaves by one and its answers come by the other: in one zone that is one network."""
    reallab.gateway.write("/proc/sys/net/ipv4/fib_multipath_hash_policy", 1)
    reallab.gateway.write("/proc/sys/net/ipv6/fib_multipath_hash_policy", 1)
    gate = real_gate.use("allow from lan to wan\n", ONE_WAN)
    reallab.default_routes(FIRST, SECOND)
    settle(gate)
    devices = set()  # which one a flow goes by is a matter of chance: of 24 one goes by eth1
    # Outside answers untranslated packets by eth0, whichever they came by: this one is not bound to a device.
    with reallab.outside.udp(far(family), 5200) as server:
        for turn in range(24):
            with reallab.client.udp(anywhere(family), 43000 + turn) as sock, reallab.outside.wire("eth1") as wire:
                sock.sendto(b"hello", (far(family), 5200))
                server.settimeout(PATIENCE)
                data, peer = server.recvfrom(100)
                server.sendto(data, peer)
                assert hears(sock), f"connection {turn} has no answer"
                wire.settimeout(0.02)
                with contextlib.suppress(TimeoutError):
                    wire.recv(2048)
                    devices.add("eth1")
    assert "eth1" in devices, "all went by one uplink"


@both
def test_several_next_hops_of_which_one_is_denied(reallab, real_gate, mirror, family):
    """Rules for one of the two zones let pass what leaves by it, and nothing else; no flow is left of the others. Which one a flow
    goes by is a matter of chance: of 32 not all go by one."""
    reallab.gateway.write("/proc/sys/net/ipv4/fib_multipath_hash_policy", 1)
    reallab.gateway.write("/proc/sys/net/ipv6/fib_multipath_hash_policy", 1)
    gate = real_gate.use("allow from lan to dsl\n" + masquerade("from lan to { wan, dsl }"))
    reallab.default_routes(FIRST, SECOND)
    settle(gate)
    del mirror.seen[:]
    answered = 0
    for turn in range(32):
        with reallab.client.udp(anywhere(family), 44000 + turn) as sock:
            answer = ask(sock, far(family), 5100, wait=0.25)
            if answer:
                came_right(answer, family, "eth1")
                answered += 1
    left = {seen[3] for seen in mirror.seen}
    assert 0 < answered <= len(left) < 32, f"{answered} of 32 were answered, {len(left)} have left"
    assert {seen[4] for seen in mirror.seen} == {"eth1"}, "what is denied has left"
    assert len(gate.flows(far(family))) == len(left)


# --- what the box itself answers ---------------------------------------------------------------------------------------

OWN_SERVICES = "".join(f"allow from {{ wan, dsl, lan }} to self {what}\n" for what in
                       ("icmp type echo-request", "icmpv6 type echo-request", "tcp port 8090", "udp port 8090"))


def own_gate(reallab, real_gate, routing, zones):
    """A box with services of its own, whose default routes are of different metrics, or one by both uplinks."""
    reallab.gateway.write("/proc/sys/net/ipv4/fib_multipath_hash_policy", 1)
    reallab.gateway.write("/proc/sys/net/ipv6/fib_multipath_hash_policy", 1)
    gate = real_gate.use(OWN_SERVICES if "dsl" in zones else OWN_SERVICES.replace("dsl, ", ""), zones)
    if routing == "several":
        reallab.default_routes(FIRST, SECOND)
    settle(gate)
    return gate


own_routings = pytest.mark.parametrize("routing", ["metrics", "several"])
own_zones = pytest.mark.parametrize("zones", [TWO_WANS, ONE_WAN], ids=["two-zones", "one-zone"])


@both
@own_routings
@own_zones
def test_own_answers_leave_where_it_came_in(reallab, real_gate, family, routing, zones):
    """The box is pinged, asked and connected to by either uplink's address. Outside hears only what comes by the same wire."""
    own_gate(reallab, real_gate, routing, zones)
    for device in ("eth0", "eth1"):
        at = by(family, *OUTER[device])
        reallab.outside.ping(at, "-I", device, "-I", far(family), count=1)  # resolves the router
        assert reallab.outside.ping(at, "-I", device, "-I", far(family)) == 3, f"pings by {device}"
        if zones is ONE_WAN:
            assert reallab.outside.ping(at, "-I", device, "-I", far(family), "-s", 4000) == 3, f"fragments by {device}"
        with reallab.gateway.udp(at, 8090) as server:
            for turn in range(6):
                with reallab.outside.udp(far(family), 46000 + turn, device) as sock:
                    sock.sendto(b"hello", (at, 8090))
                    data, peer = server.recvfrom(100)
                    server.sendto(data, peer)
                    assert hears(sock), f"datagram {turn} by {device} has no answer"
        with reallab.gateway.tcp_listener(at, 8090) as listener:
            listener.settimeout(PATIENCE)
            for turn in range(6):
                sock = reallab.outside.connect_to(at, 8090, far(family), device)
                assert sock, f"connection {turn} by {device}"
                accepted, _ = listener.accept()
                with sock, accepted:
                    accepted.sendall(b"welcome" * 5000)
                    sock.settimeout(PATIENCE)
                    assert sock.recv(35000, socket.MSG_WAITALL) == b"welcome" * 5000


@both
@own_routings
def test_own_answers_to_neighbours(reallab, real_gate, family, routing):
    """A host on the link that the routes choose is answered there, whichever address of the box it asked; so is the LAN."""
    own_gate(reallab, real_gate, routing, ONE_WAN)
    six, other = family == 6, by(family, DSL4, DSL6)
    with reallab.outside.raw(ICMP6 if six else ICMP, six, "eth0") as near:
        for _ in range(2):
            reallab.send(reallab.outside, echo_packet(by(family, NEAR4, NEAR6), other), "eth0")
            answers = [kind for peer, kind, _ in icmp_heard(near, six) if peer == other]
        assert by(family, 0, 129) in answers, answers
    assert reallab.client.ping(other) == 3
    assert reallab.outside.ping(by(family, *OUTER["eth1"]), "-I", "eth1") == 3


@both
def test_own_answers_into_a_zone_of_two(reallab, real_gate, family):
    """The first uplink in a zone of its own, the second and a third in another: of these two the right one answers."""
    hop = by(family, GUEST4, GUEST6)
    reallab.gateway.ip(f"-{family}", "route", "add", "default", "via", hop, "dev", "guest0", "metric", "5000")
    try:
        own_gate(reallab, real_gate, "metrics", "zone lan { lan0 }\nzone wan { wan0 }\nzone dsl { wan1, guest0 }\n")
        at = by(family, *OUTER["eth1"])
        reallab.outside.ping(at, "-I", "eth1", "-I", far(family), count=1)  # resolves the router
        assert reallab.outside.ping(at, "-I", "eth1", "-I", far(family)) == 3
    finally:
        reallab.gateway.run("ip", f"-{family}", "route", "del", "default", "via", hop, "dev", "guest0", "metric", "5000")


# --- devices that are no plain wires -------------------------------------------------------------------------------------


@both
def test_light_weight_tunnels(reallab, real_gate, family):
    """A route with an encapsulation: judged by the tunnel's zone, and what carries it is the box's own."""
    gateway, outside, target = reallab.gateway, reallab.outside, by(family, "203.0.113.30", "2001:db8:f::30")
    made = gateway.run("ip", "link", "add", "vx0", "type", "vxlan", "external", "dstport", "4789")
    if made.returncode:
        pytest.skip("no vxlan in this kernel: " + made.stderr.strip())
    try:
        gateway.ip("link", "set", "vx0", "up", "address", "02:00:00:00:07:01")
        gateway.ip("addr", "add", by(family, "10.7.0.1/24", "fd00:17::1/64"), "dev", "vx0", *(["nodad"] if family == 6 else []))
        kind = ["encap", "ip", "id", "7", "dst", NEAR4]
        route = gateway.run("ip", "route", "add", target, *kind, "via", by(family, "10.7.0.2", "fd00:17::2"), "dev", "vx0")
        assert route.returncode == 0, route.stderr
        gateway.ip("neigh", "add", by(family, "10.7.0.2", "fd00:17::2"), "lladdr", "02:00:00:00:07:02", "dev", "vx0",
                   "nud", "permanent")
        outside.ip("link", "add", "vx0", "address", "02:00:00:00:07:02", "type", "vxlan", "id", "7", "remote", WAN4,
                   "dstport", "4789")
        outside.ip("addr", "add", target, "dev", "lo")
        outside.ip("link", "set", "vx0", "up")
        for rule, passes in (("allow from lan to tunnel\n", True), ("allow from lan to wan\n", False)):
            gate = real_gate.use(rule + "allow from self\n", TWO_WANS + "zone tunnel { vx0 }\n")
            wait_for(lambda: "vx0" in gate.say("status"), 3, "vx0 is guarded")
            settle(gate)
            with outside.udp(target, 5300, "vx0") as server, reallab.client.udp(anywhere(family)) as sock:
                sock.sendto(b"hello", (target, 5300))
                assert hears(server, window(passes)) == passes, rule
            source = by(family, CLIENT4, f"[{CLIENT6}]")
            gate.agrees(f"lan {source}:41000 > tunnel {by(family, target, f'[{target}]')}:5300 udp", passes)
    finally:
        for host in (gateway, outside):
            host.run("ip", "link", "del", "vx0")
        outside.run("ip", "addr", "del", target, "dev", "lo")


@both
def test_vrf(reallab, real_gate, mirror, family):
    """Guests and the second uplink in a routing domain of their own: zones are of the members."""
    gateway = reallab.gateway
    made = gateway.run("ip", "link", "add", "vrf0", "type", "vrf", "table", "55")
    if made.returncode:
        pytest.skip("no VRF in this kernel: " + made.stderr.strip())
    try:
        gateway.ip("link", "set", "vrf0", "up")
        for device in ("guest0", "wan1"):
            gateway.ip("link", "set", device, "master", "vrf0")
        gateway.ip("route", "replace", "default", "via", DSLNEAR4, "dev", "wan1", "table", "55")
        gateway.ip("-6", "route", "replace", "default", "via", DSLNEAR6, "dev", "wan1", "table", "55")
        gate = real_gate.use("allow from { lan, guest } to { wan, dsl }\nallow from guest to self\n" +
                             masquerade("from { lan, guest } to { wan, dsl }"))
        settle(gate)
        for host, device in ((reallab.client, "eth0"), (reallab.guest, "eth1")):
            with host.udp(anywhere(family)) as sock:
                came_right(ask(sock, far(family), 5100), family, device)
        assert reallab.guest.ping(by(family, LOUNGE4, LOUNGE6)) == 3
    finally:
        gateway.run("ip", "link", "del", "vrf0")


# --- forwarding by interface -----------------------------------------------------------------------------------------------


def test_ipv6_forwarding_by_interface(reallab, real_gate, mirror):
    """conf/lan0/forwarding 0 makes a host of that interface, but forwards all the same: it is judged as forwarded."""
    gate = real_gate.use(BOTH_UPLINKS)
    reallab.gateway.write("/proc/sys/net/ipv6/conf/lan0/forwarding", 0)
    settle(gate)
    with reallab.client.udp("::") as sock:
        came_right(ask(sock, FAR6, 5100), 6, "eth0")
    assert {flow["to"] for flow in gate.flows(FAR6)} == {"wan"}
    gate.use("allow from lan to self\nallow from self\n")
    with reallab.client.udp("::") as sock:
        assert not ask(sock, FAR6, 5100, wait=0.4), "it is forwarded by a rule to self"
    assert not gate.flows(FAR6)


def test_ipv4_forwarding_by_interface(reallab, real_gate, mirror):
    """In IPv4 it is the interface that a packet comes by which decides."""
    gate = real_gate.use(BOTH_UPLINKS + "allow from guest to { wan, dsl }\nnat from guest to { wan, dsl } masquerade\n")
    reallab.gateway.write("/proc/sys/net/ipv4/conf/guest0/forwarding", 0)
    settle(gate)
    with reallab.client.udp() as sock, reallab.guest.udp() as guest:
        came_right(ask(sock, FAR4, 5100), 4, "eth0")
        assert not ask(guest, FAR4, 5100, wait=0.3)
    assert not gate.flows(GUEST4), "a flow is left of what was not forwarded"


def test_force_forwarding(reallab, real_gate, mirror):
    """Linux 6.17: some interfaces forward although the box does not."""
    if reallab.gateway.run("test", "-e", "/proc/sys/net/ipv6/conf/lan0/force_forwarding").returncode:
        pytest.skip("no force_forwarding in this kernel")
    gate = real_gate.use(BOTH_UPLINKS)
    reallab.gateway.write("/proc/sys/net/ipv6/conf/all/forwarding", 0)
    for device in ("lan0", "wan0"):
        reallab.gateway.write(f"/proc/sys/net/ipv6/conf/{device}/force_forwarding", 1)
    try:
        settle(gate)
        with reallab.client.udp("::") as sock:
            came_right(ask(sock, FAR6, 5100), 6, "eth0")
            came_right(ask(sock, FAR6, 5100), 6, "eth0")
    finally:
        for device in ("lan0", "wan0"):
            reallab.gateway.write(f"/proc/sys/net/ipv6/conf/{device}/force_forwarding", 0)
