# SPDX-License-Identifier: BSD-2-Clause
"""A policy on trial: without the word in time the policy before it comes back, whoever has died meanwhile."""
import json
import os
import re
import select
import shutil
import signal
import time
from pathlib import Path

import pytest
from conftest import POLICY
from lab import CLIENT4, SERVER4, Firewall, end_process, wait_for

OPEN = POLICY + "allow from wan to lan icmp type echo-request\n"  # the server may ping under this one only
MOVED = "zone wan { lan0 }\nzone other { wan0 }\nallow from other to wan icmp type echo-request\nignore { dummy0 }\n"
LONG = 90  # seconds that a restart may take on a busy machine


@pytest.fixture
def bare(make_firewall, once):
    """A firewall that is not started; whatever daemon is left of it is stopped. Tests with it are the last ones of the file."""
    end_trial(once)
    firewall = make_firewall(start=False)
    yield firewall
    end_trial(firewall)
    firewall.path.write_text(POLICY)


@pytest.fixture(scope="module")
def once(lab, tmp_path_factory):
    """One that is started once for this file: a takeover is quick, because the kernel need not verify the programs again."""
    firewall = Firewall(lab.gateway, POLICY, tmp_path_factory.mktemp("once"))
    yield firewall
    end_trial(firewall)
    assert firewall.filters() == "", "filters are left behind"


@pytest.fixture
def running(once):
    """A firewall in force, confirmed, with the usual policy, and its daemon a child of ours."""
    usual(once)
    yield once
    usual(once)


def usual(firewall):
    firewall.path.write_text(POLICY)
    other = firewall.cli("status", "--json") if firewall.child is None or firewall.child.poll() is not None else None
    if other and other.returncode == 0:  # a watcher became the daemon
        kill_other(json.loads(other.stdout)["pid"])
    if other:
        firewall.start()
    firewall.cli("confirm")
    firewall.say("reload")
    assert not note(firewall).exists()


def kill_other(pid):
    """kill -9 of a process that is no child of ours. Returns when it has ended: its lock outlives its socket for a moment."""
    end = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        assert select.select([end], [], [], 30)[0], f"process {pid} does not end"
    finally:
        os.close(end)


def note(firewall):
    return Path("/var/lib/keepstate") / firewall.instance() / "unconfirmed"


def end_trial(firewall):
    """Stops the daemon, whichever process that is by now."""
    firewall.cli("stop")
    if firewall.child:
        end_process(firewall.child)
        firewall.child = None
    assert not note(firewall).exists()


def watcher_of(pid):
    """The process that waits for the end of the daemon."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [int(child) for child in children if b"--watch" in Path(f"/proc/{child}/cmdline").read_bytes()]
    assert len(found) == 1, found
    return found[0]


def nobody_is_left(firewall):
    """Kills the watcher and the daemon."""
    os.kill(watcher_of(firewall.child.pid), signal.SIGKILL)
    firewall.crash()


def expire(firewall):
    """The time of the trial is over."""
    facts = json.loads(note(firewall).read_text())
    note(firewall).write_text(json.dumps({**facts, "deadline_ms": 1}))


def is_open(lab):
    return lab.server.ping(CLIENT4, count=1) == 1


def rules_of(firewall):
    return [(rule["id"], rule["text"]) for rule in firewall.data("counters")[0]["rules"]]


def returned(firewall, lab, started=False):
    """Waits until the policy before is in force, and checks it."""
    wait_for(lambda: firewall.cli("status").returncode == 0 and not note(firewall).exists(), LONG, "the policy before")
    status = firewall.data("status")[0]
    assert "unconfirmed" not in status and ("was not confirmed in time" in status["fallback"] if started else
                                            "was taken back" in status["fallback"])
    assert lab.client.ping(SERVER4) == 3 and lab.server.ping(CLIENT4) == 0
    return status


def test_not_confirmed(lab, running, watch):
    firewall = running
    rules = rules_of(firewall)
    watch.start(lab.server, "serve", 5621)
    follower = watch.start(lab.client, "follow", SERVER4, 5621)
    firewall.path.write_text(OPEN)
    done = firewall.cli("reload", "--confirm", "4s")
    assert done.returncode == 0 and str(firewall.path) in done.stderr
    assert re.search("keepstate confirm` within [1-4] s", done.stderr), done.stderr  # some of the 4 may be over when it is said
    trial = firewall.data("status")[0]["unconfirmed"]
    assert 0 < trial["seconds_left"] <= 4 and trial["before"] == str(firewall.path)
    assert "NOT CONFIRMED" in firewall.say("status") and is_open(lab)
    watcher = watcher_of(firewall.child.pid)
    returned(firewall, lab)
    wait_for(lambda: not Path(f"/proc/{watcher}").exists(), 10, "the watcher's end")
    assert rules_of(firewall) == rules, "rules have their ids again"
    assert watch.end(follower)["error"] is None
    done = firewall.cli("confirm")
    assert done.returncode == 1 and "nothing waits" in done.stderr


def test_confirmed(lab, running):
    firewall = running
    kept = note(firewall).parent / "policy"
    before = kept.read_text()
    firewall.path.write_text(OPEN)
    firewall.say("reload", "--confirm", "5s")
    assert kept.read_text() == before, "it is not the last good one yet"
    assert "is confirmed" in firewall.say("confirm")
    assert kept.read_text() == firewall.say("show", "--running") != before
    assert not note(firewall).exists() and "unconfirmed" not in firewall.data("status")[0]
    time.sleep(6)
    assert is_open(lab)


def test_a_draft_of_the_page_takes_its_place(running):
    """Confirmed in a terminal, as by the page: FILE.page becomes FILE, which is what the next start reads."""
    draft = running.path.with_name(running.path.name + ".page")
    draft.write_text(OPEN)
    running.say("reload", "--confirm", f"{LONG}s", draft)
    assert str(running.path) in running.say("confirm")
    assert running.path.read_text() == OPEN and not draft.exists()
    assert running.data("status")[0]["policy"] == str(running.path)
    other = running.path.with_name("alone.page")  # somebody's own name: there is no file whose place it could take
    other.write_text(POLICY)
    running.say("reload", "--confirm", f"{LONG}s", other)
    assert running.data("confirm")[0]["policy"] == str(other) and other.exists()
    running.path.write_text(POLICY)
    running.say("reload", running.path)


def test_the_daemon_dies(lab, running):
    """kill -9: the watcher becomes the daemon of the policy before."""
    firewall = running
    rules = rules_of(firewall)
    firewall.path.write_text(OPEN)
    firewall.say("reload", "--confirm", "4s")
    watcher = watcher_of(firewall.child.pid)
    firewall.crash()
    assert is_open(lab)
    status = returned(firewall, lab)
    assert status["pid"] == watcher and status["took_over"]
    assert rules_of(firewall) == rules
    firewall.path.write_text(OPEN)
    firewall.say("reload")
    assert is_open(lab)


def test_everybody_dies(lab, running):
    """No process is left: the next daemon finds the note, and that the time is over."""
    firewall = running
    firewall.path.write_text(OPEN)
    firewall.say("reload", "--confirm", "1h")
    nobody_is_left(firewall)
    expire(firewall)
    firewall.start()
    status = returned(firewall, lab, started=True)
    assert status["policy_in_force"] == f"{firewall.path}, as it was before the trial" and status["policy_refused"] == str(firewall.path)


def left(firewall):
    """The answer of `status` without a daemon: as text, and as JSON."""
    done, data = firewall.cli("status"), firewall.cli("status", "--json")
    assert done.returncode == data.returncode == 3, done
    return done.stdout, json.loads(data.stdout).get("unconfirmed")


def test_the_word_without_a_daemon(lab, running):
    """Commands say that it is on trial and who takes it back; it can be confirmed all the same."""
    firewall = running
    firewall.path.write_text(OPEN)
    firewall.say("reload", "--confirm", "1h")
    wanted = firewall.say("show", "--running")
    watcher = watcher_of(firewall.child.pid)
    firewall.crash()
    wait_for(lambda: f"process {watcher} waits to do that" in left(firewall)[0], 10, "the watcher is seen")
    told, data = left(firewall)
    assert "in force, no daemon" in told and "NOT CONFIRMED: `keepstate confirm` within 3" in told, told
    assert 3000 < data["seconds_left"] <= 3600 and data["before"] == str(firewall.path) and data["watcher"] == watcher, data
    assert "NOT CONFIRMED" in firewall.cli("states").stderr
    os.kill(watcher, signal.SIGKILL)
    wait_for(lambda: left(firewall)[1]["watcher"] == 0, 10, "nobody waits")
    assert "so has the process that would do that" in left(firewall)[0]
    assert firewall.filters() and is_open(lab)

    done = firewall.cli("confirm")
    assert done.returncode == 0 and "is confirmed" in done.stdout and "`keepstate run FILE`" in done.stdout, done
    assert not note(firewall).exists() and (note(firewall).parent / "policy").read_text() == wanted
    assert left(firewall)[1] is None and "NOT CONFIRMED" not in left(firewall)[0]
    firewall.start()
    assert is_open(lab) and "fallback" not in firewall.data("status")[0]


def test_the_word_comes_too_late(lab, running):
    firewall = running
    firewall.path.write_text(OPEN)
    firewall.say("reload", "--confirm", "1h")
    nobody_is_left(firewall)
    expire(firewall)
    done = firewall.cli("confirm")
    assert done.returncode == 1 and "the time is over" in done.stderr and "keepstate run" in done.stderr, done
    firewall.start()
    returned(firewall, lab, started=True)


def test_a_start_that_fails_forgets_no_trial(lab, running):
    """The promise of an earlier daemon: the next one could not take over."""
    firewall = running
    firewall.path.write_text(OPEN)
    firewall.say("reload", "--confirm", "1h")
    firewall.crash()
    obstacle = Path(f"/run/keepstate/{firewall.instance()}/rules.json.new")
    obstacle.mkdir()
    firewall.start(wait=False)
    assert firewall.child.wait(LONG) == 3, firewall.log_path.read_text()
    obstacle.rmdir()
    assert note(firewall).exists() and is_open(lab)
    expire(firewall)
    returned(firewall, lab)


@pytest.mark.parametrize("damaged", ["policy", "unconfirmed"])
def test_damaged_files(lab, running, damaged):
    """The disk has lost what was to come back. Nothing that was not confirmed goes on."""
    firewall = running
    firewall.path.write_text(OPEN)
    firewall.say("reload", "--confirm", "1h")
    nobody_is_left(firewall)
    expire(firewall)
    (note(firewall).parent / damaged).write_text("")
    firewall.start()
    status = firewall.data("status")[0]
    assert ("denies everything" if damaged == "policy" else "the last good one") in status["policy_in_force"], status
    assert not is_open(lab) and not note(firewall).exists()
    assert lab.client.ping(SERVER4) == (0 if damaged == "policy" else 3)


def test_a_reboot_ends_the_time(lab, running):
    """The note of another boot: its clock tells nothing."""
    firewall = running
    firewall.path.write_text(OPEN)
    firewall.say("reload", "--confirm", "1h")
    nobody_is_left(firewall)
    text = note(firewall).read_text()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert boot in text
    note(firewall).write_text(text.replace(boot, "another"))
    firewall.start()
    returned(firewall, lab, started=True)


def test_the_next_daemon_goes_on(lab, running):
    firewall = running
    firewall.path.write_text(OPEN)
    firewall.say("reload", "--confirm", "60s")
    firewall.crash()
    firewall.start()
    assert 0 < firewall.data("status")[0]["unconfirmed"]["seconds_left"] <= 60 and is_open(lab)
    firewall.say("reload", "--confirm", "3s")  # a shorter time: the same trial
    returned(firewall, lab)

    firewall.path.write_text(OPEN)
    firewall.say("reload", "--confirm", "60s")
    firewall.crash()
    firewall.start()
    firewall.say("confirm")
    assert is_open(lab) and not note(firewall).exists()


def test_an_orderly_end(lab, running):
    """SIGTERM: nobody can give the word any more."""
    firewall = running
    tried = firewall.path.with_name("tried.conf")
    tried.write_text(OPEN)
    assert "--end-denied when" in firewall.cli("reload", "--confirm", "1h", "--end-denied", tried).stderr
    firewall.say("reload", "--confirm", "1h", tried)
    firewall.child.terminate()
    assert firewall.child.wait(30) == 0
    assert not note(firewall).exists() and firewall.filters()
    told = firewall.cli("status").stdout
    assert str(firewall.path) in told and "tried.conf" not in told, told
    assert lab.client.ping(SERVER4) == 3 and lab.server.ping(CLIENT4) == 0


def test_a_reload_meanwhile_is_on_trial_too(lab, running):
    firewall = running
    before = firewall.say("show", "--running")
    firewall.path.write_text(POLICY + "allow from wan to lan tcp port 22\n")
    firewall.say("reload", "--confirm", "6s")
    firewall.path.write_text(OPEN)
    done = firewall.cli("reload")
    assert done.returncode == 0 and "waits to be confirmed" in done.stderr and is_open(lab)
    returned(firewall, lab)
    assert firewall.say("show", "--running") == before
    firewall.path.write_text("nonsense\n")
    assert firewall.cli("reload", "--confirm", "5s").returncode == 2
    assert "unconfirmed" not in firewall.data("status")[0] and not note(firewall).exists()


def entries(firewall, name):
    return {one["entry"] for one in firewall.data("set", "list", name)}


@pytest.mark.parametrize("dies", [False, True])
def test_the_entries_of_sets_come_back(lab, running, dies):
    """A policy on trial that lacks a run-time set does not let in for good whom it held off."""
    firewall = running
    firewall.path.write_text("set held { } dynamic\nset others { } dynamic, timeout 1h\ndeny from lan source @held\n"
                             "deny from wan source @others\n" + POLICY)
    firewall.say("reload")
    firewall.say("set", "add", "held", CLIENT4)
    firewall.say("set", "add", "others", "198.51.100.0/24", "2001:db8:66::/48")
    assert lab.client.ping(SERVER4) == 0
    firewall.path.write_text("set others { } dynamic, timeout 1h\ndeny from wan source @others\n" + POLICY)
    firewall.say("reload", "--confirm", "4s")
    assert lab.client.ping(SERVER4) == 3
    firewall.say("set", "remove", "others", "198.51.100.0/24")
    if dies:
        firewall.crash()
    wait_for(lambda: firewall.cli("status").returncode == 0 and not note(firewall).exists(), LONG, "the policy before")
    wait_for(lambda: entries(firewall, "held") == {CLIENT4}, 10, "its entries")
    assert entries(firewall, "others") == {"2001:db8:66::/48"}, "what both policies have goes on as it is"
    assert lab.client.ping(SERVER4) == 0
    assert not (note(firewall).parent / "sets.before").exists()


def test_sets_come_back_that_a_policy_on_trial_has_again(running):
    firewall = running
    full = "set held { } dynamic\ndeny from lan source @held\n" + POLICY
    firewall.path.write_text(full)
    firewall.say("reload")
    firewall.say("set", "add", "held", "10.0.0.77")
    firewall.path.write_text(POLICY)
    firewall.say("reload", "--confirm", "60s")
    firewall.path.write_text(full)
    firewall.say("reload")
    assert entries(firewall, "held") == {"10.0.0.77"}
    firewall.say("confirm")
    assert entries(firewall, "held") == {"10.0.0.77"} and not (note(firewall).parent / "sets.before").exists()


def test_zones_and_interfaces_come_back(lab, running):
    firewall = running
    zones = {one["name"]: one["zone"] for one in firewall.data("status")[0]["interfaces"]}
    firewall.path.write_text(MOVED.replace("dummy0", "eth7"))
    firewall.say("reload", "--confirm", "4s")
    assert {one["name"]: one["zone"] for one in firewall.data("status")[0]["interfaces"]} != zones
    assert is_open(lab)
    returned(firewall, lab)
    assert {one["name"]: one["zone"] for one in firewall.data("status")[0]["interfaces"]} == zones

    firewall.path.write_text(POLICY.replace("zone wan { wan0 }", "zone wan { eth7 }\nignore { wan0 }"))
    firewall.say("reload", "--confirm", "4s")
    assert firewall.guarded() == ["lan0"]
    firewall.crash()
    returned(firewall, lab)
    assert sorted(firewall.guarded()) == ["lan0", "wan0"]


def test_wrong_times(running):
    for time_text in ("0s", "x", "25h", "1500ms"):
        done = running.cli("reload", "--confirm", time_text)
        assert done.returncode == 2 and "a time such as 60s" in done.stderr


def test_the_word_to_a_watcher(lab, bare):
    """The daemon of a first start has died. The word keeps the firewall, and the watcher has nothing more to do."""
    firewall = bare.start("--confirm", "1h")
    watcher = watcher_of(firewall.child.pid)
    firewall.crash()
    answer = json.loads(firewall.say("confirm", "--json"))
    assert answer["confirmed"] is True and answer["daemon"] is False and answer["policy"] == str(firewall.path), answer
    wait_for(lambda: not Path(f"/proc/{watcher}").exists(), 20, "the watcher's end")
    assert firewall.filters() and lab.server.ping(CLIENT4) == 0
    firewall.path.write_text("nonsense\n")
    firewall.start("--or-last-good")
    assert "the last good policy" in firewall.data("status")[0]["fallback"]


def test_a_first_start_that_everybody_left(lab, bare):
    """It was never confirmed, so the next start does not take it over; without a policy before, everything is denied."""
    shutil.rmtree(note(bare).parent, ignore_errors=True)
    bare.path.write_text(OPEN)
    firewall = bare.start("--confirm", "1h")
    assert is_open(lab)
    nobody_is_left(firewall)
    expire(firewall)
    firewall.start("--confirm", "1h")  # another chance, if it is asked for
    status = firewall.data("status")[0]
    assert "before" not in status["unconfirmed"] and is_open(lab)
    nobody_is_left(firewall)
    expire(firewall)
    firewall.start()
    status = firewall.data("status")[0]
    assert "was not confirmed in time" in status["fallback"] and "everything is denied" in status["fallback"], status
    assert "WARNING" in firewall.log_path.read_text() and "denies everything" in status["policy_in_force"]
    assert not note(firewall).exists() and not is_open(lab) and lab.client.ping(SERVER4, count=1) == 0
    firewall.say("reload")
    assert is_open(lab) and "fallback" not in firewall.data("status")[0]


def test_a_first_start_is_taken_away(lab, bare):
    firewall = bare.start("--confirm", "5s")
    assert lab.server.ping(CLIENT4) == 0
    assert "before" not in firewall.data("status")[0]["unconfirmed"]
    assert firewall.child.wait(60) == 1
    assert firewall.filters() == "" and lab.server.ping(CLIENT4) == 3
    assert "there is none now" in firewall.log_path.read_text()


def test_a_first_start_whose_daemon_dies(lab, bare):
    firewall = bare.start("--confirm", "10s")
    firewall.crash()
    assert lab.server.ping(CLIENT4) == 0
    wait_for(lambda: firewall.filters() == "", LONG, "the firewall is taken away")
    assert lab.server.ping(CLIENT4) == 3 and not note(firewall).exists()
    wait_for(lambda: not Path(f"/run/keepstate/{firewall.instance()}").exists(), 10, "nothing is left")


def test_a_confirmed_start(lab, bare):
    firewall = bare.start("--confirm", "20s")
    firewall.say("confirm")
    kept = note(firewall).parent / "policy"
    wait_for(lambda: kept.exists() and kept.read_text() == firewall.say("show", "--running"), 10, "it is the last good one")
    firewall.crash()
    firewall.path.write_text(OPEN)
    firewall.start("--confirm", "4s")  # takes over: the policy before is the confirmed one
    assert is_open(lab)
    returned(firewall, lab)


def test_stop_ends_a_trial(lab, bare):
    firewall = bare.start("--confirm", "1h")
    watcher = watcher_of(firewall.child.pid)
    firewall.say("stop")
    assert firewall.child.wait(60) == 0 and firewall.filters() == "" and not note(firewall).exists()
    wait_for(lambda: not Path(f"/proc/{watcher}").exists(), 10, "the watcher's end")
