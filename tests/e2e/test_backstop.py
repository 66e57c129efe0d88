# SPDX-License-Identifier: BSD-2-Clause
"""Nothing passes unseen while interfaces come, change and lose their programs, with the daemon busy or dead.

    outside 192.0.2.10 --- wan0 box lan0 --- 10.0.0.10 inner
    fresh   10.9.0.10 ---- wan9, odd9: appear during a test

From outside 40,000 datagrams a second go to sockets of the box and of the inner host, in IPv4 and IPv6, none of which the
policy allows; the kernel counts there what arrives. It must be 0.
"""
import json
import subprocess
import time
from contextlib import contextmanager

import hooks as raw_hooks
import pytest
from lab import KEEPSTATE, START_SECONDS, end_process, wait_for
from wires import ALL, Net, datagrams, firewall_fixture, hooks, kinds, mac_of, net_fixture, put, reasons

pytestmark = pytest.mark.skipif(raw_hooks.netfilter_reason() is not None, reason=str(raw_hooks.netfilter_reason()))

RATE, TARGET = 40000, 7777
NEW_MAC = "02:00:00:00:00:09"
POLICY = """\
zone lan { lan0 }
zone wan { wan* }
zone dmz { dmz* }
allow from lan to { wan, dmz }
allow from lan to self
allow from self
"""


class Gate(Net):
    def build(self):
        self.box = self.host("box", forward=True)
        self.outside, self.inner, self.fresh = self.host("outside"), self.host("inner"), self.host("fresh")
        self.cable(self.box, "wan0", self.outside, "eth0")
        self.cable(self.box, "lan0", self.inner, "eth0")
        self.address(self.box, "wan0", "192.0.2.1/24", "2001:db8::1/64")
        self.address(self.box, "lan0", "10.0.0.1/24", "fd00::1/64")
        self.address(self.outside, "eth0", "192.0.2.10/24", "2001:db8::10/64")
        self.address(self.inner, "eth0", "10.0.0.10/24", "fd00::10/64")
        self.gateway_is(self.outside, "192.0.2.1", "2001:db8::1")
        self.gateway_is(self.inner, "10.0.0.1", "fd00::1")
        self.answer(self.outside)
        self.answer(self.box, self.inner, port=TARGET)
        self.flood_mac = mac_of(self.box, "wan0")
        self.box.ping("10.0.0.10", count=1)  # neighbours are known: what passes arrives at once
        self.box.ping("fd00::10", count=1)

    def flood(self, host, mac, own4, own6, seconds):
        """Starts it; it ends by itself."""
        ways = [(mac, own4, "192.0.2.1"), (mac, own4, "10.0.0.10"), (mac, own6, "2001:db8::1"), (mac, own6, "fd00::10")]
        pairs = [":".join(part.replace(":", "/") for part in way) for way in ways]
        return host.python("eth0", RATE, seconds, TARGET, *pairs, program="flood.py")

    def arrived(self):
        return datagrams(self.box) + datagrams(self.inner)

    @contextmanager
    def flooded(self, host=None, mac=None, own4="192.0.2.10", own6="2001:db8::10", seconds=3, wait=True):
        """Runs what stands inside during a flood. `facts` are then what was sent, and how much of it arrived."""
        before, facts = self.arrived(), {}
        child = self.flood(host or self.outside, mac or self.flood_mac, own4, own6, seconds)
        try:
            if wait:
                assert "ready" in child.stdout.readline()
            yield facts
            said = child.communicate(timeout=seconds + 20)[0]
        finally:
            end_process(child)
        facts.update(json.loads(said.splitlines()[-1]))
        time.sleep(0.1)
        facts["arrived"] = self.arrived() - before


net = net_fixture(Gate)
standing = firewall_fixture("standing", POLICY)


@pytest.fixture
def firewall(net, standing):
    """Runs with the usual policy before and after each test; allowed traffic then passes without loss."""
    yield standing
    put(standing, POLICY)
    assert kinds(net.inner, "192.0.2.10", seconds=2) == ALL
    assert kinds(net.inner, "2001:db8::10", seconds=2) == ALL


def nothing_of(facts, least=40000):
    assert facts["sent"] > least, f"the flood was none: {facts}"
    assert facts["arrived"] == 0, f"{facts['arrived']} of {facts['sent']} arrived"


def test_the_flood_arrives_without_a_firewall(net):
    """The flood arrives without the firewall: otherwise the other tests would prove nothing."""
    with net.flooded(seconds=1) as facts:
        pass
    assert facts["arrived"] > facts["sent"] / 2, facts


def test_status_tells_of_the_backstop(firewall):
    status = firewall.say("status")
    assert "backstop" in status, status
    assert firewall.data("status")[0]["warnings"] == [] or "backstop" not in str(firewall.data("status")[0]["warnings"])


def zone_of(firewall, name):
    interfaces = firewall.data("status")[0]["interfaces"]
    return next((interface["zone"] for interface in interfaces if interface["name"] == name), None)


def test_renames_between_zones(net, firewall):
    """An interface that carries the flood goes from zone to zone, and through a name of no zone."""
    with net.flooded(seconds=4) as facts:
        name = "wan0"
        for turn in range(18):
            other = ("dmz0", "odd0", "wan0")[turn % 3]
            net.box.ip("link", "set", name, "name", other)
            name = other
            time.sleep(0.15)
    nothing_of(facts)
    net.box.ip("link", "set", "wan0", "name", "dmz0")
    wait_for(lambda: zone_of(firewall, "dmz0") == "dmz", 5, "the new zone")
    assert zone_of(firewall, "wan0") is None
    assert kinds(net.inner, "192.0.2.10") == ALL, "lan may open to dmz"
    net.box.ip("link", "set", "dmz0", "name", "wan0")
    wait_for(lambda: zone_of(firewall, "wan0") == "wan", 5, "the old zone")


def test_a_rename_within_a_zone_loses_nothing(net, firewall, watch):
    stream = watch.start(net.inner, "stream", "192.0.2.10", 7000, 500, program="echo.py")
    other = watch.start(net.inner, "stream", "2001:db8::10", 7000, 500, program="echo.py")
    time.sleep(0.2)
    for name, new in (("wan0", "wan5"), ("wan5", "wan0")) * 3:
        net.box.ip("link", "set", name, "name", new)
        time.sleep(0.15)
    facts = [watch.end(child) for child in (stream, other)]
    assert [told["lost"] for told in facts] == [0, 0] and facts[0]["sent"] > 300, facts


@contextmanager
def new_interface(net, name):
    """Appears while the flood waits for it. Nothing else than that is new."""
    try:
        net.box.ip("link", "add", name, "address", NEW_MAC, "type", "veth", "peer", "name", "eth0", "netns", net.fresh.name)
        net.fresh.ip("link", "set", "eth0", "up")
        net.box.ip("addr", "add", "10.9.0.1/24", "dev", name)
        net.box.ip("addr", "add", "fd09::1/64", "dev", name, "nodad")
        net.box.ip("link", "set", name, "up")
        yield
    finally:
        net.box.run("ip", "link", "delete", name)


def from_new(net, seconds):
    return net.flooded(net.fresh, NEW_MAC, "10.9.0.10", "fd09::10", seconds, wait=False)


@pytest.fixture(scope="module")
def million(tmp_path_factory):
    """A million addresses of which no two are neighbours."""
    path = tmp_path_factory.mktemp("set") / "million.txt"
    base = 20 << 24
    path.write_text("\n".join(f"{a >> 24}.{a >> 16 & 255}.{a >> 8 & 255}.{a & 255}"
                              for a in range(base, base + 2000000, 2)) + "\n")
    return path


@pytest.mark.parametrize("name", ["wan9", "odd9"], ids=["in a zone", "in no zone"])
def test_an_interface_appears_during_a_long_reload(net, firewall, million, name):
    firewall.path.write_text(POLICY.replace("allow from lan to self", f'set big file "{million}"\ndeny from wan source @big\n'
                                                                      "allow from lan to self"))
    with from_new(net, 6) as facts:
        reload = subprocess.Popen([KEEPSTATE, "reload", "--netns", net.box.name], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        time.sleep(0.1)
        with new_interface(net, name):
            assert reload.wait(START_SECONDS) == 0, reload.stdout.read()
            time.sleep(1)
            wait_for(lambda: name in firewall.say("status"), 10, "it is in the status")
            time.sleep(0.5)
    nothing_of(facts, least=1000)


@pytest.mark.parametrize("name", ["wan9", "odd9"], ids=["in a zone", "in no zone"])
def test_an_interface_appears_without_the_daemon(net, firewall, name):
    counted = reasons(firewall)["unguarded interface"]
    firewall.crash()
    with from_new(net, 8) as facts:
        with new_interface(net, name):
            time.sleep(1.5)
            firewall.start()
            time.sleep(0.5)
    nothing_of(facts)
    assert reasons(firewall)["unguarded interface"] > counted + 10000, "not counted as what it is"


def strip(net, device):
    """Takes everything off an interface: tcx links, filters, and the qdisc."""
    hooks(net.box, "strip", device) if not raw_hooks.tcx_reason() else None
    for side in ("ingress", "egress"):
        net.box.run("tc", "filter", "del", "dev", device, side)
    net.box.run("tc", "qdisc", "del", "dev", device, "clsact")


def is_guarded(firewall, name):
    return any(interface["name"] == name and interface["ingress"] and interface["egress"]
               for interface in firewall.data("status")[0]["interfaces"])


def test_programs_are_taken_off_by_hand(net, firewall):
    with net.flooded(seconds=5) as facts:
        for _ in range(5):
            strip(net, "wan0")
            strip(net, "lan0")
            time.sleep(0.5)
    nothing_of(facts)
    wait_for(lambda: is_guarded(firewall, "wan0") and is_guarded(firewall, "lan0"), 5, "the programs are put back")
    assert "wan0" in firewall.log_path.read_text()


def test_programs_are_taken_off_without_the_daemon(net, firewall):
    """Without the daemon nobody puts the hooks back: nothing passes, not even allowed traffic, until it is there again."""
    firewall.crash()
    with net.flooded(seconds=3) as facts:
        strip(net, "wan0")
        strip(net, "lan0")
        time.sleep(0.5)
    nothing_of(facts)
    firewall.start()
    wait_for(lambda: is_guarded(firewall, "wan0") and is_guarded(firewall, "lan0"), 5, "the programs are put back")


def move_addresses(net, source, target):
    for address in ("192.0.2.1/24", "2001:db8::1/64"):
        net.box.run("ip", "addr", "del", address, "dev", source)
        net.box.run("ip", "addr", "add", address, "dev", target, *(["nodad"] if ":" in address else []), check=True)


def test_a_guarded_port_is_put_into_a_bridge_without_the_daemon(net, firewall):
    """Everything that arrives is for the bridge, which nobody guards."""
    firewall.crash()
    net.box.ip("link", "add", "br9", "address", NEW_MAC, "type", "bridge")
    try:
        net.box.ip("link", "set", "br9", "up")
        net.box.ip("link", "set", "wan0", "master", "br9")
        move_addresses(net, "wan0", "br9")
        with net.flooded(mac=NEW_MAC, seconds=2) as facts:
            pass
        nothing_of(facts)
        with net.flooded(mac=NEW_MAC, seconds=6) as facts:
            firewall.start()
        nothing_of(facts)
        net.outside.run("ip", "neigh", "flush", "dev", "eth0")
        assert kinds(net.inner, "192.0.2.10", seconds=2) == ALL, "the zone of the port, by the bridge"
        assert kinds(net.inner, "2001:db8::10", seconds=2) == ALL
    finally:
        net.box.run("ip", "link", "set", "wan0", "nomaster")
        net.box.run("ip", "link", "delete", "br9")
        move_addresses(net, "lo", "wan0")
        net.outside.run("ip", "neigh", "flush", "dev", "eth0")
        if firewall.child.poll() is not None:
            firewall.start()
