# SPDX-License-Identifier: BSD-2-Clause
"""Rules that ask for the user whose socket of the firewall's own host sends a packet."""

import pytest
from lab import SERVER4, SERVER6, WAN4
from own_datagrams import makes_state

POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
allow from lan to self
allow from self to wan udp port 7400 user daemon
allow from self to wan icmp user root
allow from self to wan icmpv6 user root
allow from self to wan udp port 7401 user not 1-100
"""


@pytest.fixture
def firewall(make_firewall):
    return make_firewall(POLICY)


def is_let_out(lab, firewall, uid, address, port):
    return makes_state(lab.gateway, firewall, "os.setuid(int(sys.argv[1]))", uid, address, port)


@pytest.mark.parametrize("server", [SERVER4, SERVER6])
def test_the_user_of_the_socket_counts(lab, firewall, server):
    assert is_let_out(lab, firewall, 1, server, 7400)
    assert not is_let_out(lab, firewall, 0, server, 7400)
    assert not is_let_out(lab, firewall, 1, server, 7401)
    assert is_let_out(lab, firewall, 0, server, 7401)
    assert is_let_out(lab, firewall, 101, server, 7401)
    assert lab.gateway.ping(server) == 3


def test_it_is_told(lab, firewall):
    said = firewall.cli("explain", f"self {WAN4}:40000 > wan {SERVER4}:7400 udp user 5")
    assert "user 5 is not its" in said.stdout, said
