# SPDX-License-Identifier: BSD-2-Clause
"""A packet that hosts ignore because its checksum is wrong opens no flow and moves none (`option state-checksum`)."""
import json

import lab as labs
import pytest
from conftest import POLICY
from lab import CLIENT4, CLIENT6, LAN4, LAN6, SERVER4, SERVER6, goes_on, wait_for

SYNS, FORGED = 500, 60
FORWARDED, TO_THE_BOX = "forwarded", "to the box"
TARGETS = {(4, FORWARDED): SERVER4, (6, FORWARDED): SERVER6, (4, TO_THE_BOX): LAN4, (6, TO_THE_BOX): LAN6}
SETTLED = "option settle off\nallow from lan to self tcp port 5800\n"

both_families = pytest.mark.parametrize("family", (4, 6))
both_ways = pytest.mark.parametrize("way", (FORWARDED, TO_THE_BOX))


@pytest.fixture(scope="module")
def gate(lab, tmp_path_factory):
    firewall = labs.Firewall(lab.gateway, POLICY + SETTLED, tmp_path_factory.mktemp("checksums")).start()
    if any("checksums are not verified" in text for text in firewall.data("status")[0]["warnings"]):
        firewall.stop()
        pytest.skip("the kernel shows programs no packets of its own (Linux 6.2)")
    yield firewall
    firewall.stop()
    assert firewall.filters() == "", "filters are left behind"


def dropped(firewall, reason="bad checksum"):
    return next(entry["packets"] for entry in firewall.data("counters")[0]["reasons"] if entry["reason"] == reason)


def table(firewall):
    return firewall.data("status")[0]["table"]


def forge(host, *words):
    done = host.run("python3", str(labs.HERE / "forge.py"), *[str(word).replace(":", "/") for word in words], timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["sent"]


def mac(host, device):
    return json.loads(host.run("ip", "-j", "link", "show", device).stdout)[0]["address"]


def syns(lab, family, way, what):
    source = CLIENT4 if family == 4 else CLIENT6
    return forge(lab.client, "syns", "eth0", mac(lab.gateway, "lan0"), source, TARGETS[family, way], 80, SYNS, what)


@both_families
@both_ways
def test_syns_with_a_wrong_checksum_open_nothing(lab, gate, family, way):
    gate.cli("states", "kill", "--all")
    before, created = dropped(gate), table(gate)["created"]
    assert syns(lab, family, way, "wrong") == SYNS
    wait_for(lambda: dropped(gate) - before >= SYNS, what="all are refused")
    assert table(gate)["half_open"] == 0 and table(gate)["created"] - created < 10, table(gate)
    # The same with a right checksum, by the same socket, are answered; and a client's own, which its stack leaves unfinished.
    assert syns(lab, family, way, "right") == SYNS
    wait_for(lambda: table(gate)["created"] - created >= SYNS, what="right ones open flows")
    got = lab.client.fetch(f"http://{TARGETS[family, way] if family == 4 else '[' + TARGETS[family, way] + ']'}/")
    assert got.returncode == 0 and "hello" in got.stdout, got
    assert dropped(gate) - before == SYNS


def state_of(firewall, port):
    return [flow["state"] for flow in firewall.data("states", "--port", port)]


@both_families
@pytest.mark.parametrize("flags", ("fin", "rst"))
@pytest.mark.parametrize("way, side", ((FORWARDED, "client"), (FORWARDED, "server"), (TO_THE_BOX, "client")))
def test_no_fin_and_no_reset_with_a_wrong_checksum_ends_a_connection(lab, gate, watch, family, way, flags, side):
    """At the very number that comes next: a right one ends it."""
    serving = lab.server if way == FORWARDED else lab.gateway
    server = watch.start(serving, "serve", 5800)
    follower = watch.start(lab.client, "follow", TARGETS[family, way], 5800)
    before = dropped(gate)
    assert forge(getattr(lab, side), "echo", "eth0", 5800, flags, FORGED, "wrong") == FORGED
    assert dropped(gate) > before, "none was at the right number"
    assert "ESTABLISHED" in state_of(gate, follower.facts["port"])
    facts = watch.end(follower)
    watch.end(server)
    assert goes_on(facts, 50, late=4), facts


def test_one_with_a_right_checksum_does(lab, gate, watch):
    server = watch.start(lab.server, "serve", 5800)
    follower = watch.start(lab.client, "follow", SERVER4, 5800)
    assert forge(lab.server, "echo", "eth0", 5800, "rst", FORGED, "right")
    facts = watch.end(follower)
    watch.end(server)
    assert facts["error"], facts
