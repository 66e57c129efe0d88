# SPDX-License-Identifier: BSD-2-Clause
"""The short way: established flows leave from ingress, past the kernel's forwarding, and nobody can tell by the packets.

    client 10.0.0.10 --- lan0 gateway wan0 --- 192.0.2.10 server        the same with IPv6
"""
import time

import pytest
from lab import CLIENT4, PATIENCE, SERVER4, Firewall, masquerade, wait_for
from natlab import checksums_in_software
from ways import ON_ONE_CPU, RULES, SERVER, Chain, EveryWay, Way, download, large, spread, upload, url

POLICY = """\
zone lan { lan0, antispoof off }
zone wan { wan0 }
option short-way %s
""" + RULES


@pytest.fixture(scope="module")
def way(lab, tmp_path_factory):
    firewall = Firewall(lab.gateway, POLICY % "auto" + masquerade(), tmp_path_factory.mktemp("short")).start()
    spread(lab, 3)
    yield Way(firewall, "short_way", POLICY, "auto", download=200)
    firewall.stop()
    spread(lab, 0)


class TestEveryWay(EveryWay):
    """The tests that express has, too."""


def test_segments_are_held_against_the_mtu(lab, way):
    """Large pieces of TCP pass if their packets of the wire fit: behind a smaller MTU the download goes on."""
    lab.gateway.ip("link", "set", "lan0", "mtu", "1300")
    try:
        done = lab.client.run("curl", "-sS", "--max-time", PATIENCE, "-o", "/dev/null", "-w", "%{size_download}", url(SERVER4, "large"))
        assert done.stdout == str(32 << 20), done.stderr
    finally:
        lab.gateway.ip("link", "set", "lan0", "mtu", "1500")


def test_shaping_shapes(lab, way):
    """A queue of the interface that packets leave by has them all."""
    lab.gateway.run("tc", "qdisc", "add", "dev", "lan0", "root", "tbf", "rate", "16mbit", "burst", "32k", "latency", "50ms", check=True)
    try:
        before, begin = way.taken(), time.monotonic()
        done = lab.client.run("curl", "-sS", "--max-time", 3, "-o", "/dev/null", "-w", "%{size_download}", url(SERVER4, "large"))
        seconds = time.monotonic() - begin
        assert 100e3 < int(done.stdout) / seconds < 2.5e6, done.stdout
        assert way.taken() - before > 100
    finally:
        lab.gateway.run("tc", "qdisc", "del", "dev", "lan0", "root")


def in_pieces(lab, mode):
    """wan0 takes large pieces as they are, or has them cut up before they leave."""
    for feature in ("gso", "tso", "tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation"):
        lab.gateway.run("ethtool", "-K", "wan0", feature, mode, check=True)


def test_segments_in_a_tunnel_are_held_against_the_mtu(lab, way, watch):
    """A large piece of TCP in a tunnel has a header more than it seems: its packets of the wire must fit, too."""
    ends = ((lab.client, SERVER4, "10.9.0.1"), (lab.server, CLIENT4, "10.9.0.2"))
    for host, other, inner in ends:
        host.ip("link", "add", "vx0", "type", "vxlan", "id", "7", "remote", other, "dstport", "4789", "dev", "eth0", "noudpcsum")
        host.ip("addr", "add", f"{inner}/24", "dev", "vx0")
        host.ip("link", "set", "vx0", "mtu", "1400", "up")
    way.use(more="allow from wan to lan udp port 4789\n")
    lab.gateway.ip("link", "set", "wan0", "mtu", "1410")
    in_pieces(lab, "off")
    try:
        assert lab.client.ping("10.9.0.2") == 3
        heard = watch.start(lab.gateway, "largest", "wan0", program="oddities.py")
        before = way.taken()
        assert lab.client.run("curl", "-sS", "--max-time", PATIENCE, "-T", large(lab, lab.client), "http://10.9.0.2/upload/tunnel").returncode == 0
        assert watch.end(heard)["largest"] <= 1410
        assert way.taken() > before
    finally:
        in_pieces(lab, "on")
        lab.gateway.ip("link", "set", "wan0", "mtu", "1500")
        for host, *_ in ends:
            host.ip("link", "del", "vx0")
        way.use()


@SERVER
def test_unfinished_checksums_are_finished_right(lab, way, server):
    """A stack leaves its checksum to the card. The gateway's have none for that, so what leaves translated is summed there, and verified."""
    for device in ("lan0", "wan0"):
        checksums_in_software(lab.gateway, device)
    try:
        before = way.taken()
        assert download(lab, server) and upload(lab, server)
        assert way.taken() - before > way.download
    finally:
        for device in ("lan0", "wan0"):
            lab.gateway.run("ethtool", "-K", device, "tx", "on", check=True)


def test_on_does_not_care(lab, way):
    """With `on` the packets pass a chain of somebody else by."""
    way.use("on")
    try:
        with Chain(lab.gateway) as chain:
            time.sleep(1.5)
            assert way.is_safe()
            before = chain.packets()
            assert lab.client.ping(SERVER4, count=20) == 20
            assert chain.packets() - before < 20
    finally:
        way.use()


def test_answers_and_ends_go_it(lab, way):
    """A SYN+ACK and a FIN are sent on like data: of a connection a chain of somebody else sees the SYN."""
    way.use("on")
    try:
        with Chain(lab.gateway, "tcp flags & ack == ack tcp flags & (syn | fin) != 0") as chain:
            wait_for(way.is_safe)
            done = lab.client.run(*ON_ONE_CPU, "curl", "-sS", "--max-time", PATIENCE, "-H", "Connection: close", "-o", "/dev/null",
                                  url(SERVER4, "?[1-20]"), check=True)
            assert not done.stderr
            assert chain.packets() < 40  # of 60: three a connection
    finally:
        way.use()


def test_off_says_so(way):
    way.use("off")
    try:
        assert way.why_not() == "option short-way off" and not way.is_safe()
    finally:
        way.use()


@pytest.fixture
def filter_of_others(lab, way):
    """A filter of somebody else at the ingress of lan0, as soon as it is noticed. It says TC_ACT_OK."""

    def is_noticed():
        return next(one for one in way.status()["interfaces"] if one["name"] == "lan0").get("long_way")

    made = lab.gateway.run("tc", "qdisc", "add", "dev", "lan0", "clsact").returncode == 0
    where = ["dev", "lan0", "ingress", "protocol", "all", "prio", "10"]
    lab.gateway.run("tc", "filter", "add", *where, "u32", "match", "u32", "0", "0", "flowid", "1:1", check=True)
    wait_for(is_noticed, 5, "the filter is noticed")
    yield
    lab.gateway.run("tc", "filter", "del", *where)
    if made:
        lab.gateway.run("tc", "qdisc", "del", "dev", "lan0", "clsact")
    wait_for(lambda: not is_noticed(), 5, "that it is gone is noticed")


def sees_all(lab, way):
    """Returns true if pings from lan0 are answered, and none goes the short way past the filter there."""
    before = way.taken()
    return lab.client.ping(SERVER4, count=20) == 20 and way.taken() == before


def test_filters_of_others_at_ingress(lab, way, filter_of_others):
    assert sees_all(lab, way)


@pytest.fixture
def without_tcx(way, monkeypatch):
    """Ours are filters of clsact, too, as on kernels before 6.6."""
    way.firewall.crash()
    monkeypatch.setenv("KEEPSTATE_NO_TCX", "1")
    way.firewall.start()
    wait_for(way.is_safe, 5, "the short way is taken")
    yield
    way.firewall.crash()
    monkeypatch.delenv("KEEPSTATE_NO_TCX")
    way.firewall.start()


def test_filters_of_others_behind_ours(lab, way, without_tcx, filter_of_others):
    assert sees_all(lab, way)
