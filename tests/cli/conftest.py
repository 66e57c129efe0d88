# SPDX-License-Identifier: BSD-2-Clause
"""Shared by the tests of the offline commands: the program, a policy, captures made from bytes."""
import json
import os
import pathlib
import struct
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
POLICY = """\
zone lan { eth1, network 10.0.0.0/24, network fd00::/64, mac 02:00:00:00:00:01 }
zone wan { eth0 }
reject from wan to self tcp port 113
allow from lan to wan udp port 53
allow from lan to wan tcp port { 80, 443 }
"""
ETHERNET, SLIP, PPP, ATM, RAW, COOKED, SUNATM, USER0, COOKED2 = 1, 8, 9, 100, 101, 113, 123, 147, 276
IN, OUT = 0, 4  # types of cooked frames
SYN, ACK = 0x02, 0x10


class Program:
    """Runs keepstate in a directory of its own."""

    def __init__(self, directory):
        self.directory = directory
        self.path = os.environ.get('KEEPSTATE', str(ROOT / 'build/cli/keepstate'))

    def __call__(self, *arguments, code=0, stdin=b''):
        run = subprocess.run([self.path, *map(str, arguments)], cwd=self.directory, input=stdin, capture_output=True,
                             check=False, env={'PATH': os.environ['PATH']})
        run.stdout, run.stderr = run.stdout.decode(), run.stderr.decode(errors='replace')
        assert run.returncode == code, run.stdout + run.stderr
        return run

    def json(self, *arguments, code=0):
        """The JSON objects that it prints, one a line."""
        return [json.loads(line) for line in self(*arguments, code=code).stdout.splitlines()]


def checksum(data):
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def ipv4(source, destination, proto, payload):
    ends = b''.join(bytes(map(int, end.split('.'))) for end in (source, destination))
    header = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(payload), 0, 0, 64, proto, 0) + ends
    return header[:10] + struct.pack('!H', checksum(header)) + header[12:] + payload


def udp(source, sport, destination, dport, data=b'data'):
    return ipv4(source, destination, 17, struct.pack('!HHHH', sport, dport, 8 + len(data), 0) + data)


def tcp(source, sport, destination, dport, flags, seq=1000, ack=0):
    return ipv4(source, destination, 6, struct.pack('!HHIIBBHHH', sport, dport, seq, ack, 0x50, flags, 65535, 0, 0))


def ethernet(packet):
    return bytes(12) + b'\x08\x00' + packet


def cooked(packet, kind):
    """A Linux cooked frame."""
    return struct.pack('!HHH', kind, 1, 6) + bytes(8) + b'\x08\x00' + packet


def cooked2(packet, kind, interface):
    return b'\x08\x00' + struct.pack('!HIHBB', 0, interface, 1, kind, 6) + bytes(8) + packet


def block(kind, body):
    return struct.pack('<II', kind, 12 + len(body)) + body + struct.pack('<I', 12 + len(body))


def pcapng(names, *frames):
    """A pcapng file of Ethernet interfaces and (interface, frame) pairs, a second apart."""
    data = block(0x0a0d0d0a, struct.pack('<IHHq', 0x1a2b3c4d, 1, 0, -1))
    for name in names:
        option = struct.pack('<HH', 2, len(name)) + name.encode() + bytes(-len(name) % 4) + bytes(4)
        data += block(1, struct.pack('<HHI', ETHERNET, 0, 0) + option)
    for i, (interface, frame) in enumerate(frames):
        time = (1000 + i) * 1000000
        head = struct.pack('<IIIII', interface, time >> 32, time & 0xffffffff, len(frame), len(frame))
        data += block(6, head + frame + bytes(-len(frame) % 4))
    return data


def pcap(*frames, link=ETHERNET, keep=65535, step=1000000):
    """A pcap file with a frame every `step` microseconds, of which `keep` bytes were captured."""
    head = struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, link)
    return head + b''.join(struct.pack('<IIII', 1000 + i * step // 1000000, i * step % 1000000, len(frame[:keep]), len(frame)) + frame[:keep]
                           for i, frame in enumerate(frames))


def pcap_frames(data):
    """The frames of a pcap file in nanoseconds, as keepstate writes them."""
    assert struct.unpack('<I', data[:4]) == (0xa1b23c4d,)
    at, frames = 24, []
    while at < len(data):
        captured, = struct.unpack('<I', data[at + 8:at + 12])
        frames.append(data[at + 16:at + 16 + captured])
        at += 16 + captured
    return struct.unpack('<I', data[20:24])[0], frames


@pytest.fixture
def keepstate(tmp_path):
    (tmp_path / 'gateway.conf').write_text(POLICY, encoding='utf-8')
    return Program(tmp_path)
