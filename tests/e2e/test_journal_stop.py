# SPDX-License-Identifier: BSD-2-Clause
"""The journal says truthfully what became of flows and policy when the firewall is stopped, when its daemon is killed, and when that never comes back."""
import shutil
import time

import journals
import pytest
from conftest import POLICY
from journals import SLOW, Journal
from lab import CLIENT4, SERVER4, Firewall, end_process, wait_for

pytestmark = pytest.mark.skipif(bool(journals.reason_to_skip()), reason=str(journals.reason_to_skip()))


@pytest.fixture
def wall(lab, tmp_path):
    firewall = Firewall(lab.gateway, POLICY, tmp_path).start()
    yield firewall
    firewall.stop()
    if firewall.child:
        firewall.cli("stop")


@pytest.fixture
def journal(wall, tmp_path):
    made = Journal(wall, tmp_path / "journal.log").start()
    yield made
    made.end()
    shutil.rmtree(f"/var/lib/keepstate/journal/{wall.instance()}", ignore_errors=True)


@pytest.fixture
def living(lab, journal):
    """A connection that lasts, as the journal knows it."""
    child = lab.client.start("curl", "-s", "-o", "/dev/null", f"http://{SERVER4}/slow")
    flow = wait_for(lambda: [flow for flow in journal.lines("/v1/flows", port=80, source=CLIENT4) if not flow["ended"] and flow["established"]], SLOW,
                    "the flow is known")[0]
    yield flow
    end_process(child)


def again(journal, flow):
    """All rows of this connection."""
    return journal.lines("/v1/flows", port=flow["source_port"], source=CLIENT4)


def policies(journal):
    return journal.lines("/v1/policies")


def at(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def test_stop_ends_everything(wall, journal, living):
    before = time.time()
    time.sleep(1.2)
    wall.say("stop")
    wall.child.wait(60)
    flow = wait_for(lambda: [flow for flow in again(journal, living) if flow["ended"]], SLOW, "it has ended")[0]
    assert flow["why"] == "stopped"
    assert before <= journals.seconds(flow["ended"]) <= time.time()
    assert policies(journal)[-1]["until"] == flow["ended"]
    time.sleep(2)
    now = at(time.time())
    assert len(wall.data("states", "--at", at(before), "--port", living["source_port"])) == 1
    assert wall.data("states", "--at", now) == []
    done = wall.cli("explain", "--at", now, f"lan {CLIENT4}:1 > wan {SERVER4}:80 tcp syn")
    assert done.returncode == 2 and "no policy that was in force then" in done.stderr, done
    assert "the firewall was taken away" in wall.say("log", "--since", "1m")
    wall.start()
    wait_for(lambda: len(policies(journal)) == 2 and policies(journal)[1]["until"] is None, SLOW, "the policy is in force anew")


def test_stop_save_goes_on(lab, wall, journal, living):
    wall.say("stop", "--save")
    wall.child.wait(60)
    wait_for(lambda: again(journal, living)[0]["ended"], SLOW, "it has ended for now")
    wall.start()
    wait_for(lambda: not again(journal, living)[0]["ended"], SLOW, "it lives again")
    time.sleep(4)  # those that the list does not have have ended by now
    rows = again(journal, living)
    assert [(row["begun"][:15], row["ended"], row.get("why")) for row in rows] == [(living["begun"][:15], None, None)], rows


def test_killed_daemon_leaves_what_is_known(wall, journal, living):
    wall.crash()
    wait_for(lambda: not journal.state()["daemon"], SLOW, "the journal has noticed")
    time.sleep(2.5)
    flow = again(journal, living)[0]
    assert flow["ended"] is None and journals.seconds(flow["known"]) < time.time() - 1
    assert policies(journal)[-1]["until"] is None and policies(journal)[-1]["known"]
    done = wall.cli("states", "--at", "now", "--port", living["source_port"])
    assert done.returncode == 0 and CLIENT4 in done.stdout and "heard of the firewall last" in done.stderr, done
    wall.start()
    wait_for(lambda: journal.state()["daemon"], SLOW, "the journal follows again")
    time.sleep(4)
    flow = again(journal, living)
    assert [(row["ended"], "known" in row) for row in flow] == [(None, False)], flow
    assert [(row["until"], "known" in row) for row in policies(journal)] == [(None, False)]


def test_never_comes_back(wall, journal, living):
    """The daemon is killed, and what it left is taken away without it."""
    wall.crash()
    died = time.time()
    time.sleep(2.5)
    wall.say("stop")
    stopped = time.time()
    flow = wait_for(lambda: [flow for flow in again(journal, living) if flow["ended"]], SLOW, "it has ended")[0]
    assert flow["why"] == "unseen" and journals.seconds(flow["ended"]) <= died + 1
    until = journals.seconds(policies(journal)[-1]["until"])
    assert died + 0.5 <= until <= stopped + 2, (died, until, stopped)
    assert wall.data("states", "--at", "now") == []
