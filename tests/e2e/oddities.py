# SPDX-License-Identifier: BSD-2-Clause
"""Packets at the edge of what a router forwards; run in a namespace of the lab by lab.Host.python().

  oddities.py send DEVICE MAC    sends every case by the device to a router, a few packets of a flow of its own each; prints their names
  oddities.py hear DEVICE        collects what comes of them: prints, when it is told to end, {name: [packet, ...]}, in hexadecimal digits
  oddities.py largest DEVICE     prints, when it is told to end, how long the longest IPv4 packet was that left by the device
"""
import json
import signal
import socket
import struct
import sys
import time
from ipaddress import ip_address

from flood import fold

CLIENT, SERVER = ("10.0.0.10", "fd00:10::10"), ("192.0.2.10", "2001:db8::10")
TIMES = 4
PACE = 0.01
UDP = 17
OUTGOING = 4  # PACKET_OUTGOING
MARK = b"case %03d "
ROOM = 32 << 20  # octets that wait for whoever hears
READING = 20  # seconds, at most, to read what waits


def udp(source, target, sport, payload, broken=False, unsummed=False):
    head = struct.pack("!HHHH", sport, 7, 8 + len(payload), 0)
    total = fold(source.packed + target.packed + struct.pack("!II", len(head + payload), UDP) + head + payload) or 0xffff
    total = 0 if unsummed else total ^ 0x5555 if broken else total
    return head[:6] + struct.pack("!H", total) + payload


def ipv4(source, target, body, ttl=64, tos=0, flags=0x4000, options=b"", ident=1, protocol=UDP):
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | 5 + len(options) // 4, tos, 20 + len(options) + len(body), ident, flags, ttl, protocol,
                       0, source.packed, target.packed) + options
    return head[:10] + struct.pack("!H", fold(head)) + head[12:] + body


def ipv6(source, target, body, ttl=64, tos=0, extension=b"", protocol=UDP):
    return struct.pack("!IHBB16s16s", 6 << 28 | tos << 20, len(extension + body), protocol, ttl, source.packed, target.packed) + extension + body


def cases():
    """Yields (name, what differs from a plain packet). `link`: receiver of the frame; `wrong`: bytes changed in the header; `tail`: behind
    the packet, in the frame; `plain_first`: its flow begins with plain packets."""
    yield "plain", {}
    for name, mac in (("broadcast", b"\xff" * 6), ("group", b"\x01\x00\x5e\x00\x00\x01"), ("stranger", b"\x02\x99\x99\x99\x99\x99")):
        yield f"frame for a {name}", {"link": mac}
    for ttl in (0, 1, 2, 255):
        yield f"ttl {ttl}", {"ttl": ttl}
    for tos in (0x10, 0x03, 0xb8, 0xff):
        yield f"tos {tos:#x}", {"tos": tos}
    yield "short frame", {"size": 10}
    yield "trailer", {"tail": bytes(40)}
    yield "long trailer", {"tail": bytes(1380)}
    yield "largest", {"size": 1400}
    yield "too large behind", {"size": 1450}
    yield "wrong sum", {"broken": True}
    yield "no sum", {"unsummed": True}
    yield "from a group's link address", {"from_link": b"\x01\x00\x5e\x00\x00\x01"}
    for address in ("0.0.0.1", "10.0.0.255", "10.0.0.99", "127.0.0.1", "169.254.1.1", "198.51.100.1", "224.0.0.1", "240.0.0.1",
                    "10.0.0.1", "192.0.2.1", "192.0.2.77", "::", "::1", "fe80::1", "fec0::1", "fd00:10::99", "::ffff:10.0.0.10", "ff02::1",
                    "ff0e::1", "2002:a00:a::1", "fd00:10::1", "2001:db8::77"):
        yield f"from {address}", {"source": address}
    for address in ("0.0.0.1", "127.0.0.1", "169.254.1.1", "198.51.100.1", "224.0.0.251", "239.1.1.1", "240.0.0.1", "255.255.255.255",
                    "192.0.2.255", "192.0.2.0", "10.0.0.255", "10.0.0.77", "::1", "fe80::1", "fec0::1", "::ffff:192.0.2.10", "ff02::1", "ff0e::1",
                    "2001:db8::", "2001:db9::1"):
        yield f"to {address}", {"target": address}
    for name, options in (("router alert", b"\x94\x04\0\0"), ("padding", b"\1\1\1\0"), ("record route", b"\x07\x07\x04\0\0\0\0\0")):
        yield f"option {name}", {"options": options, "only": 4}
    for name, protocol, extension in (
            ("hop by hop", 0, bytes([UDP, 0, 1, 4, 0, 0, 0, 0])), ("destination", 60, bytes([UDP, 0, 1, 4, 0, 0, 0, 0])),
            ("router alert", 0, bytes([UDP, 0, 5, 2, 0, 0, 1, 0])), ("atomic fragment", 44, bytes([UDP, 0, 0, 0, 0, 0, 0, 9])),
            ("routing 0", 43, bytes([UDP, 0, 0, 0, 0, 0, 0, 0])), ("routing 3", 43, bytes([UDP, 0, 3, 0, 0, 0, 0, 0]))):
        yield f"header {name}", {"protocol": protocol, "extension": extension, "only": 6}
    for name, flags in (("no flags", 0), ("reserved flag", 0x8000), ("first fragment", 0x2000), ("last fragment", 0x0004)):
        yield name, {"flags": flags, "only": 4}
    for name, at, value in (("version 5", 0, 0x55), ("long header", 0, 0x4f), ("short length", 3, 21), ("wrong header sum", 10, 0x55)):
        yield name, {"wrong": (at, value), "only": 4}
    for name, at, value in (("version 7", 0, 0x70), ("long payload", 4, 4), ("flow label", 2, 0x77)):
        yield name, {"wrong": (at, value), "only": 6}


def packet(version, sport, payload, source=None, target=None, broken=False, unsummed=False, wrong=None, **more):
    source, target = (ip_address(text or usual[version == 6]) for text, usual in ((source, CLIENT), (target, SERVER)))
    body = udp(source, target, sport, payload, broken, unsummed)
    whole = bytearray((ipv4 if version == 4 else ipv6)(source, target, body, **more))
    if wrong:
        whole[wrong[0]] = wrong[1]
    return bytes(whole)


def versions(case):
    """The versions of IP that a case is for."""
    addresses = [case[end] for end in ("source", "target") if end in case]
    if addresses:
        return [ip_address(addresses[0]).version]
    return [case["only"]] if "only" in case else [4, 6]


def frames(mac, own):
    """Yields each case's name and its frames: where its addresses are the usual ones, two plain packets of its flow first."""
    number = 0
    for name, case in cases():
        for version in versions(case):
            number += 1
            differs = {key: value for key, value in case.items() if key != "only"}
            link, from_link, tail = differs.pop("link", mac), differs.pop("from_link", own), differs.pop("tail", b"")
            payload = (MARK % number).ljust(differs.pop("size", 60), b".")
            kind = struct.pack("!H", 0x0800 if version == 4 else 0x86dd)
            odd = link + from_link + kind + packet(version, 20000 + number, payload, **differs) + tail
            plain = mac + own + kind + packet(version, 20000 + number, (MARK % number).ljust(62, b"."))
            begins = [] if "source" in case or "target" in case else [plain] * 2
            yield f"{number:03d} {name}, IPv{version}", begins + [odd] * TIMES


def send(device, mac):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((device, 0))
    names = []
    for name, sent in frames(bytes.fromhex(mac.replace(":", "")), sock.getsockname()[4]):
        names.append(name)
        for frame in sent:
            sock.send(frame)
            time.sleep(PACE)
    print(json.dumps(names), flush=True)


def frames_of(device):
    """Yields each frame that a device receives or sends, and its kind, until the program is told to end and has read what came before."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((device, 3))
    sock.setsockopt(socket.SOL_SOCKET, 33, ROOM)  # SO_RCVBUFFORCE
    sock.settimeout(0.05)
    last = []  # when what had come before it was told to end has been read, on any machine
    signal.signal(signal.SIGTERM, lambda *_: last.append(time.monotonic() + READING))
    print(json.dumps({"ready": True}), flush=True)
    while not last or time.monotonic() < last[0]:
        try:
            frame, where = sock.recvfrom(65536)
        except TimeoutError:
            if last:
                return
            continue
        yield frame, where[2]


def hear(device):
    heard = {}
    for frame, kind in frames_of(device):
        at = frame.find(b"case ")
        if at >= 0 and kind != OUTGOING and frame[12:14] in (b"\x08\x00", b"\x86\xdd"):
            heard.setdefault(frame[at + 5:at + 8].decode(), []).append(frame[14:].hex())
    print(json.dumps(heard), flush=True)


def largest(device):
    found = max((len(frame) - 14 for frame, kind in frames_of(device) if kind == OUTGOING and frame[12:14] == b"\x08\x00"), default=0)
    print(json.dumps({"largest": found}), flush=True)


if __name__ == "__main__":
    {"send": send, "hear": hear, "largest": largest}[sys.argv[1]](*sys.argv[2:])
