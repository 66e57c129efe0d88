# SPDX-License-Identifier: BSD-2-Clause
"""Nothing is lost between a daemon and its journal: what happens before the journal is connected waits for it."""
import shutil

import journals
import pytest
from conftest import POLICY
from journals import SLOW, Journal
from lab import LAN4, Firewall, end_process, wait_for

pytestmark = pytest.mark.skipif(bool(journals.reason_to_skip()), reason=str(journals.reason_to_skip()))

RULES = POLICY.replace("option log-drops on", "option log-drops on\nlimit log 5000, log-per-source 5000")
KNOCKS = f"while :; do echo x >/dev/udp/{LAN4}/7900; sleep 0.02; done"


@pytest.fixture
def wall(lab, tmp_path):
    firewall = Firewall(lab.gateway, RULES, tmp_path)
    yield firewall
    firewall.stop()


@pytest.fixture
def journal(wall, tmp_path):
    made = Journal(wall, tmp_path / "journal.log").start(wait=False)
    yield made
    made.end()
    shutil.rmtree(f"/var/lib/keepstate/journal/{wall.instance()}", ignore_errors=True)


@pytest.fixture
def knocker(lab):
    """Packets that nothing lets in, fifty a second, whatever runs."""
    child = lab.client.start("bash", "-c", KNOCKS)
    yield child
    end_process(child)


def dropped(wall):
    reasons = wall.data("counters")[0]["reasons"]
    return next(one["packets"] for one in reasons if one["reason"] == "no rule")


def told(journal):
    """Packets of the journal, those that were folded or lost among them."""
    lines = journal.lines("/v1/history")
    return sum(line.get("folded", 1) for line in lines if line.get("reason") == "no rule") + sum(line.get("lost", 0) for line in lines)


def assert_all_told(lab, wall, journal):
    """Once nothing comes any more."""
    wait_for(lambda: told(journal) >= dropped(wall), SLOW, f"all of {dropped(wall)} are told, not only {told(journal)}")
    assert told(journal) == dropped(wall)


def test_first_start(lab, wall, journal, knocker):
    wall.start()
    wait_for(lambda: told(journal) > 50, SLOW, "the journal follows")
    end_process(knocker)
    assert_all_told(lab, wall, journal)


@pytest.mark.parametrize("is_killed", [True, False])
def test_takeover(lab, wall, journal, knocker, is_killed):
    """Of a daemon that was killed or ended: the filters were in force all the time."""
    wall.start()
    wait_for(lambda: told(journal) > 20, SLOW, "the journal follows")
    if is_killed:
        wall.crash()
    else:
        end_process(wall.child)
    wall.start()
    before = told(journal)
    wait_for(lambda: told(journal) > before + 50, SLOW, "the journal follows again")
    end_process(knocker)
    assert_all_told(lab, wall, journal)
