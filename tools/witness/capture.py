# SPDX-License-Identifier: BSD-2-Clause
"""Capture files: their frames, and where the IP packet begins in each.

Numbers of link types are those in files (LINKTYPE_). A frame of a type that is not known here, or that carries no IP,
has no packet; nothing can then be said of it.
"""
import collections
import gzip
import struct

Captured = collections.namedtuple('Captured', 'link data wire')  # bytes that were kept, and how many the wire had

SECTION, INTERFACE, OLD_PACKET, SIMPLE_PACKET, PACKET = 0x0a0d0d0a, 1, 2, 3, 6
ETHERTYPES = {0x0800: 4, 0x86dd: 6}
TAGS = (0x8100, 0x88a8, 0x9100, 0x9200)
PPP_PROTOCOLS = {0x0021: 4, 0x0057: 6}
NLPIDS = {0xcc: 4, 0x8e: 6}
SNAP = b'\xaa\xaa\x03\0\0\0'


class Damaged(ValueError):
    """The file is no capture, or ends where more should come."""


def frames_of(path):
    """The frames of a file until its end or its first damage, as libpcap would read them."""
    data = path.read_bytes()
    if data[:2] == b'\x1f\x8b':
        data = gzip.decompress(data)
    if data[:4] == struct.pack('<I', SECTION):
        return list(pcapng_frames(data))
    return list(pcap_frames(data))


def pcap_frames(data):
    for order in '<>':
        magic, = struct.unpack(order + 'I', data[:4].ljust(4, b'\0'))
        if magic in (0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34):
            break
    else:
        raise Damaged('no capture')
    head = 24 if magic == 0xa1b2cd34 else 16
    link = struct.unpack(order + 'I', data[20:24].ljust(4, b'\0'))[0] & 0x03ffffff
    at = 24
    while at + head <= len(data):
        kept, wire = struct.unpack(order + 'II', data[at + 8:at + 16])
        if at + head + kept > len(data):
            return
        yield Captured(link, data[at + head:at + head + kept], max(kept, wire))
        at += head + kept


def pcapng_frames(data):
    order, links, snap, at = '<', [], [], 0
    while at + 12 <= len(data):
        if data[at:at + 4] == struct.pack('<I', SECTION):
            order = '<' if data[at + 8:at + 12] == struct.pack('<I', 0x1a2b3c4d) else '>'
            links, snap = [], []
        kind, length = struct.unpack(order + 'II', data[at:at + 8])
        if length < 12 or at + length > len(data):
            return
        body = data[at + 8:at + length - 4]
        if kind == INTERFACE:
            links.append(struct.unpack(order + 'H', body[:2])[0])
            snap.append(struct.unpack(order + 'I', body[4:8])[0])
        elif kind in (PACKET, OLD_PACKET):
            form, size = ('I', 4) if kind == PACKET else ('H', 2)
            number, = struct.unpack(order + form, body[:size])
            kept, wire = struct.unpack(order + 'II', body[12:20])
            yield Captured(links[number], body[20:20 + kept], max(kept, wire))
        elif kind == SIMPLE_PACKET:
            wire, = struct.unpack(order + 'I', body[:4])
            kept = min(wire, snap[0] or wire, len(body) - 4)
            yield Captured(links[0], body[4:4 + kept], max(kept, wire))
        at += length


def network_offset(captured):
    """Where the IP header begins, or None. The version nibble there is what the link header says."""
    finder = FINDERS.get(captured.link)
    try:
        found = finder(captured.data) if finder else None
        if not found:
            return None
        offset, version = found
        nibble = captured.data[offset] >> 4
    except (IndexError, struct.error):
        return None
    return offset if nibble in ((4, 6) if version is None else (version,)) else None


def word(data, at):
    return struct.unpack_from('!H', data, at)[0]


def by_ethertype(data, at):
    """`at` is where an ethertype stands; VLAN tags are walked over."""
    while word(data, at) in TAGS:
        at += 4
    return (at + 2, ETHERTYPES[word(data, at)]) if word(data, at) in ETHERTYPES else None


def ppp(data, at=0):
    if data[at] == 0xff:
        at += 2
    if data[at] & 1:
        protocol, at = data[at], at + 1
    else:
        protocol, at = word(data, at), at + 2
    return (at, PPP_PROTOCOLS[protocol]) if protocol in PPP_PROTOCOLS else None


def ppp_serial(data):
    return by_ethertype(data, 2) if data[0] in (0x0f, 0x8f) else ppp(data)


def ppp_directed(data):
    return ppp(data, 2 if data[1] == 0x03 else 1)


def pppoe(data):
    return ppp(data, 6) if data[1] == 0 else None


def llc(data, at=0):
    if data[at:at + 6] == SNAP:
        return by_ethertype(data, at + 6)
    if data[at:at + 8] in (b'\xaa\xaa\x03\0\x80\xc2\0\x01', b'\xaa\xaa\x03\0\x80\xc2\0\x07'):
        return by_ethertype(data, at + 10 + 12)
    if data[at:at + 3] == b'\x06\x06\x03':
        return at + 3, 4
    if data[at:at + 4] == b'\xfe\xfe\x03\xcf':
        return ppp(data, at + 4)
    if data[at:at + 3] == b'\xfe\xfe\x03' and data[at + 3] in NLPIDS:
        return at + 4, NLPIDS[data[at + 3]]
    return None


def atm_clip(data):
    return llc(data) if data[:1] == SNAP[:1] else (0, None)


def sunatm(data):
    if data[0] & 0x0f == 1:
        return by_ethertype(data, 6 + 12) if word(data, 4) != 0xff00 else None
    return llc(data, 4) if data[0] & 0x0f == 2 else None


FINDERS = {
    0: lambda data: (4, None), 108: lambda data: (4, None),
    1: lambda data: by_ethertype(data, 12),
    8: lambda data: (16, None),
    9: ppp, 50: ppp_serial, 51: pppoe, 166: ppp_directed, 204: ppp_directed,
    12: lambda data: (0, None), 14: lambda data: (0, None), 101: lambda data: (0, None),
    228: lambda data: (0, 4), 229: lambda data: (0, 6),
    100: llc, 106: atm_clip, 123: sunatm,
    104: lambda data: by_ethertype(data, 2),
    113: lambda data: by_ethertype(data, 14), 276: lambda data: (20, ETHERTYPES.get(word(data, 0))),
}
