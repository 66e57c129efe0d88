# SPDX-License-Identifier: BSD-2-Clause
"""A flood that is denied, and how many of its packets a core drops a second: by nftables, by tc, by XDP in front.

The flood is made by the kernel (XDP live frames) on the same core, whose time is measured. Making it is measured beside an XDP
program that does nothing but count and drop, and taken off: what is left is the firewall's own. All packets must be counted as
dropped.
"""
import json
import time

from live import SERVER_MAC, WAN_MAC, Lab

NO_MORE = ("", "option log-drops off\n")
XDP = ("", NO_MORE[1] + "option xdp always\n")
NFT_EARLY = ("""table inet bench_early {
  chain first { type filter hook prerouting priority -300; iifname "wan0" udp sport 53 drop; }
}
""", "")

BARE = "a bare program in XDP"

TRIES = 8


def arrived(lab):
    """Packets that the gateway has received."""
    text = lab.bench.call(["ip", "-n", lab.names["gateway"], "-s", "-j", "link", "show", "wan0"])
    return json.loads(text)[0]["stats64"]["rx"]["packets"]


def flood(lab, flows, count):
    """Makes it on one core, which then receives it, too. Returns the seconds of that core."""
    command = lab.bench.command("flood", device="eth0", macs=WAN_MAC + SERVER_MAC, reply=True, flows=flows, count=count)
    return json.loads(lab.bench.call(lab.flood_urgently("server", command)))["cpu_s"]


def seconds_of(lab, flows, count):
    """The same, made again if another core has begun to receive it: then frames are lost on the way."""
    for _ in range(TRIES):
        before = arrived(lab)
        seconds = flood(lab, flows, count)
        if arrived(lab) - before >= 0.99 * count:
            return seconds
        time.sleep(0.5)
    raise RuntimeError(f"frames were lost on the way, {TRIES} times in a row")


def generator(lab, flows, count, bare=False):
    """Seconds of the flood alone, dropped by a program of a few instructions or, `bare`, by the least that a filter does."""
    sink = lab.start("gateway", lab.bench.command("sink", device="wan0", bare=bare))
    try:
        return seconds_of(lab, flows, count)
    finally:
        lab.finish(sink)


def dropped(lab):
    text = lab.bench.call([lab.bench.keepstate, "counters", "--json", "--netns", lab.names["gateway"]])
    return next((one["packets"] for one in json.loads(text)["reasons"] if one["reason"] == "no rule"), 0)


def own(lab, flows, count):
    """The same with Keepstate, which must have counted every packet."""
    flood(lab, flows, count // 10)  # until the front is awake
    before = dropped(lab)
    seconds = seconds_of(lab, flows, count)
    if dropped(lab) - before < 0.99 * count:
        raise RuntimeError("not all packets were counted as dropped")
    return seconds


def measure(bench, out):
    """nftables, tc and XDP in turn; then the programs alone, by test runs."""
    count = 400000 if bench.quick else 2000000
    kinds = {"nftables, forward": ("nftables", NO_MORE), "nftables, prerouting raw": ("nftables", NFT_EARLY), "tc": ("keepstate", NO_MORE),
             "XDP": ("keepstate", XDP)}
    for flows in (1000, 65536):
        rates, whole, alone, bare = {name: [] for name in kinds}, [], [], []
        with Lab(bench) as lab:
            for _ in range(bench.runs):
                base = generator(lab, flows, count)
                alone.append(count / base)
                bare.append(count / max(generator(lab, flows, count, bare=True) - base, 1e-9))
                for name, (kind, more) in kinds.items():
                    with lab.firewall(kind, more=more):
                        seconds = (own if kind == "keepstate" else seconds_of)(lab, flows, count)
                    rates[name].append(count / max(seconds - base, 1e-9))
                    whole += [count / seconds] if name == "XDP" else []
        rates[BARE] = bare
        for ours in ("tc", "XDP"):
            for peer in ("nftables, forward", "nftables, prerouting raw", *([BARE] if ours == "XDP" else [])):
                out.rate(f"denied flood of {flows:,} sources, {ours}", "packets/s", rates[ours], peer, rates[peer])
        out.note(f"Denied flood of {flows:,} sources: the generator alone makes {sorted(alone)[len(alone) // 2] / 1e6:.2f} M packets/s on "
                 f"the core, which are taken off; with XDP both together {sorted(whole)[len(whole) // 2] / 1e6:.2f} M/s.")
    for what, tcp in (("denied UDP", False), ("allowed SYNs, challenged", True)):
        rows = bench.measure("front", count=count, tcp=tcp)
        out.rate(f"program alone, {what}, 65,536 sources, XDP", "packets/s", [1e9 / row["front_ns"] for row in rows], "tc",
                 [1e9 / row["tc_ns"] for row in rows])
