# SPDX-License-Identifier: BSD-2-Clause
"""Run-time sets of a running firewall: thousands of entries in a call, that all expire at once, changes under traffic, a
million of them, and what is left of them after a reload, a crash, a stop.
"""
import json
import pathlib
import subprocess
import time

import pytest
from lab import CLIENT4, CLIENT6, KEEPSTATE, PATIENCE, SERVER4, SERVER6, Firewall, pings_lost, wait_for

POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
set blocked { 198.51.100.0/24 } dynamic, timeout 1h, limit 70000
set kept { } dynamic, limit 100, keep
set large { } dynamic, limit 1000000
deny from lan source @blocked
deny from lan to wan destination { @kept, @large }
allow from lan to wan
allow from self
"""


@pytest.fixture(scope="module")
def standing(lab, tmp_path_factory):
    """Started once, because the kernel takes seconds to verify the programs."""
    firewall = Firewall(lab.gateway, POLICY, tmp_path_factory.mktemp("sets")).start()
    yield firewall
    firewall.stop()
    assert firewall.filters() == "", "filters are left behind"


@pytest.fixture
def firewall(standing):
    """Runs with the usual policy, what that has in its sets, and no flow."""
    standing.path.write_text(POLICY)
    if standing.child is None or standing.child.poll() is not None:
        standing.start()
    standing.say("reload")
    for name in ("kept", "large"):
        standing.say("set", "flush", name)
    standing.say("set", "replace", "blocked", "198.51.100.0/24")
    standing.cli("states", "kill", "--all")  # fails when there are none
    return standing


def feed(firewall, verb, name, lines, *words):
    """Gives lines to the command by its standard input."""
    return subprocess.run([KEEPSTATE, "set", "--netns", firewall.host.name, verb, name, *words, "-"], timeout=120,
                          input="".join(line + "\n" for line in lines), capture_output=True, text=True)


def entries(firewall, name, *words):
    return {one["entry"]: one for one in firewall.data("set", "list", name, *words)}


def size(firewall, name):
    sets = firewall.data("set", "list")[0]["sets"]
    return next(one for one in sets if one["name"] == name)


def metric(firewall, name):
    lines = firewall.say("metrics").splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith(name + " ")))


def addresses(count, first=0):
    return [f"100.{64 + (n >> 16)}.{n >> 8 & 255}.{n & 255}" for n in range(first, first + count)]


def test_an_entry_blocks_and_counts_until_it_goes(lab, firewall):
    assert lab.client.ping(SERVER4) == 3
    begun = time.monotonic()
    assert "1 added, 2 entries now" in firewall.say("set", "add", "blocked", CLIENT4, "for", "10m")
    assert lab.client.ping(SERVER4) == 0
    assert lab.client.ping(SERVER6) == 3
    shown = entries(firewall, "blocked", CLIENT4)[CLIENT4]
    assert shown["packets"] >= 3 and shown["bytes"] >= 3 * 84
    assert 600 - (time.monotonic() - begun) - 1 <= shown["left"] <= 600
    assert entries(firewall, "blocked")["198.51.100.0/24"]["policy"]
    assert "source @blocked" in firewall.cli("explain", f"lan {CLIENT4}:1000 > wan {SERVER4}:80 tcp syn").stdout
    assert firewall.cli("set", "list", "blocked", "192.0.2.77").returncode == 1
    firewall.say("set", "add", "blocked", CLIENT6 + "/64")
    assert lab.client.ping(SERVER6) == 0
    assert "2 removed, 1 entry now" in firewall.say("set", "remove", "blocked", CLIENT4, CLIENT6 + "/64")
    assert lab.client.ping(SERVER4) == 3
    assert firewall.cli("set", "remove", "blocked", CLIENT4).returncode == 1


def test_a_change_is_refused_as_a_whole(firewall):
    wrong = feed(firewall, "add", "blocked", ["192.0.2.1", "# a comment", "192.0.2.0/33"])
    assert wrong.returncode == 2 and "line 3" in wrong.stderr and "192.0.2.0/33" in wrong.stderr
    many = feed(firewall, "add", "kept", addresses(101))
    assert many.returncode == 2 and "0 of 100 entries, and 101 more do not fit" in many.stderr
    missing = firewall.cli("set", "add", "nobody", "192.0.2.1")
    assert missing.returncode == 2 and "no dynamic set 'nobody'" in missing.stderr
    done = firewall.cli("set", "add", "blocked", "192.0.2.1", "for", "1h", "192.0.2.2")
    assert done.returncode == 2 and "'for' and a duration stand last" in done.stderr, done.stderr
    assert "entry 2: 'here' is no address" in firewall.cli("set", "add", "blocked", "192.0.2.1", "here").stderr
    socket = f"/run/keepstate/{firewall.instance()}/control.sock"
    done = subprocess.run(["curl", "-sS", "--unix-socket", socket, "-d", "192.0.2.1",
                           "http://k/v1/sets?name=blocked&end_state=1"], capture_output=True, text=True, timeout=20)
    error = "POST /v1/sets has no parameter 'end_state'; there are: name for end_states"
    assert json.loads(done.stdout)["error"] == error
    assert size(firewall, "blocked")["entries"] == 1 and size(firewall, "kept")["entries"] == 0


def test_flows_go_on_unless_they_are_ended(lab, firewall):
    lab.client.run("ping", "-c", "2", "-i", "0.2", SERVER4)
    assert firewall.data("states")
    firewall.say("set", "add", "blocked", CLIENT4)
    assert firewall.data("states")
    firewall.say("set", "add", "--end-flows", "blocked", CLIENT4)
    assert not [one for one in firewall.data("states") if CLIENT4 in (one["source"], one["destination"])]


def test_58000_entries_come_in_one_call_and_expire_at_once_under_traffic(lab, firewall):
    pings = lab.client.start("ping", "-q", "-i", "0.01", SERVER4)
    for seconds in (8, 40):  # a busy machine may not count them within their time: then they get more
        begun = time.monotonic()
        done = feed(firewall, "add", "blocked", [f"{line} for {seconds}s" for line in addresses(58000)])
        assert done.returncode == 0 and "58000 added" in done.stdout, done.stdout + done.stderr
        there = len(entries(firewall, "blocked"))
        if time.monotonic() - begun < seconds:
            break
        wait_for(lambda: size(firewall, "blocked")["entries"] == 1, what="the sweeper frees what has expired")
    assert there == 58001
    wait_for(lambda: size(firewall, "blocked")["entries"] == 1, 60, "the sweeper frees what has expired")
    again = feed(firewall, "add", "blocked", [line + " for 1s" for line in addresses(58000)])
    assert "58000 added" in again.stdout
    time.sleep(1.1)
    assert len(entries(firewall, "blocked")) == 1, "they live on, though they expired"
    assert size(firewall, "blocked")["entries"] == 1, "they are counted, though they expired"
    assert metric(firewall, 'keepstate_set_entries{set="blocked"}') == 1
    assert "1 not there, 1 entry now" in firewall.cli("set", "remove", "blocked", addresses(1)[0]).stdout
    full = feed(firewall, "add", "blocked", addresses(69000, 58000))
    assert "69000 added" in full.stdout, "what has expired makes room before it is swept"
    pings.send_signal(2)
    summary = pings.communicate(timeout=PATIENCE)[0]
    assert pings_lost(summary) == 0, summary


def test_forty_changes_a_second_under_traffic(lab, firewall):
    pings = lab.client.start("ping", "-q", "-i", "0.01", SERVER4)
    generation = firewall.data("status")[0]["generation"]
    begun = time.monotonic()
    for n in range(200):
        address = f"192.0.2.{100 + n % 50}"
        firewall.say("set", "add" if n % 100 < 50 else "remove", "blocked", address)
        time.sleep(max(0, begun + n / 40 - time.monotonic()))
    assert size(firewall, "blocked")["entries"] == 1
    assert firewall.data("status")[0]["generation"] == generation, "a change made rules again"
    pings.send_signal(2)
    assert pings_lost(pings.communicate(timeout=PATIENCE)[0]) == 0


def test_a_million_entries(lab, firewall):
    lines = addresses(1000000)
    begun = time.monotonic()
    done = feed(firewall, "replace", "large", lines)
    taken = time.monotonic() - begun
    assert done.returncode == 0 and "1000000 entries now" in done.stdout, done.stdout + done.stderr
    print(f"a million entries: {taken:.1f} s, {size(firewall, 'large')['memory'] >> 20} MiB")
    begun = time.monotonic()
    assert firewall.say("set", "list", "--plain", "large", timeout=120).count("\n") == 1000000
    print(f"listed in {time.monotonic() - begun:.1f} s")
    assert lab.client.ping(SERVER4) == 3
    firewall.say("set", "add", "kept", SERVER4)
    assert lab.client.ping(SERVER4) == 0
    assert "1000000 removed" in firewall.say("set", "flush", "large")


def test_entries_stay_over_reload_crash_and_stop(lab, firewall):
    firewall.say("set", "add", "blocked", CLIENT4)
    firewall.say("set", "add", "kept", SERVER6, "2001:db8:1::/48", "for", "1h")
    firewall.path.write_text(POLICY.replace("limit 70000", "limit 90000").replace("198.51.100.0/24", "203.0.113.7"))
    firewall.say("reload")
    assert set(entries(firewall, "blocked")) == {CLIENT4, "203.0.113.7"}
    assert lab.client.ping(SERVER4) == 0
    firewall.crash()
    assert lab.client.ping(SERVER4) == 0
    firewall.start()
    assert set(entries(firewall, "blocked")) == {CLIENT4, "203.0.113.7"}
    firewall.say("set", "add", "blocked", "192.0.2.99")
    firewall.stop()
    firewall.start()
    assert set(entries(firewall, "blocked")) == {"203.0.113.7"}
    kept = entries(firewall, "kept")
    assert set(kept) == {SERVER6, "2001:db8:1::/48"} and 3000 < kept[SERVER6]["left"] < 3600
    assert lab.client.ping(SERVER6) == 0
    firewall.path.write_text(POLICY.replace("limit 100, keep", "limit 1, keep"))
    done = firewall.cli("reload")
    assert "the set 'kept' has 2 entries, and its limit is 1 now" in done.stderr, done.stdout + done.stderr
    assert any("'kept' has 2 entries" in line for line in firewall.data("status")[0]["warnings"])
    assert len(entries(firewall, "kept")) == 2
    firewall.stop()
    firewall.start()
    assert len(entries(firewall, "kept")) == 1
    rest = pathlib.Path(f"/var/lib/keepstate/{firewall.instance()}/sets.beyond-limit").read_text()
    assert SERVER6 in rest and "2001:db8:1::/48" in rest
    firewall.path.write_text(POLICY.replace("@kept, ", "").replace("set kept { } dynamic, limit 100, keep\n", ""))
    firewall.say("reload")
    assert [one["name"] for one in firewall.data("set", "list")[0]["sets"]] == ["blocked", "large"]
    assert lab.client.ping(SERVER6) == 3


def test_what_was_flushed_does_not_come_back(firewall):
    """Also if the policy had the set no more when the firewall was stopped, so that nothing was saved then."""
    firewall.say("set", "add", "kept", "192.0.2.77", "192.0.2.78")
    firewall.stop()
    firewall.start()
    assert set(entries(firewall, "kept")) == {"192.0.2.77", "192.0.2.78"}
    firewall.say("set", "remove", "kept", "192.0.2.77")
    firewall.path.write_text(POLICY.replace("@kept, ", "").replace("set kept { } dynamic, limit 100, keep\n", ""))
    firewall.say("reload")
    firewall.stop()
    firewall.path.write_text(POLICY)
    firewall.start()
    assert set(entries(firewall, "kept")) == {"192.0.2.78"}


def test_counters_stay_in_a_set_that_grows(lab, firewall):
    firewall.say("set", "add", "kept", SERVER4)
    assert lab.client.ping(SERVER4) == 0
    before = entries(firewall, "kept")[SERVER4]
    assert before["packets"] > 0
    firewall.path.write_text(POLICY.replace("limit 100, keep", "limit 5000, keep"))
    firewall.say("reload")
    after = entries(firewall, "kept")[SERVER4]
    assert (after["packets"], after["bytes"]) >= (before["packets"], before["bytes"])


def test_replacing_is_one_step(lab, firewall):
    feed(firewall, "add", "blocked", [CLIENT4, "192.0.2.1 for 5m"])
    lab.client.ping(SERVER4)
    done = feed(firewall, "replace", "blocked", [CLIENT4, "192.0.2.2"])
    assert done.returncode == 0, done.stderr
    now = entries(firewall, "blocked")
    assert set(now) == {CLIENT4, "192.0.2.2"} and now[CLIENT4]["packets"] >= 3
    plain = firewall.say("set", "list", "--plain", "blocked").splitlines()
    assert feed(firewall, "replace", "blocked", plain).returncode == 0
    assert set(entries(firewall, "blocked")) == {CLIENT4, "192.0.2.2"}
    assert lab.client.ping(SERVER4) == 0
    firewall.say("reload")
    firewall.say("set", "replace", "blocked", "198.51.100.0/24", "192.0.2.2", "for", "5m")
    now = entries(firewall, "blocked")
    assert now["198.51.100.0/24"]["left"] is None and now["198.51.100.0/24"]["policy"]
    assert now["192.0.2.2"]["left"] <= 300


def test_the_api_takes_json(firewall):
    body = json.dumps({"entries": ["192.0.2.1", "192.0.2.0/24 for 5s"], "for": "2h"})
    socket = f"/run/keepstate/{firewall.instance()}/control.sock"
    done = subprocess.run(["curl", "-sS", "--unix-socket", socket, "-d", body, "http://k/v1/sets?name=blocked"],
                          capture_output=True, text=True, timeout=20)
    assert json.loads(done.stdout)["added"] == 2
    assert 7190 < entries(firewall, "blocked")["192.0.2.1"]["left"] <= 7200
