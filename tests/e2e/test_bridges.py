# SPDX-License-Identifier: BSD-2-Clause
"""Bridges whose ports are zones, and containers that share an interface of ours by a macvlan device.

    left  10.1.0.1 ---- p0 br0 p1 ---- 10.1.0.2 right      no address on br0: a transparent filter
    desk  10.2.0.10 --- q0 br1 q1 ---- 10.2.0.20 stray     br1 is 10.2.0.1: a zone names q0, none names q1
    bench 10.3.0.10 --- r0 br2 r1 ---- 10.3.0.20 hall      br2 is 10.3.0.1: a zone names br2, another one r0
    one   10.4.0.10 --- s0 br3 s1 ---- 10.4.0.20 two       br3 is 10.4.0.1: a zone names br3 only
                           box up0 -------- 192.0.2.10 server
    container 192.0.2.20 --/ a macvlan of up0; behind it 10.9.0.10 inner
    sibling 192.0.2.21 -----/ another one
    silent 192.0.2.22 ------/ another one, which never sends anything
    guest 10.4.0.30 -- a macvlan of br3

The same with IPv6: fd01::1 and so on, 2001:db8::10.
"""
import sys
import time

import hooks as raw_hooks
import pytest
from lab import wait_for
from wires import ALL, HERE, Net, datagrams, firewall_fixture, index_of, kinds, mac_of, matches, net_fixture, put, reach, reasons

ZONES = """\
zone inside { p0 }
zone outside { p1 }
zone office { q0 }
zone hall { br2 }
zone bench { r0 }
zone yard { br3 }
zone wan { up0 }
"""
RULES = """\
deny from inside to outside tcp port 7001
deny from inside to outside udp port 7001
allow from inside to outside
allow from { office, hall, yard } to wan
allow from office to self
allow from bench to hall
allow from self
"""

SERVER4, SERVER6 = "192.0.2.10", "2001:db8::10"
RIGHT = pytest.mark.parametrize("right, left", [("10.1.0.2", "10.1.0.1"), ("fd01::2", "fd01::1")], ids=["ipv4", "ipv6"])
SERVER = pytest.mark.parametrize("server", [SERVER4, SERVER6], ids=["ipv4", "ipv6"])


class Bridges(Net):
    def build(self):
        self.box = self.host("box", forward=True)
        self.server = self.host("server")
        self.cable(self.box, "up0", self.server, "eth0")
        self.address(self.box, "up0", "192.0.2.1/24", "2001:db8::1/64")
        self.address(self.server, "eth0", f"{SERVER4}/24", f"{SERVER6}/64")
        self.gateway_is(self.server, "192.0.2.1", "2001:db8::1")
        self.left, self.right = self.pair(1, "p", "br0", ("left", 1), ("right", 2))
        self.desk, self.stray = self.pair(2, "q", "br1", ("desk", 10), ("stray", 20))
        self.bench, self.hall = self.pair(3, "r", "br2", ("bench", 10), ("hall", 20))
        self.one, self.two = self.pair(4, "s", "br3", ("one", 10), ("two", 20))
        self.container = self.macvlan("container", "up0", "192.0.2.20/24", "2001:db8::20/64")
        self.container.write("/proc/sys/net/ipv4/ip_forward", 1)
        self.sibling = self.macvlan("sibling", "up0", "192.0.2.21/24", "2001:db8::21/64")
        self.silent = self.silent_macvlan("silent", 22)
        self.guest = self.macvlan("guest", "br3", "10.4.0.30/24", "fd04::30/64")
        self.answer(*[host for host in self.hosts])
        self.answer(self.right, port=7001)

    def pair(self, number, letter, bridge, *hosts):
        """Two hosts at a bridge of the box; the box has an address on all but the first."""
        made = []
        for at, (role, last) in enumerate(hosts):
            host = self.host(role)
            self.cable(self.box, f"{letter}{at}", host, "eth0")
            self.address(host, "eth0", f"10.{number}.0.{last}/24", f"fd0{number}::{last}/64")
            made.append(host)
        self.bridge(self.box, bridge, f"{letter}0", f"{letter}1")
        if number > 1:
            self.address(self.box, bridge, f"10.{number}.0.1/24", f"fd0{number}::1/64")
            for host in made:
                self.gateway_is(host, f"10.{number}.0.1", f"fd0{number}::1")
        return made

    def macvlan(self, role, below, *addresses):
        host = self.host(role)
        self.box.ip("link", "add", "mv0", "link", below, "type", "macvlan", "mode", "bridge")
        self.box.ip("link", "set", "mv0", "netns", host.name, "name", "eth0")
        host.ip("link", "set", "eth0", "up")
        self.address(host, "eth0", *addresses)
        return host

    def silent_macvlan(self, role, last):
        """A container that nothing leaves, not even when its device comes up; nor did the device belong to the box before."""
        host = self.host(role)
        self.box.ip("link", "add", "eth0", "link", "up0", "netns", host.name, "type", "macvlan", "mode", "bridge")
        host.run("tc", "qdisc", "add", "dev", "eth0", "root", "pfifo", "limit", 0, check=True)
        host.ip("link", "set", "eth0", "up")
        self.address(host, "eth0", f"192.0.2.{last}/24", f"2001:db8::{last}/64")
        for address in (f"192.0.2.{last}", f"2001:db8::{last}"):
            self.server.ip("neigh", "replace", address, "lladdr", mac_of(host, "eth0"), "dev", "eth0")
        return host


net = net_fixture(Bridges)
standing = firewall_fixture("standing", ZONES + RULES)


@pytest.fixture
def firewall(standing):
    """For tests that reload it: the usual policy is in force again afterwards."""
    yield standing
    put(standing, ZONES + RULES)


# --- transparent: zones on two ports ---


@RIGHT
def test_a_transparent_bridge_passes_what_is_allowed(net, standing, right, left):
    assert reach(net.left, right) == {"tcp": left, "udp": left, "ping": "yes"}


@RIGHT
def test_a_transparent_bridge_denies_the_other_way(net, standing, right, left):
    before = reasons(standing)["no rule"] + reasons(standing)["rule"]
    assert kinds(net.right, left) == set()
    assert reasons(standing)["no rule"] + reasons(standing)["rule"] > before


@RIGHT
def test_a_deny_rule_counts_on_a_bridge(net, standing, right, left):
    before = matches(standing, "tcp port 7001")
    assert kinds(net.left, right, port=7001) == {"ping"}
    assert matches(standing, "tcp port 7001") > before
    assert matches(standing, "udp port 7001") > 0


@pytest.mark.parametrize("host, other", [("left", 2), ("right", 1)], ids=["from inside", "from outside"])
def test_neighbours_find_each_other_through_a_bridge(net, standing, host, other):
    """ARP and neighbour discovery need no rule, from either side."""
    host = getattr(net, host)
    for address in (f"10.1.0.{other}", f"fd01::{other}"):
        host.run("ip", "neigh", "flush", "dev", "eth0")
        host.ping(address, count=1)
        known = host.run("ip", "neigh", "show", address).stdout
        assert "lladdr" in known, f"{address}: {known}"


def test_states_of_a_bridge_name_its_zones(net, standing):
    reach(net.left, "10.1.0.2")
    assert [line for line in standing.say("states").splitlines() if "10.1.0.2:7000" in line and "inside > outside" in line]


@pytest.mark.parametrize("kind", ["8864", "8847"], ids=["pppoe", "mpls"])
@pytest.mark.parametrize("option, wanted", [("", 0), ("option other-protocols on\n", 50)], ids=["default", "on"])
def test_hidden_packets_on_a_bridge(net, firewall, watch, kind, option, wanted):
    """A bridge that denies IP does not hand it on in other frames, unless it is told to."""
    put(firewall, ZONES + option + "deny from inside to outside\n")
    ears = watch.start(net.right, "hear", "eth0", kind, program="echo.py")
    done = net.left.run(sys.executable, HERE / "echo.py", "frame", "eth0", kind, 50, mac_of(net.right, "eth0"))
    assert done.returncode == 0, done.stderr
    time.sleep(0.2)
    assert watch.end(ears)["heard"] == wanted
    if not option:
        assert reasons(firewall)["other protocol"] >= 50
    net.left.run("ip", "neigh", "flush", "dev", "eth0")
    net.left.ping("10.1.0.2", count=1)
    assert "lladdr" in net.left.run("ip", "neigh", "show", "10.1.0.2").stdout, "ARP does not pass"


@pytest.mark.parametrize("right", ["10.1.0.2", "fd01::2"], ids=["ipv4", "ipv6"])
def test_fragments_pass_a_transparent_bridge(net, standing, right):
    assert net.left.ping(right, "-s", "4000") == 3


# Asks everybody on the link, and prints how many others answered.
ASK_ALL = """
import socket, sys
address, port, own = sys.argv[1], int(sys.argv[2]), sys.argv[3]
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
if ":" in address:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
s.settimeout(0.6)
s.sendto(b"question", (address, port))
others = set()
try:
    while True:
        others.add(s.recvfrom(2048)[1][0])
except OSError:
    print(len(others - {own}))
"""


@pytest.mark.parametrize("address", ["255.255.255.255", "10.1.0.255", "ff02::1"])
def test_a_question_to_everybody_through_a_transparent_bridge(net, standing, address):
    """It goes where a packet to one host would go, and its answers come back."""
    def ask(host, own):
        done = host.run(sys.executable, "-c", ASK_ALL, address, 7000, own)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    heard = datagrams(net.right)
    assert ask(net.left, "10.1.0.1") == 1, "right answers, and nobody else: the box itself may not be asked"
    assert datagrams(net.right) > heard
    heard = datagrams(net.left)
    assert ask(net.right, "10.1.0.2") == 0
    assert datagrams(net.left) == heard, "nothing allows it from this side"


# --- a port of a bridge that has the address ---


@SERVER
def test_a_zone_of_a_port_is_routed(net, standing, server):
    """The packet comes by br1, the zone is that of its port."""
    assert kinds(net.desk, server) == ALL


@pytest.mark.parametrize("address", ["10.2.0.1", "fd02::1"], ids=["ipv4", "ipv6"])
def test_a_zone_of_a_port_reaches_the_box(net, standing, address):
    assert kinds(net.desk, address) == ALL
    assert kinds(net.stray, address) == set(), "nothing allows the other port"


@SERVER
def test_the_other_port_may_nothing(net, standing, server):
    assert kinds(net.stray, server) == set()
    assert kinds(net.stray, "10.2.0.10") == set(), "between two ports of which one is a zone"


def test_a_port_that_is_ignored_is_guarded_too(net, firewall):
    """A port may not be ignored alone: packets between it and the other port would be judged nowhere. Its bridge is not ignored."""
    put(firewall, "ignore { q1 }\n" + ZONES + RULES)
    assert kinds(net.desk, "10.2.0.20") == set(), "an inner host to the ignored port"
    assert kinds(net.stray, "10.2.0.10") == set(), "back"
    assert kinds(net.stray, SERVER4) == set()
    assert kinds(net.desk, SERVER4) == ALL
    status = firewall.data("status")[0]
    assert [(one["role"], one["zone"]) for one in status["interfaces"] if one["name"] == "q1"] == [("port", "none")]
    assert any("q1 is to be ignored, but br1 is guarded at its ports" in warning for warning in status["warnings"])


def test_the_box_and_the_server_towards_a_port(net, standing):
    assert kinds(net.box, "10.2.0.10") == ALL
    assert kinds(net.box, "fd02::10") == ALL
    assert kinds(net.server, "10.2.0.10") == set()
    assert kinds(net.server, "fd02::10") == set()


# --- a bridge in a zone, a port of it in another ---


@pytest.mark.parametrize("hall, bench", [("10.3.0.20", "10.3.0.10"), ("fd03::20", "fd03::10")], ids=["ipv4", "ipv6"])
def test_mixed_zones_of_a_bridge(net, standing, hall, bench):
    """The port that no zone names has the zone of its bridge."""
    assert kinds(net.bench, hall) == ALL
    assert kinds(net.hall, bench) == set()


@SERVER
def test_mixed_zones_are_routed_by_their_own_rules(net, standing, server):
    assert kinds(net.hall, server) == ALL
    assert kinds(net.bench, server) == set()


# --- a bridge in a zone, its ports in none ---


@pytest.mark.parametrize("call", [1, 0], ids=["netfilter sees bridges", "it does not"])
def test_inside_a_guarded_bridge_all_passes(net, standing, call):
    """Hosts of one zone on one switch. br_netfilter shows such frames to the hook where routed packets are judged."""
    for family in ("ip", "ip6"):
        net.box.run("sh", "-c", f"echo {call} >/proc/sys/net/bridge/bridge-nf-call-{family}tables")
    assert kinds(net.one, "10.4.0.20") == ALL
    assert kinds(net.one, "fd04::20") == ALL


@SERVER
def test_a_guarded_bridge_is_routed(net, standing, server):
    assert kinds(net.one, server) == ALL
    assert kinds(net.server, "10.4.0.10") == set()


# --- containers ---


@SERVER
def test_a_container_on_a_macvlan_of_a_guarded_interface(net, standing, server):
    """Its packets leave by up0 as the box's own do."""
    assert kinds(net.container, server) == ALL


def test_a_container_on_a_macvlan_of_a_bridge(net, standing):
    """For comparison: what leaves by the bridge is judged there."""
    assert kinds(net.guest, "10.4.0.10") == ALL
    assert kinds(net.guest, "fd04::10") == ALL


@SERVER
def test_a_container_is_judged(net, firewall, server):
    put(firewall, ZONES + "deny from any to wan\n" + RULES)
    before = matches(firewall, "deny to wan")
    assert kinds(net.container, server) == set()
    assert matches(firewall, "deny to wan") >= before + 3, "what it sent is not counted"


def test_a_container_is_judged_both_ways(net, standing):
    """From outside: the rules of zone wan. Nothing allows it."""
    assert kinds(net.server, "192.0.2.20") == set()
    assert kinds(net.server, "2001:db8::20") == set()


CONTAINERS = "set containers { 192.0.2.20-192.0.2.21, 2001:db8::20-2001:db8::21 }\n"
SIBLING = pytest.mark.parametrize("container, sibling", [("192.0.2.20", "192.0.2.21"), ("2001:db8::20", "2001:db8::21")],
                                  ids=["ipv4", "ipv6"])


def large_ping(host, address):
    return host.run("ping", "-c", "1", "-W", "2", "-s", "4000", address).returncode == 0


@pytest.fixture
def known(net, firewall):
    """Both containers have spoken by up0, so that their link addresses are known."""
    assert kinds(net.container, SERVER4) == kinds(net.sibling, SERVER4) == ALL
    return firewall


@SIBLING
def test_containers_of_one_interface_need_a_rule(net, known, container, sibling):
    """Their frames meet the ingress of the interface only: nothing tells them from what comes in by it."""
    assert kinds(net.container, sibling) == kinds(net.sibling, container) == set()
    put(known, ZONES + CONTAINERS + "allow from wan to self source @containers\n" + RULES)
    for host, other in ((net.container, sibling), (net.sibling, container)):
        assert kinds(host, other) == ALL
        assert large_ping(host, other), "in fragments"
    assert kinds(net.server, container) == set(), "no rule is about the server"


@SIBLING
def test_an_answer_of_a_container_needs_a_question(net, known, container, sibling):
    """A rule for one direction opens that one alone."""
    put(known, ZONES + f"allow from wan to self source {container}\n" + RULES)
    assert kinds(net.container, sibling) == ALL
    assert kinds(net.sibling, container) == set()


TELL = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(3):
    s.sendto(b"x", (sys.argv[1], 9))
"""


def arrived(net, host, address):
    """Tells the host something from the cable, and returns how many of three datagrams it got."""
    before = datagrams(host)
    assert net.server.run(sys.executable, "-c", TELL, address).returncode == 0
    time.sleep(0.2)
    return datagrams(host) - before


SILENT = pytest.mark.parametrize("address", ["192.0.2.{}", "2001:db8::{}"], ids=["ipv4", "ipv6"])


@SILENT
def test_a_container_that_is_silent_is_judged(net, firewall, address):
    """It has sent nothing since the firewall began, so that nothing but the kernel knows its link address."""
    address = address.format(22)
    denied = reasons(firewall)["no rule"]
    assert arrived(net, net.silent, address) == 0
    assert reasons(firewall)["no rule"] >= denied + 3
    put(firewall, ZONES + "allow from wan to self udp port 9\n" + RULES)
    assert arrived(net, net.silent, address) == 3


@SILENT
@pytest.mark.parametrize("policy", [ZONES + RULES, "ignore { br0, br1, br2, br3 }\nzone wan { up0 }\nallow from self\n"],
                         ids=["many interfaces", "one"])
def test_a_silent_container_that_is_new_is_judged(net, firewall, policy, address):
    """The kernel does not tell of it: the daemon looks, at each of a few interfaces or at all."""
    put(firewall, policy)
    late = net.silent_macvlan("late", 23)
    try:
        wait_for(lambda: not arrived(net, late, address.format(23)), 5, "a new container to be judged")
        assert arrived(net, late, address.format(23)) == 0
        put(firewall, policy + "allow from wan to self udp port 9\n")
        assert arrived(net, late, address.format(23)) == 3
    finally:
        late.close()
        net.hosts.remove(late)


@pytest.fixture
def inner(net):
    """A host behind the container, by an interface that has the number of one of the box's guarded ones there."""
    index = index_of(net.box, "q0")
    host = net.host("inner")
    for number in (index, index_of(net.box, "up0"), index_of(net.box, "s0")):
        made = net.container.run("ip", "link", "add", "in0", "index", number, "type", "veth", "peer", "name", "eth0", "netns",
                                 host.name)
        if made.returncode == 0:
            break
    assert made.returncode == 0, made.stderr
    net.address(net.container, "in0", "10.9.0.1/24")
    net.address(host, "eth0", "10.9.0.10/24")
    net.container.ip("link", "set", "in0", "up")
    host.ip("link", "set", "eth0", "up")
    host.ip("route", "add", "default", "via", "10.9.0.1")
    host.ip("neigh", "replace", "10.9.0.1", "lladdr", mac_of(net.container, "in0"), "dev", "eth0")
    net.container.ip("neigh", "replace", SERVER4, "lladdr", mac_of(net.server, "eth0"), "dev", "eth0")
    yield host
    net.container.ip("link", "delete", "in0")
    host.close()
    net.hosts.remove(host)


# Sends a datagram to every port, and so, behind `hooks.py copy-port`, with every value of skb->tc_index.
EVERY_PORT = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(1, 65536):
    try:
        s.sendto(b"x", (sys.argv[1], port))
    except OSError:
        pass
    if port % 500 == 0:
        time.sleep(0.01)
"""


# Sends a hundred datagrams to PORT in another's name, each with a mark.
FORGED = """
import socket, struct, sys
mac, mine, source, destination = sys.argv[1:]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 29, 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(destination))
total = sum(struct.unpack("!10H", head))
total = (total >> 16) + (total & 0xffff)
head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + head[12:]
frame = bytes.fromhex(mac.replace(":", "") + mine.replace(":", "") + "0800") + head + struct.pack("!4H", 1000, 7000, 9, 0) + b"x"
for mark in range(100):
    s.setsockopt(socket.SOL_SOCKET, 36, mark << 8)
    s.send(frame)
"""


@pytest.mark.skipif(raw_hooks.tcx_reason() is not None, reason=str(raw_hooks.tcx_reason()))
@pytest.mark.parametrize("rule, link", [("allow to wan", "own"), ("deny to wan", "own"), ("deny to wan", "ours")],
                         ids=["allowed", "denied", "denied, and the link address is ours"])
def test_a_forged_seal_opens_nothing(net, firewall, watch, inner, rule, link):
    """A container may write what it likes into tc_index and its frames, and number its interfaces as it likes. Every value
    is tried.
    """
    put(firewall, ZONES + rule + "\n")
    words = [mac_of(net.box, "up0")] if link == "ours" else []
    watch.start(net.container, "copy-port", "eth0", *words, program="hooks.py")
    arrived, judged, spoofed = datagrams(net.server), matches(firewall, rule), reasons(firewall)["spoofed source"]
    assert inner.run(sys.executable, "-c", EVERY_PORT, SERVER4).returncode == 0
    arrived = datagrams(net.server) - arrived
    if rule.startswith("allow"):
        assert arrived > 60000, "the way for the forged ones does not exist: the test proves nothing"
        return
    assert arrived == 0, f"{arrived} of 65535 passed a deny rule"
    judged = matches(firewall, rule) - judged + reasons(firewall)["spoofed source"] - spoofed
    assert judged >= 65000, "they were not counted"


# --- a macvlan of our own ---


@pytest.fixture
def own_macvlan(net):
    """A network of its own on the cable of up0."""
    net.box.ip("link", "add", "mvown0", "link", "up0", "type", "macvlan", "mode", "bridge")
    net.box.ip("link", "set", "mvown0", "up")
    net.address(net.box, "mvown0", "10.7.0.1/24", "fd07::1/64")
    net.address(net.server, "eth0", "10.7.0.10/24", "fd07::10/64")
    net.server.ip("neigh", "replace", "10.7.0.1", "lladdr", mac_of(net.box, "mvown0"), "dev", "eth0")  # up0 would answer too
    yield
    net.box.ip("link", "delete", "mvown0")
    for address in ("10.7.0.10/24", "fd07::10/64"):
        net.server.ip("addr", "del", address, "dev", "eth0")


@pytest.mark.parametrize("own, other", [("10.7.0.1", "10.7.0.10"), ("fd07::1", "fd07::10")], ids=["ipv4", "ipv6"])
def test_a_macvlan_of_our_own_has_its_own_zone(net, firewall, own_macvlan, own, other):
    """It is guarded as any interface, and not judged a second time by the interface below."""
    wait_for(lambda: "mvown0" in firewall.say("status"), 5, "mvown0 in the status")
    assert kinds(net.server, own) == set()
    assert kinds(net.box, other) == ALL, "`allow from self`"
    put(firewall, ZONES + "zone mine { mvown0 }\nallow from mine to self\nallow from self to mine\n")
    assert kinds(net.server, own) == ALL
    assert kinds(net.box, other) == ALL
    assert kinds(net.server, "192.0.2.1" if "." in own else "2001:db8::1") == set(), "up0 is still zone wan"


@pytest.fixture
def shim(net):
    """An own macvlan beside those of the containers: the usual way for a host to reach them."""
    net.box.ip("link", "add", "shim0", "link", "up0", "type", "macvlan", "mode", "bridge")
    net.box.ip("link", "set", "shim0", "up")
    net.address(net.box, "shim0", "192.0.2.200/32", "2001:db8::200/128")
    for address in ("192.0.2.20/32", "2001:db8::20/128"):
        net.box.ip("route", "add", address, "dev", "shim0")
    yield
    net.box.ip("link", "delete", "shim0")


@pytest.mark.parametrize("own, container", [("192.0.2.200", "192.0.2.20"), ("2001:db8::200", "2001:db8::20")], ids=["ipv4", "ipv6"])
def test_the_box_and_a_container_by_a_macvlan_of_our_own(net, firewall, shim, own, container):
    """A packet that leaves by it was judged there. Its frames meet the ingress of the interface below, where they are none of the
    outside's, although their source is the box's own.
    """
    wait_for(lambda: "shim0" in firewall.say("status"), 5, "shim0 in the status")
    assert kinds(net.box, container) == ALL, "`allow from self`"
    assert large_ping(net.box, container)
    assert kinds(net.container, own) == set()
    put(firewall, ZONES + "zone shim { shim0 }\ndeny from self to shim\nallow from shim to self\n" + RULES)
    assert kinds(net.box, container) == set()
    assert kinds(net.container, own) == ALL


def test_nobody_outside_speaks_as_a_macvlan_of_our_own(net, firewall, shim):
    """A frame with its link address and its source, from the cable: with each value of what the kernel hands on with a packet."""
    wait_for(lambda: "shim0" in firewall.say("status"), 5, "shim0 in the status")
    assert kinds(net.box, "192.0.2.20") == ALL, "the container's link address is known"
    arrived, spoofed = datagrams(net.container), reasons(firewall)["spoofed source"]
    words = (mac_of(net.container, "eth0"), mac_of(net.box, "shim0"), "192.0.2.200", "192.0.2.20")
    assert net.server.run(sys.executable, "-c", FORGED, *words).returncode == 0
    assert datagrams(net.container) == arrived
    assert reasons(firewall)["spoofed source"] >= spoofed + 100


# --- a port that comes without the daemon ---


def test_a_new_port_of_a_bridge_without_the_daemon(net, firewall):
    """A bridge whose ports are guarded gets another one. It opens nothing, neither now nor when the daemon is back."""
    assert kinds(net.desk, "10.2.0.1") == ALL, "it knows the link address of the box"
    firewall.crash()
    late = net.host("late")
    try:
        net.cable(net.box, "q2", late, "eth0")
        net.box.ip("link", "set", "q2", "address", "02:00:00:00:00:01")  # lower than that of any other port
        net.address(late, "eth0", "10.2.0.30/24", "fd02::30/64")
        net.gateway_is(late, "10.2.0.1", "fd02::1")
        net.box.ip("link", "set", "q2", "master", "br1")
        targets = ("10.2.0.1", "10.2.0.10", SERVER4, "fd02::1", "fd02::10", SERVER6)
        assert [target for target in targets if kinds(late, target)] == []
        firewall.start()
        assert [target for target in targets if kinds(late, target)] == []
        assert kinds(net.desk, SERVER4) == ALL
        assert kinds(net.desk, "10.2.0.1") == ALL
    finally:
        if firewall.child.poll() is not None:
            firewall.start()
        late.close()
        net.hosts.remove(late)


def test_the_box_still_works_in_the_end(net, standing):
    assert kinds(net.box, SERVER4) == ALL
    assert kinds(net.box, SERVER6) == ALL
