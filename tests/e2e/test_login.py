# SPDX-License-Identifier: BSD-2-Clause
"""A policy that is put in force from a remote login which it would not let open again: a warning with the missing line."""
import os
import subprocess

import pytest
from conftest import POLICY
from lab import CLIENT4, CLIENT6, LAN4, LAN6, SERVER4, WAN4, end_process, wait_for

SSH = "allow from lan to self tcp port 22\n"
LOGIN = f"{CLIENT4} 40000 {LAN4} 22"


def reload(firewall, text, login, *options, through=()):
    """Reloads as from that login. Returns what is said on standard error."""
    firewall.path.write_text(text)
    words = [*through, firewall.program, "reload", "--netns", firewall.host.name, *options, str(firewall.path)]
    env = {name: value for name, value in os.environ.items() if name != "SSH_CONNECTION"}
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env={**env, **({"SSH_CONNECTION": login} if login else {})})
    assert done.returncode == 0, done
    return done.stderr


@pytest.mark.parametrize("login, zone", [(LOGIN, "lan"), (f"{CLIENT6} 40000 {LAN6} 2222", "lan"), (f"{SERVER4} 1 {WAN4} 22", "wan")])
def test_the_missing_line_is_said(lab, firewall, login, zone):
    port = login.split()[3]
    said = reload(firewall, POLICY, login)
    assert f"`allow from {zone} to self tcp port {port}` is missing" in said and "--confirm" in said
    assert login.split()[0] in said and "could not be opened again: no flow knows it" in said
    assert "this login" not in reload(firewall, POLICY + f"allow from {zone} to self tcp port {port}\n", login)
    assert "this login" not in reload(firewall, POLICY, None)


def test_a_rule_that_denies_is_named(firewall):
    said = reload(firewall, "zone lan { lan0 }\nzone wan { wan0 }\ndeny from lan to self tcp\nallow from lan\nallow from self\n", LOGIN)
    assert f"is missing before {firewall.path}:3 (deny from lan to self tcp)" in said or \
        f"`allow from lan to self tcp port 22` before {firewall.path}:3 (deny from lan to self tcp) is missing" in said


def test_an_interface_in_no_zone(firewall):
    said = reload(firewall, "zone wan { wan0 }\nallow from self\n", LOGIN)
    assert "lan0" in said and "in no zone" in said and "`allow from ZONE to self tcp port 22`" in said


def test_who_is_not_judged_is_not_warned(firewall):
    assert "this login" not in reload(firewall, "zone wan { wan0 }\nignore { lan0 }\nallow from self\n", LOGIN)
    for login in ("10.0.0.10 40000 10.0.0.99 22", "nonsense", "10.0.0.10 40000 10.0.0.1 70000", "fe80::1 1 10.0.0.1 22", "a b c d"):
        assert "this login" not in reload(firewall, POLICY, login)


def test_a_parent_process_tells(firewall):
    """sudo cleans the environment."""
    said = reload(firewall, POLICY, LOGIN, through=["sh", "-c", 'env -u SSH_CONNECTION "$@"; exit $?', "sh"])
    assert "this login" in said


def test_a_dry_run_and_a_trial(firewall):
    reload(firewall, POLICY + SSH, None)
    assert "this login" in reload(firewall, POLICY, LOGIN, "--dry-run")
    assert "this login" not in reload(firewall, POLICY + SSH, LOGIN, "--dry-run")
    said = reload(firewall, POLICY, LOGIN, "--confirm", "30s")
    assert "this login" in said and "With --confirm" not in said and "keepstate confirm" in said
    firewall.say("confirm")


def test_a_start_warns(lab, make_firewall, monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", LOGIN)
    firewall = make_firewall(start=False)
    lab.gateway.run(firewall.program, "stop")
    firewall.start()
    wait_for(lambda: "this login" in firewall.log_path.read_text(), 10, "a warning")
    firewall.stop()
    end_process(firewall.child) if firewall.child else None
