# SPDX-License-Identifier: BSD-2-Clause
"""A start where room is short: mount namespaces, a full /run, no memory. Each firewall is one of its own."""
import json
import os
import subprocess

import pytest
from conftest import POLICY
from lab import CLIENT4, KEEPSTATE, SERVER4


@pytest.fixture
def small_group():
    """A control group of 64 MB, of either version."""
    for top, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = f"{top}/kst-{os.getpid()}"
        try:
            os.mkdir(group)
        except OSError:
            continue
        if os.path.exists(f"{group}/{limit}"):
            with open(f"{group}/{limit}", "w") as file:
                file.write(str(64 << 20))
            yield f"{group}/cgroup.procs"
            os.rmdir(group)
            return
        os.rmdir(group)
    pytest.skip("no control group that bounds memory can be made here")


def test_a_table_without_memory_is_refused(lab, make_firewall, small_group):
    """The start says how much it needs, and by which word."""
    firewall = make_firewall(POLICY + "limit states 4000000\n", start=False)
    done = subprocess.run(["sh", "-c", 'echo $$ >"$0" && exec "$@"', small_group, KEEPSTATE, "run", "--netns", lab.gateway.name,
                           str(firewall.path)], capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL)
    assert done.returncode == 3, done
    assert "the state table needs" in done.stderr and "`limit states`" in done.stderr and "the control group" in done.stderr, done
    assert firewall.filters() == ""


# Process 1 of a process namespace with a /run/keepstate of its own. Each command gets another mount namespace, as `ip netns exec` has it.
IN_NAMESPACES = """
mkdir -p /run/keepstate
mount -t tmpfs -o OPTIONS none /run/keepstate
mount --make-PROPAGATION /run/keepstate
keepstate() { nsenter --net=/run/netns/NETWORK unshare --mount --propagation slave PROGRAM "$@"; }
crash() { kill -9 "$(sed 's/.*"pid": *\\([0-9]*\\).*/\\1/' /run/keepstate/net-*/lock)"; sleep 1; }
"""
OUTLIVE = """
keepstate run -d POLICY
keepstate status --json
ls -d /run/keepstate/bpf/net-*
nsenter --net=/run/netns/CLIENT ping -q -c 1 -W 5 SERVER >/dev/null
crash
keepstate status --json || true
keepstate run -d POLICY
keepstate status --json
keepstate states --json
keepstate stop
ls -A /run/keepstate
"""
FULL_AT_START = """
FILL
if keepstate run -d POLICY; then exit 1; else echo $?; fi
ls -A /run/keepstate
"""
FULL_LATER = """
keepstate run -d POLICY
FILL
crash
keepstate run -d POLICY
keepstate status --json
rm /run/keepstate/x
sleep 2
keepstate stop
ls -A /run/keepstate
"""
GONE = """
unshare --net sh -ec 'ip link add lan0 type veth peer name wan0; PROGRAM run -d POLICY; echo $(ls /run/keepstate | grep net-); crash="$(sed "s/.*\\"pid\\": *\\([0-9]*\\).*/\\1/" /run/keepstate/net-*/lock)"; kill -9 $crash'
keepstate run -d POLICY
sleep 1
PROGRAM status --all --json
PROGRAM status --all
PROGRAM stop --gone
PROGRAM status --all --json
if PROGRAM stop --gone; then exit 1; fi
ls -d /run/keepstate/bpf/net-*
keepstate stop
ls -A /run/keepstate
"""
FILL = "head -c 1048576 /dev/zero >/run/keepstate/x 2>/dev/null || true"


def in_namespaces(lab, firewall, script, propagation="private", options="size=1m", fill=""):
    script = IN_NAMESPACES + script
    for word, value in (("PROPAGATION", propagation), ("OPTIONS", options), ("FILL", fill), ("NETWORK", lab.gateway.name),
                        ("CLIENT", lab.client.name), ("PROGRAM", KEEPSTATE), ("POLICY", str(firewall.path)), ("SERVER", SERVER4)):
        script = script.replace(word, value)
    done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "--propagation", "private", "sh", "-ec", script],
                          capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert firewall.filters() == ""
    return done


@pytest.mark.parametrize("propagation", ["private", "shared"])
def test_pins_outlive_a_mount_namespace(lab, make_firewall, propagation):
    """Where no bpf file system is mounted yet, it must not be mounted where only that process sees it."""
    done = in_namespaces(lab, make_firewall(start=False), OUTLIVE, propagation)
    first, where, left, second, *states = [line if line[0] == "/" else json.loads(line) for line in done.stdout.splitlines()]
    assert where.startswith("/run/keepstate/bpf/net-"), "the pins are outside"
    assert first["took_over"] is False and left["in_force"] is True and second["took_over"] is True, done.stdout
    assert [state for state in states if state["proto"] == "icmp" and state["destination"] == SERVER4], done.stdout
    assert "ends with" not in done.stderr and "end with" not in done.stderr, done.stderr


@pytest.mark.parametrize("options, fill", [("nr_inodes=3", ":"), ("size=64k", FILL)], ids=["inodes", "blocks"])
def test_a_start_with_a_full_run_is_refused(lab, make_firewall, options, fill):
    """Nothing is in force then, and nothing is left behind."""
    done = in_namespaces(lab, make_firewall(start=False), FULL_AT_START, options=options, fill=fill)
    assert done.stdout.split() == (["3", "x"] if fill == FILL else ["3"]), done
    assert "No space left on device" in done.stderr, done
    assert lab.server.ping(CLIENT4) == 3, "something is in force"


def test_a_full_run_keeps_nobody_from_taking_over(lab, make_firewall):
    done = in_namespaces(lab, make_firewall(start=False), FULL_LATER, options="size=64k", fill=FILL)
    assert json.loads(done.stdout)["took_over"] is True, done


def test_what_a_gone_namespace_left_is_listed_and_removed(lab, make_firewall):
    """Only that: the firewall of a namespace that lives stays."""
    done = in_namespaces(lab, make_firewall(start=False), GONE)
    gone, *lines = done.stdout.splitlines()
    lists = [json.loads(line) for line in lines if line[0] == "{"]
    assert len(lists) == 3, done
    living, = [one for one in lists[:2] if not one["gone"]]
    assert [one["instance"] for one in lists[:2] if one["gone"]] == [gone] and living["daemon"] and living["netns"] == lab.gateway.name
    assert lists[2] == living
    text = [line for line in lines if line.startswith(gone)]
    assert "network namespace gone" in text[0] and "is removed" in text[1], done
    assert lines[-1] == "/run/keepstate/bpf/" + living["instance"], "its pins stay: " + done.stdout
    assert "no network namespace that is gone has left anything" in done.stderr
