# SPDX-License-Identifier: BSD-2-Clause
"""The log is kept: by a process without rights, over kill -9 of it and of the daemon, and a full disk is not the firewall's concern."""
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import journals
import pytest
from conftest import POLICY
from journals import SLOW, Journal
from lab import CLIENT4, LAN4, SERVER4, Firewall, end_process, wait_for

pytestmark = pytest.mark.skipif(bool(journals.reason_to_skip()), reason=str(journals.reason_to_skip()))

RULES = POLICY.replace("option log-drops on", "option log-drops on\nlimit log 5000, log-per-source 5000")


@pytest.fixture(scope="module")
def wall(lab, tmp_path_factory):
    firewall = Firewall(lab.gateway, RULES, tmp_path_factory.mktemp("journal")).start()
    yield firewall
    firewall.stop()


@pytest.fixture
def journal(wall, tmp_path):
    """A new journal beside the firewall."""
    made = Journal(wall, tmp_path / "journal.log").start()
    yield made
    made.end()
    shutil.rmtree(f"/var/lib/keepstate/journal/{wall.instance()}", ignore_errors=True)


def knock(lab, first, count=1):
    """Packets to ports of the gateway that nothing lets in."""
    lab.client.run("bash", "-c", f"for port in $(seq {first} {first + count - 1}); do echo x >/dev/udp/{LAN4}/$port; done")


def ports(lines):
    return [line["destination_port"] for line in lines if line.get("event") == "drop"]


def history(wall, *words):
    done = wall.cli("log", "--json", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def kept(wall, *wanted, words=("--since", "10m")):
    """Waits until the journal has all the ports; returns all."""
    def look():
        found = ports(history(wall, *words))
        return found if set(wanted) <= set(found) else None

    return wait_for(look, SLOW, f"ports {wanted} are kept")


def test_process_without_rights(journal):
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{journal.keeper()}/status").read_text().splitlines() if ":\t" in line)
    assert "0" not in status["Uid"].split()
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"
    assert sorted(os.listdir(f"/proc/{journal.keeper()}/root")) == ["journal.db", "journal.db-shm", "journal.db-wal", "journal.db.owner"]
    opener = dict(line.split(":\t", 1) for line in Path(f"/proc/{journal.child.pid}/status").read_text().splitlines() if ":\t" in line)
    assert int(opener["CapEff"], 16) == int(opener["CapBnd"], 16) == 0
    linked = subprocess.run(["ldd", journals.KEEPSTATE], capture_output=True, text=True, check=True).stdout
    assert "sqlite" not in linked


def test_history(lab, wall, journal):
    knock(lab, 7001, 3)
    assert lab.client.run("ping", "-c", "1", "-W", "2", SERVER4).returncode == 0
    assert kept(wall, 7001, 7002, 7003) == [7001, 7002, 7003]
    out = wait_for(lambda: history(wall, "--since", "10m", "--rule", "out"), SLOW, "the ping is kept, too")
    assert ports(history(wall, "--since", "10m", "--port", 7002)) == [7002]
    assert ports(history(wall, "--last", 2)) == [7003] or ports(history(wall, "--last", 3)) == [7002, 7003]
    assert history(wall, "--since", "10m", "--address", "10.9.0.0/16") == []
    assert ports(history(wall, "--until", "10m")) == []
    assert [(line["verdict"], line["proto"], line["source"]) for line in out] == [("allow", "icmp", CLIENT4)]
    text = wall.say("log", "--since", "10m", "--zone", "lan")
    assert f"lan {CLIENT4}" in text and "udp" in text and '"out"' in text
    for words in (("--since", "never"), ("--rule", "out", "--address", "10.0.0.300"), ("--at", "10:00")):
        assert wall.cli("log", *words).returncode == 2, words


def test_another_namespace_with_this_number(lab, wall, journal):
    """The inode of a namespace that is gone is the name of a new one, whose cookie is another: it begins its own journal."""
    knock(lab, 7041)
    kept(wall, 7041)
    journal.end()
    journal.start()
    assert ports(history(wall, "--since", "10m", "--port", 7041)) == [7041], "the same one goes on"
    journal.end()
    directory = Path(f"/var/lib/keepstate/journal/{wall.instance()}")
    owner = (directory / "journal.db.owner").read_text()
    (directory / "journal.db.owner").write_text(owner.split()[0] + " 1")
    journal.start()
    assert ports(history(wall, "--since", "10m")) == []
    assert (directory / "journal.db.owner").read_text() == owner and (directory / "journal.db.old").stat().st_size
    assert "of another network namespace" in journal.log_path.read_text()


def test_several_of_each_filter(lab, wall, journal):
    """Of several values one must hold, of the past as of what comes; an option for one value refuses a second one."""
    knock(lab, 7051, 4)
    kept(wall, 7054)
    words = ("--port", 7051, "--port", "7053-7054", "--proto", "tcp", "--proto", "udp")
    assert ports(history(wall, "--since", "10m", *words)) == [7051, 7053, 7054]
    child = subprocess.Popen([wall.program, "log", "--netns", wall.host.name, "--json", "-n", "2", *[str(word) for word in words]],
                             stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    try:
        wait_for(lambda: knock(lab, 7051, 4) or child.poll() is not None, SLOW, "two of them came")
        assert set(ports([json.loads(line) for line in child.stdout])) <= {7051, 7053, 7054}
    finally:
        end_process(child)
    for command in (("log", "--since", "5m", "--since", "10m"), ("states", "--sort", "age", "--sort", "rate"), ("top", "--every", "2s", "--every", "3s")):
        done = wall.cli(*command)
        assert done.returncode == 2 and f"{command[1]} stands there twice" in done.stderr, done


def test_follow_without_a_journal(lab, wall, tmp_path):
    """It says so, and shows what comes."""
    with (tmp_path / "said").open("w") as said:
        child = subprocess.Popen([wall.program, "log", "-f", "--netns", wall.host.name, "--json", "-n", "1"], stdout=subprocess.PIPE, stderr=said,
                                 stdin=subprocess.DEVNULL, text=True)
    try:
        wait_for(lambda: knock(lab, 7061) or child.poll() is not None, SLOW, "a packet is told")
        assert ports([json.loads(line) for line in child.stdout]) == [7061]
    finally:
        end_process(child)
    assert "no journal (keepstate-journal) runs here" in (tmp_path / "said").read_text()


def test_pages_and_conditions(lab, wall, journal):
    knock(lab, 7101, 40)
    kept(wall, 7140)
    newest = journal.lines("/v1/history", order="desc", limit=15)
    older = journal.lines("/v1/history", order="desc", limit=15, before=newest[-1]["cursor"])
    oldest = journal.lines("/v1/history", order="desc", limit=15, before=older[-1]["cursor"])
    assert ports(newest + older + oldest) == list(range(7140, 7100, -1))
    assert ports(journal.lines("/v1/history", port=["7101", "7105-7107", "!7106"])) == [7101, 7105, 7107]
    for path, parameters in (("/v1/history", {"colour": "red"}), ("/v1/flows", {"reason": "new"}), ("/v1/history", {"limit": "x"}),
                             ("/v1/flows", {"who": "10.0.0.1"}), ("/v1/figures", {"span": "7"})):
        status, body = journal.ask(path, **parameters)
        assert status == 400 and json.loads(body)["error"], path
    done = wall.cli("log", "--since", "5m", "--until", "10m")
    assert done.returncode == 2 and "--until is not after --since" in done.stderr
    assert journal.ask("/v1/stop")[0] == 404


def test_figures(lab, wall, journal):
    knock(lab, 7201, 20)
    points = wait_for(lambda: [point for point in journal.lines("/v1/figures", span=1) if point["dropped"][0] >= 20], SLOW, "a second")
    assert sum(points[-1]["reasons"].values()) == points[-1]["dropped"][0]
    assert sum(pair["dropped"][0] for pair in points[-1]["zones"]) == points[-1]["dropped"][0]


def test_kill_of_the_journal_loses_a_second_at_most(lab, wall, journal):
    knock(lab, 7301, 10)
    kept(wall, 7310)
    knock(lab, 7311, 5)
    time.sleep(1.2)
    knock(lab, 7321, 3)
    journal.kill()
    assert wall.cli("log", "--since", "10m").returncode == 3
    journal.start()
    found = kept(wall, 7310)
    assert set(range(7301, 7316)) <= set(found)
    assert len(found) == len(set(found))


def test_follow_over_restarts(lab, wall, journal, tmp_path):
    """History, then live; the journal is killed, the daemon is killed: no entry comes twice."""
    knock(lab, 7401, 3)
    kept(wall, 7403)
    path = tmp_path / "followed"
    with path.open("w") as out:
        child = subprocess.Popen([wall.program, "log", "-f", "--since", "10m", "--json", "--netns", wall.host.name], stdout=out,
                                 stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        def followed():
            return ports([json.loads(line) for line in path.read_text().splitlines()])

        wait_for(lambda: 7403 in followed(), SLOW, "the history is there")
        knock(lab, 7404)
        wait_for(lambda: 7404 in followed(), SLOW, "an entry that came later is there")
        journal.kill()
        journal.start()
        knock(lab, 7405)
        wait_for(lambda: 7405 in followed(), SLOW, "it goes on after the journal's restart")
        wall.crash()
        time.sleep(1.6)  # less is no gap
        wall.start()
        wait_for(lambda: journal.state()["daemon"], SLOW, "the journal follows the new daemon")
        knock(lab, 7406)
        wait_for(lambda: 7406 in followed(), SLOW, "it goes on after the daemon's restart")
        assert child.poll() is None
        assert followed() == [7401, 7402, 7403, 7404, 7405, 7406]
        gaps = [line for line in history(wall, "--since", "10m") if line["event"] == "gap"]
        assert gaps, "nobody listened while the daemon was away"
        said = [line for line in wall.say("log", "--since", "10m").splitlines() if line.split()[1] == "gap"]
        assert len(said) == len(gaps) and all(re.search(r"  gap     of [0-9.]+m?s: ", line) for line in said), said
    finally:
        end_process(child)


def test_silent_journal_keeps_no_status_back(wall, journal):
    os.kill(journal.keeper(), signal.SIGSTOP)
    try:
        done = wall.cli("status", timeout=60)
    finally:
        os.kill(journal.keeper(), signal.SIGCONT)
    assert done.returncode == 0 and "guarded" in done.stdout, done
    assert "the journal does not answer" in done.stderr


def test_full_disk_stops_the_journal_only(lab, wall, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16M,mode=755", "kst-journal", str(disk)], check=True)
    journal = Journal(wall, tmp_path / "journal.log", "--directory", str(disk / "journal"))
    try:
        journal.start()
        knock(lab, 7501)
        kept(wall, 7501)
        with (disk / "filler").open("wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 4096):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC

        def stopped():
            knock(lab, 7600, 50)
            return journal.state()["state"] == "stopped"

        wait_for(stopped, 60, "the journal stops")
        assert "full" in journal.state()["why"]
        assert "stopped, the firewall is not concerned" in journal.log_path.read_text()
        assert "journal" in wall.say("status") and "full" in wall.say("status")
        assert lab.client.run("ping", "-c", "1", "-W", "2", SERVER4).returncode == 0
        assert 7501 in ports(history(wall, "--since", "10m")), "what was kept can be read"
        (disk / "filler").unlink()
        wait_for(lambda: journal.state()["state"] == "writing", 60, "the journal goes on by itself")
        wait_for(lambda: journal.state()["daemon"], SLOW, "it follows again")
        knock(lab, 7502)
        kept(wall, 7502)
        assert any(line["event"] == "gap" for line in journal.lines("/v1/history"))
    finally:
        journal.end()
        subprocess.run(["umount", str(disk)], check=True)


def test_policy_turns_it_off(lab, wall, journal):
    """Nothing is followed then, so the programs make no events."""
    wait_for(lambda: wall.data("status")[0]["followers"] == 1, SLOW, "only this journal follows")
    wait_for(lambda: len(journal.lines("/v1/policies")) == 1, SLOW, "the policy is known")
    wall.path.write_text(RULES + "option journal off\n")
    try:
        wall.say("reload")
        wait_for(lambda: journal.state()["state"] == "off", SLOW, "it is off")
        wait_for(lambda: wall.data("status")[0]["followers"] == 0, SLOW, "nobody follows")
        wall.path.write_text(RULES + "option journal 32M, journal-age 7d\n")
        wall.say("reload")
        wait_for(lambda: journal.state()["daemon"], SLOW, "it is on again")
        assert (journal.state()["limit"], journal.state()["age_limit"]) == (32 << 20, 7 * 86400)
        wait_for(lambda: len(journal.lines("/v1/policies")) == 3, SLOW, "the policies are known")
        asked = f"lan {CLIENT4}:40000 > self {LAN4}:7999 udp"
        assert wall.cli("explain", asked).returncode == wall.cli("explain", "--at", "now", asked).returncode == 1
        wall.path.write_text(RULES + "allow from lan to self udp port 7999\n")
        before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        time.sleep(2)
        wall.say("reload")
        wait_for(lambda: len(journal.lines("/v1/policies")) == 4, SLOW, "the policy is known")
        time.sleep(1.1)
        assert wall.cli("explain", "--at", "now", asked).returncode == 0, "the policy of now"
        assert wall.cli("explain", "--at", before, asked).returncode == 1, "the policy of then"
        assert wall.cli("explain", "--at", "2001-01-01", asked).returncode == 2
    finally:
        wall.path.write_text(RULES)
        wall.say("reload")


def test_unit_for_systemd(lab, wall, tmp_path):
    """It starts with the capabilities that the unit leaves it."""
    text = (Path(__file__).resolve().parent.parent.parent / "packaging" / "keepstate-journal.service").read_text()
    bounds = next(line for line in text.splitlines() if line.startswith("CapabilityBoundingSet=")).split("=")[1].split()
    journal = Journal(wall, tmp_path / "journal.log")
    journal.before = ["nsenter", f"--net=/run/netns/{wall.host.name}", "setpriv", "--bounding-set",
                      "-all," + ",".join("+" + name.removeprefix("CAP_").lower() for name in bounds)]
    journal.named = []
    try:
        journal.start()
        knock(lab, 7801)
        kept(wall, 7801)
    finally:
        journal.end()
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "--no-pager", "security", "--offline=true",
                               Path(__file__).resolve().parent.parent.parent / "packaging" / "keepstate-journal.service"],
                              capture_output=True, text=True, timeout=60)
        level = re.search(r"Overall exposure level for keepstate-journal.service: ([0-9.]+)", done.stdout)
        assert level and float(level[1]) < 4, done.stdout + done.stderr


def test_one_for_each_namespace(wall, journal, tmp_path):
    done = subprocess.run([journals.PROGRAM, "--netns", wall.host.name], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "runs already" in done.stderr
    done = subprocess.run([journals.PROGRAM, "--netns", wall.host.name, "--directory", str(tmp_path / "another")], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 1 and "runs already" in done.stderr
    assert journal.state()["state"] == "writing"


def test_directories_of_others_stay_theirs(wall, tmp_path):
    (tmp_path / "theirs").mkdir(0o755)
    (tmp_path / "theirs" / "letter").write_text("x")
    done = subprocess.run([journals.PROGRAM, "--netns", wall.host.name, "--directory", str(tmp_path / "theirs")], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 3 and "an empty directory" in done.stderr
    status = (tmp_path / "theirs").stat()
    assert (status.st_uid, status.st_mode & 0o777) == (0, 0o755)


def test_flows(lab, wall, journal):
    """A connection from its begin to its end, whoever asks."""
    assert "hello from" in lab.client.run("curl", "-s", f"http://{SERVER4}/").stdout

    def whole():
        lines = [line for line in history(wall, "--since", "10m", "--flows") if line.get("destination_port") == 80 and "id" in line]
        lines = [line for line in lines if line["id"] == lines[-1]["id"]]
        return lines if [line["event"] for line in lines] == ["begin", "established", "end"] else None

    begin, _, end = wait_for(whole, SLOW, "begin, established and end are kept")
    assert begin["id"] == end["id"] and end["why"] == "closed" and end["rule"]["label"] == "out"
    assert end["packets"][0] >= 4 and end["bytes"][1] > 100
    live = {name: end[name] for name in ("last", "duration", "replied", "assured", "pickup")}
    kept_flow = next(flow for flow in journal.lines("/v1/flows", port=80) if flow.get("last") == end["last"])
    assert {name: kept_flow[name] for name in live} == live and live["replied"]
    assert {line["event"] for line in history(wall, "--since", "10m", "--events", "end", "--port", 80)} == {"end"}
    assert history(wall, "--since", "10m", "--flows", "--why", "reset") == []
    text = wall.say("log", "--since", "10m", "--flows", "--port", 80)
    assert "closed" in text
