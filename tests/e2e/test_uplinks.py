# SPDX-License-Identifier: BSD-2-Clause
"""Two uplinks, policy routing and routes that go away: a packet is judged by where it really leaves."""
import contextlib
import json
import socket
import sys
import time

import pytest
from conftest import need
from lab import NOBODY, wait_for
from reallab import (CLIENT4, CLIENT6, DSL4, DSL6, DSLNEAR4, DSLNEAR6, FAR4, FAR6, FAMILIES, GUEST4, ICMP, ICMP6,
                     LAN4, LAN6, LOUNGE4, LOUNGE6, NEAR4, NEAR6, ONE_WAN, OUTER, SECOND4, SECOND6, TWO_WANS, WAN4,
                     WAN6, ask, ask_by_tcp, heard, hears, icmp_heard, syn_packet, udp_packet)

BOTH_UPLINKS = "allow from lan to { wan, dsl }\nnat from { lan, self } to { wan, dsl } masquerade\nallow from self\n"
ONE_UPLINK = "allow from lan to wan\nnat from { lan, self } to wan masquerade\nallow from self\n"
FIRST, SECOND = (NEAR4, NEAR6, "wan0"), (DSLNEAR4, DSLNEAR6, "wan1")
OTHER_TABLE = "101"
ROUTER_SECONDS = 3  # in which the daemon must have noticed a change of routes

both = pytest.mark.parametrize("family", FAMILIES, ids=["ipv4", "ipv6"])
zoned = pytest.mark.parametrize("rules, zones", [(BOTH_UPLINKS, TWO_WANS), (ONE_UPLINK, ONE_WAN)],
                                ids=["two-zones", "one-zone"])
# A way of routing with both families, and with both uplinks in one zone.
ways = pytest.mark.parametrize("family, rules, zones", [(4, BOTH_UPLINKS, TWO_WANS), (6, BOTH_UPLINKS, TWO_WANS),
                                                        (4, ONE_UPLINK, ONE_WAN)], ids=["ipv4", "ipv6", "one-zone"])


def by(family, four, six):
    return six if family == 6 else four


def far(family):
    return by(family, FAR4, FAR6)


def anywhere(family):
    return by(family, "0.0.0.0", "::")


def words(family, zone, source, sport, to, port, proto="udp"):
    """A packet from inside to far outside, in the words of explain."""
    return f"{zone} {source}:{sport} > {to} {far(family)}:{port} {proto}" if family == 4 else \
        f"{zone} [{source}]:{sport} > {to} [{far(family)}]:{port} {proto}"


def came_right(answer, family, device=None):
    """It was heard by an interface of outside, and bore the address of the gateway on that wire."""
    assert answer, "no answer"
    assert answer["source"] == by(family, *OUTER[answer["device"]]), f"a source that the other uplink has: {answer}"
    if device:
        assert answer["device"] == device, answer


@pytest.fixture(autouse=True)
def usual_routes(reallab, real_gate):
    """Whatever a test does to routes is undone."""
    yield
    gateway = reallab.gateway
    for family in ("-4", "-6"):
        for line in gateway.run("ip", family, "rule").stdout.splitlines():
            if OTHER_TABLE in line.split():
                gateway.run("ip", family, "rule", "del", "pref", line.split(":")[0])
        gateway.run("ip", family, "route", "flush", "table", OTHER_TABLE)
    gateway.run("nft", "flush", "ruleset")
    reallab.forward(True)
    reallab.routes()


def other_table(reallab, *selector):
    """Packets that the selector picks go by wan1."""
    for family, hop in (("-4", DSLNEAR4), ("-6", DSLNEAR6)):
        reallab.gateway.ip(family, "route", "replace", "default", "via", hop, "dev", "wan1", "table", OTHER_TABLE)
        picked = [word[family] if isinstance(word, dict) else word for word in selector]
        reallab.gateway.ip(family, "rule", "add", *picked, "table", OTHER_TABLE)


def mark_port(reallab, port, hook="prerouting"):
    """nftables marks what goes to a port."""
    kind = "route" if hook == "output" else "filter"
    done = reallab.gateway.run("nft", "add table inet kst;"
                               f"add chain inet kst {hook} {{ type {kind} hook {hook} priority mangle; }};"
                               f"add rule inet kst {hook} meta l4proto {{ tcp, udp }} th dport {port} meta mark set 1")
    assert done.returncode == 0, done.stderr


def settle(gate):
    """The daemon has seen the routes: it says so by answering (it reads netlink before it answers)."""
    time.sleep(0.3)
    gate.say("status")


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
    gate = real_gate.use("allow from lan to wan\nnat from lan to { wan, dsl } masquerade\n")
    settle(gate)
    with reallab.client.udp(anywhere(family)) as sock:
        assert not ask(sock, far(family), 5101, wait=0.4), "it leaves where no rule allows it"
        came_right(ask(sock, far(family), 5100), family, "eth0")
    assert not [seen for seen in mirror.seen if seen[0] == 5101 and seen[2] in (by(family, CLIENT4, CLIENT6),)]
    assert not gate.flows(far(family), 5101), "a flow is left behind"
    gate.use("allow from lan to dsl udp port 5101\nnat from lan to { wan, dsl } masquerade\n")
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
                answers = [ask(sock, far(family), 5100, wait=0.5) for _ in range(2)]
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
    devices = set()
    # Outside answers untranslated packets by eth0, whichever they came by: this one is not bound to a device.
    with reallab.outside.udp(far(family), 5200) as server:
        for turn in range(12):
            with reallab.client.udp(anywhere(family), 43000 + turn) as sock, reallab.outside.wire("eth1") as wire:
                sock.sendto(b"hello", (far(family), 5200))
                server.settimeout(1)
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
    """Rules for one of the two zones let pass what leaves by it, and nothing else; no flow is left of the others."""
    reallab.gateway.write("/proc/sys/net/ipv4/fib_multipath_hash_policy", 1)
    reallab.gateway.write("/proc/sys/net/ipv6/fib_multipath_hash_policy", 1)
    gate = real_gate.use("allow from lan to dsl\nnat from lan to { wan, dsl } masquerade\n")
    reallab.default_routes(FIRST, SECOND)
    settle(gate)
    del mirror.seen[:]
    answered = 0
    for turn in range(16):
        with reallab.client.udp(anywhere(family), 44000 + turn) as sock:
            answer = ask(sock, far(family), 5100, wait=0.25)
            if answer:
                came_right(answer, family, "eth1")
                answered += 1
    assert 2 <= answered <= 14, f"{answered} of 16 were answered"
    assert {seen[4] for seen in mirror.seen} == {"eth1"}, "what is denied has left"
    assert len(gate.flows(far(family))) == answered


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
                assert hears(server, 0.4) == passes, rule
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
        gate = real_gate.use("allow from { lan, guest } to { wan, dsl }\nallow from guest to self\n"
                             "nat from { lan, guest } to { wan, dsl } masquerade\n")
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


# --- what came in by the second uplink -------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("zones", [TWO_WANS, ONE_WAN], ids=["two-zones", "one-zone"])
def test_answers_leave_where_it_came_in(reallab, real_gate, family, zones):
    """A service inside is reached by either uplink's address: answers go back by the same, though the default route is one."""
    outer = "{ wan, dsl }" if zones is TWO_WANS else "wan"
    client = by(family, CLIENT4, CLIENT6)
    gate = real_gate.use("".join(f"forward from {outer} {kind} port 8080 to {client}\n" for kind in ("udp", "tcp")), zones)
    settle(gate)
    with reallab.client.udp(client, 8080) as server, reallab.client.tcp_listener(client, 8080) as listener:
        for device, at in (("eth1", by(family, DSL4, DSL6)), ("eth0", by(family, WAN4, WAN6))):
            with reallab.outside.udp(far(family), 0, device) as sock:
                for _ in range(3):
                    sock.sendto(b"hello", (at, 8080))
                    server.settimeout(1)
                    data, peer = server.recvfrom(100)
                    assert peer[0] == far(family)
                    server.sendto(data, peer)
                    answers = heard(sock, 1, 1)
                    assert answers and answers[0][1] == at, f"by {device}: {answers}"
            listener.settimeout(2)
            sock = reallab.outside.connect_to(at, 8080, far(family), device)
            assert sock, f"no connection by {device}"
            accepted, _ = listener.accept()
            with sock, accepted:
                accepted.sendall(b"welcome" * 500)
                sock.settimeout(2)
                assert sock.recv(7) == b"welcome"
    ends = (f"dsl {FAR4}:50001 > self {DSL4}:8080 udp" if family == 4 else f"dsl [{FAR6}]:50001 > self [{DSL6}]:8080 udp")
    gate.agrees(ends if zones is TWO_WANS else ends.replace("dsl", "wan"), True)


@both
def test_routed_addresses_by_the_second_uplink(reallab, real_gate, family):
    """The same without translation: who comes in by wan1 is answered by wan1, else the provider's filter drops it."""
    gate = real_gate.use("allow from { wan, dsl } to lan\n")
    settle(gate)
    client = by(family, CLIENT4, CLIENT6)
    with reallab.client.udp(client, 8081) as server, reallab.outside.udp(far(family), 50081, "eth1") as sock:
        reallab.send(reallab.outside, udp_packet(far(family), 50081, client, 8081), "eth1")
        server.settimeout(1)
        data, peer = server.recvfrom(100)
        server.sendto(data, peer)
        assert hears(sock), "the answer does not leave by the uplink that the question came in by"


# --- an uplink dies ----------------------------------------------------------------------------------------------------


@both
@zoned
@pytest.mark.parametrize("death", ["route", "carrier"])
def test_an_uplink_dies(reallab, real_gate, mirror, family, rules, zones, death):
    """A client that keeps its port (SIP, WireGuard) is translated anew with its next packet, and back when it lives again."""
    gate = real_gate.use(rules, zones)
    settle(gate)
    with reallab.client.udp(anywhere(family), 45060) as sock:
        came_right(ask(sock, far(family), 5100), family, "eth0")
        came_right(ask(sock, far(family), 5100), family, "eth0")
        if death == "carrier":
            reallab.outside.ip("link", "set", "eth0", "down")
        reallab.default_routes(SECOND)
        answers = [ask(sock, far(family), 5100, wait=0.4) for _ in range(3)]
        assert any(answers), "the client is stuck with the dead uplink"
        assert answers[0] or answers[1], "it takes more than one packet to begin anew"
        came_right([answer for answer in answers if answer][0], family, "eth1")
        assert len(gate.flows(far(family), 45060)) == 1, gate.flows(far(family), 45060)
        reallab.routes()
        answers = [ask(sock, far(family), 5100, wait=0.4) for _ in range(3)]
        assert any(answers)
        came_right(answers[-1], family, "eth0")


@both
def test_an_uplink_dies_untranslated(reallab, real_gate, mirror, family):
    """An untranslated flow moves with the route where the rules allow it, and ends where they do not."""
    reallab.outside.run("ip", "route", "replace", by(family, "10.0.0.0/24", "fd00:10::/64"), "via", by(family, DSL4, DSL6))
    gate = real_gate.use("allow from lan to { wan, dsl }\n")
    reallab.default_routes(SECOND)
    settle(gate)
    with reallab.client.udp(anywhere(family), 45061) as sock, reallab.outside.udp(far(family), 5200) as server:
        def talk():
            sock.sendto(b"hello", (far(family), 5200))
            server.settimeout(0.5)
            try:
                data, peer = server.recvfrom(100)
            except TimeoutError:
                return False
            server.sendto(data, peer)
            return hears(sock, 0.5)
        assert talk()
        reallab.outside.run("ip", "route", "replace", by(family, "10.0.0.0/24", "fd00:10::/64"), "via", by(family, WAN4, WAN6))
        reallab.default_routes(FIRST)
        assert talk() or talk(), "the flow does not move to the zone that the rules allow too"
        assert {flow["to"] for flow in gate.flows(far(family), 45061)} == {"wan"}
        gate.use("allow from lan to wan\n")
        assert talk()
        reallab.default_routes(SECOND)
        assert not talk(), "a flow leaves where no rule allows it"


# --- no way ------------------------------------------------------------------------------------------------------------


NO_WAYS = {"no-route": (), "unreachable": ("unreachable",), "prohibit": ("prohibit",)}


@both
@pytest.mark.parametrize("way", NO_WAYS)
def test_no_way(reallab, real_gate, mirror, family, way):
    """No flow is left, the box says so to whom the rules allow, and it works when the route is back."""
    gate = real_gate.use("allow from lan to wan\nnat from lan to wan masquerade\n")
    reallab.default_routes()
    if NO_WAYS[way]:
        reallab.gateway.ip(by(family, "-4", "-6"), "route", "add", *NO_WAYS[way], "default", "metric", "3000")
    settle(gate)
    six = family == 6
    try:
        with reallab.client.raw(ICMP6 if six else ICMP, six) as errors, reallab.client.udp(anywhere(family), 46000) as sock, \
                reallab.guest.udp(anywhere(family), 46000) as stranger, reallab.guest.raw(ICMP6 if six else ICMP, six) as none:
            sock.sendto(b"x" * 64, (far(family), 5100))
            told = [(source, kind) for source, kind, _ in icmp_heard(errors, six, 0.6) if kind == (1 if six else 3)]
            stranger.sendto(b"x" * 64, (far(family), 5100))
            untold = [found for found in icmp_heard(none, six) if found[1] == (1 if six else 3)]
            assert not gate.flows(far(family)), "a flow is left of what went nowhere"
            assert told, "the box does not say that there is no way"
            assert told[0][0] == by(family, LAN4, LAN6), told
            assert not untold, "who may not go there is told about routes"
    finally:
        if NO_WAYS[way]:
            reallab.gateway.ip(by(family, "-4", "-6"), "route", "del", *NO_WAYS[way], "default", "metric", "3000")
        reallab.routes()
    with reallab.client.udp(anywhere(family), 46000) as sock:
        came_right(ask(sock, far(family), 5100), family, "eth0")


@both
def test_forwarding_off(reallab, real_gate, mirror, family):
    """ip_forward=0: nothing passes, nothing is left; `status` and `run` say it; it works at once when it is on."""
    gate = real_gate.use("allow from lan to wan\nnat from lan to wan masquerade\nallow from self\n")
    reallab.forward(False)
    settle(gate)
    with reallab.client.udp(anywhere(family), 46001) as sock:
        assert not ask(sock, far(family), 5100, wait=0.3)
        assert not gate.flows(far(family), 46001), "a flow is left of what was not forwarded"
        wait_for(lambda: any("forward" in warning for warning in gate.data("status")[0]["warnings"]), ROUTER_SECONDS,
                 "status warns that forwarding is off")
        reallab.forward(True)
        reallab.routes()
        came_right(ask(sock, far(family), 5100), family, "eth0")
    wait_for(lambda: not any("forward" in warning for warning in gate.data("status")[0]["warnings"]), ROUTER_SECONDS,
             "the warning goes")


def test_run_warns_of_forwarding(reallab, real_gate):
    """`run` says so at once, but not where no rule forwards."""
    gate = real_gate.use("allow from lan to wan\nallow from self\n")
    reallab.forward(False)
    try:
        gate.crash()
        said = len(gate.log_path.read_text())
        gate.start()
        assert "forwarding" in gate.log_path.read_text()[said:], gate.log_path.read_text()[said:]
    finally:
        reallab.forward(True)
    gate.use("allow from lan to self\nallow from self\n")
    reallab.forward(False)
    time.sleep(0.5)
    assert not any("forward" in warning for warning in gate.data("status")[0]["warnings"])


@both
def test_a_host_that_is_not_there(reallab, real_gate, family):
    """The box asks for it in vain and says so, in its own name, to whom the rules allow."""
    real_gate.use("allow from guest to lan\n")
    reallab.gateway.write("/proc/sys/net/ipv4/neigh/lan0/retrans_time_ms", 100)
    reallab.gateway.write("/proc/sys/net/ipv6/neigh/lan0/retrans_time_ms", 100)
    six = family == 6
    with reallab.guest.raw(ICMP6 if six else ICMP, six) as errors:
        with reallab.guest.udp(anywhere(family)) as sock:
            sock.sendto(b"x" * 64, (by(family, "10.0.0.99", "fd00:10::99"), 9))
            told = [found for found in icmp_heard(errors, six, 2) if found[1] == (1 if six else 3)]
    assert told and told[0][0] == by(family, LOUNGE4, LOUNGE6), told
