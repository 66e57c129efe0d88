# SPDX-License-Identifier: BSD-2-Clause
"""A bounded flood of UDP frames by a packet socket, run in a namespace of the lab: lab.Host.python(program="flood.py").

  flood.py DEVICE RATE SECONDS PORT MAC:SOURCE:TARGET...   ('/' stands for ':' in an address)

Each of the pairs gets its share of RATE frames a second, from ports that go round. It ends after SECONDS, or at SIGTERM,
and prints what it sent. It waits for a device that is not there yet or down, and ends when that vanishes.
"""
import ctypes
import ipaddress
import json
import signal
import socket
import struct
import sys
import time

RATE_MAX, SECONDS_MAX = 50000, 40  # an upper bound, whatever RATE says
PATIENCE = 15  # seconds until the device must be there
BURST = 40
running = True


def end(_signal, _frame):
    global running
    running = False


class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Header(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("pieces", ctypes.POINTER(Piece)),
                ("count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


class Message(ctypes.Structure):
    _fields_ = [("header", Header), ("sent", ctypes.c_uint32)]


def fold(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def build(mac, own, source, target, sport, port):
    """An Ethernet frame with a datagram of 18 bytes."""
    source, target = ipaddress.ip_address(source), ipaddress.ip_address(target)
    text = b"keepstate e2e....."
    udp = struct.pack("!HHHH", sport, port, 8 + len(text), 0)
    fake = source.packed + target.packed + struct.pack("!II", 8 + len(text), 17)
    udp = udp[:6] + struct.pack("!H", fold(fake + udp + text) or 0xffff) + text
    if source.version == 4:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, source.packed, target.packed)
        head = head[:10] + struct.pack("!H", fold(head)) + head[12:]
        kind = 0x0800
    else:
        head = struct.pack("!IHBB16s16s", 6 << 28, len(udp), 17, 64, source.packed, target.packed)
        kind = 0x86dd
    return mac + own + struct.pack("!H", kind) + head + udp


def open_device(device):
    end = time.monotonic() + PATIENCE
    while running and time.monotonic() < end:
        try:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            sock.bind((device, 0))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
            return sock
        except OSError:
            sock.close()
            time.sleep(0.005)
    sys.exit(f"{device} did not come")


def prepare(frames):
    """Messages for sendmmsg(2). The buffers are kept alive by the caller."""
    buffers = [ctypes.create_string_buffer(data, len(data)) for data in frames]
    pieces = [Piece(ctypes.addressof(buffer), len(buffer)) for buffer in buffers]
    messages = (Message * len(frames))()
    for message, piece in zip(messages, pieces):
        message.header.pieces = ctypes.pointer(piece)
        message.header.count = 1
    return messages, (buffers, pieces)


def main():
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    device, rate, seconds, port, *pairs = sys.argv[1:]
    rate, seconds = min(int(rate), RATE_MAX), min(float(seconds), SECONDS_MAX)
    sock = open_device(device)
    own = sock.getsockname()[4]
    frames = []
    for number in range(max(BURST // len(pairs), 1)):
        for pair in pairs:
            mac, source, target = (part.replace("/", ":") for part in pair.split(":"))
            frames.append(build(bytes.fromhex(mac.replace(":", "")), own, source, target, 20000 + number, int(port)))
    messages, kept = prepare(frames)
    send = ctypes.CDLL(None, use_errno=True).sendmmsg
    print(json.dumps({"ready": True}), flush=True)
    sent, began = 0, time.monotonic()
    gone = began + PATIENCE
    while running and time.monotonic() - began < seconds and time.monotonic() < gone:
        behind = (time.monotonic() - began) * rate - sent
        if behind < len(messages):
            time.sleep(0.0005)
            continue
        if behind > rate / 10:  # on a busy machine: frames that could not be sent in time are left out
            began += (behind - rate / 10) / rate
        done = send(sock.fileno(), messages, len(messages), 0)
        if done > 0:
            gone = time.monotonic() + (1 if sent else PATIENCE)
            sent += done
        else:  # the device is down, or away
            time.sleep(0.002)
            began += 0 if sent else 0.002
    del kept
    print(json.dumps({"sent": sent, "seconds": round(time.monotonic() - began, 2)}))


if __name__ == "__main__":
    main()
