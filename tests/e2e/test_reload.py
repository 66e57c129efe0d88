# SPDX-License-Identifier: BSD-2-Clause
"""Reloading under traffic: every packet is judged by the old policy or the new one, and states stay."""
import os
import time

from conftest import POLICY
from lab import CLIENT4, KEEPSTATE, PATIENCE, SERVER4, SERVER6, START_SECONDS, end_process, goes_on, pings_lost, wait_for

PORT = 5500


def test_a_hundred_reloads_under_traffic(lab, firewall, watch):
    """Two policies in turns, both of which allow the client out and nobody in."""
    other = POLICY.replace("zone wan", "set few { 198.51.100.0/24 }\nzone wan").replace(
        "allow from lan to wan", "deny from wan source @few\nallow from lan to wan")
    watch.start(lab.server, "serve", PORT)
    followers = [watch.start(lab.client, "follow", address, PORT) for address in (SERVER4, SERVER6)]
    counter = watch.start(lab.client, "count", 5501)
    prober = watch.start(lab.server, "probe", CLIENT4, 5501)
    pinger = lab.client.start("ping", "-q", "-i", "0.005", "-w", "300", SERVER4)

    for turn in range(100):
        firewall.path.write_text(other if turn % 2 == 0 else POLICY)
        firewall.say("reload")
        if turn % 20 == 0:  # connections that open meanwhile
            assert lab.client.fetch(f"http://{SERVER4}/").returncode == 0
    time.sleep(0.2)

    pinger.send_signal(2)
    out = pinger.communicate(timeout=PATIENCE)[0]
    assert pings_lost(out) == 0, out
    for follower in followers:
        facts = watch.end(follower)
        assert goes_on(facts, 100), facts
    assert watch.end(prober)["sent"] > 100
    assert watch.end(counter) == {"datagrams": 0, "connections": 0}


def test_rule_counters_follow_their_text(lab, firewall):
    """A rule keeps its count when rules are put before it."""
    assert lab.client.ping(SERVER4) == 3
    before = rule_matches(firewall, "allow from lan to wan")
    assert before >= 1
    firewall.path.write_text(POLICY.replace("reject from", "deny from wan source 203.0.113.0/24\nreject from", 1))
    firewall.say("reload")
    assert rule_matches(firewall, "allow from lan to wan") >= before


def rule_matches(firewall, text):
    return next(rule["matches"] for rule in firewall.data("counters")[0]["rules"] if text in rule["text"])


def test_a_new_policy_is_in_force_at_once(lab, firewall):
    firewall.path.write_text(POLICY.replace("allow from lan to wan", "deny from lan to wan"))
    firewall.say("reload")
    assert lab.client.fetch(f"http://{SERVER4}/", seconds=1).returncode == 28
    firewall.path.write_text(POLICY)
    firewall.say("reload")
    assert lab.client.fetch(f"http://{SERVER4}/").returncode == 0


def test_a_broken_policy_changes_nothing_and_says_where(lab, firewall, watch):
    watch.start(lab.server, "serve", PORT)
    follower = watch.start(lab.client, "follow", SERVER4, PORT)
    firewall.path.write_text(POLICY + "allow from lan to nowhere\n")
    done = firewall.cli("reload")
    assert done.returncode != 0
    line = POLICY.count("\n") + 1
    assert f"policy.conf:{line}:" in done.stdout + done.stderr, done.stdout + done.stderr
    assert "nowhere" in done.stdout + done.stderr
    assert lab.client.ping(SERVER4) == 3
    assert lab.server.ping(CLIENT4) == 0
    assert watch.end(follower)["error"] is None


def test_a_policy_whose_test_fails_is_refused(lab, firewall):
    firewall.path.write_text(POLICY + """
test "this cannot be" {
  wan 192.0.2.10:1 > lan 10.0.0.10:80 tcp syn  => allow
}
""")
    done = firewall.cli("reload")
    assert done.returncode != 0
    assert "this cannot be" in done.stdout + done.stderr
    assert lab.server.ping(CLIENT4) == 0


def test_a_policy_that_refutes_its_assertion_is_refused(lab, firewall):
    firewall.path.write_text(POLICY + """
test "nobody comes in" {
  never wan > lan udp
}
""")
    assert firewall.cli("reload").returncode == 0
    firewall.path.write_text(POLICY + """allow from wan to lan udp port 53
test "nobody comes in" {
  never wan > lan udp
}
""")
    done = firewall.cli("reload")
    told = done.stdout + done.stderr
    assert done.returncode != 0 and "nobody comes in" in told and "from wan to lan udp port 53" in told, told


def pipe_with_reader(path):
    """The pipe to write into, None while nobody reads it."""
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_NONBLOCK), "w")
    except OSError:
        return None


def test_others_are_answered_while_a_policy_loads(lab, firewall):
    """A policy that comes slowly, out of a pipe: meanwhile the daemon answers, and another reload waits for its turn."""
    slow = firewall.path.with_name("slow.conf")
    os.mkfifo(slow)
    before = firewall.data("status")[0]["generation"]
    reload = [KEEPSTATE, "reload", "--netns", firewall.host.name]
    children = [lab.client.start(*reload, slow)]
    try:
        with wait_for(lambda: pipe_with_reader(slow), 30, "the daemon reads the pipe") as pipe:
            children.append(lab.client.start(*reload, firewall.path))
            for _ in range(3):
                assert firewall.data("status")[0]["generation"] == before
            pipe.write("zone lan { lan0 }\nzone wan { wan0 }\nallow from self\n")
        for child in children:
            assert child.wait(START_SECONDS) == 0, child.communicate()[0]
        assert firewall.data("status")[0]["generation"] == before + 2
        assert lab.client.ping(SERVER4) == 3  # the second one is in force
    finally:
        for child in children:
            end_process(child)


def test_gateway_itself_is_held_to_the_policy(lab, firewall):
    """Without a rule for self, the gateway may not open anything either."""
    assert lab.gateway.fetch(f"http://{SERVER4}/").returncode == 0
    firewall.path.write_text("zone lan { lan0 }\nzone wan { wan0 }\nallow from lan to wan\n")
    firewall.say("reload")
    assert lab.gateway.fetch(f"http://{SERVER4}/", seconds=1).returncode != 0
    assert lab.client.fetch(f"http://{SERVER4}/").returncode == 0


def test_a_flow_goes_on_when_its_zone_comes_back(lab, firewall, watch):
    """As tests/cases/reload-zones.ks: a policy between lacks the zone and has another new one."""
    allow = "allow from lan to wan\n"
    firewall.path.write_text("zone lan { lan0 }\nzone wan { wan0 }\nzone opt { opt0 }\n" + allow)
    firewall.say("reload")
    watch.start(lab.server, "serve", PORT)
    follower = watch.start(lab.client, "follow", SERVER4, PORT)
    firewall.path.write_text("zone wan { wan0 }\nzone foo { foo0 }\n")
    firewall.say("reload")
    assert lab.client.ping(SERVER4, "-W", "1", count=1) == 0
    firewall.path.write_text("zone opt { opt0 }\nzone lan { lan0 }\nzone wan { wan0 }\n" + allow)
    firewall.say("reload")
    before = packets_of(firewall, follower)
    wait_for(lambda: packets_of(firewall, follower) > before + 100, 10, "the flow goes on")
    assert watch.end(follower)["error"] is None


def packets_of(firewall, follower):
    """How many packets the follower's flow has had, in both directions."""
    return next(sum(state["packets"]) for state in firewall.data("states")
                if state.get("source_port") == follower.facts["port"])
