# SPDX-License-Identifier: BSD-2-Clause
"""Datagrams in fragments through the gateway, with and without translation: what arrives, and what does not."""
import json
import sys

import pytest
from lab import HERE
from natlab import CLIENT4, CLIENT6, FAR4, FAR6, LAN4, LAN6, MASQUERADE, SERVER4, SERVER6, WAN4, WAN6

PORT = 7700
SIZES = (1473, 3000, 8000, 60000)
FAMILIES = pytest.mark.parametrize("server, client, inner, outer",
                                   [(SERVER4, CLIENT4, LAN4, WAN4), (SERVER6, CLIENT6, LAN6, WAN6)],
                                   ids=["ipv4", "ipv6"])
TRANSLATED = pytest.mark.parametrize("rules", [(), (MASQUERADE,)], ids=["routed", "masqueraded"])


def run(host, *words):
    done = host.run(sys.executable, HERE / "fragments.py", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module", autouse=True)
def way_in(natlab):
    """Without translation the outside must know the way in; with it that way is not used."""
    for net, via in (("10.0.0.0/24", WAN4), ("fd00:10::/64", WAN6)):
        natlab.server.ip("route", "replace", net, "via", via)
    yield
    for net in ("10.0.0.0/24", "fd00:10::/64"):
        natlab.server.ip("route", "del", net)


@pytest.fixture
def echo(natlab, watch):
    """Starts a server that sends datagrams back; what it returns ends that and tells what came."""
    def start(address, host=None):
        child = watch.start(host or natlab.server, "echo", address, PORT, program="fragments.py")
        return lambda: watch.end(child)

    return start


@FAMILIES
@TRANSLATED
def test_datagrams_both_ways(natlab, translate, echo, rules, server, client, inner, outer):
    translate(*rules)
    end = echo(server)
    assert run(natlab.client, "ask", server, PORT, *SIZES)["same"] == [True] * len(SIZES)
    assert end()["datagrams"] == len(SIZES)


@FAMILIES
@TRANSLATED
def test_pings(natlab, translate, rules, server, client, inner, outer):
    """Through the gateway, to it and from it."""
    translate(*rules)
    assert natlab.client.ping(server, "-s", 3000) == 3
    assert natlab.client.ping(inner, "-s", 3000) == 3
    assert natlab.server.ping(outer, "-s", 3000) == 3
    assert natlab.gateway.ping(server, "-s", 20000) == 3
    assert natlab.gateway.ping(client, "-s", 20000) == 3


@FAMILIES
def test_own_datagrams(natlab, translate, echo, server, client, inner, outer):
    """Fragments that the gateway's own programs send and receive."""
    translate(MASQUERADE)
    echo(server)
    assert run(natlab.gateway, "ask", server, PORT, *SIZES)["same"] == [True] * len(SIZES)


@FAMILIES
def test_forwarded(natlab, translate, echo, server, client, inner, outer):
    """To a server inside, under another port."""
    translate(f"forward from wan udp port 7701 to {client} port {PORT}", MASQUERADE)
    echo(client, natlab.client)
    assert run(natlab.server, "ask", outer, 7701, *SIZES)["same"] == [True] * len(SIZES)


def test_cut_on_the_way(natlab, translate, echo):
    """Behind the gateway lies a narrow link: its router cuts what is not marked, and what comes back is cut already."""
    translate(MASQUERADE)
    natlab.forget_paths()
    echo(FAR4, natlab.far)
    natlab.client.write("/proc/sys/net/ipv4/ip_no_pmtu_disc", 1)
    assert run(natlab.client, "ask", FAR4, PORT, 1400, 8000)["same"] == [True, True]
    natlab.client.write("/proc/sys/net/ipv4/ip_no_pmtu_disc", 0)


@pytest.mark.parametrize("rules", [(), (MASQUERADE,)], ids=["routed", "masqueraded"])
def test_later_fragment_is_too_big(natlab, translate, rules):
    """A router behind the gateway finds the second and the third one too big and quotes them, though they have no ports."""
    natlab.forget_paths()
    natlab.isp.ip("-6", "route", "replace", "fd00:10::/64", "via", WAN6)
    natlab.isp.write("/proc/sys/net/ipv6/icmp/ratelimit", 0)
    try:
        translate(*rules)
        assert natlab.client.ping(FAR6) == 3
        assert run(natlab.client, "growing", CLIENT6, FAR6, PORT)["too_big"] == [1000, 2400]
    finally:
        natlab.isp.ip("-6", "route", "del", "fd00:10::/64")


# By hand: how they are sent, whether the datagram is there in the end, and how many fragments the server saw.
MADE = [("straight", True, 5), ("reverse", True, 5), ("first-last", True, 5), ("again", True, 5), ("overlap", False, 2),
        ("early-overlap", False, 0), ("tiny", False, 0), ("headless", False, 0)]


@FAMILIES
@TRANSLATED
@pytest.mark.parametrize("how, whole, seen", MADE, ids=[row[0] for row in MADE])
def test_made_by_hand(natlab, translate, echo, how, whole, seen, rules, server, client, inner, outer):
    translate(*rules)
    end = echo(server)
    assert natlab.client.ping(server) == 3  # neighbours know each other
    run(natlab.client, "send", client, server, PORT, how)
    # A datagram behind it that arrives tells that nothing is on its way any more.
    assert run(natlab.client, "ask", server, PORT, 10)["same"] == [True]
    got = end()
    assert got["datagrams"] == whole + 1
    assert got["fragments"] == seen


def test_held_are_counted(natlab, translate, echo):
    gate = translate()

    def count(name):
        rows = gate.data("counters")[0]["reasons"]
        return sum(row["packets"] for row in rows if row["reason"] == name)

    echo(SERVER4)
    before = count("held"), count("fragment overlap"), count("dead datagram")
    run(natlab.client, "send", CLIENT4, SERVER4, PORT, "reverse")
    run(natlab.client, "send", CLIENT4, SERVER4, PORT, "overlap")
    assert run(natlab.client, "ask", SERVER4, PORT, 10)["same"] == [True]
    after = count("held"), count("fragment overlap"), count("dead datagram")
    assert [b - a for a, b in zip(before, after)] == [4, 1, 3]
