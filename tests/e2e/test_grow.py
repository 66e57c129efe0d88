# SPDX-License-Identifier: BSD-2-Clause
"""A reload that needs a larger table makes one under traffic: what runs through the old one goes on in the new one.

    client 10.0.0.10 --- lan0 box wan0 --- 192.0.2.10 server

Receive packet steering gives what comes by one interface of the box to one CPU, and what comes by the other to another.
"""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import hooks as raw_hooks
import pytest
from conftest import need
from lab import START_SECONDS, goes_on, uses_port, wait_for
from wires import ALL, Plain, firewall_fixture, hooks, kinds, log_of, net_fixture, put, reach, reasons

pytestmark = [pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two CPUs")]
LIMIT = "limit states 20000\n"
LARGER = "limit states 60000\n"
ROUTED = """\
zone lan { lan0 }
zone wan { wan0 }
allow from lan to wan
"""
POLICY = ROUTED + "nat from lan to wan family ipv4 masquerade\n" + LIMIT
SERVERS = ["192.0.2.10", "2001:db8::10"]
FOLLOWERS = 4  # of each server
PINS = Path("/run/keepstate/bpf")


class Steered(Plain):
    def build(self):
        super().build()
        for device, cpus in (("lan0", 1), ("wan0", 2)):
            self.box.ip_root("netns", "exec", self.box.name, "sh", "-c",
                             f"echo {cpus} >/sys/class/net/{device}/queues/rx-0/rps_cpus")


net = net_fixture(Steered)
standing = firewall_fixture("standing", POLICY)


@pytest.fixture
def firewall(standing):
    """Each test begins with a table of the usual size."""
    standing.stop()
    standing.path.write_text(POLICY)
    return standing.start()


def table_of(firewall):
    return firewall.data("status")[0]["table"]


def old_pins(firewall):
    return sorted(path.name for path in (PINS / firewall.instance() / "maps").glob("*-old"))


def generation(firewall):
    return firewall.data("status")[0]["generation"]


def reload(firewall, policy):
    """Returns what the command printed."""
    firewall.path.write_text(policy)
    return firewall.say("reload", timeout=60)


class Load:
    """TCP connections and UDP conversations of both families, new ones all the time, and an outside that tries to come in."""

    def __init__(self, net, watch):
        self.watch = watch
        watch.start(net.server, "serve", 7100)
        self.followers = [watch.start(net.client, "follow", server, 7100) for server in SERVERS for _ in range(FOLLOWERS)]
        self.streams = [watch.start(net.client, "stream", server, 7000, 500, program="echo.py") for server in SERVERS]
        self.counter = watch.start(net.client, "count", 7101)
        self.prober = watch.start(net.server, "probe", "10.0.0.10", 7101)
        time.sleep(0.5)

    def end(self):
        """Everything went on, and nothing came in."""
        time.sleep(1)
        for stream in self.streams:
            told = self.watch.end(stream)
            assert told["sent"] > 300 and told["lost"] == 0, told
        for follower in self.followers:
            facts = self.watch.end(follower)
            assert goes_on(facts, 100, late=2), facts
        assert self.watch.end(self.prober)["sent"] > 50
        assert self.watch.end(self.counter) == {"datagrams": 0, "connections": 0}


def state_of(firewall, server, port):
    found = [flow for flow in firewall.data("states") if uses_port(flow, port) and server in json.dumps(flow)]
    assert len(found) == 1, found
    return found[0]


def states_of(firewall, load):
    ends = zip((server for server in SERVERS for _ in range(FOLLOWERS)), load.followers)
    return [state_of(firewall, server, follower.facts["port"]) for server, follower in ends]


def killed_connections(net, firewall, watch):
    """Kills two that go on speaking, soon after the start; returns their server and port."""
    watch.start(net.server, "serve", 7103)  # it stops when one of them hears nothing any more
    ends = [(server, watch.start(net.client, "follow", server, 7103).facts["port"]) for server in SERVERS]
    time.sleep(0.5)
    for server, port in ends:
        firewall.say("states", "kill", "--address", server, "--port", str(port))
    return ends


def taken_up(firewall, server, port):
    """Returns true if a packet from the middle of a connection to the server would take it up."""
    client, server = ("10.0.0.10", server) if "." in server else ("[fd00::10]", f"[{server}]")
    return "TAKEN_UP" in firewall.cli("explain", f"lan {client}:{port} > wan {server}:7103 tcp ack").stdout


def test_a_larger_limit_under_load(net, firewall, watch):
    """All goes on, but nothing that was killed, in either table, though the firewall settles."""
    load = Load(net, watch)
    killed = killed_connections(net, firewall, watch)
    before = states_of(firewall, load)
    number, capacity = generation(firewall), table_of(firewall)["capacity"]
    printed = reload(firewall, POLICY.replace(LIMIT, LARGER))
    table = table_of(firewall)
    assert table["limit"] == 60000 and table["capacity"] >= 60000 > capacity
    assert "table" in printed and str(table["capacity"]) in printed, printed
    assert generation(firewall) == number + 1 and old_pins(firewall) == []
    after = states_of(firewall, load)
    for old, new in zip(before, after):
        assert new["state"] == "ESTABLISHED" and new["age"] >= old["age"], (old, new)
        assert new.get("translated") == old.get("translated"), (old, new)
    load.end()
    for server, port in killed:
        assert firewall.data("states", "--address", server, "--port", str(port)) == []
        assert not taken_up(firewall, server, port) and taken_up(firewall, server, 1024)
    assert reasons(firewall)["internal error"] == 0 and reasons(firewall)["unguarded interface"] == 0
    assert kinds(net.client, SERVERS[0]) == ALL and kinds(net.server, "10.0.0.10") == set()


def test_growing_again_and_again(net, firewall, watch):
    """Every second one translates: six tables, one after the other."""
    load = Load(net, watch)
    for factor in range(2, 8):
        reload(firewall, POLICY.replace("20000", str(20000 * factor)))
        assert table_of(firewall)["capacity"] >= 20000 * factor and old_pins(firewall) == []
    load.end()


def test_the_first_translation_needs_no_stop(net, firewall, watch):
    firewall.stop()
    firewall.path.write_text(ROUTED + LIMIT)
    firewall.start()
    assert reach(net.client, SERVERS[0])["tcp"] == "10.0.0.10"
    load = Load(net, watch)
    capacity = table_of(firewall)["capacity"]
    printed = reload(firewall, POLICY)
    assert table_of(firewall)["capacity"] >= 2 * 20000 > capacity
    assert "WARNING" not in printed and "End the daemon" not in log_of(firewall)
    assert reach(net.client, SERVERS[0])["tcp"] == "192.0.2.1"
    load.end()


def test_a_smaller_limit_keeps_the_table_and_says_so(net, firewall):
    capacity = table_of(firewall)["capacity"]
    printed = reload(firewall, POLICY.replace("20000", "10000"))
    table = table_of(firewall)
    assert table["limit"] == 10000 and table["capacity"] == capacity
    assert "table" in printed and str(capacity) in printed, printed


def test_a_follower_of_the_log_hears_on(net, firewall):
    policy = POLICY.replace("allow from lan to wan", 'allow from lan to wan log "out"')
    put(firewall, policy)
    with subprocess.Popen([firewall.program, "log", "--netns", firewall.host.name, "--json"], stdout=subprocess.PIPE,
                          text=True, stdin=subprocess.DEVNULL) as log:
        try:
            wait_for(lambda: firewall.data("status")[0]["followers"] == 1, 5, "the log is followed")
            reload(firewall, policy.replace(LIMIT, LARGER))
            assert kinds(net.client, SERVERS[0]) == ALL
            heard = json.loads(log.stdout.readline())
            assert "out" in json.dumps(heard), heard
        finally:
            log.terminate()


def test_a_daemon_that_dies_afterwards_is_taken_over_from(net, firewall, watch):
    load = Load(net, watch)
    reload(firewall, POLICY.replace(LIMIT, LARGER))
    firewall.crash()
    firewall.start()
    assert table_of(firewall)["capacity"] >= 60000
    load.end()


@need("bpftool")
def test_a_growth_that_fails_changes_nothing(net, firewall, watch):
    """The ids of maps that are pinned are the same as before, and so is what is in force."""
    maps = PINS / firewall.instance() / "maps"

    def pinned():
        dump = subprocess.run(["bpftool", "-j", "map", "show"], capture_output=True, text=True, check=True)
        known = {one["id"] for one in json.loads(dump.stdout)}
        ids = {}
        for path in sorted(maps.iterdir()):
            shown = subprocess.run(["bpftool", "-j", "map", "show", "pinned", path], capture_output=True, text=True, check=True)
            ids[path.name] = json.loads(shown.stdout)["id"]
        assert set(ids.values()) <= known
        return ids

    load = Load(net, watch)
    before = pinned()
    obstacle = maps / "ks_counts-old+"  # where the last pin of the old table is put first
    obstacle.mkdir()
    firewall.path.write_text(POLICY.replace(LIMIT, LARGER))
    refused = firewall.cli("reload", timeout=60)
    obstacle.rmdir()
    assert refused.returncode != 0 and "larger table" in refused.stderr, refused.stdout + refused.stderr
    assert pinned() == before and table_of(firewall)["limit"] == 20000
    load.end()
    reload(firewall, POLICY.replace(LIMIT, LARGER))
    assert table_of(firewall)["capacity"] >= 60000


def test_the_states_can_be_listed_all_the_time(net, firewall, watch):
    """A listing ends whole, or says that it is not."""
    load = Load(net, watch)
    listing = subprocess.Popen([sys.executable, "-c", LIST, firewall.program, firewall.host.name], stdout=subprocess.PIPE,
                               text=True)
    reload(firewall, POLICY.replace(LIMIT, LARGER))
    listing.terminate()
    told = json.loads(listing.communicate(timeout=60)[0])
    assert told["whole"] > 0 and told["wrong"] == 0, told
    load.end()


@pytest.mark.skipif(raw_hooks.tcx_reason() is not None, reason="it looks at tcx programs")
def test_an_interface_that_comes_meanwhile_does_not_wait(net, firewall):
    """The programs for the larger table take the verifier seconds."""
    firewall.path.write_text(POLICY.replace(LIMIT, LARGER))
    with subprocess.Popen([firewall.program, "reload", "--netns", firewall.host.name], stdin=subprocess.DEVNULL) as child:
        net.box.ip("link", "add", "late0", "type", "veth", "peer", "name", "late1")
        try:
            wait_for(lambda: hooks(net.box, "list", "late0")["ingress"] or child.poll() is not None, 60, "its programs")
            assert child.poll() is None, "it had to wait"
            assert child.wait(START_SECONDS) == 0
            assert hooks(net.box, "list", "late0") == hooks(net.box, "list", "lan0"), "it has the old programs"
        finally:
            net.box.ip("link", "del", "late0")
    assert old_pins(firewall) == []


# Lists the states until it is told to end; counts the listings in which a connection of the load was missing.
LIST = """
import json, signal, subprocess, sys
running, whole, wrong = True, 0, 0

def end(*_):
    global running
    running = False

signal.signal(signal.SIGTERM, end)
while running:
    done = subprocess.run([sys.argv[1], "states", "--netns", sys.argv[2], "--json"], capture_output=True, text=True)
    flows = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode == 0:
        whole += 1
        wrong += sum(flow.get("destination_port") == 7100 for flow in flows) != 8
print(json.dumps({"whole": whole, "wrong": wrong}))
"""
