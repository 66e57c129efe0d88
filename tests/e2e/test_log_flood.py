# SPDX-License-Identifier: BSD-2-Clause
"""A flood does not drown the log: of many alike some are told, and how many more; together with what was lost, that is all."""
import json
import os
import signal
import subprocess

import pytest
from conftest import POLICY
from lab import CLIENT4, CLIENT6, wait_for

RATE, SECONDS = 10000, 3
PER_SOURCE, ALL = 10, 500  # the defaults of `limit log-per-source` and `limit log`


@pytest.fixture
def firewall(make_firewall):
    return make_firewall(POLICY)


class Reader:
    """A reader of the log, to whom events come until end()."""

    def __init__(self, firewall, path):
        self.path = path
        with path.open("w") as out:
            self.child = subprocess.Popen([firewall.program, "log", "--json", "--reason", "no rule", "--netns", firewall.host.name],
                                          stdout=out, stdin=subprocess.DEVNULL)
        wait_for(lambda: firewall.data("status")[0]["followers"], 10, "the log is read")

    def lines(self):
        return [json.loads(line) for line in self.path.read_text().splitlines() if line]

    def sums(self):
        """Returns how many events were told one by one, how many were folded, and how many were lost."""
        lines = self.lines()
        return (sum("folded" not in line and "lost" not in line for line in lines),
                sum(line.get("folded", 0) for line in lines), sum(line.get("lost", 0) for line in lines))

    def end(self):
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(60)


def drops(firewall):
    return next(one["packets"] for one in firewall.data("counters")[0]["reasons"] if one["reason"] == "no rule")


def flood(lab, *sources):
    target = CLIENT6 if ":" in sources[0] else CLIENT4
    mac = json.loads(lab.gateway.run("ip", "-j", "link", "show", "wan0", check=True).stdout)[0]["address"].replace(":", "")
    pairs = [f"{mac}:{source.replace(':', '/')}:{target.replace(':', '/')}" for source in sources]
    child = lab.server.python("eth0", RATE, SECONDS, 4000, *pairs, program="flood.py")
    assert json.loads(child.stdout.readline())["ready"]
    return json.loads(child.stdout.readline())["sent"]


def addresses(family, count):
    return [f"192.0.2.{100 + n}" if family == 4 else f"2001:db8:0:{n:x}::5" for n in range(count)]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("count", [1, 30])
def test_many_alike_are_folded_and_all_are_accounted_for(lab, firewall, tmp_path, family, count):
    sources = addresses(family, count)
    lab.gateway.run("ip", "route", "replace", "2001:db8::/32", "via", "2001:db8::10", check=True)
    reader, before = Reader(firewall, tmp_path / "log"), drops(firewall)
    sent = flood(lab, *sources)
    dropped = drops(firewall) - before
    assert dropped >= sent > RATE, "the flood arrived"
    wait_for(lambda: sum(reader.sums()) >= dropped, 10, "all are told of")
    told, folded, _ = reader.sums()
    reader.end()
    assert sum(reader.sums()) <= drops(firewall) - before, "none is told of twice"
    assert told <= count * PER_SOURCE * (SECONDS + 4), "a source has a rate"
    assert folded > sent / 2


def test_another_source_is_told_of_in_the_flood(lab, firewall, tmp_path):
    """Somebody who is dropped while another floods is in the log, with address and port."""
    reader = Reader(firewall, tmp_path / "log")
    mac = json.loads(lab.gateway.run("ip", "-j", "link", "show", "wan0", check=True).stdout)[0]["address"].replace(":", "")
    child = lab.server.python("eth0", RATE, SECONDS, 4000, f"{mac}:192.0.2.100:{CLIENT4}", program="flood.py")
    assert json.loads(child.stdout.readline())["ready"]
    single = lab.server.python("eth0", 100, 2, 4001, f"{mac}:192.0.2.99:{CLIENT4}", program="flood.py")
    single.wait(60)
    child.wait(60)
    wait_for(lambda: any(line.get("source") == "192.0.2.99" and line["destination_port"] == 4001 for line in reader.lines()), 10,
             "the other one is told of")
    reader.end()


def test_one_who_does_not_read_is_told_once_how_many_are_lost(lab, firewall, tmp_path):
    """A stopped reader: what does not fit its buffer is one number, not a line each."""
    firewall.path.write_text(POLICY + "limit log 100000, log-per-source 100000\n")
    firewall.say("reload", firewall.path)
    reader, before = Reader(firewall, tmp_path / "log"), drops(firewall)
    os.kill(reader.child.pid, signal.SIGSTOP)
    flood(lab, "192.0.2.100")
    os.kill(reader.child.pid, signal.SIGCONT)
    dropped = drops(firewall) - before
    wait_for(lambda: sum(reader.sums()) >= dropped, 15, "all are told of")
    reader.end()
    lost = [line["lost"] for line in reader.lines() if "lost" in line]
    assert sum(lost) > RATE and len(lost) <= SECONDS + 10, lost[:40]
