# SPDX-License-Identifier: BSD-2-Clause
"""ICMP errors about translated packets: traceroute, path MTU discovery and refusals work as without translation."""
import hashlib
import os

import pytest
from natlab import (CLIENT4, CLIENT6, FAR4, FAR6, INNER4, ISP4, ISP6, LAN4, LAN6, MASQUERADE, SERVER4, SERVER6, WAN4, WAN6,
                    url)

TRACES = pytest.mark.parametrize("far, hops", [(FAR4, (LAN4, ISP4, FAR4)), (FAR6, (LAN6, ISP6, FAR6))], ids=["ipv4", "ipv6"])
FAR = pytest.mark.parametrize("far", [FAR4, FAR6], ids=["ipv4", "ipv6"])


def hops_of(text):
    """The addresses of traceroute's lines."""
    return tuple(line.split()[1] for line in text.splitlines()[1:] if line.strip())


@TRACES
@pytest.mark.parametrize("words", [(), ("-I",), ("-T", "-p", "80")], ids=["udp", "icmp", "tcp"])
def test_traceroute(natlab, translate, far, hops, words):
    translate(MASQUERADE)
    done = natlab.client.run("traceroute", "-n", "-q", "1", "-w", "5", "-m", "5", *words, far)
    assert hops_of(done.stdout) == hops, done.stdout + done.stderr


@TRACES
def test_mtr(natlab, translate, far, hops):
    translate(MASQUERADE)
    text = natlab.client.run("mtr", "-n", "-r", "-c", "2", "-i", "0.2", "-G", "3", far).stdout
    lines = [line.split() for line in text.splitlines() if "|--" in line]
    assert tuple(line[1] for line in lines) == hops, text
    assert all(line[2] == "0.0%" for line in lines), text


@FAR
def test_upload_over_a_narrow_link(natlab, translate, far):
    """The isp tells the gateway's address that packets are too large; the client hears it and goes on."""
    translate(MASQUERADE)
    natlab.forget_paths()
    path = natlab.directory / "to-upload"
    path.write_bytes(os.urandom(3_000_000))
    path.chmod(0o644)
    got = natlab.client.fetch(url(far, "upload/file"), "-T", path, "-w", "%{http_code}")
    assert got.returncode == 0 and got.stdout.strip()[-3:] in ("201", "204"), got.stdout + got.stderr
    arrived = natlab.directory / f"web-{natlab.far.name}" / "files" / "upload" / "file"
    assert hashlib.sha256(arrived.read_bytes()).digest() == hashlib.sha256(path.read_bytes()).digest()
    arrived.unlink()


@FAR
def test_the_size_is_told(natlab, translate, far):
    translate(MASQUERADE)
    natlab.forget_paths()
    text = natlab.client.run("ping", "-c", "1", "-W", "10", "-M", "do", "-s", "1400", far).stdout
    assert "1300" in text, text


@FAR
def test_download_over_a_narrow_link(natlab, translate, far):
    """The narrow link is the gateway's own: it tells the server, which knows the client by the gateway's address only."""
    translate(MASQUERADE)
    natlab.forget_paths()
    natlab.gateway.ip("link", "set", "lan0", "mtu", "1280")
    try:
        got = natlab.client.fetch(url(SERVER4 if far == FAR4 else SERVER6, "large"), "-o", "/dev/null", "-w",
                                  "%{size_download}")
        assert got.returncode == 0 and got.stdout == str(32 << 20), got.stdout + got.stderr
    finally:
        natlab.gateway.ip("link", "set", "lan0", "mtu", "1500")
        natlab.forget_paths()


@pytest.mark.parametrize("outside, inner", [(WAN4, INNER4)], ids=["ipv4"])
def test_narrow_link_behind_a_forwarded_port(natlab, translate, outside, inner):
    """The far client must be told, about packets of a server that it knows by the gateway's address."""
    translate(f"forward from wan tcp port 80 to {inner}")
    natlab.forget_paths()
    natlab.inner.ip("route", "change", "default", "via", LAN4, "advmss", "1460")
    got = natlab.far.fetch(url(outside, "large"), "-o", "/dev/null", "-w", "%{size_download}")
    assert got.returncode == 0 and got.stdout == str(32 << 20), got.stdout + got.stderr


@pytest.mark.parametrize("server", [SERVER4, SERVER6], ids=["ipv4", "ipv6"])
def test_port_unreachable(natlab, translate, server):
    """Nobody listens on the port; the client is told at once."""
    translate(MASQUERADE)
    got = natlab.client.resolve(server, "www.example", "-p", "5999")
    assert got.returncode != 0 and "refused" in got.stdout + got.stderr, got.stdout + got.stderr


@pytest.mark.parametrize("outside, inner", [(WAN4, CLIENT4), (WAN6, CLIENT6)], ids=["ipv4", "ipv6"])
def test_unreachable_from_inside(natlab, translate, outside, inner):
    """The error of a host inside reaches the asker, who knows it by the gateway's address only."""
    translate(f"forward from wan udp port 5998 to {inner}")
    got = natlab.server.resolve(outside, "www.example", "-p", "5998")
    assert "refused" in got.stdout + got.stderr, got.stdout + got.stderr


@pytest.mark.parametrize("outside, inner", [(WAN4, INNER4)], ids=["ipv4"])
def test_unreachable_by_a_hairpin(natlab, translate, outside, inner):
    """Both addresses of the flow are translated, so the error is on both its ways through the gateway."""
    translate(f"forward from {{ wan, lan }} destination {outside} udp port 5997 to {inner}", MASQUERADE)
    got = natlab.client.resolve(outside, "www.example", "-p", "5997")
    assert "refused" in got.stdout + got.stderr, got.stdout + got.stderr
