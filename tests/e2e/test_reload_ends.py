# SPDX-License-Identifier: BSD-2-Clause
"""Living states that a new policy does not allow: counted, listed with the line that denies, ended if that is wished."""
import sys

import pytest
from conftest import POLICY
from lab import CLIENT4, CLIENT6, SERVER4, SERVER6, WAN4, wait_for

UDP = "import socket,sys; s=socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM); " \
      "s.bind(('', int(sys.argv[3]))); s.sendto(b'x', (sys.argv[1], int(sys.argv[2])))"
FORWARD = POLICY + "forward from wan udp port 5641 to lan 10.0.0.10 port %d\n"


@pytest.fixture
def gate(firewall):
    """The usual firewall without states."""
    firewall.cli("states", "kill", "--all")
    yield firewall
    firewall.cli("states", "kill", "--all")


def send(host, address, port, source):
    host.run(sys.executable, "-c", UDP, address, port, source, check=True)


def states(firewall, port):
    return [one for one in firewall.data("states") if port in (one.get("destination_port"), one.get("source_port"))]


def reload(firewall, text, *options):
    """Reloads. Returns what it printed and its answer, from two reloads if both were asked for."""
    firewall.path.write_text(text)
    done = firewall.cli("reload", *options)
    assert done.returncode == 0, done
    return done.stdout + done.stderr


def denying(text):
    return POLICY.replace("allow from lan to wan log", text + "\nallow from lan to wan log")


def test_they_are_counted_and_go_on(lab, gate):
    for port in (5631, 5632, 5633):
        send(lab.client, SERVER4, 5630, port)
    send(lab.client, SERVER6, 5630, 5631)
    send(lab.client, SERVER4, 5629, 5634)
    said = reload(gate, denying("deny from lan to wan udp port 5630"))
    assert "4 living states go on that the policy does not allow to open: `keepstate reload --end-denied`" in said
    assert len(states(gate, 5630)) == 4
    assert "4 living states that the policy does not allow ended" in reload(gate, gate.path.read_text(), "--end-denied")
    assert states(gate, 5630) == [] and len(states(gate, 5629)) == 1
    assert "living" not in reload(gate, gate.path.read_text())
    answer = gate.data("reload")[0]
    assert answer["states_denied"] == answer["states_ended"] == answer["states_retargeted"] == 0


def test_a_dry_run_lists_them(lab, gate):
    send(lab.client, SERVER4, 5630, 5631)
    send(lab.client, SERVER6, 5630, 5632)
    lab.client.ping(SERVER4, count=1)
    other = gate.path.parent / "next.conf"
    other.write_text(denying("deny from lan to wan udp destination 192.0.2.0/24")
                     .replace("allow from lan to wan log", "allow from lan to wan tcp log"))
    generation = gate.data("status")[0]["generation"]
    text = gate.say("reload", "--dry-run", other)
    assert f"{other}: 3 living states would not be allowed to open; nothing was changed" in text
    rows = [line.split() for line in text.splitlines()]
    assert any(row[:1] == ["udp"] and f"{CLIENT4}:5631" in row and "this rule denies it" in " ".join(row)
               and "next.conf:6: deny from lan to wan" in " ".join(row) for row in rows), text
    assert any(row[:1] == ["udp"] and f"[{CLIENT6}]:5632" in row and "no rule allows it" in " ".join(row) for row in rows), text
    assert any(row[:1] == ["icmp"] and "no rule allows it" in " ".join(row) for row in rows), text
    answer = gate.data("reload", "--dry-run", other)[0]
    assert {one["why"] for one in answer["denied"]} == {"this rule denies it", "no rule allows it"}
    assert [one["by"]["line"] for one in answer["denied"] if one["by"]] == [6]
    refused, = [one for one in answer["diff"]["classes"] if (one["after"]["rule"] or {}).get("line") == 6]
    assert refused["differs"] == "verdict, log"
    assert refused["packets"] == "from lan to wan family ipv4 udp port { 0-24, 26-65535 } destination 192.0.2.0/24"
    assert refused["before"]["verdict"] == "allow" and refused["before"]["rule"]["text"] == "allow from lan to wan"
    assert refused["before"]["rule"]["file"] == str(gate.path) and answer["diff"]["complete"] is True
    live = gate.cli("diff", "--live", other)
    assert live.returncode == 1 and refused["witness"] in live.stdout and "3 living states would not be allowed" in live.stdout, live
    assert gate.cli("diff", "--live", gate.path).returncode == 0
    status = gate.data("status")[0]
    assert status["generation"] == generation and status["policy"] == str(gate.path)
    assert len(states(gate, 5630)) == 2
    other.write_text("nonsense\n")
    done = gate.cli("reload", "--dry-run", other)
    assert done.returncode == 2 and "next.conf:1:1" in done.stderr


def test_a_dry_run_knows_the_addresses_of_the_box(gate):
    """The policy does not say them; a translation by them is told as the kernel would do it."""
    gate.path.write_text(POLICY)
    gate.say("reload")
    other = gate.path.with_name("next.conf")
    other.write_text(POLICY + "nat from lan to wan masquerade\n")
    classes = [one for one in gate.data("reload", "--dry-run", other)[0]["diff"]["classes"] if one["differs"] == "translation"]
    assert any(one["after"]["source"] == WAN4 or one["after"]["source"].startswith(WAN4 + ":") for one in classes), classes
    assert all(one["before"]["verdict"] == one["after"]["verdict"] == "allow" for one in classes), classes


def test_another_target_of_a_forward_ends_the_old_flows(lab, gate):
    """Without a wish: a client that keeps its port would stay with the dead server for ever."""
    reload(gate, FORWARD % 5642)
    send(lab.server, WAN4, 5641, 5640)
    assert states(gate, 5642)
    assert "1 living state ended: the policy forwards it to another destination" in reload(gate, FORWARD % 5643)
    assert not states(gate, 5642)
    send(lab.server, WAN4, 5641, 5640)
    assert states(gate, 5643)
    assert "living" not in reload(gate, FORWARD % 5643 + "allow from wan to lan tcp port 9\n")
    assert states(gate, 5643)
    assert "1 living state goes on" in reload(gate, POLICY), "it is not forwarded any more"
    assert states(gate, 5643)
    assert "1 living state that the policy does not allow ended" in reload(gate, POLICY, "--end-denied")
    assert not states(gate, 5643)


def test_translation_that_comes_and_goes(lab, gate):
    send(lab.client, SERVER4, 5650, 5651)
    masqueraded = POLICY + "nat from lan to wan masquerade\n"
    assert "1 living state goes on" in reload(gate, masqueraded)
    assert "1 living state that the policy does not allow ended" in reload(gate, masqueraded, "--end-denied")
    send(lab.client, SERVER4, 5650, 5651)
    assert states(gate, 5650)[0]["nat"]["source"] == WAN4
    assert "living" not in reload(gate, masqueraded + "allow from wan to lan tcp port 9\n")
    gate.say("reload", "--dry-run")
    gate.path.write_text(POLICY)
    assert "its source would be translated otherwise" in gate.say("reload", "--dry-run")


def test_zones_that_go_and_interfaces_that_move(lab, gate):
    send(lab.client, SERVER4, 5660, 5661)
    gone = POLICY.replace("zone lan {", "zone inner {").replace("from lan", "from inner").replace("{ lan, wan }", "{ inner, wan }")
    gate.path.write_text(gone)
    assert "one of its ends is in another zone" in gate.say("reload", "--dry-run")
    assert "1 living state goes on" in reload(gate, gone)
    assert "ended" in reload(gate, gone, "--end-denied") or not states(gate, 5660)
    reload(gate, POLICY)
    gate.cli("states", "kill", "--all")
    send(lab.client, SERVER4, 5660, 5661)
    moved = POLICY.replace("zone lan { lan0 }", "zone lan { eth7 }\nzone side { lan0 }")
    gate.path.write_text(moved)
    assert "one of its ends is in another zone" in gate.say("reload", "--dry-run")
    assert "1 living state that the policy does not allow ended" in reload(gate, moved, "--end-denied")
    assert not states(gate, 5660)


def test_taken_back_as_well(lab, gate):
    """The policy before a trial forwards to the old target again."""
    reload(gate, FORWARD % 5642)
    reload(gate, FORWARD % 5643, "--confirm", "3s")
    send(lab.server, WAN4, 5641, 5640)
    assert states(gate, 5643)
    wait_for(lambda: not states(gate, 5643), 60, "the end of the flow to the target on trial")
