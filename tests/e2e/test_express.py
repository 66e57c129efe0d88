# SPDX-License-Identifier: BSD-2-Clause
"""Express: XDP sends on the packets of established flows, exactly as ingress would, and leaves the rest to that.

    client 10.0.0.10 --- lan0 gateway wan0 --- 192.0.2.10 server        the same with IPv6

The hosts' ends of the veths take frames from XDP (they poll, by GRO), and finish their checksums themselves, but where a test says so.
"""
import hashlib
import subprocess
import time

import pytest
from lab import SERVER4, SERVER6, WAN4, WAN6, Firewall, masquerade, wait_for
from test_short_way import Pinging, url

POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
option xdp always, express %s
allow from lan to wan
allow from { lan, wan } to self icmp
allow from self
forward from wan to self tcp port 8080 to 10.0.0.10 port 80
allow from wan to lan udp port 7777
"""
SERVER = pytest.mark.parametrize("server", (SERVER4, SERVER6))
PLAIN = pytest.mark.parametrize("translated", (True, False), ids=("masqueraded", "plain"))


def offload(host, **features):
    for name, value in features.items():
        host.run("ethtool", "-K", "eth0", name, "on" if value else "off", check=True)


@pytest.fixture(scope="module")
def express(lab, tmp_path_factory):
    for host in (lab.client, lab.server):
        offload(host, gro=True, tx=False)
    firewall = Firewall(lab.gateway, POLICY % "on" + masquerade(), tmp_path_factory.mktemp("express")).start()
    wait_for(lambda: not missing(firewall), 10, "nothing stands in the way")
    yield firewall
    firewall.stop()
    for host in (lab.client, lab.server):
        offload(host, gro=False, tx=True)


def status(firewall):
    return firewall.data("status")[0]


def missing(firewall):
    """Everything that stands in the way: why, by (interface, direction)."""
    return {(one["name"], way): one[f"no_express_{way}"] for one in status(firewall)["interfaces"] for way in ("from", "to")
            if f"no_express_{way}" in one}


def taken(firewall):
    return status(firewall)["express"]["packets"]


def use(firewall, mode="on", more=None):
    firewall.path.write_text(POLICY % mode + (masquerade() if more is None else more))
    firewall.say("reload")


def download(lab, server, seconds=30):
    """Fetches the large file and returns true if it is whole."""
    done = subprocess.run(lab.client.command(["curl", "-sS", "--noproxy", "*", "--max-time", str(seconds), url(server, "large")]),
                          capture_output=True, timeout=seconds + 5, check=True)
    return hashlib.sha256(done.stdout).digest() == hashlib.sha256(large(lab)).digest()


def upload(lab, server, seconds=30):
    name = "express-6" if ":" in server else "express-4"
    body = lab.directory / f"web-{lab.client.name}" / "files" / "large"
    lab.client.run("curl", "-sS", "--noproxy", "*", "--max-time", seconds, "-T", body, url(server, f"upload/{name}"),
                   timeout=seconds + 5, check=True)
    return (lab.directory / f"web-{lab.server.name}" / "files" / "upload" / name).read_bytes() == body.read_bytes()


def large(lab):
    return (lab.directory / f"web-{lab.server.name}" / "files" / "large").read_bytes()


@SERVER
@PLAIN
def test_bulk(lab, express, server, translated):
    """TCP arrives whole, both ways, translated and not, nearly all of it by express."""
    use(express, more=None if translated else "")
    try:
        before = taken(express)
        assert download(lab, server)
        assert taken(express) - before > 20000, "32 MiB are 23,000 packets"
        before = taken(express)
        assert upload(lab, server)
        assert taken(express) - before > 20000
    finally:
        use(express)


@SERVER
def test_unfinished_checksums(lab, express, server):
    """Where the hosts leave checksums to the device, their segments go by ingress, and arrive."""
    for host in (lab.client, lab.server):
        offload(host, tx=True)
    try:
        assert download(lab, server)
        assert upload(lab, server)
    finally:
        for host in (lab.client, lab.server):
            offload(host, tx=False)


@SERVER
def test_pings(lab, express, server):
    """Every ping is answered, with a TTL that was spent once, and nearly all go by express."""
    before = taken(express)
    out = lab.client.run("ping", "-c", 50, "-i", "0.02", server).stdout
    assert "50 received" in out and out.count("ttl=63") == 50, out
    assert 80 < taken(express) - before <= 100


def test_flow_counts_every_packet(lab, express):
    """The flow of 40 pings has 40 packets each way, and the counters as many as without express."""

    def passed():
        return sum(one["packets"] for one in express.data("counters")[0]["reasons"] if one["reason"] in ("established", "new"))

    before = passed()
    lab.client.run("ping", "-c", 40, "-i", "0.02", "-e", 4712, SERVER4, check=True)
    after = passed()
    flow = next(one for one in express.data("states") if one["proto"] == "icmp" and one.get("id") == 4712)
    assert flow["packets"] == [40, 40], flow
    assert after - before >= 80


def test_forwarded_port(lab, express):
    before = taken(express)
    done = lab.server.run("curl", "-sS", "--max-time", 20, "-o", "/dev/null", "-w", "%{size_download} %{remote_ip}",
                          f"http://{WAN4}:8080/large")
    assert done.stdout == f"{32 << 20} {WAN4}", done.stderr
    assert taken(express) - before > 20000


@SERVER
def test_last_hop_is_told(lab, express, server):
    with Pinging(lab.client, server):
        out = lab.client.run("ping", "-c", 2, "-i", "0.1", "-W", 1, "-t", 1, server).stdout
    assert "exceeded" in out, out


@SERVER
def test_too_big_is_told(lab, express, server):
    """With a smaller MTU behind the gateway its sender is told, in a flow that goes by express."""
    with Pinging(lab.client, server):
        lab.gateway.ip("link", "set", "wan0", "mtu", "1400")
        try:
            out = lab.client.run("ping", "-c", 3, "-i", "0.1", "-W", 1, "-M", "do", "-s", 1420, server)
            assert "1400" in out.stdout + out.stderr, out
        finally:
            lab.gateway.ip("link", "set", "wan0", "mtu", "1500")
            for family in ("-4", "-6"):
                lab.client.ip(family, "route", "flush", "cache")


def test_route_change(lab, express):
    """A route that goes takes effect at once, and one that comes back, too."""
    with Pinging(lab.client, SERVER4) as pinging:
        time.sleep(0.5)
        lab.gateway.ip("route", "add", "unreachable", f"{SERVER4}/32")
        time.sleep(0.3)
        before = taken(express)
        time.sleep(0.5)
        assert taken(express) == before, "packets are sent where no route leads"
        lab.gateway.ip("route", "del", "unreachable", f"{SERVER4}/32")
        wait_for(lambda: taken(express) > before + 10, 3, "express is taken again")
    assert 10 < pinging.lost() < 100


def test_neighbour_change(lab, express):
    """A host that gets another link address is found again, as soon as it says so."""
    with Pinging(lab.client, SERVER4) as pinging:
        time.sleep(0.5)
        lab.server.ip("link", "set", "eth0", "address", "02:00:00:00:77:01")
        for address in (WAN4, WAN6):
            lab.server.run("ping", "-c", 1, "-W", 1, address)  # it says so
        before = taken(express)
        wait_for(lambda: taken(express) > before + 10, 8, "express is taken again")
    assert pinging.lost() < 150


def test_neighbour_is_kept(lab, express):
    """A flow that only express sees keeps its neighbours in use: a packet a second goes the long way, each way."""

    def past():
        return taken(express) + status(express)["short_way"]["packets"]

    before, begin = past(), time.monotonic()
    out = lab.client.run("ping", "-c", 200, "-i", "0.02", SERVER4).stdout
    seconds = time.monotonic() - begin
    assert "200 received" in out, out
    assert 2 * (seconds - 1) - 2 <= 400 - (past() - before) <= 2 * seconds + 4


def test_steps_aside(lab, express):
    """A queue that shapes, and a filter of others, see the packets; `status` says why, and express is taken again behind them."""
    gateway = lab.gateway
    gateway.run("tc", "qdisc", "add", "dev", "wan0", "root", "tbf", "rate", "100mbit", "burst", "64k", "latency", "50ms", check=True)
    wait_for(lambda: "queue" in missing(express).get(("wan0", "to"), ""), 5, "the queue is seen")
    assert ("wan0", "from") not in missing(express)
    gateway.run("tc", "qdisc", "del", "dev", "wan0", "root", check=True)
    wait_for(lambda: not missing(express), 5, "the queue is gone")
    gateway.run("tc", "qdisc", "add", "dev", "lan0", "clsact", check=True)
    gateway.run("tc", "filter", "add", "dev", "lan0", "egress", "protocol", "all", "prio", "10", "u32", "match", "u32",
                "0", "0", "flowid", "1:1", check=True)
    wait_for(lambda: "filters" in missing(express).get(("lan0", "to"), ""), 5, "the filter is seen")
    text = express.say("status")
    assert "express     not to lan0: filters of others" in text, text
    gateway.run("tc", "qdisc", "del", "dev", "lan0", "clsact", check=True)
    wait_for(lambda: not missing(express), 5, "the filter is gone")


def test_peer_does_not_take(lab, express):
    """A veth whose other end does not poll takes nothing from XDP: what goes there goes by ingress."""
    offload(lab.server, gro=False)
    try:
        wait_for(lambda: "driver" in missing(express).get(("wan0", "to"), ""), 5, "it is seen")
        assert download(lab, SERVER4)
    finally:
        offload(lab.server, gro=True)
    wait_for(lambda: not missing(express), 5, "it takes frames again")


def test_netfilter_of_others(lab, express):
    """Where others filter forwarded packets, they see them: nothing goes by express."""
    lab.gateway.run("nft", "add table inet kst; add chain inet kst f { type filter hook forward priority 0; }", check=True)
    try:
        wait_for(lambda: not status(express)["short_way"]["taken"], 5, "the chain is seen")
        before = taken(express)
        assert download(lab, SERVER4)
        assert taken(express) == before
        assert "express     not taken: nftables" in express.say("status")
    finally:
        lab.gateway.run("nft", "delete", "table", "inet", "kst", check=True)
    wait_for(lambda: status(express)["short_way"]["taken"], 5, "the chain is gone")


def spread(lab, cpus):
    for device in ("lan0", "wan0"):  # `ip netns exec` mounts the namespace's view of sysfs
        lab.gateway.ip_root("netns", "exec", lab.gateway.name, "sh", "-c", f"echo {cpus} >/sys/class/net/{device}/queues/rx-0/rps_cpus")


def test_two_processors(lab, express):
    """With ingress on another processor than XDP a download arrives whole, and is counted to the packet."""
    spread(lab, 2)
    try:
        before = taken(express)
        assert download(lab, SERVER6)
        assert taken(express) - before > 20000
        lab.client.run("ping", "-c", 40, "-i", "0.02", "-e", 4713, SERVER4, check=True)
        flow = next(one for one in express.data("states") if one["proto"] == "icmp" and one.get("id") == 4713)
        assert flow["packets"] == [40, 40], flow
    finally:
        spread(lab, 0)


def test_metrics(lab, express):
    assert f"\nkeepstate_express_packets_total {taken(express)}\n" in express.say("metrics")


def test_off(lab, express):
    """Without the option nothing goes by express, and `status` says nothing of it."""
    use(express, "off")
    before = taken(express)
    assert download(lab, SERVER4)
    assert taken(express) == before and not status(express)["express"]["wanted"]
    assert "\nexpress " not in express.say("status")
    use(express)


def test_dead_daemon(lab, express):
    """A daemon that is gone sees no rules of others come: a few seconds later nothing goes by express, and packets flow."""
    express.crash()
    with Pinging(lab.client, SERVER4) as pinging:
        time.sleep(5)
    assert pinging.lost() == 0
    express.start()
    before = taken(express)
    with Pinging(lab.client, SERVER4):
        wait_for(lambda: taken(express) > before + 10, 10, "express is taken again")
