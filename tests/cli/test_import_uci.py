# SPDX-License-Identifier: BSD-2-Clause
"""keepstate import uci: sections of OpenWrt's firewall, and what becomes of them."""
import re

import pytest
from test_import import allowed

UCI_ZONES = """
config defaults
 option input REJECT
 option output ACCEPT
 option forward REJECT
config zone
 option name lan
 list network lan
config zone
 option name wan
 list network wan
"""


@pytest.mark.parametrize('off', ['0', 'off', 'no', 'false', 'maybe'])
@pytest.mark.parametrize('section', [
    'config forwarding\n option src wan\n option dest lan\n',
    'config rule\n option src wan\n option proto tcp\n option target ACCEPT\n',
    'config redirect\n option src wan\n option src_dport 7\n option dest_ip 10.0.0.1\n option proto tcp\n',
    'config zone\n option name dmz\n list network dmz\n option input ACCEPT\n',
])
def test_uci_off(keepstate, section, off):
    """Sections that are switched off open nothing."""
    without = allowed(keepstate, 'uci', UCI_ZONES)
    assert allowed(keepstate, 'uci', UCI_ZONES + section) != without
    assert allowed(keepstate, 'uci', UCI_ZONES + section + f' option enabled {off}\n') == without


def test_uci_written_family(keepstate):
    """fw4 makes a rule about the family of its addresses, also where they stand behind a '!'."""
    rule = "config rule\n option src wan\n option proto tcp\n option target ACCEPT\n option src_ip '!10.0.0.0/8'\n"
    assert allowed(keepstate, 'uci', UCI_ZONES + rule)[0].endswith('source not 10.0.0.0/8 family ipv4')
    assert not [line for line in allowed(keepstate, 'uci', UCI_ZONES + rule) if 'ipv6' in line]


def test_uci_icmp_types(keepstate):
    """The names and numbers that OpenWrt's own rules use."""
    rule = 'config rule\n option src wan\n option proto icmp\n option family ipv6\n option target ACCEPT\n'
    types = ['130/0', 'bad-header', 'unknown-header-type', '200']
    text = UCI_ZONES + rule + ''.join(f" list icmp_type '{name}'\n" for name in types)
    rules = allowed(keepstate, 'uci', text)
    assert rules[0] == 'allow from wan to self icmpv6 type { 4 code 0, 4 code 1, 130 code 0, 200 }'


def test_uci_icmp_types_of_others(keepstate):
    """Types of ICMP in a rule of other protocols make no policy that is refused."""
    rule = 'config rule\n option src wan\n option proto "icmp udp"\n option icmp_type echo-request\n option target ACCEPT\n'
    assert allowed(keepstate, 'uci', UCI_ZONES + rule) == allowed(keepstate, 'uci', UCI_ZONES)


def test_uci_option_twice(keepstate):
    """The last value of an option counts."""
    rule = 'config rule\n option src wan\n option proto tcp\n option dest_port 5\n option target ACCEPT\n'
    assert allowed(keepstate, 'uci', UCI_ZONES + rule)[0] == 'allow from wan to self tcp port 5'
    assert 'port' not in ''.join(allowed(keepstate, 'uci', UCI_ZONES + rule + ' option target DROP\n'))


RULE = 'config rule\n option src lan\n option dest wan\n option proto tcp\n option target {}\n'


def first_rule(keepstate, text, target='REJECT'):
    """The words behind the zones in the first rule with the verb of a target; None without one."""
    policy = keepstate('import', 'uci', '-', stdin=(UCI_ZONES + text).encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    verb = {'ACCEPT': 'allow', 'REJECT': 'reject', 'DROP': 'deny'}[target]
    found = re.search(f'^{verb} from lan to wan(.*)  #', policy, re.M)
    return found[1].strip() if found else None


@pytest.mark.parametrize('target, times, during', [
    ('ACCEPT', {'start_time': '08:00', 'stop_time': '18:00'}, '08:00-18:00'),
    ('REJECT', {'start_time': '08:00', 'stop_time': '18:00'}, '08:00-18:01'),  # it ends when that moment is over
    ('ACCEPT', {'start_time': '08:00:30', 'stop_time': '18:00:30'}, '08:01-18:00'),
    ('REJECT', {'start_time': '08:00:30', 'stop_time': '18:00:30'}, '08:00-18:01'),
    ('ACCEPT', {'start_time': '22:00', 'stop_time': '06:00', 'weekdays': 'fri'}, '{ fri 22:00-00:00, fri 00:00-06:00 }'),
    ('ACCEPT', {'start_time': '22:00', 'stop_time': '06:00'}, '22:00-06:00'),
    ('ACCEPT', {'weekdays': 'Sat Sunday'}, 'sat-sun'),
    ('ACCEPT', {'start_time': '22:00', 'weekdays': 'mon tue thu'}, '{ mon-tue 22:00-00:00, thu 22:00-00:00 }'),
    ('ACCEPT', {'start_time': '08:00', 'stop_time': '08:00'}, None),
    ('ACCEPT', {'start_time': '08:00', 'stop_time': '18:00', 'utc_time': '1'}, None),
    ('ACCEPT', {'start_time': '8', 'stop_time': '18:00'}, None),
    ('ACCEPT', {'weekdays': '!mon'}, None),
    ('ACCEPT', {'start_time': '08:00', 'stop_time': '18:00', 'monthdays': '1'}, None),
])
def test_uci_times(keepstate, target, times, during):
    rule = first_rule(keepstate, RULE.format(target) + ''.join(f' option {key} "{value}"\n' for key, value in times.items()), target)
    assert rule == (f'tcp during {during}' if during else None)


@pytest.mark.parametrize('config, option, says', [
    ("option match src_ip\n list entry 192.0.2.1\n list entry 198.51.100.7\n", 's', 'source { 192.0.2.1, 198.51.100.7 }'),
    ("option match dest_net\n list entry 192.0.2.0/24\n", 's', 'destination 192.0.2.0/24'),
    ("option match src_net\n list entry 192.0.2.0/24\n", '!s', 'source not 192.0.2.0/24 family ipv4'),
    ("option match src_net\n list entry 192.0.2.0/24\n", 's dest', 'destination 192.0.2.0/24'),
    ("option match src_ip\n", 's', 'source @d_s family ipv4'),  # programs fill it
    ("option match src_ip\n option timeout 60\n list entry 192.0.2.1\n", 's', 'source @d_s family ipv4'),
    ("option match src_ip\n option family ipv6\n list entry 2001:db8::1\n", 's', 'source 2001:db8::1'),
    ("option match src_mac\n list entry 02:00:5E:10:00:01\n", 's', 'mac 02:00:5e:10:00:01'),
    ("option match dest_port\n list entry 80\n list entry 8000-8010\n", 's', 'port { 80, 8000-8010 }'),
    ("list match src_ip\n list match dest_port\n", 's', None),
    ("option match src_ip\n option loadfile /etc/bad\n", 's', None),
    ("option match src_ip\n list entry hello\n", 's', None),
    ("option match src_ip\n list entry 192.0.2.1\n", 't', None),
])
def test_uci_sets(keepstate, config, option, says):
    text = f'config ipset\n option name s\n {config}{RULE.format("ACCEPT")} option ipset "{option}"\n'
    assert first_rule(keepstate, text, 'ACCEPT') == (f'tcp {says}' if says else None)
    if not says:  # and a rule that denies denies more
        assert first_rule(keepstate, text.replace('ACCEPT', 'REJECT')) == 'tcp'


def test_uci_long_set(keepstate):
    entries = ''.join(f' list entry 192.0.{number}.1\n' for number in range(250))
    text = f'config ipset\n option name s\n option match src_ip\n{entries}{RULE.format("ACCEPT")} option ipset s\n'
    assert first_rule(keepstate, text, 'ACCEPT') == 'tcp source @list_1'


def test_uci_list_of_protocols(keepstate):
    """All of a list count: a rule that denies udp besides tcp let it pass."""
    rule = 'config rule\n option src lan\n option dest wan\n list proto tcp\n list proto udp\n option target REJECT\n'
    assert first_rule(keepstate, rule) == 'proto { tcp, udp }'


@pytest.mark.parametrize('network, interface', [
    ('option device eth7', 'eth7'),
    ('option ifname eth7', 'eth7'),
    ('option proto pppoe\n option device eth7', 'pppoe-wan'),
    ('option proto wireguard', 'wan'),
    ('option type bridge\n option ifname "eth7 eth8"', 'br-wan'),
    ('option device @lan', 'lan0'),
])
def test_uci_devices(keepstate, network, interface):
    """The zone is the interface that OpenWrt makes for the network, and not the one below it."""
    text = f'config interface lan\n option device lan0\nconfig interface wan\n {network}\n' + UCI_ZONES
    policy = keepstate('import', 'uci', '-', stdin=text.encode()).stdout
    assert f'{{ {interface} }}' in policy and 'expected /etc/config/network' not in policy


def test_uci_interface_without_a_name(keepstate):
    """An interface that no zone of ours can name refuses no text; nothing passes by it that no rule allows."""
    text = UCI_ZONES + 'config zone\n option name odd\n list device a_name_that_is_too_long\n option input ACCEPT\n'
    policy = keepstate('import', 'uci', '-', stdin=text.replace('input REJECT', 'input ACCEPT').encode()).stdout
    assert 'is no interface that zones have here' in policy and re.search('^deny to self', policy, re.M)


@pytest.mark.parametrize('value, says', [('!eth7', 'to not { self, eth7 }'), ('eth7', 'to eth7')])
def test_uci_device_of_a_rule(keepstate, value, says):
    rule = f'config rule\n option src lan\n option dest "*"\n option direction out\n option device {value}\n option target REJECT\n'
    policy = keepstate('import', 'uci', '-', stdin=(UCI_ZONES + rule).encode()).stdout
    assert re.search(f'^reject from lan {says} proto', policy, re.M)


def test_uci_new_sources(keepstate):
    text = UCI_ZONES.replace('name wan', 'name wan\n option masq 1\n option masq6 1\n list masq_src 10.1.0.0/16\n list masq_src !10.1.2.0/24')
    text += 'config nat\n option src wan\n option src_ip 10.1.0.7\n option snat_ip 192.0.2.7\n option target SNAT\n option proto all\n'
    policy = keepstate('import', 'uci', '-', stdin=text.encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert [re.sub('  #.*', '', line) for line in policy.splitlines() if line.startswith('nat ')] == [
        'nat to wan source 10.1.0.7 to 192.0.2.7',
        'nat to wan source { 10.1.0.0/23, 10.1.3.0-10.1.255.255 } masquerade']


@pytest.mark.parametrize('options, says', [
    (['src_ip 10.1.0.7', 'snat_ip 192.0.2.7', 'target SNAT'], 'nat to wan source 10.1.0.7 to 192.0.2.7'),
    (['dest_port 25'], 'nat to wan proto { tcp, udp } port 25 family ipv4 masquerade'),
    (['src_ip fd00::/8'], 'nat to wan source fd00::/8 masquerade'),
    (['src_ip fd00::/8', 'proto udp'], 'nat to wan udp source fd00::/8 masquerade'),
    (['proto udp'], 'nat to wan udp family ipv4 masquerade'),
])
def test_uci_nat_protocols(keepstate, options, says):
    """A new source without a protocol is for all of them, unless it has ports; without a family and addresses it is for IPv4."""
    text = UCI_ZONES + 'config nat\n option src wan\n' + ''.join(f' option {option}\n' for option in options)
    policy = keepstate('import', 'uci', '-', stdin=text.encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert [re.sub('  #.*', '', line) for line in policy.splitlines() if line.startswith('nat ')] == [says]


MARKS = """config interface 'lan'
	option device 'br-lan'
config interface 'wan'
	option device 'eth1'
config defaults
	option input 'DROP'
	option output 'DROP'
	option forward 'DROP'
config zone
	option name 'lan'
	list network 'lan'
config zone
	option name 'wan'
	list network 'wan'
config rule
	option src 'lan'
	option dest 'wan'
	option proto 'all'
	option target 'ACCEPT'
	{}
config rule
	option src 'lan'
	option proto 'all'
	{}
"""


@pytest.mark.parametrize('asks, change, rules', [
    ('', "option target 'MARK'\n option set_mark '0x10/0xf0'", ['set mark 0x10/0xf0']),
    ('', "option target 'MARK'\n option set_xmark '0x10/0xf0'", ['set mark 0x10/0xf0']),
    ('', "option target 'MARK'\n option set_xmark '0x11/0xf0'", ['']),  # a bit is turned over
    ('', "option target 'MARK'\n option dest 'wan'\n option set_mark '1'", ['']),  # where it is known where it goes
    ('', "option target 'DSCP'\n option dest_port '5060'\n option set_dscp 'EF'", ['proto { tcp, udp } port 5060 set dscp ef', '']),
    ("option mark '0x10'", "option target 'MARK'\n option set_mark '0x10'", ['set mark 0x10']),
    ("option mark '!0x10'", "option target 'MARK'\n option set_mark '0x10'", []),
    ("option mark '0x1/0xf'", "option target 'ACCEPT'", ['mark 0x1/0xf']),
    ("option dscp '!CS1'", "option target 'ACCEPT'", ['dscp not 8']),
])
def test_uci_marks(keepstate, asks, change, rules):
    """Marks and code points that rules give are `set`, and conditions about them are asked of what they have become."""
    change = change.replace("option dest_port '5060'", "option proto 'tcp udp'\n option dest_port '5060'")
    policy = keepstate('import', 'uci', '-', stdin=MARKS.format(asks, change).encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert [line.strip() for line in re.findall('^allow from br-lan to eth1(.*?)  #', policy, re.M)] == rules, policy


@pytest.mark.parametrize('text, known', [('192.0.2.0/24\n2001:db8::/32\n', True), ('192.0.2.0/24\nnobody\n', False), (None, False)])
def test_uci_set_from_file(keepstate, tmp_path, text, known):
    """The file of a set is read where it is there, and the policy says so."""
    path = tmp_path / 'bad'
    if text:
        path.write_text(text)
    sections = (f"config ipset\n option name bad\n option match src_net\n option loadfile {path}\n"
                "config rule\n option src wan\n option ipset bad\n option proto tcp\n option dest_port 22\n option target ACCEPT\n")
    policy = keepstate('import', 'uci', '-', stdin=(UCI_ZONES + sections).encode()).stdout
    keepstate('check', '-', stdin=policy.encode())
    assert (f'its entries are those that {path} has now' in policy) == known
    assert bool(re.search('^allow from wan to self tcp source 192.0.2.0/24 port 22', policy, re.M)) == known


REDIRECT = 'config redirect\n option src wan\n option src_dport 80\n option dest lan\n option dest_ip 10.0.0.5\n option proto tcp\n'


@pytest.mark.parametrize('options, clauses', [
    ('', ['source network of lan destination address of wan family ipv4']),
    (' option reflection 0\n', []),
    (' option src_dip 203.0.113.9\n', ['destination 203.0.113.9 source network of lan']),
    (' option src_ip 198.51.100.0/24\n', []),
    (' option reflection_zone wan\n', []),
])
def test_uci_reflection(keepstate, options, clauses):
    """Hosts inside reach a server there by the outside address, if the zone is masqueraded."""
    for masq in ('', ' option masq 1\n'):
        rules = allowed(keepstate, 'uci', UCI_ZONES + masq + REDIRECT + options)
        found = [re.search('port 80 (.*?) to ', rule) or re.search('tcp (.*?) port 80', rule) for rule in rules
                 if rule.startswith('forward from lan')]
        assert len(found) == (len(clauses) if masq else 0), rules
        for rule, clause in zip([rule for rule in rules if rule.startswith('forward from lan')], clauses):
            assert set(clause.split()) <= set(rule.split())
