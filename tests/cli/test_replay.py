# SPDX-License-Identifier: BSD-2-Clause
"""keepstate replay: what it prints and writes, and what it refuses."""
import gzip
import struct
import subprocess
from pathlib import Path

from conftest import (ACK, ATM, COOKED, COOKED2, IN, OUT, PPP, RAW, SLIP, SUNATM, SYN, USER0, checksum, cooked, cooked2, ethernet, pcap,
                      pcap_frames, pcapng, tcp, udp)

ASK = udp('10.0.0.5', 4000, '192.0.2.1', 53)
ANSWER = udp('192.0.2.1', 53, '10.0.0.5', 4000)
STRANGER = udp('192.0.2.9', 53, '10.0.0.5', 4000)
IDENT = tcp('192.0.2.9', 999, '203.0.113.1', 113, SYN)
MIDDLE = tcp('10.0.0.5', 4001, '192.0.2.1', 80, ACK)


def write(keepstate, name, data):
    (keepstate.directory / name).write_bytes(data)
    return name


def replay(keepstate, capture, *options):
    """The frames and the summary of a replay."""
    *frames, last = keepstate.json('replay', '--json', *options, 'gateway.conf', write(keepstate, 'x.pcap', capture))
    return frames, last['summary']


def test_frames(keepstate):
    frames, summary = replay(keepstate, pcap(ethernet(ASK), ethernet(ANSWER), ethernet(STRANGER)))
    assert [(f['frame'], f['verdict'], f['class'], f['reason'], f['state']) for f in frames] == [
        (1, 'allow', 'new', 'new', 'UDP_SINGLE'),
        (2, 'allow', 'established', 'established', 'UDP_STREAM'),
        (3, 'deny', 'new', 'no rule', 'NONE')]
    assert [(f['from'], f['to']) for f in frames] == [('lan', 'wan'), ('wan', 'lan'), ('wan', 'lan')]
    assert frames[0]['rule']['line'] == 4 and frames[2]['rule'] is None
    assert frames[1]['time'] == 1.0
    assert summary['verdicts'] == {'allow': 2, 'deny': 1, 'reject': 0, 'bypass': 0, 'hold': 0}
    assert summary['reasons']['no rule'] == {'packets': 1, 'bytes': 14 + len(STRANGER)}
    connection, = summary['connections']
    assert connection['packets'] == [1, 1] and connection['bytes'] == [len(ASK), len(ANSWER)]
    assert (connection['source'], connection['source_port'], connection['state']) == ('10.0.0.5', 4000, 'UDP_STREAM')


def test_text(keepstate):
    write(keepstate, 'x.pcap', pcap(ethernet(ASK), ethernet(STRANGER)))
    out = keepstate('replay', 'gateway.conf', 'x.pcap').stdout
    assert 'lan>wan    udp 10.0.0.5:4000 > 192.0.2.1:53 len 4' in out
    assert 'new UDP_SINGLE, gateway.conf:4' in out
    assert '\033' not in out
    quiet = keepstate('replay', '-q', 'gateway.conf', 'x.pcap').stdout
    assert quiet.startswith('2 frames, ') and 'by reason:' in quiet and 'connections:' in quiet
    assert 'connections:' not in keepstate('replay', '-q', '--connections', '0', 'gateway.conf', 'x.pcap').stdout


def test_gzip_and_standard_input(keepstate):
    plain = pcap(ethernet(ASK))
    write(keepstate, 'x.pcap.gz', gzip.compress(plain))
    assert '1 frame, ' in keepstate('replay', '-q', 'gateway.conf', 'x.pcap.gz').stdout
    assert '1 frame, ' in keepstate('replay', '-q', 'gateway.conf', '-', stdin=plain).stdout
    assert '1 frame, ' in keepstate('replay', '-q', 'gateway.conf', '-', stdin=gzip.compress(plain)).stdout


def test_captures_are_one_stretch(keepstate):
    write(keepstate, 'a.pcap', pcap(ethernet(ASK)))
    write(keepstate, 'b.pcap', pcap(ANSWER, link=RAW))
    *_, answer, last = keepstate.json('replay', '--json', 'gateway.conf', 'a.pcap', 'b.pcap')
    assert answer['capture'] == 'b.pcap' and answer['class'] == 'established'
    assert last['summary']['frames'] == 2


def test_zones(keepstate):
    capture = pcap(ethernet(udp('172.16.0.1', 1, '10.0.0.5', 53)))

    def zones(*options):
        frames, _ = replay(keepstate, capture, *options)
        return frames[0]['from'], frames[0]['to']

    assert zones() == ('wan', 'lan')
    assert zones('--zone', 'lan=172.16.0.0/12') == ('lan', 'lan')
    assert zones('--inside', '172.16.0.0/12,192.168.0.0/16') == ('lan', 'lan')
    assert zones('--zone', 'wan=10.0.0.5') == ('wan', 'wan')
    assert zones('--self', '10.0.0.5') == ('wan', 'self')
    assert zones('--outside', 'lan') == ('lan', 'lan')
    assert zones('--interface', '0=eth0') == ('wan', 'lan')


def test_frames_of_no_zone(keepstate):
    capture = pcap(ethernet(udp('172.16.0.1', 1, '192.0.2.1', 53)), ethernet(ASK))
    assert replay(keepstate, capture)[1]['outside'] == 1
    assert '1 frame has no end in any zone but the outside' in keepstate('replay', '-q', 'gateway.conf', 'x.pcap').stdout
    assert replay(keepstate, capture, '--inside', '172.16.0.0/16')[1]['outside'] == 0


def zones_of(frames):
    return [(frame['from'], frame['to']) for frame in frames]


def test_zones_by_interface(keepstate):
    """A forwarded packet is seen coming in on one interface and going out by the other; a spoofed one comes from outside."""
    spoofed = udp('10.0.0.9', 1, '10.0.0.5', 2)
    foreign = udp('172.16.0.9', 1, '192.0.2.1', 53)
    capture = pcapng(['eth1', 'eth0', 'dummy'], (0, ethernet(ASK)), (1, ethernet(ASK)), (1, ethernet(ANSWER)), (0, ethernet(ANSWER)),
                     (1, ethernet(spoofed)), (0, ethernet(foreign)), (2, ethernet(ASK)))
    frames, _ = replay(keepstate, capture)
    assert zones_of(frames) == [('lan', 'wan'), ('lan', 'wan'), ('wan', 'lan'), ('wan', 'lan'), ('wan', 'lan'), ('lan', 'wan'),
                                ('lan', 'wan')]
    assert frames[4]['verdict'] == 'deny'


def test_zones_by_number_of_interface(keepstate):
    foreign = udp('172.16.0.9', 1, '192.0.2.1', 53)
    capture = pcap(cooked2(foreign, IN, 7), link=COOKED2)
    assert zones_of(replay(keepstate, capture)[0]) == [('wan', 'wan')]
    assert zones_of(replay(keepstate, capture, '--interface', '7=eth1')[0]) == [('lan', 'wan')]


def test_arriving(keepstate):
    """Forwarded packets are left out on their way out, packets of the box itself are not."""
    own = udp('203.0.113.1', 9, '192.0.2.1', 53)
    capture = pcap(cooked(ASK, IN), cooked(ASK, OUT), cooked(own, OUT), link=COOKED)
    assert len(replay(keepstate, capture)[0]) == 3
    frames, summary = replay(keepstate, capture, '--arriving', '--self', '203.0.113.1')
    assert zones_of(frames) == [('lan', 'wan'), ('self', 'wan')] and summary['skipped'] == 1


def test_arriving_where_addresses_are_translated(keepstate):
    """The recording of the demo, at both sides of a gateway that masquerades: each forwarded packet is there twice, and judged once."""
    demo = Path(__file__).resolve().parent.parent.parent / 'demo'
    run = keepstate('replay', '--quiet', '--arriving', demo / 'gateway.conf', demo / 'sample.pcapng')
    assert run.stdout.startswith('97 frames') and 'bad tcp state' not in run.stdout, run.stdout


def test_written_frames(keepstate):
    write(keepstate, 'x.pcap', pcap(ethernet(ASK), ethernet(STRANGER), ethernet(IDENT)))
    keepstate('replay', '--self', '203.0.113.1', '--passed', 'p', '--dropped', 'd', '--answers', 'a', 'gateway.conf', 'x.pcap')
    read = {name: pcap_frames((keepstate.directory / name).read_bytes()) for name in 'pda'}
    assert read['p'] == (1, [ethernet(ASK)])
    assert read['d'] == (1, [ethernet(STRANGER), ethernet(IDENT)])
    link, (answer,) = read['a']
    assert link == 1 and answer[26:34] == IDENT[16:20] + IDENT[12:16]  # from the box to the asker
    assert answer[47] & 0x04  # RST


def test_files_that_would_be_lost(keepstate):
    capture = pcap(ethernet(ASK))
    write(keepstate, 'x.pcap', capture)
    write(keepstate, 'y.pcap', capture)
    (keepstate.directory / 'link').symlink_to('x.pcap')
    (keepstate.directory / 'hard').hardlink_to(keepstate.directory / 'y.pcap')
    policy = (keepstate.directory / 'gateway.conf').read_bytes()
    for options, message in [(['--passed', 'x.pcap'], "--passed: 'x.pcap' is the capture 'x.pcap'"), (['--dropped', './link'], "capture 'x.pcap'"),
                             (['--answers', 'hard'], "capture 'y.pcap'"), (['--passed', 'gateway.conf'], "policy 'gateway.conf'"),
                             (['--passed', 'new', '--dropped', './new'], "--dropped: './new' is the file of --passed too"),
                             (['--dropped', 'new', '--answers', keepstate.directory / 'new'], 'file of --dropped too')]:
        run = keepstate('replay', *options, 'gateway.conf', 'x.pcap', 'y.pcap', code=2)
        assert message in run.stderr and run.stderr.count('\n') == 1 and not run.stdout
    with open(keepstate.directory / 'x.pcap', 'rb') as stdin:
        run = subprocess.run([keepstate.path, 'replay', '--passed', 'x.pcap', 'gateway.conf', '-'], cwd=keepstate.directory, stdin=stdin,
                             stderr=subprocess.PIPE, check=False)
    assert run.returncode == 2 and b"is the capture '-'" in run.stderr
    assert not (keepstate.directory / 'new').exists()
    assert (keepstate.directory / 'x.pcap').read_bytes() == (keepstate.directory / 'y.pcap').read_bytes() == capture
    assert (keepstate.directory / 'gateway.conf').read_bytes() == policy
    keepstate('replay', '--passed', '/dev/null', '--dropped', '/dev/null', 'gateway.conf', 'x.pcap')


def test_mixed_link_types_in_one_file(keepstate):
    write(keepstate, 'a.pcap', pcap(ethernet(ASK)))
    write(keepstate, 'b.pcap', pcap(ASK, link=RAW))
    error = keepstate('replay', '-q', '--passed', 'p', 'gateway.conf', 'a.pcap', 'b.pcap', code=2).stderr
    assert 'do not fit in one capture file' in error


def test_pickup(keepstate):
    capture = pcap(ethernet(MIDDLE))
    frames, summary = replay(keepstate, capture)
    assert frames[0]['reason'] == 'no state' and summary['midstream'] == summary['midstream_connections'] == 1
    frames, summary = replay(keepstate, capture, '--pickup')
    assert frames[0]['state'] == 'TAKEN_UP' and summary['midstream'] == 0


def test_settle(keepstate):
    """A capture that begins where a firewall starts: what the rules let open goes on, for a time."""
    middle = ethernet(MIDDLE)
    frames, summary = replay(keepstate, pcap(middle), '--settle')
    assert frames[0]['state'] == 'TAKEN_UP' and summary['midstream'] == 0
    policy = (keepstate.directory / 'gateway.conf').read_bytes()
    write(keepstate, 'gateway.conf', policy + b'option settle off\n')
    assert replay(keepstate, pcap(middle), '--settle')[0][0]['reason'] == 'no state'


def test_checksums(keepstate):
    broken = bytearray(ethernet(ASK))
    broken[24] ^= 1  # the IPv4 header's
    assert replay(keepstate, pcap(bytes(broken)))[0][0]['reason'] == 'bad ip checksum'
    assert replay(keepstate, pcap(bytes(broken)), '--checksums', 'ignore')[0][0]['verdict'] == 'allow'
    wrong = bytearray(ethernet(ASK))
    wrong[40:42] = b'\x12\x34'  # UDP's, which is not looked at by default
    assert replay(keepstate, pcap(bytes(wrong)))[0][0]['verdict'] == 'allow'
    assert replay(keepstate, pcap(bytes(wrong)), '--checksums', 'verify')[0][0]['reason'] == 'bad checksum'


def test_cut_frames(keepstate):
    frames, summary = replay(keepstate, pcap(ethernet(ASK + bytes(0)), keep=42))
    assert frames[0]['verdict'] == 'allow' and summary['cut'] == 1
    assert summary['connections'][0]['bytes'] == [len(ASK), 0]
    frames, summary = replay(keepstate, pcap(ethernet(ASK), keep=41))
    assert frames[0]['reason'] == 'truncated'


def test_damaged_capture(keepstate):
    write(keepstate, 'x.pcap', pcap(ethernet(ASK), ethernet(ANSWER))[:-1])
    run = keepstate('replay', '-q', 'gateway.conf', 'x.pcap', code=2)
    assert '1 frame, ' in run.stdout and 'x.pcap: after frame 1: ' in run.stderr


def test_serial_lines_and_atm(keepstate):
    snap = bytes.fromhex('aaaa030000000800')
    for link, head in [(PPP, b'\xff\x03\x00\x21'), (SLIP, bytes(16)), (ATM, snap), (SUNATM, b'\x02\x00\x00\x64' + snap)]:
        frames, summary = replay(keepstate, pcap(head + ASK, head + ANSWER, head[:-1], link=link))
        assert [(f['reason'], f['length']) for f in frames[:2]] == [('new', len(ASK)), ('established', len(ANSWER))], link
        assert frames[2]['reason'] == 'bad link header', link
        assert summary['cut'] == 0


def test_refusals(keepstate):
    write(keepstate, 'empty', b'')
    write(keepstate, 'text', b'this is no capture')
    write(keepstate, 'user', pcap(b'abc', link=USER0))
    for capture, message in [('empty', 'the file is empty'), ('text', 'unknown file format'), ('none', 'No such file'),
                             ('user', 'frame 1: link type 147 (unknown) cannot be judged; these can: Ethernet (1), '), ('.', 'Is a directory')]:
        assert message in keepstate('replay', 'gateway.conf', capture, code=2).stderr
    for options, message in [(['--zone', 'nope=1.2.3.4'], "no zone 'nope'; it has lan, wan"), (['--zone', 'lan'], 'NAME=NETWORK'),
                             (['--zone', 'lan=1.2.3.4/33'], 'is not a network'), (['--checksums', 'maybe'], "'verify' or 'ignore'"),
                             (['--connections', '-1'], 'a number from 0 to'), (['--outside', 'nope'], "no zone 'nope'"),
                             (['--interface', 'eth0'], 'NUMBER=NAME'), (['--passed'], 'needs a value'), (['--nope'], "no option '--nope'")]:
        assert message in keepstate('replay', 'gateway.conf', 'text', *options, code=2).stderr


def test_full_disk(keepstate):
    write(keepstate, 'x.pcap', pcap(ethernet(ASK)))
    with open('/dev/full', 'wb') as full:
        run = subprocess.run([keepstate.path, 'replay', '-q', 'gateway.conf', 'x.pcap'], cwd=keepstate.directory, stdout=full,
                             stderr=subprocess.PIPE, check=False)
    assert run.returncode == 3 and b'cannot write the output' in run.stderr
    assert 'cannot write' in keepstate('replay', '-q', '--passed', '/dev/full', 'gateway.conf', 'x.pcap', code=3).stderr


def fragments(packet, size):
    """The fragments of an IPv4 packet, each with `size` bytes of its payload but the last."""
    payload, parts = packet[20:], []
    for at in range(0, len(payload), size):
        more = 0x2000 if at + size < len(payload) else 0
        part = payload[at:at + size]
        header = bytearray(packet[:20])
        header[2:8] = struct.pack('!HHH', 20 + len(part), 0x1234, more | at // 8)
        header[10:12] = bytes(2)
        header[10:12] = struct.pack('!H', checksum(bytes(header)))
        parts.append(bytes(header) + part)
    return parts


BIG = udp('10.0.0.5', 4000, '192.0.2.1', 53, bytes(range(64)))


def replay_to_files(keepstate, *frames, policy='gateway.conf'):
    """The frames written as passed and as dropped, and the JSON output."""
    write(keepstate, 'x.pcap', pcap(*frames, step=1000))
    *lines, last = keepstate.json('replay', '--json', '--passed', 'p', '--dropped', 'd', policy, 'x.pcap')
    read = {name: pcap_frames((keepstate.directory / name).read_bytes())[1] for name in 'pd'}
    return read['p'], read['d'], lines, last['summary']


def test_held_fragments_are_written_as_they_are(keepstate):
    """With their own bytes and link headers, once, when they go on."""
    first, second, third = [ethernet(part) for part in fragments(BIG, 24)]
    other = ethernet(ASK)
    passed, dropped, lines, summary = replay_to_files(keepstate, third, other, second, first)
    assert passed == [other, first, third, second] and dropped == []
    assert [(line['frame'], line['verdict']) for line in lines] == \
        [(1, 'hold'), (2, 'allow'), (3, 'hold'), (4, 'allow'), (1, 'allow'), (3, 'allow')]
    assert [line.get('resumed', False) for line in lines] == [False] * 4 + [True] * 2
    assert summary['held_and_lost'] == 0


def test_fragments_that_never_go_on_are_dropped(keepstate):
    """The first one is denied, or never comes; a policy that allows nothing passes nothing."""
    first, second, third = [ethernet(part) for part in fragments(BIG, 24)]
    write(keepstate, 'closed.conf', b'zone lan { eth1, network 10.0.0.0/24 }\nzone wan { eth0 }\n')
    passed, dropped, _, summary = replay_to_files(keepstate, third, first, second, policy='closed.conf')
    assert passed == [] and sorted(dropped) == sorted([first, second, third])
    passed, dropped, _, summary = replay_to_files(keepstate, third, second)
    assert passed == [] and dropped == [third, second] and summary['held_and_lost'] == 2
    out = keepstate('replay', '-q', 'gateway.conf', 'x.pcap').stdout
    assert '2 fragments were held and never went on' in out and '  held' in out and 'passed' not in out, out


def test_many_datagrams_that_never_go_on(keepstate):
    """More than the engine holds at a time: none is written twice, none is lost."""
    frames = []
    for number in range(700):
        part = bytearray(fragments(BIG, 24)[2])
        part[4:6] = struct.pack('!H', number)
        part[10:12] = bytes(2)
        part[10:12] = struct.pack('!H', checksum(bytes(part[:20])))
        frames.append(ethernet(bytes(part)))
    passed, dropped, _, _ = replay_to_files(keepstate, *frames)
    assert passed == [] and sorted(dropped) == sorted(frames)
