# SPDX-License-Identifier: BSD-2-Clause
"""Flows of the past: who had an address and port, which flows lived at a moment, and what collectors hear of them."""
import json
import re
import shutil
import subprocess
import time

import journals
import pytest
from captures import packets_of
from conftest import POLICY, need
from journals import SLOW, Journal
from lab import CLIENT4, SERVER4, WAN4, Firewall, end_process, wait_for

pytestmark = pytest.mark.skipif(bool(journals.reason_to_skip()), reason=str(journals.reason_to_skip()))

IPFIX, SYSLOG = 9995, 9514
RULES = POLICY + "nat from lan to wan masquerade\nnat from lan to wan family ipv6 masquerade\n"

LISTENER = """
import socket, sys
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
while True:
    print(receiver.recv(65536).decode(), flush=True)
"""


@pytest.fixture(scope="module")
def wall(lab, tmp_path_factory):
    firewall = Firewall(lab.gateway, RULES, tmp_path_factory.mktemp("flows")).start()
    yield firewall
    firewall.stop()


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def journal(wall, out):
    made = Journal(wall, out / "journal.log", "--ipfix", f"127.0.0.1:{IPFIX}", "--syslog", f"127.0.0.1:{SYSLOG}", "--lines", str(out / "lines"))
    made.start()
    yield made
    made.end()
    shutil.rmtree(f"/var/lib/keepstate/journal/{wall.instance()}", ignore_errors=True)


def fetch(lab):
    """A connection from its begin to its end. Returns the port that the server saw."""
    text = lab.client.run("curl", "-s", f"http://{SERVER4}/peer").stdout
    address, port = text.split()
    assert address == WAN4, text
    return int(port)


def flows(journal, **parameters):
    return journal.lines("/v1/flows", **parameters)


def ended(journal, port):
    return wait_for(lambda: [flow for flow in flows(journal, port=port) if flow["ended"]], SLOW, "the flow has ended")[0]


def test_who_had_it(lab, wall, journal):
    port = fetch(lab)
    flow = ended(journal, port)
    who = wall.data("log", "--who", f"{WAN4}:{port}", "--at", flow["begun"])
    assert [(one["source"], one["destination"], one["nat"]["source_port"]) for one in who] == [(CLIENT4, SERVER4, port)]
    text = wall.say("log", "--who", f"{WAN4}:{port}", "--at", "now", "--proto", "tcp") if not flow["ended"] else \
        wall.say("log", "--who", f"{WAN4}:{port}", "--since", "10m")
    assert CLIENT4 in text and "lan" in text and f"as {WAN4}:{port}" in text
    for words in (("--at", "2001-01-01 10:00"), ("--proto", "udp", "--since", "10m")):
        assert wall.cli("log", "--who", f"{WAN4}:{port}", *words).returncode == 1, words
    assert wall.cli("log", "--who", WAN4).returncode == 2


def explain_of_a_moment(wall, flow, at):
    """A packet of the flow passes at a moment of its life, as either side knows it; a moment without it knows nothing of it."""
    answer = f"wan {SERVER4}:80 > {flow['nat']['source']}:{flow['nat']['source_port']} tcp ack"
    told = json.loads(wall.say("explain", "--at", at, "--json", answer))
    assert (told["verdict"], told["class"]) == ("allow", "established"), told
    assert f"{CLIENT4}:{flow['source_port']}" in wall.say("explain", "--at", at, answer)
    assert wall.cli("explain", "--at", at, f"lan {CLIENT4}:{flow['source_port']} > wan {SERVER4}:80 tcp ack").returncode == 0
    assert wall.cli("explain", "--at", at, answer.replace(":80 ", ":81 ")).returncode == 1
    return answer


def test_states_of_a_moment(lab, wall, journal):
    """A flow that lives is listed at a moment of its life, and at none before or behind it."""
    child = lab.client.start("curl", "-s", "-o", "/dev/null", f"http://{SERVER4}/slow")
    try:
        begun = wait_for(lambda: [flow for flow in flows(journal, port=80, at=time.time()) if not flow["ended"]], SLOW, "the flow is known")[0]
        time.sleep(2.5)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        time.sleep(1.5)
    finally:
        end_process(child)
    wall.say("states", "kill", "--port", 80)
    wait_for(lambda: [flow for flow in flows(journal, source=CLIENT4) if flow["begun"] == begun["begun"] and flow["ended"]], SLOW, "it has ended")
    then = [state for state in wall.data("states", "--at", now, "--port", 80) if state["begun"] == begun["begun"]]
    assert [(state["source"], state["nat"]["source"]) for state in then] == [(CLIENT4, WAN4)], (now, begun, flows(journal))
    assert 1 <= then[0]["age"] <= 20
    assert SERVER4 in wall.say("states", "--at", now, "--port", 80)
    answer = explain_of_a_moment(wall, then[0], now)
    time.sleep(1.1)  # a time in whole seconds is all of that second
    assert wall.cli("explain", "--at", "now", answer).returncode == 1
    assert not [state for state in wall.data("states", "--at", "now", "--port", 80) if state["begun"] == begun["begun"]]
    assert wall.data("states", "--at", "2001-01-01") == []
    assert wall.cli("states", "--at", now, "--top", 5).returncode == 2


def test_flow_of_before_the_journal(lab, wall, journal):
    """A flow that lived when the journal began to listen is known, and one that ended while it did not has ended."""
    journal.end()
    child = lab.client.start("curl", "-s", "-o", "/dev/null", f"http://{SERVER4}/slow")
    try:
        wait_for(lambda: wall.data("states", "--port", 80, "--state", "ESTABLISHED"), SLOW, "it is established")
        journal.start()
        known = wait_for(lambda: [flow for flow in flows(journal, port=80) if not flow["ended"]], SLOW, "the flow is known")
        journal.end()
    finally:
        end_process(child)
    wall.cli("states", "kill", "--port", 80)
    journal.start()
    flow = wait_for(lambda: [flow for flow in flows(journal, port=80) if flow["begun"] == known[0]["begun"] and flow["ended"]], SLOW, "it has ended")
    assert flow[0]["why"] == "unseen"


def comments(path, word):
    """The comments of packets in a capture that have a word."""
    return [comment for _, comment in packets_of(path.read_bytes()) if word in comment] if path.exists() and path.stat().st_size else []


def test_written_packets_say_how_they_are_translated(lab, wall, journal, tmp_path):
    """As they come, and of the past: their headers are made anew then."""
    live, past = tmp_path / "live.pcapng", tmp_path / "past.pcapng"
    child = subprocess.Popen([wall.program, "log", "--netns", wall.host.name, "--rule", "out", "--write", str(live)], stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: fetch(lab) and comments(live, f", as {WAN4}:"), SLOW, "a packet is written")
    finally:
        end_process(child)
    write = ("log", "--since", "10m", "--rule", "out", "--proto", "tcp", "--write", past)
    found = wait_for(lambda: wall.say(*write) or comments(past, f", as {WAN4}:"), SLOW, "the journal has it, which writes in batches")
    assert all("made anew of the journal's entry" in comment and " tcp syn" in comment for comment in found), found
    listed = lab.client.run("tcpdump", "-nvr", past)
    assert f"{SERVER4}.80: Flags [S]" in listed.stdout and "bad cksum" not in listed.stdout.split("IP (")[1].split("\n")[0], listed
    assert "nop" in listed.stdout and "length 0" in listed.stdout, "what a SYN has behind its header is options, and no data"
    begun = wall.cli("log", "--since", "10m", "--flows", "--write", past)
    assert begun.returncode == 0 and " tcp " in begun.stdout, "moments of flows are no packets: they are printed"


@need("nfcapd")
@need("nfdump")
def test_ipfix(lab, journal, out):
    """nfcapd reads it, nfdump shows the translation."""
    directory = out / "nfcapd"
    directory.mkdir()
    child = lab.gateway.start("nfcapd", "-p", str(IPFIX), "-b", "127.0.0.1", "-l", str(directory), "-t", "2")
    try:
        wait_for(lambda: lab.gateway.run("ss", "-Hlun", f"sport = :{IPFIX}").stdout, SLOW, "nfcapd listens")
        journal.end()
        journal.start()  # its first message has the templates
        port = fetch(lab)
        flow = ended(journal, port)

        def seen():
            done = subprocess.run(["nfdump", "-q", "-R", str(directory), "-o", "fmt:%pr %sa %sp %da %dp %nsa %nsp %nevt %pkt %byt"],
                                  capture_output=True, text=True, timeout=20)
            return [line.split() for line in done.stdout.splitlines() if WAN4 in line.split() and str(port) in line.split()]

        lines = wait_for(lambda: len(seen()) >= 2 and seen(), 60, "both records are there")
        for line in lines:
            assert line[:4] == ["TCP", CLIENT4, str(flow["source_port"]), SERVER4] and line[5:7] == [WAN4, str(port)], line
        assert any(str(flow["packets"][0]) in line and str(flow["bytes"][0]) in line for line in lines), lines
    finally:
        end_process(child)


def test_syslog_and_lines(lab, journal, out):
    child = lab.gateway.start("/usr/bin/python3", "-u", "-c", LISTENER, SYSLOG)
    try:
        assert child.stdout.readline().strip() == "ready"
        port = fetch(lab)
        ended(journal, port)
        for _ in range(100):
            line = child.stdout.readline()
            found = re.fullmatch(r"<(\d+)>1 (\S+) (\S+) keepstate (\d+) end - (.*)\n", line)
            if found and f"as {WAN4}:{port}" in found[5]:
                break
        assert found and int(found[1]) == 3 * 8 + 6, line
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found[2])
    finally:
        end_process(child)
    lines = [json.loads(line) for line in (out / "lines").read_text().splitlines()]
    assert any(line["event"] == "end" and line.get("nat", {}).get("source_port") == port for line in lines)


def test_bad_sinks(wall):
    for words in (("--ipfix", "nowhere"), ("--syslog", "192.0.2.1:x"), ("--lines", "/nowhere/lines")):
        done = subprocess.run([journals.PROGRAM, "--netns", wall.host.name, *words], capture_output=True, text=True, timeout=20)
        assert done.returncode == 3 and words[0] in done.stderr, done


def test_a_policy_from_the_journal(lab, wall, journal):
    """The flows of the journal make a policy that allows them, with the zones and translations of the one in force."""
    ended(journal, fetch(lab))
    text = wall.say("suggest", "--journal", "--since", "10m", "--policy", wall.path)
    rules = [line for line in text.splitlines() if line.startswith("allow ")]
    assert any("from lan to wan" in rule and "tcp port" in rule and "http" in rule for rule in rules), text
    assert not any("from wan" in rule for rule in rules) and "nat from lan to wan" in text, text
    made = wall.path.with_name("suggested.conf")
    made.write_text(text)
    assert wall.cli("test", made).returncode == 0
    assert wall.cli("ask", "--never", made, "wan > lan").returncode == 0
    assert wall.cli("suggest", "--journal", "--until", "2001-01-01 10:00", "--policy", wall.path).returncode == 1
