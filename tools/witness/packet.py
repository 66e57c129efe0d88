# SPDX-License-Identifier: BSD-2-Clause
"""IP packets from their bytes: headers, fragments, checksums, datagrams put together."""
import functools
import ipaddress
import struct

HOPOPTS, ICMP, TCP, UDP, DCCP, ROUTING, FRAGMENT, AH, ICMPV6, DSTOPTS, SCTP, UDPLITE = (
    0, 1, 6, 17, 33, 43, 44, 51, 58, 60, 132, 136)
WITH_PORTS = (TCP, UDP, DCCP, SCTP, UDPLITE)
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
JUDGED_FLAGS = FIN | SYN | RST | ACK | URG
OPTION_END, OPTION_NOP, OPTION_WINDOW_SCALE, OPTION_SACK_PERMITTED, OPTION_SACK = 0, 1, 3, 4, 5
ICMP_QUERIES = {8: 0, 13: 14, 15: 16, 17: 18}  # and what answers them
ICMPV6_QUERIES = {128: 129}
IPV4_HEADER, IPV6_HEADER, UDP_HEADER, TCP_HEADER = 20, 40, 8, 20
DATAGRAM_MAX = 65535


class Unreadable(ValueError):
    """No IP packet, or one without its whole IP header."""


class Packet:
    """One packet. `whole` says that all of the datagram is there, `total` how many bytes that takes.

    `payload` is what follows the IP headers, as far as it was captured. In a fragment, `part` is the part of the datagram
    that it carries, which in IPv6 may begin with further headers.
    """

    def __init__(self, data):
        if not data:
            raise Unreadable
        self.version = data[0] >> 4
        self.fragment = None  # or (identification, offset, whether more follow)
        self.headers = []  # extension headers: (type, bytes)
        if self.version == 4:
            self.read_ipv4(data)
        elif self.version == 6:
            self.read_ipv6(data)
        else:
            raise Unreadable
        self.whole = len(data) >= self.total

    def read_ipv4(self, data):
        if len(data) < IPV4_HEADER:
            raise Unreadable
        header = (data[0] & 15) * 4
        self.total, self.id, place = struct.unpack_from('!HHH', data, 2)
        if header < IPV4_HEADER or self.total < header:
            raise Unreadable
        self.proto = data[9]
        self.source, self.destination = data[12:16], data[16:20]
        self.payload = data[header:self.total]
        self.payload_size = self.total - header
        if place & 0x3fff:
            self.fragment = self.id, (place & 0x1fff) * 8, bool(place & 0x2000)
            self.part, self.part_size, self.part_proto = self.payload, self.payload_size, self.proto

    def read_ipv6(self, data):
        if len(data) < IPV6_HEADER:
            raise Unreadable
        size, self.proto = struct.unpack_from('!HB', data, 4)
        self.source, self.destination = data[8:24], data[24:40]
        self.total = IPV6_HEADER + size
        self.headers, self.proto, at, found = walk_ipv6(self.proto, data[:self.total], IPV6_HEADER)
        self.payload = data[at:self.total]
        self.payload_size = max(self.total - at, 0)
        if found:
            self.fragment, self.part_proto, begin = found
            self.part, self.part_size = data[begin:self.total], max(self.total - begin, 0)

    @property
    def key(self):
        """Is the same in all fragments of a datagram. In IPv6 their next headers may differ (RFC 8200 4.5)."""
        return self.version, self.source, self.destination, self.fragment[0], self.proto if self.version == 4 else None

    @property
    def has_upper(self):
        return not self.fragment or self.fragment[1] == 0

    @functools.cached_property
    def ports(self):
        if self.proto in WITH_PORTS and self.has_upper and len(self.payload) >= 4:
            return struct.unpack_from('!HH', self.payload)
        return None

    @functools.cached_property
    def ends(self):
        """The two ends, the sender first: (address, port)."""
        ports = self.ports or (0, 0)
        return (self.source, ports[0]), (self.destination, ports[1])

    @functools.cached_property
    def tcp(self):
        """The TCP header, or None if this is none that has one whole."""
        if self.proto != TCP or not self.has_upper or len(self.payload) < TCP_HEADER:
            return None
        return Segment(self.payload, self.payload_size)

    @functools.cached_property
    def icmp_query(self):
        """(is a request, type of the request, code, identifier) of an ICMP query or its answer, else None."""
        queries = {ICMP: ICMP_QUERIES, ICMPV6: ICMPV6_QUERIES}.get(self.proto, {})
        if not self.has_upper or len(self.payload) < 8:
            return None
        kind, code, identifier = self.payload[0], self.payload[1], struct.unpack_from('!H', self.payload, 4)[0]
        for request, answer in queries.items():
            if kind in (request, answer):
                return kind == request, request, code, identifier
        return None

    @property
    def quote(self):
        """The packet that an ICMP error quotes; None if this is no error or the quoted IP header is not all there."""
        is_error = {ICMP: lambda kind: kind in (3, 4, 5, 11, 12), ICMPV6: lambda kind: kind < 128}.get(self.proto)
        if not is_error or not self.has_upper or len(self.payload) < 8 or not is_error(self.payload[0]):
            return None
        try:
            return Packet(self.payload[8:])
        except Unreadable:
            return None

    @property
    def source_is_no_host(self):
        """RFC 1122 3.2.1.3, RFC 4291 2.7: broadcast and multicast are no sources."""
        address = ipaddress.ip_address(self.source)
        return address.is_multicast or address == ipaddress.ip_address('255.255.255.255')

    @property
    def source_is_nowhere(self):
        """RFC 1112 4: 240.0.0.0/4 is reserved. RFC 1122 3.2.1.3: loopback speaks to itself only."""
        source, destination = ipaddress.ip_address(self.source), ipaddress.ip_address(self.destination)
        return (self.version == 4 and source.packed[0] >= 240) or (source.is_loopback and not destination.is_loopback)

    @property
    def upper(self):
        """The packet behind the IP headers; None if it is a fragment or not all here."""
        if self.fragment or not self.whole:
            return None
        return Upper(self.version, self.proto, self.source, self.destination, self.payload)


def walk_ipv6(proto, data, at):
    """Walks extension headers as long as they can be.

    Returns them, the protocol behind them, where that begins, and of the first fragment header what it says, the next
    header and where the part begins.
    """
    headers, found = [], None
    while proto in (HOPOPTS, ROUTING, FRAGMENT, AH, DSTOPTS) and at + 8 <= len(data):
        size = 8 if proto == FRAGMENT else (data[at + 1] + 2) * 4 if proto == AH else (data[at + 1] + 1) * 8
        headers.append((proto, data[at:at + size]))
        if proto == FRAGMENT and not found:
            place, identification = struct.unpack_from('!HI', data, at + 2)
            found = (identification, place & 0xfff8, bool(place & 1)), data[at], at + 8
        if proto == AH and data[at + 1] < 1:
            break  # RFC 4302 2.2: nobody knows where it ends
        if at + size > len(data):
            break
        is_later_part = proto == FRAGMENT and found[0][1] != 0
        proto, at = data[at], at + size
        if is_later_part:
            break
    return headers, proto, at, found


class Segment:
    """A TCP header. `end` is the sequence number behind the last byte of the segment."""

    def __init__(self, payload, size):
        self.source, self.destination, self.seq, self.ack, place, self.flags, self.window = struct.unpack_from(
            '!HHIIBBH', payload)
        header = (place >> 4) * 4
        self.options = payload[TCP_HEADER:header]
        self.options_whole = TCP_HEADER <= header <= len(payload)
        self.size = max(size - header, 0)
        self.end = (self.seq + self.size + bool(self.flags & SYN) + bool(self.flags & FIN)) & 0xffffffff

    @property
    def is_opening(self):
        return self.flags & (SYN | ACK | RST | FIN) == SYN

    def walk_options(self):
        """The options as (kind, bytes), then (None, b'') if a malformed one ends them."""
        at = 0
        while at < len(self.options) and self.options[at] != OPTION_END:
            if self.options[at] == OPTION_NOP:
                at += 1
                continue
            size = self.options[at + 1] if at + 1 < len(self.options) else 0
            if size < 2 or at + size > len(self.options):
                yield None, b''
                return
            yield self.options[at], self.options[at:at + size]
            at += size

    @functools.cached_property
    def options_are_malformed(self):
        return self.options_whole and any(kind is None for kind, _ in self.walk_options())

    @functools.cached_property
    def permits_sack(self):
        return bool(self.flags & SYN) and any(kind == OPTION_SACK_PERMITTED for kind, _ in self.walk_options())

    @functools.cached_property
    def window_scale(self):
        """The shift of the window scale option, None without one."""
        return next((min(option[2], 14) for kind, option in self.walk_options()
                     if kind == OPTION_WINDOW_SCALE and len(option) == 3), None)

    @functools.cached_property
    def sack_edges(self):
        """Right edges of the SACK blocks."""
        return [struct.unpack_from('!I', option, at + 4)[0] for kind, option in self.walk_options() if kind == OPTION_SACK
                for at in range(2, len(option) - 7, 8)]


def ahead(a, b):
    """How far sequence number a is ahead of b; negative if it is behind."""
    return ((a - b + 0x80000000) & 0xffffffff) - 0x80000000


def sum16(data):
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total >> 16) + (total & 0xffff)
    return total


class Upper:
    """A whole packet of an upper protocol, for its checksum. None stands for "not known here"."""

    def __init__(self, version, proto, source, destination, data):
        self.version, self.proto, self.addresses, self.data = version, proto, source + destination, data

    def sums_up(self, size):
        """Returns true if the first `size` bytes and the pseudo-header of that length have the right sum."""
        if self.proto == ICMP:
            pseudo = b''
        elif self.version == 6:
            pseudo = self.addresses + struct.pack('!IHBB', size, 0, 0, self.proto)
        else:
            pseudo = self.addresses + struct.pack('!BBH', 0, self.proto, size)
        return sum16(pseudo + self.data[:size]) == 0xffff

    @property
    def udp_size(self):
        """The length that a UDP header tells; None for other protocols and for a length that cannot be."""
        if self.proto != UDP or len(self.data) < UDP_HEADER:
            return None
        size, = struct.unpack_from('!H', self.data, 4)
        return size if UDP_HEADER <= size <= len(self.data) else None

    @property
    def is_right(self):
        """True if the checksum is right, as the receiver counts it. A checksum of 0 in UDP says that there is none."""
        if self.proto == UDP:
            if self.udp_size is None:
                return None
            return self.data[6:8] == b'\0\0' or self.sums_up(self.udp_size)
        return self.is_right_for_linux

    @property
    def is_right_for_linux(self):
        """True if it is right for Linux's connection tracking, which sums UDP to the end of the datagram (nf_checksum)."""
        if self.proto == UDP:
            return None if self.udp_size is None else self.data[6:8] == b'\0\0' or self.sums_up(len(self.data))
        least = {TCP: TCP_HEADER, ICMP: 4, ICMPV6: 4}.get(self.proto)
        return self.sums_up(len(self.data)) if least and len(self.data) >= least else None


class Datagram:
    """Fragments with one identification, put together as Linux does it.

    `add` says what becomes of a fragment: 'part'; 'repeat', which Linux throws away silently; or 'refused', after which
    Linux gives up all that it had.
    """

    def __init__(self):
        self.parts = []  # (offset, bytes, packet), by offset
        self.end = None  # where the last fragment ends
        self.has_word = False  # Linux said something of it
        self.is_given_up = False
        self.has_repeats = False

    def add(self, packet):
        _, offset, more = packet.fragment
        size = packet.part_size
        if any(at == offset and len(data) == size for at, data, _ in self.parts):
            self.has_repeats = True
            return 'repeat'
        end = offset + size
        if end > DATAGRAM_MAX or size == 0 or more and size % 8:
            return 'refused'
        if any(at < end and offset < at + len(data) for at, data, _ in self.parts):
            return 'refused'
        if self.end is not None and (not more or end > self.end):
            return 'refused'
        if not more:
            if any(at + len(data) > end for at, data, _ in self.parts):
                return 'refused'
            self.end = end
        self.parts.append((offset, packet.part, packet))
        self.parts.sort(key=lambda part: part[0])
        return 'part'

    @property
    def is_whole(self):
        at = 0
        for offset, data, _ in self.parts:
            if offset != at:
                return False
            at += len(data)
        return self.end is not None and at == self.end

    @property
    def upper(self):
        """The packet behind the IP headers of a whole datagram."""
        data, first = b''.join(data for _, data, _ in self.parts), self.parts[0][2]
        proto, at = first.part_proto, 0
        if first.version == 6:
            _, proto, at, nested = walk_ipv6(proto, data, 0)
            if nested:
                return None
        return Upper(first.version, proto, first.source, first.destination, data[at:])
