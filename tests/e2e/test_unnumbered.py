# SPDX-License-Identifier: BSD-2-Clause
"""An uplink without an address of its own, as PPP and many IPv6 providers have it: the box speaks with another one."""
import lab as labs
import pytest

POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
allow from lan to { wan, self }
allow from self
nat from lan to wan masquerade
nat from lan to wan family ipv6 masquerade
"""
OUTSIDE4, OUTSIDE6 = "203.0.113.1", "2001:db8:1::1"  # on the loopback of the gateway
SERVER4, SERVER6 = "192.0.2.10", "2001:db8::10"


def link_local(host, device):
    words = labs.wait_for(lambda: host.run("ip", "-6", "-o", "addr", "show", "dev", device, "scope", "link").stdout.split(),
                          what="a link-local address")
    return words[words.index("inet6") + 1].split("/")[0]


@pytest.fixture(scope="module")
def hosts():
    made = [labs.Host(role) for role in ("client", "gateway", "server")]
    client, gateway, server = made
    for host, name in ((client, "lan0"), (server, "wan0")):
        gateway.ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", host.name)
        gateway.ip("link", "set", name, "up")
        host.ip("link", "set", "eth0", "up")
    gateway.write("/proc/sys/net/ipv4/ip_forward", 1)
    gateway.write("/proc/sys/net/ipv6/conf/all/forwarding", 1)
    for four, six, host, device in (("10.0.0.1/24", "fd00:10::1/64", gateway, "lan0"),
                                    ("10.0.0.10/24", "fd00:10::10/64", client, "eth0"),
                                    (f"{SERVER4}/32", f"{SERVER6}/128", server, "eth0"),
                                    (f"{OUTSIDE4}/32", f"{OUTSIDE6}/128", gateway, "lo")):
        host.ip("addr", "add", four, "dev", device)
        host.ip("addr", "add", six, "dev", device, "nodad")
    client.ip("route", "add", "default", "via", "10.0.0.1")
    client.ip("route", "add", "default", "via", "fd00:10::1")
    for host, device, other, its in ((gateway, "wan0", server, "eth0"), (server, "eth0", gateway, "wan0")):
        host.ip("route", "add", "default", "dev", device)
        host.ip("-6", "route", "add", "default", "via", link_local(other, its), "dev", device)
    yield client, gateway, server
    for host in made:
        host.close()


@pytest.mark.parametrize("server, outside", [(SERVER4, OUTSIDE4), (SERVER6, OUTSIDE6)], ids=["ipv4", "ipv6"])
def test_masquerade_borrows_an_address(hosts, tmp_path, server, outside):
    client, gateway, _ = hosts
    firewall = labs.Firewall(gateway, POLICY, tmp_path).start()
    try:
        assert gateway.ping(server) == 3, "the box itself does not get out"
        assert client.ping(server) == 3, firewall.say("counters")
        assert f"as {outside}" in firewall.say("states")
    finally:
        firewall.stop()
