# SPDX-License-Identifier: BSD-2-Clause
"""Files of the daemon go away, or it does not answer: noticed, said, mended."""
import json
import os
import shutil
import signal
import socket
import subprocess
import time

from lab import CLIENT4, KEEPSTATE, PATIENCE, SERVER4, uses_port, wait_for


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
    assert firewall.child.wait(PATIENCE) == 0
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


def test_a_suspended_daemon_is_said(lab, firewall):
    firewall.child.send_signal(signal.SIGSTOP)
    try:
        for command in ("status", "states", "counters", "reload", "log", "stop"):
            done = firewall.cli(command)
            assert done.returncode == 3 and f"process {firewall.child.pid}) is suspended (SIGSTOP)" in done.stderr, done
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
    firewall.say("status")
    followers = firewall.data("status")[0]["followers"]
    follower = firewall.host.start(KEEPSTATE, "log")
    wait_for(lambda: firewall.data("status")[0]["followers"] > followers, 10, "the log is followed")
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
            one.wait(PATIENCE)


def test_a_removed_directory_is_made_again(lab, firewall, watch):
    """No second daemon starts beside the first, and commands find it again."""
    where = directory(firewall)
    shutil.rmtree(where)
    done = run_second(firewall)
    assert done.returncode == 1 and f"process {firewall.child.pid}" in done.stderr, done
    wait_for(lambda: firewall.cli("status").returncode == 0, 10, "the daemon answers again")
    assert "somebody removed its runtime directory" in log_of(firewall)
    assert sorted(os.listdir(where)) == ["control.sock", "lock", "read.sock", "rules.json"]
    done = run_second(firewall)
    assert done.returncode == 1 and f"process {firewall.child.pid}" in done.stderr and str(firewall.path) in done.stderr, done
    firewall.crash()
    firewall.start()
    assert firewall.data("status")[0]["took_over"]


def test_a_removed_socket_is_made_again(firewall):
    os.unlink(directory(firewall) + "/control.sock")
    wait_for(lambda: firewall.cli("status").returncode == 0, 10, "the daemon answers again")
    assert "somebody removed its control socket" in log_of(firewall)


def ask(path, method, target, body=None):
    """Asks by a unix socket. Returns the status and the body."""
    done = subprocess.run(["curl", "-sS", "--max-time", "10", "--unix-socket", path, "-X", method, "-w", "\n%{http_code}",
                           *(["--data-binary", body] if body else []), f"http://keepstate{target}"], capture_output=True, text=True)
    assert done.returncode == 0, done
    text, status = done.stdout.rsplit("\n", 1)
    return int(status), text


def test_the_read_only_socket_shows_everything_and_changes_nothing(lab, firewall, watch):
    watch.start(lab.server, "serve", 5700)
    watch.start(lab.client, "follow", SERVER4, 5700)
    path = directory(firewall) + "/read.sock"
    assert os.stat(path).st_mode & 0o777 == 0o660
    for target in ("/v1/status", "/v1/states", "/v1/counters", "/v1/policy", "/v1/mappings", "/v1/limits", "/v1/sets"):
        assert ask(path, "GET", target)[0] == 200, target
    words = json.dumps({"packet": f"lan {CLIENT4}:1 > wan {SERVER4}:80 tcp syn"})
    assert json.loads(ask(path, "POST", "/v1/explain", words)[1])["verdict"] == "allow"
    before = firewall.data("status")[0]
    for method, target in (("DELETE", "/v1/states?all=1"), ("POST", "/v1/reload"), ("POST", "/v1/confirm"), ("POST", "/v1/stop"),
                           ("POST", "/v1/sets?name=x"), ("PUT", "/v1/sets?name=x"), ("DELETE", "/v1/sets?name=x&all=1")):
        status, text = ask(path, method, target, "{}")
        assert status == 403 and "nothing can be changed" in text, (method, target, status, text)
    assert ask(path, "POST", "/v1/status")[0] == 405 and ask(path, "GET", "/v2")[0] == 404
    after = firewall.data("status")[0]
    assert after["reloads"] == before["reloads"] and after["table"]["killed"] == before["table"]["killed"]


def test_readers_take_no_places_from_the_control_socket(firewall):
    path = directory(firewall) + "/read.sock"
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(64)]
    for i, one in enumerate(crowd):
        one.connect(path)
        one.sendall(b"GET /v1/log HTTP/1.1\r\nHost: keepstate\r\n\r\n" if i < 20 else b"GET /v1/status HT")
    try:
        wait_for(lambda: firewall.data("status")[0]["followers"] == 16, 10, "16 followers, and no more")
        status, text = ask(path, "GET", "/v1/log")
        assert status == 503 and "16 clients follow the log already" in text, (status, text)
        follower = firewall.host.start(KEEPSTATE, "log")
        wait_for(lambda: firewall.data("status")[0]["followers"] == 17, 10, "one by the control socket")
        follower.terminate()
        assert ask(path, "GET", "/v1/status")[0] == 200, "who is idle makes room"
    finally:
        for one in crowd:
            one.close()
    wait_for(lambda: firewall.data("status")[0]["followers"] == 0, 10, "they are gone, and their places free")


def test_a_removed_read_only_socket_is_made_again(firewall):
    path = directory(firewall) + "/read.sock"
    os.unlink(path)
    wait_for(lambda: os.path.exists(path) and ask(path, "GET", "/v1/status")[0] == 200, 10, "it answers again")
    assert "somebody removed its read-only socket" in log_of(firewall)


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
    assert [flow for flow in firewall.data("states") if uses_port(flow, 5700)], "the state was lost"
    assert watch.end(follower)["error"] is None
    assert lab.server.ping(CLIENT4) == 0


def in_namespace(lab, words, propagation, setup=":"):
    """A command in the gateway's network and in a mount namespace of its own, which ends with it, as `ip netns exec` has it."""
    return ["unshare", "--mount", "--propagation", propagation, "sh", "-ec", setup + '; exec "$@"', "sh", "nsenter",
            f"--net=/run/netns/{lab.gateway.name}", *words]
