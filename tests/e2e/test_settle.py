# SPDX-License-Identifier: BSD-2-Clause
"""A start under traffic: connections that are under way go on if the rules allow them, and nothing else is let in."""
import json
import os
import shutil
import subprocess
import time

import pytest
from lab import CLIENT4, CLIENT6, LAN4, LAN6, SERVER4, SERVER6, WAN4, WAN6, end_process, uses_port, wait_for

RULES = """\
zone lan { lan0 }
zone wan { wan0 }
forward from wan to self tcp port 8443 to lan 10.0.0.10 port 5701
allow from lan to wan
allow from { wan, lan } to self tcp port 5702
allow from self to { lan, wan }
allow from wan to lan tcp port 5703
"""
TRANSLATING = RULES + "nat from lan to wan masquerade\n"

# As an administrator's script would have it: ports that only conntrack knows.
MASQUERADE = """\
table ip kst {
  chain out { type nat hook postrouting priority srcnat; oifname "wan0" ip saddr 10.0.0.0/24 masquerade fully-random; }
  chain in { type nat hook prerouting priority dstnat; iifname "wan0" tcp dport 8443 dnat to 10.0.0.10:5701; }
}
"""


class Held:
    """Connections of one kind that are held from one host."""

    def __init__(self, host, address, port, count, manner="talking"):
        self.child = host.python("hold", address, port, count, manner, program="underway.py")
        self.kind = f"{host.name.rsplit('-')[-1]} to {address} port {port}"
        first = self.child.stdout.readline()
        assert first == "holding\n", self.kind + ": " + first + self.child.stdout.read()

    def outcome(self):
        """Ends them; returns what became of them."""
        return ended(self.child)


def ended(child):
    """Ends one of our programs; returns what it told."""
    child.terminate()
    text = child.stdout.read()
    child.wait()
    return json.loads(text)


def started(host, *words, **options):
    """Starts one of our programs and waits until it says that it is ready."""
    child = host.python(*words, program="underway.py", **options)
    assert child.stdout.readline().strip() in ("serving", "sniffing", "heard")
    return child


SPEAKING = ("established", "fin-wait-1", "close-wait", "last-ack", "closing")


def wait_for_silence(lab):
    """Until no connection of an earlier test has anything left to repeat: a start would take that up."""
    states = [word for state in SPEAKING for word in ("state", state)]
    wait_for(lambda: not any(host.run("ss", "-Htn", *states).stdout for host in lab.hosts), 60, "an end of the last test's connections")


@pytest.fixture
def servers(lab):
    """Echo on the ports of these tests, on every host."""
    wait_for_silence(lab)
    children = [started(host, "serve", *range(5700, 5704)) for host in lab.hosts]
    yield
    for child in children:
        end_process(child)


@pytest.fixture
def nft(lab):
    """Rules of nftables on the gateway, until they are flushed."""
    if not shutil.which("nft") or not shutil.which("conntrack"):
        pytest.skip("not installed: nft, conntrack")
    gateway = lab.gateway

    class Rules:
        @staticmethod
        def load(text):
            path = lab.directory / "rules.nft"
            path.write_text(text)
            done = gateway.run("nft", "-f", path)
            if done.returncode:
                pytest.skip("no nftables NAT here: " + done.stderr.strip().splitlines()[0])

        @staticmethod
        def flush(what="ruleset"):
            gateway.run("nft", "flush", *what.split(), check=True)

    yield Rules
    Rules.flush()
    gateway.run("conntrack", "-F")


@pytest.fixture
def two_cpus(lab):
    """The gateway's packets are handled on both processors, so that two of them may take up one connection at once."""
    if (os.cpu_count() or 1) < 2:
        pytest.skip("needs two processors")

    def spread(cpus):
        for device in ("lan0", "wan0"):
            lab.gateway.ip_root("netns", "exec", lab.gateway.name, "sh", "-c",
                                f"echo {cpus} >/sys/class/net/{device}/queues/rx-0/rps_cpus")

    spread(3)
    yield
    spread(0)


def settling(firewall):
    return firewall.data("status")[0]["settling"]


def expect_all(all_held):
    """Ends them all. Every one of them must still be answered."""
    outcomes = {held.kind: held.outcome() for held in all_held}
    assert all(each["alive"] == each["held"] for each in outcomes.values()), json.dumps(outcomes, indent=1)


def hold_all(lab, each):
    """Connections in every direction, through the gateway and of the gateway."""
    return [Held(lab.client, SERVER4, 5700, each), Held(lab.server, WAN4, 5702, each),
            Held(lab.client, LAN4, 5702, each), Held(lab.gateway, SERVER4, 5700, each),
            Held(lab.client, SERVER6, 5700, each), Held(lab.server, WAN6, 5702, each),
            Held(lab.client, LAN6, 5702, each), Held(lab.gateway, SERVER6, 5700, each)]


def test_inventions_from_outside_pass_nowhere(lab, servers, make_firewall):
    """Segments from all kinds of ports: nobody hears one. First of all tests: what others have cut speaks on for a while."""
    firewall = make_firewall(RULES)
    inside = started(lab.client, "sniff", "eth0", SERVER4, 22, 80, 443, 5701, 5703, 40000)
    lab.server.python("invent", CLIENT4, 600, 22, 80, 443, 5701, 40000, program="underway.py").wait()
    lab.server.python("invent", WAN4, 600, 22, 80, 5703, 40000, program="underway.py").wait()
    seen = ended(inside)
    assert seen["count"] == 0, seen
    assert settling(firewall)["middle"] == 0
    assert [state for state in firewall.data("states") if SERVER4 in str(state)] == []


@pytest.mark.parametrize("what", ["ruleset", "table ip kst"])
def test_masqueraded_by_nftables_goes_on(lab, servers, nft, make_firewall, what):
    """150 connections, some of them translated by netfilter, outlive `keepstate run; nft flush`. With its chains gone netfilter
    translates nothing any more; with them it would go on with the connections that it knows, beside us."""
    nft.load(MASQUERADE)
    all_held = [*hold_all(lab, 17), Held(lab.server, WAN4, 8443, 17)]
    firewall = make_firewall(TRANSLATING)
    nft.flush(what)
    told = settling(firewall)
    assert 60 < told["left"] <= 120 and told["seconds"] == 120, told
    assert told["conntrack"] >= 85 and told["sockets"] >= 51, told
    assert "taken up: " in firewall.say("status")
    left = [line for line in lab.gateway.run("conntrack", "-L").stdout.splitlines() if "dport=8443" in line]
    assert not left, left
    expect_all(all_held)


def test_nobody_tracked_them(lab, servers, make_firewall, two_cpus):
    """Without netfilter: the box's own by its sockets, the others in their middle, on two processors."""
    all_held = [*hold_all(lab, 18), Held(lab.server, CLIENT4, 5703, 6)]
    firewall = make_firewall(RULES)
    assert settling(firewall)["sockets"] >= 6 * 18
    expect_all(all_held)
    told = settling(firewall)
    assert told["middle"] >= 2 * 18 + 6 and told["denied"] == 0, told


def test_after_a_stop_translated_ones_keep_their_ports(lab, servers, make_firewall):
    """Nothing is known of the connections that an earlier Keepstate masqueraded, but that they kept their ports."""
    first = make_firewall(TRANSLATING)
    all_held = [Held(lab.client, SERVER4, 5700, 20, "silent"), Held(lab.server, WAN4, 8443, 20, "silent")]
    first.stop()
    firewall = make_firewall(TRANSLATING)
    expect_all(all_held)
    assert settling(firewall)["middle"] >= 40


def test_what_the_rules_do_not_allow_ends(lab, servers, make_firewall):
    """Also the box's own: a socket is evidence that there is a connection, not that it may be."""
    held = [Held(lab.server, CLIENT4, 5700, 2, "silent"), Held(lab.server, WAN4, 5703, 2, "silent"),
            Held(lab.client, SERVER4, 5700, 2, "silent")]
    firewall = make_firewall("zone lan { lan0 }\nzone wan { wan0 }\nallow from self to lan\n")
    assert settling(firewall)["denied"] >= 2
    for child in [each.child for each in held]:
        child.terminate()
    time.sleep(2)
    states = [state for state in firewall.data("states") if state["proto"] == "tcp"]
    assert states == [], states
    for each in held:
        end_process(each.child)


@pytest.mark.parametrize("option, wait", [("off", 0), ("1s", 3)])
def test_off_and_over(lab, servers, make_firewall, option, wait):
    """Without settling, and when its time is over, a connection from before is nobody's."""
    held = Held(lab.client, SERVER4, 5700, 2, "silent")
    firewall = make_firewall(RULES + f"option settle {option}\n")
    time.sleep(wait)
    held.child.terminate()
    wait_for(lambda: firewall.data("counters")[0], what="counters")
    time.sleep(2)
    assert [state for state in firewall.data("states") if uses_port(state, 5700)] == []
    end_process(held.child)
    told = settling(firewall)
    assert told is None if option == "off" else told["left"] == 0 and told["middle"] == 0, told


def test_inventions_that_netfilter_tracks_pass_nowhere(lab, nft, make_firewall):
    """Nobody inside has answered them: they are entries of netfilter's table, and no evidence."""
    nft.load(MASQUERADE)
    lab.client.ip("route", "add", "blackhole", f"{SERVER4}/32")
    try:
        lab.server.python("invent", CLIENT4, 60, 1799, program="underway.py").wait()
        firewall = make_firewall(TRANSLATING)
        inside = started(lab.client, "sniff", "eth0", SERVER4, 1799)
        lab.server.python("invent", CLIENT4, 60, 1799, program="underway.py").wait()
        assert ended(inside)["count"] == 0
        assert [state for state in firewall.data("states") if uses_port(state, 1799)] == []
    finally:
        lab.client.ip("route", "del", "blackhole", f"{SERVER4}/32")


def test_inventions_fill_no_table(lab, make_firewall):
    """From inside, where they may open: what nobody answers is half-open, bounded, and makes room."""
    firewall = make_firewall(RULES + "limit states 256\nlimit half-open 64, challenge off\n")
    lab.client.ip("route", "add", "blackhole", "203.0.113.0/24")
    try:
        lab.client.ip("route", "replace", "203.0.113.0/24", "via", LAN4)
        lab.server.ip("route", "add", "blackhole", "203.0.113.0/24")
        lab.gateway.ip("route", "add", "203.0.113.0/24", "via", SERVER4)
        lab.client.python("invent", "203.0.113.7", 4000, 80, program="underway.py").wait()
        table = firewall.data("status")[0]["table"]
        assert 0 < table["half_open"] <= 65 and table["flows"] < 160, table
        assert not [state for state in firewall.data("states") if state["assured"] and "203.0.113.7" in str(state)]
        assert lab.client.fetch(f"http://{SERVER4}/").returncode == 0, "there is no room for a connection that somebody wants"
    finally:
        for host in lab.hosts:
            host.run("ip", "route", "del", "203.0.113.0/24")


def test_answer_to_a_connected_socket(lab, make_firewall):
    """UDP: the box asked before the start, and the answer comes after it."""
    answering = lab.server.python("answer", 5704, program="underway.py", stdin=subprocess.PIPE)
    wait_for(lambda: lab.server.run("ss", "-Hlnu", "sport = :5704").stdout.strip(), what="the answering side")
    asking = started(lab.gateway, "hear", SERVER4, 5704)
    make_firewall("zone lan { lan0 }\nzone wan { wan0 }\nallow from self to wan\n")
    answering.stdin.write("one more\n")
    answering.stdin.flush()
    assert ended(asking)["answers"] == 1
    end_process(answering)


@pytest.mark.parametrize("what", ["ruleset", "table ip kst"])
def test_datagrams_through_nftables_go_on(lab, nft, make_firewall, what):
    """UDP that netfilter masqueraded from a port of its choice: the far side speaks first after the start."""
    nft.load(MASQUERADE)
    answering = lab.server.python("answer", 5705, program="underway.py", stdin=subprocess.PIPE)
    wait_for(lambda: lab.server.run("ss", "-Hlnu", "sport = :5705").stdout.strip(), what="the answering side")
    asking = started(lab.client, "hear", SERVER4, 5705)
    make_firewall(TRANSLATING)
    nft.flush(what)
    answering.stdin.write("one more\n")
    answering.stdin.flush()
    assert ended(asking)["answers"] == 1
    end_process(answering)


def test_addresses_of_one_link(lab, servers, make_firewall):
    """A login by a link-local address: its socket knows the interface, so the flow has the right zone."""
    text = lab.gateway.run("ip", "-6", "-o", "addr", "show", "dev", "wan0", "scope", "link").stdout
    address = text.split()[3].split("/")[0]
    held = Held(lab.server, address + "%eth0", 5702, 2, "silent")
    firewall = make_firewall(RULES)
    mine = [state for state in firewall.data("states") if address in str(state)]
    assert len(mine) == 2 and {state["from"] for state in mine} == {"wan"}, mine
    assert settling(firewall)["sockets"] >= 2
    expect_all([held])


def test_a_host_that_does_not_forward(lab, servers, nft, make_firewall):
    """A plain host: netfilter tracks its own connections, and no route lookup of a router finds a way."""
    nft.load("table inet kst {\n  chain in { type filter hook input priority 0; ct state established accept; }\n}\n")
    lab.gateway.write("/proc/sys/net/ipv4/ip_forward", 0)
    lab.gateway.write("/proc/sys/net/ipv6/conf/all/forwarding", 0)
    try:
        all_held = [Held(lab.server, WAN4, 5702, 4), Held(lab.gateway, SERVER4, 5700, 4), Held(lab.client, LAN6, 5702, 4),
                    Held(lab.gateway, SERVER6, 5700, 4)]
        firewall = make_firewall("zone lan { lan0 }\nzone wan { wan0 }\noption settle 1s\n"
                                 "allow from { wan, lan } to self tcp port 5702\nallow from self\n")
        told = settling(firewall)
        assert told["conntrack"] == 16 and told["denied"] == 0, told
        states = [state for state in firewall.data("states") if uses_port(state, 5702) and state["proto"] == "tcp"]
        assert len(states) == 8 and {state["to"] for state in states} == {"self"}, states
        expect_all(all_held)
    finally:
        lab.gateway.write("/proc/sys/net/ipv4/ip_forward", 1)
        lab.gateway.write("/proc/sys/net/ipv6/conf/all/forwarding", 1)


def test_a_crash_does_not_end_it(lab, servers, make_firewall):
    """The next daemon settles for as long as the first one would have, and no longer."""
    held = Held(lab.client, LAN4, 5702, 3, "silent")
    late = Held(lab.client, SERVER6, 5700, 3, "silent")
    firewall = make_firewall(RULES)
    before = settling(firewall)
    firewall.crash()
    time.sleep(2)
    firewall.start()
    after = settling(firewall)
    assert 0 < after["left"] < before["left"] - 1 and after["sockets"] == before["sockets"] >= 3, (before, after)
    expect_all([held, late])
    assert settling(firewall)["middle"] >= 3


def test_explain_says_what_happens(lab, servers, make_firewall):
    """While the firewall settles, `explain` and packets agree."""
    firewall = make_firewall(RULES)
    words = "lan 10.0.0.10:40000 > wan 192.0.2.10:5700 tcp ack"
    assert "TAKEN_UP" in firewall.say("explain", words)
    assert firewall.cli("explain", "wan 192.0.2.10:5700 > lan 10.0.0.10:40000 tcp ack").returncode == 1
    held = Held(lab.client, SERVER4, 5700, 1)
    assert held.outcome()["alive"] == 1
    firewall.path.write_text(RULES + "option settle off\n")
    firewall.say("reload")
    assert firewall.cli("explain", words).returncode == 1, "a reload can end the time"


def test_a_kill_outlives_the_daemon_and_a_reload(lab, make_firewall, two_cpus, watch):
    """A connection that goes on speaking is not taken up, and explain says why; a new one is let in."""
    firewall = make_firewall(RULES)
    watch.start(lab.server, "serve", 5790)
    port = watch.start(lab.client, "follow", SERVER6, 5790).facts["port"]
    wait_for(lambda: [state for state in firewall.data("states") if uses_port(state, port)], what="its state")
    firewall.say("states", "kill", "--port", str(port))
    firewall.crash()
    firewall.start()
    firewall.say("reload")
    time.sleep(1)
    assert [state for state in firewall.data("states") if uses_port(state, port)] == []
    words = f"lan [{CLIENT6}]:{port} > wan [{SERVER6}]:5790 tcp"
    middle = firewall.cli("explain", words + " ack").stdout
    assert "was ended not long ago" in middle and "Closest" not in middle, middle
    assert "=> allow" in firewall.cli("explain", words + " syn").stdout
