# SPDX-License-Identifier: BSD-2-Clause
"""How long the states of a full table take to be listed, what a sorted view costs the daemon, and when the page has it."""
import contextlib
import http.client
import json
import re
import subprocess
import time
from pathlib import Path

from live import Lab
from watched import namespace

LISTED = 563000
VIEWED = 1000000
TIMEOUTS = "timeout udp.single 5h, udp.stream 5h, udp.dns 5h, udp.dns.answered 5h\n"
VIEWS = (("the 100 largest", ("--top", "100")), ("the 100 busiest", ("--sort", "rate", "--top", "100")),
         ("the 100 hosts that carry most", ("--group", "host", "--top", "100")),
         ("a count of one network's", ("--count", "--address", "198.18.1.0/24")))


PAGES = (("the 100 busiest", "sort=rate&limit=100&rates=1"), ("the 100 largest", "sort=bytes&limit=100&rates=1"),
         ("the 100 hosts that carry most", "group=host&sort=bytes&limit=100&rates=1"),
         ("one network's 100 largest", "sort=bytes&limit=100&rates=1&address=198.18.1.0/24"))


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


@contextlib.contextmanager
def page(lab):
    """A page that looks: how to ask it."""
    tokens = lab.folder / "tokens"
    child = subprocess.Popen([lab.bench.keepstate, "page", "--instance", namespace(lab), "--listen", "127.0.0.1:0", "--tokens", tokens],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        port = int(re.match(r"http://127\.0\.0\.1:(\d+)/", child.stdout.readline())[1])

        def ask(method, target, body=None, headers=None):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request(method, target, body, {"Host": f"127.0.0.1:{port}", **(headers or {})})
            answer = connection.getresponse()
            if answer.status != 200:
                raise RuntimeError(f"the page answers {answer.status}")
            return answer

        login = ask("POST", "/api/login", json.dumps({"token": (tokens / "view").read_text(encoding="ascii").strip()}))
        yield lambda query: ask("GET", "/api/v1/states?" + query, headers={"Cookie": login.headers["Set-Cookie"].split(";")[0]})
    finally:
        child.terminate()
        child.wait()


def answered(ask, query):
    """Milliseconds until the whole answer is there, as a browser has it."""
    start = time.monotonic()
    lines = ask(query).read().splitlines()
    if len(lines) < 2 or json.loads(lines[0])["states"] < VIEWED * 0.99:
        raise RuntimeError("the view is not of the whole table")
    return (time.monotonic() - start) * 1e3


def pages(lab, out):
    with page(lab) as ask:
        for name, query in PAGES:
            answered(ask, query)  # rates need an earlier look
            time.sleep(1)
            out.cost(f"listing, {name} of {VIEWED:,} states, on the page", "ms", [answered(ask, query) for _ in range(lab.bench.runs)])


def views_and_pages(lab, out):
    views(lab, out)
    pages(lab, out)


def measure(bench, out):
    with Lab(bench) as lab:
        for flows, function in ((LISTED, listings), (VIEWED, views_and_pages)):
            with lab.firewall("keepstate", states=flows, more=("", TIMEOUTS)):
                fill(lab, flows)
                function(lab, out)
