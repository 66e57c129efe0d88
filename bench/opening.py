# SPDX-License-Identifier: BSD-2-Clause
"""New TCP connections through the gateway, plain and masqueraded: how many a second, and how long one takes to open."""
import json

from live import SERVER, Lab, connections
from nat import MASQUERADE

KINDS = ("none", "nftables", "keepstate")
NAMES = {"none": "no firewall", "nftables": "nftables"}
VARIANTS = (("plain", ("", "")), ("masqueraded", MASQUERADE))
PERCENTILES = ("p50", "p99")


def handshakes(lab, count):
    """Microseconds from SYN to SYN+ACK: the median of `count`, and the one that a hundredth of them exceeds."""
    server = lab.start("server", lab.bench.command("serve", address=SERVER))
    try:
        line = lab.bench.call(lab.urgently("client", lab.bench.command("handshake", address=SERVER, count=count)))
    finally:
        lab.finish(server)
    return json.loads(line)


def differences(ours, theirs):
    return [a - b for a, b in zip(ours, theirs)]


def added(found, variant, kind, percentile):
    """Returns by how much each round with a firewall was above the same one without."""
    return differences(found[variant, kind, percentile], found[variant, "none", percentile])


def note_added(out, found, variant):
    """Tells it in words: a difference may be below nothing, and has no ratio."""
    words = []
    for kind in KINDS[1:]:
        for percentile in PERCENTILES:
            values = sorted(added(found, variant, kind, percentile))
            words.append(f"{kind} {percentile} {values[len(values) // 2]:+.1f} ({values[0]:+.1f} .. {values[-1]:+.1f})")
    out.note(f"SYN to SYN+ACK, {variant}, added to no firewall, us: {', '.join(words)}.")


def measure(bench, out):
    """All of it, the firewalls in turn. Without a firewall nothing is masqueraded."""
    seconds, count = (1, 2000) if bench.quick else (2, 5000)
    found = {}
    with Lab(bench) as lab:
        for _ in range(bench.runs):
            for variant, more in VARIANTS:
                for kind in KINDS:
                    with lab.firewall(kind, more=more):
                        found.setdefault((variant, kind, "rate"), []).append(connections(lab, seconds))
                        for name, value in handshakes(lab, count).items():
                            found.setdefault((variant, kind, name.removesuffix("_us")), []).append(value)
    for variant, _ in VARIANTS:
        for kind, name in NAMES.items():
            out.rate(f"opening, new TCP connections, {variant}", "connections/s", found[variant, "keepstate", "rate"],
                     name, found[variant, kind, "rate"])
            for percentile in PERCENTILES:
                out.cost(f"opening, SYN to SYN+ACK, {variant}, {percentile}", "us",
                         found[variant, "keepstate", percentile], name, found[variant, kind, percentile])
        note_added(out, found, variant)
