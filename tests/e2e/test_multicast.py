# SPDX-License-Identifier: BSD-2-Clause
"""Multicast that the gateway routes (IPTV): each copy obeys the rules of the zones that it really goes between."""
import contextlib
import socket
import struct

import pytest
from conftest import need
from lab import end_process, masquerade, wait_for
from reallab import CLIENT4, CLIENT6, FAR4, FAR6, GUEST4, ONE_WAN, group_mac, heard, address_bytes, udp_packet
from wires import reasons

GROUP4, GROUP6 = "239.1.2.3", "ff0e::1:2:3"
PORT = 5004
COUNT = 10
DEVICES = ("wan0", "lan0", "guest0")  # the multicast router's interfaces, by number

# The socket options of linux/mroute.h and linux/mroute6.h, the same numbers in both.
MRT_INIT, MRT_ADD_VIF, MRT_ADD_MFC = 200, 202, 204
VIFF_USE_IFINDEX = 8

both = pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])


def by(family, four, six):
    return six if family == 6 else four


class Router4:
    """Static multicast routes, as a program asks the kernel for them; they go with it."""

    def __init__(self, gateway):
        self.sock = gateway.raw(2)
        self.sock.setsockopt(socket.IPPROTO_IP, MRT_INIT, 1)
        for number, device in enumerate(DEVICES):
            self.sock.setsockopt(socket.IPPROTO_IP, MRT_ADD_VIF, struct.pack("=HBBIi4x", number, VIFF_USE_IFINDEX, 1, 0,
                                                                             gateway.index(device)))

    def route(self, source, group, into, out):
        limits = bytes(1 if device in out else 0 for device in DEVICES).ljust(32, b"\0")
        self.sock.setsockopt(socket.IPPROTO_IP, MRT_ADD_MFC, address_bytes(source) + address_bytes(group) +
                             struct.pack("=H32s2xIIIi", DEVICES.index(into), limits, 0, 0, 0, 0))

    def close(self):
        self.sock.close()


class Router6(Router4):
    def __init__(self, gateway):
        self.sock = gateway.raw(socket.IPPROTO_ICMPV6, True)
        self.sock.setsockopt(socket.IPPROTO_IPV6, MRT_INIT, 1)
        for number, device in enumerate(DEVICES):
            self.sock.setsockopt(socket.IPPROTO_IPV6, MRT_ADD_VIF, struct.pack("=HBBHxxI", number, 0, 1,
                                                                               gateway.index(device), 0))

    def route(self, source, group, into, out):
        place = struct.Struct("=HHI16sI")
        bits = sum(1 << DEVICES.index(device) for device in out)
        self.sock.setsockopt(socket.IPPROTO_IPV6, MRT_ADD_MFC,
                             place.pack(socket.AF_INET6, 0, 0, address_bytes(source), 0) +
                             place.pack(socket.AF_INET6, 0, 0, address_bytes(group), 0) +
                             struct.pack("=H2xI28x", DEVICES.index(into), bits))


def noticed(gate):
    """The daemon knows that multicast is routed: status says that egress decides."""
    wait_for(lambda: "multicast" in gate.say("status"), 3, "status says that multicast is routed")


@contextlib.contextmanager
def mrouted(reallab, gate, family, into="wan0", out=("lan0", "guest0"), source=None):
    router = (Router6 if family == 6 else Router4)(reallab.gateway)
    try:
        router.route(source or by(family, FAR4, FAR6), by(family, GROUP4, GROUP6), into, out)
        noticed(gate)
        yield router
    finally:
        router.close()


def listeners(reallab, family):
    any_, group = by(family, "0.0.0.0", "::"), by(family, GROUP4, GROUP6)
    return [host.udp(any_, PORT, "eth0", [group]) for host in (reallab.client, reallab.guest)]


def receive(reallab, family, host, source, device="eth0"):
    """How many of COUNT datagrams to the group arrive in lan and in guest."""
    group = by(family, GROUP4, GROUP6)
    socks = listeners(reallab, family)
    try:
        reallab.send(host, udp_packet(source, 4000, group, PORT, ttl=8), device, to=group_mac(group), count=COUNT)
        return [len(heard(sock)) for sock in socks]
    finally:
        for sock in socks:
            sock.close()


RULES = [("allow from wan to { lan, guest }", [COUNT, COUNT]), ("allow from wan to lan udp port 5004", [COUNT, 0]),
         ("allow from wan to guest", [0, COUNT]), ("allow from wan to self", [0, 0]), ("allow from lan to wan", [0, 0])]


@both
@pytest.mark.parametrize("rules, wanted", RULES, ids=["both", "lan", "guest", "self", "none"])
def test_copies_obey_rules(reallab, real_gate, family, rules, wanted):
    gate = real_gate.use(rules + "\n")
    with mrouted(reallab, gate, family):
        assert receive(reallab, family, reallab.outside, by(family, FAR4, FAR6)) == wanted
    assert not gate.flows(by(family, GROUP4, GROUP6), '"lan"') or wanted[0]
    assert not gate.flows(by(family, GROUP4, GROUP6), '"guest"') or wanted[1]


@both
def test_copies_of_an_allowed_stream_go_on(reallab, real_gate, family):
    """Also while the box itself is a member, and again after a while."""
    gate = real_gate.use("allow from wan to { self, lan }\n")
    group = by(family, GROUP4, GROUP6)
    with mrouted(reallab, gate, family, out=("lan0",)), \
            reallab.gateway.udp(by(family, "0.0.0.0", "::"), PORT, "wan0", [group]) as box:
        for _ in range(3):
            assert receive(reallab, family, reallab.outside, by(family, FAR4, FAR6)) == [COUNT, 0]
        assert len(heard(box)) == 3 * COUNT
    real_gate.agrees(f"wan {FAR4}:4000 > lan {GROUP4}:{PORT} udp" if family == 4 else
                     f"wan [{FAR6}]:4000 > lan [{GROUP6}]:{PORT} udp", True)
    real_gate.agrees(f"wan {FAR4}:4000 > guest {GROUP4}:{PORT} udp" if family == 4 else
                     f"wan [{FAR6}]:4000 > guest [{GROUP6}]:{PORT} udp", False)


@both
def test_own_copy_that_no_rule_allows(reallab, real_gate, family):
    """The box is a member of what it routes, as igmpproxy is: its copy is dropped for want of a rule, and all interfaces are guarded."""
    gate = real_gate.use("allow from wan to lan\n")
    group = by(family, GROUP4, GROUP6)
    with mrouted(reallab, gate, family, out=("lan0",)), \
            reallab.gateway.udp(by(family, "0.0.0.0", "::"), PORT, "wan0", [group]) as box:
        before = reasons(gate)
        assert receive(reallab, family, reallab.outside, by(family, FAR4, FAR6)) == [COUNT, 0]
        assert not heard(box)
        after = reasons(gate)
    assert after["no rule"] - before["no rule"] >= COUNT
    assert after["unguarded interface"] == before["unguarded interface"]


@both
def test_from_inside_to_inside(reallab, real_gate, family):
    """A stream of a LAN host to guests, and never the other way."""
    gate = real_gate.use("allow from lan to guest\n")
    client = by(family, CLIENT4, CLIENT6)
    with mrouted(reallab, gate, family, "lan0", ("guest0",), client):
        assert receive(reallab, family, reallab.client, client)[1] == COUNT
    guest = by(family, GUEST4, "fd00:11::10")
    with mrouted(reallab, gate, family, "guest0", ("lan0",), guest):
        assert receive(reallab, family, reallab.guest, guest)[0] == 0


@both
def test_masquerade_does_not_touch_what_stays(reallab, real_gate, family):
    """A stream to the uplink is no stream to the LAN: members see its true source."""
    gate = real_gate.use("allow from wan to lan\nallow from lan to wan\n" + masquerade())
    group = by(family, GROUP4, GROUP6)
    with mrouted(reallab, gate, family, out=("lan0",)), \
            reallab.client.udp(by(family, "0.0.0.0", "::"), PORT, "eth0", [group]) as sock:
        reallab.send(reallab.outside, udp_packet(by(family, FAR4, FAR6), 4000, group, PORT, ttl=8), to=group_mac(group))
        assert [peer for _, peer in heard(sock)] == [by(family, FAR4, FAR6)]


@need("smcrouted")
def test_smcroute(reallab, real_gate):
    """The program that people use for it."""
    gate = real_gate.use("allow from wan to lan udp port 5004\n", ONE_WAN)
    home = reallab.scratch()
    (home / "conf").write_text(f"phyint wan0 enable\nphyint lan0 enable\nphyint guest0 enable\n"
                               f"mgroup from wan0 group {GROUP4}\n"
                               f"mroute from wan0 group {GROUP4} source {FAR4} to lan0 guest0\n")
    child = reallab.gateway.start("smcrouted", "-n", "-N", "-f", home / "conf", "-P", home / "pid", "-u", home / "socket",
                                  "-i", f"kst{reallab.gateway.name}", stdout=(home / "log").open("w"))
    try:
        wait_for(lambda: GROUP4 in reallab.gateway.run("ip", "mroute").stdout, 5, "smcroute: " + (home / "log").read_text())
        noticed(gate)
        assert receive(reallab, 4, reallab.outside, FAR4) == [COUNT, 0]
    finally:
        end_process(child)
