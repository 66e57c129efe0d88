# SPDX-License-Identifier: BSD-2-Clause
"""A full table: connections stay in, what nobody has proven and what is closed makes room, and the administrator is told of refusals."""
import sys

from conftest import POLICY
from lab import SERVER4, goes_on, wait_for

LIMITS = "limit states 64, states-per-source 64, half-open 64, adaptive off, challenge off\ntimeout udp.single 1m\n"

# Sends a datagram each from so many ports.
SPRAY = """
import socket, sys
for _ in range(int(sys.argv[2])):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"x", (sys.argv[1], 9999))
"""


def full(firewall):
    """Packets refused because the table was full."""
    return next(entry["packets"] for entry in firewall.data("counters")[0]["reasons"] if entry["reason"] == "table full")


# Keeps as many connections open as it gets, out of so many, and tells how many.
PILE = """
import socket, sys
kept = []
for _ in range(int(sys.argv[2])):
    s = socket.socket()
    s.settimeout(0.3)
    try:
        s.connect((sys.argv[1], 80))
        kept.append(s)
    except OSError:
        s.close()
print(len(kept))
"""


def test_a_table_of_connections_refuses_and_says_so(lab, make_firewall, watch):
    firewall = make_firewall(POLICY + LIMITS)
    watch.start(lab.server, "serve", 5700)
    follower = watch.start(lab.client, "follow", SERVER4, 5700)
    before = full(firewall)
    piled = lab.client.run(sys.executable, "-c", PILE, SERVER4, 100, check=True)
    assert 40 <= int(piled.stdout) <= 63, piled.stdout
    assert full(firewall) - before >= 30
    wait_for(lambda: "the state table is full" in firewall.log_path.read_text(), 5, "the log tells of the full table")
    facts = watch.end(follower)
    assert goes_on(facts, 50), facts


def test_datagrams_that_nobody_answers_refuse_nobody(lab, make_firewall, watch):
    """Many more than the table holds: each takes the place of the stalest, and whoever connects gets in, too."""
    firewall = make_firewall(POLICY + LIMITS)
    watch.start(lab.server, "serve", 5700)
    follower = watch.start(lab.client, "follow", SERVER4, 5700)
    before = full(firewall)
    lab.client.run(sys.executable, "-c", SPRAY, SERVER4, 300, check=True)
    assert firewall.data("status")[0]["table"]["flows"] == 64
    assert full(firewall) - before <= 3
    for _ in range(10):
        lab.client.run(sys.executable, "-c", SPRAY, SERVER4, 100, check=True)
        assert lab.client.fetch(f"http://{SERVER4}/", seconds=5).returncode == 0, "a newcomer is refused"
    facts = watch.end(follower)
    assert goes_on(facts, 50), facts


def test_closed_connections_make_room(lab, make_firewall):
    """Many more connections than the table holds, one after the other: each finds a place that another has left."""
    firewall = make_firewall(POLICY + LIMITS)
    for _ in range(8):
        got = lab.client.fetch(f"http://{SERVER4}/[1-20]", "-H", "Connection: close", "-o", "/dev/null", "-w", "%{http_code} ")
        assert got.returncode == 0 and got.stdout.split() == ["404"] * 20, got.stdout + got.stderr
    assert firewall.data("status")[0]["table"]["flows"] <= 64
