# SPDX-License-Identifier: BSD-2-Clause
"""Express: XDP sends on the packets of established flows, exactly as ingress would, and leaves the rest to that.

    client 10.0.0.10 --- lan0 gateway wan0 --- 192.0.2.10 server        the same with IPv6

The hosts' ends of the veths take frames from XDP (they poll, by GRO), and finish their checksums themselves, but where a test says so.
"""
import time

import pytest
from lab import SERVER4, SERVER6, Firewall, masquerade, wait_for
from ways import ON_ONE_CPU, RULES, SERVER, EveryWay, Way, download, spread, upload

POLICY = """\
zone lan { lan0, antispoof off }
zone wan { wan0 }
option xdp always, express %s
""" + RULES


def offload(host, **features):
    for name, value in features.items():
        host.run("ethtool", "-K", "eth0", name, "on" if value else "off", check=True)


@pytest.fixture(scope="module")
def way(lab, tmp_path_factory):
    for host in (lab.client, lab.server):
        offload(host, gro=True, tx=False)
    firewall = Firewall(lab.gateway, POLICY % "on" + masquerade(), tmp_path_factory.mktemp("express")).start()
    made = Way(firewall, "express", POLICY, "on", download=20000, is_ready=lambda: not missing(made))
    wait_for(made.is_ready, 10, "nothing stands in the way")
    yield made
    firewall.stop()
    for host in (lab.client, lab.server):
        offload(host, gro=False, tx=True)


def missing(way):
    """Everything that stands in the way: why, by (interface, direction)."""
    return {(one["name"], which): one[f"no_express_{which}"] for one in way.status()["interfaces"] for which in ("from", "to")
            if f"no_express_{which}" in one}


class TestEveryWay(EveryWay):
    """The tests that the short way has, too."""


@SERVER
def test_unfinished_checksums(lab, way, server):
    """Where the hosts leave checksums to the device, their segments go by ingress, and arrive."""
    for host in (lab.client, lab.server):
        offload(host, tx=True)
    try:
        assert download(lab, server)
        assert upload(lab, server)
    finally:
        for host in (lab.client, lab.server):
            offload(host, tx=False)


def test_neighbour_is_kept(lab, way):
    """A flow that only express sees keeps its neighbours in use: a packet a second goes the long way, each way, on each CPU."""

    def past():
        return way.taken() + way.status()["short_way"]["packets"]

    before, begin = past(), time.monotonic()
    out = lab.client.run(*ON_ONE_CPU, "ping", "-c", 200, "-i", "0.02", SERVER4).stdout
    seconds = time.monotonic() - begin
    assert "200 received" in out, out
    assert 2 * (seconds - 1) - 2 <= 400 - (past() - before) <= 2 * seconds + 4


def test_steps_aside(lab, way):
    """A queue that shapes, and a filter of others, see the packets; `status` says why, and express is taken again behind them."""
    gateway = lab.gateway
    gateway.run("tc", "qdisc", "add", "dev", "wan0", "root", "tbf", "rate", "100mbit", "burst", "64k", "latency", "50ms", check=True)
    wait_for(lambda: "queue" in missing(way).get(("wan0", "to"), ""), 5, "the queue is seen")
    assert ("wan0", "from") not in missing(way)
    gateway.run("tc", "qdisc", "del", "dev", "wan0", "root", check=True)
    wait_for(lambda: not missing(way), 5, "the queue is gone")
    gateway.run("tc", "qdisc", "add", "dev", "lan0", "clsact", check=True)
    gateway.run("tc", "filter", "add", "dev", "lan0", "egress", "protocol", "all", "prio", "10", "u32", "match", "u32",
                "0", "0", "flowid", "1:1", check=True)
    wait_for(lambda: "filters" in missing(way).get(("lan0", "to"), ""), 5, "the filter is seen")
    text = way.firewall.say("status")
    assert "express     not to lan0: filters of others" in text, text
    gateway.run("tc", "qdisc", "del", "dev", "lan0", "clsact", check=True)
    wait_for(lambda: not missing(way), 5, "the filter is gone")


def test_peer_does_not_take(lab, way):
    """A veth whose other end does not poll takes nothing from XDP: what goes there goes by ingress."""
    offload(lab.server, gro=False)
    try:
        wait_for(lambda: "driver" in missing(way).get(("wan0", "to"), ""), 5, "it is seen")
        assert download(lab, SERVER4)
    finally:
        offload(lab.server, gro=True)
    wait_for(lambda: not missing(way), 5, "it takes frames again")


def test_two_processors(lab, way):
    """With ingress on another processor than XDP a download arrives whole, and is counted to the packet."""
    spread(lab, 2)
    try:
        before = way.taken()
        assert download(lab, SERVER6)
        assert way.taken() - before > 20000
        lab.client.run("ping", "-c", 40, "-i", "0.02", "-e", 4713, SERVER4, check=True)
        flow = next(one for one in way.firewall.data("states") if one["proto"] == "icmp" and one.get("id") == 4713)
        assert flow["packets"] == [40, 40], flow
    finally:
        spread(lab, 0)


def test_metrics(lab, way):
    assert f"\nkeepstate_express_packets_total {way.taken()}\n" in way.firewall.say("metrics")


def test_off_says_nothing(way):
    """Without the option nobody asks for express, and `status` says nothing of it."""
    way.use("off")
    try:
        assert not way.status()["express"]["wanted"] and "\nexpress " not in way.firewall.say("status")
    finally:
        way.use()
