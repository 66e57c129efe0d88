# SPDX-License-Identifier: BSD-2-Clause
"""How long the states of a full table take to be listed, and what a sorted view costs the daemon."""
import subprocess
import time
from pathlib import Path

from live import Lab

LISTED = 563000
VIEWED = 1000000
TIMEOUTS = "timeout udp.single 5h, udp.stream 5h, udp.dns 5h, udp.dns.answered 5h\n"
VIEWS = (("the 100 largest", ("--top", "100")), ("the 100 busiest", ("--sort", "rate", "--top", "100")),
         ("the 100 hosts that carry most", ("--group", "host", "--top", "100")),
         ("a count of one network's", ("--count", "--address", "198.18.1.0/24")))


def cpu_ms(pid):
    """Time of a processor that a process had so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e6


def timed(lab, words):
    """Seconds that `keepstate states` takes, and milliseconds of the daemon's time."""
    before, start = cpu_ms(lab.children[-1].pid), time.monotonic()
    subprocess.run([lab.bench.keepstate, "states", "--netns", lab.names["gateway"], *words], check=True,
                   stdout=subprocess.DEVNULL)
    return time.monotonic() - start, cpu_ms(lab.children[-1].pid) - before


def fill(lab, flows):
    for role in ("client", "server"):
        lab.flood(role, flows=flows, count=flows, fresh=True)


def listings(lab, out):
    for name, words in (("as a table", ()), ("as JSON", ("--json",)), ("as CSV", ("--csv",))):
        found = [timed(lab, words) for _ in range(lab.bench.runs)]
        out.cost(f"listing, {LISTED:,} states {name}", "s", [seconds for seconds, _ in found])
        out.cost(f"listing, {LISTED:,} states {name}, of the daemon", "ms", [ms for _, ms in found])


def views(lab, out):
    for name, words in VIEWS:
        timed(lab, words)  # rates need an earlier look
        out.cost(f"listing, {name} of {VIEWED:,} states, of the daemon", "ms",
                 [timed(lab, words)[1] for _ in range(lab.bench.runs)])


def measure(bench, out):
    with Lab(bench) as lab:
        for flows, function in ((LISTED, listings), (VIEWED, views)):
            with lab.firewall("keepstate", states=flows, more=("", TIMEOUTS)):
                fill(lab, flows)
                function(lab, out)
