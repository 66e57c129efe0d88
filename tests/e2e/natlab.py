# SPDX-License-Identifier: BSD-2-Clause
"""An internet in which addresses are translated: two sites, each behind a gateway of its own, and what lies outside.

    client 10.0.0.10 --+
                       +-- lan0 gateway wan0 --+
    inner  10.0.0.20 --+       192.0.2.1       |
                                               +-- isp 192.0.2.254, a bridge and a router -- 1300 bytes -- far
    peer   10.9.0.10 ----- lan0 other wan0 ----+                                                   198.51.100.10
                               192.0.2.2       |
    server 192.0.2.10, 192.0.2.11 -------------+

The same with IPv6. Outside nobody has a route to 10/8 or fd00::/8: what arrives there untranslated is never answered.
203.0.113.0/24 and 2001:db8:10::/64 are routed to the gateway, which has none of their addresses.
"""
import itertools

from lab import Lab, masquerade

_ports = itertools.count(1)

CLIENT4, CLIENT6 = "10.0.0.10", "fd00:10::10"
INNER4, INNER6 = "10.0.0.20", "fd00:10::20"
LAN4, LAN6 = "10.0.0.1", "fd00:10::1"
WAN4, WAN6 = "192.0.2.1", "2001:db8::1"
OTHER4, OTHER6 = "192.0.2.2", "2001:db8::2"
PEER4, PEER6 = "10.9.0.10", "fd00:19::10"
SERVER4, SERVER6 = "192.0.2.10", "2001:db8::10"
SECOND4, SECOND6 = "192.0.2.11", "2001:db8::11"  # the server's second address
ISP4, ISP6 = "192.0.2.254", "2001:db8::fe"
FAR4, FAR6 = "198.51.100.10", "2001:db8:f::10"
POOL4, POOL6 = "203.0.113", "2001:db8:10"  # routed to the gateway
FAR_MTU = "1300"

ZONES = """\
zone lan { lan0 }
zone wan { wan0 }
option log-drops on
"""
RULES = """\
allow from lan to wan
allow from { lan, wan } to self icmp type echo-request
allow from { lan, wan } to self icmpv6 type echo-request
allow from self to { lan, wan }
"""
MASQUERADE = masquerade()


def url(address, path=""):
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}/{path}"


class NatLab(Lab):
    """The hosts of the picture. `other` and `peer` are tied in, but their gateway guards nothing until a test says so."""

    def build(self):
        self.isp = self.host("isp")
        self.bridge(self.isp)
        self.gateway, self.other = self.host("gateway"), self.host("other")
        self.client, self.inner, self.peer = self.host("client"), self.host("inner"), self.host("peer")
        self.server, self.far = self.host("server"), self.host("far")
        self.address(self.isp, "br0", f"{ISP4}/24", f"{ISP6}/64")
        self.site(self.gateway, WAN4, WAN6, "10.0.0", "fd00:10", {self.client: 10, self.inner: 20})
        self.site(self.other, OTHER4, OTHER6, "10.9.0", "fd00:19", {self.peer: 10})
        self.plug(self.server, "eth0", self.isp)
        self.address(self.server, "eth0", f"{SERVER4}/24", f"{SECOND4}/24", f"{SERVER6}/64", f"{SECOND6}/64")
        self.server.ip("addr", "change", f"{SECOND6}/64", "dev", "eth0", "preferred_lft", "0")  # never by itself
        self.far_link()
        for host in (self.server, self.gateway, self.other):
            self.routes(host)
        for host in (self.client, self.inner, self.server, self.far, self.gateway):
            host.write("/proc/sys/net/ipv4/ip_unprivileged_port_start", 0)
        for host in (self.client, self.inner, self.server, self.far):
            self.web(host)

    @staticmethod
    def bridge(host):
        host.ip("link", "add", "br0", "type", "bridge")
        host.ip("link", "set", "br0", "up")

    @staticmethod
    def address(host, device, *addresses):
        for address in addresses:
            host.ip("addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))

    def plug(self, host, device, switch):
        """Ties a device of a host to the bridge of another."""
        port = f"port{next(_ports)}"
        switch.ip("link", "add", port, "type", "veth", "peer", "name", device, "netns", host.name)
        switch.ip("link", "set", port, "master", "br0", "up")
        host.ip("link", "set", device, "up")

    def site(self, gateway, wan4, wan6, net4, net6, hosts):
        """A gateway, outside on the isp's bridge, inside on a bridge with its hosts."""
        switch = self.host("lan")
        self.bridge(switch)
        self.plug(gateway, "wan0", self.isp)
        self.plug(gateway, "lan0", switch)
        self.address(gateway, "wan0", f"{wan4}/24", f"{wan6}/64")
        self.address(gateway, "lan0", f"{net4}.1/24", f"{net6}::1/64")
        self.forward(gateway)
        for host, last in hosts.items():
            self.plug(host, "eth0", switch)
            self.address(host, "eth0", f"{net4}.{last}/24", f"{net6}::{last}/64")
            host.ip("route", "add", "default", "via", f"{net4}.1")
            host.ip("route", "add", "default", "via", f"{net6}::1")

    @staticmethod
    def forward(host):
        host.write("/proc/sys/net/ipv4/ip_forward", 1)
        host.write("/proc/sys/net/ipv6/conf/all/forwarding", 1)
        host.write("/proc/sys/net/ipv4/icmp_ratelimit", 0)  # every error is wanted

    @staticmethod
    def routes(host):
        """The way out, over the isp."""
        host.ip("route", "replace", "default", "via", ISP4)
        host.ip("route", "replace", "default", "via", ISP6)

    def far_link(self):
        """The narrow link behind the isp, which also knows the gateway's pools."""
        isp, far = self.isp, self.far
        isp.ip("link", "add", "far0", "mtu", FAR_MTU, "type", "veth", "peer", "name", "eth0", "mtu", FAR_MTU,
               "netns", far.name)
        self.address(isp, "far0", "198.51.100.1/24", "2001:db8:f::1/64")
        self.address(far, "eth0", f"{FAR4}/24", f"{FAR6}/64")
        isp.ip("link", "set", "far0", "up")
        far.ip("link", "set", "eth0", "up")
        far.ip("route", "add", "default", "via", "198.51.100.1")
        far.ip("route", "add", "default", "via", "2001:db8:f::1")
        self.forward(isp)
        isp.ip("route", "add", f"{POOL4}.0/24", "via", WAN4)
        isp.ip("route", "add", f"{POOL6}::/64", "via", WAN6)

    def forget_paths(self):
        """Makes all hosts forget the path MTUs that they have learnt."""
        for host in self.hosts:
            host.run("ip", "route", "flush", "cache")
            host.run("ip", "-6", "route", "flush", "cache")


def checksums_in_software(host, device):
    """Makes the kernel compute every checksum of what a device sends, so that whoever receives it verifies it.

    Between veth devices checksums are otherwise neither computed nor looked at.
    """
    host.run("ethtool", "-K", device, "tx", "off", check=True)
