# SPDX-License-Identifier: BSD-2-Clause
"""tools/conformance: every class takes a frame for which its reason holds, and none that differs for another.

The captures are made here, and so is what Linux is said to say of them: a frame differs because the table says so.
"""
import collections
import os
import pathlib
import re
import struct
import subprocess
import sys

import pytest

from wire import (A, A6, ACK, B, B6, C, FIN, PSH, RST, SYN, USER0, address, ethernet, icmp, icmpv6, ipv4, ipv6, pcap, tcp,
                  udp)

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))
from witness import classes, frame as witness  # noqa: E402

TABLES = ('linux_strict_csum0', 'linux_strict_csum1', 'linux_loose_csum0')
OPEN, VERIFY, PICKUP, INSIDE = 'open', 'open, checksums', 'open, pick-up', 'inside'
NONE = 'UNEXPLAINED'


class Folder:
    """A folder of captures with Linux's words."""

    def __init__(self, path):
        self.path = path
        self.words = collections.OrderedDict()

    def add(self, name, frames, words):
        (self.path / name).parent.mkdir(exist_ok=True)
        (self.path / name).write_bytes(frames if isinstance(frames, bytes) else pcap(*frames))
        self.words[name] = words.split()

    def run(self, *codes):
        for table in TABLES:
            lines = [f'{name}\t{i}\t{word}\n' for name, words in self.words.items() for i, word in enumerate(words, 1)]
            (self.path / f'{table}.tsv').write_text('file\tframe\tverdict\n' + ''.join(lines), encoding='utf-8')
        command = [sys.executable, ROOT / 'tools/conformance', '--captures', self.path, '--list', 'all', '--keepstate',
                   os.environ.get('KEEPSTATE', ROOT / 'build/cli/keepstate')]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode in codes, run.stdout + run.stderr
        return run.stdout


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def classes_in(output, mode):
    """The class of every differing frame in one run, by number."""
    _, _, section = output.partition(f'== {mode}: ')
    section = section.partition('\n== ')[0]
    return {int(number): name for number, name in re.findall(r'^     \S+ frame (\d+): .*: ([^:\n]+)$', section, re.MULTILINE)}


def ip(source, destination, segment):
    return ethernet(ipv4(source, destination, 6, segment))


def connection(port=1000, options=b''):
    """A handshake: A opens to B, with numbers 1000 and 5000."""
    return [ip(A, B, tcp(A, B, port, 80, SYN, 1000, options=options)),
            ip(B, A, tcp(B, A, 80, port, SYN | ACK, 5000, 1001, options=options)),
            ip(A, B, tcp(A, B, port, 80, ACK, 1001, 5001))]


def to_b(flags, seq, ack=0, data=b'', **more):
    return ip(A, B, tcp(A, B, 1000, 80, flags, seq, ack, data, **more))


def to_a(flags, seq, ack=0, data=b'', **more):
    return ip(B, A, tcp(B, A, 80, 1000, flags, seq, ack, data, **more))


def cut(frame, kept=60):
    return frame[:kept], len(frame)


def fragments(datagram, *ends, source=A, destination=B, proto=17, identification=7):
    """An IPv4 datagram in fragments that end at `ends` and at its end."""
    starts = (0, *ends)
    return [ethernet(ipv4(source, destination, proto, datagram[start:end], identification, start, end != len(datagram)))
            for start, end in zip(starts, (*ends, len(datagram)))]


def fragments6(headers, datagram, identification=7, more=False):
    return ethernet(ipv6(A6, B6, 44, struct.pack('!BBHI', headers[0], 0, int(more), identification) + datagram))


LONG = bytes(range(256)) * 2
SACK_OK = b'\x04\x02'


def sack(left, right):
    return b'\x05\x0a' + struct.pack('!II', left & 0xffffffff, right & 0xffffffff)


WHOLE = udp(A, B, data=LONG)
WRONG = udp(A, B, data=LONG, wrong=1)
LONGER = udp(A, B, data=LONG, behind=b'\1\2\3\4')
OVERLAPPING = fragments(WHOLE, 104, 208)[:2] + [ethernet(ipv4(A, B, 17, WHOLE[200:], 7, 200))]
CUT_DATA = cut(to_b(ACK | PSH, 1001, 5001, LONG))
DATA = to_b(ACK | PSH, 1001, 5001, b'GET /')
ECHO9 = ethernet(ipv4(A, B, 1, icmp(8, 9, 77)))
ECHO0 = ethernet(ipv4(A, B, 1, icmp(8, 0, 77)))
ANSWER0 = ethernet(ipv4(B, A, 1, icmp(0, 0, 77)))
TWICE_FRAGMENT = ethernet(ipv6(A6, B6, 44, struct.pack('!BBHI', 44, 0, 0, 7) + struct.pack('!BBHI', 17, 0, 0, 8) +
                               udp(A6, B6)))
TWICE_HOP = ethernet(ipv6(A6, B6, 60, bytes([0, 0, 1, 4, 0, 0, 0, 0]) + bytes([17, 0, 1, 4, 0, 0, 0, 0]) + udp(A6, B6)))
SHORT_AH = bytes([17, 0, 0, 0]) + struct.pack('!II', 9, 1)


def error6(quoted):
    return ethernet(ipv6(B6, A6, 58, icmpv6(B6, A6, 1, 4, bytes(4) + quoted)))


BULK = [*connection()]
for _n in range(6):  # 1,460 bytes that are cut, and what acknowledges them
    BULK += [cut(to_b(ACK, 1001 + 1460 * _n, 5001, bytes(1460))), to_a(ACK, 5001, 1001 + 1460 * (_n + 1))]
BULK.append(to_b(FIN | ACK, 1001 + 1460 * 6, 5001))
SPLIT = [to_b(SYN, 1000), to_a(SYN, 3000), to_b(SYN | ACK, 1000, 3001), to_a(ACK, 3001, 1001),
         to_b(ACK, 1001, 3001, b'four'), to_a(ACK, 3001, 1005), to_b(RST, 1005)]
REFUSED = [to_b(SYN, 1000), to_a(RST | ACK, 0, 1001), to_a(RST | ACK, 0, 1001)]

# name, frames, what Linux is said to say, the run, the class of each frame that differs
CASES = [
    ('cut', [cut(ethernet(ipv4(A, B, 17, WHOLE)))], 'none', OPEN, {1: 'cut'}),
    ('cut behind the datagram', [(ethernet(ipv4(A, B, 17, udp(A, B))), 60)], 'none', OPEN, {1: NONE}),
    ('not cut', [ethernet(ipv4(A, B, 17, WHOLE))], 'none', OPEN, {1: NONE}),
    ('cut but seen', [cut(ethernet(ipv4(A, B, 17, WHOLE)))], 'inv', OPEN, {1: NONE}),
    ('acknowledges what was cut', [*connection(), CUT_DATA, to_a(ACK, 5001, 1513)], 'new est est none inv', OPEN,
     {4: 'cut', 5: 'cut'}),
    ('acknowledges what was seen', [*connection(), CUT_DATA, to_a(ACK, 5001, 1001)], 'new est est none inv', OPEN,
     {4: 'cut', 5: NONE}),
    ('another connection was cut', [*connection(), *connection(2000), CUT_DATA,
                                    ip(B, A, tcp(B, A, 80, 2000, ACK, 5001, 1001))],
     'new est est new est est none inv', OPEN, {7: 'cut', 8: NONE}),
    ('other side was cut', [cut(ethernet(ipv4(A, B, 17, WHOLE))), ethernet(ipv4(B, A, 17, udp(B, A, 2000, 1000)))], 'none new',
     OPEN, {1: 'cut', 2: 'cut'}),
    ('other side was seen', [ethernet(ipv4(A, B, 17, WHOLE)), ethernet(ipv4(B, A, 17, udp(B, A, 2000, 1000)))], 'new new', OPEN,
     {2: NONE}),
    ('opening was cut', [cut(to_b(SYN, 1000, data=LONG)), *connection()[1:]], 'none inv inv', OPEN,
     {1: 'cut', 2: 'cut', 3: 'cut'}),
    ('sent into a window that was cut', BULK, 'new est est ' + 'none inv ' * 6 + 'inv', OPEN,
     {number: 'cut' for number in range(4, 17)}),
    ('sent into no window', [*BULK[:-1], to_b(ACK, 1001 + 7 * 8192, 5001)], 'new est est ' + 'none inv ' * 6 + 'inv', OPEN,
     {number: 'cut' for number in range(4, 16)}),
    ('incomplete', fragments(WHOLE, 200)[:1], 'none', OPEN, {1: 'incomplete datagram'}),
    ('complete', fragments(WHOLE, 200), 'none none', OPEN, {1: NONE, 2: NONE}),
    ('one word is for all parts', fragments(WHOLE, 200), 'none new', OPEN, {}),
    ('two datagrams', fragments(WHOLE, 200)[:1] + fragments(WHOLE, 200, identification=8), 'none none new', OPEN,
     {1: 'incomplete datagram'}),
    ('repetition', [fragments(WHOLE, 104, 200)[i] for i in (0, 1, 1, 2)], 'none none none new', OPEN,
     {4: 'repeated fragment'}),
    ('overlap', OVERLAPPING, 'none none new', OPEN, {3: NONE, 1: NONE, 2: NONE}),
    ('checksum', fragments(WRONG, 200), 'none inv', VERIFY, {1: 'checksum of a datagram', 2: 'checksum of a datagram'}),
    ('checksum is not verified', fragments(WRONG, 200), 'none inv', OPEN, {1: NONE, 2: NONE}),
    ('checksum is right', fragments(WHOLE, 200), 'none inv', VERIFY, {1: NONE, 2: NONE}),
    ('checksum of a neighbour', fragments(WHOLE, 200) + fragments(WRONG, 200, source=C), 'none inv none inv', VERIFY,
     {1: NONE, 2: NONE, 3: 'checksum of a datagram', 4: 'checksum of a datagram'}),
    ('checksum of a part', fragments(WRONG, 200)[:1], 'inv', VERIFY, {1: NONE}),
    ('bytes behind udp', [ethernet(ipv4(A, B, 17, LONGER))], 'inv', VERIFY, {1: 'bytes behind udp'}),
    ('bytes behind udp in fragments', fragments(LONGER, 200), 'none inv', VERIFY,
     {1: 'bytes behind udp', 2: 'bytes behind udp'}),
    ('no bytes behind udp', [ethernet(ipv4(A, B, 17, WHOLE))], 'inv', VERIFY, {1: NONE}),
    ('bytes behind udp in another run', [ethernet(ipv4(A, B, 17, LONGER))], 'inv', OPEN, {1: NONE}),
    ('two fragment headers', [TWICE_FRAGMENT], 'new', OPEN, {1: 'extension header'}),
    ('hop-by-hop behind others', [TWICE_HOP], 'new', OPEN, {1: NONE}),
    ('error about a short ah', [error6(ipv6(A6, B6, 51, SHORT_AH + udp(A6, B6)))], 'rel', OPEN, {1: 'extension header'}),
    ('error about a stub', [error6(ipv6(A6, B6, 17, b''))], 'rel', OPEN, {1: NONE}),
    ('routing header', [ethernet(ipv6(A6, B6, 43, bytes([17, 2, 0, 0, 0, 0, 0, 0]) + address(A6) + udp(A6, B6)))], 'new',
     OPEN, {1: 'routing header'}),
    ('source', [ethernet(ipv4('255.255.255.255', B, 17, udp('255.255.255.255', B)))], 'new', OPEN, {1: 'source address'}),
    ('tcp options', [to_b(SYN, 1000, options=b'\2\1\1\1')], 'new', OPEN, {1: 'tcp options'}),
    ('flags', [to_b(SYN | FIN, 1000, options=b'\2\1\1\1')], 'new', OPEN, {1: NONE}),
    ('split', SPLIT, 'new est est est est est est', OPEN,
     {2: 'split handshake', 3: 'split handshake', 5: 'split handshake', 7: 'split handshake'}),
    ('split-handshake in name only', [*connection(), DATA], 'new est est inv', OPEN, {4: NONE}),
    ('icmp code of an answer', [ECHO9, ANSWER0], 'new inv', OPEN, {2: 'icmp code'}),
    ('icmp code is the same', [ECHO0, ANSWER0], 'new inv', OPEN, {2: NONE}),
    ('icmp code of a request', [ECHO0, ANSWER0, ECHO9], 'new est new', OPEN, {3: 'icmp code'}),
    ('icmp code of no request', [ECHO0, ANSWER0, ECHO0], 'new est new', OPEN, {3: NONE}),
    ('repeated reset', REFUSED, 'new est inv', OPEN, {3: 'repeated reset'}),
    ('reset of what was open', [*connection(), to_a(RST, 5001), to_a(RST, 5001)], 'new est est est inv', OPEN, {5: NONE}),
    ('early reset', [to_b(SYN, 1000), to_b(RST, 1001)], 'new est', OPEN, {2: 'reset before an answer'}),
    ('impossible sack', [*connection(options=SACK_OK), DATA,
                         to_a(ACK, 5001, 1006, options=sack(1006 + (1 << 30), 1007 + (1 << 30)))],
     'new est est est inv', OPEN, {5: 'impossible sack'}),
    ('possible sack in max-seq', [*connection(options=SACK_OK), DATA, to_a(ACK, 5001, 1001, options=sack(1001, 1006))],
     'new est est est inv', OPEN, {5: NONE}),
    ('impossible sack without permission', [*connection(), DATA,
                                            to_a(ACK, 5001, 1006, options=sack(1006 + (1 << 30), 1007 + (1 << 30)))],
     'new est est est inv', OPEN, {5: NONE}),
    ('mid-stream', [DATA, to_a(RST, 5001), DATA], 'new est new', PICKUP, {3: 'mid-stream'}),
    ('no mid-stream', [*connection(), DATA], 'new est est new', PICKUP, {4: NONE}),
    ('another run than mid-stream', [to_b(SYN, 1000), to_a(RST | ACK, 0, 1001), DATA], 'new est new', OPEN, {3: NONE}),
]


@pytest.mark.parametrize('name, frames, words, mode, expected', CASES, ids=[case[0] for case in CASES])
def test_class(folder, name, frames, words, mode, expected):
    folder.add(f'tcp/{name.replace(" ", "-")}.pcap', frames, words)
    assert classes_in(folder.run(0, 1), mode) == expected


def fake(packet, linux, reason='established', relation='est', state='ESTABLISHED', before=()):
    """A frame with words of our choice, ours as well: what Keepstate would say otherwise by itself."""
    source, destination = (packet.source, packet.destination)
    told = {'source': str(source), 'destination': str(destination)}
    frame = witness.Frame('x', 1, linux, {'verdict': 'allow', 'class': 'new', 'reason': reason, 'state': state, 'packet': told})
    frame.ip, frame.relation = packet, relation
    frame.talk, frame.place = [*before, frame], len(before)
    return frame


def packet(frame):
    return witness.Packet(frame[14:])


@pytest.mark.parametrize('matches, data, reason', [
    (classes.has_routing_header, ethernet(ipv6(A6, B6, 43, bytes([17, 2, 2, 0, 0, 0, 0, 0]) + address(A6) + udp(A6, B6))),
     'routing header'),
    (classes.has_no_source, ethernet(ipv4(A, B, 17, udp(A, B))), 'bad source address'),
    (classes.is_from_nowhere, ethernet(ipv4(A, B, 17, udp(A, B))), 'spoofed source'),
    (classes.has_bad_options, to_b(SYN, 1000, options=SACK_OK), 'bad tcp options'),
    (classes.has_bad_options, to_b(ACK, 1000, options=b'\2\1\1\1'), 'bad tcp options'),
    (classes.has_broken_chain, ethernet(ipv6(A6, B6, 17, udp(A6, B6))), 'bad extension header'),
    (classes.is_repeated_fragment, ethernet(ipv4(A, B, 17, WHOLE)), 'fragment overlap'),
    (classes.is_split, to_a(SYN, 3000), 'split handshake'),
])
def test_reason_alone_is_not_enough(matches, data, reason):
    """Our reason must be borne out by the bytes."""
    assert not matches(fake(packet(data), 'new', reason, 'drop', 'SYN_SENT'))


def test_reset_behind_an_answer_is_not_before_one():
    opening = fake(packet(to_b(SYN, 1000)), 'new', 'new', 'new', 'SYN_SENT')
    answer = fake(packet(to_a(SYN | ACK, 5000, 1001)), 'est', before=[opening])
    reset = fake(packet(to_b(RST, 1001)), 'est', 'new', 'new', 'SYN_SENT', [opening, answer])
    assert not classes.is_early_reset(reset)
    assert classes.is_early_reset(fake(packet(to_b(RST, 1001)), 'est', 'new', 'new', 'SYN_SENT', [opening]))


@pytest.mark.parametrize('name, matches', classes.CLASSES)
def test_what_cannot_be_read_is_of_no_class(name, matches):
    for linux in ('new', 'est', 'rel', 'inv', 'none'):
        frame = fake(packet(DATA), linux)
        frame.ip = None
        assert not matches(frame), name


def test_held_fragments_have_the_word_that_they_got_in_the_end(folder):
    """The second fragment came first and was held. Linux's word is on the datagram, ours on each part when it goes on."""
    first, second = fragments(WHOLE, 200)
    folder.add('frag/late.pcap', [second, first], 'none new')
    folder.add('frag/never.pcap', fragments(WHOLE, 200, identification=9)[1:], 'new')
    assert classes_in(folder.run(1), OPEN) == {1: NONE}  # of never.pcap: what is held passes for nobody


def test_goes_on_past_what_cannot_be_judged(folder):
    folder.add('a/good.pcap', [ethernet(ipv4(A, B, 17, udp(A, B)))], 'new')
    folder.add('a/text.pcap', b'this is no capture', 'new')
    folder.add('b/user.pcap', pcap(b'abcd', link=USER0), 'new')
    folder.add('b/short.pcap', pcap(ethernet(ipv4(A, B, 17, udp(A, B))), b'x' * 60)[:-9], 'new nonip')
    folder.add('c/silent.pcap', [ethernet(ipv4(A, B, 17, udp(A, B)))], '')
    folder.add('c/half.pcap', [ethernet(ipv4(A, B, 17, udp(A, B)))] * 2, 'new')
    folder.words['c/gone.pcap'] = ['new']
    folder.words['c/odd.pcap'] = ['perhaps']
    folder.add('d/good.pcap', [ethernet(ipv4(A, B, 17, udp(A, B)))], 'new')
    out = folder.run(3)
    assert '   4 of 4 frames agree: 100.00%' in out
    assert '== 7 captures could not be judged, or not wholly' in out
    notes = dict(re.findall(r'^   (\w/\w+\.pcap): (.*)$', out, re.MULTILINE))
    assert 'unknown file format' in notes['a/text.pcap']
    assert 'link type 147' in notes['b/user.pcap'] and 'these can: ' in notes['b/user.pcap']
    assert notes['b/short.pcap'].startswith('frame 2: not judged: after frame 1: ')
    assert 'linux_strict_csum0.tsv has no verdicts for it' in notes['c/silent.pcap']
    assert 'frame 2: linux_strict_csum0.tsv has no word on them' in notes['c/half.pcap']
    assert notes['c/gone.pcap'] == 'no such file'
    assert 'a line that cannot be read' in notes['c/odd.pcap']


def test_a_difference_is_a_failure_beside_what_cannot_be_judged(folder):
    folder.add('a/good.pcap', [ethernet(ipv4(A, B, 17, udp(A, B)))], 'inv')
    folder.words['a/gone.pcap'] = ['new']
    assert 'a/gone.pcap: no such file' in folder.run(1)


def test_a_program_that_dies_is_a_failure(folder, tmp_path, monkeypatch):
    program = tmp_path / 'dies'
    program.write_text('#!/bin/sh\nkill -SEGV $$\n', encoding='utf-8')
    program.chmod(0o755)
    monkeypatch.setenv('KEEPSTATE', str(program))
    folder.add('a/good.pcap', [ethernet(ipv4(A, B, 17, udp(A, B)))], 'new')
    assert 'a/good.pcap: keepstate replay returned -11' in folder.run(1)
