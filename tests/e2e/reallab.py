# SPDX-License-Identifier: BSD-2-Clause
"""A gateway as people have them: two networks inside, two uplinks, and everybody else at the other end of both.

    client eth0 ---- lan0   \\         / wan0 ---- eth0 \\
      10.0.0.10   10.0.0.1    \\       / 192.0.2.1         \\
      and .11                  gateway                     outside 203.0.113.10, 192.0.2.10 on eth0, 198.51.100.10 on eth1
                              /       \\ 198.51.100.1      /
    guest eth0 ---- guest0   /         \\ wan1 ---- eth1  /
      10.1.0.10   10.1.0.1

The same with IPv6. The gateway's default route is by wan0, and one of a greater metric by wan1. Outside has routes
to the inner networks by eth0, so that untranslated packets are answered too.

Sockets are made by the test itself inside the host's network (RealHost.udp() and others): packets are sent at once, without starting a program.
"""
import contextlib
import ctypes
import functools
import itertools
import json
import os
import selectors
import socket
import struct
import subprocess
import threading
import time

from lab import PATIENCE, Firewall, Host, Lab, wait_for

CLIENT4, CLIENT6 = "10.0.0.10", "fd00:10::10"
SECOND4, SECOND6 = "10.0.0.11", "fd00:10::11"  # the client's second address
GUEST4, GUEST6 = "10.1.0.10", "fd00:11::10"
LAN4, LAN6 = "10.0.0.1", "fd00:10::1"
LOUNGE4, LOUNGE6 = "10.1.0.1", "fd00:11::1"  # the gateway's address towards guests
WAN4, WAN6 = "192.0.2.1", "2001:db8::1"
DSL4, DSL6 = "198.51.100.1", "2001:db8:1::1"  # the gateway's address on wan1
NEAR4, NEAR6 = "192.0.2.10", "2001:db8::10"  # outside's address on wan0's wire
DSLNEAR4, DSLNEAR6 = "198.51.100.10", "2001:db8:1::10"
FAR4, FAR6 = "203.0.113.10", "2001:db8:f::10"  # outside's address behind both

FAMILIES = (4, 6)
OUTER = {"eth0": (WAN4, WAN6), "eth1": (DSL4, DSL6)}  # source of a masqueraded packet, by outside's interface

ONE_WAN = "zone lan { lan0 }\nzone guest { guest0 }\nzone wan { wan0, wan1 }\n"
TWO_WANS = "zone lan { lan0 }\nzone guest { guest0 }\nzone wan { wan0 }\nzone dsl { wan1 }\n"
SETTINGS = "timeout group.answer 2s\noption log-drops on\n"

BACKUP = 4000  # the metric of the second default route
QUIET = 0.25  # seconds without a packet after which nothing more is expected
CLONE_NEWNET = 0x40000000
ETH_ALL = 3
BROADCAST_MAC = b"\xff" * 6
UDP, ICMP, ICMP6, TCP = socket.IPPROTO_UDP, socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6, socket.IPPROTO_TCP
IP_PKTINFO, IPV6_HOPLIMIT = 8, 52

_libc = ctypes.CDLL(None, use_errno=True)


# --- packets by hand ----------------------------------------------------------------------------------------------------


def address_bytes(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def internet_checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_header(source, target, proto, length):
    return address_bytes(source) + address_bytes(target) + struct.pack("!IHH", length, 0, proto)


def ip_packet(source, target, proto, body, ttl=64, tos=0):
    """An IPv4 or IPv6 packet, as its addresses are."""
    if ":" in source:
        head = struct.pack("!IHBB", 6 << 28 | tos << 20, len(body), proto, ttl)
        return head + address_bytes(source) + address_bytes(target) + body
    head = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(body), 1, 0x4000, ttl, proto, 0)
    head += address_bytes(source) + address_bytes(target)
    return head[:10] + struct.pack("!H", internet_checksum(head)) + head[12:] + body


def udp_packet(source, sport, target, dport, data=b"x" * 64, **words):
    head = struct.pack("!HHHH", sport, dport, 8 + len(data), 0)
    found = internet_checksum(pseudo_header(source, target, UDP, 8 + len(data)) + head + data) or 0xFFFF
    return ip_packet(source, target, UDP, head[:6] + struct.pack("!H", found) + data, **words)


def syn_packet(source, sport, target, dport, **words):
    head = struct.pack("!HHIIBBHHH", sport, dport, 1000, 0, 0x50, 2, 65535, 0, 0)
    found = internet_checksum(pseudo_header(source, target, TCP, 20) + head)
    return ip_packet(source, target, TCP, head[:16] + struct.pack("!H", found) + head[18:], **words)


def icmp_packet(source, target, kind, code, body, **words):
    """body: what stands behind the checksum."""
    six = ":" in source
    message = struct.pack("!BBH", kind, code, 0) + body
    before = pseudo_header(source, target, ICMP6, len(message)) if six else b""
    message = message[:2] + struct.pack("!H", internet_checksum(before + message)) + message[4:]
    return ip_packet(source, target, ICMP6 if six else ICMP, message, **words)


def echo_packet(source, target, ident=7):
    return icmp_packet(source, target, 128 if ":" in source else 8, 0, struct.pack("!HH", ident, 1) + b"x" * 32)


def group_mac(address):
    """The link address of a group or of everybody."""
    data = address_bytes(address)
    if ":" in address:
        return b"\x33\x33" + data[-4:]
    if 224 <= data[0] < 240:
        return b"\x01\x00\x5e" + bytes([data[1] & 0x7F]) + data[2:]
    return BROADCAST_MAC


def frame(to, by, packet):
    return to + by + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00") + packet


# --- hosts --------------------------------------------------------------------------------------------------------------


class RealHost(Host):
    """A host in which the test makes its own sockets."""

    @contextlib.contextmanager
    def inside(self):
        """Sockets that the calling thread opens meanwhile are opened in the host's network."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            if _libc.setns(there, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            yield
        finally:
            if _libc.setns(home, CLONE_NEWNET):
                os._exit(70)  # nothing more may happen in the wrong network
            os.close(home)
            os.close(there)

    def index(self, device):
        with self.inside():
            return socket.if_nametoindex(device)

    @functools.cache
    def mac(self, device):
        return mac_bytes(json.loads(self.run("ip", "-j", "link", "show", device, check=True).stdout)[0]["address"])

    def udp(self, address="0.0.0.0", port=0, device=None, groups=(), timeout=1.0):
        """A socket for datagrams, also for broadcast, and for groups that it joins on its device."""
        six = ":" in address
        with self.inside():
            sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
            self.prepare(sock, six, device, groups, timeout)
            sock.bind((address, port))
        return sock

    def raw(self, proto, six=False, device=None, groups=(), timeout=1.0):
        """A socket for a protocol. For IPv4 it reads IP headers too."""
        with self.inside():
            sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, proto)
            self.prepare(sock, six, device, groups, timeout)
        return sock

    @staticmethod
    def prepare(sock, six, device, groups, timeout):
        sock.settimeout(timeout)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        index = socket.if_nametoindex(device) if device else 0
        if device:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        if six:
            if sock.type == socket.SOCK_DGRAM:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 8)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        for group in groups:
            if six:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, address_bytes(group) + struct.pack("=I", index))
            else:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                                address_bytes(group) + address_bytes("0.0.0.0") + struct.pack("=I", index))

    def send_frames(self, device, *frames):
        """Puts frames on the wire as they are."""
        with self.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind((device, 0))
            for frame_ in frames:
                wire.send(frame_)

    def wire(self, device, timeout=1.0):
        """Sees every frame that comes by a device."""
        with self.inside():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
            sock.bind((device, ETH_ALL))
        sock.settimeout(timeout)
        return sock

    def tcp_listener(self, address, port, device=None):
        six = ":" in address
        with self.inside():
            sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if six:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if device:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            sock.bind((address, port))
            sock.listen(64)
        return sock

    def connect_to(self, target, port, source=None, device=None, timeout=1.5, port_here=0):
        """A connected TCP socket, or None."""
        six = ":" in target
        with self.inside():
            sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM)
            sock.settimeout(timeout)
            if device:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            if source:
                sock.bind((source, port_here))
            try:
                sock.connect((target, port))
            except OSError:
                sock.close()
                return None
        return sock


def heard(sock, count=None, wait=None):
    """Receives until the socket is quiet, or until `count` have come: a list of (bytes, address)."""
    got = []
    sock.settimeout(wait or QUIET)
    while count is None or len(got) < count:
        try:
            data, peer = sock.recvfrom(4096)
        except (TimeoutError, socket.timeout):
            break
        except OSError:
            continue  # an ICMP error came
        got.append((data, peer[0].split("%")[0]))
        sock.settimeout(QUIET)
    return got


def hears(sock, wait=PATIENCE):
    """Returns true if anything comes. Only for what must not come it is waited for a short time: see window()."""
    return bool(heard(sock, 1, wait))


def window(comes):
    """For how long something is waited for: what must come has the time of a busy machine, what must not come that of an idle one."""
    return PATIENCE if comes else 0.4


def icmp_heard(sock, six, wait=QUIET):
    """The messages that came to a raw ICMP socket: a list of (source, type, code)."""
    found = []
    for data, peer in heard(sock, None, wait):
        message = data if six else data[(data[0] & 15) * 4:]
        found.append((peer, message[0], message[1]))
    return found


class Mirror:
    """Answers everybody, by UDP or TCP, with the address that it sees and the interface that it heard them by."""

    def __init__(self, host, ports):
        self.seen = []  # (port, kind, source address, source port, device)
        self.ending = False
        self.selector = selectors.DefaultSelector()
        names = {host.index(device): device for device in ("eth0", "eth1")}
        for port in ports:
            for device in names.values():
                for address in ("0.0.0.0", "::"):
                    sock = host.udp(address, port, device)
                    sock.setsockopt(*((socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1) if address == "::"
                                      else (socket.IPPROTO_IP, IP_PKTINFO, 1)))
                    self.selector.register(sock, selectors.EVENT_READ, ("udp", port, device))
                    self.selector.register(host.tcp_listener(address, port, device), selectors.EVENT_READ,
                                           ("tcp", port, device))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.ending:
            for key, _ in self.selector.select(0.1):
                kind, port, device = key.data
                with contextlib.suppress(OSError):
                    (self.answer_datagram if kind == "udp" else self.answer_connection)(key.fileobj, port, device)

    def answer_datagram(self, sock, port, device):
        data, ancillary, _, peer = sock.recvmsg(2048, 128)
        self.seen.append((port, "udp", peer[0], peer[1], device))
        answer = json.dumps({"source": peer[0], "port": peer[1], "device": device, "data": data.decode("latin1")})
        level, kind, info = ancillary[0]
        # Answered from the address that was asked. The socket is bound to the interface.
        info = info[:16] + b"\0\0\0\0" if level == socket.IPPROTO_IPV6 else b"\0\0\0\0" + info[8:12] + b"\0\0\0\0"
        sock.sendmsg([answer.encode()], [(level, kind, info)], 0, peer)

    def answer_connection(self, listener, port, device):
        sock, peer = listener.accept()
        self.seen.append((port, "tcp", peer[0], peer[1], device))
        sock.sendall(json.dumps({"source": peer[0], "port": peer[1], "device": device}).encode())
        sock.close()

    def close(self):
        self.ending = True
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


class Gate(Firewall):
    """The firewall on the gateway, with the questions that these tests ask it."""

    def use(self, rules, zones=TWO_WANS, settings=SETTINGS):
        """Puts rules in force and forgets every flow."""
        self.path.write_text(zones + settings + rules)
        if self.child.poll() is not None:
            self.start()
        self.say("reload")
        self.cli("states", "kill", "--all")
        self.before = self.rules()
        return self

    def rules(self):
        """Returns how many packets every rule has decided, by its text."""
        return {rule["text"]: rule["matches"] for rule in self.data("counters")[0]["rules"]}

    def matches(self, text):
        """How many packets the rules with this text have decided since use()."""
        return sum(count - self.before.get(rule, 0) for rule, count in self.rules().items() if text in rule)

    def reason(self, name):
        """How many packets passed or were dropped for this reason."""
        return sum(reason["packets"] for reason in self.data("counters", "-a")[0]["reasons"] if reason["reason"] == name)

    def flows(self, *words):
        """The live states in which all words stand."""
        return [flow for flow in self.data("states") if all(str(word) in json.dumps(flow) for word in words)]

    def explains(self, packet):
        """Asks `keepstate explain` about a packet in words: returns true if it passes, and the whole output."""
        done = self.cli("explain", "--json", packet)
        assert done.returncode in (0, 1), f"explain {packet}: {done.stdout}{done.stderr}"
        return done.returncode == 0, done.stdout

    def agrees(self, packet, passes):
        """`explain` must give the verdict that the data plane gave."""
        said, text = self.explains(packet)
        assert said == passes, f"explain says {'allow' if said else 'deny'} to: {packet}\n{text}"


def batch(host, lines, *options):
    """Several commands of ip(8) at once."""
    done = subprocess.run(["ip", *options, "-n", host.name, "-force", "-batch", "-"], input="\n".join(lines) + "\n",
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{lines}: {done.stderr}"


def inner_routes(four, six):
    return [f"route replace default via {four}", f"route replace default via {six}"]


class RealLab(Lab):
    def host(self, role):
        host = RealHost(role)
        self.hosts.append(host)
        return host

    def build(self):
        self.gateway, self.outside = self.host("gateway"), self.host("outside")
        self.client, self.guest = self.host("client"), self.host("guest")
        for host in self.hosts:
            self.prepare(host)
        self.tie("lan0", (LAN4, LAN6), self.client, "eth0", (CLIENT4, CLIENT6), (SECOND4, SECOND6))
        self.tie("guest0", (LOUNGE4, LOUNGE6), self.guest, "eth0", (GUEST4, GUEST6))
        self.tie("wan0", (WAN4, WAN6), self.outside, "eth0", (NEAR4, NEAR6))
        self.tie("wan1", (DSL4, DSL6), self.outside, "eth1", (DSLNEAR4, DSLNEAR6))
        self.outside.ip("addr", "add", f"{FAR4}/32", "dev", "lo")
        self.outside.ip("addr", "add", f"{FAR6}/128", "dev", "lo")
        self.client.ip("addr", "change", f"{SECOND6}/64", "dev", "eth0", "preferred_lft", "0")
        self.forward(True)
        self.routes()
        for host in self.hosts:
            wait_for(lambda host=host: "tentative" not in host.run("ip", "-6", "addr").stdout, what="addresses")

    @staticmethod
    def prepare(host):
        for where in ("all", "default"):
            host.write(f"/proc/sys/net/ipv4/conf/{where}/rp_filter", 0)
            host.write(f"/proc/sys/net/ipv6/conf/{where}/keep_addr_on_down", 1)
            host.write(f"/proc/sys/net/ipv6/conf/{where}/accept_ra", 0)
            host.write(f"/proc/sys/net/ipv4/conf/{where}/arp_ignore", 1)
        host.write("/proc/sys/net/ipv4/icmp_ratelimit", 0)
        host.write("/proc/sys/net/ipv6/icmp/ratelimit", 0)
        host.write("/proc/sys/net/ipv4/icmp_echo_ignore_broadcasts", 0)
        host.write("/proc/sys/net/ipv4/ip_unprivileged_port_start", 0)

    def tie(self, device, mine, host, its, *theirs):
        gateway = self.gateway
        gateway.ip("link", "add", device, "type", "veth", "peer", "name", its, "netns", host.name)
        for where, name, pairs in ((gateway, device, [mine]), (host, its, theirs)):
            for four, six in pairs:
                where.ip("addr", "add", f"{four}/24", "brd", "+", "dev", name)
                where.ip("addr", "add", f"{six}/64", "dev", name, "nodad")
            where.ip("link", "set", name, "up")

    def forward(self, on):
        self.gateway.write("/proc/sys/net/ipv4/ip_forward", int(on))
        self.gateway.write("/proc/sys/net/ipv6/conf/all/forwarding", int(on))

    def routes(self):
        """Sets every route as in the picture above, whatever a test did."""
        for host, lines in ((self.client, inner_routes(LAN4, LAN6)), (self.guest, inner_routes(LOUNGE4, LOUNGE6)),
                            (self.outside, ["link set eth0 up", "link set eth1 up"] + [
                                f"route replace {net} via {WAN6 if ':' in net else WAN4}"
                                for net in ("10.0.0.0/24", "10.1.0.0/24", "fd00:10::/64", "fd00:11::/64")]),
                            (self.gateway, [f"link set {device} up" for device in ("lan0", "guest0", "wan0", "wan1")])):
            batch(host, lines)
        self.default_routes((NEAR4, NEAR6, "wan0"))
        batch(self.gateway, [f"route replace default via {DSLNEAR4} dev wan1 metric {BACKUP}",
                             f"route replace default via {DSLNEAR6} dev wan1 metric {BACKUP}"])

    def default_routes(self, *hops):
        """The gateway's default routes, by one uplink or by several at once."""
        lines = []
        for family, place in (("-4", 0), ("-6", 1)):
            parts = [f"via {hop[place]} dev {hop[2]}" for hop in hops]
            lines.append(f"{family} route flush exact default")
            if len(parts) == 1:
                lines.append(f"{family} route replace default {parts[0]}")
            elif parts:
                lines.append(f"{family} route replace default " + " ".join("nexthop " + part for part in parts))
        for line in lines:
            batch(self.gateway, [line.split(" ", 1)[1]], line.split()[0])

    def send(self, host, packet, device="eth0", to=None, by=None, count=1):
        """Sends a packet by hand, or several, to the gateway or to the link address of their group."""
        towards = {("client", "eth0"): "lan0", ("guest", "eth0"): "guest0", ("outside", "eth0"): "wan0",
                   ("outside", "eth1"): "wan1"}[host.name.rsplit("-", 1)[1], device]
        packets = packet if isinstance(packet, list) else [packet] * count
        host.send_frames(device, *[frame(to or self.gateway.mac(towards), by or host.mac(device), each) for each in packets])

    def rps(self, device, mask="3"):
        """Received packets of a device are spread over CPUs."""
        self.gateway.ip_root("netns", "exec", self.gateway.name, "sh", "-c",
                             f"echo {mask} >/sys/class/net/{device}/queues/rx-0/rps_cpus")


questions = itertools.count(1)


def ask(sock, target, port, wait=PATIENCE):
    """Returns the answer of a Mirror to this question, not a late one to an earlier question, or None."""
    end, question = time.monotonic() + wait, f"who am I? {next(questions)}"
    sock.sendto(question.encode(), (target, port))
    while time.monotonic() < end:
        sock.settimeout(max(end - time.monotonic(), 0.01))
        try:
            answer = json.loads(sock.recv(2048))
            if answer["data"] == question:
                return answer
        except (TimeoutError, socket.timeout):
            return None
        except OSError:
            continue  # an ICMP error came
    return None


def ask_by_tcp(host, target, port, source=None):
    sock = host.connect_to(target, port, source)
    if sock is None:
        return None
    with sock:
        try:
            return json.loads(sock.recv(2048))
        except (OSError, ValueError):
            return None
