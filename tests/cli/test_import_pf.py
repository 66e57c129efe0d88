# SPDX-License-Identifier: BSD-2-Clause
"""keepstate import pf: words and lines of pf.conf, and what becomes of them."""
import re

import pytest
from test_import import allowed


@pytest.mark.parametrize('host, family', [('!10.0.0.0/8', 'ipv4'), ('!2001:db8::/32', 'ipv6')])
def test_pf_written_family(keepstate, host, family):
    rules = allowed(keepstate, 'pf', f'block\npass in from {host} to any\n')
    assert len(rules) == 1 and f'family {family}' in rules[0]


def test_pf_table_has_no_family(keepstate):
    rules = allowed(keepstate, 'pf', 'block\ntable <t> const { 10.0.0.0/8 }\npass in from !<t> to any\n')
    assert any('family ipv6' in rule for rule in rules)


@pytest.mark.parametrize('words, rule', [
    ('from any to port > 1023', 'allow to self tcp port 1024-65535'),
    ('to port <= 80', 'allow to self tcp port 0-80'),
    ('to port { 22 >= 60000 }', 'allow to self tcp port { 22, 60000-65535 }'),
    ('to port != 25', 'allow to self tcp port not 25'),
    ('to port 300 >< 310', 'allow to self tcp port 301-309'),
    ('to port 300 <> 310', 'allow to self tcp port not 300-310'),
    ('to port { 22 300 >< 310 443 }', 'allow to self tcp port { 22, 301-309, 443 }'),
    ('to port 300 >< 301', None),
    ('on em0 to (em0) port 22', 'allow from em0 to self tcp port 22 destination address of em0'),
    ('on em0 from !(em0:network)', 'allow from em0 to self tcp source not network of em0'),
    ('on em0 to (em0:0) port 22', None),
    ('on egress', None),
    ('on { em0 egress } to port 22', None),
    ('on ! em0', 'allow from rest to self tcp'),
    ('flags FUP/WEUAPRSF', None),
    ('flags S/SA to port 80', 'allow to self tcp port 80'),
    ('to self port 22', 'allow to self tcp destination not { 224.0.0.0/4, ff00::/8 } port 22'),
    ('tag A set prio 6 set ( tos 4 , prio 2 ) queue ( a , b ) to port 22', 'allow to self tcp port 22'),
    ('tagged A to port 22', None),
    ('! tagged A to port 22', None),
    ('probability 20% to port 22', None),
    ('reply-to ( em0 192.0.2.1 ) to port 22', 'allow to self tcp port 22'),
    ('route-to ( em0 192.0.2.1 ) to port 22', None),
    ('to port 22 once', None),
    ('to port 22 no state', None),
    ('to port 22 keep state (max-src-conn 5)', 'allow to self tcp port 22 limit 5 connections per source'),
    ('to port 22 keep state (max 9, tcp.established 60, pflow)', 'allow to self tcp port 22 limit 9 connections'),
    ('to port 22 keep state (max-src-conn-rate 15/5)', 'allow to self tcp port 22 limit 84/minute burst 8 per source'),
    ('to port 22 keep state (max-src-conn 5, overload <bad> flush)',
     'allow to self tcp port 22 limit 5 connections per source overload @d_bad end flows'),
    ('to port 22 keep state (max-src-nodes 5)', None),
    ('to port 22 keep state (max-src-states 5, source-track global)', None),
    ('icmp-type 8', None),
    ('from { 10/8 172.16/12 192.0.2/24 }', 'allow to self tcp source { 10.0.0.0/8, 172.16.0.0/12, 192.0.2.0/24 }'),
    ('from $if:network', 'allow to self tcp source network of em0'),
    ('to port 22 label "$dstaddr, {quick"', 'allow to self tcp port 22'),
])
def test_pf_words(keepstate, words, rule):
    rules = allowed(keepstate, 'pf', f'if = "em0"\nblock\nblock in on $if proto 99\npass in proto tcp {words}\n')
    assert [line.replace(' family ipv4', '') for line in rules] == ([rule] if rule else [])


def test_pf_group(keepstate):
    """A group of interfaces is not known, unless a line of the text says who is in it: what it blocks is all blocked."""
    rules = 'pass\nblock in on egress\n'
    policy = keepstate('import', 'pf', '-', stdin=rules.encode()).stdout
    assert policy.index('\ndeny to self ') < policy.index('\nallow to self') and ' 2 that deny more' in policy
    rules = allowed(keepstate, 'pf', 'egress = "em0"\nwan = "{ em1 em2 }"\nblock\npass in on egress\npass in on wan\n')
    assert rules == ['allow from { em1, em2 } to self', 'allow from em0 to self']


def test_pf_both_directions(keepstate):
    """A rule without a direction is about what comes by its interface, and about what leaves by it."""
    rules = allowed(keepstate, 'pf', 'block\npass on em0 proto tcp\n')
    assert rules == ['allow from em0 to self tcp', 'allow from em0 to em0 tcp', 'allow from self to em0 tcp']
    rules = allowed(keepstate, 'pf', 'block\npass in on em1\npass out on em0 received-on em1\n')
    assert rules == ['allow from em1 to self', 'allow from em1 to em0']


def test_pf_options(keepstate):
    """pf lets no packet with IP options pass without being told to."""
    policy = keepstate('import', 'pf', '-', stdin=b'pass\n').stdout
    assert policy.index('deny from rest ip-option any') < policy.index('allow')
    assert policy.index('deny from self ip-option any') < policy.index('allow from self')


def test_pf_flags_of_block(keepstate):
    """A rule about a scan does not block all TCP."""
    rules = allowed(keepstate, 'pf', 'pass\nblock in quick proto tcp flags FUP/WEUAPRSF\n')
    assert 'allow to self' in rules
    policy = keepstate('import', 'pf', '-', stdin=b'pass\nblock in quick proto tcp flags FUP/WEUAPRSF\n').stdout
    assert ' 0 that deny more, 0 left out' in policy and 'deny to self' not in policy


def test_pf_fragments(keepstate):
    """A rule that blocks fragments blocks no other packets; one that passes them alone passes none."""
    policy = keepstate('import', 'pf', '-', stdin=b'pass\nblock in quick fragment\n').stdout
    keepstate('check', '-', stdin=policy.encode())
    assert '\ndeny to self fragment  # 2\n' in policy and ' 0 that deny more, 0 left out' in policy
    assert not [rule for rule in allowed(keepstate, 'pf', 'block\npass in fragment\n') if 'to self' in rule]


RDR = 'rdr {} on em0 inet proto tcp to 192.0.2.1 port 80 -> 10.0.0.5 port 8080\n'


MATCH = 'match in on em0 inet proto tcp to 192.0.2.1 port 80 rdr-to 10.0.0.5 port 8080\n'


@pytest.mark.parametrize('rules, forwards', [
    (RDR.format('') + 'block in\npass out\n', False),  # rules see the new destination
    (RDR.format('') + 'block in\npass in to 192.0.2.1\npass out\n', False),
    (RDR.format('') + 'block in\npass in to 10.0.0.5\npass out\n', True),
    (RDR.format('') + 'block in\npass in to 10.0.0.5\nblock out\n', False),
    (RDR.format('pass') + 'block in\npass out\n', True),
    (RDR.format('pass') + 'block in\nblock out\n', False),
    (RDR.format('pass') + RDR.format('').replace('80', '81') + 'block in\npass out\n', False),
    ('no rdr on em0 proto tcp to port 80\n' + RDR.format('') + 'pass\n', False),
    ('block in\npass in on em0 inet proto tcp to 192.0.2.1 port 80 rdr-to 10.0.0.5 port 8080\npass out\n', True),
    ('block in\npass in on em0 inet proto tcp to 192.0.2.1 port 80 rdr-to 10.0.0.5 port 8080\nblock out\n', False),
    ('pass in on em0 inet proto tcp to 192.0.2.1 port 80 rdr-to 10.0.0.5 port 8080\nblock in\npass out\n', False),
    ('pass in quick on em0 proto tcp to 192.0.2.1\npass in on em0 inet proto tcp to port 80 rdr-to 10.0.0.5\n', None),
    ('block in\nmatch in proto tcp to port 80 rdr-to 10.0.0.9\n'
     'pass in on em0 inet proto tcp to 192.0.2.1 port 80 rdr-to 10.0.0.5\npass out\n', False),
    ('block in\n' + MATCH + 'pass in proto tcp to 10.0.0.5\npass out\n', True),
    ('block in\n' + MATCH + 'pass in proto tcp to 192.0.2.1\npass out\n', False),  # rules behind it see the new one
    ('block in\npass in proto tcp to 10.0.0.5\n' + MATCH + 'pass out\n', False),  # and those before it the old one
    ('block in\n' + MATCH.replace('to 192.0.2.1 ', 'to any ') + 'pass in proto tcp to 10.0.0.5\npass out\n', False),
    ('block in\n' + MATCH.replace('match in', 'match') + 'pass in proto tcp to 10.0.0.5\npass out\n', False),
    ('block in\n' + MATCH + MATCH.replace('192.0.2.1 port 80', '192.0.2.2 port 81').replace('.5', '.6') + 'pass in to 10.0.0.6\npass out\n', True),
])
def test_pf_new_destinations(keepstate, rules, forwards):
    made = [rule for rule in allowed(keepstate, 'pf', rules) if rule.startswith('forward')]
    if forwards is None:
        assert made and all('destination 0.0.0.0-192.0.2.0' in rule or 'not 192.0.2.1' in rule for rule in made)
    else:
        assert len(made) == forwards


@pytest.mark.parametrize('ports, target, becomes', [
    ('5000:5100', '10.0.0.5 port 5000:*', '10.0.0.5'),
    ('5000:5100', '10.0.0.5', '10.0.0.5'),
    ('5000', '10.0.0.5 port 6000', '10.0.0.5 port 6000'),
    ('5000:5100', '10.0.0.5 port 6000:*', None),
    ('5000:5100', '{ 10.0.0.5, 10.0.0.6 } round-robin', None),
    ('5000:5100', '<servers>', None),
    ('5000', '127.0.0.1 port 8021', None),
])
def test_pf_ports_of_new_destinations(keepstate, ports, target, becomes):
    rules = allowed(keepstate, 'pf', f'rdr on em0 inet proto tcp to 192.0.2.1 port {ports} -> {target}\npass\n')
    made = [re.sub('.* to (rest )?', '', rule) for rule in rules if rule.startswith('forward')]
    assert made == ([becomes] if becomes else [])


@pytest.mark.parametrize('entries, told', [
    ('{ 10/8, !10.1/16 }', '{ 10.0.0.0/16, 10.2.0.0-10.255.255.255 }'),
    ('{ 10/8, !10.1/16, 10.1.2/24 }', None),  # the longest decides
    ('file "/etc/bad"', None),
])
def test_pf_table_exceptions(keepstate, entries, told):
    rules = allowed(keepstate, 'pf', f'block\ntable <t> const {entries}\npass in proto tcp from <t> to port 22\n')
    assert rules == ([f'allow to self tcp source {told} port 22'] if told else [])


def test_pf_overload_fills_its_table(keepstate):
    """An address that a rule puts into a table comes into the set that rules deny, whatever words the table has."""
    text = ('table <bad> { 192.0.2.1 }\nblock in quick from <bad>\nblock\n'
            'pass in proto tcp to port 22 keep state (max-src-conn 5, overload <bad>)\n')
    policy = keepstate('import', 'pf', '-', stdin=text.encode()).stdout
    assert re.search(r'^set d_bad \{ 192.0.2.1 \} dynamic$', policy, re.M)
    assert policy.index('deny to self source @d_bad') < policy.index('overload @d_bad')


@pytest.mark.parametrize('entries, told', [
    ('10.0.0.1 10.0.0.2 10.0.0.3', '10.0.0.1, 10.0.0.2/31'),
    ('10/8 !10.1/16', '10.0.0.0/16, 10.2.0.0/15, 10.4.0.0/14, 10.8.0.0/13, 10.16.0.0/12, 10.32.0.0/11, 10.64.0.0/10, 10.128.0.0/9'),
    ('0/0', '0.0.0.0/0'),
    ('2001:db8::ffff:ffff:ffff:ffff 2001:db8:0:1:: 2001:db8:0:1::1', '2001:db8::ffff:ffff:ffff:ffff, 2001:db8:0:1::/127'),
])
def test_pf_run_time_table_has_prefixes(keepstate, tmp_path, entries, told):
    """The entries of a run-time set are prefixes, however those of the table lie together."""
    text = f'table <bad> persist {{ {entries} }}\nblock\npass in proto tcp to port 22 keep state (max-src-conn 5, overload <bad>)\n'
    policy = keepstate('import', 'pf', '-', stdin=text.encode()).stdout
    assert f'set d_bad {{ {told} }} dynamic\n' in policy
    (tmp_path / 'policy').write_text(policy)
    keepstate('check', tmp_path / 'policy')


def test_pf_anchor(keepstate):
    """The conditions of an anchor hold for all rules in it, also for those of anchors in it."""
    text = ('block\nanchor "a" in on em0 proto tcp {\n pass from 192.0.2.0/24\n'
            ' anchor {\n  pass to port { 25,\n 587 }\n }\n}\npass in proto udp\n')
    assert allowed(keepstate, 'pf', text) == [
        'allow to self udp', 'allow from em0 to self tcp port { 25, 587 }', 'allow from em0 to self tcp source 192.0.2.0/24']


def test_pf_type_without_proto(keepstate):
    """A type of ICMP makes no policy that is refused."""
    assert allowed(keepstate, 'pf', 'block\npass in inet icmp-type { 3 8 }\n') == ['allow to self icmp type { 3, 8 }']


def test_pf_quick_label(keepstate):
    """A word of a label makes no rule quick."""
    rules = 'pass in proto tcp to port 22 label "quick fix"\nblock\n'
    assert not allowed(keepstate, 'pf', rules)
    assert not allowed(keepstate, 'pf', rules.replace(' fix', ''))


TAGS = """block
pass in quick on em1 inet proto icmp
{}
"""
OUT = 'pass out on em0 tagged LAN'


@pytest.mark.parametrize('rules, passes', [
    (f'pass in on em1 inet from 10.0.0.0/8 tag LAN\n{OUT}', {25, 80, 53}),
    (f'pass in on em1 inet from 10.1.0.0/16 tag LAN\n{OUT}', set()),
    # It stays, whichever rule decides, and a later one takes its place.
    (f'match in on em1 inet proto tcp tag LAN\npass in on em1 inet\n{OUT}', {25, 80}),
    (f'pass in on em1 inet proto tcp tag LAN\npass in on em1 inet proto tcp to port 25 tag MAIL\n{OUT}', {80}),
    (f'pass in quick on em1 inet proto tcp to port 25\npass in on em1 inet proto tcp tag LAN\n{OUT}', {80}),
    (f'match in on em1 to port 80 tag WEB\nmatch in on em1 tagged WEB tag LAN\npass in on em1\n{OUT}', {80}),
    ('pass in on em1\nmatch in on em1 inet proto tcp tag LAN\npass out on em0\nblock out on em0 tagged LAN', {53}),
    ('pass in on em1\nmatch in on em1 inet proto tcp tag LAN\npass out on em0 ! tagged LAN', {53}),
    (f'pass in on em1 inet proto tcp tag WLAN\n{OUT}', set()),
    # Rules behind the one that asks give it in the same direction, or to packets that are translated: nobody knows.
    ('pass in on em1 tagged LAN\nmatch in on em1 tag LAN\npass out on em0', set()),
    (f'pass in on em1 inet proto tcp to port 443 rdr-to 10.0.0.5 tag LAN\npass in on em1 tag LAN\n{OUT}', set()),
])
def test_pf_tags(keepstate, rules, passes):
    """A tag that a rule gives to what comes in is known of what goes out."""
    policy = keepstate('import', 'pf', '-', stdin=TAGS.format(rules).encode()).stdout
    steps = ''.join(f'em1 10.0.0.9:4000 > em0 192.0.2.9:{port} {"udp" if port == 53 else "tcp syn"} => '
                    f'{"allow" if port in passes else "deny"}\n' for port in (25, 80, 53))
    target = keepstate.directory / 'imported.conf'
    target.write_text(f'{policy}\ntest "tags" {{\n{steps}}}\n')
    keepstate('test', target)


@pytest.mark.parametrize('ends, rules', [
    ('from { em0:network em1:network }', ['source network of em0', 'source network of em1']),
    ('from { (em0) 10.0.0.0/8 }', ['source 10.0.0.0/8']),
    ('from { <good> 192.0.2.9 } to { 10.0.0.1 www.example.com }',
     ['source 192.0.2.9 destination 10.0.0.1', 'destination 10.0.0.1 source @d_good']),
    ('from { 10.0.0.1 10.0.0.3 }', ['source { 10.0.0.1, 10.0.0.3 }']),
])
def test_pf_lists(keepstate, ends, rules):
    """A list of addresses that change, among others, is a rule for each."""
    text = f'table <good> persist\nblock\nblock in on {{ em0 em1 }} proto 99\npass in {ends}\n'
    found = [re.sub(' family ipv.', '', rule) for rule in allowed(keepstate, 'pf', text) if rule.startswith('allow to self')]
    assert sorted(set(found)) == sorted(f'allow to self {rule}' for rule in rules)


def test_pf_user(keepstate):
    policy = keepstate('import', 'pf', '-', stdin=b'pass\nblock return out proto tcp to port smtp user != _smtpd\n').stdout
    assert "nothing here says 'user != _smtpd'" in policy


@pytest.mark.parametrize('text, said, rule', [
    ('# evil\n203.0.113.0/24 ; x\n!203.0.113.128/25\n2001:db8::/32\n', 'its entries are those that {} has now',
     'set d_bad { 203.0.113.0/25, 2001:db8::/32 } dynamic'),
    ('www.example.com\n', 'an entry of this table is no address that is known here', None),
    (None, "its entries are not known ({}: No such file or directory)", None),
])
def test_pf_table_from_file(keepstate, tmp_path, text, said, rule):
    """The file of a table is read where it is there, and the policy says so."""
    path = tmp_path / 'bad'
    if text:
        path.write_text(text)
    rules = f'table <bad> persist file "{path}"\nblock in quick from <bad>\npass\n'
    policy = keepstate('import', 'pf', '-', stdin=rules.encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert said.format(path) in policy and (rule or '# ') in policy
    assert ('denies more' in policy) == (rule is None)


def test_pf_table_from_a_device(keepstate):
    policy = keepstate('import', 'pf', '-', stdin=b'table <bad> persist file "/dev/zero"\npass from <bad>\n').stdout
    assert '/dev/zero: Invalid argument' in policy
