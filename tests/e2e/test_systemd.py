# SPDX-License-Identifier: BSD-2-Clause
"""The units under a systemd that runs: process 1 of namespaces of its own, with nothing but our units and what they stand on.

It has the lab's gateway for its network. What it would write below /etc, /var and /tmp goes to overlays that end with it.
"""
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
from lab import CLIENT4, KEEPSTATE, SERVER4, START_SECONDS, wait_for

PACKAGING = Path(__file__).resolve().parent.parent.parent / "packaging"
SYSTEMD = Path("/lib/systemd/systemd")
UNITS = ("keepstate", "keepstate-journal", "keepstate-page", "keepstate-metrics")
BELOW = ("sysinit.target", "basic.target", "local-fs.target", "local-fs-pre.target", "network-pre.target", "shutdown.target", "umount.target", "sockets.target",
         "timers.target", "paths.target", "slices.target", "systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket")
PATIENCE = START_SECONDS + 60

# Everything that is done to mounts is done in a namespace; /run holds the programs, because the tree may lie where a unit may not look.
BOOT = """
set -e
stage=$1
shift
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /mnt
cp -a "$stage" /mnt/stage
for dir in etc var tmp; do
	mkdir -p /mnt/$dir/up /mnt/$dir/work
	mount -t overlay overlay -o lowerdir=/$dir,upperdir=/mnt/$dir/up,workdir=/mnt/$dir/work /$dir
done
for dir in $(awk '{print $5}' /proc/self/mountinfo | grep -E '^/(run|sys|var|tmp|etc)/' | sort -r); do umount -l "$dir" || true; done
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /run
cp -a /mnt/stage/bin /run/bin
mount -t tmpfs -o mode=755 tmpfs /etc/systemd/system
mount -t tmpfs -o mode=755 tmpfs "$(readlink -f /lib/systemd/system)"
cp /mnt/stage/lib/* "$(readlink -f /lib/systemd/system)"
cp /mnt/stage/units/* /etc/systemd/system
# Firewalls of other tests write below these meanwhile, into the lower layer, until they are hidden.
until rm -rf /etc/keepstate /var/lib/keepstate /var/lib/keepstate-* /var/log/journal; do sleep 0.1; done
mkdir /etc/keepstate
cp /mnt/stage/policy.conf /etc/keepstate/keepstate.conf
systemd-sysusers "$@"
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=ours.target --log-target=journal
"""
TARGET = "[Unit]\nDefaultDependencies=no\nWants=" + " ".join(f"{unit}.service" for unit in UNITS) + "\n"


def cgroup2():
    """Where the second version of control groups is mounted, or None."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line:
            return Path(line.split()[4])
    return None


def reason_to_skip():
    if not SYSTEMD.exists():
        return "systemd is not installed"
    if journals.reason_to_skip():
        return journals.reason_to_skip()
    return None if cgroup2() else "control groups of version 2 are not mounted"


pytestmark = pytest.mark.skipif(bool(reason_to_skip()), reason=str(reason_to_skip()))


def stage(directory):
    """Gathers programs, our units with their paths, units of systemd's, the policy."""
    for name in ("bin", "units", "lib"):
        (directory / name).mkdir()
    shutil.copy(KEEPSTATE, directory / "bin")
    shutil.copy(journals.PROGRAM, directory / "bin")
    for unit in UNITS:
        text = (PACKAGING / f"{unit}.service").read_text()
        (directory / "units" / f"{unit}.service").write_text(re.sub(r"^(Exec\w+=-?)(keepstate)", r"\1/run/bin/\2", text, flags=re.MULTILINE))
    shutil.copy(PACKAGING / "run-keepstate-bpf.mount", directory / "units")
    (directory / "units" / "ours.target").write_text(TARGET)
    for unit in BELOW:
        shutil.copy(SYSTEMD.parent / "system" / unit, directory / "lib")
    (directory / "policy.conf").write_text(POLICY)


class Manager:
    """systemd, and commands in its namespaces."""

    def __init__(self, host, directory):
        self.group = cgroup2() / f"kst-systemd-{os.getpid()}"
        self.group.mkdir()
        self.log = directory / "boot.log"
        with self.log.open("w") as log:
            self.child = subprocess.Popen(
                ["sh", "-ec", f"echo $$ >{self.group}/cgroup.procs; exec nsenter --net=/run/netns/{host.name} unshare --mount --pid --fork --cgroup --uts --ipc "
                 "--kill-child sh -c \"$@\"", "sh", BOOT, "sh", str(directory), *[str(path) for path in sorted(PACKAGING.glob("*.sysusers"))]],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def first(self):
        """The number of its process outside."""
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split()
        return children[0] if children else None

    def run(self, *words):
        inside = ["nsenter", f"--target={self.first()}", "--mount", "--pid", "--net", "--cgroup", "--ipc", "--uts"]
        return subprocess.run([*inside, *[str(word) for word in words]], capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)

    def states(self):
        """Returns the state of each unit; complains with their log if one has failed."""
        if self.child.poll() is not None:
            raise AssertionError(f"systemd ended: {self.log.read_text()[-2000:]}")
        if not self.first():
            return {}
        words = self.run("systemctl", "is-active", *[f"{unit}.service" for unit in UNITS], "run-keepstate-bpf.mount").stdout.split()
        assert "failed" not in words, (words, self.said())
        return dict(zip((*UNITS, "mount"), words))

    def said(self):
        return self.run("journalctl", "--no-pager", "--output=cat").stdout[-4000:]

    def main_pid(self):
        return int(self.run("systemctl", "show", "--property=MainPID", "--value", "keepstate").stdout)

    def keepstate(self, *words):
        return self.run("/run/bin/keepstate", *words)

    def status(self):
        return json.loads(self.keepstate("status", "--json").stdout)

    def await_active(self):
        wait_for(lambda: set(self.states().values()) == {"active"}, PATIENCE, "all units are active")

    def end(self):
        os.killpg(self.child.pid, signal.SIGKILL)  # unshare's child, and with it all of its namespace
        self.child.wait()
        wait_for(self.forget_groups, 20, "the end of its processes")

    def forget_groups(self):
        for path, _, _ in os.walk(self.group, topdown=False):
            try:
                os.rmdir(path)
            except OSError:
                return False
        return True


@pytest.fixture(scope="module")
def manager(lab, tmp_path_factory):
    directory = tmp_path_factory.mktemp("systemd")
    stage(directory)
    made = Manager(lab.gateway, directory)
    try:
        made.await_active()
        yield made
    finally:
        made.end()


def is_filtered(lab):
    return lab.client.ping(SERVER4) == 3 and lab.server.ping(CLIENT4, count=1) == 0


def test_all_of_them_work(lab, manager):
    """Firewall, journal, page and figures, each within what its unit allows."""
    assert is_filtered(lab)
    assert wait_for(lambda: "writing" in manager.keepstate("status").stdout, 20, "the journal writes")
    assert wait_for(lambda: SERVER4 in manager.keepstate("log", "--since", "10m", "--flows").stdout, 20, "a flow is in the journal")
    page = manager.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:8674/")
    assert page.stdout == "200", (page, manager.said())
    assert "keepstate_" in manager.run("curl", "-s", "http://127.0.0.1:9617/metrics").stdout, manager.said()


def test_a_stopped_service_leaves_it_in_force(lab, manager):
    assert manager.run("systemctl", "stop", "keepstate").returncode == 0
    assert manager.states()["keepstate"] == "inactive"
    assert is_filtered(lab)
    assert manager.run("systemctl", "start", "keepstate").returncode == 0
    assert manager.status()["took_over"] >= 0 and is_filtered(lab)
    manager.await_active()


def test_one_that_dies_is_started_again(lab, manager):
    dead = manager.main_pid()
    assert manager.run("kill", "-9", dead).returncode == 0
    wait_for(lambda: manager.main_pid() not in (0, dead), PATIENCE, "another process")
    manager.await_active()
    assert is_filtered(lab)


def test_reload(manager):
    """The manager is told how it ends; a policy that does not load changes nothing."""
    before = manager.status()["generation"]
    assert manager.run("systemctl", "reload", "keepstate").returncode == 0
    assert manager.status()["generation"] > before
    manager.run("sh", "-c", "echo allow nonsense >>/etc/keepstate/keepstate.conf")
    assert manager.run("systemctl", "reload", "keepstate").returncode != 0
    assert manager.states()["keepstate"] == "active" and manager.status()["generation"] == before + 1
    manager.run("sed", "-i", "$d", "/etc/keepstate/keepstate.conf")


def test_stop_by_its_own_word_ends_it(lab, manager):
    """`keepstate stop` opens the machine, and the manager does not start it again by itself."""
    assert manager.keepstate("stop").returncode == 0
    wait_for(lambda: manager.states()["keepstate"] == "inactive", 20, "the service has ended")
    time.sleep(1.5)  # RestartSec is a second
    assert manager.states()["keepstate"] == "inactive"
    assert wait_for(lambda: lab.server.ping(CLIENT4, count=1) == 1, 20, "nothing is filtered")
