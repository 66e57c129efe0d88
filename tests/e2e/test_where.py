# SPDX-License-Identifier: BSD-2-Clause
"""Broadcast and multicast are for the box, wherever its routes lead; and questions to a group are answered."""
import subprocess
import time

import pytest
from lab import KEEPSTATE, PATIENCE, masquerade
from reallab import (BROADCAST_MAC, CLIENT4, CLIENT6, FAR4, GUEST4, ICMP, LAN4, LAN6, NEAR4, SECOND4, TWO_WANS,
                     WAN4, echo_packet, group_mac, heard, hears, icmp_heard, ip_packet, address_bytes, udp_packet, window)

EVERYBODY4, EVERYBODY6 = "255.255.255.255", "ff02::1"
LAN_BROADCAST = "10.0.0.255"
ANSWER_SECONDS = 2  # timeout group.answer where an answer comes too late; elsewhere it is PATIENCE

# Messages to a whole network: group, port.
SPOKEN = [(EVERYBODY4, 67), ("224.0.0.251", 5353), ("239.255.255.250", 1900), ("224.0.0.9", 520), (LAN_BROADCAST, 137),
          ("ff02::fb", 5353), ("ff02::c", 1900), ("ff05::2", 1900)]
ROUTERS = [("224.0.0.18", 112), ("224.0.0.5", 89), ("ff02::12", 112), ("ff02::5", 89)]
# Questions: the group, its port, and the port that the answer comes from.
QUESTIONS = {"mdns": ("224.0.0.251", 5353, 5353), "mdns6": ("ff02::fb", 5353, 5353),
             "ssdp": ("239.255.255.250", 1900, 49152), "ssdp6": ("ff02::c", 1900, 49152),
             "netbios": (LAN_BROADCAST, 137, 137), "broadcast": (EVERYBODY4, 9999, 9999)}
EVERYTHING_OUT = "allow from lan to { wan, dsl }\n" + masquerade("from lan to { wan, dsl }")

spoken = pytest.mark.parametrize("group, port", SPOKEN, ids=[f"{group}-{port}" for group, port in SPOKEN])
questions = pytest.mark.parametrize("group, port, answers_from", QUESTIONS.values(), ids=QUESTIONS.keys())


def is_six(address):
    return ":" in address


def joined(group):
    """The groups that a socket must join to hear this address."""
    return [group] if is_six(group) or 224 <= address_bytes(group)[0] < 240 else []


def box_listener(reallab, group, port):
    return reallab.gateway.udp("::" if is_six(group) else "0.0.0.0", port, "lan0", joined(group))


def speak(reallab, group, port, sport=40000, source=None):
    source = source or (CLIENT6 if is_six(group) else CLIENT4)
    reallab.send(reallab.client, udp_packet(source, sport, group, port, ttl=4), to=group_mac(group) if
                 group != LAN_BROADCAST else BROADCAST_MAC)


# --- they are for the box ---------------------------------------------------------------------------------------------


@spoken
def test_groups_are_the_box(reallab, real_gate, group, port):
    """A rule to self lets its sockets hear, counts, and nothing is translated as if it left by the default route."""
    rule = f"allow from lan to self udp port {port}"
    gate = real_gate.use(rule + "\n" + EVERYTHING_OUT)
    with box_listener(reallab, group, port) as sock:
        speak(reallab, group, port)
        assert hears(sock), "the box's socket hears nothing"
    assert gate.matches(rule) == 1
    for flow in gate.flows(group):
        assert flow["to"] == "self" and not flow.get("nat"), flow
    source = f"[{CLIENT6}]:40000 > self [{group}]" if is_six(group) else f"{CLIENT4}:40000 > self {group}"
    gate.agrees(f"lan {source}:{port} udp", True)


@spoken
def test_groups_are_denied_as_the_box(reallab, real_gate, group, port):
    """`deny from lan to self` keeps mDNS and SSDP from the box's sockets, although everything may leave."""
    gate = real_gate.use("deny from lan to self\n" + EVERYTHING_OUT)
    with box_listener(reallab, group, port) as sock:
        speak(reallab, group, port)
        assert not hears(sock, window(False)), "the box's socket hears what is denied"
    assert gate.matches("deny from lan to self") == 1
    assert not gate.flows(group)
    source = f"[{CLIENT6}]:40000 > self [{group}]" if is_six(group) else f"{CLIENT4}:40000 > self {group}"
    gate.agrees(f"lan {source}:{port} udp", False)


@pytest.mark.parametrize("group, proto", ROUTERS, ids=["vrrp", "ospf", "vrrp6", "ospf6"])
def test_routers_speak(reallab, real_gate, group, proto):
    """VRRP and OSPF of a network are for the box, and a rule to self decides."""
    source = "fe80::1:1" if is_six(group) else CLIENT4
    advertisement = ip_packet(source, group, proto, b"\x31\x01\x64\x00" + b"\0" * 16, ttl=255 if proto == 112 else 1)
    for rule, passes in (("allow from lan to self proto { 112, 89 }", True), ("deny from lan to self", False)):
        gate = real_gate.use(rule + "\n" + EVERYTHING_OUT)
        with reallab.gateway.raw(proto, is_six(group), "lan0", [group]) as sock:
            reallab.send(reallab.client, advertisement, to=group_mac(group))
            assert hears(sock, window(passes)) == passes, rule
        assert gate.matches("vrrp" if passes else rule) == 1  # as the rule is shown
        gate.agrees(f"lan {source} > self {group} proto {proto}", passes)


@spoken
def test_policy_tests_say_self_too(tmp_path, group, port):
    source = f"[{CLIENT6}]:40000 > self [{group}]" if is_six(group) else f"{CLIENT4}:40000 > self {group}"
    policy = tmp_path / "policy.conf"
    policy.write_text(f"{TWO_WANS}allow from lan to {{ wan, dsl }}\nallow from lan to self udp port {port}\n"
                      f'test "group" {{\n  lan {source}:{port} udp => allow new rule 6\n'
                      f"  guest {source}:{port} udp => deny\n}}\n")
    done = subprocess.run([KEEPSTATE, "test", policy], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# --- questions to a group ----------------------------------------------------------------------------------------------


class Question:
    """The box asks a group on lan0; `allow from self to lan` is the only rule about it."""

    def __init__(self, reallab, gate, group, port, seconds=PATIENCE):
        self.lab, self.six = reallab, is_six(group)
        self.gate = gate.use("allow from self to lan\nallow from lan to wan\n",
                             settings=f"timeout group.answer {seconds}s\noption log-drops on\n")
        self.sock = reallab.gateway.udp("::" if self.six else "0.0.0.0", 0, "lan0")
        self.port = self.sock.getsockname()[1]
        self.sock.sendto(b"who is there?", (group, port))
        self.mine = LAN6 if self.six else LAN4
        if self.six:  # a question to a link-local group has a link-local source
            self.mine = self.link_local(reallab.gateway, "lan0")

    @staticmethod
    def link_local(host, device):
        words = host.run("ip", "-6", "-o", "addr", "show", "dev", device, "scope", "link").stdout.split()
        return words[words.index("inet6") + 1].split("/")[0]

    def answer(self, sport, source=None, host=None, device="eth0", port=None):
        source = source or ("fe80::77" if self.six else CLIENT4)
        self.lab.send(host or self.lab.client, udp_packet(source, sport, self.mine, port or self.port, b"I am"), device)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


@questions
def test_members_answer(reallab, real_gate, group, port, answers_from):
    """Several of them, to the port that asked, without a rule; explain knows it too."""
    with Question(reallab, real_gate, group, port) as question:
        question.answer(answers_from)
        question.answer(answers_from, "fe80::78" if question.six else SECOND4)
        assert len(heard(question.sock, 2)) == 2
        records = real_gate.data("status")[0]["table"]["records"]["questions"]
        assert 1 <= records["count"] <= records["limit"], records
        source = "[fe80::79]" if question.six else "10.0.0.12"
        mine = f"[{question.mine}]" if question.six else question.mine
        real_gate.agrees(f"lan {source}:{answers_from} > self {mine}:{question.port} udp", True)
        assert "has asked a group in zone lan" in real_gate.explains(
            f"lan {source}:{answers_from} > self {mine}:{question.port} udp")[1]
        real_gate.agrees(f"lan {source}:{answers_from} > self {mine}:{question.port + 1} udp", False)


def test_only_neighbours_hear_a_group_of_the_link(reallab, real_gate):
    """A host beyond the link was not asked by 224.0.0.251, and cannot answer."""
    gate = real_gate.use("allow from self to wan\n")
    with reallab.gateway.udp("0.0.0.0", 0, "wan0") as sock:
        port = sock.getsockname()[1]
        sock.sendto(b"who is there?", ("224.0.0.251", 5353))
        for source in ("198.18.7.7", NEAR4):
            reallab.send(reallab.outside, udp_packet(source, 5353, WAN4, port, source.encode()), "eth0")
        assert [data for data, _ in heard(sock, 2)] == [NEAR4.encode()]
        gate.agrees(f"wan {NEAR4}:5353 > self {WAN4}:{port} udp", True)
        gate.agrees(f"wan 198.18.7.7:5353 > self {WAN4}:{port} udp", False)


@questions
def test_not_later(reallab, real_gate, group, port, answers_from):
    with Question(reallab, real_gate, group, port, ANSWER_SECONDS) as question:
        time.sleep(ANSWER_SECONDS + 0.6)
        question.answer(answers_from)
        assert not hears(question.sock, window(False)), "an answer passes after the stated time"


@questions
def test_not_from_another_zone(reallab, real_gate, group, port, answers_from):
    """Nor from outside, nor to a port that has not asked."""
    with Question(reallab, real_gate, group, port) as question:
        with reallab.gateway.udp("::" if question.six else "0.0.0.0", question.port + 1) as other, \
                reallab.gateway.udp("::" if question.six else "0.0.0.0", question.port) as everywhere:
            question.answer(answers_from, "fe80::77" if question.six else GUEST4, reallab.guest)
            question.answer(answers_from, "fe80::77" if question.six else NEAR4, reallab.outside)
            assert not hears(everywhere, window(False)), "who was not asked answers"
            question.answer(answers_from, port=question.port + 1)
            assert not hears(other, window(False)), "an answer comes to a port that has not asked"
        question.answer(answers_from)
        assert hears(question.sock), "who was asked cannot answer any more"


@pytest.mark.parametrize("group", [EVERYBODY6 + "%lan0", LAN_BROADCAST, "224.0.0.1"], ids=["ff02::1", "broadcast", "224.0.0.1"])
def test_ping_of_all(reallab, real_gate, group):
    """The box's own ping to everybody gets its answers."""
    real_gate.use("allow from self to lan\n")
    words = ["-6"] if is_six(group) else ["-b", "-I", "lan0"]
    words += ["-L"]  # not its own answers
    assert reallab.gateway.ping(group, *words) == 3


@questions
def test_the_box_answers(reallab, real_gate, group, port, answers_from):
    """A client asks a group of which the box is a member: it answers, without a rule from self."""
    source = "fe80::99:1" if is_six(group) else CLIENT4
    real_gate.use(f"allow from lan to self udp port {port}\n")
    if is_six(group):
        reallab.client.run("ip", "addr", "add", f"{source}/64", "dev", "eth0", "nodad")
    any_ = "::" if is_six(group) else "0.0.0.0"
    with box_listener(reallab, group, port) as box, reallab.gateway.udp(any_, 49152, "lan0") as another, \
            reallab.client.udp(any_, 40123) as asker:
        speak(reallab, group, port, 40123, source)
        assert hears(box), "the question is not heard"
        index = reallab.gateway.index("lan0")
        target = (source, 40123, 0, index) if is_six(group) else (source, 40123)
        (box if answers_from == port else another).sendto(b"here", target)
        assert hears(asker), "the answer does not arrive"


# --- from outside ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["smurf", "fraggle"])
def test_directed_broadcast_from_outside(reallab, real_gate, kind):
    """Though rules and the kernel would hand it on: no member hears it, and nothing is remembered."""
    gate = real_gate.use("allow from wan to lan\nallow from wan to self\n")
    packet = echo_packet(FAR4, LAN_BROADCAST) if kind == "smurf" else udp_packet(FAR4, 19, LAN_BROADCAST, 7)
    before = gate.reason("directed broadcast")
    for where in ("all", "wan0", "lan0"):
        reallab.gateway.write(f"/proc/sys/net/ipv4/conf/{where}/bc_forwarding", 1)
    try:
        with reallab.client.raw(ICMP) if kind == "smurf" else reallab.client.udp(port=7) as sock:
            reallab.send(reallab.outside, packet, count=3)
            assert not heard(sock, wait=0.4), "everybody inside hears what one outside has sent"
    finally:
        for where in ("all", "wan0", "lan0"):
            reallab.gateway.write(f"/proc/sys/net/ipv4/conf/{where}/bc_forwarding", 0)
    assert not gate.flows(LAN_BROADCAST)
    assert gate.reason("directed broadcast") == before + 3
    words = "icmp echo-request" if kind == "smurf" else "udp"
    ends = f"wan {FAR4} > lan {LAN_BROADCAST}" if kind == "smurf" else f"wan {FAR4}:19 > lan {LAN_BROADCAST}:7"
    gate.agrees(f"{ends} {words}", False)


def test_groups_of_the_outside_link(reallab, real_gate):
    """Broadcasts of neighbours outside are for the box too, and a rule decides about them."""
    for rules, passes in (("allow from wan to self udp port 5353\n", True), ("allow from wan to lan\n", False)):
        real_gate.use(rules)
        for group in ("224.0.0.251", EVERYBODY4, "192.0.2.255", "ff02::fb"):
            six = is_six(group)
            with reallab.gateway.udp("::" if six else "0.0.0.0", 5353, "wan0", joined(group)) as sock:
                packet = udp_packet("fe80::5" if six else NEAR4, 5353, group, 5353, ttl=1)
                reallab.send(reallab.outside, packet, to=BROADCAST_MAC if group == "192.0.2.255" else group_mac(group))
                assert hears(sock, window(passes)) == passes, (rules, group)


def test_a_group_is_no_way_to_others(reallab, real_gate):
    """A forwarded packet from another zone cannot pose as an answer to a question of the box to a group."""
    gate = real_gate.use("allow from self to lan\n")
    with reallab.gateway.udp(device="lan0") as sock, reallab.client.udp(port=sock.getsockname()[1]) as inner:
        sock.sendto(b"who is there?", ("224.0.0.251", 5353))
        for source, host in ((GUEST4, reallab.guest), (FAR4, reallab.outside)):
            reallab.send(host, udp_packet(source, 5353, CLIENT4, sock.getsockname()[1]))
        assert not heard(inner), "a question of the box opens the way to another"
    assert not gate.flows(CLIENT4, "guest")


def test_igmp_and_mld_of_the_box(reallab, real_gate):
    """With no rule about them at all, memberships are still told: neighbour messages are never asked about."""
    real_gate.use("allow from self to lan udp port 9\n")
    with reallab.client.raw(2, device="eth0", groups=["224.0.0.22"]) as sock, \
            reallab.gateway.udp(device="lan0", groups=["239.1.1.1"]):
        assert hears(sock), "no membership report of the box"


def test_echo_of_all_needs_a_rule(reallab, real_gate):
    """Ping to all from inside is answered by the box only where a rule says so."""
    echo = "allow from lan to self icmp type echo-request\nallow from lan to self icmpv6 type echo-request\n"
    for rules, passes in ((echo, True), ("allow from lan to wan\n", False)):
        real_gate.use(rules)
        for group, source in (("224.0.0.1", CLIENT4), (LAN_BROADCAST, CLIENT4), (EVERYBODY6, CLIENT6)):
            with reallab.client.raw(58 if is_six(group) else ICMP, is_six(group)) as sock:
                reallab.send(reallab.client, echo_packet(source, group), to=group_mac(group) if group != LAN_BROADCAST
                             else BROADCAST_MAC)
                answers = [found for found in icmp_heard(sock, is_six(group), 0.4) if found[1] in (0, 129)]
                assert bool(answers) == passes, (rules, group, answers)
