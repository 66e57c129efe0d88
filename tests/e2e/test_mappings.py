# SPDX-License-Identifier: BSD-2-Clause
"""Endpoint-independent mappings and expectations in `states`: listed, and killed with the states of the same ends."""
import subprocess
import sys

import pytest
from conftest import need
from lab import end_process, masquerade
from natlab import CLIENT4, CLIENT6, FAR4, FAR6, INNER4, SERVER4, SERVER6, WAN4, WAN6
from test_helpers import start_ftp

UDP = "import socket,sys; s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', int(sys.argv[3]))); " \
      "s.sendto(b'x', (sys.argv[1], int(sys.argv[2])))"
RULE = "nat from lan to wan masquerade endpoint-independent filtering {}"


def send(host, address, port, source):
    host.run(sys.executable, "-c", UDP, address, port, source, check=True)


def test_they_are_listed(natlab, translate):
    gate = translate(RULE.format("address-dependent"))
    assert "no mappings" in gate.cli("states", "--mappings").stderr
    for address in (SERVER4, FAR4):
        send(natlab.client, address, 5701, 5700)
    send(natlab.inner, SERVER4, 5701, 5702)
    found = gate.data("states", "--mappings")
    assert len(found) == 2
    one = [mapping for mapping in found if mapping["inner"] == CLIENT4][0]
    assert (one["proto"], one["inner_port"], one["outer"], one["outer_port"]) == ("udp", 5700, WAN4, 5700)
    assert sorted(one["permits"]) == sorted([SERVER4, FAR4]) and one["filtering"] == "address-dependent"
    assert (one["inside"], one["outside"]) == ("lan", "wan") and one["rule"]["text"] == "allow from lan to wan"
    assert 0 < one["left_ms"] <= 10 * 60 * 1000 and one["idle_ms"] < 60000
    rows = [line.split() for line in gate.say("states", "--mappings").splitlines()]
    assert rows[0][:4] == ["PROTO", "INNER", "OUTER", "ZONES"]
    assert any(row[:3] == ["udp", f"{INNER4}:5702", f"{WAN4}:5702"] and SERVER4 in row for row in rows)
    assert len(gate.data("states", "--mappings", "--address", INNER4)) == 1
    assert len(gate.data("states", "--mappings", "--port", 5700)) == 1
    assert gate.cli("states", "--mappings", "--conntrack").returncode == 2
    assert gate.cli("states", "kill", "--mappings", "--all").returncode == 2


def test_they_end_with_the_states_of_their_ends(natlab, translate):
    gate = translate(RULE.format("endpoint-independent"))
    for host, port in ((natlab.client, 5710), (natlab.inner, 5711)):
        send(host, SERVER4, 5712, port)
    send(natlab.far, WAN4, 5710, 5713)
    assert [one for one in gate.data("states") if one["source"] == FAR4], "anybody may send to a mapping"
    assert "2 states killed, 1 mapping" in gate.say("states", "kill", "--address", CLIENT4)
    assert [one["inner"] for one in gate.data("states", "--mappings")] == [INNER4]
    send(natlab.far, WAN4, 5710, 5713)
    assert not [one for one in gate.data("states") if one["source"] == FAR4], "nobody opens through the old one"
    assert "1 mapping" in gate.say("states", "kill", "--all")
    assert gate.data("states", "--mappings") == []
    assert gate.cli("states", "kill", "--all").returncode == 1


def test_a_peer_loses_its_permit(natlab, translate):
    gate = translate(RULE.format("address-dependent"))
    for address in (SERVER4, FAR4):
        send(natlab.client, address, 5721, 5720)
    gate.say("states", "kill", "--destination", FAR4)
    assert gate.data("states", "--mappings")[0]["permits"] == [SERVER4]


@pytest.mark.parametrize("client, server, outside, far", [(CLIENT4, SERVER4, WAN4, FAR4), (CLIENT6, SERVER6, WAN6, FAR6)],
                         ids=["ipv4", "ipv6"])
def test_a_killed_peer_does_not_come_back(natlab, translate, client, server, outside, far):
    """By a mapping that lets anybody in: neither the peer whose state was killed, nor another one. Other hosts keep theirs."""
    gate = translate(masquerade(options="endpoint-independent"))
    send(natlab.client, server, 5731, 5730)
    send(natlab.client, far, 5731, 5730)
    send(natlab.inner, server, 5731, 5732)
    assert len(gate.data("states", "--mappings")) == 2
    assert "2 states killed, 2 mappings" in gate.say("states", "kill", "--address", server, "--port", 5731)
    send(natlab.client, server, 5731, 5730)
    assert "1 state killed, 1 mapping" in gate.say("states", "kill", "--destination", server)
    send(natlab.server, outside, 5730, 5731)
    send(natlab.far, outside, 5730, 5733)
    assert {one["source"] for one in gate.data("states")} == {client}, "the one to far goes on; nobody opens from outside"
    send(natlab.client, far, 5735, 5730)
    send(natlab.far, outside, 5730, 5734)
    assert far in {one["source"] for one in gate.data("states")}
    assert "1 state killed, 1 mapping" in gate.say("states", "kill", "--source", far), "one that came in by it"


FTP = "import ftplib,sys; f=ftplib.FTP(sys.argv[1], timeout=30); f.login(); f.sendeprt(f.sock.getsockname()[0], 5740); " \
      "print('announced', flush=True); sys.stdin.read()"


@need("vsftpd")
@pytest.mark.parametrize("client, server, outside", [(CLIENT4, SERVER4, WAN4), (CLIENT6, SERVER6, WAN6)], ids=["ipv4", "ipv6"])
def test_expectations_are_listed(natlab, translate, client, server, outside):
    gate = translate(masquerade(), "helper ftp from lan to wan")
    daemon = start_ftp(natlab, natlab.server, server)[1]
    control = natlab.client.start(sys.executable, "-c", FTP, server, stdin=subprocess.PIPE)
    said = control.stdout.readline()
    assert said == "announced\n", said + control.stdout.read()
    [one] = gate.data("states", "--mappings")
    assert (one["kind"], one["proto"], one["opener"], one["destination"], one["destination_port"]) == (
        "expectation", "tcp", server, outside, 5740)
    assert (one["inner"], one["inner_port"], one["from"], one["to"]) == (client, 5740, "wan", "lan")
    assert 0 < one["left_ms"] <= 300 * 1000 and not one["refused"] and one["rule"]["text"] == "allow from lan to wan"
    rows = gate.say("states", "--mappings").splitlines()
    assert rows[0].split()[:3] == ["PROTO", "EXPECTED", "FROM"] and rows[1].split()[:2] == ["tcp", server]
    assert gate.data("states", "--mappings", "--port", 5740) and not gate.data("states", "--mappings", "--port", 5741)
    assert "1 expectation" in gate.say("states", "kill", "--port", 5740)
    assert gate.data("states", "--mappings") == []
    control.communicate("")
    assert "nothing expected" in gate.cli("states", "--mappings").stderr
    end_process(daemon)
