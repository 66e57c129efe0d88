# SPDX-License-Identifier: BSD-2-Clause
"""Ways past the kernel's forwarding: the short way and express. What is so by either stands here once.

    client 10.0.0.10 --- lan0 gateway wan0 --- 192.0.2.10 server        the same with IPv6

test_short_way.py and test_express.py make a Way of theirs (fixture `way`), and have the tests of `EveryWay`.
"""
import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from lab import CLIENT4, PATIENCE, SERVER4, SERVER6, WAN4, WAN6, Firewall, masquerade, pings_lost, wait_for

RULES = """\
allow from lan to wan
allow from { lan, wan } to self icmp
allow from self
forward from wan to self tcp port 8080 to 10.0.0.10 port 80
"""
SERVER = pytest.mark.parametrize("server", (SERVER4, SERVER6))
ON_ONE_CPU = ("taskset", "-c", min(os.sched_getaffinity(0)))  # ways are remembered on each
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
        self.text = self.child.communicate(timeout=PATIENCE)[0]

    def lost(self):
        return pings_lost(self.text)


def url(address, path=""):
    return f"http://{f'[{address}]' if ':' in address else address}/{path}"


def large(lab, host):
    return lab.directory / f"web-{host.name}" / "files" / "large"


def download(lab, server, seconds=PATIENCE):
    """Fetches the large file and returns true if it is whole."""
    done = subprocess.run(lab.client.command(["curl", "-sS", "--noproxy", "*", "--max-time", str(seconds), url(server, "large")]),
                          capture_output=True, timeout=seconds + 5, check=True)
    return hashlib.sha256(done.stdout).digest() == hashlib.sha256(large(lab, lab.server).read_bytes()).digest()


def upload(lab, server, seconds=PATIENCE):
    name = "large-6" if ":" in server else "large-4"
    body = large(lab, lab.client)
    lab.client.run("curl", "-sS", "--noproxy", "*", "--max-time", seconds, "-T", body, url(server, f"upload/{name}"),
                   timeout=seconds + 5, check=True)
    return (large(lab, lab.server).parent / "upload" / name).read_bytes() == body.read_bytes()


def sent_more(host, count):
    """Waits until a host has sent so many packets more, however long a busy machine takes for them."""
    def sent():
        return int(host.run("cat", "/proc/net/dev").stdout.split("eth0:")[1].split()[9])

    before = sent()
    wait_for(lambda: sent() >= before + count, what=f"{count} packets")


def link_address(host, device):
    return json.loads(host.run("ip", "-j", "link", "show", device, check=True).stdout)[0]["address"]


def spread(lab, cpus):
    """Ingress of the gateway on other processors than the frame's, by a mask of them."""
    for device in ("lan0", "wan0"):  # `ip netns exec` mounts the namespace's view of sysfs
        lab.gateway.ip_root("netns", "exec", lab.gateway.name, "sh", "-c", f"echo {cpus} >/sys/class/net/{device}/queues/rx-0/rps_cpus")


class Chain:
    """A chain of somebody else that counts what is forwarded, or what of it `match` says, as long as the block lasts."""

    def __init__(self, host, match=""):
        self.host, self.match = host, match

    def __enter__(self):
        self.host.run("nft", "add table inet others; add chain inet others seen { type filter hook forward priority 0; };"
                      f" add rule inet others seen {self.match} counter", check=True)
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
        before, begin = way.taken(), time.monotonic()
        out = lab.client.run(*ON_ONE_CPU, "ping", "-c", 50, "-i", "0.02", server).stdout
        seconds = time.monotonic() - begin
        assert "50 received" in out and out.count("ttl=63") == 50, out
        assert min(80, 100 - 2 * (seconds + 2)) < way.taken() - before <= 100

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
        done = lab.server.run("curl", "-sS", "--max-time", PATIENCE, "-o", "/dev/null", "-w", "%{size_download} %{remote_ip}",
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
            begin = time.monotonic()
            lab.gateway.ip("route", "add", "unreachable", f"{SERVER4}/32")
            time.sleep(0.3)
            before = way.taken()
            sent_more(lab.client, 25)
            assert way.taken() == before, "packets are sent where no route leads"
            lab.gateway.ip("route", "del", "unreachable", f"{SERVER4}/32")
            seconds = time.monotonic() - begin  # without a route
            way.wait()
        assert 10 < pinging.lost() < 50 * (seconds + 1)

    @pytest.mark.parametrize("family", ("ipv4", "ipv6"))
    def test_forwarding_is_switched_off(self, lab, way, family):
        """Where the kernel forwards no more, nothing is forwarded, whatever a single interface says of IPv6."""
        switch = f"/proc/sys/net/{family}/conf/all/forwarding"
        with Pinging(lab.client, SERVER4 if family == "ipv4" else SERVER6) as pinging:
            way.wait()
            lab.gateway.write(switch, 0)
            if family == "ipv6":
                for device in ("lan0", "wan0"):
                    lab.gateway.write(f"/proc/sys/net/ipv6/conf/{device}/forwarding", 1)
            try:
                time.sleep(1.5)
                before = way.taken()
                sent_more(lab.client, 30)
                assert way.taken() == before
            finally:
                lab.gateway.write(switch, 1)
            way.wait()
        assert pinging.lost() > 25

    def test_rule_by_service_comes(self, lab, way):
        """Packets of one type of service are routed otherwise from now on; those of the same two hosts without it are not."""
        with Pinging(lab.client, SERVER4, "-Q", "0x10") as marked, Pinging(lab.client, SERVER4) as plain:
            way.wait()
            lab.gateway.ip("rule", "add", "tos", "0x10", "blackhole")
            sent_more(lab.client, 100)  # half of them of each
            lab.gateway.ip("rule", "del", "tos", "0x10", "blackhole")
            time.sleep(0.5)
        assert marked.lost() > 20 and plain.lost() == 0

    @SERVER
    def test_mtu_of_a_route(self, lab, way, server):
        """A route may have a smaller MTU than its interface: that is told."""
        lock = ["lock"] if server == SERVER4 else []
        with Pinging(lab.client, server):
            way.wait()
            lab.gateway.ip("route", "add", f"{server}/{32 if lock else 128}", "dev", "wan0", "mtu", *lock, "1400")
            try:
                out = lab.client.run("ping", "-c", 3, "-i", "0.1", "-W", 1, "-M", "do", "-s", 1420, server)
                assert "1400" in out.stdout + out.stderr, out
            finally:
                lab.gateway.ip("route", "del", f"{server}/{32 if lock else 128}", "dev", "wan0")
                for family in ("-4", "-6"):
                    lab.client.ip(family, "route", "flush", "cache")

    @SERVER
    def test_fragments(self, lab, way, server):
        assert lab.client.ping(server, "-s", "4000", count=10) == 10

    @SERVER
    def test_jumbo_frames(self, lab, way, server):
        ends = ((lab.client, "eth0"), (lab.gateway, "lan0"), (lab.gateway, "wan0"), (lab.server, "eth0"))
        for host, device in ends:
            host.ip("link", "set", device, "mtu", "9000")
        try:
            wait_for(lambda: way.is_safe() and way.is_ready(), 5, "nothing stands in the way")
            before = way.taken()
            assert download(lab, server)
            assert way.taken() - before > way.download / 8
            assert lab.client.ping(server, "-s", "8900", "-M", "do", count=10) == 10
        finally:
            for host, device in ends:
                host.ip("link", "set", device, "mtu", "1500")

    def test_interface_gets_another_name(self, lab, way):
        """Under a name that is in no zone nothing passes it, and under its old one it does again."""

        def rename(old, new):
            lab.gateway.ip("link", "set", old, "down")
            lab.gateway.ip("link", "set", old, "name", new)
            lab.gateway.ip("link", "set", new, "up")

        with Pinging(lab.client, SERVER4):
            way.wait()
            rename("wan0", "other0")
            try:
                time.sleep(0.5)
                assert lab.client.ping(SERVER4, count=3) == 0
            finally:
                rename("other0", "wan0")
                lab.gateway.ip("-6", "addr", "replace", f"{WAN6}/64", "dev", "wan0", "nodad")
            way.wait()

    def test_neighbour_vanishes(self, lab, way):
        """A host that answers for its address no more is found out by the kernel, which tells the sender; when it is back, it goes on."""
        lab.gateway.write("/proc/sys/net/ipv4/neigh/wan0/delay_first_probe_time", 1)
        child = lab.client.start("timeout", "60", "stdbuf", "-oL", "ping", "-i", "0.02", "-O", SERVER4)
        way.wait()
        lab.server.ip("link", "set", "eth0", "arp", "off")
        lab.gateway.ip("neigh", "change", SERVER4, "dev", "wan0", "nud", "stale")
        try:
            # The next packet asks anew: then it is incomplete again.
            wait_for(lambda: re.search("FAILED|INCOMPLETE", lab.gateway.run("ip", "neigh", "show", SERVER4).stdout), 15,
                     "the neighbour is gone")
            before = way.taken()
            sent_more(lab.client, 25)
            assert way.taken() - before <= 1
            # The kernel asks for it once more, for seconds, before it says so.
            assert any("Destination Host Unreachable" in line for line in child.stdout)
        finally:
            lab.server.ip("link", "set", "eth0", "arp", "on")
        way.wait()
        child.send_signal(2)
        child.communicate(timeout=PATIENCE)

    def test_hairpin(self, lab, way):
        """A host reaches itself by the address that others know it by, and its packets go by the kernel: they leave where they came."""
        way.use(more="allow from lan to lan\nforward from lan to self tcp port 8081 to 10.0.0.10 port 80\nnat from lan to lan masquerade\n")
        try:
            assert lab.client.fetch(f"http://{WAN4}:8081/").stdout.startswith("hello")
        finally:
            way.use()

    def test_neighbour_change(self, lab, way):
        """A host that gets another link address is found again, as soon as it says so."""
        mac = link_address(lab.server, "eth0")

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

    @pytest.mark.parametrize("rp_filter", (0, 1, 2))
    def test_odd_packets_fare_as_without_it(self, lab, way, watch, rp_filter):
        """Of packets at the edge of what a router forwards, exactly those arrive that the kernel's forwarding lets pass, also where
        it holds sources against its routes."""
        lab.gateway.write("/proc/sys/net/ipv4/conf/lan0/rp_filter", rp_filter)
        for family, router in (("-4", SERVER4), ("-6", SERVER6)):
            lab.gateway.ip(family, "route", "add", "default", "via", router)
        lab.gateway.ip("link", "set", "wan0", "mtu", "1400")
        try:
            seen = {mode: odd_packets(lab, way, watch, mode) for mode in ("off", way.on)}
        finally:
            lab.gateway.write("/proc/sys/net/ipv4/conf/lan0/rp_filter", 0)
            lab.gateway.ip("link", "set", "wan0", "mtu", "1500")
            for family in ("-4", "-6"):
                lab.gateway.ip(family, "route", "del", "default")
            way.use()
        differing = {name: (packets, seen[way.on].get(name)) for name, packets in seen["off"].items() if packets != seen[way.on].get(name)}
        assert not differing, "\n".join(f"{name}: {len(a)} became {len(b or ())}: {a[-1:]}, {b[-1:] if b else b}"
                                        for name, (a, b) in differing.items())

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


def odd_packets(lab, way, watch, mode):
    """Sends all of oddities.py. Returns what arrives: by name, the packets."""
    way.use(None if mode == way.on else mode, more="")
    way.firewall.cli("states", "kill", "--all")  # fails when there are none
    before = way.taken()
    heard = watch.start(lab.server, "hear", "eth0", program="oddities.py")
    sender = lab.client.python("send", "eth0", link_address(lab.gateway, "lan0"), program="oddities.py")
    names = json.loads(sender.communicate(timeout=2 * PATIENCE)[0])
    packets = watch.end(heard)
    assert (way.taken() > before + 100) == (mode == way.on)
    return {name: packets.get(name[:3], []) for name in names}
