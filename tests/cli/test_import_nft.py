# SPDX-License-Identifier: BSD-2-Clause
"""keepstate import nft: statements, sets and maps, and what becomes of them."""
import json
import re

import pytest
from conftest import ROOT
from test_import import allowed, imported


@pytest.mark.parametrize('name', ['nft-gateway', 'nft-host'])
def test_nft_list(keepstate, name):
    """The text of nft and its JSON become one policy, but for what names their lines."""
    policies = [imported(keepstate, ROOT / f'tests/cli/import/{name}{tail}.txt').stdout for tail in ('', '-list')]
    one, other = (re.sub(r'  # [\d, ]+$|^# (line|handle) .*', '', policy, flags=re.M) for policy in policies)
    assert one == other and 'allow' in one
    assert '# line ' in policies[1] and '# handle ' not in policies[1]


@pytest.mark.parametrize('text, message', [
    (b'table inet filter {', 'a brace is not closed'),
    (b'table inet filter {\n\tchain input {\n\t\ttype filter hook input priority high; policy drop;\n\t}\n}\n',
     "line 3: 'priority' is not expected"),
    (b'table inet filter {\n\tchain input {\n\t\ttype filter hook input priority 0; policy deny;\n\t}\n}\n',
     "line 3: 'deny' is not expected"),
    (b'table inet filter {\n\tflags dormant\n}\n', 'line 2: a table with flags may be asleep'),
    (b'flush ruleset\n', "line 1: 'flush' is not expected"),
    (b'table inet a { chain b { tcp dport 22 accept\n } }\n', 'no chain with a policy'),
    (b'\xff\n', 'this is no text'),
    (b'', 'no chain with a policy'),
    (b'{', 'no JSON as'),
    (b'{}', 'expected what'),
    (b'{"nftables": []}', 'no chain with a policy'),
    (b'{"nftables": [{"rule": {"family": "ip", "table": "a", "chain": "b", "handle": 3, "expr": [{"jump": 1}]}}]}',
     'rule 3 jumps nowhere'),
])
def test_nft_refused(keepstate, text, message):
    assert message in keepstate('import', 'nft', '-', stdin=text, code=2).stderr


@pytest.mark.parametrize('match', [
    '{"op": ">", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "192.0.2.64"}',
    '{"op": "!=", "left": {"payload": {"protocol": "tcp", "field": "flags"}}, "right": ["syn", "ack"]}',
    '{"op": "!=", "left": {"ct": {"key": "status"}}, "right": "dnat"}',
])
def test_nft_operators(keepstate, match):
    """Operators that ask for something else than their words say elsewhere are not guessed."""
    text = """{"nftables": [{"table": {"family": "ip", "name": "a"}}, {"chain": {"family": "ip", "table": "a", "name": "b",
        "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}}, {"rule": {"family": "ip", "table": "a",
        "chain": "b", "handle": 2, "expr": [{"match": %s}, {"drop": null}]}}]}""" % match
    policy = keepstate('import', 'nft', '-', stdin=text.encode()).stdout
    assert re.search(r'^deny to self( tcp)?  # 2$', policy, re.M)


def test_nft_set_of_new_destinations(keepstate):
    """Rules behind a translation that name a set speak of the new destination, and not of the one that the packet had."""
    text = """table ip fw {
        set d { type ipv4_addr
            flags timeout
        }
        chain pre { type nat hook prerouting priority -100; policy accept;
            iifname "eth0" ip daddr @d tcp dport 80 dnat to 10.0.0.5
        }
        chain forward { type filter hook forward priority 0; policy drop;
            ct state established accept
            ip daddr @d accept
        }
    }
    """
    assert 'allow from not self to not self destination @d_d' in allowed(keepstate, 'nft', text)
    assert not [rule for rule in allowed(keepstate, 'nft', text) if rule.startswith('forward')]
    text = text.replace('ip daddr @d accept', 'tcp dport 80 accept')
    assert 'forward from eth0 to any tcp port 80 destination @d_d to 10.0.0.5' in allowed(keepstate, 'nft', text)


USERS = """table ip f {
    chain output { type filter hook output priority 0; policy accept;
        meta skuid %s drop
    }
    chain input { type filter hook input priority 0; policy drop;
        ct state established accept
    }
}
"""


@pytest.mark.parametrize('users, said', [
    ('1000', 'user { 1000 }'), ('{ 1000, 1002-1999 }', 'user { 1000, 1002-1999 }'),
    ('!= 1000', ''),  # it is about packets without a socket, too
    ('> 1000', ''), ('"alice"', ''),
])
def test_nft_users(keepstate, users, said):
    """Later packets of the box's own flows come from the same socket."""
    policy = keepstate('import', 'nft', '-', stdin=(USERS % users).encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert re.search(f'^deny from self{said and " " + re.escape(said)}  # 3$', policy, re.M)


@pytest.mark.parametrize('target, forwards', [
    ('tcp dport map { 80 : 10.0.0.5, 81 : 10.0.0.6 }', ['tcp port 80 to 10.0.0.5', 'tcp port 81 to 10.0.0.6']),
    ('tcp dport map { 80 : 10.0.0.5 . 8080 }', ['tcp port 80 to 10.0.0.5 port 8080']),
    ('tcp dport map @m', ['tcp port 80 to 10.0.0.5']),
    ('ip saddr map { 192.0.2.0/24 : 10.0.0.5 }', ['source 192.0.2.0/24 to 10.0.0.5']),
    ('tcp dport map @unknown', []),
    ('tcp dport map { 80 : hello }', []),
    ('jhash ip saddr mod 2 map { 0 : 10.0.0.5, 1 : 10.0.0.6 }', []),
])
def test_nft_maps_of_destinations(keepstate, target, forwards):
    text = """table ip f {
    map m { type inet_service : ipv4_addr
        elements = { 80 : 10.0.0.5 }
    }
    chain pre { type nat hook prerouting priority -100; policy accept;
        iifname "eth0" dnat to %s
    }
}
""" % target
    rules = [rule for rule in allowed(keepstate, 'nft', text) if rule.startswith('forward')]
    assert [re.sub('to (any|eth0|rest) (?=1)', 'to ', re.sub('forward from eth0 (to any )?', '', rule)) for rule in rules] == forwards


CHANGES = """table inet f {
    chain pre { type filter hook prerouting priority -150; policy accept;
        %s
    }
    chain forward { type filter hook forward priority 0; policy drop;
        ct state established accept
        iifname "eth1" oifname "eth0" %s accept
    }
}
"""


@pytest.mark.parametrize('change, asks, rules', [
    ('iifname "eth1" meta mark set 0x00000001', 'tcp dport 80', ['tcp port 80 set mark 0x1']),
    ('iifname "eth1" tcp dport 80 meta mark set 0x00000001 counter accept', 'ip saddr 10.0.0.0/8',
     ['tcp source 10.0.0.0/8 port 80 set mark 0x1', 'source 10.0.0.0/8']),
    ('iifname "eth1" ip dscp set ef', 'tcp dport 5060', ['tcp port 5060 family ipv4 set dscp ef', 'tcp port 5060 family ipv6']),
    ('iifname "eth0" ip6 dscp set 0x0a', 'tcp dport 5060', ['tcp port 5060 family ipv4', 'tcp port 5060 family ipv6 set reply dscp af11']),
    ('iifname "eth1" meta mark set 0x00000001', 'meta mark 0x00000001', ['set mark 0x1']),
    ('iifname "eth1" meta mark set 0x00000001', 'meta mark 0x00000002', []),
    ('iifname "eth1" meta mark set 0x00000001 tcp dport 80 meta mark set 0x00000002', 'meta mark 0x00000002', ['tcp port 80 set mark 0x2', 'mark 2']),
    # A condition before the change is about the packet as it was.
    ('iifname "eth1" meta mark 0x00000000 meta mark set 0x00000001 accept', 'tcp dport 80', ['tcp port 80 mark 0 set mark 0x1', 'tcp port 80']),
    ('iifname "eth1" meta mark set ct mark', 'meta mark 0x00000001', []),
    ('iifname "eth1" ct mark set 0x00000001', 'meta mark 0x00000001', ['mark { 1 }']),
    ('iifname "eth1" meta priority set 0x00000001', 'tcp dport 80', ['tcp port 80']),
    ('iifname "eth1" ip daddr set 10.0.0.5', 'tcp dport 80', ['tcp port 80 family ipv6']),
])
def test_nft_changes(keepstate, change, asks, rules):
    """A change is `set`, and is asked for further on; packets with a new address without a connection do not pass."""
    policy = keepstate('import', 'nft', '-', stdin=(CHANGES % (change, asks)).encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    made = re.findall('^allow from eth1 to eth0 (.*?)  #', policy, re.M)
    assert sorted(made) == sorted(rules), policy


@pytest.mark.parametrize('value, said', [
    ({'|': [{'&': [{'meta': {'key': 'mark'}}, 0xfffffff0]}, 1]}, ' set mark 0x1/0xf'),
    ({'|': [{'meta': {'key': 'mark'}}, 6]}, ' set mark 0x6/0x6'),
    ({'&': [{'meta': {'key': 'mark'}}, 0xfffffffe]}, ' set mark 0x0/0x1'),
    ({'|': [{'ct': {'key': 'mark'}}, 1]}, ''),
])
def test_nft_bits_of_marks(keepstate, value, said):
    chain = {'family': 'inet', 'table': 'f', 'type': 'filter', 'policy': 'accept'}
    rule = {'family': 'inet', 'table': 'f'}
    text = {'nftables': [
        {'table': {'family': 'inet', 'name': 'f'}},
        {'chain': {**chain, 'name': 'pre', 'hook': 'prerouting', 'prio': -150}},
        {'chain': {**chain, 'name': 'forward', 'hook': 'forward', 'prio': 0}},
        {'rule': {**rule, 'chain': 'pre', 'handle': 3, 'expr': [
            {'match': {'op': '==', 'left': {'meta': {'key': 'iifname'}}, 'right': 'eth1'}},
            {'mangle': {'key': {'meta': {'key': 'mark'}}, 'value': value}}]}}]}
    policy = keepstate('import', 'nft', '-', stdin=json.dumps(text).encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert bool(re.search(f'^allow from eth1 to self{said}$', policy, re.M)) == bool(said), policy


@pytest.mark.parametrize('words, during', [
    ('meta hour "08:00"-"18:00" accept', ['during 08:00-18:00']),
    ('meta day { "Monday", "Tuesday" } meta hour "22:00"-"06:00" accept',
     ['during { mon-tue 22:00-00:00, mon-tue 00:00-06:00 }']),
    ('meta day != { "Saturday", "Sunday" } accept', ['during mon-fri']),
    ('meta hour != "08:00"-"18:00" accept', []),
    ('meta hour >= "08:00" accept', []),
    ('meta time "2026-01-01 00:00:00"-"2026-02-01 00:00:00" accept', []),
    ('meta hour "08:00"-"18:00" jump more', []),
])
def test_nft_times(keepstate, words, during):
    """Hours and days as nft prints them are those of the clock."""
    text = f"""table inet f {{
    chain more {{
        accept
    }}
    chain input {{ type filter hook input priority 0; policy drop;
        ct state established accept
        tcp dport 80 {words}
    }}
}}
"""
    policy = keepstate('import', 'nft', '-', stdin=text.encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert re.findall('^allow to self tcp port 80 (.*?)  #', policy, re.M) == during
    assert during or '\n#   left out: nothing here says' in policy


@pytest.mark.parametrize('value, said', [('meta mark | 0x00000006', ' set mark 0x6/0x6'), ('meta mark & 0xfffffffe', ' set mark 0x0/0x1'),
                                         ('meta mark & 0xfffffff0 | 0x00000006', ' set mark 0x6/0xf')])
def test_nft_operators_of_marks(keepstate, value, said):
    """The text without -j says with operators what a mark becomes."""
    text = ('table inet f {\n\tchain pre {\n\t\ttype filter hook prerouting priority mangle; policy accept;\n'
            f'\t\tiifname "eth1" meta mark set {value}\n\t}}\n\tchain forward {{\n\t\ttype filter hook forward priority filter; policy accept;\n\t}}\n}}\n')
    policy = keepstate('import', 'nft', '-', stdin=text.encode()).stdout
    assert re.search(f'^allow from eth1 to self{said}  #', policy, re.M), policy


def test_nft_unknown_mark_of_a_new_source(keepstate):
    """A chain that gives new sources may change a mark in a way that is not known here."""
    text = ('table ip f {\n\tchain post {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n'
            '\t\tmeta mark & 0x00004000 == 0x00000000 return\n\t\tmeta mark set meta mark ^ 0x00004000\n\t\tmasquerade\n\t}\n}\n')
    policy = keepstate('import', 'nft', '-', stdin=text.encode()).stdout
    assert "left out: nothing here says 'mark & 16384 0' of line 4" in policy


FLAGS, STATE, STATUS = {'payload': {'protocol': 'tcp', 'field': 'flags'}}, {'ct': {'key': 'state'}}, {'ct': {'key': 'status'}}


def bits_policies(keepstate, policy, rule, match, verdict):
    """The policies of a rule for packets of TCP to the box: as nft prints it, and of its JSON."""
    chain = {'family': 'inet', 'table': 'f', 'chain': 'b'}
    exprs = [[{'match': {'op': 'in', 'left': STATE, 'right': 'established'}}, {'accept': None}],
             [{'match': {'op': '==', 'left': {'payload': {'protocol': 'tcp', 'field': 'dport'}}, 'right': 22}},
              {'match': dict(zip(('op', 'left', 'right'), match))}, {verdict: None}]]
    text = {'nftables': [{'table': {'family': 'inet', 'name': 'f'}},
                         {'chain': {'family': 'inet', 'table': 'f', 'name': 'b', 'type': 'filter', 'hook': 'input', 'prio': 0, 'policy': policy}},
                         *({'rule': {**chain, 'handle': at + 3, 'expr': expr}} for at, expr in enumerate(exprs))]}
    printed = (f'table inet f {{\n\tchain b {{ type filter hook input priority filter; policy {policy};\nct state established accept\n'
               f'tcp dport 22 {rule} {verdict}\n\t}}\n}}\n')
    for each in (printed, json.dumps(text)):
        made = keepstate('import', 'nft', '-', stdin=each.encode()).stdout
        keepstate('check', '-', stdin=made.encode())
        yield made, re.findall('^((?:allow|deny) .*?)(?:  #.*)?$', made, re.M)


@pytest.mark.parametrize('policy, rule, match, verdict, made', [
    ('drop', 'tcp flags ! syn', ('!', FLAGS, 'syn'), 'accept', []),
    ('accept', 'tcp flags ! syn', ('!', FLAGS, 'syn'), 'drop', []),
    ('accept', 'tcp flags ! ack,rst', ('!', FLAGS, ['ack', 'rst']), 'drop', ['deny to self tcp port 22']),
    ('drop', 'tcp flags ! ack,rst', ('!', FLAGS, ['ack', 'rst']), 'accept', ['allow to self tcp port 22']),
    ('accept', 'tcp flags syn', ('in', FLAGS, 'syn'), 'drop', ['deny to self tcp port 22']),
    ('accept', 'ct state ! invalid', ('!', STATE, 'invalid'), 'drop', ['deny to self tcp port 22']),
    ('accept', 'ct state ! invalid,new', ('!', STATE, ['invalid', 'new']), 'drop', []),
    ('drop', 'ct state ! established,related', ('!', STATE, ['established', 'related']), 'accept', ['allow to self tcp port 22']),
    ('drop', 'ct state ! new', ('!', STATE, 'new'), 'accept', []),
    ('accept', 'ct status ! dnat', ('!', STATUS, 'dnat'), 'drop', ['deny to self tcp port 22']),
    ('drop', 'ct status ! dnat', ('!', STATUS, 'dnat'), 'accept', ['allow to self tcp port 22']),
    ('accept', 'ct status ! snat,dnat', ('!', STATUS, ['snat', 'dnat']), 'drop', ['deny to self tcp port 22']),
    ('drop', 'ct status ! snat,dnat', ('!', STATUS, ['snat', 'dnat']), 'accept', []),
    ('accept', 'ct status != dnat', ('!=', STATUS, 'dnat'), 'drop', ['deny to self tcp port 22']),
    ('accept', 'ct status & dnat == 0', ('==', {'&': [STATUS, 'dnat']}, 0), 'drop', ['deny to self tcp port 22']),
    ('drop', 'ct label ! 1', ('!', {'ct': {'key': 'label'}}, 1), 'accept', []),
])
def test_nft_bits_negated(keepstate, policy, rule, match, verdict, made):
    """"!" is what has none of the bits, in the text and in the JSON."""
    for text, rules in bits_policies(keepstate, policy, rule, match, verdict):
        assert [line for line in rules if ' port 22' in line] == made, text


@pytest.mark.parametrize('op', ['!', 'in', '~', 'contains', ''])
def test_nft_unknown_operators(keepstate, op):
    """An operator that is none of the key's is a condition that nobody knows: it denies all, and allows none."""
    match = (op, {'payload': {'protocol': 'ip', 'field': 'ttl'}}, 9)
    for policy, verdict, made in (('accept', 'drop', ['deny to self tcp port 22']), ('drop', 'accept', [])):
        text, rules = list(bits_policies(keepstate, policy, 'ct label 1', match, verdict))[1]
        assert [line for line in rules if ' port 22' in line] == made, text


def test_nft_unsaid_operators_differ(keepstate):
    """Two conditions that nothing says are two where their operators are."""
    first, second = (('==', STATUS, 'snat'), ('in', STATUS, 'snat'))
    chain = {'family': 'inet', 'table': 'f', 'chain': 'b'}
    text = {'nftables': [
        {'table': {'family': 'inet', 'name': 'f'}},
        {'chain': {'family': 'inet', 'table': 'f', 'name': 'b', 'type': 'filter', 'hook': 'input', 'prio': 0, 'policy': 'accept'}},
        *({'rule': {**chain, 'handle': at, 'expr': [{'match': dict(zip(('op', 'left', 'right'), match))}, {verdict: None}]}}
          for at, match, verdict in ((3, first, 'accept'), (4, second, 'drop')))]}
    policy = keepstate('import', 'nft', '-', stdin=json.dumps(text).encode()).stdout
    assert re.search('^deny to self  # 4$', policy, re.M), policy


def test_nft_own_addresses_of_an_interface(keepstate):
    """With the interface, the addresses of others are none of the box's own."""
    text = ('table inet f {\n\tchain b { type filter hook input priority filter; policy drop;\nct state established accept\n'
            'fib daddr . iif type local tcp dport 22 accept\nfib daddr type local tcp dport 80 accept\n\t}\n}\n')
    assert [rule for rule in allowed(keepstate, 'nft', text) if ' to self' in rule] == [
        'allow to self tcp destination not { 224.0.0.0/4, ff00::/8 } port 80']


def test_nft_new_destination_that_may_be_own(keepstate):
    """A new destination of the text of nft may be an address of the firewall, too."""
    text = ('table ip f {\n\tchain pre { type nat hook prerouting priority dstnat; policy accept;\niifname "eth1" udp dport 53 dnat to 10.0.0.1\n\t}\n'
            '\tchain input { type filter hook input priority filter; policy drop;\nct state established accept\n%s\n\t}\n'
            '\tchain forward { type filter hook forward priority filter; policy drop;\nct state established accept\niifname "eth1" accept\n\t}\n}\n')
    assert not [rule for rule in allowed(keepstate, 'nft', text % '') if rule.startswith('forward')]
    assert [rule for rule in allowed(keepstate, 'nft', text % 'udp dport 53 accept') if rule.startswith('forward')] == [
        'forward from eth1 to any udp port 53 to 10.0.0.1']


@pytest.mark.parametrize('first, second', [
    ('numgen random mod 2 < 1', 'numgen random mod 2 < 1'),
    ('quota over 10 mbytes', 'quota over 5 mbytes'),
    ('xt match "string"', 'xt match "u32"'),
])
def test_nft_chances(keepstate, first, second):
    """Chance need not say the same again, nor is a statement like another one of its name."""
    text = ('table inet f {\n\tchain b { type filter hook input priority filter; policy drop;\nct state established accept\njump c\n'
            f'tcp dport 22 accept\n\t}}\n\tchain c {{\n{first} return\n{second} drop\n\t}}\n}}\n')
    policy = keepstate('import', 'nft', '-', stdin=text.encode()).stdout
    assert re.search('^deny to self  # 9\n(.*\n)*allow to self tcp port 22', policy, re.M), policy


@pytest.mark.parametrize('timeout, entry, kept, denied', [
    ('', '192.0.2.1', '{ 192.0.2.1 } dynamic', '@d_s'),
    ('', '192.0.2.1 timeout 1h expires 59m', '{  } dynamic', '{ @d_s, 192.0.2.1 }'),
    ('timeout 1h30m\n', '192.0.2.1', '{  } dynamic, timeout 1h30m', '{ @d_s, 192.0.2.1 }'),
])
def test_nft_sets_that_pass(keepstate, timeout, entry, kept, denied):
    """Entries that end by themselves let nothing pass here."""
    text = (f'table inet f {{\n\tset s {{\ntype ipv4_addr\nflags timeout\n{timeout}elements = {{ {entry} }}\n\t}}\n\tchain b {{\n'
            'type filter hook input priority filter; policy accept;\nct state established accept\nip saddr @s tcp dport 22 accept\n'
            'ip saddr @s drop\n\t}\n}\n')
    policy = keepstate('import', 'nft', '-', stdin=text.encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert f'set d_s {kept}\n' in policy
    assert 'allow to self tcp port 22 source @d_s family ipv4' in policy
    assert f'deny to self source {denied} family ipv4' in policy
