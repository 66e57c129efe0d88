# SPDX-License-Identifier: BSD-2-Clause
"""Datagrams that the box sends itself, by a process that has first become somebody (test_users.py) or gone somewhere (test_cgroups.py)."""
import sys

PROGRAM = "import os, pathlib, socket, sys\n%s\n" \
          "s = socket.socket(socket.AF_INET6 if ':' in sys.argv[2] else socket.AF_INET, socket.SOCK_DGRAM)\n" \
          "s.sendto(b'x', (sys.argv[2], int(sys.argv[3])))\n"


def makes_state(host, firewall, first, argument, address, port):
    """Returns true if a datagram has made a state. `first`: a line of Python that comes before it, with `argument` as sys.argv[1]."""
    host.run(sys.executable, "-c", PROGRAM % first, argument, address, port, check=True)
    found = [one for one in firewall.data("states") if one.get("destination_port") == port]
    firewall.cli("states", "kill", "--all")
    return bool(found)
