# SPDX-License-Identifier: BSD-2-Clause
"""Ways past the kernel's forwarding: the short way and express. What is so by either stands here once.

    client 10.0.0.10 --- lan0 gateway wan0 --- 192.0.2.10 server        the same with IPv6

test_short_way.py and test_express.py make a Way of theirs (fixture `way`), and have the tests of `EveryWay`.
"""
import hashlib
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from lab import CLIENT4, SERVER4, SERVER6, WAN4, WAN6, Firewall, masquerade, pings_lost, wait_for

RULES = """\
allow from lan to wan
allow from { lan, wan } to self icmp
allow from self
forward from wan to self tcp port 8080 to 10.0.0.10 port 80
"""
SERVER = pytest.mark.parametrize("server", (SERVER4, SERVER6))
TRANSLATED = pytest.mark.parametrize("translated", (True, False), ids=("masqueraded", "plain"))


@dataclass
class Way:
    """A firewall whose flows go a way."""

    firewall: Firewall
    name: str  # of its part of `status`
    policy: str  # with a %s for its option's value
    on: str  # the option's value that has it taken where that is safe
    download: int  # a download is at least so many of its packets: the short way has segments in large pieces
    is_ready: Callable = lambda: True  # nothing but what `is_safe` tells stands in the way

    def status(self):
        return self.firewall.data("status")[0]

    def taken(self):
        """Packets that have gone it."""
        return self.status()[self.name]["packets"]

    def is_safe(self):
        """Returns true if nothing on this machine stands in the way. Express has the short way's reasons, and some of its own."""
        return self.status()["short_way"]["taken"]

    def why_not(self):
        return self.status()["short_way"].get("why", "")

    def use(self, mode=None, more=None):
        self.firewall.path.write_text(self.policy % (mode or self.on) + (masquerade() if more is None else more))
        self.firewall.say("reload")
        if not mode:
            wait_for(lambda: self.is_safe() and self.is_ready(), 5, "nothing stands in the way")

    def wait(self):
        """Waits until packets go it."""
        before = self.taken()
        wait_for(lambda: self.taken() > before + 10, 8, "the way is taken again")


class Pinging:
    """ping, every 20 ms, as long as the block lasts."""

    def __init__(self, host, address, *options):
        self.child = host.start("ping", "-i", "0.02", "-O", *options, address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.send_signal(2)
        self.text = self.child.communicate(timeout=10)[0]

    def lost(self):
        return pings_lost(self.text)


def url(address, path=""):
    return f"http://{f'[{address}]' if ':' in address else address}/{path}"


def large(lab, host):
    return lab.directory / f"web-{host.name}" / "files" / "large"


def download(lab, server, seconds=30):
    """Fetches the large file and returns true if it is whole."""
    done = subprocess.run(lab.client.command(["curl", "-sS", "--noproxy", "*", "--max-time", str(seconds), url(server, "large")]),
                          capture_output=True, timeout=seconds + 5, check=True)
    return hashlib.sha256(done.stdout).digest() == hashlib.sha256(large(lab, lab.server).read_bytes()).digest()


def upload(lab, server, seconds=30):
    name = "large-6" if ":" in server else "large-4"
    body = large(lab, lab.client)
    lab.client.run("curl", "-sS", "--noproxy", "*", "--max-time", seconds, "-T", body, url(server, f"upload/{name}"),
                   timeout=seconds + 5, check=True)
    return (large(lab, lab.server).parent / "upload" / name).read_bytes() == body.read_bytes()


class Chain:
    """A chain of somebody else that counts what is forwarded, as long as the block lasts."""

    def __init__(self, host):
        self.host = host

    def __enter__(self):
        self.host.run("nft", "add table inet others; add chain inet others seen { type filter hook forward priority 0; };"
                      " add rule inet others seen counter", check=True)
        return self

    def __exit__(self, *_):
        self.host.run("nft", "delete table inet others")

    def packets(self):
        return int(re.search(r"packets (\d+)", self.host.run("nft", "list", "chain", "inet", "others", "seen", check=True).stdout)[1])


class EveryWay:
    """The tests. `way` is the fixture of the file that has them."""

    @SERVER
    @TRANSLATED
    def test_bulk(self, lab, way, server, translated):
        """TCP arrives whole, both ways, translated and not, nearly all of it past the kernel's forwarding."""
        way.use(more=None if translated else "")
        try:
            before = way.taken()
            assert download(lab, server)
            assert way.taken() - before > way.download
            before = way.taken()
            assert upload(lab, server)
            assert way.taken() - before > way.download
        finally:
            way.use()

    @SERVER
    def test_pings(self, lab, way, server):
        """Every ping is answered, with a TTL that was spent once; of a second's, one goes the long way, each way."""
        before = way.taken()
        out = lab.client.run("ping", "-c", 50, "-i", "0.02", server).stdout
        assert "50 received" in out and out.count("ttl=63") == 50, out
        assert 80 < way.taken() - before <= 100

    def test_flow_counts_every_packet(self, lab, way):
        """The flow of 40 pings has 40 packets each way, whichever way they went, and the counters have as many."""

        def passed():
            return sum(one["packets"] for one in way.firewall.data("counters")[0]["reasons"] if one["reason"] in ("established", "new"))

        before = passed()
        lab.client.run("ping", "-c", 40, "-i", "0.02", "-e", 4711, SERVER4, check=True)
        after = passed()
        flow = next(one for one in way.firewall.data("states") if one["proto"] == "icmp" and one.get("id") == 4711)
        assert flow["packets"] == [40, 40], flow
        assert after - before >= 80

    def test_forwarded_port(self, lab, way):
        """An answer from behind a forward bears the address that was asked."""
        before = way.taken()
        done = lab.server.run("curl", "-sS", "--max-time", 20, "-o", "/dev/null", "-w", "%{size_download} %{remote_ip}",
                              f"http://{WAN4}:8080/large")
        assert done.stdout == f"{32 << 20} {WAN4}", done.stderr
        assert way.taken() - before > way.download

    @SERVER
    def test_last_hop_is_told(self, lab, way, server):
        """A packet whose TTL ends here goes the long way: its sender hears of it, in the middle of a flow, too."""
        with Pinging(lab.client, server):
            out = lab.client.run("ping", "-c", 2, "-i", "0.1", "-W", 1, "-t", 1, server).stdout
        assert "exceeded" in out, out

    @SERVER
    def test_too_big_is_told(self, lab, way, server):
        """With a smaller MTU behind the gateway its sender is told, in a flow that goes past the kernel."""
        with Pinging(lab.client, server):
            lab.gateway.ip("link", "set", "wan0", "mtu", "1400")
            try:
                out = lab.client.run("ping", "-c", 3, "-i", "0.1", "-W", 1, "-M", "do", "-s", 1420, server)
                assert "1400" in out.stdout + out.stderr, out
            finally:
                lab.gateway.ip("link", "set", "wan0", "mtu", "1500")
                for family in ("-4", "-6"):
                    lab.client.ip(family, "route", "flush", "cache")

    def test_route_change(self, lab, way):
        """A route that goes takes effect at once, and one that comes back, too."""
        with Pinging(lab.client, SERVER4) as pinging:
            time.sleep(0.5)
            lab.gateway.ip("route", "add", "unreachable", f"{SERVER4}/32")
            time.sleep(0.3)
            before = way.taken()
            time.sleep(0.5)
            assert way.taken() == before, "packets are sent where no route leads"
            lab.gateway.ip("route", "del", "unreachable", f"{SERVER4}/32")
            way.wait()
        assert 10 < pinging.lost() < 100

    def test_neighbour_change(self, lab, way):
        """A host that gets another link address is found again, as soon as it says so."""
        mac = lab.server.run("cat", "/sys/class/net/eth0/address", check=True).stdout.strip()

        def move(address):
            lab.server.ip("link", "set", "eth0", "address", address)
            for gateway in (WAN4, WAN6):
                lab.server.run("ping", "-c", 1, "-W", 1, gateway)  # it says so

        with Pinging(lab.client, SERVER4) as pinging:
            time.sleep(0.5)
            for address in ("02:00:00:00:77:01", mac):
                move(address)
                way.wait()
        assert pinging.lost() < 150

    def test_cable_pulled(self, lab, way):
        with Pinging(lab.client, SERVER4):
            lab.gateway.ip("link", "set", "wan0", "down")
            assert lab.client.ping(SERVER4, count=2) == 0
            lab.gateway.ip("link", "set", "wan0", "up")
            lab.gateway.ip("-6", "addr", "replace", f"{WAN6}/64", "dev", "wan0", "nodad")
            wait_for(lambda: lab.client.ping(SERVER4, count=3) == 3, 5, "the link is back")
            way.wait()

    def test_ipsec_policies_see_the_packets(self, lab, way):
        lab.gateway.ip("xfrm", "policy", "add", "src", "10.0.0.0/24", "dst", "198.51.100.0/24", "dir", "out", "tmpl", "src", WAN4,
                       "dst", "198.51.100.1", "proto", "esp", "mode", "tunnel")
        try:
            wait_for(lambda: way.why_not() == "an IPsec policy", 5, "the policy is noticed")
        finally:
            lab.gateway.ip("xfrm", "policy", "flush")
        wait_for(way.is_safe, 5, "that the policy is gone is noticed")

    def test_several_next_hops(self, lab, way):
        lab.gateway.ip("route", "add", "198.51.100.0/24", "nexthop", "via", SERVER4, "nexthop", "via", CLIENT4)
        try:
            wait_for(lambda: "several next hops" in way.why_not(), 5, "the route is noticed")
        finally:
            lab.gateway.ip("route", "del", "198.51.100.0/24")
        wait_for(way.is_safe, 5, "that the route is gone is noticed")

    def test_rules_of_others_see_the_packets(self, lab, way):
        """With a chain in nftables packets go the long way again, and status says why."""
        with Chain(lab.gateway) as chain:
            wait_for(lambda: not way.is_safe(), 5, "the chain is noticed")
            assert "seen" in way.why_not() and "inet others" in way.why_not()
            assert "not taken: nftables: chain seen" in way.firewall.say("status")
            before, counted = way.taken(), chain.packets()
            assert lab.client.ping(SERVER4, count=20) == 20
            assert chain.packets() - counted == 40 and way.taken() == before
        wait_for(way.is_safe, 5, "that the chain is gone is noticed")
        assert not way.why_not()

    def test_off(self, lab, way):
        way.use("off")
        try:
            before = way.taken()
            assert lab.client.ping(SERVER4, count=20) == 20
            assert way.taken() == before and way.status()[way.name]["packets"] == before
        finally:
            way.use()

    def test_dead_daemon(self, lab, way):
        """Nobody sees rules come when the daemon is gone: packets go the long way soon, where such rules are."""
        way.firewall.crash()
        with Pinging(lab.client, SERVER4) as pinging:
            with Chain(lab.gateway) as chain:
                time.sleep(4)
                before = chain.packets()
                wait_for(lambda: chain.packets() - before > 20, 5, "the rule sees the packets")
        assert pinging.lost() == 0
        way.firewall.start()
        with Pinging(lab.client, SERVER4):
            way.wait()
        wait_for(way.is_ready, 5, "nothing stands in the way")
