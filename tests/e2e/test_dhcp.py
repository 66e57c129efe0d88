# SPDX-License-Identifier: BSD-2-Clause
"""DHCP as gateways have it: servers for two networks at once, while the box itself is a client of its provider."""
import contextlib
import time

import pytest
from conftest import need
from lab import wait_for
from reallab import ONE_WAN, TWO_WANS, frame, group_mac, heard, udp_packet

RULES = """\
allow from { lan, guest } to self udp port 67
allow from self
"""
RULES6 = """\
allow from { lan, guest } to self udp port 547
allow from self
"""
SECONDS = 8  # until a client gives up

# The client, the device, and what the first bytes of its lease are.
PLACES = {"lan": ("client", "eth0", "10.0.0.", "fd00:10::"), "guest": ("guest", "eth0", "10.1.0.", "fd00:11::"),
          "wan": ("gateway", "wan0", "192.0.2.", "2001:db8::")}

busybox = need("udhcpc")


def serve(reallab, host, *ranges):
    """dnsmasq for these ranges, on the devices that have their networks."""
    home = reallab.scratch()
    words = [f"--dhcp-range={word}" for word in ranges]
    server = host.start("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--no-ping", "--no-resolv",
                        "--pid-file=", "--user=root", "--log-dhcp", f"--dhcp-leasefile={home}/leases", *words,
                        stdout=(home / "log").open("w"))
    server.log = home / "log"
    return server


@pytest.fixture(scope="module")
def servers(reallab):
    started = [serve(reallab, reallab.gateway, "10.0.0.100,10.0.0.150,2m", "10.1.0.100,10.1.0.150,2m",
                     "fd00:10::100,fd00:10::150,64,2m", "fd00:11::100,fd00:11::150,64,2m"),
               serve(reallab, reallab.outside, "192.0.2.100,192.0.2.150,2m", "2001:db8::100,2001:db8::150,64,2m")]
    reallab.gateway.listening("-u", 67)
    reallab.outside.listening("-u", 67)
    return started


class Client:
    """A DHCP client that tells what it was given and changes nothing."""

    def __init__(self, reallab, kind, place):
        role, self.device, *self.wanted = PLACES[place]
        self.host = getattr(reallab, role)
        self.home = reallab.scratch()
        self.place, self.kind = place, kind
        script = self.home / "script"
        script.write_text(f"#!/bin/sh\nenv >{self.home}/$1$reason.env\nexit 0\n")
        script.chmod(0o755)
        (self.home / "conf").write_text("initial-interval 1;\nbackoff-cutoff 2;\ntimeout 7;\nretry 1;\n")
        self.log = (self.home / "log").open("w")
        self.child = self.host.start(*self.words(script), stdout=self.log)

    def words(self, script):
        if self.kind == "udhcpc":
            return ["udhcpc", "-f", "-q", "-n", "-t", "6", "-T", "1", "-i", self.device, "-s", script]
        if self.kind == "udhcpc-broadcast":
            return ["udhcpc", "-f", "-q", "-n", "-B", "-t", "6", "-T", "1", "-i", self.device, "-s", script]
        six = ["-6"] if self.kind == "dhclient6" else ["-4"]
        return ["dhclient", *six, "-1", "-d", "-cf", self.home / "conf", "-sf", script, "-lf", self.home / "leases",
                "-pf", self.home / "pid", self.device]

    def lease(self):
        """The address that it was given, or None when it has given up."""
        if self.kind == "dhclient6":
            names, word = ("BOUND6.env",), "new_ip6_address"
        elif self.kind == "dhclient":
            names, word = ("BOUND.env",), "new_ip_address"
        else:
            names, word = ("bound.env",), "ip"
        for name in names:
            path = self.home / name
            if path.exists():
                for line in path.read_text().splitlines():
                    if line.startswith(f"{word}="):
                        return line.split("=", 1)[1]
        return None

    def end(self):
        self.child.terminate()
        self.child.wait(60)
        self.log.close()

    def __str__(self):
        return f"{self.kind} in {self.place}: {self.lease()}\n{(self.home / 'log').read_text()}"


def all_bound(clients):
    """Every client has an address of its own network, in time."""
    end = time.monotonic() + SECONDS
    try:
        while not all(client.lease() for client in clients):
            assert time.monotonic() < end and any(client.child.poll() is None or client.lease() for client in clients), \
                "no lease:\n" + "\n".join(str(client) for client in clients if not client.lease())
            time.sleep(0.1)
    finally:
        for client in clients:
            client.end()
    for client in clients:
        assert client.lease().startswith(client.wanted[1 if client.kind == "dhclient6" else 0]), str(client)


@busybox
@need("dhclient")
@pytest.mark.parametrize("inner, box, zones", [("udhcpc", "udhcpc", TWO_WANS), ("dhclient", "udhcpc", ONE_WAN),
                                               ("udhcpc", "dhclient", TWO_WANS),
                                               ("udhcpc-broadcast", "udhcpc-broadcast", TWO_WANS)],
                         ids=["udhcpc", "dhclient-inside", "dhclient-outside", "answers-by-broadcast"])
def test_two_servers_and_a_client(reallab, real_gate, servers, inner, box, zones):
    """All three at once, with the same addresses and ports in three zones."""
    gate = real_gate.use(RULES, zones)
    all_bound([Client(reallab, inner, "lan"), Client(reallab, inner, "guest"), Client(reallab, box, "wan")])
    assert gate.matches("to self udp port 67") >= 2, "the rule about the servers counts nothing"
    for zone in ("lan", "guest"):
        gate.agrees(f"{zone} 0.0.0.0:68 > self 255.255.255.255:67 udp", True)
    gate.agrees("wan 0.0.0.0:68 > self 255.255.255.255:67 udp", False)


@need("dhclient")
def test_two_servers_and_a_client_ipv6(reallab, real_gate, servers):
    gate = real_gate.use(RULES6)
    all_bound([Client(reallab, "dhclient6", place) for place in PLACES])
    assert gate.matches("to self udp port 547") >= 2
    gate.agrees("guest [fe80::1]:546 > self [ff02::1:2]:547 udp", True)
    gate.agrees("wan [fe80::1]:546 > self [ff02::1:2]:547 udp", False)


@busybox
def test_a_client_again_and_again(reallab, real_gate, servers):
    """A client that asks again at once is answered: the flow of one client does not keep another from speaking."""
    real_gate.use(RULES)
    for place in ("lan", "guest", "wan", "lan", "wan", "guest"):
        all_bound([Client(reallab, "udhcpc", place)])


@busybox
def test_no_server_by_rule(reallab, real_gate, servers):
    """Without a rule there is no lease: DHCP gets no exception."""
    real_gate.use("allow from lan to self udp port 67\nallow from self\n")
    lan, guest = Client(reallab, "udhcpc", "lan"), Client(reallab, "udhcpc", "guest")
    try:
        wait_for(lan.lease, 10, "lease in lan")
        time.sleep(1.5)
        assert not guest.lease(), "the server answers in guest"
    finally:
        lan.end()
        guest.end()


def test_a_strange_server_is_not_heard(reallab, real_gate):
    """An OFFER that nobody asked for, from outside and from inside, does not arrive."""
    real_gate.use("allow from self\n")
    with reallab.gateway.udp(port=68) as sock:
        for host, source in ((reallab.client, "10.0.0.66"), (reallab.outside, "192.0.2.66")):
            reallab.send(host, udp_packet(source, 67, "255.255.255.255", 68), to=b"\xff" * 6)
        assert not heard(sock, wait=0.4)


def test_the_same_link_local_in_two_zones(reallab, real_gate):
    """fe80::1:5353 > ff02::fb:5353 of one MAC on two networks: both are heard, again and again."""
    gate = real_gate.use("allow from { lan, guest } to self udp port 5353\n")
    mac = b"\x02\0\0\0\0\x53"
    packet = frame(group_mac("ff02::fb"), mac, udp_packet("fe80::1", 5353, "ff02::fb", 5353, ttl=255))
    with reallab.gateway.udp("::", 5353, "lan0", ["ff02::fb"]) as lan, \
            reallab.gateway.udp("::", 5353, "guest0", ["ff02::fb"]) as guest:
        for _ in range(3):
            reallab.client.send_frames("eth0", packet)
            reallab.guest.send_frames("eth0", packet)
        assert (len(heard(lan)), len(heard(guest))) == (3, 3)
    assert {flow["from"] for flow in gate.flows("ff02::fb")} == {"lan", "guest"}
    gate.agrees("guest [fe80::1]:5353 > self [ff02::fb]:5353 udp", True)


def test_the_same_link_local_unicast(reallab, real_gate):
    """The same two hosts' link-local addresses on two networks speak with the box's, in both."""
    real_gate.use("allow from { lan, guest } to self udp port 7777\n")
    addresses = {}
    for device in ("lan0", "guest0"):
        reallab.gateway.run("ip", "addr", "add", "fe80::b0/64", "dev", device, "nodad")
    for host in (reallab.client, reallab.guest):
        host.run("ip", "addr", "add", "fe80::c1/64", "dev", "eth0", "nodad")
        addresses[host] = ("fe80::b0", 7777, 0, host.index("eth0"))
    with reallab.gateway.udp("::", 7777, timeout=0.2) as box:
        socks = {host: host.udp("::", 7778, "eth0") for host in (reallab.client, reallab.guest)}
        answered = set()

        def are_heard():
            """They ask until the daemon has learnt the box's new addresses, and are answered once."""
            for host, sock in socks.items():
                sock.sendto(b"hello", addresses[host])
            with contextlib.suppress(TimeoutError):
                while len(answered) < 2:
                    _, peer = box.recvfrom(100)
                    if peer not in answered:
                        box.sendto(b"hello yourself", peer)
                        answered.add(peer)
            return len(answered) == 2

        wait_for(are_heard, 5, "the box hears both")
        socks = list(socks.values())
        answers = [len(heard(sock, 1)) for sock in socks]
        for sock in socks:
            sock.close()
        assert answers == [1, 1]
