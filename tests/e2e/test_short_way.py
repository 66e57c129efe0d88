# SPDX-License-Identifier: BSD-2-Clause
"""The short way: established flows leave from ingress, past the kernel's forwarding, and nobody can tell by the packets.

    client 10.0.0.10 --- lan0 gateway wan0 --- 192.0.2.10 server        the same with IPv6
"""
import re
import time

import pytest
from lab import CLIENT4, SERVER4, SERVER6, WAN4, Firewall, masquerade, pings_lost, wait_for

POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
option short-way %s
allow from lan to wan
allow from lan to self icmp
allow from self
forward from wan to self tcp port 8080 to 10.0.0.10 port 80
""" + masquerade()
SERVER = pytest.mark.parametrize("server", (SERVER4, SERVER6))


@pytest.fixture(scope="module")
def short(lab, tmp_path_factory):
    firewall = Firewall(lab.gateway, POLICY % "auto", tmp_path_factory.mktemp("short")).start()
    for device in ("lan0", "wan0"):  # two CPUs
        lab.gateway.run("sh", "-c", f"echo 3 >/sys/class/net/{device}/queues/rx-0/rps_cpus")
    yield firewall
    firewall.stop()


def way(firewall):
    return firewall.data("status")[0]["short_way"]


def taken(firewall):
    return way(firewall)["packets"]


def use(firewall, mode):
    firewall.path.write_text(POLICY % mode)
    firewall.say("reload")


class Pinging:
    """ping, every 20 ms, as long as the block lasts."""

    def __init__(self, host, address):
        self.child = host.start("ping", "-i", "0.02", "-O", address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.send_signal(2)
        self.text = self.child.communicate(timeout=10)[0]

    def lost(self):
        return pings_lost(self.text)


def url(address, path=""):
    return f"http://{f'[{address}]' if ':' in address else address}/{path}"


@SERVER
def test_it_is_taken(lab, short, server):
    """A download arrives whole, translated, nearly all of it by the short way; so do pings, one at a time."""
    before = taken(short)
    done = lab.client.run("curl", "-sS", "--max-time", 20, "-o", "/dev/null", "-w", "%{size_download}", url(server, "large"))
    assert done.stdout == str(32 << 20), done.stderr
    assert taken(short) - before > 200
    before = taken(short)
    with Pinging(lab.client, server) as pinging:
        time.sleep(1)
    assert pinging.lost() == 0
    assert taken(short) - before > 50, "pings and answers"


@SERVER
def test_ttl_is_spent_once(lab, short, server):
    before = taken(short)
    out = lab.client.run("ping", "-c", 10, "-i", "0.05", server).stdout
    assert set(re.findall(r"ttl=(\d+)", out)) == {"63"}, out
    assert taken(short) - before >= 10


@SERVER
def test_last_hop_is_told(lab, short, server):
    """A packet whose TTL ends here goes the long way: its sender hears of it, in the middle of a flow, too."""
    with Pinging(lab.client, server):
        out = lab.client.run("ping", "-c", 2, "-i", "0.1", "-W", 1, "-t", 1, server).stdout
    assert "exceeded" in out, out


def test_flow_counts_every_packet(lab, short):
    """The flow of 40 pings has 40 packets each way, whichever way they went."""
    lab.client.run("ping", "-c", 40, "-i", "0.02", "-e", 4711, SERVER4, check=True)
    flow = next(one for one in short.data("states") if one["proto"] == "icmp" and one.get("id") == 4711)
    assert flow["packets"] == [40, 40], flow


def test_forwarded_port(lab, short):
    """An answer from behind a forward bears the address that was asked."""
    before = taken(short)
    done = lab.server.run("curl", "-sS", "--max-time", 20, "-o", "/dev/null", "-w", "%{size_download} %{remote_ip}",
                          f"http://{WAN4}:8080/large")
    assert done.stdout == f"{32 << 20} {WAN4}", done.stderr
    assert taken(short) - before > 200


@SERVER
def test_too_big_is_told(lab, short, server):
    """With a smaller MTU behind the gateway its sender is told, in a flow that goes the short way."""
    with Pinging(lab.client, server):
        lab.gateway.ip("link", "set", "wan0", "mtu", "1400")
        try:
            out = lab.client.run("ping", "-c", 3, "-i", "0.1", "-W", 1, "-M", "do", "-s", 1420, server)
            assert "1400" in out.stdout + out.stderr, out
        finally:
            lab.gateway.ip("link", "set", "wan0", "mtu", "1500")
            for family in ("-4", "-6"):
                lab.client.ip(family, "route", "flush", "cache")


def test_segments_are_held_against_the_mtu(lab, short):
    """Large pieces of TCP pass if their packets of the wire fit: behind a smaller MTU the download goes on."""
    lab.gateway.ip("link", "set", "lan0", "mtu", "1300")
    try:
        done = lab.client.run("curl", "-sS", "--max-time", 30, "-o", "/dev/null", "-w", "%{size_download}", url(SERVER4, "large"))
        assert done.stdout == str(32 << 20), done.stderr
    finally:
        lab.gateway.ip("link", "set", "lan0", "mtu", "1500")


def test_route_change(lab, short):
    """A route that goes takes effect at once, and one that comes back, too."""
    with Pinging(lab.client, SERVER4) as pinging:
        time.sleep(0.5)
        lab.gateway.ip("route", "add", "unreachable", f"{SERVER4}/32")
        time.sleep(0.3)
        before = taken(short)
        time.sleep(0.5)
        assert taken(short) == before, "packets are sent where no route leads"
        lab.gateway.ip("route", "del", "unreachable", f"{SERVER4}/32")
        wait_for(lambda: taken(short) > before + 10, 3, "the short way is taken again")
    assert 10 < pinging.lost() < 100


def test_neighbour_change(lab, short):
    """Another card at the other end: as soon as the kernel knows, packets go there."""
    mac = lab.server.run("cat", "/sys/class/net/eth0/address", check=True).stdout.strip()
    with Pinging(lab.client, SERVER4):
        lab.server.ip("link", "set", "eth0", "address", "02:00:00:00:47:11")
        try:
            lab.gateway.ip("neigh", "replace", SERVER4, "lladdr", "02:00:00:00:47:11", "dev", "wan0")
            assert lab.client.ping(SERVER4, count=10) == 10
        finally:
            lab.server.ip("link", "set", "eth0", "address", mac)
            lab.gateway.ip("neigh", "del", SERVER4, "dev", "wan0")
    wait_for(lambda: lab.client.ping(SERVER4, count=3) == 3, 5, "the first neighbour answers")


def test_cable_pulled(lab, short):
    with Pinging(lab.client, SERVER4):
        lab.gateway.ip("link", "set", "wan0", "down")
        assert lab.client.ping(SERVER4, count=2) == 0
        lab.gateway.ip("link", "set", "wan0", "up")
        lab.gateway.ip("-6", "addr", "replace", "2001:db8::1/64", "dev", "wan0", "nodad")
        wait_for(lambda: lab.client.ping(SERVER4, count=3) == 3, 5, "the link is back")


def test_shaping_shapes(lab, short):
    """A queue of the interface that packets leave by has them all."""
    lab.gateway.run("tc", "qdisc", "add", "dev", "lan0", "root", "tbf", "rate", "16mbit", "burst", "32k", "latency", "50ms", check=True)
    try:
        before, begin = taken(short), time.monotonic()
        done = lab.client.run("curl", "-sS", "--max-time", 3, "-o", "/dev/null", "-w", "%{size_download}", url(SERVER4, "large"))
        seconds = time.monotonic() - begin
        assert 100e3 < int(done.stdout) / seconds < 2.5e6, done.stdout
        assert taken(short) - before > 100
    finally:
        lab.gateway.run("tc", "qdisc", "del", "dev", "lan0", "root")


def counter(lab):
    """Packets that a rule of nftables at forward has seen."""
    return int(re.search(r"packets (\d+)", lab.gateway.run("nft", "list", "chain", "inet", "others", "seen", check=True).stdout)[1])


@pytest.fixture
def nft_chain(lab):
    lab.gateway.run("nft", "add table inet others; add chain inet others seen { type filter hook forward priority 0; };"
                    " add rule inet others seen counter", check=True)
    yield
    lab.gateway.run("nft", "delete table inet others")


def test_rules_of_others_see_the_packets(lab, short, nft_chain):
    """With a chain in nftables packets go the long way again, and status says why. `on` does not care."""
    wait_for(lambda: not way(short)["taken"], 5, "the chain is noticed")
    assert "seen" in way(short)["why"] and "inet others" in way(short)["why"]
    assert "not taken: nftables: chain seen" in short.say("status")
    before = counter(lab)
    assert lab.client.ping(SERVER4, count=20) == 20
    assert counter(lab) - before == 40
    use(short, "on")
    try:
        assert way(short)["taken"]
        before = counter(lab)
        assert lab.client.ping(SERVER4, count=20) == 20
        assert counter(lab) - before < 20
    finally:
        use(short, "auto")


def test_it_is_taken_again_without_them(short):
    wait_for(lambda: way(short)["taken"], 5, "that the chain is gone is noticed")
    assert "why" not in way(short)


def test_ipsec_policies_see_the_packets(lab, short):
    lab.gateway.ip("xfrm", "policy", "add", "src", "10.0.0.0/24", "dst", "198.51.100.0/24", "dir", "out", "tmpl", "src", WAN4, "dst",
                   "198.51.100.1", "proto", "esp", "mode", "tunnel")
    try:
        wait_for(lambda: way(short).get("why") == "an IPsec policy", 5, "the policy is noticed")
    finally:
        lab.gateway.ip("xfrm", "policy", "flush")
    wait_for(lambda: way(short)["taken"], 5, "that the policy is gone is noticed")


def test_several_next_hops(lab, short):
    lab.gateway.ip("route", "add", "198.51.100.0/24", "nexthop", "via", SERVER4, "nexthop", "via", CLIENT4)
    try:
        wait_for(lambda: "several next hops" in way(short).get("why", ""), 5, "the route is noticed")
    finally:
        lab.gateway.ip("route", "del", "198.51.100.0/24")
    wait_for(lambda: way(short)["taken"], 5, "that the route is gone is noticed")


def test_off(lab, short):
    use(short, "off")
    try:
        before = taken(short)
        assert lab.client.ping(SERVER4, count=20) == 20
        assert taken(short) == before
        assert way(short) == {"mode": "off", "taken": False, "why": "option short-way off", "packets": before}
    finally:
        use(short, "auto")


def test_filters_of_others_at_ingress(lab, short):
    """A filter behind ours at the ingress of lan0 sees what comes there."""
    lab.gateway.run("tc", "qdisc", "replace", "dev", "lan0", "clsact", check=True)
    lab.gateway.run("tc", "filter", "add", "dev", "lan0", "ingress", "protocol", "all", "prio", "10", "u32", "match", "u32", "0", "0",
                    "flowid", "1:1", check=True)
    try:
        wait_for(lambda: next(one for one in short.data("status")[0]["interfaces"] if one["name"] == "lan0").get("long_way"), 5,
                 "the filter is noticed")
        before = taken(short)
        assert lab.client.ping(SERVER4, count=20) == 20
        assert taken(short) == before
    finally:
        lab.gateway.run("tc", "qdisc", "del", "dev", "lan0", "clsact")


def test_dead_daemon(lab, short):
    """Nobody sees rules come when the daemon is gone: packets go the long way soon, where such rules are."""
    short.crash()
    with Pinging(lab.client, SERVER4) as pinging:
        lab.gateway.run("nft", "add table inet others; add chain inet others seen { type filter hook forward priority 0; };"
                        " add rule inet others seen counter", check=True)
        try:
            time.sleep(4)
            before = counter(lab)
            wait_for(lambda: counter(lab) - before > 20, 5, "the rule sees the packets")
        finally:
            lab.gateway.run("nft", "delete table inet others")
    assert pinging.lost() == 0
    short.start()
    wait_for(lambda: way(short)["taken"], 5, "the short way is taken again")
