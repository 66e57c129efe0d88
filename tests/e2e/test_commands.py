# SPDX-License-Identifier: BSD-2-Clause
"""The commands that look into a running firewall and change its states."""
import re
import subprocess
import time

import pytest
from lab import CLIENT4, KEEPSTATE, SERVER4, SERVER6, uses_port, wait_for

PORT = 5700


@pytest.fixture
def busy(lab, standing, watch):
    """A firewall with a few flows of each kind, and no older ones."""
    standing.cli("states", "kill", "--all")
    watch.start(lab.server, "serve", PORT)
    watch.start(lab.client, "follow", SERVER4, PORT)
    assert lab.client.ping(SERVER4) == 3
    assert lab.client.ping(SERVER6) == 3
    assert lab.client.resolve(SERVER4).stdout.strip() == SERVER4
    return standing


def test_states_shows_every_flow(busy):
    text = busy.say("states")
    assert "ESTABLISHED" in text and "UDP_STREAM" in text and "ICMP_REPLIED" in text
    assert SERVER4 in text and SERVER6 in text and str(PORT) in text


@pytest.mark.parametrize("words, only", [
    (["--proto", "udp"], "UDP_"),
    (["--proto", "tcp"], "ESTABLISHED"),
    (["--state", "ESTABLISHED"], "ESTABLISHED"),
    (["--port", "53"], "UDP_"),
    (["--address", SERVER6], "ICMP_"),
    (["--zone", "lan"], ""),
    (["--proto", "not tcp,udp"], "ICMP_"),
    (["--port", "50-60", "--proto", "udp", "--proto", "tcp"], "UDP_"),
    (["--zone", "lan", "--proto", "tcp,udp", "--port", "not 53"], "ESTABLISHED"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_states_filters(busy, words, only):
    lines = busy.data("states", *words)
    assert lines, f"states {words} shows nothing"
    for line in lines:
        assert only in str(line), line


def test_states_in_the_format_of_nf_conntrack(busy):
    text = busy.say("states", "--format", "conntrack")
    pattern = re.compile(r"^ipv4 +2 tcp +6 \d+ ESTABLISHED src=10\.0\.0\.10 dst=192\.0\.2\.10 sport=\d+ dport=\d+", re.M)
    assert pattern.search(text), text


@pytest.mark.parametrize("words", [["--format", "conntrack", "--json"], ["--format", "table", "--conntrack"],
                                   ["--json", "--conntrack"]], ids=" ".join)
def test_states_formats_that_contradict_each_other(busy, words):
    done = busy.cli("states", *words)
    assert done.returncode == 2 and done.stdout == "" and done.stderr, done


def test_states_kill_ends_a_connection(lab, busy, watch):
    """The killed flow's packets are strangers from then on."""
    busy.say("states", "kill", "--port", PORT)
    assert not [flow for flow in busy.data("states") if uses_port(flow, PORT) and "ESTABLISHED" in str(flow)]
    time.sleep(0.5)
    before = lab.client.run("ss", "-Htn", "dport", "=", f":{PORT}").stdout
    assert before.strip(), "the sockets are still there; it is the firewall that has forgotten them"
    assert [flow for flow in busy.data("states") if "UDP_" in str(flow)], "the others stay"


def test_states_kill_of_nothing_says_so(busy):
    done = busy.cli("states", "kill", "--address", "203.0.113.9")
    assert done.returncode == 1, done


def test_log_follows(lab, standing):
    child = subprocess.Popen([KEEPSTATE, "log", "--netns", lab.gateway.name], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
    try:
        time.sleep(0.5)
        lab.client.ping(SERVER4, count=1)
        lab.server.ping(CLIENT4, count=1)
        time.sleep(0.5)
    finally:
        child.terminate()
    out = child.communicate(timeout=60)[0]
    allowed = [line for line in out.splitlines() if "allow" in line and SERVER4 in line]
    denied = [line for line in out.splitlines() if "deny" in line and "no rule" in line]
    assert allowed and denied, out
    assert re.search(r"policy\.conf:\d+", allowed[0]), "the log does not name the rule's place: " + allowed[0]


def test_counters_by_reason_and_rule(lab, standing):
    assert lab.client.ping(SERVER4) == 3
    assert lab.server.ping(CLIENT4) == 0
    text = standing.say("counters")
    assert "no rule" in text and "established" in text
    assert re.search(r"policy\.conf:\d+", text), text


def test_status(lab, standing):
    text = standing.say("status")
    assert str(standing.child.pid) in text and "policy.conf" in text and "lan0" in text and "wan0" in text


def test_explain_asks_the_running_firewall(lab, busy):
    """explain, for a packet of a flow that is there, and for an unsolicited one."""
    done = busy.cli("explain", f"wan {SERVER4}:{PORT} > lan {CLIENT4}:1 tcp syn")
    assert done.returncode == 1 and "no rule" in done.stdout, done
    done = busy.cli("explain", f"lan {CLIENT4}:4000 > wan {SERVER4}:80 tcp syn")
    assert done.returncode == 0 and re.search(r"policy\.conf:\d+", done.stdout), done


def test_output_into_a_closed_pipe_is_no_crash(busy):
    done = subprocess.run(f"{KEEPSTATE} states --netns {busy.host.name} | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}",
                          shell=True, executable="/bin/bash", capture_output=True, text=True)
    assert done.stdout.strip() not in ("134", "139"), done


def test_a_flood_of_states_is_listed_whole(lab, standing):
    """Thousands of flows: none is shown twice, none is missing."""
    lab.client.run("python3", "-c", f"""
import socket
for port in range(20000, 25000):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", port))
    s.sendto(b"x", ("{SERVER4}", 9))
    s.close()
""", check=True, timeout=60)
    wait_for(lambda: len(standing.data("states", "--proto", "udp", "--port", "9")) == 5000, 5, "5000 states")
