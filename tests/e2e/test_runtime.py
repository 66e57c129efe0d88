# SPDX-License-Identifier: BSD-2-Clause
"""Files of the daemon go away, or it does not answer: noticed, said, mended."""
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest
from conftest import POLICY
from lab import CLIENT4, KEEPSTATE, SERVER4, wait_for


def run_second(firewall):
    """Another daemon for the same network namespace; it must be refused."""
    return subprocess.run([KEEPSTATE, "run", "--netns", firewall.host.name, str(firewall.path)], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL)


def directory(firewall):
    return f"/run/keepstate/{firewall.data('status')[0]['instance']}"


def log_of(firewall):
    return firewall.log_path.read_text()


def test_status_without_anything(lab, make_firewall):
    firewall = make_firewall(start=False)
    for command in ("status", "states", "reload"):
        done = firewall.cli(command)
        assert done.returncode == 3 and "no daemon runs in this network namespace" in done.stderr, done
    assert "in force" not in done.stdout + done.stderr


def test_stop_while_the_directory_is_missing(lab, make_firewall):
    firewall = make_firewall()
    name = firewall.data("status")[0]["instance"]
    shutil.rmtree(f"/run/keepstate/{name}")
    firewall.stop()
    assert firewall.filters() == ""
    assert not os.path.exists(f"/run/keepstate/{name}") and not os.path.exists(f"/run/keepstate/bpf/{name}")


def test_status_after_sigterm(lab, firewall):
    """`systemctl stop` sends it: the firewall stays in force, and `status` says so."""
    since = firewall.data("status")[0]["since"]
    firewall.child.terminate()
    assert firewall.child.wait(10) == 0
    assert "stays in force in the kernel" in log_of(firewall)
    done = firewall.cli("status")
    assert done.returncode == 3 and "in force, no daemon" in done.stdout and str(firewall.path) in done.stdout, done
    done = firewall.cli("status", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 3 and answer["in_force"] is True and answer["daemon"] is False and answer["since"] == since
    for command in ("states", "counters", "reload", "log"):
        done = firewall.cli(command)
        assert done.returncode == 3 and "in force, no daemon" in done.stderr and "keepstate run FILE" in done.stderr, done
    assert lab.server.ping(CLIENT4) == 0


def test_status_after_kill_9(lab, firewall):
    firewall.crash()
    done = firewall.cli("status")
    assert done.returncode == 3 and "in force, no daemon" in done.stdout, done


def test_a_suspended_daemon_is_said_within_3_seconds(lab, firewall):
    firewall.child.send_signal(signal.SIGSTOP)
    try:
        for command in ("status", "states", "counters", "reload", "log", "stop"):
            began = time.monotonic()
            done = firewall.cli(command)
            took = time.monotonic() - began
            assert done.returncode == 3 and f"process {firewall.child.pid}) is suspended (SIGSTOP)" in done.stderr, done
            assert took < 3.5, f"{command}: {took} s"
        assert "kill -CONT" in done.stderr
    finally:
        firewall.child.send_signal(signal.SIGCONT)
    firewall.say("status")


def test_idle_clients_keep_nobody_away(firewall):
    """Connections that ask nothing, more than there are places; some say half of something."""
    path = directory(firewall) + "/control.sock"
    idle = []
    for i in range(100):
        one = socket.socket(socket.AF_UNIX)
        one.connect(path)
        if i % 2:
            one.sendall(b"GET /v1/status HT")
        idle.append(one)
    began = time.monotonic()
    firewall.say("status")
    assert time.monotonic() - began < 3
    follower = firewall.host.start(KEEPSTATE, "log")
    time.sleep(0.5)
    for _ in range(70):
        one = socket.socket(socket.AF_UNIX)
        one.connect(path)
        idle.append(one)
    firewall.say("status")
    assert follower.poll() is None, "who waits for an answer keeps its connection"
    follower.terminate()
    for one in idle:
        one.close()
    firewall.say("status")


def test_followers_leave_room_for_questions(firewall):
    followers = [firewall.host.start(KEEPSTATE, "log") for _ in range(48)]
    try:
        wait_for(lambda: firewall.data("status")[0]["followers"] == 48, 20, "48 followers")
        done = firewall.cli("log")
        assert done.returncode == 3 and "follow the log already" in done.stderr, done
        firewall.say("states")
    finally:
        for one in followers:
            one.terminate()
        for one in followers:
            one.wait(10)


def test_a_removed_directory_is_made_again(lab, firewall, watch):
    """No second daemon starts beside the first, and commands find it again."""
    where = directory(firewall)
    shutil.rmtree(where)
    done = run_second(firewall)
    assert done.returncode == 1 and f"process {firewall.child.pid}" in done.stderr, done
    wait_for(lambda: firewall.cli("status").returncode == 0, 10, "the daemon answers again")
    assert "somebody removed its runtime directory" in log_of(firewall)
    assert sorted(os.listdir(where)) == ["control.sock", "lock", "rules.json"]
    done = run_second(firewall)
    assert done.returncode == 1 and f"process {firewall.child.pid}" in done.stderr and str(firewall.path) in done.stderr, done
    firewall.crash()
    firewall.start()
    assert firewall.data("status")[0]["took_over"]


def test_a_removed_socket_is_made_again(firewall):
    os.unlink(directory(firewall) + "/control.sock")
    wait_for(lambda: firewall.cli("status").returncode == 0, 10, "the daemon answers again")
    assert "somebody removed its control socket" in log_of(firewall)


def test_removed_pins_are_made_again(lab, firewall, watch):
    """Then a crash loses no state."""
    watch.start(lab.server, "serve", 5700)
    follower = watch.start(lab.client, "follow", SERVER4, 5700)
    name = firewall.data("status")[0]["instance"]
    pins = f"/run/keepstate/bpf/{name}"
    before = {folder: set(os.listdir(f"{pins}/{folder}")) for folder in os.listdir(pins)}
    shutil.rmtree(pins)

    def mended():
        return os.path.isdir(pins) and {folder: set(os.listdir(f"{pins}/{folder}")) for folder in os.listdir(pins)} == before

    wait_for(mended, 15, "all pins are there again")
    assert "somebody removed its pins" in log_of(firewall)
    wait_for(lambda: firewall.data("status")[0]["warnings"] == [], 10, "all is guarded again")
    firewall.crash()
    firewall.start()
    assert firewall.data("status")[0]["took_over"]
    assert [flow for flow in firewall.data("states") if "5700" in str(flow)], "the state was lost"
    assert watch.end(follower)["error"] is None
    assert lab.server.ping(CLIENT4) == 0


def in_namespace(lab, words, propagation, setup=":"):
    """A command in the gateway's network and in a mount namespace of its own, which ends with it, as `ip netns exec` has it."""
    return ["unshare", "--mount", "--propagation", propagation, "sh", "-ec", setup + '; exec "$@"', "sh", "nsenter",
            f"--net=/run/netns/{lab.gateway.name}", *words]


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
