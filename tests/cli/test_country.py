# SPDX-License-Identifier: BSD-2-Clause
"""keepstate-country: the networks of countries from a database, which is made here, bit by bit, as MaxMind's format says."""
import ipaddress
import os
import pathlib
import subprocess

import pytest
from conftest import ROOT

PROGRAM = pathlib.Path(os.environ.get('KEEPSTATE', str(ROOT / 'build/cli/keepstate'))).with_name('keepstate-country')
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason='keepstate was built without libmaxminddb')
UTF8, UINT16, UINT32, MAP, UINT64, ARRAY = 2, 5, 6, 7, 9, 11
NETWORKS = [('192.0.2.0/24', 'DE'), ('198.51.100.128/25', 'AT'), ('203.0.113.7/32', 'DE'), ('10.0.0.0/8', 'FR'),
            ('2001:db8::/32', 'DE'), ('2001:db8:1::/48', None), ('2001:db9::/33', 'AT')]
MAPPED = ipaddress.ip_network('::ffff:0:0/96')


def field(kind, value):
    """A value of the data section."""
    if kind == MAP:
        data = b''.join(field(UTF8, key) + item for key, item in value.items())
    elif kind == ARRAY:
        data = b''.join(value)
    else:
        data = value.encode() if kind == UTF8 else value.to_bytes((value.bit_length() + 7) // 8, 'big')
    size = len(value) if kind in (MAP, ARRAY) else len(data)
    assert size < 29
    return (bytes([size, kind - 7]) if kind > 7 else bytes([kind << 5 | size])) + data


class Tree:
    """Nodes of two records: another node, an offset in the data (negative, less one), or nothing."""

    def __init__(self):
        self.nodes, self.data, self.offsets = [[None, None]], b'', {}

    def offset(self, code):
        if code not in self.offsets:
            self.offsets[code] = len(self.data)
            self.data += field(MAP, {'country': field(MAP, {'iso_code': field(UTF8, code)})})
        return -1 - self.offsets[code]

    def add(self, network, record):
        """Puts a record at the end of the bits of a network; an address of IPv4 is one below ::/96."""
        network = ipaddress.ip_network(network)
        length = network.prefixlen + (96 if network.version == 4 else 0)
        bits = [int(network.network_address) >> (127 - at) & 1 for at in range(length)]
        at = 0
        for bit in bits[:-1]:
            below = self.nodes[at][bit]
            if below is None or below < 0:
                self.nodes.append([below, below])
                self.nodes[at][bit] = below = len(self.nodes) - 1
            at = below
        self.nodes[at][bits[-1]] = record
        return at

    def node(self, bits):
        at = 0
        for bit in bits:
            at = self.nodes[at][bit]
        return at

    def file(self):
        count = len(self.nodes)
        value = {None: count}
        tree = b''.join((record if record is not None and record >= 0 else value.get(record, 0) or count + 16 - 1 - record)
                        .to_bytes(3, 'big') for node in self.nodes for record in node)
        metadata = {'node_count': field(UINT32, count), 'record_size': field(UINT16, 24), 'ip_version': field(UINT16, 6),
                    'database_type': field(UTF8, 'Test-Country'), 'languages': field(ARRAY, [field(UTF8, 'en')]),
                    'binary_format_major_version': field(UINT16, 2), 'binary_format_minor_version': field(UINT16, 0),
                    'build_epoch': field(UINT64, 1764460800), 'description': field(MAP, {'en': field(UTF8, 'a test')})}
        return tree + bytes(16) + self.data + b'\xab\xcd\xefMaxMind.com' + field(MAP, metadata)


def tree_of(networks):
    tree = Tree()
    for network, code in networks:
        tree.add(network, tree.offset(code) if code else None)
    tree.add(MAPPED, tree.node([0] * 96))  # the addresses of IPv4 once more
    return tree


@pytest.fixture(name='database')
def make_database(tmp_path):
    path = tmp_path / 'country.mmdb'
    path.write_bytes(tree_of(NETWORKS).file())
    return path


def country(*words, code=0):
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def networks(text):
    return [ipaddress.ip_network(line.partition('#')[0].strip()) for line in text.splitlines() if not line.startswith('#')]


def covers(found, address):
    return any(ipaddress.ip_address(address) in network for network in found if network.version == ipaddress.ip_address(address).version)


def test_networks(database):
    """Each network once, IPv4 as IPv4, and what is nobody's inside of one is left out."""
    done = country(database, 'de')
    found = networks(done.stdout)
    assert [str(network) for network in found[:2]] == ['192.0.2.0/24', '203.0.113.7/32']
    for address, inside in [('2001:db8::1', True), ('2001:db8:2::1', True), ('2001:db8:1::1', False), ('2001:db9::1', False)]:
        assert covers(found, address) == inside, address
    assert not any(network.overlaps(MAPPED) for network in found if network.version == 6)
    assert f'DE: {len(found)} networks' in done.stderr
    both = networks(country(database, 'AT', 'FR').stdout)
    assert sorted(map(str, both)) == ['10.0.0.0/8', '198.51.100.128/25', '2001:db9::/33']
    assert 'FR: 1 network\n' in country(database, 'FR').stderr


def test_as_a_set(database, keepstate):
    (keepstate.directory / 'de.txt').write_text(country(database, 'DE').stdout)
    (keepstate.directory / 'countries.conf').write_text(
        'zone lan { eth1 }\nzone wan { eth0 }\nset de file "de.txt"\nallow from wan to self source @de\n'
        'test "from there" {\n wan 192.0.2.9:1 > self 10.0.0.1:2 udp => allow\n wan 198.51.100.130:1 > self 10.0.0.1:2 udp => deny\n'
        ' wan [2001:db8:2::1]:1 > self [fd00::1]:2 udp => allow\n wan [2001:db8:1::1]:1 > self [fd00::1]:2 udp => deny\n}\n')
    keepstate('test', 'countries.conf')


def test_errors(database, tmp_path):
    assert 'has no network of XX: expected a code' in country(database, 'XX', code=1).stderr
    assert "'GER' is no country: expected two letters such as DE" in country(database, 'GER', code=2).stderr
    assert 'expected a database and 1 to' in country(database, code=2).stderr
    assert str(tmp_path / 'none') in country(tmp_path / 'none', 'DE', code=3).stderr


def test_damaged(database, tmp_path):
    """A tree that leads to itself ends; a file that is cut off is none."""
    tree = tree_of(NETWORKS)
    tree.nodes[tree.node([0, 0, 1])][0] = 1
    bad = tmp_path / 'bad.mmdb'
    bad.write_bytes(tree.file())
    assert 'is damaged: its tree does not end' in country(bad, 'DE', code=2).stderr
    whole = database.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 40):
        bad.write_bytes(whole[:length])
        assert country(bad, 'DE', code=2).stderr
