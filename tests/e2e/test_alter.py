# SPDX-License-Identifier: BSD-2-Clause
"""Rules and zones that change packets: the MSS that both ends see, code points that arrive, marks by which the kernel routes.

    client 10.0.0.10 --- lan0 box wan0 --- 192.0.2.10 server
"""
import json
import sys

import pytest
from lab import HERE
from wires import Plain, firewall_fixture, kinds, net_fixture, put

POLICY = """\
zone lan { lan0 }
zone wan { wan0, mss mtu }
option settle off
allow from lan to wan udp port 7001 set dscp ef set reply dscp cs1
allow from lan to wan tcp port 7000 set mark 0x10/0xf0
allow from lan to wan
"""
ENDS = ["192.0.2.10", "2001:db8::10"]
PORT = 7001
CLASS_EF, CLASS_CS1 = 0xb8, 0x20
STAMPS = 12  # octets of the option that both ends use

net = net_fixture(Plain)
standing = firewall_fixture("standing", POLICY)


@pytest.fixture
def firewall(net, standing):
    put(standing, POLICY)
    yield standing
    net.box.ip("link", "set", "wan0", "mtu", "1500")


def ask(net, server, question, address):
    """Starts a server of altered.py, and asks it."""
    child = net.server.python(server, address, PORT, program="altered.py")
    assert "ready" in child.stdout.readline()
    try:
        done = net.client.run(sys.executable, HERE / "altered.py", question, address, PORT)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("address, headers", [(ENDS[0], 40), (ENDS[1], 60)])
def test_an_mss_fits_the_way_for_both_ends(net, firewall, address, headers):
    net.box.ip("link", "set", "wan0", "mtu", "1400")
    size = 1400 - headers - STAMPS
    assert ask(net, "segments", "segment", address) == [size, size]


def test_an_mss_is_that_of_the_route(net, firewall):
    net.box.ip("route", "replace", "192.0.2.0/24", "dev", "wan0", "mtu", "lock", "1300")
    assert ask(net, "segments", "segment", ENDS[0]) == [1300 - 40 - STAMPS] * 2
    net.box.ip("route", "replace", "192.0.2.0/24", "dev", "wan0")


@pytest.mark.parametrize("mode", ["auto", "off"])
@pytest.mark.parametrize("address", ENDS)
def test_code_points_both_ways(net, firewall, address, mode):
    put(firewall, POLICY + f"option short-way {mode}\n")
    assert ask(net, "classes", "class", address) == [[CLASS_EF, CLASS_CS1]] * 3


@pytest.mark.parametrize("mode", ["auto", "off"])
def test_the_kernel_routes_by_the_mark(net, firewall, mode):
    put(firewall, POLICY + f"option short-way {mode}\n")
    assert kinds(net.client, ENDS[0]) == {"tcp", "udp", "ping"}
    net.box.ip("route", "add", "prohibit", "default", "table", "100")
    net.box.ip("rule", "add", "fwmark", "0x10/0xf0", "lookup", "100")
    try:
        assert kinds(net.client, ENDS[0]) == {"udp", "ping"}
    finally:
        net.box.ip("rule", "del", "fwmark", "0x10/0xf0", "lookup", "100")
        net.box.ip("route", "del", "prohibit", "default", "table", "100")
    assert kinds(net.client, ENDS[0]) == {"tcp", "udp", "ping"}
