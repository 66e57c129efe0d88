# SPDX-License-Identifier: BSD-2-Clause
"""Limits of rules with real connections, on two CPUs: as many as the limit says, not one more or less, whatever happens.

    client 10.0.0.10 --- lan0 box wan0 --- 192.0.2.10 server
"""
import json
import subprocess
import sys
import time

import pytest
from lab import HERE, PATIENCE, wait_for
from wires import Plain, firewall_fixture, net_fixture, reasons

LIMIT = 20
RULE = "allow from lan to wan tcp port 5400 limit {} connections per source\n"
POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
set greedy { } dynamic
deny from lan source @greedy
allow from lan to wan tcp port 5401 limit 6/minute burst 3 per source
allow from lan to wan udp port 5403 limit 1 packets/second burst 22 per flow
allow from lan to wan udp port 5404 limit 1 octets/second burst 3200 per flow
allow from lan to wan { tcp, udp } port 5405 limit 1/minute burst 7 per source/24,48
allow from lan to wan tcp port 5402 limit 6/minute burst 3 per source overload @greedy for 30s end flows
"""
PORT, RATE_PORT, OVERLOAD_PORT, PACKETS_PORT, OCTETS_PORT, BOTH_PORT = 5400, 5401, 5402, 5403, 5404, 5405


class Steered(Plain):
    """Each interface of the box has a CPU of its own for what comes by it."""

    def build(self):
        super().build()
        for device, cpus in (("lan0", 1), ("wan0", 2)):
            self.box.ip_root("netns", "exec", self.box.name, "sh", "-c",
                             f"echo {cpus} >/sys/class/net/{device}/queues/rx-0/rps_cpus")
        for port in (PORT, RATE_PORT, OVERLOAD_PORT, BOTH_PORT):
            self.server.python("serve", port, program="crowd.py")
            self.server.listening("-t", port)
        for port in (PACKETS_PORT, OCTETS_PORT):
            self.server.python("count", port, program="crowd.py")
            self.server.listening("-u", port)


class Crowd:
    def __init__(self, host, address, port=PORT):
        self.address = address
        self.child = host.start(sys.executable, HERE / "crowd.py", "come", address, port, stdin=subprocess.PIPE)

    def say(self, text):
        self.child.stdin.write(text + "\n")
        self.child.stdin.flush()
        return self.child.stdout.readline().strip()

    def open(self, number):
        return int(self.say(f"open {number}"))

    def end(self):
        self.child.stdin.close()
        self.child.wait(PATIENCE)


net = net_fixture(Steered)
firewall = firewall_fixture("firewall", POLICY + RULE.format(LIMIT))


@pytest.fixture
def crowd(net, firewall, request):
    made = Crowd(net.client, request.param)
    yield made
    made.end()
    firewall.cli("states", "kill", "--all")


def over(firewall):
    return reasons(firewall)["over limit of connections"]


def explain(firewall, crowd):
    client = "[fd00::10]" if ":" in crowd.address else "10.0.0.10"
    server = f"[{crowd.address}]" if ":" in crowd.address else crowd.address
    return firewall.cli("explain", f"lan {client}:999 > wan {server}:{PORT} tcp syn").stdout


SERVER = pytest.mark.parametrize("crowd", ["192.0.2.10", "2001:db8::10"], ids=["ipv4", "ipv6"], indirect=True)


@SERVER
def test_as_many_as_the_limit_says(net, firewall, crowd):
    before = over(firewall)
    assert crowd.open(3 * LIMIT) == LIMIT
    assert over(firewall) - before >= 2 * LIMIT
    assert crowd.open(10) == 0
    assert f"{LIMIT} connections per source: {LIMIT} of {LIMIT} are spent" in explain(firewall, crowd)
    mine = [one for one in firewall.data("states", "--limits") if one["spent"]]
    assert [one["spent"] for one in mine] == [LIMIT] and mine[0]["exceeded"] >= 2 * LIMIT
    crowd.say("close 5")
    wait_for(lambda: f"{LIMIT} connections per source: {LIMIT - 5} of {LIMIT} are spent" in explain(firewall, crowd), 5,
             "the other side has closed, too")
    assert crowd.open(15) == 5
    crowd.say("reset 7")
    assert crowd.open(15) == 7
    tallies_full(net, firewall, crowd)


@SERVER
def test_an_end_that_the_server_does_not_see(firewall, crowd):
    """Resets whose hop limit ends at the box give nothing back: the server has these connections still."""
    assert crowd.open(LIMIT) == LIMIT
    crowd.say("hide 7")
    assert crowd.open(10) == 0
    crowd.say("reset 3")
    assert crowd.open(10) == 3
    states = [one["state"] for one in firewall.data("states") if one["state"] != "TIME_WAIT"]
    assert states.count("ESTABLISHED") == LIMIT, states


def tallies_full(net, firewall, crowd):
    """Both counts are of connections and stay: `explain` says what becomes of whoever needs another one."""
    firewall.path.write_text("limit tallies 2\n" + POLICY + RULE.format(LIMIT))
    firewall.say("reload")
    client = "[fd00::10]" if ":" in crowd.address else "10.0.0.10"
    server = f"[{crowd.address}]" if ":" in crowd.address else crowd.address
    words = f"lan {client}:999 > wan {server}:{BOTH_PORT} udp"
    wait_for(lambda: "tallies full" in firewall.cli("explain", words).stdout, 30, "the last idle count's end")
    before = reasons(firewall).get("tallies full", 0)
    net.client.run(sys.executable, HERE / "crowd.py", "datagrams", crowd.address, BOTH_PORT, 1, check=True)
    assert reasons(firewall)["tallies full"] == before + 1
    firewall.path.write_text(POLICY + RULE.format(LIMIT))
    firewall.say("reload")
    assert "tallies full" not in firewall.cli("explain", words).stdout


@pytest.mark.parametrize("server, source", [("192.0.2.10", "10.0.0.0/24"), ("2001:db8::10", "fd00::/48")], ids=["ipv4", "ipv6"])
def test_two_counts_of_one_source(net, firewall, server, source):
    """With handshakes and without: `states --limits` tells them apart, and whose networks they are."""
    crowd = Crowd(net.client, server, BOTH_PORT)
    assert crowd.open(2) == 2
    net.client.run(sys.executable, HERE / "crowd.py", "datagrams", server, BOTH_PORT, 3, check=True)
    counts = {one["handshake"]: one["spent"] for one in firewall.data("states", "--limits") if one["of"] == source}
    assert counts == {True: 2, False: 3}
    lines = [line.split() for line in firewall.say("states", "--limits").splitlines() if source in line]
    assert sorted(line[line.index(source) + 1:][:2] for line in lines) == [["with", "2"], ["without", "3"]], lines
    crowd.end()
    firewall.cli("states", "kill", "--all")


@SERVER
def test_over_a_reload_a_crash_and_a_kill(firewall, crowd):
    assert crowd.open(LIMIT + 10) == LIMIT
    firewall.path.write_text(POLICY + RULE.format(LIMIT - 5))
    firewall.say("reload")
    assert crowd.open(5) == 0, "a lowered limit"
    crowd.say("close 8")
    assert crowd.open(15) == 3
    firewall.path.write_text(POLICY + RULE.format(LIMIT))
    firewall.say("reload")
    assert crowd.open(15) == 5
    firewall.crash()
    crowd.say("reset 4")  # given back by the programs alone
    firewall.start()
    assert crowd.open(15) == 4
    firewall.say("states", "kill", "--all")
    assert crowd.open(LIMIT + 5) == LIMIT, "what the administrator ends is given back"


@SERVER
def test_in_a_larger_table_and_from_a_file(firewall, crowd):
    """Counts go over to a table that grew. Saved ones are counted when they are taken back, and no limit refuses them."""
    assert crowd.open(LIMIT - 2) == LIMIT - 2
    policy = firewall.path.read_text()
    firewall.path.write_text("limit states 600000\n" + policy)
    firewall.say("reload", timeout=60)
    assert crowd.open(10) == 2
    crowd.say("close 3")
    assert crowd.open(10) == 3
    firewall.say("stop", "--save", timeout=60)
    firewall.child.wait(PATIENCE)
    firewall.path.write_text(policy)
    firewall.start()
    assert crowd.open(3) == 0
    assert crowd.say("talk all") == str(LIMIT)
    assert crowd.open(3) == 0
    crowd.say("reset 4")
    assert crowd.open(10) == 4


@SERVER
def test_many_rounds(firewall, crowd):
    """Connections begin and end on two CPUs, and none is lost or counted twice in the end."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        assert crowd.open(LIMIT) == LIMIT
        crowd.say(f"reset {LIMIT // 2}")
        crowd.say(f"close {LIMIT // 2}")
    assert crowd.open(LIMIT + 3) == LIMIT


def test_a_rate(net, firewall):
    crowd = Crowd(net.client, "192.0.2.10", RATE_PORT)
    assert crowd.open(10) == 3
    wait_for(lambda: crowd.open(1) == 1, 30, "a place after a sixth of a minute")
    crowd.end()
    assert reasons(firewall)["over limit of new flows"] > 0


@pytest.mark.parametrize("server, source", [("192.0.2.10", "10.0.0.10"), ("2001:db8::10", "fd00::/64")], ids=["ipv4", "ipv6"])
def test_overload(net, firewall, server, source):
    """A client that exceeds comes into the set and loses what it has, over a reload, too, and comes back after the time."""
    before = reasons(firewall).get("over limit of new flows", 0)
    other = Crowd(net.client, server)
    greedy = Crowd(net.client, server, OVERLOAD_PORT)
    assert other.open(2) == 2 and greedy.open(1) == 1
    assert firewall.cli("set", "list", "greedy", "--plain").stdout == ""
    explained = firewall.cli("explain", f"lan 10.0.0.10:999 > wan 192.0.2.10:{OVERLOAD_PORT} tcp syn").stdout
    assert "comes into @greedy for 30s, and its flows end" in explained
    assert greedy.open(10) <= 2, "those that exceed are not answered, and end the others"
    listed = firewall.cli("set", "list", "greedy").stdout
    assert source in listed and "by a limit" in listed
    assert reasons(firewall)["over limit of new flows"] > before
    wait_for(lambda: str(PORT) not in json.dumps(firewall.data("states")), 20, "the flows of the other rule to be ended")
    firewall.say("reload")
    assert other.open(1) == 0
    wait_for(lambda: other.open(1) == 1, 90, "a place after half a minute")
    other.end()
    greedy.end()
    firewall.cli("states", "kill", "--all")


@pytest.mark.parametrize("port", [PACKETS_PORT, OCTETS_PORT], ids=["packets", "octets"])
def test_packets_that_the_kernel_carries_as_one(net, firewall, port):
    """They count as many as they are, each with its header (three with one would fit the burst), in both directions."""
    done = net.client.run(sys.executable, HERE / "crowd.py", "segments", "192.0.2.10", port, check=True)
    assert done.stdout.split() == ["20", "20"]
