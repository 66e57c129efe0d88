# SPDX-License-Identifier: BSD-2-Clause
"""Connections as `log --flows` tells of them: each begin, establishment and end once, with translation, rule and what was carried,
whoever ends a flow, on two CPUs, over a reload, a larger table and the daemon's death.

    client 10.0.0.10 --- lan0 box wan0 --- 192.0.2.10 server
"""
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from captures import packets_of
from lab import wait_for
from test_nat_ports import Steered, speak
from wires import firewall_fixture, net_fixture, put, reach

POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
set banned { } dynamic, timeout 1h
option log-drops on
option settle off
deny from lan to wan tcp port 8
allow from lan to wan log "out"
nat from lan to wan masquerade
nat from lan to wan family ipv6 masquerade
"""
SERVERS = ["192.0.2.10", "2001:db8::10"]
OUTER = {"192.0.2.10": "192.0.2.1", "2001:db8::10": "2001:db8::1"}
HELD = 7200
LAST = 7299  # nobody else uses it
DUE = 20  # seconds in which a thing that was ended is told, however busy the machine

net = net_fixture(Steered)
standing = firewall_fixture("standing", POLICY)


@pytest.fixture
def firewall(standing):
    put(standing, POLICY)
    return standing


class Log:
    """A reader of `log --json`, to whom events come until end()."""

    def __init__(self, firewall, path, *words):
        self.firewall, self.path, self.offset, self.before = firewall, path, 0, self.followers(firewall)
        with path.open("w") as out:
            self.child = subprocess.Popen([firewall.program, "log", "--json", "--netns", firewall.host.name, *words],
                                          stdout=out, stdin=subprocess.DEVNULL)
        wait_for(lambda: self.followers(firewall) > self.before, DUE, "the log is read")

    @staticmethod
    def followers(firewall):
        return firewall.data("status")[0]["followers"]

    def lines(self):
        text = self.path.read_bytes()[self.offset:].decode()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines() if line]

    def forget(self):
        """Leaves what was told so far."""
        self.offset = self.path.read_bytes().rfind(b"\n") + 1

    def of(self, event, **members):
        return [line for line in self.lines() if line["event"] == event and all(line.get(k) == v for k, v in members.items())]

    def await_one(self, event, **members):
        wait_for(lambda: self.of(event, **members), DUE, f"{event} {members}")
        return self.of(event, **members)[0]

    def end(self):
        """Ends, and waits until the daemon has noticed: it does at its next beat."""
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(60)
        wait_for(lambda: self.followers(self.firewall) <= self.before, DUE, "the reader is missed")


@pytest.fixture(scope="module")
def standing_log(standing, tmp_path_factory):
    """One reader for the file."""
    made = Log(standing, tmp_path_factory.mktemp("log") / "log", "--flows")
    yield made
    made.child.kill()
    made.child.wait(60)


@pytest.fixture
def log(net, standing_log, firewall):
    """Nothing of the last test is told any more: a flow that begins now comes behind the ends of all that it has left."""
    net.client.run("python3", "-c", f"import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.10', {LAST}))",
                   check=True)
    standing_log.await_one("begin", destination_port=LAST)
    standing_log.await_one("pass", destination_port=LAST)
    firewall.say("states", "kill", "--port", LAST)
    standing_log.await_one("end", destination_port=LAST)
    standing_log.forget()
    return standing_log


class Held:
    """A connection of the client that stays until close()."""

    def __init__(self, net):
        self.server = net.server.python("serve", HELD, program="conns.py")
        assert "ready" in self.server.stdout.readline()
        self.client = net.client.python("hold", "192.0.2.10", HELD, 1, program="conns.py", stdin=subprocess.PIPE)
        assert self.client.stdout.readline()

    def close(self):
        for child in (self.client, self.server):
            child.kill()
            child.wait(60)


@pytest.fixture
def held(net, firewall):
    made = Held(net)
    yield made
    made.close()


@pytest.mark.parametrize("server", SERVERS)
def test_a_life_of_each_protocol(net, log, server):
    assert set(reach(net.client, server)) == {"tcp", "udp", "ping"}
    icmp = "icmpv6" if ":" in server else "icmp"
    begin = log.await_one("begin", proto="tcp")
    end = log.await_one("end", proto="tcp")
    assert end["why"] in ("closed", "reset") and end["id"] == begin["id"]
    assert len(log.of("established", id=begin["id"])) == len(log.of("end", id=begin["id"])) == 1
    assert begin["nat"] == {"source": OUTER[server], "source_port": begin["nat"]["source_port"]} == end["nat"]
    assert (begin["from"], begin["to"], begin["destination"], begin["destination_port"]) == ("lan", "wan", server, 7000)
    assert begin["rule"]["label"] == end["rule"]["label"] == "out" and end["rule"]["line"] == 7
    assert end["packets"][0] >= 3 and min(end["packets"] + end["bytes"]) > 0 and end["replied"] and end["duration"] < 60
    assert begin["packets"] == [1, 0] and begin["state"] == "SYN_SENT"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", end["time"]) and end["begun"][:-1] <= end["last"] <= end["time"]
    for proto in ("udp", icmp):
        assert log.await_one("established", proto=proto)["id"] == log.await_one("begin", proto=proto)["id"]
    assert log.of("begin", proto=icmp)[0]["nat"]["source"] == OUTER[server] and "icmp_id" in log.of("begin", proto=icmp)[0]
    passed = log.await_one("pass", proto="tcp", tcp_flags=2)
    assert passed["nat"] == begin["nat"] and passed["rule"]["label"] == "out"


def test_refused_by_a_rule_and_by_none(net, firewall, log):
    net.client.run("curl", "-s", "-m", "1", "http://192.0.2.10:8/")
    net.server.run("curl", "-s", "-m", "1", "http://192.0.2.1:7/")
    assert log.await_one("drop", destination_port=8)["reason"] == "rule"
    assert log.await_one("drop", destination_port=7)["reason"] == "no rule"
    assert not log.of("begin", destination_port=8) and not log.of("begin", destination_port=7)


def test_what_a_staged_rule_would_have_done(net, firewall, log):
    put(firewall, POLICY.replace("allow from lan", 'staged deny from lan tcp port 7000 log "no"\nallow from lan').replace(' log "out"', ""))
    reach(net.client, "192.0.2.10")
    told = log.await_one("pass", destination_port=7000, proto="tcp")
    assert told["verdict"] == "allow" and told["rule"]["text"] == "allow from lan to wan"
    assert told["staged"]["action"] == "deny" and told["staged"]["label"] == "no"
    counted = {one["label"]: one for one in firewall.data("counters")[0]["rules"] if one["staged"]}
    assert counted["no"]["matches"] >= 1 and counted["no"]["flows"] == 0
    assert not log.of("pass", proto="udp")


def test_a_drop_says_where_it_would_have_gone(net, firewall, log):
    put(firewall, POLICY + "forward from wan udp port 8080 to 10.0.0.10 port 7000\nprotect wan { udp flood 1/second per destination }\n")
    for _ in range(3):
        net.server.run("python3", "-c", "import socket\nfor n in range(200):\n s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                       " s.sendto(b'x', ('192.0.2.1', 8080))")
    drop = log.await_one("drop", reason="udp flood")
    assert drop["destination"] == "192.0.2.1"
    assert drop["nat"] == {"destination": "10.0.0.10", "destination_port": 7000}


def test_killed(firewall, log, held):
    log.await_one("established", destination_port=HELD)
    firewall.say("states", "kill", "--port", HELD)
    assert log.await_one("end", destination_port=HELD)["why"] == "killed"


def test_denied_by_a_reload(firewall, log, held):
    log.await_one("established", destination_port=HELD)
    firewall.path.write_text(firewall.path.read_text().replace("tcp port 8\n", f"tcp port {HELD}\n"))
    firewall.say("reload", "--end-denied")
    end = log.await_one("end", destination_port=HELD)
    assert end["why"] == "denied" and end["nat"]["source"] == "192.0.2.1" and len(log.of("end", id=end["id"])) == 1


def test_ended_by_a_set(firewall, log, held):
    log.await_one("established", destination_port=HELD)
    firewall.say("set", "add", "banned", "192.0.2.10", "--end-flows")
    assert log.await_one("end", destination_port=HELD)["why"] == "set"


def test_expired(net, firewall, log):
    put(firewall, firewall.path.read_text() + "timeout udp.single 1s, udp.stream 1s\n")
    speak(net, "192.0.2.10", count=100, peers=1)
    wait_for(lambda: len(log.of("end", proto="udp", why="expired")) >= 100, DUE, "all have expired")
    named = {line["id"]: line["nat"] for line in log.of("begin", proto="udp")}
    assert {line["id"]: line.get("nat") for line in log.of("end", proto="udp")} == named and len(named) == 100


def naps(pid):
    """How often a process has begun to wait."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.MULTILINE).group(1))


def test_connections_do_not_wake_the_daemon_one_by_one(net, firewall, log):
    """One flow each two ms: all are told, also the last ones, and the daemon has slept most of the time."""
    program = ("import socket, time\nfor n in range(1000):\n s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
               " s.bind(('', 20000 + n)); s.sendto(b'x', ('192.0.2.10', 7100)); s.close(); time.sleep(0.002)")
    put(firewall, firewall.path.read_text().replace(' log "out"', ""))
    log.forget()
    before, start = naps(firewall.child.pid), time.monotonic()
    net.client.run("python3", "-c", program)
    wait_for(lambda: len(log.of("begin", destination_port=7100)) >= 1000, DUE, "all are told")
    seconds = time.monotonic() - start
    assert len({line["id"] for line in log.of("begin", destination_port=7100)}) == 1000
    assert naps(firewall.child.pid) - before < 200 * seconds, f"{seconds:.1f} s"


def test_a_lost_address(net, firewall, log, held):
    log.await_one("established", destination_port=HELD)
    net.box.ip("addr", "del", "192.0.2.1/24", "dev", "wan0")
    try:
        end = log.await_one("end", destination_port=HELD)
    finally:
        net.box.ip("addr", "add", "192.0.2.1/24", "dev", "wan0")
    assert end["why"] == "address lost" and end["nat"]["source"] == "192.0.2.1" and end["state"] == "CLOSE"


def test_a_larger_table_tells_no_end_that_is_none(firewall, log, held):
    """The flows move into another table, with other programs; the follower stays, and the end comes from there."""
    log.await_one("established", destination_port=HELD)
    put_text = firewall.path.read_text() + "limit states 400000\n"
    firewall.path.write_text(put_text)
    firewall.say("reload")
    time.sleep(7)  # a round of the sweeper
    assert not log.of("end", destination_port=HELD)
    held.close()
    end = log.await_one("end", destination_port=HELD)
    assert end["why"] in ("closed", "reset") and len(log.of("end", id=end["id"])) == 1


@pytest.mark.parametrize("words, kinds", [(["--flows", "--proto", "udp"], {"begin", "established", "pass"}),
                                          (["--events", "established"], {"established"}),
                                          (["--events", "end", "--why", "killed", "--proto", "not udp"], {"end"})],
                         ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_who_asks_hears_only_that(net, firewall, tmp_path, words, kinds):
    log = Log(firewall, tmp_path / "filtered", *words)
    reach(net.client, "192.0.2.10")
    firewall.cli("states", "kill", "--all")
    wait_for(lambda: {line["event"] for line in log.lines()} >= kinds, DUE, "it is told")
    log.end()
    lines = log.lines()
    assert {line["event"] for line in lines} - {"end"} == kinds - {"end"}
    if "--proto" in words:
        assert all((line["proto"] == "udp") == ("udp" in words) for line in lines)
    assert all(line.get("why", "killed") == "killed" for line in lines)


@pytest.mark.parametrize("words, says", [(["--events", "start"], "begin, established, end, drop, pass"),
                                         (["--flows", "--events", "end"], "not both"),
                                         (["--why", "closed"], "there is no filter 'why'"),
                                         (["--flows", "--why", "bored"], "expired")])
def test_what_is_no_kind_is_refused(firewall, words, says):
    done = firewall.cli("log", *words)
    assert done.returncode == 2 and says in done.stderr, done


def test_each_begins_and_ends_once_on_two_cpus(net, firewall, tmp_path):
    log = Log(firewall, tmp_path / "many", "--events", "begin,end", "--proto", "udp")
    speak(net, "192.0.2.10", count=1500, peers=2)
    firewall.say("states", "kill", "--proto", "udp")
    wait_for(lambda: len(log.of("end")) >= 3000, 60, "all ends are told")
    log.end()
    begins, ends = [[line["id"] for line in log.of(kind)] for kind in ("begin", "end")]
    assert len(begins) == len(ends) == len(set(begins)) == 3000 and set(begins) == set(ends)
    assert {line["why"] for line in log.of("end")} == {"killed"} and not log.of("lost")
    outer = {(line["nat"]["source_port"], line["destination_port"]) for line in log.of("begin")}
    assert outer == {(line["nat"]["source_port"], line["destination_port"]) for line in log.of("end")} and len(outer) == 3000


def test_what_a_slow_reader_loses_is_counted(net, firewall, tmp_path):
    log = Log(firewall, tmp_path / "slow", "--events", "begin,end", "--proto", "udp")
    os.kill(log.child.pid, signal.SIGSTOP)
    speak(net, "192.0.2.10")  # 18,696 flows
    firewall.say("states", "kill", "--proto", "udp", timeout=60)
    os.kill(log.child.pid, signal.SIGCONT)
    wait_for(lambda: len(log.of("begin") + log.of("end")) + sum(line["lost"] for line in log.of("lost")) >= 2 * 18696, 60,
             "all are told of, or counted")
    log.end()
    told = len(log.of("begin") + log.of("end"))
    assert told + sum(line["lost"] for line in log.of("lost")) == 2 * 18696 and 0 < len(log.of("lost")) < 20


def test_lines_for_people(net, firewall, tmp_path):
    before = firewall.data("status")[0]["followers"]
    path = tmp_path / "lines"
    with path.open("w") as out:
        child = subprocess.Popen([firewall.program, "log", "--flows", "--netns", firewall.host.name], stdout=out, stdin=subprocess.DEVNULL)
    wait_for(lambda: firewall.data("status")[0]["followers"] > before, DUE, "the log is read")
    reach(net.client, "192.0.2.10")
    firewall.cli("states", "kill", "--all")
    for line in (r"Z  flow    begin        lan 10\.0\.0\.10:\d+ > wan 192\.0\.2\.10:7000 tcp  as 192\.0\.2\.1:\d+  \S*policy\.conf:\d+ \"out\"\n",
                 r"Z  flow    killed       lan 10\.0\.0\.10:\d+ > wan 192\.0\.2\.10:7000 udp  as .*  \d+s  \d+\+\d+ packets  \d+ B \+ \d+ B",
                 r"Z  allow   new          lan 10\.0\.0\.10:\d+ > wan 192\.0\.2\.10:7000 tcp syn  as 192\.0\.2\.1:\d+  "):
        wait_for(lambda line=line: re.search(line, path.read_text()), DUE, line)
    child.terminate()
    child.wait(60)
    wait_for(lambda: firewall.data("status")[0]["followers"] <= before, DUE, "the reader is missed")


def test_a_daemon_that_dies_leaves_nobody_who_asks(net, firewall, tmp_path):
    """Nobody tells of what happens without a daemon, and the next one begins anew."""
    firewall.crash()
    assert set(reach(net.client, "192.0.2.10")) == {"tcp", "udp", "ping"}, "the programs go on"
    firewall.start()
    assert Log.followers(firewall) == 0
    after = Log(firewall, tmp_path / "after", "--flows")
    reach(net.client, "192.0.2.10")
    begin = after.await_one("begin", proto="tcp")
    assert after.await_one("end", id=begin["id"])["why"] in ("closed", "reset")
    after.end()


def test_packets_are_written_with_what_was_decided(net, firewall, tmp_path):
    """A capture that Wireshark reads, of what is dropped from now on; others who follow get no octets."""
    path = tmp_path / "drops.pcapng"
    log = Log(firewall, tmp_path / "printed", "--verdict", "deny", "--write", str(path))
    plain = Log(firewall, tmp_path / "plain", "--verdict", "deny")
    for server in SERVERS:
        net.client.run("curl", "-s", "-m", "1", f"http://[{server}]:8/" if ":" in server else f"http://{server}:8/")
    wait_for(lambda: len(packets_of(path.read_bytes())) >= 2, DUE, "both are written")
    written = packets_of(path.read_bytes())
    for server in SERVERS:
        frame, comment = next((data, words) for data, words in written if f"> wan {server}:8 " in words.replace("[", "").replace("]", ""))
        assert comment.startswith("deny, rule: lan ") and f"{firewall.path}:6" in comment, comment
        assert frame[36:38] == b"\0\x08" if ":" not in server else frame[56:58] == b"\0\x08", frame
    listed = net.client.run("tcpdump", "-nr", path).stdout
    assert "192.0.2.10.8: Flags [S]" in listed and "2001:db8::10.8: Flags [S]" in listed, listed
    wait_for(lambda: len(plain.lines()) >= 2, DUE, "both are told")
    assert not [line for line in plain.lines() if "octets" in line]
    plain.end()
    log.end()


@pytest.mark.parametrize("words, right", [(("--write", "/nowhere/x"), "cannot write /nowhere/x"), (("--write", "x", "--who", "10.0.0.10:1"), "--who tells of flows"), (("--write", "x", "--since", "1m"), "no journal"),
                                          (("--write", "x", "--events", "begin"), "only packets have them")])
def test_captures_that_cannot_be(firewall, words, right, tmp_path):
    """The file that was named stays as it was."""
    kept = tmp_path / "kept"
    kept.write_text("a capture of yesterday")
    done = firewall.cli("log", *[str(kept) if word == "x" else word for word in words])
    assert done.returncode and right in done.stderr, done
    assert kept.read_text() == "a capture of yesterday"
