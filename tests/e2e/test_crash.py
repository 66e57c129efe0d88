# SPDX-License-Identifier: BSD-2-Clause
"""The daemon dies: filtering and expiry go on, nothing is lost, and the next one takes over what it finds."""
import signal
import subprocess
import time

import pytest
from conftest import POLICY
from lab import CLIENT4, CLIENT6, SERVER4, SERVER6, Firewall, goes_on, uses_port

PORT = 5400


def flow_with_port(firewall, port):
    return [flow for flow in firewall.data("states") if uses_port(flow, port)]


@pytest.mark.parametrize("server, client", [(SERVER4, CLIENT4), (SERVER6, CLIENT6)], ids=["ipv4", "ipv6"])
def test_kill_9_under_traffic(lab, firewall, watch, server, client):
    watch.start(lab.server, "serve", PORT)
    follower = watch.start(lab.client, "follow", server, PORT)
    counter = watch.start(lab.client, "count", 5401)
    prober = watch.start(lab.server, "probe", client, 5401)
    # So many, and not so long: at the end of a time a question that is under way counts as lost.
    pinger = lab.client.start("ping", "-q", "-i", "0.01", "-c", "450", "-W", "2", server)
    time.sleep(0.5)

    firewall.crash()
    assert firewall.filters() != "", "the programs are gone with the daemon"
    time.sleep(1)
    # A new connection opens and one from outside does not, without the daemon.
    assert lab.client.fetch(f"http://[{server}]/" if ":" in server else f"http://{server}/").returncode == 0
    assert lab.server.ping(client) == 0

    firewall.start()
    time.sleep(1)
    out = pinger.communicate(timeout=60)[0]
    assert ", 0% packet loss" in out, out
    facts = watch.end(follower)
    assert goes_on(facts, 500), facts
    assert watch.end(prober)["sent"] > 200
    assert watch.end(counter) == {"datagrams": 0, "connections": 0}


def test_restart_takes_over_states_and_counters(lab, firewall, watch):
    watch.start(lab.server, "serve", PORT)
    follower = watch.start(lab.client, "follow", SERVER4, PORT)
    port = follower.facts["port"]
    assert lab.server.ping(CLIENT4) == 0
    before = flow_with_port(firewall, port)
    assert len(before) == 1, before
    denied = reason_packets(firewall, "no rule")
    assert denied >= 3

    firewall.crash()
    firewall.start()
    after = flow_with_port(firewall, port)
    assert len(after) == 1, "the connection was forgotten"
    assert reason_packets(firewall, "no rule") >= denied, "the counters began anew"
    assert watch.end(follower)["error"] is None


def test_expiry_goes_on_without_the_daemon(lab, firewall):
    firewall.path.write_text(POLICY + "timeout udp.single 2s, udp.stream 2s\n")
    firewall.say("reload")
    firewall.say("states", "kill", "--all")
    assert lab.client.resolve(SERVER4).stdout.strip() == SERVER4
    created = table(firewall)["flows"]
    assert created >= 1
    firewall.crash()
    time.sleep(10)  # two until it is dead, and at most a round of the sweeper, which takes 6.4
    firewall.start()
    assert not [flow for flow in firewall.data("states") if "udp" in str(flow)]
    # Not only unseen: the sweeper freed its slot without the daemon.
    assert table(firewall)["flows"] < created


def test_a_changed_policy_counts_after_a_crash(lab, firewall):
    """A policy that is edited while the daemon is dead is in force after the restart, and the states are kept."""
    firewall.crash()
    firewall.path.write_text(POLICY.replace("reject from lan to wan tcp port 25", "deny from lan to wan tcp port 80"))
    assert lab.client.fetch(f"http://{SERVER4}/").returncode == 0, "the old policy is in force until the restart"
    firewall.start()
    assert lab.client.fetch(f"http://{SERVER4}/", seconds=1).returncode == 28


def test_second_instance_refuses_and_says_who(lab, firewall, tmp_path):
    second = Firewall(lab.gateway, POLICY, tmp_path)
    second.log_path = tmp_path / "second.log"
    second.start(wait=False)
    assert second.child.wait(60) != 0
    text = second.log_path.read_text()
    assert str(firewall.child.pid) in text, f"it does not say who is there: {text}"
    assert firewall.answers()
    assert lab.client.ping(SERVER4) == 3
    assert lab.server.ping(CLIENT4) == 0


def test_the_daemon_dies_while_it_is_to_stop(lab, firewall):
    """Nobody waits for it: what it left is removed."""
    firewall.child.send_signal(signal.SIGSTOP)
    stop = subprocess.Popen([firewall.program, "stop", "--netns", firewall.host.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)
    time.sleep(1)
    firewall.crash()
    out = stop.communicate(timeout=60)[0]
    assert stop.returncode == 0 and "the daemon was dead; what it left is removed" in out, out
    assert firewall.filters() == "" and lab.server.ping(CLIENT4) == 3


def reason_packets(firewall, name):
    """Packets that were counted for a reason."""
    return next(entry["packets"] for entry in firewall.data("counters")[0]["reasons"] if entry["reason"] == name)


def table(firewall):
    """The part of `status` that tells of the state table."""
    return firewall.data("status")[0]["table"]
