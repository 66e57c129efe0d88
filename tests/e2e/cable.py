# SPDX-License-Identifier: BSD-2-Clause
"""A cable between two network namespaces whose ends are TAP devices: cards whose driver has XDP, and which finish checksums.

  cable.py NAMESPACE DEVICE NAMESPACE DEVICE

It carries frames until its standard input ends. A line there, `flood COUNT RATE FRAME`, makes strangers at the second end: COUNT
times the frame, in hex, arrives at the first end, RATE a second, each with another source: the last byte of an IPv4 address, or
the eighth of an IPv6 one, and the TCP port go round, and the checksums are mended. Then it prints what was sent, and how many
frames have gone out to strangers.
"""
import ctypes
import fcntl
import json
import os
import select
import struct
import sys
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
RATE_MAX, COUNT_MAX = 20000, 200000
HOSTS, FIRST_HOST, FIRST_PORT, PORTS = 100, 100, 10000, 20000


def end_of(namespace, device):
    """A TAP device in a namespace, up."""
    with open(f"/run/netns/{namespace}", encoding="ascii") as place:
        if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", device.encode(), IFF_TAP | IFF_NO_PI))
    return descriptor


def folded(data, start=0):
    total = start + sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def stranger(frame, number):
    """The frame from another source, with right checksums. TCP without options, IP without options."""
    four = frame[12:14] == b"\x08\x00"
    upper = 34 if four else 54
    frame = bytearray(frame)
    frame[29] = FIRST_HOST + number % HOSTS
    struct.pack_into("!H", frame, upper, FIRST_PORT + number % PORTS)
    if four:
        frame[24:26] = bytes(2)
        struct.pack_into("!H", frame, 24, folded(bytes(frame[14:34])))
    frame[upper + 16:upper + 18] = bytes(2)
    addresses = bytes(frame[26:34] if four else frame[22:54])
    struct.pack_into("!H", frame, upper + 16, folded(addresses + bytes(frame[upper:]), 6 + len(frame) - upper))
    return bytes(frame)


class Cable:
    def __init__(self, ends):
        self.ends = ends
        self.answers = 0  # frames to strangers

    def carry(self, seconds):
        for ready in select.select(self.ends, [], [], seconds)[0]:
            other = self.ends[ready == self.ends[0]]
            for _ in range(64):
                try:
                    frame = os.read(ready, 4096)
                except BlockingIOError:
                    break
                self.answers += ready == self.ends[0] and self.is_for_stranger(frame)
                try:
                    os.write(other, frame)
                except OSError:
                    pass  # the device is down, or does not take more now

    @staticmethod
    def is_for_stranger(frame):
        upper = {b"\x08\x00": 34, b"\x86\xdd": 54}.get(frame[12:14], len(frame))
        return len(frame) >= upper + 20 and FIRST_PORT <= struct.unpack_from("!H", frame, upper + 2)[0] < FIRST_PORT + PORTS

    def flood(self, count, rate, frame):
        frames = [stranger(frame, number) for number in range(count)]
        begun, sent = time.monotonic(), 0
        self.answers = 0
        while sent < count:
            while sent < count and sent < (time.monotonic() - begun) * rate:
                try:
                    os.write(self.ends[0], frames[sent])
                    sent += 1
                except BlockingIOError:
                    break
                if sent % 32 == 0:
                    self.carry(0)
            self.carry(0.001)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            self.carry(0.05)
        print(json.dumps({"sent": sent, "answers": self.answers}), flush=True)


def main():
    near, near_device, far, far_device = sys.argv[1:]
    cable = Cable([end_of(near, near_device), end_of(far, far_device)])
    print(json.dumps({"ready": True}), flush=True)
    while True:
        cable.carry(0.02)
        if select.select([sys.stdin], [], [], 0)[0]:
            words = sys.stdin.readline().split()
            if not words:
                return
            cable.flood(min(int(words[1]), COUNT_MAX), min(int(words[2]), RATE_MAX), bytes.fromhex(words[3]))


if __name__ == "__main__":
    main()
