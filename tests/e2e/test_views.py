# SPDX-License-Identifier: BSD-2-Clause
"""Views of the states of a running firewall: sorted, cut, counted and grouped by the daemon; their rates; tables, CSV."""
import csv
import http.client
import io
import json
import re
import socket
import subprocess
import time

import pytest
from conftest import POLICY
from lab import CLIENT4, KEEPSTATE, SERVER4, wait_for

FLOWS = 40
PORT = 6000  # of the first flow; flow i sends i + 1 datagrams
SEND = """
import socket
for i in range({flows}):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", {port} + i))
    for _ in range(i + 1):
        s.sendto(b"x" * 100, ("{server}", 7000 + i % 4))
"""
TRICKLE = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", {port}))
for _ in range(600):
    s.sendto(b"x" * 972, ("{server}", 7001))
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def flows(lab, standing):
    """A firewall with forty flows that differ in bytes, of UDP, and nothing else."""
    standing.path.write_text(POLICY + "timeout udp.single 1h\n")
    standing.say("reload")
    standing.cli("states", "kill", "--all")
    lab.client.run("python3", "-c", SEND.format(flows=FLOWS, port=PORT, server=SERVER4), check=True, timeout=30)
    wait_for(lambda: ours(standing), 5, "the flows")
    return standing


def ours(firewall):
    return len(firewall.data("states", "--source", CLIENT4, "--port", f"{PORT}-{PORT + FLOWS - 1}")) == FLOWS


class Socket(http.client.HTTPConnection):
    """HTTP over the control socket."""

    def __init__(self, path):
        super().__init__("keepstate", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


def ask(firewall, query):
    """The status and the lines of an answer to GET /v1/states."""
    inode = firewall.host.run("stat", "-Lc", "%i", "/proc/self/ns/net", check=True).stdout.strip()
    connection = Socket(f"/run/keepstate/net-{inode}/control.sock")
    connection.request("GET", f"/v1/states?{query}")
    answer = connection.getresponse()
    lines = [json.loads(line) for line in answer.read().decode().splitlines()]
    connection.close()
    return answer.status, lines


OURS = f"port={PORT}-{PORT + FLOWS - 1}&source={CLIENT4}"


def test_the_largest_come_first(flows):
    status, (totals, *rows) = ask(flows, f"{OURS}&sort=bytes&limit=5")
    assert status == 200 and totals["matches"] == FLOWS and totals["rows"] == 5 and totals["next"], totals
    assert [row["source_port"] for row in rows] == [PORT + FLOWS - 1 - i for i in range(5)]
    assert totals["packets"] == [FLOWS * (FLOWS + 1) // 2, 0] and totals["rate"] is None


def test_pages_have_every_flow_once(flows):
    """By the cursor of each page, in either order."""
    for order in ("asc", "desc"):
        found, cursor = [], ""
        while cursor is not None:
            _, (totals, *rows) = ask(flows, f"{OURS}&sort=packets&order={order}&limit=7" +
                                     (f"&cursor={cursor}" if cursor else ""))
            found += [row["packets"][0] for row in rows]
            cursor = totals["next"]
        assert found == sorted(range(1, FLOWS + 1), reverse=order == "desc")


def test_groups_sum_up(flows):
    _, (totals, *rows) = ask(flows, f"{OURS}&group=port&sort=flows")
    assert totals["groups"] == 4 and totals["others"] == 0
    assert {row["port"]: row["flows"] for row in rows} == {7000 + i: FLOWS // 4 for i in range(4)}
    _, (totals, *rows) = ask(flows, f"{OURS}&group=host")
    assert {row["host"]: row["packets"] for row in rows} == {CLIENT4: totals["packets"],
                                                             SERVER4: totals["packets"][::-1]}
    _, (totals, *rows) = ask(flows, f"{OURS}&group=rule")
    assert rows[0]["rule"]["label"] == "out" and rows[0]["flows"] == FLOWS


@pytest.mark.parametrize("query, word", [
    ("sort=colour", "bytes"), ("limit=-1", "10000"), ("group=colour", "host"), ("cursor=x", "next"),
    ("sort=flows", "group"), ("format=csv&group=host", "json"), ("columns=source", "csv"), ("order=up", "desc"),
    ("format=csv&columns=colour", "bytes_out"), ("rule=nosuch", "label"), ("port=5-1", "range"),
])
def test_what_cannot_be_is_refused(flows, query, word):
    status, lines = ask(flows, query)
    assert status == 400 and word in lines[0]["error"], lines


def test_rates_are_those_of_the_traffic(lab, flows):
    """The first answer has none; later ones have what a flow carries, and the busiest flow is the first."""
    assert ask(flows, "limit=0")[1][0]["rate_seconds"] is None
    sender = lab.client.start("python3", "-c", TRICKLE.format(port=PORT + 500, server=SERVER4))
    try:
        def first():
            _, (totals, *rows) = ask(flows, "sort=rate&limit=3")
            return rows and rows[0].get("rate") and rows[0]["source_port"] == PORT + 500 and \
                0 < rows[0]["rate"][0] <= 22000 and totals["rate_seconds"] >= 0.9
        wait_for(lambda: time.sleep(1) or first(), 20, "the rate of 20 packets of 1,000 bytes a second")
    finally:
        sender.kill()
        sender.wait()


def test_states_command_sorts_groups_and_counts(flows):
    words = ["--source", CLIENT4, "--port", f"{PORT}-{PORT + FLOWS - 1}"]
    assert flows.say("states", "--count", *words).strip() == str(FLOWS)
    lines = flows.say("states", "--top", 3, *words).splitlines()
    assert len(lines) == 4 and f":{PORT + FLOWS - 1} " in lines[1] and "out" not in lines[1], lines
    assert len(flows.data("states", "--sort", "left", *words)) == FLOWS
    text = flows.say("states", "--group", "port", "--sort", "flows", *words)
    assert re.search(r"^udp/7000 +10 ", text, re.M), text
    text = flows.say("states", "--group", "rule", *words)
    assert re.search(rf"^policy\.conf:6 +out +{FLOWS} ", text, re.M), text
    assert flows.say("states", "--rule", "out", "--count", *words).strip() == str(FLOWS)
    assert flows.say("states", "--rule", "not out", "--count", *words).strip() == "0"
    assert flows.say("states", "--rule", "policy.conf:6", "--port", "not 7000-7002", "--count", *words[:2]).strip() == \
        str(FLOWS // 4)


def test_states_command_prints_chosen_columns_and_csv(flows):
    words = ["--port", PORT, "--columns", "source,packets,label"]
    assert re.fullmatch(rf"SOURCE +PACKETS +LABEL\n{CLIENT4}:{PORT} +1\+0 +out\n", flows.say("states", *words))
    rows = list(csv.DictReader(io.StringIO(flows.say("states", "--csv", *words))))
    assert rows == [{"source": CLIENT4, "source_port": str(PORT), "id": "", "packets_out": "1", "packets_in": "0",
                     "label": "out"}]
    listed = list(csv.DictReader(io.StringIO(flows.say("states", "--csv", "--port", PORT))))
    sorted_ = list(csv.DictReader(io.StringIO(flows.say("states", "--csv", "--port", PORT, "--top", 1))))
    assert listed[0].keys() == sorted_[0].keys() and listed[0]["destination"] == sorted_[0]["destination"] == SERVER4


def test_states_command_watches(flows):
    child = subprocess.Popen([KEEPSTATE, "states", "--netns", flows.host.name, "--watch", "--every", "1s", "--top", "2"],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for _ in range(2):
            assert re.search(r"\d\d:\d\d:\d\d  \d+ of \d+ states", child.stdout.readline())
            assert child.stdout.readline().startswith("PROTO")
            assert [child.stdout.readline().startswith("udp"), child.stdout.readline().startswith("udp"),
                    child.stdout.readline()] == [True, True, "\n"]
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("words", [
    ["--csv", "--json"], ["--watch", "--json"], ["--columns", "colour"], ["--every", "2s"], ["--group", "host", "--columns",
                                                                                          "source"],
    ["kill", "--top", "3"], ["--conntrack", "--sort", "bytes"], ["--mappings", "--count"], ["--sort", "colour"],
], ids=" ".join)
def test_states_command_refuses_what_cannot_be(flows, words):
    done = flows.cli("states", *words)
    assert done.returncode == 2 and not done.stdout and done.stderr, done
