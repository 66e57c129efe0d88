# SPDX-License-Identifier: BSD-2-Clause
"""Views of the states of a running firewall: sorted, cut, counted and grouped by the daemon; their rates; tables, CSV."""
import csv
import fcntl
import http.client
import io
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest
from conftest import POLICY
from lab import CLIENT4, KEEPSTATE, PATIENCE, SERVER4, wait_for

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
for _ in range(2000):
    s.sendto(b"x" * 972, ("{server}", 7001))
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def flows(lab, standing):
    """A firewall with forty flows that differ in bytes, of UDP, and nothing else."""
    standing.path.write_text(POLICY + "timeout udp.single 1h\n")
    standing.say("reload")
    standing.cli("states", "kill", "--all")
    lab.client.run("python3", "-c", SEND.format(flows=FLOWS, port=PORT, server=SERVER4), check=True)
    wait_for(lambda: ours(standing), 5, "the flows")
    return standing


def ours(firewall):
    return len(firewall.data("states", "--source", CLIENT4, "--port", f"{PORT}-{PORT + FLOWS - 1}")) == FLOWS


class Socket(http.client.HTTPConnection):
    """HTTP over the control socket."""

    def __init__(self, path):
        super().__init__("keepstate", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
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


def test_details_of_one_flow(lab, flows):
    """A flow tells windows of both sides, the text of its rule, and its number."""
    server = lab.server.start("python3", "-c", f"""if True:
        import socket
        s = socket.create_server(("{SERVER4}", 5601))
        c, _ = s.accept()
        c.sendall(b"x" * 1000)
        c.recv(1)""")
    lab.server.listening("-t", 5601)
    client = lab.client.start("python3", "-c", f"""if True:
        import socket, time
        s = socket.create_connection(("{SERVER4}", 5601))
        time.sleep(60)""")
    try:
        wait_for(lambda: any(one["packets"][1] >= 2 for one in ask(flows, "port=5601&state=ESTABLISHED")[1]), 20, "the connection")
        one = wait_for(lambda: [one for one in ask(flows, "port=5601&details=1")[1] if one["windows"][1]["next"] == one["windows"][0]["ack"]], 20,
                       "what the server sent is acknowledged")[0]
        up, down = one["windows"]
        assert up["window"] >> up["scale"] <= 65535 and up["window"] > 1000 and up["sack"] and up["checked"] and not up["fin"], up
        assert up["limit"] - up["next"] & 0xffffffff <= down["window"] and down["limit"] - down["ack"] & 0xffffffff > 0, one
        assert one["rule"]["text"].startswith("allow from lan to wan") and len(one["flow"]) == 16
        assert [row["flow"] for row in ask(flows, "port=5601&details=1&sort=bytes&limit=5")[1][1:]] == [one["flow"]]
        other = ask(flows, f"port={PORT}&details=1")[1][0]
        assert "windows" not in other and "flow" not in ask(flows, f"port={PORT}")[1][0], other
        assert [row["source_port"] for row in ask(flows, "flow=" + other["flow"])[1]] == [PORT]
        for wrong in ("details=yes", "details=1&format=csv", "details=1&group=host", "flow=12", "flow=" + "g" * 16):
            assert ask(flows, wrong)[0] == 400, wrong
    finally:
        for child in (server, client):
            child.kill()
            child.wait()
        flows.say("states", "kill", "--port", "5601")  # those that follow count what is there


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
    assert re.fullmatch(rf"SOURCE +UP\n{CLIENT4}:{PORT} +0 B/s\n", flows.say("states", "--port", PORT, "--columns", "source,up"))
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


def test_counters_are_watched_from_a_moment_on(lab, flows):
    """A baseline of the view: the counters themselves go on."""
    child = subprocess.Popen([KEEPSTATE, "counters", "--netns", flows.host.name, "--watch", "--every", "1s", "--from-now"],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for line in child.stdout:
            if "counted for 0s" in line:
                break
        lab.server.ping(CLIENT4, count=2)
        lines = [line for line, _ in zip(child.stdout, range(60)) if " dropped " in line]
    finally:
        child.kill()
        child.wait()
    assert any(re.match(r"no \w+ +dropped +2 +\d+ B +\d", line) for line in lines), lines
    assert re.search(r"^out|out\"$", flows.say("counters"), re.M)


@pytest.mark.parametrize("view, pattern", [
    ("flows", rf"^udp +{CLIENT4}:60\d\d +{SERVER4}:700\d +UDP_SINGLE"), ("hosts", rf"^{CLIENT4} +\d+ "),
    ("rules", r"^policy\.conf:6 +out +4\d "), ("zones", r"^lan > wan +4\d "), ("ports", r"^udp/7003 +10 "),
    ("drops", r"^no \w+ +\d+ "), ("dropped-rules", "^RULE"),
])
def test_top_once(lab, flows, view, pattern):
    lab.server.ping(CLIENT4, count=1)
    text = flows.say("top", "--once", "--view", view, "--every", "1s", "--top", 50)
    assert text.startswith(f"{view}: ") and re.search(pattern, text, re.M), text


def test_top_once_of_dropped_sources(lab, flows):
    child = subprocess.Popen([KEEPSTATE, "top", "--netns", flows.host.name, "--once", "--view", "dropped-sources", "--every",
                              "4s"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for _ in range(6):
        time.sleep(0.5)
        lab.server.ping(CLIENT4, count=1)
    text = child.communicate(timeout=PATIENCE)[0]
    assert re.search(rf"^{SERVER4} +[1-6] ", text, re.M) and "icmp" in text, text


def test_top_without_a_terminal_says_so(flows):
    done = flows.cli("top")
    assert done.returncode == 3 and "terminal" in done.stderr and not done.stdout, done


class Terminal:
    """A terminal with a screen of keepstate top in it."""

    def __init__(self, netns, lines, columns, *words):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ["TERM"] = "xterm"
            os.execv(KEEPSTATE, [KEEPSTATE, "top", "--netns", netns, "--every", "1s", *words])
        self.resize(lines, columns)

    def resize(self, lines, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read_until(self, pattern, seconds=2 * PATIENCE, redraw=True):
        """Reads what is drawn. Only what has changed is, so everything is drawn again if the text does not come."""
        end = time.monotonic() + seconds
        asked = time.monotonic()
        while not re.search(pattern, self.text):
            assert time.monotonic() < end, f"no {pattern!r} in {self.text!r}"
            if select.select([self.fd], [], [], 1)[0]:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
            if redraw and time.monotonic() > asked + 3:
                asked = time.monotonic()
                os.write(self.fd, b"\x0c")

    def press(self, keys):
        self.text = ""
        os.write(self.fd, keys.encode())

    def end(self):
        self.press("q")
        while True:
            try:
                if not os.read(self.fd, 65536):
                    break
            except OSError:
                break
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.mark.skipif(not Path(KEEPSTATE).with_name("keepstate-top").exists(), reason="built without ncurses")
def test_top_on_a_terminal(flows):
    """Views, orders, a filter that is wrong and one that is right, sizes down to nearly nothing, and the end."""
    screen = Terminal(flows.host.name, 24, 140, "--sort", "bytes")
    screen.read_until(r"flows by bytes, 1 to \d+ of \d+")
    screen.read_until(rf"{CLIENT4}:{PORT + FLOWS - 1}")
    screen.press("4")
    screen.read_until("udp/7003")
    screen.press("5")
    screen.read_until("MEANING")
    screen.press("0fcolour=red\r")
    screen.read_until("no filter 'colour=red'")
    screen.press(f"fport={PORT},{PORT + 1} zone!=self\r")
    screen.read_until(f"filter: port={PORT},{PORT + 1} zone!=self")
    for lines, columns in ((8, 60), (3, 20), (2, 5), (1, 1), (50, 200)):
        screen.resize(lines, columns)
        time.sleep(0.3)
    screen.press(" h")
    screen.read_until("Any key goes back", redraw=False)
    screen.press("  ")
    assert screen.end() == 0
