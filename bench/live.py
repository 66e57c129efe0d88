# SPDX-License-Identifier: BSD-2-Clause
"""Forwarding through a gateway: a client, a gateway and a server, each in a network namespace made here.

Every round takes the firewalls in turn: none, nftables, Keepstate. Small frames are generated inside the kernel (XDP
live frames) and counted by XDP where they arrive; generating, forwarding and counting share one core, whose time is
what counts. Connections and bulk TCP are real sockets. All of it runs at a real-time priority, for seconds, so that
other work on the machine, and the kernel's own softirq threads, do not decide the figures.
"""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from tools import Unavailable

CLIENT_MAC, LAN_MAC = "020000000001", "02000000000a"
SERVER_MAC, WAN_MAC = "020000000002", "02000000000b"
SERVER = "10.2.0.2"
NFT = """table inet bench {
  chain input { type filter hook input priority 0; policy drop; ct state established,related accept; %s }
  chain forward { type filter hook forward priority 0; policy drop; ct state established,related accept; %s }
}
"""
NFT_ALLOW = 'iifname "lan0" oifname "wan0" accept;'
STATES = 400000
SOURCES = 32  # addresses of the client: more pairs of ports than a table has room for


def colons(mac):
    return ":".join(mac[i:i + 2] for i in range(0, 12, 2))


def nft_rules(number):
    """As many rules as bench/text.c makes, that say the same."""
    sides = 'iifname "lan0" oifname "wan0"'
    lines = [f"{sides} udp dport {1000 + i % 50000} ip daddr 10.{i >> 8 & 255}.{i & 255}.0/24 accept"
             for i in range(number - 1)]
    return "\n".join([*lines, NFT_ALLOW])


class Lab:
    """The three namespaces. A context manager: whatever happens, nothing is left behind."""

    def __init__(self, bench):
        self.bench = bench
        self.names = {role: f"ksbench-{role}-{os.getpid()}" for role in ("client", "gateway", "server")}
        self.children = []
        self.folder = None

    def __enter__(self):
        self.bench.need_root()
        for tool in ("ip", "nsenter", "chrt", "nft"):
            if not shutil.which(tool):
                raise Unavailable(f"{tool} is not installed")
        self.folder = Path(tempfile.mkdtemp(prefix="keepstate-bench."))
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        with contextlib.suppress(RuntimeError):
            self.bench.call([self.bench.keepstate, "stop", "--netns", self.names["gateway"]])
        for name in self.names.values():
            if Path("/run/netns", name).exists():
                subprocess.run(["ip", "netns", "delete", name], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ip(self, role, words):
        self.bench.call(["ip", "-n", self.names[role], *words.split()])

    def inside(self, role, command):
        return ["nsenter", f"--net=/run/netns/{self.names[role]}", *command]

    def urgently(self, role, command):
        return self.inside(role, ["chrt", "--fifo", "1", *[str(word) for word in command]])

    def flood_urgently(self, role, command):
        """A generator stays on one core, which then receives its frames, too: else what another one does is not counted."""
        return self.urgently(role, ["taskset", "-c", max(os.sched_getaffinity(0)), *command])

    def sysctl(self, role, **values):
        """Sets net.ipv4 sysctls in a namespace."""
        script = "; ".join(f"echo '{value}' >/proc/sys/net/ipv4/{name}" for name, value in values.items())
        self.bench.call(self.inside(role, ["sh", "-c", script]))

    def _make(self):
        for name in self.names.values():
            self.bench.call(["ip", "netns", "add", name])
        self._make_host("client", "lan0", LAN_MAC, CLIENT_MAC, "10.1.0", "198.18.0.0/16")
        self._make_host("server", "wan0", WAN_MAC, SERVER_MAC, "10.2.0", "198.19.0.0/16")
        self.sysctl("gateway", ip_forward=1)
        self.sysctl("client", ip_local_port_range="10000 65000", tcp_tw_reuse=1)

    def _make_host(self, role, interface, mac, far_mac, net, flows):
        """A host behind an interface of the gateway, and the route to its flows (bench/flows.h)."""
        self.ip("gateway", f"link add {interface} address {colons(mac)} type veth peer name eth0 "
                           f"address {colons(far_mac)} netns {self.names[role]}")
        self.ip("gateway", f"addr add {net}.1/24 dev {interface}")
        self.ip("gateway", f"link set {interface} up")
        self.ip(role, f"addr add {net}.2/24 dev eth0")
        self.ip(role, "link set lo up")
        self.ip(role, "link set eth0 up")
        self.ip(role, f"route add default via {net}.1")
        self.ip("gateway", f"route add {flows} via {net}.2")
        self.ip("gateway", f"neigh replace {net}.2 lladdr {colons(far_mac)} dev {interface} nud permanent")
        # Redirected frames are only taken by a veth that polls; receive offload makes it poll.
        self.bench.call(self.inside("gateway", self.bench.command("gro", device=interface)))

    def start(self, role, command):
        """A child that speaks when it is ready and ends when its standard input does."""
        child = subprocess.Popen(self.urgently(role, command), stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        self.children.append(child)
        if not child.stdout.readline():
            raise RuntimeError(f"{command[0]} {command[1]} did not start in the {role}'s namespace")
        return child

    def finish(self, child):
        child.stdin.close()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        self.children.remove(child)

    def flood(self, role, **options):
        """Sends frames; returns the time of a core that took, forwarding included, in seconds."""
        macs = LAN_MAC + CLIENT_MAC if role == "client" else WAN_MAC + SERVER_MAC
        command = self.bench.command("flood", device="eth0", macs=macs, reply=role == "server", **options)
        line = self.bench.call(self.flood_urgently(role, command))
        return json.loads(line)["cpu_s"]

    @staticmethod
    def counted(sink):
        """Frames that arrived so far, once no more come."""
        last = -1
        while True:
            sink.stdin.write("?\n")
            sink.stdin.flush()
            now = json.loads(sink.stdout.readline())["counted"]
            if now == last:
                return now
            last = now
            time.sleep(0.05)

    @contextlib.contextmanager
    def firewall(self, kind, rules=1, states=STATES, more=("", "")):
        """none, nftables, keepstate or bare (forwarding by XDP) on the gateway, with so many rules of which the last allows.

        `more` is text to add to the rules of nftables and of Keepstate.
        """
        if kind == "nftables":
            path = self.folder / "policy.nft"
            path.write_text(NFT % ("", nft_rules(rules)) + more[0])
            self.bench.call(self.inside("gateway", ["nft", "-f", str(path)]))
        elif kind == "keepstate":
            self._keepstate_start(rules, states, more[1])
        elif kind == "bare":
            child = self.start("gateway", self.bench.command("forward", device="lan0,wan0"))
        try:
            yield
        finally:
            if kind == "nftables":
                self.bench.call(self.inside("gateway", ["nft", "flush", "ruleset"]))
            elif kind == "keepstate":
                self.bench.call([self.bench.keepstate, "stop", "--netns", self.names["gateway"]])
            elif kind == "bare":
                self.finish(child)

    def _keepstate_start(self, rules, states, more=""):
        path, log = self.folder / "policy.conf", self.folder / "keepstate.log"
        path.write_text(self.bench.output("policy-text", rules=rules, flows=states) + more)
        with open(log, "w", encoding="utf-8") as file:
            child = subprocess.Popen([str(self.bench.keepstate), "run", "--netns", self.names["gateway"], str(path)],
                                     stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        self.children.append(child)
        for _ in range(300):
            with contextlib.suppress(RuntimeError):
                self.bench.call([self.bench.keepstate, "status", "--netns", self.names["gateway"]])
                return
            if child.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"keepstate did not start: {log.read_text()[-500:]}")


def small_packets(lab, flows, count, answered=True, outer=None, ready=None, **options):
    """Packets that arrive in a second of one core, of flows that both sides have spoken on (or only the client).

    The server answers to `outer`, the address that the client has there, who must have kept its ports: else nearly no answer arrives,
    and there is no figure. `ready` is called when packets can arrive; options are those of the generator.
    """
    sinks = [lab.start(role, lab.bench.command("sink", device="eth0")) for role in ("client", "server")]
    try:
        if ready:
            ready(lab)
        for role, sink in (("client", sinks[1]), ("server", sinks[0]))[:1 + answered]:
            before = lab.counted(sink)
            lab.flood(role, flows=flows, count=flows, fresh=True, address=outer if role == "server" else None, **options)
            arrived = lab.counted(sink) - before
            if arrived < 0.99 * flows:
                raise RuntimeError(f"only {arrived:,} of {flows:,} opening frames from the {role} arrived")
        before = lab.counted(sinks[1])
        seconds = lab.flood("client", flows=flows, count=count, **options)
        return (lab.counted(sinks[1]) - before) / seconds
    finally:
        for sink in sinks:
            lab.finish(sink)


def connections(lab, seconds):
    """TCP connections a second, each opened, used once and closed."""
    server = lab.start("server", lab.bench.command("serve", address=SERVER))
    try:
        line = lab.bench.call(lab.urgently("client", lab.bench.command("connect", address=SERVER, seconds=seconds,
                                                                       count=400000)))
    finally:
        lab.finish(server)
    result = json.loads(line)
    if result["failed"] > result["connections"] / 100:
        raise RuntimeError(f"{result['failed']} of {result['connections']} connections failed")
    return result["rate"]


def short_connections(lab, seconds):
    """The same for long: connections finished in every second, whatever becomes of them."""
    for last in range(SOURCES):
        lab.ip("client", f"addr replace 10.1.0.{2 + last}/24 dev eth0")
    server = lab.start("server", lab.bench.command("serve", address=SERVER))
    try:
        command = lab.bench.command("connect", address=SERVER, seconds=seconds, count=100000000, sustain=True,
                                    sources=SOURCES, **{"from": "10.1.0.2"})
        line = lab.bench.call(lab.urgently("client", command))
    finally:
        lab.finish(server)
    return json.loads(line)["seconds"]


def bulk(lab, seconds):
    """Bytes a second of one TCP connection, by iperf3."""
    server = lab.start("server", ["iperf3", "--server", "--one-off", "--bind", SERVER, "--forceflush"])
    try:
        out = lab.bench.call(lab.urgently("client", ["iperf3", "--client", SERVER, "--time", str(seconds), "--json"]))
    finally:
        lab.finish(server)
    return json.loads(out)["end"]["sum_received"]["bits_per_second"] / 8


def what_to_measure(bench):
    """Name, unit, function of a lab; in the order of the table."""
    count, seconds = (400000, 1) if bench.quick else (1500000, 2)
    rows = [("live, small packets, 1,000 flows", "packets/s", lambda lab: small_packets(lab, 1000, count)),
            ("live, small packets, 100,000 flows", "packets/s", lambda lab: small_packets(lab, 100000, count)),
            ("live, new TCP connections", "connections/s", lambda lab: connections(lab, seconds))]
    if shutil.which("iperf3"):
        rows.append(("live, bulk TCP", "bytes/s", lambda lab: bulk(lab, seconds)))
    return rows


def measure(bench, out):
    """All of it, the firewalls in turn."""
    kinds = ("none", "nftables", "keepstate")
    rows = what_to_measure(bench)
    found = {(what, kind): [] for what, _, _ in rows for kind in kinds}
    with Lab(bench) as lab:
        for _ in range(bench.runs):
            for kind in kinds:
                with lab.firewall(kind):
                    for what, _, function in rows:
                        found[what, kind].append(function(lab))
    for what, unit, _ in rows:
        ours = found[what, "keepstate"]
        out.rate(what, unit, ours, "no firewall", found[what, "none"])
        out.rate(what, unit, ours, "nftables", found[what, "nftables"])
    if len(rows) < 4:
        out.note("live, bulk TCP: left out: iperf3 is not installed")


def express_wait(lab):
    """Waits until nothing stands in the way of express, which the daemon asks every second."""
    for _ in range(100):
        status = lab.bench.call([lab.bench.keepstate, "status", "--json", "--netns", lab.names["gateway"]])
        if "no_express" not in status and '"wanted": true' in status.replace('":true', '": true'):
            return
        time.sleep(0.2)
    raise RuntimeError("express is not taken: " + status)


def express(bench, out):
    """Small packets, with checksums, that XDP sends on, beside the same by tc, and XDP that forwards without a firewall."""
    flows, count = 1000, 400000 if bench.quick else 1500000
    kinds = (("none", "none", "", None), ("nftables", "nftables", "", None), ("bare", "bare", "", None),
             ("short way", "keepstate", "", None), ("express", "keepstate", "option xdp always, express on\n", express_wait))
    found = {name: [] for name, *_ in kinds}
    with Lab(bench) as lab:
        for _ in range(bench.runs):
            for name, kind, more, ready in kinds:
                with lab.firewall(kind, more=("", more)):
                    found[name].append(small_packets(lab, flows, count, ready=ready, summed=True))
    for name, peer in (("none", "no firewall"), ("nftables", "nftables"), ("short way", "the short way by tc"),
                       ("bare", "forwarding by XDP, no state")):
        out.rate(f"express, small packets, {flows:,} flows", "packets/s", found["express"], peer, found[name])


def table_size():
    """Of Linux's connection tracking: one number for the machine, which cannot be set for a namespace alone."""
    path = Path("/proc/sys/net/netfilter/nf_conntrack_max")
    if not path.exists():
        subprocess.run(["modprobe", "-q", "nf_conntrack"], check=False)
    return int(path.read_text()) if path.exists() else 262144


def endurance(bench, out):
    """Short connections until the tables have long been full. One run of each: a minute, or with --quick half of it."""
    seconds = 30 if bench.quick else 60
    size, found = table_size(), {}
    with Lab(bench) as lab:
        for kind in ("none", "nftables", "keepstate"):
            with lab.firewall(kind, states=size * 4 // 5):  # bench/text.c adds a quarter
                found[kind] = short_connections(lab, seconds)
    for what, part in (("first 10 s", slice(0, 10)), ("last 10 s", slice(-10, None))):
        for kind, name in (("none", "no firewall"), ("nftables", "nftables")):
            out.rate(f"live, short connections for {seconds} s, table of {size:,}, {what}", "connections/s",
                     found["keepstate"][part], name, found[kind][part])
    for kind, name in (("none", "no firewall"), ("nftables", "nftables"), ("keepstate", "Keepstate")):
        rates = found[kind]
        out.note(f"Short connections, {name}: {sum(rates):,} in {seconds} s, {min(rates):,} in the worst second (the "
                 f"{rates.index(min(rates)) + 1}th).")


def nft_seconds(lab, text):
    path = lab.folder / "load.nft"
    path.write_text(text)
    start = time.monotonic()
    lab.bench.call(lab.inside("gateway", ["nft", "-f", str(path)]))
    seconds = time.monotonic() - start
    lab.bench.call(lab.inside("gateway", ["nft", "flush", "ruleset"]))
    return seconds


def nft_set(number):
    nets = ((11 << 24) + (i << 9) for i in range(number))
    elements = ",".join(f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.0/24" for n in nets)
    return ("table inet bench {\n set many { type ipv4_addr; flags interval; elements = {" + elements + "} }\n"
            " chain forward { type filter hook forward priority 0; policy drop; ip saddr @many drop; " + NFT_ALLOW +
            " }\n}\n")


def policy_loads(bench, out):
    """How long policies take from text to force, beside nft; and connections under many rules."""
    loads = (("1,000 rules", {"rules": 1000}, NFT % ("", nft_rules(1000))),
             ("10,000 rules", {"rules": 10000}, NFT % ("", nft_rules(10000))),
             ("60,000 rules", {"rules": 60000}, NFT % ("", nft_rules(60000))),
             ("a set of 100,000 prefixes", {"prefixes": 100000}, nft_set(100000)),
             ("a set of 1,000,000 prefixes", {"prefixes": 1000000}, nft_set(1000000)))
    with contextlib.ExitStack() as stack:
        lab = None
        try:
            lab = stack.enter_context(Lab(bench))
        except Unavailable as reason:
            out.note(f"rules: without nftables beside it: {reason}")
        for what, options, text in loads:
            ours = [r["load_ms"] + (r["install_ms"] or 0) for r in bench.measure("policy", **options)]
            theirs = [1000 * nft_seconds(lab, text) for _ in range(bench.runs)] if lab else None
            out.cost(f"loading {what}", "ms", ours, "nft", theirs)
        if lab:
            connections_under_rules(lab, out)


def connections_under_rules(lab, out):
    for number in (10, 1000, 10000):
        found = {"keepstate": [], "nftables": []}
        for _ in range(lab.bench.runs):
            for kind, rates in found.items():
                with lab.firewall(kind, number):
                    rates.append(connections(lab, 1))
        out.rate(f"live, new TCP connections, last of {number:,} rules matches", "connections/s", found["keepstate"],
                 "nftables", found["nftables"])
