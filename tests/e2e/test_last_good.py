# SPDX-License-Identifier: BSD-2-Clause
"""A policy that does not load at a start: the last good one is in force, or nothing but the box itself may ask."""
import shutil
from pathlib import Path

import pytest
from conftest import POLICY
from lab import CLIENT4, SERVER4, SERVER6, START_SECONDS

BROKEN = POLICY + "alow from lan\n"
SET = POLICY.replace("allow from lan to wan log", 'set bad file "bad.txt"\ndeny from lan to wan destination @bad\nallow from lan to wan log')


@pytest.fixture
def bare(make_firewall):
    """A firewall that is not started, whose namespace has no last good policy; and its persistent directory."""
    firewall = make_firewall(start=False)
    directory = Path("/var/lib/keepstate") / firewall.instance()
    shutil.rmtree(directory, ignore_errors=True)
    yield firewall, directory
    firewall.path.write_text(POLICY)
    firewall.stop()
    shutil.rmtree(directory, ignore_errors=True)


def log_of(firewall):
    return firewall.log_path.read_text()


def end_with(firewall, code):
    """Waits for the end of a start that is refused."""
    assert firewall.child.wait(START_SECONDS) == code, log_of(firewall)


def test_the_last_good_one_comes_back(lab, bare):
    firewall, directory = bare
    firewall.start()
    assert (directory / "policy").read_text() == firewall.say("show", "--running")
    assert directory.stat().st_mode & 0o777 == 0o700
    firewall.stop()
    assert firewall.filters() == ""

    firewall.path.write_text(BROKEN)
    firewall.start("--or-last-good")
    status = firewall.data("status")[0]
    assert "does not load: the last good policy, of " in status["fallback"]
    assert status["warnings"][0] == status["fallback"] and status["rules"] == 7
    assert status["fallback"] in firewall.say("status")
    said = [line.split(maxsplit=1) for line in firewall.say("status").splitlines()]
    assert [words[1] for words in said if words[0] == "policy"][0].startswith("the last good one, of "), said
    assert [words[1] for words in said if words[0] == "refused"] == [f"{firewall.path}: the WARNING below says why"], said
    assert status["policy_in_force"].startswith("the last good one, of ") and status["policy_refused"] == str(firewall.path)
    assert "policy.conf:11:1: error" in log_of(firewall) and status["fallback"] in log_of(firewall)
    assert lab.client.ping(SERVER4) == 3 and lab.server.ping(CLIENT4) == 0
    assert (directory / "policy").read_text() == firewall.say("show", "--running")

    assert firewall.cli("reload").returncode == 2, "the file is still broken"
    assert firewall.data("status")[0]["fallback"]
    firewall.path.write_text(POLICY + "allow from wan to lan icmp type echo-request\n")
    firewall.say("reload")
    status = firewall.data("status")[0]
    assert "fallback" not in status and "policy_refused" not in status and status["policy_in_force"] == str(firewall.path)
    assert "refused" not in firewall.say("status") and lab.server.ping(CLIENT4) == 3


def test_it_needs_no_other_file(lab, bare):
    """The set's file is missing at the next boot."""
    firewall, _ = bare
    file = firewall.path.parent / "bad.txt"
    file.write_text(f"{SERVER4}\n")
    firewall.path.write_text(SET)
    firewall.start()
    assert lab.client.ping(SERVER4) == 0 and lab.client.ping(SERVER6) == 3
    firewall.stop()
    file.unlink()
    firewall.path.write_text(SET)
    firewall.start(wait=False)
    end_with(firewall, 2)
    assert "cannot read" in log_of(firewall) and firewall.filters() == "", "it is not asked for"

    firewall.start("--or-last-good")
    assert firewall.data("status")[0]["fallback"]
    assert lab.client.ping(SERVER4) == 0 and lab.client.ping(SERVER6) == 3


def test_without_one_only_the_box_may_ask(lab, bare):
    firewall, directory = bare
    for text in (BROKEN, "# nothing\n"):
        firewall.path.write_text(text)
        firewall.start("--or-last-good")
        assert "everything is denied but what the box itself asks for" in firewall.data("status")[0]["fallback"]
        assert not (directory / "policy").exists(), "that is no good policy"
        assert lab.gateway.ping(SERVER4) == 3 and lab.gateway.ping(CLIENT4) == 3
        assert lab.gateway.ping(SERVER6) == 3, "neighbours are found"
        assert "192.0.2.10" in lab.gateway.resolve(SERVER4).stdout
        assert lab.client.ping(SERVER4) == 0 and lab.server.ping(CLIENT4) == 0
        assert lab.client.ping("10.0.0.1") == 0 and lab.server.ping("192.0.2.1") == 0
        firewall.stop()
    firewall.start("--or-last-good")
    firewall.path.write_text(POLICY)
    firewall.say("reload")
    assert lab.client.ping(SERVER4) == 3 and (directory / "policy").exists()


def test_a_running_firewall_is_not_touched(lab, bare):
    """The daemon died, its policy does not load any more, and no other is known: what is in the kernel goes on."""
    firewall, directory = bare
    firewall.start()
    firewall.crash()
    shutil.rmtree(directory)
    told = firewall.cli("status").stdout
    good, firewall.path = firewall.path, firewall.path.with_name("broken.conf")
    firewall.path.write_text(BROKEN)
    for options in ([], ["--or-last-good"]):
        firewall.start(*options, wait=False)
        end_with(firewall, 2)
        assert lab.client.ping(SERVER4) == 3 and lab.server.ping(CLIENT4) == 0
        assert str(good) in told and firewall.cli("status").stdout == told, "whose policy is in force"
    assert "stays in force" in log_of(firewall) and "everything is denied" not in log_of(firewall)
    firewall.path = good


def test_a_taken_over_one_keeps_its_states(lab, bare, watch):
    firewall, _ = bare
    firewall.start()
    watch.start(lab.server, "serve", 5611)
    follower = watch.start(lab.client, "follow", SERVER4, 5611)
    firewall.crash()
    firewall.path.write_text(BROKEN)
    firewall.start("--or-last-good")
    assert firewall.data("status")[0]["took_over"] and lab.server.ping(CLIENT4) == 0
    assert watch.end(follower)["error"] is None


def test_an_empty_policy_is_refused(lab, bare):
    firewall, _ = bare
    firewall.path.write_text("\n")
    firewall.start(wait=False)
    end_with(firewall, 2)
    assert "the policy has no zone" in log_of(firewall) and firewall.filters() == ""

    firewall.path.write_text(POLICY)
    firewall.start()
    firewall.path.write_text("")
    done = firewall.cli("reload")
    assert done.returncode == 2 and "the policy has no zone" in done.stderr
    assert lab.client.ping(SERVER4) == 3 and lab.server.ping(CLIENT4) == 0
