# SPDX-License-Identifier: BSD-2-Clause
"""States outlive the table: `stop --save` and a reboot keep them, and the next start goes on with them.

    client 10.0.0.10 --- lan0 box wan0 --- 192.0.2.10 server

The client is masqueraded, and has a port forwarded to it. A reboot is simulated: the daemon is told to end, the links go down, and
what is pinned is removed.
"""
import json
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab import HERE, PATIENCE, wait_for
from wires import Plain, firewall_fixture, log_of, net_fixture

SERVER, WAN, CLIENT = "192.0.2.10", "192.0.2.1", "10.0.0.10"
ZONES = """\
zone lan { lan0 }
zone wan { wan0 }
"""
FORWARD = f"forward from wan to self tcp port 8080 to lan {CLIENT} port 7200\n"
OUT = "allow from lan to wan\n"
NAT = """\
helper ftp from lan to wan tcp port 21
nat from lan to wan udp family ipv4 masquerade endpoint-independent
nat from lan to wan family ipv4 masquerade port 50000-59999 random-port
"""
POLICY = ZONES + FORWARD + OUT + NAT
VAR = Path("/var/lib/keepstate")
RUN = Path("/run/keepstate")


class Talking(Plain):
    def build(self):
        super().build()
        for host in (self.client, self.server):
            child = host.python("serve", 7200, program="conns.py")
            assert "ready" in child.stdout.readline()
        self.server.write("/proc/sys/net/ipv4/ip_unprivileged_port_start", 0)


net = net_fixture(Talking)
standing = firewall_fixture("standing", POLICY)


@pytest.fixture
def firewall(standing):
    """Runs without states; that of the test before if it still does, because the kernel takes seconds to verify the programs again."""
    standing.path.write_text(POLICY)
    if standing.child is None or standing.child.poll() is not None:
        standing.stop()
        return standing.start()
    standing.say("reload")
    standing.cli("states", "kill", "--all")  # fails when there are none
    standing.log_path.write_text("")
    return standing


def file_of(firewall):
    return VAR / firewall.instance() / "states"


class Talk:
    """Everything that shall go on: what was opened before, of all kinds."""

    def __init__(self, net, watch, count=100):
        self.watch = watch
        self.count = count
        self.idle = watch.start(net.client, "hold", SERVER, 7200, count, program="conns.py", stdin=subprocess.PIPE)
        assert self.idle.facts["good"] == count
        self.inward = watch.start(net.server, "hold", WAN, 8080, 5, program="conns.py", stdin=subprocess.PIPE)
        self.server = net.server
        self.mapped = watch.start(net.client, "mapped", SERVER, 7000, program="conns.py", stdin=subprocess.PIPE)
        watch.start(net.server, "ftp", 21, program="conns.py")
        self.ftp = watch.start(net.client, "ask", SERVER, 21, program="conns.py", stdin=subprocess.PIPE)

    @staticmethod
    def ask(child):
        child.stdin.write("go\n")
        child.stdin.flush()
        return json.loads(child.stdout.readline())

    def from_outside(self, port):
        """Somebody that the client has not spoken to sends to the outer endpoint of its mapping."""
        self.mapped.stdin.write("go\n")
        self.mapped.stdin.flush()
        self.server.run(sys.executable, HERE / "conns.py", "send", WAN, port, check=True)
        return json.loads(self.mapped.stdout.readline())

    def goes_on(self):
        told = self.ask(self.idle)
        assert told["good"] == self.count, told
        told = self.ask(self.inward)
        assert told["good"] == 5, told
        assert self.from_outside(self.mapped.facts["port"]) == {"data": "from outside", "peer": SERVER}
        told = self.ask(self.ftp)
        assert told.get("data") == "data", told


# The members of a state that passing time and packets change.
CHANGING = ("age", "timeout", "state", "bytes", "packets", "rule")


def flows_of(firewall):
    """The states by their ends: what a restart must not change."""
    flows = {}
    for flow in firewall.data("states"):
        same = {name: value for name, value in flow.items() if name not in CHANGING}
        flows[json.dumps(same, sort_keys=True)] = flow
    return flows


def assert_same(before, after):
    assert set(before) == set(after), (set(before) - set(after), set(after) - set(before))
    for key, flow in before.items():
        assert after[key]["state"] == flow["state"] and after[key]["age"] >= flow["age"], (flow, after[key])


def saved(firewall):
    return firewall.data("status")[0]["table"]["saved"]


def stop_saving(firewall):
    said = firewall.say("stop", "--save", timeout=2 * PATIENCE)
    assert str(file_of(firewall)) in said and file_of(firewall).stat().st_mode & 0o777 == 0o600, said
    firewall.child.wait(PATIENCE)
    assert firewall.filters() == ""
    return said


def test_all_go_on_after_stop_save_and_run(net, firewall, watch):
    talk = Talk(net, watch)
    before = flows_of(firewall)
    assert len(before) > 100
    stop_saving(firewall)
    firewall.start()
    told = saved(firewall)
    assert told["states"]["taken"] == len(before) and not told.get("refused"), told
    assert sum(told["states"].values()) == len(before), told
    assert f"{len(before)} saved states are taken back" in firewall.say("status")
    assert f"{len(before)} saved states are taken back" in log_of(firewall)
    assert_same(before, flows_of(firewall))
    assert not file_of(firewall).exists(), "it could be used twice"
    talk.goes_on()


def test_without_saving_all_are_cut(net, firewall, watch):
    """The test above proves nothing if connections go on by themselves."""
    talk = Talk(net, watch, 10)
    firewall.say("stop")
    firewall.child.wait(PATIENCE)
    assert not file_of(firewall).exists()
    firewall.start()
    assert saved(firewall) is None
    assert talk.ask(talk.idle)["good"] == 0


def links(net, state):
    for device in ("lan0", "wan0"):
        net.box.ip("link", "set", device, state)


def busy_ones(net, watch):
    return watch.start(net.client, "busy", SERVER, 7200, 10, program="conns.py", stdin=subprocess.PIPE)


def assert_busy_go_on(busy):
    """TCP repeats what was lost after seconds, the more the longer nothing came."""
    Talk.ask(busy)
    told = wait_for(lambda: spoken(busy), 60, "all speak again")
    assert told["wrong"] == [], told


def spoken(busy):
    told = Talk.ask(busy)
    return told if told["least"] or told["wrong"] else None


def test_busy_ones_go_on_where_nothing_passes_meanwhile(net, firewall, watch):
    """Nothing reaches the box that it would answer by a reset while it translates nothing."""
    busy = busy_ones(net, watch)
    assert_busy_go_on(busy)
    links(net, "down")
    stop_saving(firewall)
    firewall.start()
    links(net, "up")
    assert saved(firewall)["states"]["taken"] >= 10
    assert_busy_go_on(busy)
    assert all(not flow["pickup"] for flow in firewall.data("states")), "their windows are checked"


def reboot(net, firewall):
    """The kernel forgets everything; the disk does not."""
    firewall.child.terminate()
    assert firewall.child.wait(PATIENCE) == 0
    assert file_of(firewall).exists()
    time.sleep(0.3)  # the programs go on after the daemon
    links(net, "down")
    shutil.rmtree(RUN / "bpf" / firewall.instance())
    shutil.rmtree(RUN / firewall.instance())
    wait_for(lambda: firewall.filters() == "", 10, "the programs are gone")


def test_all_go_on_after_a_reboot(net, firewall, watch):
    talk, busy = Talk(net, watch), busy_ones(net, watch)
    before = flows_of(firewall)
    reboot(net, firewall)
    firewall.start()
    links(net, "up")
    told = saved(firewall)
    assert told["states"]["taken"] >= len(before), told
    assert not file_of(firewall).exists()
    talk.goes_on()
    assert_busy_go_on(busy)


def test_a_daemon_that_only_restarts_ignores_the_file(net, firewall, watch):
    talk = Talk(net, watch, 10)
    firewall.child.terminate()
    firewall.child.wait(PATIENCE)
    assert file_of(firewall).exists()
    firewall.start()
    assert saved(firewall) is None and not file_of(firewall).exists()
    talk.goes_on()


def test_a_dead_daemon_is_saved_for(net, firewall, watch):
    """The command itself reads the table that it left."""
    talk = Talk(net, watch, 10)
    before = flows_of(firewall)
    firewall.crash()
    said = firewall.say("stop", "--save")
    assert str(file_of(firewall)) in said
    firewall.start()
    assert_same(before, flows_of(firewall))
    talk.goes_on()


def seconds_left(firewall):
    return {flow["source_port"]: flow["timeout"] for flow in firewall.data("states") if flow["destination_port"] == 7200}


def test_states_age_while_programs_are_verified(net, firewall, watch):
    """A start that takes states back loads all programs for them. They are as much older then, however long that takes."""
    firewall.path.write_text(ZONES + OUT)  # with no helper and no limit: their programs are not loaded before
    firewall.say("reload")
    watch.start(net.client, "hold", SERVER, 7200, 3, program="conns.py", stdin=subprocess.PIPE)
    before, heard = seconds_left(firewall), time.monotonic()
    stop_saving(firewall)
    firewall.start()
    asked = time.monotonic()
    after = seconds_left(firewall)
    assert len(before) == 3 and set(after) == set(before)
    assert all(before[port] - after[port] > asked - heard - 0.01 for port in before), (before, after, asked - heard)


def test_an_address_that_the_box_does_not_get_again(net, firewall, watch):
    """The uplink gives another one after the boot: connections by the old one end, so that their next packets begin anew."""
    hold = watch.start(net.client, "hold", SERVER, 7200, 5, program="conns.py", stdin=subprocess.PIPE)
    assert hold.facts["good"] == 5
    reboot(net, firewall)
    net.box.ip("addr", "del", f"{WAN}/24", "dev", "wan0")
    try:
        firewall.start()
        links(net, "up")
        assert saved(firewall)["states"]["taken"] >= 5
        net.box.ip("addr", "add", "192.0.2.77/24", "dev", "wan0")
        wait_for(lambda: "is not the box's address any more" in log_of(firewall), 90, "they end")
        assert not [flow for flow in firewall.data("states") if flow.get("translated", {}).get("source") == WAN]
    finally:
        net.box.ip("addr", "flush", "dev", "wan0")
        net.box.ip("addr", "add", f"{WAN}/24", "dev", "wan0")


# --- files that are not taken ---


def crc32c(data):
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82f63b78 if number & 1 else 0)
        table.append(number)
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def change_head(path, boottime=0, wall=0, boot=None):
    """Sets the moments in a file's head back by so many ms, and the boot's id."""
    data = bytearray(path.read_bytes())
    was = struct.unpack_from(">QQ", data, 12)
    struct.pack_into(">QQ", data, 12, was[0] - wall, max(0, was[1] - boottime))
    if boot:
        data[28:44] = boot
    struct.pack_into(">I", data, len(data) - 4, crc32c(data[:-4]))
    path.write_bytes(data)


MINUTE = 60 * 1000


@pytest.mark.parametrize("change, word", [
    (lambda path: change_head(path, wall=20 * MINUTE, boot=b"another boot's id"[:16]), "minutes old"),
    (lambda path: path.write_bytes(path.read_bytes()[:-100]), "damaged"),
    (lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]), "damaged"),
    (lambda path: path.write_bytes(b""), "short"),
], ids=["too old", "cut off", "damaged", "empty"])
def test_a_file_that_is_not_right_is_not_taken(net, firewall, watch, change, word):
    """None of it; the start goes on without, and says why."""
    talk = Talk(net, watch, 10)
    stop_saving(firewall)
    change(file_of(firewall))
    firewall.start()
    told = saved(firewall)
    assert word in told["refused"] and told["states"]["taken"] == 0, told
    assert word in log_of(firewall) and word in firewall.say("status")
    assert flows_of(firewall) == {} and not file_of(firewall).exists()
    assert talk.ask(talk.idle)["good"] == 0


def test_a_wall_clock_that_was_set_back(net, firewall, watch):
    """Over a reboot only it tells the time; what has certainly passed is the time since the boot."""
    talk = Talk(net, watch, 10)
    before = flows_of(firewall)
    stop_saving(firewall)
    change_head(file_of(firewall), wall=-1000 * MINUTE, boot=b"another boot's id"[:16])
    with open("/proc/uptime", encoding="ascii") as file:
        uptime = float(file.read().split()[0])
    firewall.start()
    told = saved(firewall)
    if uptime > 800:  # this machine runs for longer than a file may be old
        assert "minutes old" in told["refused"], told
        return
    assert told["elapsed"] >= int(uptime) and told["states"]["taken"] == len(before), told
    talk.goes_on()


# --- another policy ---


def test_what_the_policy_does_not_allow_any_more_is_not_taken(net, firewall, watch):
    talk = Talk(net, watch, 10)
    before = flows_of(firewall)
    stop_saving(firewall)
    firewall.path.write_text(ZONES + FORWARD + "deny from lan to wan tcp port 7200\n" + OUT + NAT)
    firewall.start()
    told = saved(firewall)["states"]
    assert told["denied"] == 10 and told["taken"] == len(before) - 10, told
    assert "10 that the policy does not allow" in firewall.say("status")
    assert talk.ask(talk.idle)["good"] == 0
    assert talk.ask(talk.inward)["good"] == 5
    assert talk.ask(talk.ftp).get("data") == "data"


def test_a_helper_that_no_rule_assigns_any_more(net, firewall, watch):
    """The start leaves out what its policy does not need; the control connection that comes back needs it."""
    talk = Talk(net, watch, 10)
    stop_saving(firewall)
    firewall.path.write_text("\n".join(line for line in POLICY.splitlines() if not line.startswith("helper")) + "\n")
    firewall.start()
    assert firewall.data("status")[0]["table"]["saved"]["states"]["taken"] > 10
    talk.goes_on()


def test_zones_have_names(net, firewall, watch):
    """The zones stand in another order, so they have other numbers; one has another name."""
    talk = Talk(net, watch, 10)
    stop_saving(firewall)
    firewall.path.write_text("zone dmz { dmz0 }\nzone wan { wan0 }\nzone lan { lan0 }\n" + FORWARD + OUT + NAT)
    firewall.start()
    assert saved(firewall)["states"]["zone"] == 0
    talk.goes_on()
    stop_saving(firewall)
    firewall.path.write_text((ZONES + OUT + NAT).replace("lan ", "inside "))
    firewall.start()
    told = saved(firewall)["states"]
    assert told["taken"] == 0 and told["zone"] >= 10, told
    assert talk.ask(talk.idle)["good"] == 0


def test_nothing_is_stopped_if_it_cannot_be_saved(net, firewall):
    """The directory cannot be made: somebody's file is in its place."""
    directory = VAR / firewall.instance()
    shutil.rmtree(directory, ignore_errors=True)
    directory.write_text("somebody's")
    try:
        refused = firewall.cli("stop", "--save")
        assert refused.returncode == 3 and "nothing was stopped" in refused.stderr, refused.stdout + refused.stderr
        assert firewall.data("status")
    finally:
        directory.unlink()
