# SPDX-License-Identifier: BSD-2-Clause
"""Ordinary traffic through the gateway and with it: what is allowed arrives whole, the rest does not."""
import hashlib
import json
import sys
import time

import pytest
from conftest import need
from lab import CLIENT4, CLIENT6, LAN4, LAN6, PATIENCE, SERVER4, SERVER6, WAN4, WAN6, wait_for

BOTH_SERVERS = pytest.mark.parametrize("address", [SERVER4, SERVER6], ids=["ipv4", "ipv6"])
BOTH_CLIENTS = pytest.mark.parametrize("address", [CLIENT4, CLIENT6], ids=["ipv4", "ipv6"])


# Sends a datagram: source address and port, target address and port, text.
SEND = """
import socket, sys
source, sport, target, dport, text = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((source, int(sport)))
s.sendto(text.encode(), (target, int(dport)))
"""


def url(address, path=""):
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}/{path}"


@BOTH_SERVERS
def test_page_arrives(lab, standing, address):
    got = lab.client.fetch(url(address))
    assert got.stdout == f"hello from {lab.server.name}\n", got.stderr


@BOTH_SERVERS
def test_large_file_arrives_identical(lab, standing, address):
    """32 MB at full speed come as GSO packets of up to 64 kB through the programs."""
    target = lab.scratch() / "large"
    got = lab.client.fetch(url(address, "large"), "-o", target)
    assert got.returncode == 0, got.stderr
    source = lab.directory / f"web-{lab.server.name}" / "files" / "large"
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(source.read_bytes()).digest()
    flows = [flow for flow in standing.data("states") if str(flow).find(address) >= 0]
    assert flows, "the connection is not in the table"


@BOTH_SERVERS
def test_dns_over_udp(lab, standing, address):
    assert lab.client.resolve(address).stdout.strip() == SERVER4


@BOTH_SERVERS
def test_dns_over_tcp(lab, standing, address):
    assert lab.client.resolve(address, "www.example", "+tcp").stdout.strip() == SERVER4


@BOTH_SERVERS
def test_client_pings_server(lab, standing, address):
    assert lab.client.ping(address) == 3


@BOTH_SERVERS
def test_large_pings(lab, standing, address):
    """As large as the link takes: nothing is fragmented."""
    assert lab.client.ping(address, "-M", "do", "-s", "1400") == 3


@BOTH_CLIENTS
def test_server_cannot_ping_client(lab, standing, address):
    assert lab.server.ping(address) == 0


@BOTH_CLIENTS
def test_server_cannot_connect_to_client(lab, standing, address):
    """Nothing listens to what nobody asked for, and the answer is silence, not a refusal."""
    got = lab.server.fetch(url(address), seconds=2)
    assert got.returncode == 28, f"curl should time out: {got.returncode} {got.stdout}{got.stderr}"


@BOTH_CLIENTS
def test_server_cannot_send_datagrams_to_client(lab, standing, watch, address):
    counter = watch.start(lab.client, "count", 5300)
    prober = watch.start(lab.server, "probe", address, 5300)
    assert watch.end(prober)["sent"] > 50
    assert watch.end(counter) == {"datagrams": 0, "connections": 0}


@pytest.mark.parametrize("client, server", [(CLIENT4, SERVER4), (CLIENT6, SERVER6)], ids=["ipv4", "ipv6"])
def test_answers_come_only_from_whom_was_asked(lab, standing, watch, client, server):
    """Of two datagrams to the port that asked, only the one from the port that was asked arrives."""
    asking = watch.start(lab.client, "ask", server, 5555)
    lab.server.run(sys.executable, "-c", SEND, server, 6666, client, asking.facts["port"], "a stranger", check=True)
    lab.server.run(sys.executable, "-c", SEND, server, 5555, client, asking.facts["port"], "whom we asked", check=True)
    assert watch.end(asking)["answers"] == ["whom we asked"]


@BOTH_SERVERS
def test_reject_is_told_by_tcp(lab, standing, watch, address):
    """Somebody would answer there, but the firewall refuses in their name."""
    watch.start(lab.server, "count", 25)
    host = f"[{address}]" if ":" in address else address
    got = lab.client.fetch(f"http://{host}:25/", seconds=30)
    assert got.returncode == 7, f"curl should be refused: {got.returncode} {got.stderr}"


@BOTH_SERVERS
def test_reject_is_told_by_udp(lab, standing, watch, address):
    """The ICMP error reaches the socket of the sender."""
    counter = watch.start(lab.server, "count", 25)
    got = lab.client.resolve(address, "www.example", "-p", "25")
    assert "communications error" in got.stdout and "timed out" not in got.stdout, got.stdout + got.stderr
    assert watch.end(counter)["datagrams"] == 0


@BOTH_SERVERS
def test_port_unreachable_comes_back(lab, standing, address):
    """An ICMP error of the server about the client's own datagram is let in as related."""
    got = lab.client.resolve(address, "www.example", "-p", "5999")
    assert got.returncode != 0 and "refused" in got.stdout + got.stderr, got.stdout + got.stderr


@BOTH_SERVERS
def test_time_exceeded_of_the_gateway_comes_back(lab, standing, address):
    """traceroute sees the gateway as the first hop."""
    got = lab.client.run("ping", "-c", "1", "-W", "20", "-t", "1", address)
    assert "exceeded" in got.stdout, got.stdout


@BOTH_SERVERS
def test_path_mtu_discovery(lab, standing, address):
    """The wire to the server takes less than the client's: a transfer adapts, which needs the gateway's ICMP error."""
    lab.gateway.ip("link", "set", "wan0", "mtu", "1300")
    try:
        got = lab.client.run("ping", "-c", "1", "-W", "20", "-M", "do", "-s", "1350", address)
        assert "too long" in got.stdout or "too big" in got.stdout or "Frag needed" in got.stdout, got.stdout
    finally:
        lab.gateway.ip("link", "set", "wan0", "mtu", "1500")
        for host in (lab.client, lab.gateway):
            host.run("ip", "route", "flush", "cache")
            host.run("ip", "-6", "route", "flush", "cache")


@pytest.mark.parametrize("address", [WAN4, WAN6], ids=["ipv4", "ipv6"])
def test_server_pings_gateway(lab, standing, address):
    assert lab.server.ping(address) == 3


@pytest.mark.parametrize("address", [WAN4, WAN6], ids=["ipv4", "ipv6"])
def test_server_cannot_connect_to_gateway(lab, standing, address):
    got = lab.server.fetch(url(address), seconds=2)
    assert got.returncode == 28, f"curl should time out: {got.returncode} {got.stdout}{got.stderr}"


@pytest.mark.parametrize("address", [LAN4, LAN6], ids=["ipv4", "ipv6"])
def test_client_reaches_gateway(lab, standing, address):
    assert lab.client.fetch(url(address)).stdout == f"hello from {lab.gateway.name}\n"


@BOTH_SERVERS
def test_gateway_itself_reaches_out(lab, standing, address):
    """The gateway's own connections: from zone self, and their answers to it."""
    assert lab.gateway.fetch(url(address)).stdout == f"hello from {lab.server.name}\n"
    assert lab.gateway.ping(address) == 3
    assert lab.gateway.resolve(address).stdout.strip() == SERVER4


def overrun(host):
    """Datagrams that arrived, but found their socket full: its program did not get to read them in time."""
    names, values = [line.split() for line in host.run("cat", "/proc/net/snmp").stdout.splitlines() if line.startswith("Udp:")]
    return int(values[names.index("RcvbufErrors")])


@need("iperf3")
@pytest.mark.parametrize("words", [("-n", "200M"), ("-R", "-n", "200M"), ("-u", "-b", "20M", "-n", "5M")], ids=["upload", "download", "udp"])
def test_iperf3(lab, standing, words):
    server = lab.server.start("iperf3", "-s", "-1", "-p", 5201)
    lab.server.listening("-t", 5201)
    before = overrun(lab.server)
    done = lab.client.run("iperf3", "-c", SERVER4, "-p", 5201, "-J", *words)
    end = json.loads(done.stdout)["end"]
    total = end.get("sum_received") or end["sum"]
    assert total["bytes"] > 3_000_000, done.stdout[-800:]
    if "-u" in words:
        arrived = end["sum"]["packets"] - end["sum"]["lost_packets"] + overrun(lab.server) - before
        assert arrived > 0.95 * end["sum"]["packets"], end["sum"]
    server.wait(PATIENCE)


def test_the_loopback_is_left_alone(lab, standing):
    """Everything else is guarded, in a zone or in none."""
    assert lab.gateway.ping("127.0.0.1") == 3


def test_arp_passes(lab, standing):
    """Neighbours forgotten are found again: ARP and neighbour discovery pass."""
    for host, device in ((lab.client, "eth0"), (lab.gateway, "lan0"), (lab.gateway, "wan0"), (lab.server, "eth0")):
        host.ip("neigh", "flush", "dev", device)
    assert lab.client.ping(SERVER4) == 3
    assert lab.client.ping(SERVER6) == 3


def test_counts_by_zones(lab, standing):
    """Packets are counted by where they come from and go to: those of flows in both directions, openings, and what is dropped."""
    def counts():
        zones = standing.data("counters")[0]["zones"]
        return {(zone["from"], zone["to"]): {fate: zone[fate]["packets"] for fate in ("passed", "opened", "dropped")} for zone in zones}

    def grew(pair, fate):
        return after[pair][fate] - before.get(pair, {}).get(fate, 0)

    def standing_still():
        first = counts()
        time.sleep(0.3)
        return first if counts() == first else None

    before = wait_for(standing_still, 10, "the last test's connections are silent")
    assert lab.client.fetch(url(SERVER4)).returncode == 0
    assert lab.server.ping(CLIENT4) == 0
    after = counts()
    assert 1 <= grew(("lan", "wan"), "opened") < grew(("lan", "wan"), "passed")
    assert grew(("wan", "lan"), "passed") >= 4 and grew(("wan", "lan"), "opened") == 0
    assert grew(("wan", "lan"), "dropped") == 3
    table = standing.say("counters", "--zones").splitlines()
    assert table[0].split()[:3] == ["FROM", "TO", "PASSED"] and any(line.split()[:2] == ["lan", "wan"] for line in table)
