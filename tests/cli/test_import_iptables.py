# SPDX-License-Identifier: BSD-2-Clause
"""keepstate import iptables-save: conditions and targets, and what becomes of them."""
import re

import pytest
from test_import import allowed

def test_iptables_chains_of_the_kernel(keepstate):
    """Rules of a chain without its ':' line count as they do for iptables-restore."""
    rules = '*filter\n:INPUT ACCEPT [0:0]\n-A FORWARD -i eth0 -j DROP\nCOMMIT\n'
    policy = keepstate('import', 'iptables-save', '-', stdin=rules.encode()).stdout
    assert 'deny from eth0 to not self  # 3\n' in policy


@pytest.mark.parametrize('mask, per', [
    ('0 --connlimit-daddr', ['']),
    ('0 --connlimit-saddr', ['']),
    ('32 --connlimit-daddr', [' per destination']),
    ('24 --connlimit-daddr', []),  # each network of destinations, which no limit of ours is about
    ('24 --connlimit-saddr', [' per source/24']),
])
def test_connlimit_mask(keepstate, mask, per):
    text = ('*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n-A INPUT -m state --state ESTABLISHED -j ACCEPT\n'
            f'-A INPUT -p tcp -m tcp --dport 80 -m connlimit --connlimit-upto 9 --connlimit-mask {mask} -j ACCEPT\nCOMMIT\n')
    rules = allowed(keepstate, 'iptables-save', text)
    assert [line for line in rules if ' to self ' in line] == [
        f'allow to self tcp port 80 limit 9 connections{what}' for what in per]


def test_helpers(keepstate):
    """A helper is for the packets that come to its rule, over its own protocols, and for no more."""
    text = """*raw
:PREROUTING ACCEPT [0:0]
:help - [0:0]
-A PREROUTING -s 10.9.0.0/16 -j RETURN
-A PREROUTING -p tcp -m tcp --dport 21 -j help
-A PREROUTING -p udp -m udp --dport 69 -m string --string x --algo bm -j CT --helper tftp
-A PREROUTING -p udp -m udp --dport 21 -j CT --helper ftp
-A help -i eth1 -j CT --helper ftp
COMMIT
*filter
:FORWARD ACCEPT [0:0]
COMMIT
"""
    policy = keepstate('import', 'iptables-save', '-', stdin=text.encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert re.findall('^helper .*', policy, re.M) == ['helper ftp from eth1 tcp source not 10.9.0.0/16 port 21  # 8']
    assert "left out: nothing here says '--string x'" in policy


IPTABLES = ('*filter\n:INPUT {} [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n'
            '-A INPUT -m state --state ESTABLISHED -j ACCEPT\n-A OUTPUT -m state --state ESTABLISHED -j ACCEPT\n{}COMMIT\n')


@pytest.mark.parametrize('lines, sets', [
    ('create s hash:ip\nadd s 192.0.2.1\n', 'deny to self source 192.0.2.1'),
    ('create s hash:ip timeout 60\nadd s 192.0.2.1 timeout 0\n', 'deny to self source @d_s'),
    ('create s hash:ip timeout 60\nadd s 192.0.2.1 timeout 9\n', 'deny to self source @d_s'),
    ('', 'deny to self'),
])
@pytest.mark.parametrize('filled', [False, True])
def test_iptables_sets(keepstate, lines, sets, filled):
    """Entries of a set that rules fill are not known: a rule that denies them denies all."""
    rules = '-A INPUT -m set --match-set s src -j DROP\n' + filled * '-A INPUT -p tcp -m tcp --dport 23 -j SET --add-set s src\n'
    policy = keepstate('import', 'iptables-save', '-', stdin=(lines + IPTABLES.format('ACCEPT', rules)).encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert re.search('^deny to self.*?(?=  #)', policy, re.M).group() == ('deny to self' if filled else sets)


@pytest.mark.parametrize('words, allow', [
    ('-m owner --uid-owner 1000', 'allow from self tcp user 1000'),
    ('-m owner --uid-owner 1000-1999', 'allow from self tcp user 1000-1999'),
    ('-m owner ! --uid-owner 1000', None),  # it is about packets without a socket, too
    ('-m owner --uid-owner alice', None),
    ('-m recent --set --name a --mask 255.255.255.255 --rsource', 'allow from self tcp'),
    ('-m recent ! --set --name a', None),
    ('-m recent --rcheck --seconds 5 --name a --rsource', None),
])
def test_iptables_words(keepstate, words, allow):
    rules = allowed(keepstate, 'iptables-save', IPTABLES.format('DROP', f'-A OUTPUT -p tcp {words} -j ACCEPT\n'))
    assert rules == ([allow] if allow else [])


@pytest.mark.parametrize('words, zone', [
    ('-o ppp0 -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu', 'zone ppp0 { ppp0, mss mtu }'),
    ('-i ppp0 -p tcp -j TCPMSS --set-mss 1400', 'zone ppp0 { ppp0, mss 1400 }'),
    ('-p tcp -j TCPMSS --clamp-mss-to-pmtu', 'zone rest { *, mss mtu }'),
    ('-p tcp -j TCPMSS --set-mss 1400', 'option mss 1400'),
])
def test_iptables_mss(keepstate, words, zone):
    policy = keepstate('import', 'iptables-save', '-', stdin=IPTABLES.format('DROP', f'-A FORWARD {words}\n').encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert re.search(f'^{re.escape(zone)}$', policy, re.M)


@pytest.mark.parametrize('names, limits', [('ab', ['6/minute burst 4'] * 2), ('aa', ['3/minute burst 2'] * 2)])
def test_hashlimit_name(keepstate, names, limits):
    """Rules that name the same table of hashlimit count together."""
    rules = ''.join(
        f'-A INPUT -p tcp -m tcp --dport {port} -m hashlimit --hashlimit-upto 6/min --hashlimit-burst 4 '
        f'--hashlimit-mode srcip --hashlimit-name {name} -j ACCEPT\n' for port, name in enumerate(names, 80))
    text = ('*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n-A INPUT -m state --state ESTABLISHED -j ACCEPT\n'
            f'{rules}COMMIT\n')
    policy = allowed(keepstate, 'iptables-save', text)
    assert re.findall('to self tcp port 8. limit (.*) per source', '\n'.join(policy)) == limits


def test_later_packets_are_told(keepstate):
    """A rule that nobody knows, before the one for established flows, costs flows their packets: that has a comment."""
    text = ('*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n'
            '-A INPUT -m set --match-set bad src -j DROP\n-A INPUT -m state --state ESTABLISHED -j ACCEPT\nCOMMIT\n')
    policy = keepstate('import', 'iptables-save', '-', stdin=text.encode()).stdout
    assert '2 that deny more' in policy and 'not known of them here\ndeny to self  # 5\n' in policy


@pytest.mark.parametrize('rule, allow', [
    ('-j ACCEPT -p tcp -m tcp --dport 12', ['tcp port 12']),
    ('-p tcp -j ACCEPT ! -s 10.0.0.0/8', ['tcp source not 10.0.0.0/8']),
    ('-j ACCEPT -i lo', []),
    ('-p tcp -j ACCEPT --dport 13', ['tcp port 13']),
    ('-j LOG --log-prefix x -p udp', []),
    ('-p udp -j', None),
])
def test_iptables_target_first(keepstate, rule, allow):
    """Conditions count behind the target, too, as for iptables-restore."""
    text = ('*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n-A INPUT -m state --state ESTABLISHED -j ACCEPT\n'
            f'-A INPUT {rule}\nCOMMIT\n')
    if allow is None:
        keepstate('import', 'iptables-save', '-', stdin=text.encode(), code=2)
        return
    rules = [line for line in allowed(keepstate, 'iptables-save', text) if ' to self ' in f'{line} ']
    assert rules == [f'allow to self {what}' for what in allow]


MARKS = """*mangle
:PREROUTING ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:lines - [0:0]
:others - [0:0]
{}COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A FORWARD -m state --state ESTABLISHED -j ACCEPT
{}COMMIT
"""
PASS = '-A FORWARD -i eth1 -o eth0 -p tcp -j ACCEPT\n'
WHOLE = 'allow from eth1 to eth0 tcp'


@pytest.mark.parametrize('mangle, rules', [
    ('-A PREROUTING -i eth1 -j MARK --set-xmark 0x1/0xffffffff\n', [f'{WHOLE} set mark 0x1']),
    ('-A PREROUTING -i eth1 -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x1/0xf\n', [f'{WHOLE} port 80 set mark 0x1/0xf', WHOLE]),
    ('-A PREROUTING -i eth0 -j MARK --set-mark 2\n', [f'{WHOLE} set reply mark 0x2']),
    ('-A PREROUTING -j MARK --set-mark 2\n', [f'{WHOLE} set mark 0x2 set reply mark 0x2']),
    ('-A PREROUTING -i eth1 -j MARK --or-mark 0x10\n-A PREROUTING -i eth1 -j MARK --and-mark 0xfffffffe\n',
     [f'{WHOLE} set mark 0x10/0x11']),
    # The last one stays, and a chain may be left before.
    ('-A PREROUTING -i eth1 -j MARK --set-mark 1\n-A PREROUTING -s 10.0.0.0/8 -i eth1 -j lines\n'
     '-A lines -d 192.0.2.0/24 -j RETURN\n-A lines -j MARK --set-mark 2\n',
     [f'{WHOLE} source 10.0.0.0/8 destination not 192.0.2.0/24 set mark 0x2', f'{WHOLE} set mark 0x1']),
    # Packets that go to another chain do not come to the rules behind.
    ('-A PREROUTING -i eth1 -j lines\n-A lines -p udp -g others\n-A lines -j MARK --set-mark 2\n', [f'{WHOLE} set mark 0x2']),
    ('-A PREROUTING -i eth1 -j lines\n-A lines -p tcp -g others\n-A lines -j MARK --set-mark 2\n', [WHOLE]),
    # Of the first packet alone, where it is known where it goes, or of a connection: nothing says that.
    ('-A PREROUTING -i eth1 -m state --state NEW -j MARK --set-mark 1\n', [WHOLE]),
    ('-A FORWARD -i eth1 -j MARK --set-mark 1\n', [WHOLE]),
    ('-A PREROUTING -i eth1 -j MARK --set-xmark 0x3/0x1\n', [WHOLE]),
    ('-A PREROUTING -i eth1 -j MARK --set-mark 1\n-A PREROUTING -j CONNMARK --restore-mark\n', [WHOLE]),
    ('-A PREROUTING -i eth1 -m string --string x --algo bm -j MARK --set-mark 1\n', [WHOLE]),
    ('-A POSTROUTING -o eth0 -p tcp -m tcp --dport 5060 -j DSCP --set-dscp 0x2e\n', [f'{WHOLE} port 5060 set dscp ef', WHOLE]),
    ('-A FORWARD -i eth0 -p tcp -m tcp --sport 5060 -j DSCP --set-dscp-class AF31\n', [f'{WHOLE} port 5060 set reply dscp af31', WHOLE]),
    ('-A FORWARD -o eth0 -j TOS --set-tos 0x10/0xfc\n', [f'{WHOLE} set dscp 4']),
    ('-A FORWARD -o eth0 -j TOS --set-tos 0x10/0xff\n', [WHOLE]),
])
def test_iptables_changes(keepstate, mangle, rules):
    """A change of all packets of one side is `set`; others have a comment with their line."""
    policy = keepstate('import', 'iptables-save', '-', stdin=MARKS.format(mangle, PASS).encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert [line for line in re.sub('  #.*', '', policy).splitlines() if line.startswith('allow from')] == rules
    said = ' set ' in ''.join(rules)
    assert said or re.search('^# line ([789]|10): -A .*(MARK|TOS)', policy, re.M)


@pytest.mark.parametrize('mangle, asks, rules', [
    ('-i eth1 -p tcp -m tcp --dport 80 -j MARK --set-mark 1', '--mark 0x1', ['tcp port 80 set mark 0x1', 'mark 0x1']),
    ('-i eth1 -p tcp -m tcp --dport 80 -j MARK --set-mark 1', '! --mark 0x1', ['mark not 0x1']),
    ('-i eth1 -j MARK --set-xmark 0x10/0xf0', '--mark 0x10/0x10', ['set mark 0x10/0xf0']),
    ('-i eth1 -j MARK --set-xmark 0x10/0xf0', '--mark 0x20/0xf0', []),
    ('-i eth1 -j MARK --set-xmark 0x10/0xf0', '--mark 0x11/0xff', []),  # in part
    ('-j CONNMARK --restore-mark', '--mark 0x1', []),
    ('-i eth1 -m string --string x --algo bm -j MARK --set-mark 1', '! --mark 0x1', []),
    ('-i eth1 -j DSCP --set-dscp 46', '-m dscp --dscp 0x2e', ['set dscp ef']),
    ('-i eth1 -j DSCP --set-dscp 46', '-m dscp --dscp 0x00', []),
])
def test_iptables_marks_asked(keepstate, mangle, asks, rules):
    """A condition about a mark is one about what the text has made of it."""
    text = MARKS.format(f'-A PREROUTING {mangle}\n', f'-A FORWARD -i eth1 -o eth0 -m mark {asks} -j ACCEPT\n')
    policy = keepstate('import', 'iptables-save', '-', stdin=text.encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    made = re.findall('^allow from eth1 to eth0 (.*?)  #', policy, re.M)
    assert made == rules
    if rules == ['mark not 0x1']:  # behind one that denies what has got the mark
        assert policy.index('deny from eth1 to not self tcp port 80  #') < policy.index('mark not 0x1')


def test_iptables_many_marks(keepstate):
    """Marks that part packets in too many ways are left out, and rules that ask for them."""
    marks = ''.join(f'-A PREROUTING -s 10.{at}.0.0/16 -d 10.{at + 128}.0.0/16 -j MARK --set-xmark 0x{1 << at % 32:x}/0x{1 << at % 32:x}\n'
                    f'-A PREROUTING -p tcp -m tcp --dport {at + 1}:{at + 300} -j MARK --set-xmark 0x{1 << at % 32:x}/0x{1 << at % 32:x}\n'
                    for at in range(60))
    text = MARKS.format(marks, PASS + '-A FORWARD -m mark --mark 0x1/0x1 -j ACCEPT\n')
    policy = keepstate('import', 'iptables-save', '-', stdin=text.encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert f'{WHOLE}  #' in policy and 'set mark' not in policy
    assert policy.count('no rule here changes the packets of a flow so') == 120


@pytest.mark.parametrize('words, target, during', [
    ('--timestart 08:00:00 --timestop 18:00:00 --kerneltz', 'ACCEPT', ' during 08:00-18:00'),
    ('--timestart 08:00:00 --timestop 18:00:00 --weekdays Mon,Tue,Fri --kerneltz', 'ACCEPT', ' during { mon-tue 08:00-18:00, fri 08:00-18:00 }'),
    ('--timestart 08:00:00 --timestop 18:00:00 --kerneltz', 'DROP', ' during 08:00-18:01'),  # the last moment is in it
    ('! --weekdays Sat,Sun --kerneltz', 'ACCEPT', ' during mon-fri'),
    ('--weekdays 6,7 --kerneltz', 'ACCEPT', ' during sat-sun'),
    ('--timestart 22:00:00 --timestop 06:00:00 --weekdays Fri --kerneltz', 'ACCEPT', ' during { fri 22:00-00:00, fri 00:00-06:00 }'),
    ('--timestart 22:00:00 --timestop 06:00:00 --weekdays Fri --contiguous --kerneltz', 'ACCEPT', ' during fri 22:00-06:00'),
    ('--timestart 08:00:00 --timestop 18:00:00', 'ACCEPT', None),  # of UTC
    ('--timestart 08:00:00 --timestop 18:00:00', 'DROP', ''),
    ('--monthdays 1,2 --kerneltz', 'ACCEPT', None),
    ('--datestart 2026-01-01T00:00:00 --kerneltz', 'ACCEPT', None),
    ('--timestart 08:00:00 --timestop 18:00:00 --kerneltz', 'MARK --set-mark 1', None),
])
def test_iptables_times(keepstate, words, target, during):
    """Hours of the clock are times of ours; a rule that denies says what cannot be said without it."""
    policy = keepstate('import', 'iptables-save', '-', stdin=IPTABLES.format(
        'ACCEPT' if target == 'DROP' else 'DROP', f'-A INPUT -p tcp -m time {words} -j {target}\n').encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    verb = 'deny' if target == 'DROP' else 'allow'
    assert re.findall(f'^{verb} to self tcp(.*?)  #', policy, re.M) == ([] if during is None else [during])
    assert during or re.search('^# line 7: -A INPUT -p tcp -m time ', policy, re.M)


BANNED = """create bad hash:net family inet timeout 600
add bad 192.0.2.9 timeout 60
create good hash:ip family inet timeout 600
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
{}
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
"""


@pytest.mark.parametrize('rule, said, ends', [
    ('-A INPUT -m set --match-set bad src -j DROP', ['deny to self source @d_bad', 'deny from self destination @d_bad'], True),
    ('-A OUTPUT -m set --match-set bad dst -j DROP', ['deny to self source @d_bad', 'deny from self destination @d_bad'], True),
    ('-A FORWARD -m set --match-set bad src -j DROP',
     ['deny from rest to rest destination @d_bad', 'deny from rest to rest source @d_bad'], True),
    ('-A INPUT -m set ! --match-set good src -j DROP', ['deny to self', 'deny from self'], False),
])
def test_sets_before_what_is_established(keepstate, rule, said, ends):
    """A run-time set that denies is asked about all packets of a flow: so what comes into it is to end the flows that it has."""
    policy = keepstate('import', 'iptables-save', '-', stdin=BANNED.format(rule).encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert re.findall('^(deny (?!family).*?)  # 8$', policy, re.M) == said
    assert ("fill it by 'keepstate set add --end-flows'" in policy) == ends


def test_zone_of_a_new_destination(keepstate):
    """Rules that know an address say where it is: the narrowest one counts."""
    text = ('*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.1.0.80\nCOMMIT\n'
            '*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:web - [0:0]\n'
            '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A FORWARD -i eth1 -s 10.0.0.0/8 -o eth0 -j ACCEPT\n'
            '-A FORWARD -i eth0 -o eth2 -j web\n-A web -d 10.1.0.80/32 -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n')
    assert 'forward from eth0 to any tcp port 80 to eth2 10.1.0.80' in allowed(keepstate, 'iptables-save', text)


@pytest.mark.parametrize('target, before', [
    ('10.0.0.5:80', []),
    ('10.0.0.5:443', ['deny from eth0 to not self tcp destination 10.0.0.5 port 443']),
    ('10.0.0.5', ['deny from eth0 to not self tcp destination 10.0.0.5 port 443'])])
def test_what_is_for_the_new_destination_already(keepstate, target, before):
    """netfilter does not call translated what keeps its destination, so a rule for translated packets does not let it pass."""
    text = (f'*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth0 -p tcp -m tcp --dport 443 -j DNAT --to-destination {target}\nCOMMIT\n'
            '*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate ESTABLISHED,DNAT -j ACCEPT\nCOMMIT\n')
    policy = keepstate('import', 'iptables-save', '-', stdin=text.encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    listed = re.findall('^((?:deny from|forward) .*?)  #', policy, re.M)
    assert listed[:listed.index(next(rule for rule in listed if rule.startswith('forward')))] == before


RECENT = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
{}
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
"""
TRY = '-A INPUT -p tcp -m tcp --dport 22 -m recent'


@pytest.mark.parametrize('rules, limit', [
    (f'{TRY} --set --name s\n{TRY} --update --seconds 60 --hitcount 4 --name s -j DROP', '1/minute burst 2 per source'),
    (f'{TRY} --update --seconds 60 --hitcount 4 --name s --rttl -j DROP\n{TRY} --set --name s -j ACCEPT', None),
    (f'{TRY} --rcheck --seconds 30 --hitcount 6 --name s -j REJECT\n{TRY} --set --name s -j ACCEPT', '4/minute burst 3 per source'),
    (f'{TRY} --set\n{TRY} --update --seconds 60 --hitcount 2 -j DROP', '59/hour burst 1 per source'),
    (f'{TRY} --set\n{TRY} --update --seconds 86400 --hitcount 10 -j DROP', '4/day burst 5 per source'),
    (f'{TRY} --set --mask 255.255.255.0\n{TRY} --update --seconds 60 --hitcount 9 --mask 255.255.255.0 -j DROP', '4/minute burst 4 per source/24'),
    (f'{TRY} --set --name s\n{TRY} --update --seconds 60 --hitcount 4 --name t -j DROP', None),
    (f'-A INPUT -p tcp -m recent --set --name s\n{TRY} --update --seconds 60 --hitcount 4 --name s -j DROP', None),
    (f'{TRY} --set --name s\n{TRY} ! --update --seconds 60 --hitcount 4 --name s -j DROP', None),
    (f'{TRY} --set --rdest\n{TRY} --update --seconds 60 --hitcount 4 --rdest -j DROP', None),
])
def test_recent(keepstate, rules, limit):
    """Rules of recent that count the same packets are a limit per source; all others are conditions that nothing here says."""
    policy = keepstate('import', 'iptables-save', '-', stdin=RECENT.format(rules).encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert re.findall(r'^allow to self tcp port 22(?: limit (.*?))?  #', policy, re.M)[:1] == [limit or '']
    assert ('denies more' in policy) == (limit is None)


UNTRANSLATED = """*{table}
:PREROUTING ACCEPT [0:0]
{rules}
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A FORWARD -i eth1 -j ACCEPT
-A FORWARD -i eth2 -s {address} -j ACCEPT
COMMIT
"""
SET, STRING, RANDOM = ('-m set --match-set authed src', '-m string --string x --algo bm', '-m statistic --mode random --probability 0.5')
PORTAL = '-A PREROUTING -i eth1 -p tcp -m tcp --dport 80'


def opened(keepstate, form, text):
    """The rules of the imported policy about what opens a flow from eth1, without comments."""
    policy = keepstate('import', form, '-', stdin=text.encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    lines = [re.sub('  #.*', '', line) for line in policy.splitlines() if re.match('[a-z]+ from eth1( |$)', line)]
    return policy, list(dict.fromkeys(lines))


@pytest.mark.parametrize('form, address', [('iptables-save', '10.0.2.9'), ('ip6tables-save', '2001:db8::9')])
@pytest.mark.parametrize('rules', [
    '-A PREROUTING -i eth1 {condition} -j ACCEPT\n{portal} -j DNAT --to-destination {address}',
    '-A PREROUTING -i eth1 {condition} -j RETURN\n{portal} -j DNAT --to-destination {address}',
    '-A PREROUTING -i eth1 {condition} -j ACCEPT\n{portal} -j REDIRECT --to-ports 3128',
    '{portal} {condition} -j DNAT --to-destination {address}',
    '{portal} {condition} -j REDIRECT --to-ports 3128',
])
@pytest.mark.parametrize('condition', [SET, STRING, RANDOM])
def test_no_packet_passes_untranslated(keepstate, form, address, rules, condition):
    """Where nothing here says which packets get a new destination, none of them goes where it was sent first."""
    rules = rules.format(condition=condition, portal=PORTAL, address=address)
    policy, made = opened(keepstate, form, UNTRANSLATED.format(table='nat', rules=rules, address=address))
    assert made == ['deny from eth1 tcp port 80', 'allow from eth1 to not self'], policy
    line = rules.count('\n') + 3
    assert 'REDIRECT' in rules or re.search(f'^# line {line}: -A PREROUTING -i eth1 -p tcp .*\n#   denied: nothing here says ', policy, re.M), policy


def test_translations_beside_a_condition(keepstate):
    """Packets that a condition which nothing says has nothing to do with are translated as before."""
    rules = f'-A PREROUTING -p tcp -m tcp --dport 80 {SET} -j ACCEPT\n-A PREROUTING -i eth1 -p tcp -j DNAT --to-destination 10.0.2.9'
    policy, made = opened(keepstate, 'iptables-save', UNTRANSLATED.format(table='nat', rules=rules, address='10.0.2.9'))
    assert made == ['forward from eth1 to any tcp port not 80 to eth2 10.0.2.9', 'deny from eth1 tcp port 80', 'allow from eth1 to not self'], policy


def test_a_condition_behind_a_translation(keepstate):
    """A translation whose packets are denied else needs no rule that denies more."""
    text = UNTRANSLATED.format(
        table='nat', rules=f'{PORTAL} -j DNAT --to-destination 10.0.2.9', address='10.0.2.9').replace(
        '-A FORWARD -i eth1 -j ACCEPT', f'-A FORWARD -i eth1 -d 10.0.2.9 {STRING} -j ACCEPT\n-A FORWARD -i eth1 ! -d 10.0.2.9 -j ACCEPT')
    policy = keepstate('import', 'iptables-save', '-', stdin=text.encode()).stdout
    assert '0 that deny more' in policy and 'forward ' not in policy
    assert policy.index('deny from eth1 tcp port 80') < policy.index('allow from eth1 to not self')


@pytest.mark.parametrize('condition', [SET, STRING])
def test_untracked_by_a_condition(keepstate, condition):
    """Nobody tells answers of what is perhaps not tracked: it is refused, and no flow of it is kept."""
    policy, made = opened(keepstate, 'iptables-save', UNTRANSLATED.format(
        table='raw', address='10.0.2.9', rules=f'-A PREROUTING -i eth1 -p udp -m udp --dport 53 {condition} -j NOTRACK'))
    assert made == ['deny from eth1 to not self udp port 53', 'allow from eth1 to not self'], policy


OWN = """*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -i eth1 -p tcp -m tcp --dport 3128 -j {target}
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
{input}
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
{forward}
COMMIT
"""
SSH, WEB = ('-A INPUT -i eth1 -p tcp -m tcp --dport 22 -j ACCEPT', '-A INPUT -i eth1 -s {} -p tcp -m tcp --dport 8080 -j ACCEPT')


@pytest.mark.parametrize('form, target, source', [('iptables-save', '10.0.0.1', '10.0.0.0/24'), ('ip6tables-save', 'fd00::1', 'fd00::/64')])
@pytest.mark.parametrize('own, forward, passes', [
    (SSH, '-A FORWARD -i eth1 -j ACCEPT', None),  # the breach: it may be the firewall, whose INPUT drops it
    (SSH, '-A FORWARD -i eth1 -s {source} -j ACCEPT', None),
    (WEB, '-A FORWARD -i eth1 -j ACCEPT', ' source {source}'),  # as far as both let it pass
    (SSH, '-A FORWARD -i eth1 -o eth2 -j ACCEPT', ''),  # the text knows that it is elsewhere
    (SSH, '-A FORWARD -i eth1 -d {target} -j ACCEPT', ''),
    (SSH, '-A FORWARD -i eth1 -m conntrack --ctstate DNAT -j ACCEPT', ''),
    (SSH, '-A FORWARD -i eth1 -j ACCEPT\n-A FORWARD -i eth2 -s {target} -j ACCEPT', ''),
])
def test_new_destination_that_may_be_own(keepstate, form, target, source, own, forward, passes):
    """Packets to a new destination that may be an address of the firewall pass as far as INPUT lets them pass, too."""
    to = f'DNAT --to-destination {f"[{target}]" if ":" in target else target}:8080'
    text = OWN.format(target=to, input=own.format(source), forward=forward.format(target=target, source=source))
    policy = keepstate('import', form, '-', stdin=text.encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    made = re.findall(r'^forward from eth1 to any tcp(.*?) port 3128 to (?:\w+ )?[0-9a-f.:]+ port 8080  #', policy, re.M)
    assert made == ([] if passes is None else [passes.format(source=source)]), policy
    denied = re.search(r'^# line 3: .* DNAT .*\n#   denied: its new destination may be an address of the firewall.*\ndeny from eth1 tcp (source \S+ )?port 3128 ', policy, re.M)
    assert bool(denied) == (passes != ''), policy


@pytest.mark.parametrize('chance', ['statistic --mode random --probability 0.5', 'statistic --mode nth --every 2 --packet 0',
                                    'quota --quota 1000', 'limit --limit 5/minute'])
def test_iptables_chances(keepstate, chance):
    """Chance need not say the same again: who is not dropped by the first rule may be by the second one."""
    text = ('*filter\n:INPUT DROP [0:0]\n:c - [0:0]\n-A INPUT -m state --state ESTABLISHED -j ACCEPT\n-A INPUT -j c\n'
            f'-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n-A c -m {chance} -j RETURN\n-A c -m {chance} -j DROP\nCOMMIT\n')
    policy = keepstate('import', 'iptables-save', '-', stdin=text.encode()).stdout
    assert re.search('^deny to self  # 8\n(.*\n)*allow to self tcp port 22', policy, re.M), policy


def test_iptables_sets_that_pass(keepstate):
    """An entry that ends by itself stays nowhere where it lets pass, and everywhere where it denies."""
    sets = 'create s hash:ip timeout 300\nadd s 192.0.2.1 timeout 9\nadd s 192.0.2.2 timeout 0\n'
    rules = ('-A INPUT -p tcp --dport 80 -m set --match-set s src -j DROP\n-A INPUT -p tcp --dport 443 -m set ! --match-set s src -j DROP\n'
             '-A INPUT -p tcp --dport 22 -m set --match-set s src -j ACCEPT\n-A INPUT -p udp -m set ! --match-set s src -j ACCEPT\n')
    policy = keepstate('import', 'iptables-save', '-', stdin=(sets + IPTABLES.format('DROP', rules)).encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert 'set d_s { 192.0.2.2 } dynamic, timeout 5m\n' in policy
    assert [re.sub('  #.*', '', line) for line in policy.splitlines() if ' source ' in line] == [
        'deny to self tcp port 80 source { @d_s, 192.0.2.1 }', 'deny to self tcp port 443 source not @d_s',
        'allow to self tcp port 22 source @d_s', 'allow to self udp source not { @d_s, 192.0.2.1 }']
    denies = IPTABLES.format('ACCEPT', '-A INPUT -m set --match-set s src -j DROP\n')
    policy = keepstate('import', 'iptables-save', '-', stdin=(sets + denies).encode()).stdout
    assert 'set d_s { 192.0.2.1, 192.0.2.2 } dynamic, timeout 5m\n' in policy  # whence it may be taken out


@pytest.mark.parametrize('words', ['-m ttl --ttl-eq 255', '-m length --length 0:100', '-m dscp --dscp 0x2e'])
@pytest.mark.parametrize('established', [False, True])
def test_iptables_stateless(keepstate, words, established):
    """Of later packets nobody here knows such a thing: where the text lets them pass by it alone, a comment says so."""
    answers = '-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n' * established
    text = f'*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p udp {words} -j ACCEPT\n{answers}COMMIT\n'
    policy = keepstate('import', 'iptables-save', '-', stdin=text.encode()).stdout
    assert ('allow to self udp' in policy) == established
    assert bool(re.search('line 5: .*\n#   left out: it lets later packets', policy)) != established


def test_iptables_long_conditions(keepstate):
    """Conditions that differ far behind are two."""
    code = '40,48 0 0 0,84 0 0 240,' * 20
    rules = f'-A c -m bpf --bytecode "{code}6 0 0 1" -j RETURN\n-A c -m bpf --bytecode "{code}6 0 0 2" -j DROP\n'
    text = ('*filter\n:INPUT DROP [0:0]\n:c - [0:0]\n-A INPUT -m state --state ESTABLISHED -j ACCEPT\n-A INPUT -j c\n'
            f'-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n{rules}COMMIT\n')
    policy = keepstate('import', 'iptables-save', '-', stdin=text.encode()).stdout
    assert re.search('^deny to self  # 8\n(.*\n)*allow to self tcp port 22', policy, re.M), policy
