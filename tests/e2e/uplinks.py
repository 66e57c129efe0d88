# SPDX-License-Identifier: BSD-2-Clause
"""Routing of the real lab with two uplinks: policies, routing tables by selectors, and the questions that tests ask."""
import time

import pytest
from lab import masquerade
from reallab import DSLNEAR4, DSLNEAR6, FAMILIES, FAR4, FAR6, NEAR4, NEAR6, ONE_WAN, OUTER, TWO_WANS

BOTH_UPLINKS = "allow from lan to { wan, dsl }\nallow from self\n" + masquerade("from { lan, self } to { wan, dsl }")
ONE_UPLINK = "allow from lan to wan\nallow from self\n" + masquerade("from { lan, self } to wan")
FIRST, SECOND = (NEAR4, NEAR6, "wan0"), (DSLNEAR4, DSLNEAR6, "wan1")
OTHER_TABLE = "101"
ROUTER_SECONDS = 3  # in which the daemon must have noticed a change of routes

both = pytest.mark.parametrize("family", FAMILIES, ids=["ipv4", "ipv6"])
zoned = pytest.mark.parametrize("rules, zones", [(BOTH_UPLINKS, TWO_WANS), (ONE_UPLINK, ONE_WAN)],
                                ids=["two-zones", "one-zone"])
# A way of routing with both families, and with both uplinks in one zone.
ways = pytest.mark.parametrize("family, rules, zones", [(4, BOTH_UPLINKS, TWO_WANS), (6, BOTH_UPLINKS, TWO_WANS),
                                                        (4, ONE_UPLINK, ONE_WAN)], ids=["ipv4", "ipv6", "one-zone"])


def by(family, four, six):
    return six if family == 6 else four


def far(family):
    return by(family, FAR4, FAR6)


def anywhere(family):
    return by(family, "0.0.0.0", "::")


def words(family, zone, source, sport, to, port, proto="udp"):
    """A packet from inside to far outside, in the words of explain."""
    return f"{zone} {source}:{sport} > {to} {far(family)}:{port} {proto}" if family == 4 else \
        f"{zone} [{source}]:{sport} > {to} [{far(family)}]:{port} {proto}"


def came_right(answer, family, device=None):
    """It was heard by an interface of outside, and bore the address of the gateway on that wire."""
    assert answer, "no answer"
    assert answer["source"] == by(family, *OUTER[answer["device"]]), f"a source that the other uplink has: {answer}"
    if device:
        assert answer["device"] == device, answer


def undo_routes(reallab):
    """Undoes whatever a test did to routes."""
    gateway = reallab.gateway
    for family in ("-4", "-6"):
        for line in gateway.run("ip", family, "rule").stdout.splitlines():
            if OTHER_TABLE in line.split():
                gateway.run("ip", family, "rule", "del", "pref", line.split(":")[0])
        gateway.run("ip", family, "route", "flush", "table", OTHER_TABLE)
    gateway.run("nft", "flush", "ruleset")
    reallab.forward(True)
    reallab.routes()


def other_table(reallab, *selector):
    """Packets that the selector picks go by wan1."""
    for family, hop in (("-4", DSLNEAR4), ("-6", DSLNEAR6)):
        reallab.gateway.ip(family, "route", "replace", "default", "via", hop, "dev", "wan1", "table", OTHER_TABLE)
        picked = [word[family] if isinstance(word, dict) else word for word in selector]
        reallab.gateway.ip(family, "rule", "add", *picked, "table", OTHER_TABLE)


def mark_port(reallab, port, hook="prerouting"):
    """nftables marks what goes to a port."""
    kind = "route" if hook == "output" else "filter"
    done = reallab.gateway.run("nft", "add table inet kst;"
                               f"add chain inet kst {hook} {{ type {kind} hook {hook} priority mangle; }};"
                               f"add rule inet kst {hook} meta l4proto {{ tcp, udp }} th dport {port} meta mark set 1")
    assert done.returncode == 0, done.stderr


def settle(gate):
    """The daemon has seen the routes: it says so by answering (it reads netlink before it answers)."""
    time.sleep(0.3)
    gate.say("status")
