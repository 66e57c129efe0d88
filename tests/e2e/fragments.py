# SPDX-License-Identifier: BSD-2-Clause
"""Small programs for datagrams in fragments; run by lab.Host.python(). Each prints lines of JSON.

  echo ADDRESS PORT                   sends every datagram back, and tells in the end how many, and how many fragments came
  ask ADDRESS PORT SIZE...            sends datagrams of these sizes and compares what comes back
  growing SOURCE ADDRESS PORT         the same by IPv6, the first one short and others long; tells at which offsets a router found
                                      one too big
  send SOURCE ADDRESS PORT HOW [PIECE]  sends one datagram in four fragments of 1000 bytes, or PIECE, made by hand, and a rest
"""
import json
import os
import selectors
import signal
import socket
import struct
import sys

PIECE = 1000  # bytes of a fragment
PIECES = 4  # and 8 bytes more
ETH_ALL, ETH_IPV4, ETH_IPV6 = 3, 0x0800, 0x86DD
FRAGMENT_HEADER = 44
ICMP6_TOO_BIG = 2
running = True


def end(_signal, _frame):
    global running
    running = False


def tell(**facts):
    print(json.dumps(facts), flush=True)


def is_fragment(frame):
    """Returns true if an Ethernet frame holds a fragment."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    if kind == ETH_IPV4:
        return bool(struct.unpack_from("!H", frame, 20)[0] & 0x3FFF)
    return kind == ETH_IPV6 and frame[20] == FRAGMENT_HEADER


def echo(address, port):
    udp = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, port))
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
    selector = selectors.DefaultSelector()
    selector.register(udp, selectors.EVENT_READ)
    selector.register(wire, selectors.EVENT_READ)
    datagrams = fragments = 0
    tell(ready=True)
    while running:
        for key, _ in selector.select(0.05):
            if key.fileobj is udp:
                data, peer = udp.recvfrom(65536)
                udp.sendto(data, peer)
                datagrams += 1
            else:
                frame, where = wire.recvfrom(65536)
                fragments += where[2] != socket.PACKET_OUTGOING and is_fragment(frame)
    tell(datagrams=datagrams, fragments=fragments)


def ask(address, port, *sizes):
    same = []
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2)
        sock.connect((address, port))
        for size in sizes:
            data = os.urandom(size)
            try:
                sock.send(data)
                same.append(sock.recv(65536) == data)
            except OSError as problem:
                same.append(str(problem))
    tell(same=same)


# A datagram made by hand: (offset, length, byte to fill it with) for each fragment, in the order of sending.
def orders(size):
    pieces = [(off, size, 0) for off in range(0, PIECES * size, size)] + [(PIECES * size, 8, 0)]
    return {
        "straight": pieces,
        "reverse": pieces[::-1],
        "first-last": pieces[1:] + pieces[:1],
        "again": [piece for piece in pieces for _ in range(2)],
        "overlap": pieces[:2] + [(2 * size - 8, size, 1)] + pieces[2:],
        "early-overlap": pieces[2:] + [(2 * size + 8, size, 1)] + pieces[:2],
        "tiny": [(size, size, 0), (0, 8, 0), (8, size - 8, 0)] + pieces[2:],
        "headless": pieces[1:],
    }


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF or 0xFFFF


def datagram(source, address, port, size):
    """UDP header and payload, with the checksum that IPv6 demands; TCP's port is 0 in the tiny one's place."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    pseudo = socket.inet_pton(family, source) + socket.inet_pton(family, address)
    pseudo += struct.pack("!IHH", size + 8, 0, socket.IPPROTO_UDP)
    body = b"x" * size
    head = struct.pack("!HHHH", 4321, port, size + 8, 0)
    return head[:6] + struct.pack("!H", checksum(pseudo + head + body)) + body


def fragment(source, address, proto, ident, data, off, more):
    if ":" in address:
        header = struct.pack("!BBHI", proto, 0, off | more, ident)
        return struct.pack("!IHBB", 6 << 28, len(data) + 8, FRAGMENT_HEADER, 64) + \
            socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, address) + header + data
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), ident, off // 8 | (0x2000 if more else 0), 64, proto, 0) + \
        socket.inet_aton(source) + socket.inet_aton(address) + data


def heard_too_big(sock, count):
    """The offsets of fragments that errors quote: as many as `count`, or as come in time."""
    offsets = []
    sock.settimeout(3)
    try:
        while len(offsets) < count:
            error = sock.recv(2048)
            if error[0] == ICMP6_TOO_BIG and error[8 + 6] == FRAGMENT_HEADER:
                offsets.append(struct.unpack_from("!H", error, 8 + 40 + 2)[0] & ~7)
    except TimeoutError:
        pass
    return sorted(offsets)


def growing(source, address, port):
    pieces = [(0, 1000), (1000, 1400), (2400, 1400), (3800, 208)]
    whole = datagram(source, address, port, PIECES * PIECE)
    ident = int.from_bytes(os.urandom(4), "big")
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as errors, \
            socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        for off, length in pieces:
            more = off + length < len(whole)
            sock.sendto(fragment(source, address, socket.IPPROTO_UDP, ident, whole[off:off + length], off, more), (address, 0))
        tell(too_big=heard_too_big(errors, 2))


def send(source, address, port, how, piece=PIECE):
    six = ":" in address
    proto = socket.IPPROTO_TCP if how == "tiny" else socket.IPPROTO_UDP
    whole = datagram(source, address, port, PIECES * piece)
    ident = 1 + os.urandom(1)[0] + 256 * (1 + list(orders(piece)).index(how))
    with socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        for off, length, spoil in orders(piece)[how]:
            data = bytes(byte ^ spoil for byte in whole[off:off + length])
            more = off + len(data) < len(whole)
            sock.sendto(fragment(source, address, proto, ident, data, off, more), (address, 0))
    tell(sent=len(orders(piece)[how]))


def main():
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    command, *words = sys.argv[1:]
    words = [int(word) if word.isdigit() else word for word in words]
    {"ask": ask, "echo": echo, "growing": growing, "send": send}[command](*words)


if __name__ == "__main__":
    main()
