# SPDX-License-Identifier: BSD-2-Clause
"""Fragments that the box's own programs send and get, and fragments of networks with large frames, in any order."""
import json
import sys

import pytest
from lab import HERE, masquerade
from wires import Plain, firewall_fixture, net_fixture

PORT = 7700
FRAME = 9000  # bytes: jumbo frames
POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
allow from lan to wan
allow from self
allow from { lan, wan } to self udp port 7700
"""
CLIENT, BOX, OUTSIDE, SERVER = (("10.0.0.10", "fd00::10"), ("10.0.0.1", "fd00::1"), ("192.0.2.1", "2001:db8::1"),
                                ("192.0.2.10", "2001:db8::10"))
FAMILIES = pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
ORDERS = pytest.mark.parametrize("how", ["straight", "reverse", "first-last"])
PIECES = pytest.mark.parametrize("piece", [1000, 8192])
SIZES = (1473, 8192, 30000, 65507)


class Jumbo(Plain):
    """Every link takes large frames."""

    def build(self):
        super().build()
        for host, devices in ((self.client, ["eth0"]), (self.server, ["eth0"]), (self.box, ["lan0", "wan0"])):
            for device in devices:
                host.ip("link", "set", device, "mtu", str(FRAME))


net = net_fixture(Jumbo)
firewall = firewall_fixture("firewall", POLICY)


OWN_PORTS = ("nat from self to wan udp to 192.0.2.1 port 20000-20009\n"
             "nat from self to wan udp to 2001:db8::1 port 20000-20009\n")


@pytest.fixture(params=["", masquerade(), OWN_PORTS], ids=["routed", "masqueraded", "own-ports"])
def gate(firewall, request):
    firewall.path.write_text(POLICY + request.param)
    firewall.say("reload")
    firewall.cli("states", "kill", "--all")
    return firewall


def run(host, *words):
    done = host.run(sys.executable, HERE / "fragments.py", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def arrived(watch):
    """Starts a server; what it returns says how many datagrams arrived there."""
    def start(host, address):
        child = watch.start(host, "echo", address, PORT, program="fragments.py")
        return lambda: watch.end(child)["datagrams"]

    return start


@FAMILIES
@ORDERS
@PIECES
def test_own(net, gate, arrived, family, how, piece):
    """By hand, from the box itself."""
    count = arrived(net.server, SERVER[family])
    assert net.box.ping(SERVER[family]) == 3  # neighbours know each other
    run(net.box, "send", OUTSIDE[family], SERVER[family], PORT, how, piece)
    assert run(net.box, "ask", SERVER[family], PORT, 10)["same"] == [True]
    assert count() == 2


@FAMILIES
@ORDERS
@PIECES
def test_forwarded(net, gate, arrived, family, how, piece):
    count = arrived(net.server, SERVER[family])
    assert net.client.ping(BOX[family], "-W", "1") in (0, 3)
    run(net.client, "send", CLIENT[family], SERVER[family], PORT, how, piece)
    assert run(net.client, "ask", SERVER[family], PORT, 10)["same"] == [True]
    assert count() == 2


@FAMILIES
@ORDERS
@PIECES
def test_to_the_box(net, gate, arrived, family, how, piece):
    count = arrived(net.box, BOX[family])
    assert net.box.ping(CLIENT[family]) == 3
    run(net.client, "send", CLIENT[family], BOX[family], PORT, how, piece)
    assert run(net.client, "ask", BOX[family], PORT, 10)["same"] == [True]
    assert count() == 2


@FAMILIES
@pytest.mark.parametrize("frame", [1500, FRAME])
def test_sizes(net, gate, arrived, family, frame):
    """By real sockets, up to the largest datagram, both ways: of the box, to the box and through it."""
    for host, device in ((net.client, "eth0"), (net.server, "eth0"), (net.box, "lan0"), (net.box, "wan0")):
        host.ip("link", "set", device, "mtu", str(frame))
    arrived(net.server, SERVER[family])
    arrived(net.box, BOX[family])
    for host, address in ((net.box, SERVER[family]), (net.client, SERVER[family]), (net.client, BOX[family])):
        assert run(host, "ask", address, PORT, *SIZES)["same"] == [True] * len(SIZES), (host.name, address)
