# SPDX-License-Identifier: BSD-2-Clause
"""`protect` of a running firewall, with real programs: what it refuses, and that who is there gets in all the same."""
import os
import subprocess
import sys

import pytest
from lab import CLIENT4, SERVER4, SERVER6, end_process, wait_for

POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
set scanners { } dynamic, timeout 1h
protect lan { syn flood 5/second per destination, icmp flood 20/second per destination, port scan 10 ports in 5m into @scanners }
deny from lan source @scanners
allow from lan to { wan, self } icmp
allow from lan to { wan, self } icmpv6
allow from lan to wan tcp port 80
allow from self
"""

# Opens so many connections one after the other, and tells how many it got; keeps them until its input ends.
CONNECT = """
import socket, sys
kept = [socket.create_connection((sys.argv[1], 80), timeout=20) for _ in range(int(sys.argv[2]))]
print(len(kept), flush=True)
sys.stdin.read()
kept[0].sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
print(len(kept[0].recv(100)), flush=True)
"""

# Knocks at so many ports.
KNOCK = """
import socket, sys
for port in range(1000, 1000 + int(sys.argv[2])):
    with socket.socket() as s:
        s.setblocking(False)
        s.connect_ex((sys.argv[1], port))
"""


def reasons(firewall):
    return {entry["reason"]: entry["packets"] for entry in firewall.data("counters")[0]["reasons"]}


def check_headers(lab, firewall):
    gateway = firewall.host.run("ip", "-4", "-br", "address", "show", "lan0").stdout.split()[2].split("/")[0]
    before = reasons(firewall)
    for address in (SERVER4, SERVER6):
        assert lab.client.ping(address, "-t", "2") == 3
        shown = lab.client.run("ping", "-c", "2", "-i", "0.2", "-W", "1", "-t", "1", address).stdout
        assert "exceeded" not in shown and "100% packet loss" in shown, shown
    assert lab.client.ping(gateway, "-t", "1") == 3
    assert lab.client.ping(SERVER4, "-R") == 0
    after = reasons(firewall)
    assert after["trace route"] - before["trace route"] == 4
    assert after["ip option"] - before["ip option"] == 3
    shown = firewall.cli("explain", f"lan {CLIENT4}:1000 > wan {SERVER4}:80 tcp syn ttl 1").stdout
    assert "protect lan: trace route" in shown, shown


def check_floods(lab, firewall):
    before = reasons(firewall)
    lab.client.run("ping", "-f", "-c", "300", SERVER4)
    assert reasons(firewall)["icmp flood"] > before["icmp flood"]
    flood = lab.client.start("ping", "-q", "-i", "0.002", "-c", "100000", SERVER4)
    words = f"lan {CLIENT4} > wan {SERVER4} icmp echo-request id 7"
    wait_for(lambda: "protect lan: icmp flood" in firewall.cli("explain", words).stdout, 9, "explain knows how far a threshold is used")
    end_process(flood)
    wait_for(lambda: "icmp flood" not in firewall.cli("explain", words).stdout, 20, "the threshold's end")
    got = lab.client.run(sys.executable, "-c", CONNECT, SERVER4, "40", check=True).stdout.splitlines()
    assert got[0] == "40" and int(got[1]) > 10, got
    assert reasons(firewall)["challenge answered"] > before["challenge answered"]


def check_scans(lab, firewall):
    before = reasons(firewall)
    held = lab.client.start(sys.executable, "-c", CONNECT, SERVER4, "1", stdin=subprocess.PIPE)
    assert held.stdout.readline() == "1\n"
    assert not firewall.data("set", "list", "scanners")
    lab.client.run(sys.executable, "-c", KNOCK, SERVER4, "12", check=True)
    wait_for(lambda: reasons(firewall)["port scan"] > before["port scan"], 5, "the scan is seen")
    assert [one["entry"] for one in firewall.data("set", "list", "scanners")] == [CLIENT4]
    assert lab.client.fetch(f"http://{SERVER4}/", seconds=2).returncode != 0
    held.stdin.close()
    assert int(held.stdout.readline()) > 10
    firewall.say("set", "flush", "scanners")
    assert lab.client.fetch(f"http://{SERVER4}/").returncode == 0


@pytest.fixture
def two_cpus(lab):
    """Packets that come by lan0 are spread over both processors, where there are two, by their ports."""
    def spread(cpus):
        lab.gateway.ip_root("netns", "exec", lab.gateway.name, "sh", "-c", f"echo {cpus} >/sys/class/net/lan0/queues/rx-0/rps_cpus")

    spread(3 if (os.cpu_count() or 1) > 1 else 1)
    yield
    spread(0)


def test_a_protected_zone(lab, two_cpus, make_firewall):
    firewall = make_firewall(POLICY)
    check_headers(lab, firewall)
    check_floods(lab, firewall)
    check_scans(lab, firewall)
