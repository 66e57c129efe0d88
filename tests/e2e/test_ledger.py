# SPDX-License-Identifier: BSD-2-Clause
"""A takeover whose ledger is lost or damaged: loud, and no state is taken for one of another zone."""
from pathlib import Path

import pytest
from conftest import POLICY
from lab import CLIENT4, SERVER4

# The zones have other numbers here than in POLICY.
OTHERWISE = "zone aside { eth9 }\nzone wan { wan0 }\nzone lan { lan0 }\n" + POLICY.split("\n", 2)[2]


@pytest.mark.parametrize("damage", [lambda path: path.write_text("{"), lambda path: path.unlink(),
                                    lambda path: path.write_text('{"rules": [{"id": -1, "text": ""}]}')],
                         ids=["half", "gone", "wrong"])
def test_zones_are_known_by_their_interfaces(lab, firewall, watch, damage):
    watch.start(lab.server, "serve", 5731)
    follower = watch.start(lab.client, "follow", SERVER4, 5731)
    firewall.crash()
    damage(Path(f"/run/keepstate/{firewall.instance()}/rules.json"))
    firewall.path.write_text(OTHERWISE)
    firewall.start()
    assert "WARNING: " in firewall.log_path.read_text() and "known by their interfaces only" in firewall.log_path.read_text()
    state = [one for one in firewall.data("states") if one.get("destination_port") == 5731][0]
    assert (state["from"], state["to"]) == ("lan", "wan")
    assert lab.client.ping(SERVER4) == 3 and lab.server.ping(CLIENT4) == 0
    assert watch.end(follower)["error"] is None


def many_zones(*zones):
    """A policy of these zones and of as many as there can be besides, of interfaces that do not exist."""
    others = [f"zone z{number} {{ none{number} }}\n" for number in range(62 - len(zones))]
    return "".join(zones) + "".join(others) + POLICY.split("\n", 2)[2]


def passed(firewall, source):
    pairs = firewall.data("counters", "--zones")[0]["zones"]
    return sum(pair["passed"]["packets"] for pair in pairs if source in (pair["from"], pair["to"]))


def test_an_id_that_another_zone_gets(lab, firewall, watch):
    """Of 62 names one is gone: the new one has its id, and none of its states and counts. What passed in all stays."""
    watch.start(lab.server, "serve", 5733)
    firewall.path.write_text(many_zones("zone lan { lan0 }\n", "zone wan { wan0 }\n"))
    firewall.say("reload")
    watch.start(lab.client, "follow", SERVER4, 5733)
    assert lab.client.ping(SERVER4) == 3
    before = passed(firewall, "lan")
    established = firewall.data("counters")[0]["reasons"]
    assert before >= 6
    firewall.path.write_text(many_zones("zone inner { lan0 }\n", "zone wan { wan0 }\n").replace("lan to", "inner to").replace("{ lan, wan }", "{ inner, wan }"))
    firewall.say("reload")
    assert "their ids are those of new zones" in firewall.log_path.read_text()
    assert not [one for one in firewall.data("states") if "lan" in (one["from"], one["to"]) or one.get("destination_port") == 5733 and one["age"] > 2]
    assert passed(firewall, "lan") == 0 and passed(firewall, "inner") < before
    after = {one["reason"]: one["packets"] for one in firewall.data("counters")[0]["reasons"]}
    assert all(after[one["reason"]] >= one["packets"] for one in established)
    assert lab.client.ping(SERVER4) == 3


def test_a_zone_that_no_interface_tells_of(lab, firewall, watch):
    """Its states are of nobody then, not of the zone that would get the number."""
    watch.start(lab.server, "serve", 5732)
    watch.start(lab.client, "follow", SERVER4, 5732)
    firewall.crash()
    Path(f"/run/keepstate/{firewall.instance()}/rules.json").write_text("")
    firewall.path.write_text(POLICY.replace("zone lan { lan0 }", "zone lan { eth9 }"))
    firewall.start()
    states = [one for one in firewall.data("states") if one.get("destination_port") == 5732]
    assert all(one["from"] not in ("lan", "wan", "self") for one in states), states
    assert lab.client.ping(SERVER4) == 0
