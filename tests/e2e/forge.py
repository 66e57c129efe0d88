# SPDX-License-Identifier: BSD-2-Clause
"""TCP segments by a packet socket, with a right or a wrong checksum; run in a namespace of the lab by lab.Host.python().

  forge.py syns DEVICE MAC SOURCE TARGET PORT COUNT right|wrong    SYNs, each from another port ('/' stands for ':')
  forge.py echo DEVICE PORT FLAGS COUNT right|wrong                behind each segment that leaves to or from PORT another one
                                                                   with these flags, at the number that comes next
Prints how many it sent.
"""
import ipaddress
import json
import signal
import socket
import struct
import sys
import time

from flood import fold

PACKET_OUTGOING, ETH_P_ALL = 4, 3
PATIENCE, SILENCE = 30, 4  # seconds for all of it, and without a segment
FLAGS = {"syn": 2, "rst": 4, "fin": 0x11, "ack": 0x10}


def segment(link, source, target, ports, numbers, flags, right):
    """A frame with a segment without data. `link`: destination, source and type of its Ethernet header."""
    tcp = struct.pack("!HHIIBBHHH", *ports, *numbers, 5 << 4, flags, 65535, 0, 0)
    total = fold(source.packed + target.packed + struct.pack("!II", len(tcp), 6) + tcp)
    tcp = tcp[:16] + struct.pack("!H", total if right else total ^ 0x5555) + tcp[18:]
    if source.version == 4:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, source.packed, target.packed)
        head = head[:10] + struct.pack("!H", fold(head)) + head[12:]
    else:
        head = struct.pack("!IHBB16s16s", 6 << 28, len(tcp), 6, 64, source.packed, target.packed)
    return link + head + tcp


def open_device(device, protocol):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((device, protocol))
    return sock


def syns(device, mac, source, target, port, count, right):
    sock = open_device(device, 0)
    source, target = (ipaddress.ip_address(text.replace("/", ":")) for text in (source, target))
    kind = 0x0800 if source.version == 4 else 0x86dd
    link = bytes.fromhex(mac.replace("/", "")) + sock.getsockname()[4] + struct.pack("!H", kind)
    for number in range(int(count)):
        sock.send(segment(link, source, target, (20000 + number, int(port)), (1000 + number, 0), FLAGS["syn"], right))
        if number % 50 == 49:
            time.sleep(0.01)
    return int(count)


def read(frame, port):
    """Addresses, ports and the next numbers of a segment to or from the port, or None."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    if kind == 0x0800 and frame[23] == 6:
        at, length = 14 + (frame[14] & 15) * 4, 14 + struct.unpack_from("!H", frame, 16)[0]
        source, target = frame[26:30], frame[30:34]
    elif kind == 0x86dd and frame[20] == 6:
        at, length = 54, 54 + struct.unpack_from("!H", frame, 18)[0]
        source, target = frame[22:38], frame[38:54]
    else:
        return None
    ports = struct.unpack_from("!HH", frame, at)
    seq, ack, offset, flags = struct.unpack_from("!IIBB", frame, at + 4)
    if port not in ports or flags & 7:
        return None
    following = (seq + length - at - (offset >> 4) * 4) % (1 << 32)
    return ipaddress.ip_address(source), ipaddress.ip_address(target), ports, (following, ack)


def echo(device, port, flags, count, right):
    sock = open_device(device, ETH_P_ALL)
    sock.settimeout(SILENCE)
    sent, end = 0, time.monotonic() + PATIENCE
    while sent < int(count) and time.monotonic() < end:
        try:
            frame, origin = sock.recvfrom(65535)
        except socket.timeout:
            break
        found = read(frame, int(port)) if origin[2] == PACKET_OUTGOING and len(frame) >= 54 else None
        if found and frame[:12] != b"\0" * 12:
            sock.send(segment(frame[:14], *found, FLAGS[flags], right))
            sent += 1
    return sent


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    command, *words, what = sys.argv[1:]
    sent = {"syns": syns, "echo": echo}[command](*words, what == "right")
    print(json.dumps({"sent": sent}), flush=True)


if __name__ == "__main__":
    main()
