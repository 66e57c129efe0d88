# SPDX-License-Identifier: BSD-2-Clause
"""Kinds of address translation by the names of RFC 4787, as a STUN client sees them; and peers that meet behind two."""
import json
import subprocess

import pytest
from conftest import need
from lab import PATIENCE, Firewall, end_process, masquerade
from natlab import MASQUERADE, OTHER4, OTHER6, RULES, SECOND4, SERVER4, SERVER6, WAN4, WAN6, ZONES

KINDS = {
    "full-cone": ("endpoint-independent", "Endpoint Independent Mapping", "Endpoint Independent Filtering"),
    "full-cone-random-port": ("endpoint-independent filtering endpoint-independent random-port",
                              "Endpoint Independent Mapping", "Endpoint Independent Filtering"),
    "restricted": ("endpoint-independent filtering address-dependent", "Endpoint Independent Mapping",
                   "Address Dependent Filtering"),
    # A port that is kept looks endpoint-independent as long as nobody else has it.
    "default": ("", "Endpoint Independent Mapping", "Address and Port Dependent Filtering"),
    "symmetric": ("random-port", "Address and Port Dependent Mapping", "Address and Port Dependent Filtering"),
}


@pytest.fixture(scope="module")
def stun(natlab):
    """coturn, answering STUN on both addresses of the server."""
    home = natlab.scratch()
    log = (home / "log").open("w")
    child = natlab.server.start("turnserver", "-n", "-S", "-L", SERVER4, "-L", SECOND4, "--no-cli", "--no-tls", "--no-dtls",
                                "--no-auth", "--pidfile", home / "pid", "--userdb", home / "db", "--log-file", "stdout",
                                stdout=log, stderr=subprocess.STDOUT)
    natlab.server.listening("-u", 3478)
    natlab.server.listening("-u", 3479)
    yield child
    end_process(child)
    log.close()


@pytest.mark.parametrize("kind", KINDS)
def test_kind_of_translation(natlab, translate, stun, kind):
    words, mapping, filtering = KINDS[kind]
    translate(f"nat from lan to wan masquerade {words}")
    discovery = ("turnutils_natdiscovery", "-m", "-f", SERVER4)
    text = natlab.client.run(*discovery).stdout
    found = [line for line in text.splitlines() if line.startswith("NAT with")]
    assert found == [f"NAT with {mapping}!", f"NAT with {filtering}!"], text


@pytest.fixture(scope="module")
def other_gate(natlab, tmp_path_factory):
    """The peer's gateway has a firewall of its own."""
    firewall = Firewall(natlab.other, ZONES + RULES + MASQUERADE, tmp_path_factory.mktemp("other")).start()
    yield firewall
    firewall.stop()


@pytest.fixture
def translate_both(translate, other_gate):
    """The same rule in force on both gateways."""
    def use(rule):
        translate(rule)
        other_gate.path.write_text(f"{ZONES}{rule}\n{RULES}")
        other_gate.say("reload")
        other_gate.cli("states", "kill", "--all")  # fails when there are none

    return use


def meet(natlab, kind, server):
    """Client and peer learn their own addresses from the server, are told the other's, and talk. Returns what they heard."""
    punches = [host.python("punch", kind, port, server, 7000, program="mirrors.py", stdin=subprocess.PIPE)
               for host, port in ((natlab.client, 4100), (natlab.peer, 4200))]
    outsides = [json.loads(child.stdout.readline())["outside"] for child in punches]
    for child, peer in zip(punches, reversed(outsides)):
        child.stdin.write(json.dumps(peer) + "\n")
        child.stdin.flush()
    return outsides, [json.loads(child.communicate(timeout=PATIENCE)[0].splitlines()[-1])["heard"] for child in punches]


@pytest.mark.parametrize("words", ["endpoint-independent", "endpoint-independent random-port", ""],
                         ids=["endpoint-independent", "random-port", "kept-port"])
@pytest.mark.parametrize("server, outside", [(SERVER4, (WAN4, OTHER4)), (SERVER6, (WAN6, OTHER6))], ids=["ipv4", "ipv6"])
def test_hole_punching(natlab, translate_both, watch, words, server, outside):
    """Two peers behind two gateways of ours reach each other, though neither lets anybody in who was not asked."""
    translate_both(masquerade(options=words))
    watch.start(natlab.server, "mirror", server, 7000, program="mirrors.py")
    outsides, heard = meet(natlab, "udp", server)
    assert tuple(address for address, _ in outsides) == outside
    assert heard == [5, 5]


@pytest.fixture
def silent_peers(natlab):
    """Client and peer refuse nothing. Else whoever connects is refused before the other one does, again and again."""
    for host in (natlab.client, natlab.peer):
        host.run("nft", "table inet kst { chain out { type filter hook output priority 0; tcp flags & rst == rst drop; }; }",
                 check=True)
    yield
    for host in (natlab.client, natlab.peer):
        host.run("nft", "delete table inet kst", check=True)


@need("nft")
def test_hole_punching_by_tcp(natlab, silent_peers, translate_both, watch):
    """Both connect at once: the SYNs cross, and make one connection (RFC 5382, simultaneous open)."""
    translate_both("option simultaneous-open on\nnat from lan to wan masquerade endpoint-independent")
    watch.start(natlab.server, "mirror", SERVER4, 7000, program="mirrors.py")
    _, heard = meet(natlab, "tcp", SERVER4)
    assert heard == [1, 1]


def test_symmetric_translation_keeps_strangers_apart(natlab, translate_both, watch):
    """With a port of its own for every destination nobody can meet: the reason for the option."""
    translate_both("nat from lan to wan masquerade random-port")
    watch.start(natlab.server, "mirror", SERVER4, 7000, program="mirrors.py")
    _, heard = meet(natlab, "udp", SERVER4)
    assert heard == [0, 0]
