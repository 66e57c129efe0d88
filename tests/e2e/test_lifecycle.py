# SPDX-License-Identifier: BSD-2-Clause
"""Starting and stopping. Each test starts a firewall of its own; test_interfaces.py has what can share one."""
import glob
import time

from conftest import POLICY
from lab import CLIENT4, CLIENT6, SERVER4, uses_port, wait_for


def left_behind(name):
    """Files of an instance."""
    return [path for where in ("/run/keepstate", "/run/keepstate/bpf") for path in glob.glob(f"{where}/{name}")]


def test_nothing_passes_at_start(lab, make_firewall, watch):
    """An outside prober that runs from before the start gets nothing through once the firewall says that it runs."""
    firewall = make_firewall(start=False)
    prober = watch.start(lab.server, "probe", CLIENT4, 5600)
    time.sleep(0.2)
    firewall.start()
    counter = watch.start(lab.client, "count", 5600)
    time.sleep(1.5)
    assert watch.end(counter) == {"datagrams": 0, "connections": 0}
    assert watch.end(prober)["sent"] > 100


def test_what_was_open_before_the_start_is_not_known(lab, make_firewall, watch):
    """A connection that the firewall did not see opening may not go on, if the policy says so."""
    watch.start(lab.server, "serve", 5601)
    watch.start(lab.client, "follow", SERVER4, 5601)
    firewall = make_firewall(POLICY + "option settle off\n")
    time.sleep(0.5)
    assert not [flow for flow in firewall.data("states") if uses_port(flow, 5601) and "ESTABLISHED" in str(flow)]


def test_pickup_takes_over_what_was_open(lab, make_firewall, watch):
    watch.start(lab.server, "serve", 5602)
    follower = watch.start(lab.client, "follow", SERVER4, 5602)
    firewall = make_firewall(POLICY + "option settle off, pickup on\n")
    time.sleep(1)
    facts = watch.end(follower)
    assert facts["error"] is None, facts
    assert [flow for flow in firewall.data("states") if uses_port(flow, 5602)]


def test_stop_leaves_nothing_behind(lab, make_firewall):
    firewall = make_firewall()
    name = firewall.data("status")[0]["instance"]
    assert firewall.filters() != ""
    assert len(left_behind(name)) == 2, "no runtime directory, or no pins"
    firewall.stop()
    assert firewall.filters() == ""
    qdiscs = lab.gateway.run("tc", "qdisc", "show").stdout
    assert "clsact" not in qdiscs, qdiscs
    assert left_behind(name) == []
    assert lab.server.ping(CLIENT4) == 3, "without a firewall the server reaches the client"


def test_stop_keeps_what_others_attached(lab, make_firewall):
    """A filter of somebody else on our interface is there before, during and after."""
    lab.gateway.run("tc", "qdisc", "add", "dev", "lan0", "clsact", check=True)
    lab.gateway.run("tc", "filter", "add", "dev", "lan0", "ingress", "protocol", "ip", "pref", "40000", "u32",
                    "match", "u32", "0", "0", "flowid", "1:1", check=True)
    try:
        firewall = make_firewall()
        assert lab.client.ping(SERVER4) == 3
        firewall.stop()
        assert "u32" in lab.gateway.run("tc", "filter", "show", "dev", "lan0", "ingress").stdout
    finally:
        lab.gateway.run("tc", "qdisc", "del", "dev", "lan0", "clsact")


def test_terminate_ends_the_daemon_as_stop_does_or_keeps_filtering(lab, make_firewall):
    """SIGTERM is what an init system sends. Whatever it means, nothing may pass that the policy does not allow."""
    firewall = make_firewall()
    firewall.child.terminate()
    firewall.child.wait(60)
    if firewall.filters():
        assert lab.server.ping(CLIENT4) == 0


def test_in_force_since_the_start(lab, make_firewall):
    """Not since the present process began, nor since the last reload."""
    firewall = make_firewall("zone lan { late0 }\n")
    assert "in no zone, denied by default: lan0, wan0: " in firewall.log_path.read_text()
    status = firewall.data("status")[0]
    assert status["since"] >= status["started"]
    time.sleep(1.1)
    firewall.path.write_text(POLICY)
    firewall.say("reload")
    firewall.crash()
    time.sleep(1.1)
    firewall.start()
    assert firewall.data("status")[0]["since"] == status["since"]


def test_wildcard_interfaces(lab, make_firewall):
    make_firewall(POLICY.replace("{ lan0 }", "{ lan* }"))
    assert lab.client.ping(SERVER4) == 3
    assert lab.server.ping(CLIENT6) == 0


def test_a_broken_policy_does_not_start(lab, make_firewall):
    firewall = make_firewall("zone lan { lan0 }\nallow form lan\n", start=False)
    firewall.start(wait=False)
    assert firewall.child.wait(60) != 0
    assert "policy.conf:2:" in firewall.log_path.read_text()
    assert firewall.filters() == ""
    assert left_behind(firewall.instance()) == []


def test_commands_without_a_daemon_say_so(lab, make_firewall):
    firewall = make_firewall(start=False)
    for command in ("status", "states", "counters", "reload", "stop"):
        done = firewall.cli(command)
        assert done.returncode not in (0, -6, -11), f"{command}: {done}"
        assert done.stderr.strip(), f"{command} says nothing"


def test_crash_at_once_after_start(lab, make_firewall):
    """However early it dies, the next one starts."""
    firewall = make_firewall(start=False)
    for delay in (0.0, 0.05, 0.2, 0.5, 1.0):
        firewall.start(wait=False)
        time.sleep(delay)
        firewall.crash()
    firewall.start()
    wait_for(lambda: lab.client.ping(SERVER4) == 3, what="the client reaches the server")
    assert lab.server.ping(CLIENT4) == 0
