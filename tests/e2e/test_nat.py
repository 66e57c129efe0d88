# SPDX-License-Identifier: BSD-2-Clause
"""Addresses translated on the way: real programs through the gateway, and what each side sees of the other."""
import hashlib
import json
import sys

import pytest
from lab import HERE, PATIENCE, end_process, uses_port, wait_for
from natlab import (CLIENT4, CLIENT6, FAR4, FAR6, INNER4, INNER6, ISP4, LAN4, LAN6, MASQUERADE, POOL4, POOL6, SECOND4,
                    SECOND6, SERVER4, SERVER6, WAN4, WAN6, checksums_in_software, url)

BOTH = pytest.mark.parametrize("server, second, outside", [(SERVER4, SECOND4, WAN4), (SERVER6, SECOND6, WAN6)],
                               ids=["ipv4", "ipv6"])
PORT = 7000


def peer_of(got):
    """The address and port that a web server saw (its page /peer)."""
    assert got.returncode == 0, got.stderr
    address, port = got.stdout.split()
    return address, int(port)


def seen_as(host, server):
    """The address that a web server sees of a host, or None if no answer comes."""
    got = host.fetch(url(server, "peer"), seconds=2)
    return peer_of(got)[0] if got.returncode == 0 else None


def place(address):
    return f"[{address}]" if ":" in address else address


def ask(host, command, *words):
    """One of the small programs of mirrors.py that end by themselves."""
    done = host.run(sys.executable, HERE / "mirrors.py", command, *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def mirrors(natlab, watch):
    """The server tells who it sees: on both its addresses, at two ports, IPv4 and IPv6."""
    places = [word for address in (SERVER4, SECOND4, SERVER6, SECOND6) for port in (PORT, PORT + 1)
              for word in (address, port)]
    return watch.start(natlab.server, "mirror", *places, program="mirrors.py")


# --- from inside to outside --------------------------------------------------------------------------------------------


@BOTH
def test_masquerade(natlab, translate, server, second, outside):
    """A page arrives, and its server saw the gateway's address."""
    gate = translate(MASQUERADE)
    assert natlab.client.fetch(url(server)).stdout == f"hello from {natlab.server.name}\n"
    assert peer_of(natlab.client.fetch(url(server, "peer")))[0] == outside
    assert outside in gate.say("states"), "the states do not show the translation"


@BOTH
def test_without_a_rule_nothing_is_translated(natlab, translate, server, second, outside):
    """Without translation no answer finds its way back; an exemption has the same effect."""
    translate(f"nat from lan to wan destination {server} exempt", MASQUERADE)
    assert natlab.client.fetch(url(server), seconds=1).returncode == 28
    assert peer_of(natlab.client.fetch(url(second, "peer")))[0] == outside


@BOTH
def test_large_file_through_masquerade(natlab, translate, server, second, outside):
    """32 MB in segments of up to 64 kB, as a host with offloading sends them."""
    translate(MASQUERADE)
    target = natlab.scratch() / "large"
    got = natlab.client.fetch(url(server, "large"), "-o", target)
    assert got.returncode == 0, got.stderr
    source = natlab.directory / f"web-{natlab.server.name}" / "files" / "large"
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(source.read_bytes()).digest()


@pytest.mark.parametrize("words", [(), ("-R",)], ids=["upload", "download"])
def test_iperf3_through_masquerade(natlab, translate, words):
    translate(MASQUERADE)
    server = natlab.server.start("iperf3", "-s", "-1", "-p", 5201)
    natlab.server.listening("-t", 5201)
    done = natlab.client.run("iperf3", "-c", SERVER4, "-p", 5201, "-n", "64M", "-J", *words)
    end = json.loads(done.stdout)["end"]
    assert end["sum_received"]["bytes"] > 30_000_000, done.stdout[-800:]  # some of the last ones may still be on their way
    server.wait(PATIENCE)


@BOTH
def test_checksums_are_right(natlab, translate, mirrors, server, second, outside):
    """Every checksum computed by the sender and verified by the receiver: TCP, UDP, ICMP, both directions."""
    translate(MASQUERADE)
    devices = [(natlab.client, "eth0"), (natlab.server, "eth0"), (natlab.gateway, "lan0"), (natlab.gateway, "wan0")]
    for host, device in devices:
        checksums_in_software(host, device)
    try:
        assert peer_of(natlab.client.fetch(url(server, "peer")))[0] == outside
        assert ask(natlab.client, "seen", 4000, server, PORT)["seen"][0][0] == outside
        assert natlab.client.ping(server, "-s", "1001") == 3
    finally:
        for host, device in devices:
            host.run("ethtool", "-K", device, "tx", "on", check=True)


def test_udp_without_checksum(natlab, translate, mirrors):
    """A checksum of 0 says that there is none (RFC 768); it stays 0, or the receiver would find it wrong."""
    translate(MASQUERADE)
    assert ask(natlab.client, "seen-without-checksum", 4000, SERVER4, PORT)["seen"][0] == [WAN4, 4000]


@BOTH
def test_port_is_kept_when_free(natlab, translate, mirrors, server, second, outside):
    translate(MASQUERADE)
    assert ask(natlab.client, "seen", 4001, server, PORT)["seen"] == [[outside, 4001]]
    assert ask(natlab.client, "seen-tcp", 4001, server, PORT)["seen"] == [[outside, 4001]]


@BOTH
def test_two_clients_with_one_port(natlab, translate, mirrors, server, second, outside):
    """The second gets another port, and each gets the answers that are its own."""
    translate(MASQUERADE)
    first = ask(natlab.client, "seen", 4002, server, PORT)["seen"][0]
    other = ask(natlab.inner, "seen", 4002, server, PORT)["seen"][0]
    assert first == [outside, 4002]
    assert other[0] == outside and other[1] != 4002
    assert ask(natlab.client, "seen", 4002, server, PORT)["seen"][0] == first


def test_port_range(natlab, translate, mirrors):
    translate("nat from lan to wan masquerade port 20000-20009")
    ports = {ask(natlab.client, "seen-tcp", 0, SERVER4, PORT)["seen"][0][1] for _ in range(4)}
    assert ports <= set(range(20000, 20010))


def test_ports_run_out(natlab, translate, mirrors):
    """Two ports for one destination: the third flow is refused, for that reason, and nobody else is disturbed."""
    gate = translate("nat from lan to wan masquerade port 20000-20001")
    first = ask(natlab.client, "seen", 4003, SERVER4, PORT)["seen"]
    assert ask(natlab.client, "seen", 4004, SERVER4, PORT)["seen"] != [None]
    assert ask(natlab.client, "seen", 4005, SERVER4, PORT)["seen"] == [None]
    assert reason_packets(gate, "no free port") >= 1
    assert ask(natlab.client, "seen", 4003, SERVER4, PORT)["seen"] == first
    assert ask(natlab.client, "seen", 4005, SERVER4, PORT + 1)["seen"] != [None], "another destination has its own"


def reason_packets(firewall, name):
    return next(entry["packets"] for entry in firewall.data("counters")[0]["reasons"] if entry["reason"] == name)


@BOTH
def test_ping_through_masquerade(natlab, translate, server, second, outside):
    """Two clients with the same id at once: each gets its own answers."""
    translate(MASQUERADE)
    words = ["ping", "-q", "-i", "0.05", "-c", "10", "-W", "1", "-e", "77", server]
    pings = [host.start(*words) for host in (natlab.client, natlab.inner)]
    for ping in pings:
        assert "10 received" in ping.communicate(timeout=PATIENCE)[0]


@BOTH
def test_outside_cannot_open(natlab, translate, watch, server, second, outside):
    """The port of a translated flow is open to whom it was opened for, and to nobody else."""
    translate(MASQUERADE)
    watch.start(natlab.server, "mirror", server, PORT, program="mirrors.py")
    asking = watch.start(natlab.client, "ask", server, PORT)
    port = asking.facts["port"]
    natlab.server.run(sys.executable, "-c", SEND, second, 6666, outside, port, "a stranger", check=True)
    natlab.server.run(sys.executable, "-c", SEND, server, 6667, outside, port, "another port", check=True)
    assert watch.end(asking)["answers"] == [json.dumps([outside, port])]


# Sends a datagram: source address and port, target address and port, text.
SEND = """
import socket, sys
source, sport, target, dport, text = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((source, int(sport)))
s.sendto(text.encode(), (target, int(dport)))
"""


def test_source_pool(natlab, translate, mirrors):
    """A client has the same address of the pool towards everybody, and every one is of the pool."""
    translate(f"nat from lan to wan source 10.0.0.0/24 to {POOL4}.8-{POOL4}.15")
    for host in (natlab.client, natlab.inner):
        seen = ask(host, "seen", 0, SERVER4, PORT, SECOND4, PORT, SERVER4, PORT + 1)["seen"]
        addresses = {answer[0] for answer in seen}
        assert len(addresses) == 1, seen
        assert 8 <= int(addresses.pop().rpartition(".")[2]) <= 15


def test_source_address(natlab, translate):
    translate(f"nat from lan to wan source 10.0.0.0/24 to {POOL4}.7", f"nat from lan to wan source fd00:10::/64 to {POOL6}::7")
    assert peer_of(natlab.client.fetch(url(SERVER4, "peer")))[0] == f"{POOL4}.7"
    assert peer_of(natlab.client.fetch(url(SERVER6, "peer")))[0] == f"{POOL6}::7"


# --- from outside to inside --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outside, inner, server", [(WAN4, INNER4, SERVER4), (WAN6, INNER6, SERVER6)], ids=["ipv4", "ipv6"])
def test_port_forwarding(natlab, translate, outside, inner, server):
    """A connection to the gateway's port reaches the web server inside, which sees the true client."""
    gate = translate(f"forward from wan tcp port 8080 to {inner} port 80", MASQUERADE)
    at = url(outside).rstrip("/") + ":8080/"
    to = f"[{outside}]:8080" if ":" in outside else f"{outside}:8080"
    source = f"[{server}]:40000" if ":" in server else f"{server}:40000"
    for zone in ("self", "lan"):  # the words of the log have the address before the translation, and the zone behind it
        assert "=> allow, new" in gate.say("explain", f"wan {source} > {zone} {to} tcp syn")
    assert natlab.server.fetch(at).stdout == f"hello from {natlab.inner.name}\n"
    assert peer_of(natlab.server.fetch(at + "peer", "--interface", server))[0] == server
    assert natlab.server.fetch(url(outside), seconds=1).returncode == 28, "another port is not forwarded"


def test_forward_a_range_of_ports(natlab, translate, watch):
    translate(f"forward from wan udp port 5000-5009 to {INNER4} port 6000")
    watch.start(natlab.inner, "mirror", INNER4, 6003, program="mirrors.py")
    assert ask(natlab.server, "seen", 4000, WAN4, 5003)["seen"] == [[SERVER4, 4000]]
    assert ask(natlab.server, "seen", 4000, WAN4, 5004)["seen"] == [None]


def test_forward_to_several(natlab, translate):
    """Connections are shared by the client's address: one client always gets the same server."""
    translate(f"forward from wan tcp port 80 to {{ {CLIENT4}, {INNER4} }}")
    pages = {}
    for last in range(20, 40):
        natlab.server.ip("addr", "add", f"192.0.2.{last}/24", "dev", "eth0")
        for _ in range(2):
            got = natlab.server.fetch(url(WAN4), "--interface", f"192.0.2.{last}")
            pages.setdefault(last, set()).add(got.stdout)
        natlab.server.ip("addr", "del", f"192.0.2.{last}/24", "dev", "eth0")
    assert all(len(page) == 1 for page in pages.values()), pages
    assert set.union(*pages.values()) == {f"hello from {host.name}\n" for host in (natlab.client, natlab.inner)}


@pytest.mark.parametrize("outside, inner, lan", [(WAN4, INNER4, LAN4), (WAN6, INNER6, LAN6)], ids=["ipv4", "ipv6"])
def test_hairpin(natlab, translate, outside, inner, lan):
    """A client inside reaches the server inside by the outside address; the answers come the same way."""
    translate(f"forward from {{ wan, lan }} destination {outside} tcp port 80 to {inner}", MASQUERADE)
    assert natlab.client.fetch(url(outside)).stdout == f"hello from {natlab.inner.name}\n"
    assert peer_of(natlab.client.fetch(url(outside, "peer")))[0] == lan
    assert natlab.inner.fetch(url(outside)).stdout == f"hello from {natlab.inner.name}\n", "a server to itself"
    assert natlab.server.fetch(url(outside)).stdout == f"hello from {natlab.inner.name}\n"


def test_hairpin_by_an_address_that_changes(natlab, translate):
    """The rule names the outside by its zone: it is for the address that is there, not for the gateway's others."""
    translate(f"forward from {{ wan, lan }} destination address of wan tcp port 80 to {INNER4}", MASQUERADE)
    page, new = f"hello from {natlab.inner.name}\n", "192.0.2.3"
    assert natlab.client.fetch(url(WAN4)).stdout == page
    assert natlab.client.fetch(url(LAN4), seconds=1).returncode != 0, "the gateway's inner address is not forwarded"
    natlab.gateway.ip("addr", "add", f"{new}/24", "dev", "wan0")
    try:
        wait_for(lambda: natlab.client.fetch(url(new), seconds=1).stdout == page, 5, "forwarding by the new address")
        assert natlab.client.fetch(url(WAN4)).stdout == page
    finally:
        natlab.gateway.ip("addr", "del", f"{new}/24", "dev", "wan0")
    assert natlab.client.fetch(url(WAN4)).stdout == page


def test_hosts_under_a_prefix_that_changes(natlab, translate):
    """A rule names a host by its suffix, and networks by their zone: they are those of the prefix that is there."""
    gate = translate("allow from wan to lan destination suffix ::20/64 tcp port 80",
                     "allow from wan to lan destination network of lan tcp port 81")
    page, added = f"hello from {natlab.inner.name}\n", [(natlab.gateway, "lan0", 1), (natlab.inner, "eth0", 20), (natlab.client, "eth0", 10)]
    asked = [f"wan [2001:db8:99::1]:40000 > lan [{POOL6}::{last:x}]:{port} tcp syn" for last, port in ((0x20, 80), (0x10, 80), (0x10, 81))]

    def allowed():
        return ["=> allow, new" in gate.cli("explain", words).stdout for words in asked]

    assert allowed() == [False] * 3
    for host, device, last in added:
        natlab.address(host, device, f"{POOL6}::{last}/64")
    try:
        wait_for(lambda: natlab.server.fetch(url(f"{POOL6}::20"), seconds=1).stdout == page, 5, "the host under its new prefix")
        assert natlab.server.fetch(url(f"{POOL6}::10"), seconds=1).returncode == 28, "another host"
        assert allowed() == [True, False, True]
    finally:
        for host, device, last in added:
            host.ip("addr", "del", f"{POOL6}::{last}/64", "dev", device)
    wait_for(lambda: allowed() == [False] * 3, 5, "the prefix is gone")


@pytest.fixture(scope="module")
def own_web(natlab):
    """A web server on the gateway."""
    natlab.web(natlab.gateway)
    yield
    end_process(natlab.gateway.children.pop())


def test_redirect_to_self(natlab, own_web, translate):
    """Connections of clients to any web server end at the gateway's own, which answers with that server's address."""
    translate("redirect from lan tcp port 8081 to self port 80", MASQUERADE)
    assert natlab.client.fetch(f"http://{SERVER4}:8081/").stdout == f"hello from {natlab.gateway.name}\n"
    assert natlab.client.fetch(f"http://[{SERVER6}]:8081/").stdout == f"hello from {natlab.gateway.name}\n"


@pytest.mark.parametrize("client, far, server", [(CLIENT4, FAR4, SERVER4), (CLIENT6, FAR6, SERVER6)], ids=["ipv4", "ipv6"])
def test_no_route_to_what_is_sent_elsewhere(natlab, own_web, translate, client, far, server):
    """A new destination needs no route to the old one: a host whose uplink is away still reaches what answers for all others."""
    inside, outside = place(client), place(far)
    gateway = natlab.gateway
    for family in ("-4", "-6"):
        gateway.ip(family, "route", "del", "default")
    try:
        gate = translate("redirect from lan to wan tcp port 8081 to self port 80", "redirect from lan tcp port 8083 to self port 80",
                         f"forward from lan to wan tcp port 8082 to {server} port 80", MASQUERADE)
        for port, host in ((8081, gateway), (8083, gateway), (8082, natlab.server)):
            assert natlab.client.fetch(f"http://{outside}:{port}/").stdout == f"hello from {host.name}\n"
            assert "=> allow, new" in gate.say("explain", f"lan {inside}:40001 > {outside}:{port} tcp syn")
        assert gate.data("reload", "--dry-run")[0]["denied"] == [], "those that are open may open"
        assert natlab.client.fetch(f"http://{outside}:8084/", seconds=2).returncode
        assert "=> allow, new" not in gate.cli("explain", f"lan {inside}:40001 > {outside}:8084 tcp syn").stdout
    finally:
        natlab.routes(gateway)


# --- both ways -----------------------------------------------------------------------------------------------------------


def test_binat(natlab, translate):
    """One address outside for one inside, in both directions, whatever the protocol."""
    translate(f"binat {INNER4} to {POOL4}.5 on wan", "allow from wan to lan", MASQUERADE)
    assert peer_of(natlab.inner.fetch(url(SERVER4, "peer")))[0] == f"{POOL4}.5"
    assert peer_of(natlab.client.fetch(url(SERVER4, "peer")))[0] == WAN4
    assert natlab.server.run("ip", "route", "add", f"{POOL4}.0/24", "via", WAN4).returncode == 0
    try:
        assert natlab.server.fetch(url(f"{POOL4}.5")).stdout == f"hello from {natlab.inner.name}\n"
        assert natlab.server.ping(f"{POOL4}.5") == 3
        assert peer_of(natlab.server.fetch(url(f"{POOL4}.5", "peer")))[0] == SERVER4
    finally:
        natlab.server.ip("route", "del", f"{POOL4}.0/24")


def test_netmap(natlab, translate):
    """A whole network, address by address."""
    translate(f"binat 10.0.0.0/24 to {POOL4}.0/24 on wan", "allow from wan to lan")
    assert peer_of(natlab.client.fetch(url(SERVER4, "peer")))[0] == f"{POOL4}.10"
    assert peer_of(natlab.inner.fetch(url(SERVER4, "peer")))[0] == f"{POOL4}.20"
    natlab.server.ip("route", "add", f"{POOL4}.0/24", "via", WAN4)
    try:
        assert natlab.server.fetch(url(f"{POOL4}.20")).stdout == f"hello from {natlab.inner.name}\n"
    finally:
        natlab.server.ip("route", "del", f"{POOL4}.0/24")


def test_network_prefix_translation(natlab, translate):
    """RFC 6296: another prefix, and the checksums as they were."""
    translate(f"nptv6 fd00:10::/64 to {POOL6}::/64 on wan", "allow from wan to lan")
    address = peer_of(natlab.client.fetch(url(SERVER6, "peer")))[0]
    assert address.startswith(POOL6 + ":"), address
    assert natlab.client.ping(SERVER6) == 3
    natlab.server.ip("route", "add", f"{POOL6}::/64", "via", WAN6)
    try:
        assert natlab.server.fetch(url(address)).stdout == f"hello from {natlab.client.name}\n"
    finally:
        natlab.server.ip("route", "del", f"{POOL6}::/64")


# --- the gateway itself ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, command", [("udp", "seen"), ("tcp", "seen-tcp")])
def test_port_shadow(natlab, translate, watch, mirrors, kind, command):
    """CVE-2021-3773: a client inside takes no port that the gateway itself listens on, and the service stays reachable."""
    translate(MASQUERADE, f"allow from wan to self {kind} port 5555")
    watch.start(natlab.gateway, "listen", 5555, program="mirrors.py")
    address, port = ask(natlab.client, command, 5555, SERVER4, PORT)["seen"][0]
    assert address == WAN4 and port != 5555
    script = SEND_AND_HEAR if kind == "udp" else CONNECT_AND_HEAR
    got = natlab.server.run(sys.executable, "-c", script, SERVER4, PORT + 100, WAN4, 5555)
    assert got.stdout.strip() == "here", got.stdout + got.stderr


SEND_AND_HEAR = """
import socket, sys
source, sport, target, dport = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
s.bind((source, int(sport)))
s.sendto(b"anybody?", (target, int(dport)))
print(s.recv(100).decode())
"""

CONNECT_AND_HEAR = """
import socket, sys
source, sport, target, dport = sys.argv[1:]
s = socket.create_connection((target, int(dport)), 2, (source, int(sport)))
print(s.recv(100).decode())
"""


def test_the_gateways_own_connections(natlab, translate):
    """Masquerading the inside does not touch the gateway's own packets."""
    translate(MASQUERADE)
    assert peer_of(natlab.gateway.fetch(url(SERVER4, "peer")))[0] == WAN4
    assert natlab.gateway.ping(FAR4) == 3


def test_address_changes(natlab, translate, watch):
    """The provider gives another address: connections by the old one are reset, new ones use the new one."""
    gate = translate(MASQUERADE)
    watch.start(natlab.server, "serve", 5400)
    follower = watch.start(natlab.client, "follow", SERVER4, 5400)
    before = [flow for flow in gate.data("states") if uses_port(flow, 5400)]
    assert len(before) == 1 and WAN4 in str(before)
    new = "192.0.2.3"
    natlab.gateway.ip("addr", "del", f"{WAN4}/24", "dev", "wan0")
    natlab.gateway.ip("addr", "add", f"{new}/24", "dev", "wan0")
    natlab.gateway.ip("route", "replace", "default", "via", ISP4)
    try:
        facts = json.loads(follower.communicate(timeout=2 * PATIENCE)[0].splitlines()[-1])
        assert "reset" in facts["error"], facts
        assert {flow["state"] for flow in gate.data("states") if uses_port(flow, 5400)} <= {"CLOSE"}
        wait_for(lambda: seen_as(natlab.client, SERVER4) == new, 30, "the new address")
    finally:
        natlab.gateway.ip("addr", "del", f"{new}/24", "dev", "wan0")
        natlab.gateway.ip("addr", "add", f"{WAN4}/24", "dev", "wan0")
        natlab.gateway.ip("route", "replace", "default", "via", ISP4)
    wait_for(lambda: seen_as(natlab.client, SERVER4) == WAN4, 30, "the first address again")


def test_the_address_beside_the_router(natlab, translate):
    """The modem has a network of its own, whose address came first: connections get the one that the provider routes back."""
    modem = "192.168.100.2"
    natlab.gateway.ip("addr", "del", f"{WAN4}/24", "dev", "wan0")
    natlab.gateway.ip("addr", "add", f"{modem}/24", "dev", "wan0")
    natlab.gateway.ip("addr", "add", f"{WAN4}/24", "dev", "wan0")
    natlab.gateway.ip("route", "replace", "default", "via", ISP4)
    natlab.server.ip("route", "add", f"{modem}/32", "via", WAN4)
    try:
        translate(MASQUERADE)
        assert seen_as(natlab.client, SERVER4) == WAN4
        natlab.gateway.ip("route", "replace", "default", "via", "192.168.100.1")
        wait_for(lambda: seen_as(natlab.client, SERVER4) == modem, 30, "the address beside the other router")
        natlab.gateway.ip("route", "replace", "default", "via", ISP4)
        wait_for(lambda: seen_as(natlab.client, SERVER4) == WAN4, 30, "the address beside the first router")
    finally:
        natlab.gateway.ip("addr", "del", f"{modem}/24", "dev", "wan0")
        natlab.gateway.ip("route", "replace", "default", "via", ISP4)
        natlab.server.ip("route", "del", f"{modem}/32", "via", WAN4)


def test_it_goes_on_without_the_daemon(natlab, translate, watch):
    """kill -9: translated flows go on, new ones are translated too; the next daemon takes them over."""
    gate = translate(MASQUERADE, f"forward from wan tcp port 8080 to {INNER4} port 80")
    watch.start(natlab.server, "serve", 5401)
    follower = watch.start(natlab.client, "follow", SERVER4, 5401)
    gate.crash()
    assert peer_of(natlab.client.fetch(url(SERVER4, "peer")))[0] == WAN4
    assert peer_of(natlab.client.fetch(url(SERVER6, "peer")))[0] == WAN6
    assert natlab.server.fetch(f"http://{WAN4}:8080/").stdout == f"hello from {natlab.inner.name}\n"
    gate.start()
    facts = watch.end(follower)
    assert facts["error"] is None and facts["blocks"] > 30, facts
    assert [flow for flow in gate.data("states") if uses_port(flow, 5401) and WAN4 in str(flow)]


def test_reload_keeps_translated_flows(natlab, translate, watch):
    gate = translate(MASQUERADE)
    watch.start(natlab.server, "serve", 5402)
    follower = watch.start(natlab.client, "follow", SERVER4, 5402)
    gate.path.write_text(gate.path.read_text().replace(MASQUERADE, f"nat from lan to wan source 10.0.0.0/24 to {POOL4}.7\n"))
    gate.say("reload")
    assert peer_of(natlab.client.fetch(url(SERVER4, "peer")))[0] == f"{POOL4}.7"
    facts = watch.end(follower)
    assert facts["error"] is None and facts["blocks"] > 20, facts
