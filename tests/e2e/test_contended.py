# SPDX-License-Identifier: BSD-2-Clause
"""Several CPUs work on one connection at once: nothing of what is established may be dropped for it.

    client 10.0.0.10 --- lan0 box wan0 --- 192.0.2.10 server

Receive packet steering gives what comes by one interface of the box to one CPU, and what comes by the other to another;
data go both ways in small segments, so that both directions of a flow meet in its state. IPv4 is masqueraded, IPv6 is not.
"""
import json
import os

import pytest
from conftest import need
from wires import ALL, Plain, firewall_fixture, kinds, net_fixture, reasons

POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
allow from lan to wan
allow from lan to self
nat from lan to wan family ipv4 masquerade
"""
PORT = 5201
pytestmark = [need("iperf3"), need("ethtool"),
              pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two CPUs")]


class Steered(Plain):
    def build(self):
        super().build()
        self.steer(self.box, "lan0", 1)
        self.steer(self.box, "wan0", 2)
        for host in (self.client, self.server):
            self.steer(host, "eth0", 3)
            host.run("ethtool", "-K", "eth0", "tso", "off", "gso", "off", "gro", "off", check=True)
        for device in ("lan0", "wan0"):
            self.box.run("ethtool", "-K", device, "gro", "off", check=True)
        self.server.start("iperf3", "-s", "-p", PORT)
        self.server.listening("-t", PORT)

    @staticmethod
    def steer(host, device, cpus):
        """rps_cpus lies in sysfs, of which each namespace has a view of its own: `ip netns exec` mounts it."""
        host.ip_root("netns", "exec", host.name, "sh", "-c", f"echo {cpus} >/sys/class/net/{device}/queues/rx-0/rps_cpus")


net = net_fixture(Steered)
firewall = firewall_fixture("firewall", POLICY)


def load(net, server, *words):
    """Runs iperf3 to its end; returns what it measured."""
    done = net.client.run("iperf3", "-J", "-c", server, "-p", PORT, "-t", 5, *words, timeout=40)
    told = json.loads(done.stdout)
    assert done.returncode == 0 and "error" not in told, told.get("error") or done.stderr
    return told["end"]


def contended(firewall):
    return reasons(firewall)["contended"]


def passed(firewall):
    return reasons(firewall)["established"]


SERVER = pytest.mark.parametrize("server", ["192.0.2.10", "2001:db8::10"], ids=["ipv4", "ipv6"])


@SERVER
@pytest.mark.parametrize("words", [["-P", "1"], ["-P", "1", "-M", "200"]], ids=["large", "small"])
def test_tcp_both_ways_on_two_cpus(net, firewall, server, words):
    before, had = contended(firewall), passed(firewall)
    load(net, server, "--bidir", *words)
    assert passed(firewall) - had > 50000, "too little traffic to tell"
    assert contended(firewall) == before, f"of {passed(firewall) - had} packets"


@SERVER
def test_udp_both_ways_on_two_cpus(net, firewall, server):
    before, had = contended(firewall), passed(firewall)
    load(net, server, "-u", "-b", "30M", "-l", "200", "-P", "3", "--bidir")
    assert passed(firewall) - had > 50000, "too little traffic to tell"
    assert contended(firewall) == before, f"of {passed(firewall) - had} packets"


def test_connections_still_open(net, firewall):
    assert kinds(net.client, "192.0.2.10") == ALL
    assert kinds(net.client, "2001:db8::10") == ALL
