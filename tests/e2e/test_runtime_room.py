# SPDX-License-Identifier: BSD-2-Clause
"""A start where room is short: mount namespaces, a full /run, no memory. Each firewall is one of its own."""
import json
import os
import shutil
import subprocess
from pathlib import Path

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
leave() {
    unshare --net sh -ec 'ip link add lan0 type veth peer name wan0; PROGRAM run -d POLICY; name="net-$(stat -L -c %i /proc/self/ns/net)"; echo $name; kill -9 $(sed "s/.*\\"pid\\": *\\([0-9]*\\).*/\\1/" /run/keepstate/$name/lock)'
}
restricted() { setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace PROGRAM "$@"; }
await() { for i in $(seq 150); do if "$@" | grep -q "namespace.* gone: "; then return; fi; sleep 0.2; done; exit 1; }
hidden=$(leave)
await restricted status --all
if restricted stop --gone; then exit 1; fi
if restricted stop --gone net-1; then exit 1; fi
restricted status --all | grep "perhaps gone: [0-9]* process" >&2
restricted stop --gone $hidden | grep "is removed" >&2
leave
keepstate run -d POLICY
if PROGRAM stop --gone net-$(stat -L -c %i /run/netns/NETWORK); then exit 1; fi
await PROGRAM status --all
PROGRAM status --all --json
PROGRAM status --all
PROGRAM stop --gone
PROGRAM status --all --json
if PROGRAM stop --gone; then exit 1; fi
ls -d /run/keepstate/bpf/net-*
keepstate stop
ls -A /run/keepstate
"""
NO_ROOM = """
mkdir -p /var/lib/keepstate
mount -t tmpfs -o size=64k none /var/lib/keepstate
keepstate run -d POLICY
head -c 1048576 /dev/zero >/var/lib/keepstate/x 2>/dev/null || true
for word in "reload --confirm 1h" "stop --save"; do if keepstate $word; then exit 1; fi; done
keepstate status --json
crash
if keepstate stop --save; then exit 1; fi
rm /var/lib/keepstate/x
mount -o remount,ro /var/lib/keepstate
keepstate run -d --confirm 1h POLICY
if keepstate stop --save; then exit 1; fi
crash
keepstate status --json || true
keepstate confirm --json
keepstate stop
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
    said = [line for line in done.stderr.splitlines() if "No space left on device" in line or "cannot write" in line]
    assert len(said) == 1 and "No space left on device" in said[0], done
    assert lab.server.ping(CLIENT4) == 3, "something is in force"


def test_a_full_run_keeps_nobody_from_taking_over(lab, make_firewall):
    done = in_namespaces(lab, make_firewall(start=False), FULL_LATER, options="size=64k", fill=FILL)
    assert json.loads(done.stdout)["took_over"] is True, done


def test_no_room_for_what_is_kept(lab, make_firewall):
    """/var/lib is full, then read-only: nothing is promised that cannot be kept, and nothing lost that could be."""
    done = in_namespaces(lab, make_firewall(start=False), NO_ROOM)
    full, left, confirmed = [json.loads(line) for line in done.stdout.splitlines() if line[0] == "{"]
    assert full["pid"] and "unconfirmed" not in full
    assert "before could not be promised to come back" in done.stderr and "No space left on device; the old policy stays" in done.stderr, done
    refused = [line for line in done.stderr.splitlines() if "nothing was stopped" in line]
    assert [line.split(": ")[-1] for line in refused] == ["No space left on device; nothing was stopped"] * 2 + [
        "Read-only file system; nothing was stopped"], done
    assert left["in_force"] is True and left["unconfirmed"]["seconds_left"] > 3000, done
    assert confirmed["confirmed"] is True and confirmed["daemon"] is False, done


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
    assert done.stderr.count("no network namespace that is surely gone has left anything") == 2
    assert "CAP_SYS_PTRACE" in done.stderr and "net-1: there is no such firewall" in done.stderr, done
    assert living["instance"] + ": its network namespace is there: " + lab.gateway.name in done.stderr, done


def owned_directory(name, owner):
    """A persistent directory as a firewall leaves it."""
    directory = Path("/var/lib/keepstate") / name
    shutil.rmtree(directory, ignore_errors=True)  # of an earlier test whose namespace had this number
    directory.mkdir(parents=True)
    for file in ("policy", "states"):
        (directory / file).write_text("x\n")
    if owner:
        (directory / "owner").write_text(owner + "\n")
    return directory


def sees_all_processes():
    """Elsewhere a namespace of this boot is never surely gone."""
    if os.stat("/proc/self/ns/pid").st_ino != 0xEFFFFFFC:
        return False
    for process in Path("/proc").glob("[0-9]*"):
        try:
            os.stat(process / "ns" / "net")
        except PermissionError:
            return False
        except OSError:
            pass
    return True


def test_directories_of_gone_namespaces_are_removed(lab, make_firewall):
    """At a start: those that surely belong to nobody. Not those of a namespace that lives, or without an owner."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    living = f"net-{os.stat(f'/run/netns/{lab.client.name}').st_ino}"
    own = os.getpid()  # numbers that nobody else uses
    old, dead, unowned, other = f"net-1{own}", f"net-2{own}", f"net-3{own}", f"net-4{own}x"
    made = {name: owned_directory(name, owner) for name, owner in
            ((old, "5c0f4b4e-0000-4000-8000-000000000000 7"), (dead, f"{boot} 7"), (unowned, ""), (other, f"{boot} 8"), (living, f"{boot} 9"))}
    try:
        firewall = make_firewall()
        left = {name for name, directory in made.items() if directory.exists()}
        assert left == {unowned, other, living} | (set() if sees_all_processes() else {dead}), firewall.log_path.read_text()
        assert all((made[name] / "states").exists() for name in left)
    finally:
        for directory in made.values():
            shutil.rmtree(directory, ignore_errors=True)
