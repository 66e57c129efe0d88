# SPDX-License-Identifier: BSD-2-Clause
"""Cables, bridges and addresses for tests that build a network of their own, and functions that try which host reaches which."""
import json
import os
import sys

import lab as labs
import pytest
from lab import HERE, Firewall, Host, Lab

PORT = 7000  # where the hosts of such a network answer
ALL = {"tcp", "udp", "ping"}


class Net(Lab):
    """Hosts of one's own. `build` of a subclass makes them."""

    def host(self, role, forward=False):
        host = super().host(role)
        if forward:
            host.write("/proc/sys/net/ipv4/ip_forward", 1)
            host.write("/proc/sys/net/ipv6/conf/all/forwarding", 1)
        return host

    @staticmethod
    def cable(host, device, other, other_device):
        """A veth pair between two hosts, both ends up."""
        host.ip("link", "add", device, "type", "veth", "peer", "name", other_device, "netns", other.name)
        host.ip("link", "set", device, "up")
        other.ip("link", "set", other_device, "up")

    @staticmethod
    def bridge(host, name, *ports):
        """A bridge with a link address of its own: else it takes the lowest of its ports', and its neighbours know it no more when one joins."""
        address = ":".join(f"{byte:02x}" for byte in b"\x02" + os.urandom(5))
        host.ip("link", "add", name, "address", address, "type", "bridge")
        for port in ports:
            host.ip("link", "set", port, "master", name)
        host.ip("link", "set", name, "up")

    @staticmethod
    def address(host, device, *addresses):
        for address in addresses:
            host.ip("addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))

    @staticmethod
    def gateway_is(host, *addresses):
        for address in addresses:
            host.ip("route", "replace", "default", "via", address)

    @staticmethod
    def answer(*hosts, port=PORT):
        """Starts the server of echo.py; it runs as long as the host."""
        for host in hosts:
            child = host.python("serve", port, program="echo.py")
            assert "ready" in child.stdout.readline()


def net_fixture(kind):
    """Makes the fixture `net` of a file of tests: a network of this class, built once."""
    @pytest.fixture(scope="module", name="net")
    def fixture():
        made = kind()
        yield made
        made.close()

    return fixture


def firewall_fixture(name, policy):
    """Makes a fixture of a file of tests: the firewall on the net's box, started once, because that takes seconds."""
    @pytest.fixture(scope="module", name=name)
    def fixture(net, tmp_path_factory):
        firewall = Firewall(net.box, policy, tmp_path_factory.mktemp("firewall")).start()
        yield firewall
        firewall.stop()

    return fixture


class Plain(Net):
    """client 10.0.0.10 --- lan0 box wan0 --- 192.0.2.10 server; fd00::10 and 2001:db8::10. All of them answer."""

    def build(self):
        self.box = self.host("box", forward=True)
        self.client = self.host("client")
        self.server = self.host("server")
        self.cable(self.box, "lan0", self.client, "eth0")
        self.cable(self.box, "wan0", self.server, "eth0")
        self.address(self.box, "lan0", "10.0.0.1/24", "fd00::1/64")
        self.address(self.box, "wan0", "192.0.2.1/24", "2001:db8::1/64")
        self.address(self.client, "eth0", "10.0.0.10/24", "fd00::10/64")
        self.address(self.server, "eth0", "192.0.2.10/24", "2001:db8::10/64")
        self.gateway_is(self.client, "10.0.0.1", "fd00::1")
        self.gateway_is(self.server, "192.0.2.1", "2001:db8::1")
        self.answer(*self.hosts)


def reach(host, address, port=PORT, seconds=0.6):
    """Tries all protocols; returns those that were answered: {"tcp": the address that the other side saw, "udp": the same, "ping": "yes"}."""
    done = host.run(sys.executable, HERE / "echo.py", "reach", address, port, seconds)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def kinds(host, address, port=PORT, seconds=0.6):
    """The same, without the addresses: a set."""
    return set(reach(host, address, port, seconds))


def link_of(host, device):
    return json.loads(host.run("ip", "-j", "link", "show", "dev", device, check=True).stdout)[0]


def mac_of(host, device):
    return link_of(host, device)["address"]


def index_of(host, device):
    return link_of(host, device)["ifindex"]


def hooks(host, *words):
    """Runs a command of hooks.py to its end."""
    done = host.run(sys.executable, HERE / "hooks.py", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def put(firewall, policy):
    """Puts a policy in force and forgets all flows."""
    firewall.path.write_text(policy)
    if firewall.child is None or firewall.child.poll() is not None:
        firewall.start()
    done = firewall.cli("reload")
    assert done.returncode == 0, done.stdout + done.stderr
    firewall.cli("states", "kill", "--all")  # fails when there are none


def reasons(firewall):
    """Packets by the reason of their verdict."""
    return {entry["reason"]: entry["packets"] for entry in firewall.data("counters")[0]["reasons"]}


def matches(firewall, text):
    """How often a rule decided, found by a part of its text."""
    return sum(rule["matches"] for rule in firewall.data("counters")[0]["rules"] if text in rule["text"])


def log_of(firewall):
    return firewall.log_path.read_text()


def datagrams(host):
    """Datagrams that reached the socket layer of a host, by the kernel's counters: to a socket or to none."""
    total = 0
    lines = host.run("cat", "/proc/net/snmp").stdout.splitlines()
    names, values = [line.split() for line in lines if line.startswith("Udp:")]
    for name, value in zip(names, values):
        if name in ("InDatagrams", "NoPorts", "InErrors"):
            total += int(value)
    for line in host.run("cat", "/proc/net/snmp6").stdout.splitlines():
        if line.split()[0] in ("Udp6InDatagrams", "Udp6NoPorts", "Udp6InErrors"):
            total += int(line.split()[1])
    return total


__all__ = ["ALL", "Firewall", "HERE", "Host", "Net", "PORT", "Plain", "datagrams", "hooks", "index_of", "kinds", "labs",
           "log_of", "mac_of", "matches", "put", "reach", "reasons"]
