# SPDX-License-Identifier: BSD-2-Clause
"""keepstate suggest: policies of captured traffic."""
import re
import struct

import pytest
from conftest import ACK, RAW, ROOT, SYN, ipv4, pcap, tcp, udp

SYN_ACK, RST_ACK = SYN | ACK, 0x04 | ACK
ZONES = """\
zone lan { eth1, network 10.0.0.0/24, network 10.0.7.0/24 }
zone dmz { eth2, network 10.0.1.0/24 }
zone wan { eth0, address 203.0.113.7 }
option pickup on
set helpers { 10.0.0.99 }
nat from lan to wan source @helpers masquerade
allow from wan to any
forward from wan destination address of wan tcp port 80 to 10.0.1.5
test "old" { wan 198.51.100.1:1 > lan 10.0.0.1:80 tcp syn => allow }
"""


def opened(source, sport, destination, dport):
    """A handshake."""
    return [tcp(source, sport, destination, dport, SYN, 1000), tcp(destination, dport, source, sport, SYN_ACK, 5000, 1001),
            tcp(source, sport, destination, dport, ACK, 1001, 5001)]


def answered(source, sport, destination, dport):
    return [udp(source, sport, destination, dport), udp(destination, dport, source, sport)]


def echo(kind, source, destination):
    message = struct.pack('!BBHHH', kind, 0, 0, 7, 1) + bytes(24)
    total = sum(struct.unpack('!16H', message))
    total = (total >> 16) + (total & 0xffff)
    return ipv4(source, destination, 1, message[:2] + struct.pack('!H', ~total & 0xffff) + message[4:])


TRAFFIC = [
    *opened('10.0.0.5', 40000, '198.51.100.1', 443), *opened('10.0.0.6', 40001, '198.51.100.2', 443),
    *opened('10.0.7.7', 40002, '198.51.100.2', 80), *opened('10.0.0.5', 40003, '198.51.100.2', 80),
    *opened('10.0.7.7', 40004, '198.51.100.1', 443),
    *answered('10.0.0.5', 40000, '203.0.113.7', 53), *opened('10.0.0.5', 40007, '203.0.113.7', 53),
    *opened('10.0.0.5', 40005, '10.0.1.5', 22), *opened('10.0.0.9', 40005, '10.0.1.5', 22),
    *opened('198.51.100.9', 40006, '10.0.1.5', 8443), *opened('198.51.100.9', 40008, '10.0.1.6', 8443),
    echo(8, '10.0.0.5', '10.0.1.5'), echo(0, '10.0.1.5', '10.0.0.5'),
]
SCAN = [tcp('198.51.100.66', 50000, '10.0.1.5', port, SYN) for port in (21, 22, 23, 25)] + [
    tcp('198.51.100.66', 50000, '10.0.1.5', 3389, SYN), tcp('10.0.1.5', 3389, '198.51.100.66', 50000, RST_ACK, 0, 1001)]
WRONG = [tcp('10.0.0.5', 40099, '198.51.100.1', 80, ACK), tcp('10.0.0.5', 40098, '198.51.100.1', 80, 0),
         udp('10.0.1.99', 1, '10.0.1.99', 1), udp('10.0.0.5', 40097, '198.51.100.1', 123)]


def suggest(keepstate, frames, *options, code=0):
    (keepstate.directory / 'zones.conf').write_text(ZONES)
    (keepstate.directory / 'c.pcap').write_bytes(pcap(*frames, link=RAW))
    text = keepstate('suggest', '--policy', 'zones.conf', *options, 'c.pcap', code=code).stdout
    (keepstate.directory / 'made.conf').write_text(text)
    return text


def rules(text):
    return [re.sub(r'\s*#.*', '', line) for line in text.splitlines() if line.startswith('allow')]


def test_a_policy_from_a_capture(keepstate):
    """Few rules, which the tests of the suggestion hold, and what is left out."""
    text = suggest(keepstate, TRAFFIC + SCAN + WRONG)
    assert rules(text) == [
        'allow from lan to self { tcp, udp } port dns source 10.0.0.0/24',
        'allow from lan to dmz tcp port ssh source 10.0.0.0/24 destination 10.0.1.5',
        'allow from lan to dmz icmp type echo-request source 10.0.0.0/24 destination 10.0.1.5',
        'allow from lan to wan family ipv4 tcp port { http, https }',
        'allow from wan to dmz tcp port https-alt destination 10.0.1.5-10.0.1.6']
    assert """# Left out:
#   6 requests that nobody answered:
#     from lan to wan udp port ntp source 10.0.0.0/24
#     from wan to dmz tcp port { 21-23, smtp, rdp } destination 10.0.1.5
#   1 TCP connection whose beginning was not seen
#   2 invalid packets: land (1), bad tcp flags (1)
""" in text
    assert '\tnever wan > { self, lan, wan }\n' in text and 'lan 10.0.0.5 > dmz 10.0.1.5 icmp type 8 code 0 => allow' in text
    # The settings and translations of sources stay, with the sets that they need; rules and tests do not.
    assert 'option pickup on\n' in text and 'set helpers' in text and 'nat from lan' in text and 'forward' not in text and 'old' not in text
    assert '6 passed, 0 failed' in keepstate('test', 'made.conf').stdout
    keepstate('check', '--strict', 'made.conf', code=2)  # only for the advice about the box's own packets
    assert 'from self' in keepstate('check', 'made.conf').stderr


def test_the_capture_passes_and_nothing_else(keepstate):
    suggest(keepstate, TRAFFIC)
    *_, last = keepstate.json('replay', '--json', '-q', 'made.conf', 'c.pcap')
    assert last['summary']['verdicts']['deny'] == 0 and last['summary']['verdicts']['allow'] == len(TRAFFIC)
    for never in ('dmz > any', 'wan > lan', 'lan > wan tcp port 22', 'lan > dmz tcp port 22 destination 10.0.1.6',
                  'lan > dmz tcp source 10.0.7.0/24', 'lan > wan family ipv6', 'wan > dmz tcp port 443'):
        keepstate('ask', '--never', 'made.conf', never)


def test_a_gateway_that_masquerades(keepstate):
    """Both sides of the gateway are in the capture, and are one connection as the translations of the policy tell."""
    demo = ROOT / 'demo'
    text = keepstate('suggest', '--arriving', '--policy', demo / 'gateway.conf', demo / 'sample.pcapng').stdout
    assert 'allow from lan to wan tcp port http' in rules(text) and not [rule for rule in rules(text) if 'from self' in rule]
    assert 'forward from wan tcp port 8443 destination 192.0.2.1 to 10.0.0.10 port 8080  # 1 connection\n' in text
    (keepstate.directory / 'made.conf').write_text(text)
    keepstate('test', 'made.conf')


def test_how_addresses_are_joined(keepstate):
    frames = opened('10.0.0.5', 1, '198.51.100.1', 443) + opened('10.0.0.6', 1, '198.51.100.1', 443) + opened('10.0.99.9', 1, '10.0.1.5', 22)
    assert rules(suggest(keepstate, frames)) == [
        'allow from wan to dmz tcp port ssh destination 10.0.1.5', 'allow from lan to wan tcp port https source 10.0.0.0/24'][::-1]
    assert rules(suggest(keepstate, frames, '--exact')) == [
        'allow from lan to wan tcp port https source 10.0.0.5-10.0.0.6 destination 198.51.100.1',
        'allow from wan to dmz tcp port ssh source 10.0.99.9 destination 10.0.1.5']
    assert rules(suggest(keepstate, frames, '--join', '28'))[1] == 'allow from wan to dmz tcp port ssh destination 10.0.1.0/28'
    assert "'33' is not the length" in keepstate('suggest', '--policy', 'zones.conf', '--join', '33', 'c.pcap', code=2).stderr


def test_zones_by_options(keepstate):
    suggest(keepstate, TRAFFIC)
    text = keepstate('suggest', '--zone', 'lan=eth1,10.0.0.0/21', '--zone', 'internet=eth0', '--outside', 'internet', '--self', '203.0.113.7',
                     'c.pcap').stdout
    assert text.count('\nallow ') == len(rules(text)) and 'zone lan { eth1, network 10.0.0.0/21 }\nzone internet { eth0 }\n' in text
    assert 'allow from lan to internet tcp port { http, https }' not in rules(text) and any('family ipv4' in rule for rule in rules(text))
    (keepstate.directory / 'made.conf').write_text(text)
    keepstate('test', 'made.conf')


def test_what_rules_cannot_say(keepstate):
    """Helpers and translations that the traffic may need are comments with the statement that would do."""
    frames = opened('10.0.0.5', 1, '198.51.100.1', 21) + answered('10.0.0.5', 5060, '198.51.100.1', 5060) + opened('10.0.0.5', 3, '10.0.1.5', 21)
    text = suggest(keepstate, frames)
    assert '#   helper ftp from lan to { dmz, wan }\n' in text and '#   helper sip from lan to wan\n' in text and 'helper tftp' not in text
    assert '#   nat from' not in text  # the policy has one
    said = ['suggest', '--zone', 'lan=eth1,10.0.0.0/24', '--zone', 'internet=eth0', '--outside', 'internet', '--self', '203.0.113.7,10.0.0.1']
    text = keepstate(*said, 'c.pcap').stdout
    assert '#   nat from lan to internet masquerade\n' in text
    (keepstate.directory / 'c.pcap').write_bytes(pcap(*opened('10.0.0.5', 1, '10.0.0.1', 22), *opened('10.0.0.5', 2, '203.0.113.7', 22), link=RAW))
    text = keepstate(*said, 'c.pcap').stdout
    assert rules(text) == ['allow from lan to self family ipv4 tcp port ssh'] and '#   ' not in text.partition('allow from')[2]
    assert "--self: 'x' is not an address" in keepstate(*said[:-1], '10.0.0.1,x', 'c.pcap', code=2).stderr


def test_what_nobody_answered(keepstate):
    assert rules(suggest(keepstate, SCAN, code=1)) == []
    assert '5 requests that nobody answered' in suggest(keepstate, SCAN, code=1)
    assert rules(suggest(keepstate, SCAN, '--unanswered')) == ['allow from wan to dmz tcp port { 21-23, smtp, rdp } destination 10.0.1.5']


@pytest.mark.parametrize('words, message', [
    ([], 'suggest needs zones'), (['--policy', 'gateway.conf'], 'suggest needs captures'),
    (['--policy', 'gateway.conf', '--zone', 'lan=eth1', 'c.pcap'], 'suggest needs zones'),
    (['--policy', 'gateway.conf', '--since', '5m', 'c.pcap'], 'of the journal'),
    (['--zone', 'lan', 'c.pcap'], "'lan' is not NAME="), (['--zone', 'any=eth1', 'c.pcap'], 'cannot name a zone'),
    (['--policy', 'gateway.conf', '--outside', 'dmz', 'c.pcap'], "no zone 'dmz'"),
    (['--policy', 'gateway.conf', 'missing.pcap'], 'missing.pcap: '), (['--policy', 'gateway.conf', 'gateway.conf'], 'gateway.conf: ')])
def test_refusals(keepstate, words, message):
    (keepstate.directory / 'c.pcap').write_bytes(pcap(*TRAFFIC, link=RAW))
    assert message in keepstate('suggest', *words, code=2).stderr


def test_forwards_are_proposed(keepstate):
    """Each forward of the capture is proposed for the same address and port, and nothing else is."""
    demo = ROOT / 'demo'
    for exact, source in ((), ''), (('--exact',), ' source 192.0.2.10/32'):
        text = keepstate('suggest', '--arriving', *exact, '--policy', demo / 'gateway.conf', demo / 'sample.pcapng').stdout
        forwards = [line.split('  #')[0] for line in text.splitlines() if line.startswith('forward ')]
        assert forwards == [f'forward from wan tcp port 8443{source} destination 192.0.2.1 to 10.0.0.10 port 8080'], text
        (keepstate.directory / 'made.conf').write_text(text)
        keepstate('test', 'made.conf')
        keepstate('ask', '--never', 'made.conf', 'wan > lan tcp port 22')
