# SPDX-License-Identifier: BSD-2-Clause
"""Packets and captures made from bytes, checksums included."""
import ipaddress
import struct

ETHERNET, USER0 = 1, 147
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
A, B, C = '192.0.2.1', '198.51.100.2', '203.0.113.3'
A6, B6 = '2001:db8::1', '2001:db8::2'


def address(text):
    return ipaddress.ip_address(text).packed


def checksum(data):
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total >> 16) + (total & 0xffff)
    return ~total & 0xffff


def pseudo(source, destination, proto, size):
    return address(source) + address(destination) + struct.pack('!IHBB', size, 0, 0, proto)


def ipv4(source, destination, proto, payload, identification=0, offset=0, more=False):
    header = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(payload), identification, offset // 8 | more << 13, 64, proto, 0)
    header += address(source) + address(destination)
    return header[:10] + struct.pack('!H', checksum(header)) + header[12:] + payload


def ipv6(source, destination, proto, payload):
    return struct.pack('!IHBB', 6 << 28, len(payload), proto, 64) + address(source) + address(destination) + payload


def udp(source, destination, sport=1000, dport=2000, data=b'data', behind=b'', wrong=0):
    """`behind` is put behind the end that the header tells, `wrong` is added to the right checksum."""
    size = 8 + len(data)
    head = struct.pack('!HHH', sport, dport, size)
    right = checksum(pseudo(source, destination, 17, size) + head + b'\0\0' + data)
    return head + struct.pack('!H', (right + wrong) & 0xffff) + data + behind


def tcp(source, destination, sport, dport, flags, seq, ack=0, data=b'', options=b'', window=8192):
    options += b'\1' * (-len(options) % 4)
    head = struct.pack('!HHIIBBH', sport, dport, seq & 0xffffffff, ack & 0xffffffff, (20 + len(options)) // 4 << 4, flags, window)
    size = 20 + len(options) + len(data)
    right = checksum(pseudo(source, destination, 6, size) + head + b'\0\0\0\0' + options + data)
    return head + struct.pack('!HH', right, 0) + options + data


def icmp(kind, code, identifier, data=b'12345678'):
    head, rest = struct.pack('!BB', kind, code), struct.pack('!HH', identifier, 1) + data
    return head + struct.pack('!H', checksum(head + b'\0\0' + rest)) + rest


def icmpv6(source, destination, kind, code, rest):
    head, size = struct.pack('!BB', kind, code), 4 + len(rest)
    return head + struct.pack('!H', checksum(pseudo(source, destination, 58, size) + head + b'\0\0' + rest)) + rest


def ethernet(packet):
    return bytes(12) + (b'\x86\xdd' if packet[0] >> 4 == 6 else b'\x08\0') + packet


def pcap(*frames, link=ETHERNET):
    """A pcap file. A frame is its bytes, or (bytes that were kept, bytes that the wire had)."""
    data = struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, link)
    for i, frame in enumerate(frames):
        kept, wire = frame if isinstance(frame, tuple) else (frame, len(frame))
        data += struct.pack('<IIII', 1000, i * 1000, len(kept), wire) + kept
    return data
