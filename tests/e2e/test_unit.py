# SPDX-License-Identifier: BSD-2-Clause
"""The unit for systemd: as strict as it says, and the daemon works within it. There is no systemd as process 1 here, so what it
would do is done by hand: its notification socket, its journal, its bounds on capabilities, system calls and files.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from conftest import need
from lab import CLIENT4, KEEPSTATE, PATIENCE, SERVER4, START_SECONDS, end_process, uses_port, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
UNIT = ROOT / "packaging" / "keepstate.service"
MOUNT = ROOT / "packaging" / "run-keepstate-bpf.mount"


def settings(name):
    """The words of all lines of a setting of the unit."""
    return [word for line in UNIT.read_text().splitlines() if line.startswith(name + "=") for word in line.split("=", 1)[1].split()]


def analyze(*words):
    return subprocess.run(["systemd-analyze", "--no-pager", *words], capture_output=True, text=True, timeout=60)


@need("systemd-analyze")
def test_exposure():
    done = analyze("security", "--offline=true", str(UNIT))
    level = re.search(r"Overall exposure level for keepstate.service: ([0-9.]+)", done.stdout)
    assert level and float(level[1]) < 4, done.stdout + done.stderr


@need("systemd-analyze")
def test_systemd_understands_it(tmp_path):
    """Every line; the program is where it would be installed."""
    text = UNIT.read_text().replace("=keepstate ", f"={KEEPSTATE} ").replace("=-keepstate ", f"=-{KEEPSTATE} ")
    (tmp_path / UNIT.name).write_text(text)
    shutil.copy(MOUNT, tmp_path)
    done = analyze("verify", "--man=no", str(tmp_path / UNIT.name), str(tmp_path / MOUNT.name))
    assert done.returncode == 0 and done.stderr.strip() == "", done.stderr


def test_order():
    """Before the network and among the first things, as a firewall must be; nobody opens it at shutdown."""
    assert {"network-pre.target", "sysinit.target", "shutdown.target"} <= set(settings("Before"))
    assert settings("WantedBy") == ["sysinit.target"] and settings("DefaultDependencies") == ["no"]
    assert "network-pre.target" in settings("Wants") and "shutdown.target" in settings("Conflicts")
    assert "umount.target" not in MOUNT.read_text(), "the pins are unmounted last"
    assert "stop" not in settings("ExecStop") and settings("RuntimeDirectoryPreserve") == ["yes"]


def allowed_calls():
    """The system calls that its filter allows, as systemd knows its sets."""
    allowed = set()

    def members(name):
        if not name.startswith("@"):
            return {name}
        lines = [line.strip() for line in analyze("syscall-filter", name).stdout.splitlines()[1:]]
        return {call for line in lines if line and not line.startswith("#") for call in members(line)}

    for line in UNIT.read_text().splitlines():
        if not line.startswith("SystemCallFilter="):
            continue
        words = line.split("=", 1)[1].split()
        if words[0].startswith("~"):
            words[0] = words[0][1:]
            allowed -= {call for word in words for call in members(word)}
        else:
            allowed |= {call for word in words for call in members(word)}
    return allowed | members("@default")


class Service:
    """The daemon as the unit bounds it, on the gateway."""

    def __init__(self, firewall, directory):
        self.firewall = firewall
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(directory / "notify"))
        self.notify.settimeout(START_SECONDS)
        self.directory = directory
        bounds = ",".join("+" + word[len("CAP_"):].lower() for word in settings("CapabilityBoundingSet"))
        self.confine = ["nsenter", f"--net=/run/netns/{firewall.host.name}", "unshare", "--mount", "--propagation", "slave", "sh", "-ec",
                        f"for d in /run/keepstate /var/lib/keepstate {directory}/traces; do mkdir -p $d; mount --rbind $d $d; done; "
                        "mount -o remount,bind,ro / && mount -o remount,bind,ro /proc/sys 2>/dev/null || true; exec \"$@\"", "sh",
                        "setpriv", "--bounding-set", "-all," + bounds, "--inh-caps=-all", "--no-new-privs"]

    def start(self, trace=()):
        self.log = open(self.directory / "log", "w", encoding="utf-8")
        stat = os.fstat(self.log.fileno())
        self.firewall.child = subprocess.Popen(
            [*self.confine, *trace, KEEPSTATE, "run", "--or-last-good", str(self.firewall.path)], stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, env={**os.environ, "NOTIFY_SOCKET": str(self.directory / "notify"), "JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"})
        return self

    def told(self):
        """The next message to the manager."""
        return dict(line.split("=", 1) for line in self.notify.recv(4096).decode().splitlines())

    def lines(self):
        return (self.directory / "log").read_text().splitlines()


@pytest.fixture
def service(make_firewall, tmp_path):
    made = Service(make_firewall(start=False), tmp_path)
    yield made
    made.notify.close()
    made.firewall.cli("stop")
    if made.firewall.child:
        end_process(made.firewall.child)
        made.firewall.child = None


def mount_pins():
    """As the mount unit does."""
    subprocess.run(["sh", "-c", "mkdir -p /run/keepstate/bpf; mountpoint -q /run/keepstate/bpf || "
                    "mount -t bpf -o nosuid,nodev,noexec,mode=0700 bpf /run/keepstate/bpf"], check=True)


def test_all_works_within_it(lab, service, watch):
    """Start, reload, what a stop means, a takeover that keeps states: with the unit's capabilities and a read-only system."""
    mount_pins()
    firewall = service.start().firewall
    ready = service.told()
    assert ready["READY"] == "1" and "in force on 2 interfaces" in ready["STATUS"], ready
    assert lab.client.ping(SERVER4) == 3 and lab.server.ping(CLIENT4) == 0
    status = firewall.data("status")[0]
    assert status["backstop"] or status["warnings"]

    done = subprocess.run([*service.confine, KEEPSTATE, "reload"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    reloading = service.told()
    assert reloading["RELOADING"] == "1" and int(reloading["MONOTONIC_USEC"]) > 0
    assert service.told()["READY"] == "1"
    firewall.path.write_text("alow\n")
    done = subprocess.run([*service.confine, KEEPSTATE, "reload"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, "systemctl reload shows that the policy was refused"
    assert service.told()["RELOADING"] == "1" and service.told()["READY"] == "1"
    firewall.child.send_signal(signal.SIGHUP)
    assert service.told()["RELOADING"] == "1" and service.told()["READY"] == "1"

    watch.start(lab.server, "serve", 5710)
    follower = watch.start(lab.client, "follow", SERVER4, 5710)
    firewall.child.terminate()
    stopping = service.told()
    assert stopping["STOPPING"] == "1" and "stays in force" in stopping["STATUS"]
    assert firewall.child.wait(PATIENCE) == 0
    lines = service.lines()
    assert all(re.match(r"<[0-7]>", line) for line in lines), lines
    assert [line for line in lines if line.startswith("<3>") and "alow" in line], lines
    assert lines[-1].startswith("<6>") and "stays in force" in lines[-1]
    done = subprocess.run([*service.confine, KEEPSTATE, "status"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 3 and "in force, no daemon" in done.stdout, done

    service.start()
    assert service.told()["READY"] == "1"
    assert firewall.data("status")[0]["took_over"]
    assert [flow for flow in firewall.data("states") if uses_port(flow, 5710)]
    assert watch.end(follower)["error"] is None


@need("systemd-analyze")
@need("strace")
def test_system_calls(service):
    """Every system call of the daemon's life is one that the unit allows."""
    mount_pins()
    trace = service.directory / "traces" / "calls"
    service.start(trace=["strace", "-f", "-qq", "-o", str(trace)])
    assert service.told()["READY"] == "1"
    firewall = service.firewall
    firewall.say("status")
    firewall.say("reload")
    firewall.say("states")
    firewall.say("counters")
    firewall.say("explain", f"lan 10.0.0.5:40000 > wan {SERVER4}:53 udp")
    firewall.say("stop")
    wait_for(lambda: firewall.child.poll() is not None, 20, "the end of the daemon")
    calls = set(re.findall(r"^\d+ +([a-z_0-9]+)\(", trace.read_text(), re.MULTILINE))
    refused = calls - allowed_calls() - {"umount2", "execve"}  # the pins stay mounted; systemd executes the program
    assert {"bpf", "sendto", "accept4"} <= calls and not refused, refused


def test_capabilities_are_dropped(firewall):
    """Started by root, it keeps five, and can get no other back."""
    text = Path(f"/proc/{firewall.child.pid}/status").read_text()
    sets = {name: int(value, 16) for name, value in re.findall(r"^(Cap\w+):\s+([0-9a-f]+)$", text, re.MULTILINE)}
    five = 1 << 2 | 1 << 12 | 1 << 13 | 1 << 38 | 1 << 39  # DAC_READ_SEARCH, NET_ADMIN, NET_RAW, PERFMON, BPF
    assert sets["CapPrm"] == sets["CapEff"] == sets["CapBnd"] == five and sets["CapInh"] == sets["CapAmb"] == 0, sets
    assert "NoNewPrivs:\t1" in text
