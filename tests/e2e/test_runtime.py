# SPDX-License-Identifier: BSD-2-Clause
"""Files of the daemon go away, or it does not answer: noticed, said, mended."""
import json
import os
import shutil
import signal
import socket
import subprocess
import time

from lab import CLIENT4, KEEPSTATE, SERVER4, wait_for


def run_second(firewall):
    """Another daemon for the same network namespace; it must be refused."""
    return subprocess.run([KEEPSTATE, "run", "--netns", firewall.host.name, str(firewall.path)], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL)


def directory(firewall):
    return f"/run/keepstate/{firewall.data('status')[0]['instance']}"


def log_of(firewall):
    return firewall.log_path.read_text()


def wait_for_no_warnings(firewall, seconds):
    end = time.monotonic() + seconds
    while (warnings := firewall.data("status")[0]["warnings"]) and time.monotonic() < end:
        time.sleep(0.2)
    assert warnings == [], log_of(firewall)


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
    wait_for_no_warnings(firewall, 30)
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
