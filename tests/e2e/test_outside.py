# SPDX-License-Identifier: BSD-2-Clause
"""The way to the outside: its first lease, and two uplinks that are one outside to the box itself."""
import lab as labs
import pytest
from conftest import need

SERVER4, SERVER6 = "198.51.100.10", "2001:db8:f::10"


def tie(gateway, name, host, device):
    gateway.ip("link", "add", name, "type", "veth", "peer", "name", device, "netns", host.name)
    gateway.ip("link", "set", name, "up")
    host.ip("link", "set", device, "up")


@pytest.fixture
def hosts():
    made = []

    def make(role):
        made.append(labs.Host(role))
        return made[-1]

    yield make
    for host in made:
        host.close()


@need("udhcpc")
def test_the_first_lease_of_a_gateway(hosts, tmp_path):
    """The box forwards and has no route yet, so none leads to the server: its answer is believed all the same."""
    gateway, provider = hosts("gateway"), hosts("provider")
    tie(gateway, "wan0", provider, "eth0")
    provider.ip("addr", "add", "203.0.113.1/24", "dev", "eth0")
    gateway.write("/proc/sys/net/ipv4/ip_forward", 1)
    provider.start("dnsmasq", "-k", "--conf-file=/dev/null", "--port=0", "--leasefile-ro", "--no-ping", "--interface=eth0",
                   "--bind-interfaces", "--dhcp-range=203.0.113.50,203.0.113.60,2m", "--pid-file=")
    provider.listening("-u", 67)
    policy = "zone wan { wan0 }\nallow from self\nallow from wan to self tcp port 22\n"
    firewall = labs.Firewall(gateway, policy, tmp_path).start()
    try:
        for words in ((), ("-B",)):
            done = gateway.run("udhcpc", "-i", "wan0", "-n", "-q", "-f", "-s", "/bin/true", *words)
            assert done.returncode == 0, done.stderr + firewall.say("log")
    finally:
        firewall.stop()


@pytest.mark.parametrize("server, via", [(SERVER4, ("203.0.113", "203.0.114")),
                                                   (SERVER6, ("2001:db8:1:", "2001:db8:2:"))], ids=["ipv4", "ipv6"])
def test_own_connections_by_several_next_hops(hosts, tmp_path, server, via):
    """Each uplink in a zone of its own: the kernel may send by one with the address of the other."""
    gateway, outside = hosts("gateway"), hosts("outside")
    six = ":" in server
    bits = 64 if six else 24
    hops = []
    for i, net in enumerate(via):
        tie(gateway, f"wan{i}", outside, f"eth{i}")
        dot = ":" if six else "."
        for host, device, last in ((gateway, f"wan{i}", 2), (outside, f"eth{i}", 1)):
            host.ip("addr", "add", f"{net}{dot}{last}/{bits}", "dev", device, *(["nodad"] if six else []))
        hops += ["nexthop", "via", f"{net}{dot}1", "dev", f"wan{i}"]
        for where in ("all", "default", f"eth{i}"):
            outside.write(f"/proc/sys/net/ipv4/conf/{where}/rp_filter", 0)
            gateway.write(f"/proc/sys/net/ipv4/conf/{where if where[:3] != 'eth' else f'wan{i}'}/rp_filter", 0)
    outside.ip("addr", "add", f"{server}/{128 if six else 32}", "dev", "lo", *(["nodad"] if six else []))
    gateway.ip(*(["-6"] if six else []), "route", "add", "default", *hops)
    gateway.write(f"/proc/sys/net/ipv{6 if six else 4}/fib_multipath_hash_policy", 1)
    outside.python("serve", 5777)
    outside.listening("-t", 5777)
    policy = "zone wan0 { wan0 }\nzone wan1 { wan1 }\nallow from self\n"
    firewall = labs.Firewall(gateway, policy, tmp_path).start()
    try:
        for _ in range(12):
            done = gateway.run("python3", "-c", "import socket, sys; s = socket.create_connection((sys.argv[1], 5777), 20); "
                               "s.send(b'hello'); s.close()", server)
            assert done.returncode == 0, done.stderr + firewall.say("log")
    finally:
        firewall.stop()
