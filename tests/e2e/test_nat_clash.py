# SPDX-License-Identifier: BSD-2-Clause
"""Flows that would be the same to one of their ends: they get two ports, on one CPU and on two."""
import json

import pytest
from lab import wait_for
from natlab import (CLIENT4, CLIENT6, FAR4, FAR6, INNER4, INNER6, ISP4, ISP6, LAN4, LAN6, MASQUERADE, POOL4, POOL6, SECOND4,
                    SECOND6, SERVER4, SERVER6, WAN4, WAN6)

PORT, NTP, IKE, SIP = 7000, 123, 500, 5060
ROUNDS = 20
FAMILIES = pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])
KINDS = pytest.mark.parametrize("kind", ["udp", "tcp"])


def by(family, four, six):
    return four if family == 4 else six


@pytest.fixture(scope="module", params=[1, 2], ids=["one-cpu", "two-cpus"])
def steered(natlab, request):
    """One CPU works on packets from inside and from outside, or each on one of them."""
    for device, mask in (("lan0", 1), ("wan0", request.param)):
        natlab.gateway.ip_root("netns", "exec", natlab.gateway.name, "sh", "-c",
                               f"echo {mask} >/sys/class/net/{device}/queues/rx-0/rps_cpus")
    return natlab


@pytest.fixture
def serve(watch):
    """Programs that tell whom they see."""
    def start(host, *ports):
        for port in ports:
            watch.start(host, "serve", port, program="clashes.py")
    return start


def places(addresses, port):
    return [word for address in addresses for word in (address, port)]


def begin(host, kind, port, addresses, server_port, rounds=ROUNDS):
    return host.python("talk", kind, port, rounds, *places(addresses, server_port), program="clashes.py")


def finish(child, rounds=ROUNDS):
    """Returns the address that each place saw. Every message was answered, by the place that was asked."""
    out, _ = child.communicate(timeout=120)
    told = json.loads(out.splitlines()[-1])
    assert told["answers"] == [rounds] * len(told["answers"]), told
    return [tuple(seen) for seen in told["seen"]]


def talk(host, kind, port, addresses, server_port, rounds=ROUNDS):
    return finish(begin(host, kind, port, addresses, server_port, rounds), rounds)


# --- the box's own flow, whose port a masqueraded flow has -------------------------------------------------------------


@FAMILIES
@KINDS
@pytest.mark.parametrize("port", [IKE, SIP, 40000])
def test_own_port_is_masqueraded(steered, translate, serve, kind, family, port):
    server, outside = by(family, SERVER4, SERVER6), by(family, WAN4, WAN6)
    gate = translate(MASQUERADE)
    serve(steered.server, PORT)
    client = begin(steered.client, kind, port, [server], PORT, rounds=150)
    wait_for(lambda: outside in gate.say("states"), what="the client's flow")
    own = talk(steered.gateway, kind, port, [server], PORT)
    assert own[0][0] == outside and own[0][1] != port
    assert (own[0][1] < 1024) == (port < 1024), "it crossed the line of the privileged ports"
    assert finish(client, 150) == [(outside, port)]
    # The box's flow goes on when the other is over.
    if kind == "udp":
        assert talk(steered.gateway, kind, port, [server], PORT) == own


@FAMILIES
def test_own_rule_translates_too(steered, translate, serve, family):
    """A nat rule for the box itself changes nothing about it."""
    server, outside = by(family, SERVER4, SERVER6), by(family, WAN4, WAN6)
    translate(MASQUERADE, "nat from self to wan masquerade", "nat from self to wan family ipv6 masquerade")
    serve(steered.server, PORT)
    assert talk(steered.client, "udp", 4500, [server], PORT) == [(outside, 4500)]
    own = talk(steered.gateway, "udp", 4500, [server], PORT)
    assert own[0][0] == outside and own[0][1] != 4500
    assert talk(steered.client, "udp", 4500, [server], PORT) == [(outside, 4500)]


@FAMILIES
def test_own_port_first(steered, translate, serve, family):
    """The other way round the masqueraded flow gets another port."""
    server, outside = by(family, SERVER4, SERVER6), by(family, WAN4, WAN6)
    translate(MASQUERADE)
    serve(steered.server, PORT)
    assert talk(steered.gateway, "udp", IKE, [server], PORT) == [(outside, IKE)]
    seen = talk(steered.client, "udp", IKE, [server], PORT)
    assert seen[0][0] == outside and seen[0][1] != IKE
    assert talk(steered.gateway, "udp", IKE, [server], PORT) == [(outside, IKE)]


@FAMILIES
def test_own_echo(steered, translate, family):
    """Two pings with one identifier to one host."""
    server = by(family, SERVER4, SERVER6)
    gate = translate(MASQUERADE)
    child = steered.client.start("ping", "-q", "-e", "77", "-i", "0.05", "-c", "60", server)
    wait_for(lambda: "icmp" in gate.say("states"), what="the client's flow")
    assert steered.gateway.ping(server, "-e", "77", count=20) == 20
    out, _ = child.communicate(timeout=60)
    assert "60 received" in out, out


# --- one client, several destinations, one server ----------------------------------------------------------------------


@FAMILIES
@KINDS
def test_many_addresses_of_one_server(steered, translate, serve, kind, family):
    """From one port to thirty addresses that are forwarded to one endpoint, all at the same time."""
    pool = by(family, POOL4, POOL6)
    addresses = [by(family, f"{pool}.{n}", f"{pool}::{n}") for n in range(1, 31)]
    inner, far = by(family, INNER4, INNER6), by(family, FAR4, FAR6)
    gate = translate(f"forward from wan destination {by(family, f'{pool}.0/24', f'{pool}::/64')} {kind} port 80 to {inner} "
                     f"port {PORT}")
    serve(steered.inner, PORT)
    seen = talk(steered.far, kind, 50000, addresses, 80)
    assert {address for address, _ in seen} == {far}
    assert (far, 50000) in seen and len(set(seen)) == len(addresses)
    # The states say what both sides see.
    found = [flow for flow in gate.data("states") if flow["destination"] == inner]
    assert len(found) == len(addresses) and {flow["source_port"] for flow in found} == {50000}
    assert {flow["nat"]["destination"] for flow in found} == set(addresses)
    assert {flow["nat"].get("source_port", 50000) for flow in found} == {port for _, port in seen}


@FAMILIES
@KINDS
def test_hairpin_to_one_server(steered, translate, serve, kind, family):
    """The same from the server's own network: the source is the gateway's."""
    pool = by(family, POOL4, POOL6)
    addresses = [by(family, f"{pool}.{n}", f"{pool}::{n}") for n in range(1, 9)]
    inner, own = by(family, INNER4, INNER6), by(family, LAN4, LAN6)
    translate(f"forward from {{ lan, wan }} destination {by(family, f'{pool}.0/24', f'{pool}::/64')} {kind} port 80 "
              f"to {inner} port {PORT}")
    serve(steered.inner, PORT)
    seen = talk(steered.client, kind, 50000, addresses, 80)
    assert {address for address, _ in seen} == {own} and len(set(seen)) == len(addresses)


@FAMILIES
def test_time_of_four_servers(steered, translate, serve, family):
    """A client asks four servers from port 123, and all questions are redirected to the box: each is answered as asked."""
    servers = by(family, [SERVER4, SECOND4, FAR4, ISP4], [SERVER6, SECOND6, FAR6, ISP6])
    translate("redirect from lan to wan udp port 123 to self")
    serve(steered.gateway, NTP)
    seen = talk(steered.client, "udp", NTP, servers, NTP)
    assert {address for address, _ in seen} == {by(family, CLIENT4, CLIENT6)}
    assert len(set(seen)) == 4 and all(port < 1024 for _, port in seen)
