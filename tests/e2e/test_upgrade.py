# SPDX-License-Identifier: BSD-2-Clause
"""Another build takes over under traffic, and refuses what it may not take over.

    client 10.0.0.10 --- lan0 box wan0 --- 192.0.2.10 server, masqueraded

The other build is a copy of this one whose programs for the kernel name another of the licences that the kernel takes for the
GPL: the same code, but to whoever compares the bytes another data plane.
"""
import ctypes
import json
import os
import struct
import subprocess
import time
from pathlib import Path

import hooks as raw_hooks
import pytest
from conftest import need
from lab import KEEPSTATE, PATIENCE, START_SECONDS, end_process, goes_on, pings_lost, uses_port, wait_for
from wires import ALL, Plain, firewall_fixture, hooks, kinds, log_of, matches, net_fixture, put, reasons

PINS = Path("/run/keepstate/bpf")
POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
allow from lan to wan
nat from lan to wan masquerade
nat from lan to wan family ipv6 masquerade
limit states 20000
"""
SERVER = pytest.mark.parametrize("server, client", [("192.0.2.10", "10.0.0.10"), ("2001:db8::10", "fd00::10")],
                                 ids=["ipv4", "ipv6"])


net = net_fixture(Plain)


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    """Two programs that take each other for another build."""
    text = Path(KEEPSTATE).read_bytes()
    assert b"Dual BSD/GPL\0" in text
    other = tmp_path_factory.mktemp("other") / "keepstate"
    other.write_bytes(text.replace(b"Dual BSD/GPL\0", b"Dual MIT/GPL\0"))
    other.chmod(0o755)
    return KEEPSTATE, str(other)


standing = firewall_fixture("standing", POLICY)


@pytest.fixture
def firewall(standing):
    """Runs with the usual policy, from whichever build."""
    yield standing
    put(standing, POLICY)


def programs_of(firewall, net):
    """Returns the ids of the programs that see the packets of wan0."""
    filters = net.box.run("tc", "filter", "show", "dev", "wan0", "ingress").stdout
    return filters, [] if raw_hooks.tcx_reason() else hooks(net.box, "list", "wan0")["ingress"]


def change_build(firewall, builds):
    """As an init system restarts it: SIGTERM, which leaves the firewall in force, and the other program."""
    firewall.child.terminate()
    firewall.child.wait(PATIENCE)
    firewall.program = builds[1] if firewall.program == builds[0] else builds[0]
    firewall.start()


@SERVER
def test_an_upgrade_under_traffic_loses_nothing(net, firewall, builds, watch, server, client):
    """A stream, new flows and pings, all translated, while the build changes there and back."""
    watch.start(net.server, "serve", 7100)
    follower = watch.start(net.client, "follow", server, 7100)
    counter = watch.start(net.client, "count", 7101)
    prober = watch.start(net.server, "probe", client, 7101)
    stream = watch.start(net.client, "stream", server, 7000, 1000, program="echo.py")
    fresh = watch.start(net.client, "fresh", server, 7000, 300, program="echo.py")
    pinger = net.client.start("ping", "-q", "-i", "0.005", "-w", "60", "-W", "1", server)
    time.sleep(0.5)
    for _ in range(2):
        seen = programs_of(firewall, net)
        change_build(firewall, builds)
        assert programs_of(firewall, net) != seen, "the programs are the old ones: the test proves nothing"
        time.sleep(0.5)
    told = {"stream": watch.end(stream), "fresh": watch.end(fresh)}
    pinger.send_signal(2)
    pings = pinger.communicate(timeout=PATIENCE)[0]
    assert all(facts["sent"] > 300 for facts in told.values()), told
    assert [facts["lost"] for facts in told.values()] == [0, 0], told
    assert pings_lost(pings) == 0, pings
    facts = watch.end(follower)
    assert goes_on(facts), facts
    assert watch.end(prober)["sent"] > 100
    assert watch.end(counter) == {"datagrams": 0, "connections": 0}
    counted = reasons(firewall)
    assert counted["unguarded interface"] == 0 and counted["internal error"] == 0, counted


def flows_of(firewall, port):
    return [flow for flow in firewall.data("states") if uses_port(flow, port)]


def test_states_and_counters_outlive_an_upgrade(net, firewall, builds, watch):
    watch.start(net.server, "serve", 7100)
    follower = watch.start(net.client, "follow", "192.0.2.10", 7100)
    port = follower.facts["port"]
    time.sleep(0.3)
    counted = matches(firewall, "allow from lan to wan")
    before = flows_of(firewall, port)
    assert len(before) == 1 and "ESTABLISHED" in str(before)
    change_build(firewall, builds)
    after = flows_of(firewall, port)
    assert len(after) == 1 and "ESTABLISHED" in str(after), after
    assert after[0].get("created", 0) == before[0].get("created", 0)
    assert matches(firewall, "allow from lan to wan") >= counted
    time.sleep(0.5)
    facts = watch.end(follower)
    assert facts["error"] is None and facts["blocks"] > 200, facts


@pytest.mark.skipif(raw_hooks.tcx_reason() is not None, reason="a kernel without tcx may have no backstop")
def test_a_backstop_that_cannot_be_replaced_stays(net, firewall, builds):
    """That of the other build, until ours can be raised, which is tried every second and said once."""
    if not firewall.data("status")[0]["backstop"]:
        pytest.skip("this kernel has no backstop")
    links = PINS / firewall.data("status")[0]["instance"] / "links"
    pins = sorted(path.name for path in links.glob("ipv*"))
    obstacle = links / "ipv4-forward+"  # where the second link is pinned first
    obstacle.mkdir()
    said = len(log_of(firewall))
    try:
        change_build(firewall, builds)
        assert firewall.data("status")[0]["backstop"] is False
        assert sorted(path.name for path in links.glob("ipv*") if path != obstacle) == pins
        time.sleep(2.5)
        assert log_of(firewall)[said:].count("cannot attach the backstop") == 1
    finally:
        obstacle.rmdir()
    wait_for(lambda: firewall.data("status")[0]["backstop"], 5, "the backstop in force")
    assert "the backstop is in force now" in log_of(firewall)[said:]
    assert kinds(net.client, "192.0.2.10") == ALL


def pin_as_earlier_builds(firewall):
    """Gives maps the names by which builds pinned them that called a guard a port."""
    maps = PINS / firewall.data("status")[0]["instance"] / "maps"
    (maps / "ks_guards").rename(maps / "ks_ports")
    (maps / "ks_near_guards").rename(maps / "ks_near_ports")
    return maps


@pytest.mark.skipif(raw_hooks.tcx_reason() is not None, reason="it looks at tcx programs")
@pytest.mark.parametrize("renamed", [False, True], ids=["the same names", "former names"])
def test_programs_go_where_the_new_policy_wants_none(net, firewall, builds, renamed):
    """The other build has a map of interfaces of its own, and knows all the same which have programs."""
    assert hooks(net.box, "list", "lan0")["ingress"]
    firewall.path.write_text("ignore { lan0 }\nzone wan { wan0 }\n")
    maps = pin_as_earlier_builds(firewall) if renamed else None
    change_build(firewall, builds)
    assert hooks(net.box, "list", "lan0") == {"ingress": [], "egress": []}
    assert not maps or not {"ks_ports", "ks_near_ports"} & {path.name for path in maps.iterdir()}
    assert hooks(net.box, "list", "wan0")["ingress"]
    put(firewall, POLICY)
    assert kinds(net.client, "192.0.2.10") == ALL


# --- layouts ---

OBJ_GET, MAP_LOOKUP, MAP_UPDATE = 7, 1, 2


class Shape:
    """The pinned map that says how the table is laid out, as another version would have left it."""

    def __init__(self, firewall):
        self.path = str(PINS / firewall.data("status")[0]["instance"] / "maps" / "ks_shape")
        name = ctypes.create_string_buffer(self.path.encode())
        self.descriptor = raw_hooks.bpf(OBJ_GET, struct.pack("<QII", ctypes.addressof(name), 0, 0))[0]
        self.size, self.offset = self.find()

    def find(self):
        """Size of the value and the place of the layout number in it, by the types that the map carries."""
        dump = subprocess.run(["bpftool", "-j", "btf", "dump", "map", "pinned", self.path], capture_output=True, text=True,
                              check=True)
        for kind in json.loads(dump.stdout)["types"]:
            if kind["kind"] == "STRUCT" and kind["name"] == "ks_table_shape":
                places = [member["bits_offset"] // 8 for member in kind["members"] if "layout" in member["name"]]
                assert places, f"no layout number guards the table: {[member['name'] for member in kind['members']]}"
                return kind["size"], places[0]
        raise AssertionError("no struct ks_table_shape")

    def change(self, difference):
        key, value = ctypes.c_uint32(0), ctypes.create_string_buffer(self.size)
        attr = struct.pack("<IIQQQ", self.descriptor, 0, ctypes.addressof(key), ctypes.addressof(value), 0)
        raw_hooks.bpf(MAP_LOOKUP, attr)
        layout = struct.unpack_from("<I", value, self.offset)[0]
        struct.pack_into("<I", value, self.offset, layout + difference)
        raw_hooks.bpf(MAP_UPDATE, attr)
        return layout

    def close(self):
        os.close(self.descriptor)


@need("bpftool")
def test_another_layout_is_refused(net, firewall, builds, watch):
    """With the reason, and what is in force goes on as it is."""
    watch.start(net.server, "serve", 7100)
    follower = watch.start(net.client, "follow", "192.0.2.10", 7100)
    shape = Shape(firewall)
    said = len(log_of(firewall))
    firewall.child.terminate()
    firewall.child.wait(PATIENCE)
    layout = shape.change(1)
    try:
        for program in builds:
            firewall.program = program
            firewall.start(wait=False)
            assert firewall.child.wait(START_SECONDS) not in (0, -6, -11), "it was taken over"
        text = log_of(firewall)[said:]
        assert "layout" in text and str(layout) in text and str(layout + 1) in text, text
        assert kinds(net.server, "10.0.0.10") == set(), "it filters no longer"
        assert kinds(net.client, "192.0.2.10") == ALL
    finally:
        shape.change(-1)
        shape.close()
        firewall.start()
    facts = watch.end(follower)
    assert facts["error"] is None, facts
    assert flows_of(firewall, follower.facts["port"]), "the states are gone"


# --- another size ---


@pytest.mark.parametrize("limit", ["100000", "10000"], ids=["larger", "smaller"])
def test_another_limit_keeps_states(net, firewall, builds, watch, limit):
    """A restart with another `limit states` in the policy, by another build for good measure: connections go on."""
    watch.start(net.server, "serve", 7100)
    followers = [watch.start(net.client, "follow", address, 7100) for address in ("192.0.2.10", "2001:db8::10")]
    time.sleep(0.2)
    firewall.child.terminate()
    firewall.child.wait(PATIENCE)
    firewall.path.write_text(POLICY.replace("limit states 20000", f"limit states {limit}"))
    firewall.start()
    table = firewall.data("status")[0]["table"]
    assert table["limit"] == int(limit) and table["capacity"] >= int(limit), table
    for follower in followers:
        assert len(flows_of(firewall, follower.facts["port"])) == 1, "the state is gone"
    time.sleep(0.5)
    for follower in followers:
        facts = watch.end(follower)
        assert goes_on(facts, 200, late=1), facts
    assert kinds(net.client, "192.0.2.10") == ALL
    assert kinds(net.server, "10.0.0.10") == set()


def test_another_limit_and_another_build(net, firewall, builds, watch):
    watch.start(net.server, "serve", 7100)
    follower = watch.start(net.client, "follow", "192.0.2.10", 7100)
    firewall.path.write_text(POLICY.replace("limit states 20000", "limit states 150000"))
    change_build(firewall, builds)
    assert firewall.data("status")[0]["table"]["capacity"] >= 150000
    assert len(flows_of(firewall, follower.facts["port"])) == 1, "the state is gone"
    time.sleep(0.5)
    facts = watch.end(follower)
    assert goes_on(facts, late=1), facts
    end_process(follower)


# --- a takeover that is cut short ---

LARGER = POLICY.replace("limit states 20000", "limit states 400000")


class CutShort:
    """A takeover into a larger table that ends after its maps are pinned, before a hook is switched."""

    def __init__(self, firewall):
        name = firewall.data("status")[0]["instance"]
        self.obstacle = Path("/run/keepstate") / name / "rules.json.new"  # where the ids of rules are written to
        self.maps = PINS / name / "maps"
        firewall.child.terminate()
        firewall.child.wait(PATIENCE)
        firewall.path.write_text(LARGER)
        self.obstacle.mkdir()
        try:
            firewall.start(wait=False)
            assert firewall.child.wait(60) not in (0, -6, -11), "it was taken over"
        finally:
            self.obstacle.rmdir()

    def old(self):
        return sorted(path.name for path in self.maps.glob("*-old"))

    def swept(self):
        """Buckets of the old table that the sweeper has visited."""
        dump = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", self.maps / "ks_counts-old"],
                              capture_output=True, text=True, check=True)
        return json.loads(dump.stdout)[0]["formatted"]["value"]["swept"]


def follow(net, watch):
    return watch.start(net.client, "follow", "192.0.2.10", 7100)


def assert_all_go_on(firewall, watch, followers):
    assert firewall.data("status")[0]["table"]["capacity"] >= 400000
    time.sleep(0.5)
    for follower in followers:
        assert len(flows_of(firewall, follower.facts["port"])) == 1, "the state is gone"
        facts = watch.end(follower)
        assert goes_on(facts, late=1), facts


@need("bpftool")
@pytest.mark.parametrize("other", [False, True], ids=["the same build", "another build"])
def test_a_takeover_that_was_cut_short_is_begun_anew(net, firewall, builds, watch, other):
    """The old table is in use until then: it is swept, and what is opened in it is not lost."""
    watch.start(net.server, "serve", 7100)
    firewall.stop()
    firewall.path.write_text(POLICY)
    firewall.start()
    followers = [follow(net, watch)]
    cut = CutShort(firewall)
    assert cut.old() == ["ks_counts-old", "ks_shape-old", "ks_table-old"]
    swept = cut.swept()
    followers.append(follow(net, watch))
    time.sleep(0.5)
    assert cut.swept() > swept, "nobody sweeps the table that is in use"
    if other:
        firewall.program = builds[1] if firewall.program == builds[0] else builds[0]
    firewall.start()
    assert cut.old() == []
    assert_all_go_on(firewall, watch, followers)


def test_a_takeover_that_was_cut_short_is_finished(net, firewall, builds, watch):
    """Some hook may have been switched: the new table stays, and gets what was opened in the old one."""
    watch.start(net.server, "serve", 7100)
    firewall.stop()
    firewall.path.write_text(POLICY)
    firewall.start()
    cut = CutShort(firewall)
    (cut.maps / "ks_counts-old").unlink()
    follower = follow(net, watch)
    time.sleep(0.3)
    firewall.start()
    assert cut.old() == []
    assert_all_go_on(firewall, watch, [follower])
