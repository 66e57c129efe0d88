# SPDX-License-Identifier: BSD-2-Clause
"""Two uplinks of which one fails, answers by the second one, and routes that go away."""
import time

import pytest
from lab import PATIENCE, masquerade, wait_for
from reallab import (CLIENT4, CLIENT6, DSL4, DSL6, FAR4, FAR6, ICMP, ICMP6, LAN4, LAN6, LOUNGE4, LOUNGE6, ONE_WAN,
                     TWO_WANS, WAN4, WAN6, ask, heard, hears, icmp_heard, udp_packet)
from uplinks import FIRST, ROUTER_SECONDS, SECOND, anywhere, both, by, came_right, far, settle, zoned

LOST_SECONDS = 2  # for an answer to a packet that may have gone by the dead uplink: the next one is asked for then

pytestmark = pytest.mark.usefixtures("usual_routes")

# --- what came in by the second uplink -------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("zones", [TWO_WANS, ONE_WAN], ids=["two-zones", "one-zone"])
def test_answers_leave_where_it_came_in(reallab, real_gate, family, zones):
    """A service inside is reached by either uplink's address: answers go back by the same, though the default route is one."""
    outer = "{ wan, dsl }" if zones is TWO_WANS else "wan"
    client = by(family, CLIENT4, CLIENT6)
    gate = real_gate.use("".join(f"forward from {outer} {kind} port 8080 to {client}\n" for kind in ("udp", "tcp")), zones)
    settle(gate)
    with reallab.client.udp(client, 8080) as server, reallab.client.tcp_listener(client, 8080) as listener:
        for device, at in (("eth1", by(family, DSL4, DSL6)), ("eth0", by(family, WAN4, WAN6))):
            with reallab.outside.udp(far(family), 0, device) as sock:
                for turn in range(4):
                    sock.sendto(b"hello", (at, 8080))
                    server.settimeout(PATIENCE)
                    data, peer = server.recvfrom(100)
                    assert peer[0] == far(family)
                    server.sendto(data, peer)
                    answers = heard(sock, 1, 1 if turn == 0 and family == 6 else PATIENCE)
                    if turn == 0 and family == 6 and not answers:
                        continue  # the first answer by another uplink resolves its router, and is lost
                    assert answers and answers[0][1] == at, f"by {device}: {answers}"
            listener.settimeout(PATIENCE)
            sock = reallab.outside.connect_to(at, 8080, far(family), device)
            assert sock, f"no connection by {device}"
            accepted, _ = listener.accept()
            with sock, accepted:
                accepted.sendall(b"welcome" * 500)
                sock.settimeout(PATIENCE)
                assert sock.recv(7) == b"welcome"
    ends = (f"dsl {FAR4}:50001 > self {DSL4}:8080 udp" if family == 4 else f"dsl [{FAR6}]:50001 > self [{DSL6}]:8080 udp")
    gate.agrees(ends if zones is TWO_WANS else ends.replace("dsl", "wan"), True)


@both
def test_routed_addresses_by_the_second_uplink(reallab, real_gate, family):
    """The same without translation: who comes in by wan1 is answered by wan1, else the provider's filter drops it."""
    gate = real_gate.use("allow from { wan, dsl } to lan\n")
    settle(gate)
    client = by(family, CLIENT4, CLIENT6)
    with reallab.client.udp(client, 8081) as server, reallab.outside.udp(far(family), 50081, "eth1") as sock:
        reallab.send(reallab.outside, udp_packet(far(family), 50081, client, 8081), "eth1")
        server.settimeout(PATIENCE)
        data, peer = server.recvfrom(100)
        server.sendto(data, peer)
        assert hears(sock), "the answer does not leave by the uplink that the question came in by"


# --- an uplink dies ----------------------------------------------------------------------------------------------------


@both
@zoned
@pytest.mark.parametrize("death", ["route", "carrier"])
def test_an_uplink_dies(reallab, real_gate, mirror, family, rules, zones, death):
    """A client that keeps its port (SIP, WireGuard) is translated anew with its next packet, and back when it lives again."""
    gate = real_gate.use(rules, zones)
    settle(gate)
    with reallab.client.udp(anywhere(family), 45060) as sock:
        came_right(ask(sock, far(family), 5100), family, "eth0")
        came_right(ask(sock, far(family), 5100), family, "eth0")
        if death == "carrier":
            reallab.outside.ip("link", "set", "eth0", "down")
        reallab.default_routes(SECOND)
        answers = [ask(sock, far(family), 5100, wait=LOST_SECONDS) for _ in range(3)]
        assert any(answers), "the client is stuck with the dead uplink"
        assert answers[0] or answers[1], "it takes more than one packet to begin anew"
        came_right([answer for answer in answers if answer][0], family, "eth1")
        assert len(gate.flows(far(family), 45060)) == 1, gate.flows(far(family), 45060)
        reallab.routes()
        settle(gate)
        answers = [ask(sock, far(family), 5100, wait=LOST_SECONDS) for _ in range(3)]
        assert any(answers)
        came_right(answers[-1], family, "eth0")


@both
def test_an_uplink_dies_untranslated(reallab, real_gate, mirror, family):
    """An untranslated flow moves with the route where the rules allow it, and ends where they do not."""
    reallab.outside.run("ip", "route", "replace", by(family, "10.0.0.0/24", "fd00:10::/64"), "via", by(family, DSL4, DSL6))
    gate = real_gate.use("allow from lan to { wan, dsl }\n")
    reallab.default_routes(SECOND)
    settle(gate)
    with reallab.client.udp(anywhere(family), 45061) as sock, reallab.outside.udp(far(family), 5200) as server:
        def talk():
            sock.sendto(b"hello", (far(family), 5200))
            server.settimeout(0.5)
            try:
                data, peer = server.recvfrom(100)
            except TimeoutError:
                return False
            server.sendto(data, peer)
            return hears(sock, 0.5)
        assert talk()
        reallab.outside.run("ip", "route", "replace", by(family, "10.0.0.0/24", "fd00:10::/64"), "via", by(family, WAN4, WAN6))
        reallab.default_routes(FIRST)
        assert talk() or talk(), "the flow does not move to the zone that the rules allow too"
        assert {flow["to"] for flow in gate.flows(far(family), 45061)} == {"wan"}
        gate.use("allow from lan to wan\n")
        assert talk()
        reallab.default_routes(SECOND)
        assert not talk(), "a flow leaves where no rule allows it"


# --- no way ------------------------------------------------------------------------------------------------------------


NO_WAYS = {"no-route": (), "unreachable": ("unreachable",), "prohibit": ("prohibit",)}


@both
@pytest.mark.parametrize("way", NO_WAYS)
def test_no_way(reallab, real_gate, mirror, family, way):
    """No flow is left, the box says so to whom the rules allow, and it works when the route is back."""
    gate = real_gate.use("allow from lan to wan\n" + masquerade())
    reallab.default_routes()
    if NO_WAYS[way]:
        reallab.gateway.ip(by(family, "-4", "-6"), "route", "add", *NO_WAYS[way], "default", "metric", "3000")
    settle(gate)
    six = family == 6
    try:
        with reallab.client.raw(ICMP6 if six else ICMP, six) as errors, reallab.client.udp(anywhere(family), 46000) as sock, \
                reallab.guest.udp(anywhere(family), 46000) as stranger, reallab.guest.raw(ICMP6 if six else ICMP, six) as none:
            sock.sendto(b"x" * 64, (far(family), 5100))
            told = [(source, kind) for source, kind, _ in icmp_heard(errors, six, 0.6) if kind == (1 if six else 3)]
            stranger.sendto(b"x" * 64, (far(family), 5100))
            untold = [found for found in icmp_heard(none, six) if found[1] == (1 if six else 3)]
            assert not gate.flows(far(family)), "a flow is left of what went nowhere"
            assert told, "the box does not say that there is no way"
            assert told[0][0] == by(family, LAN4, LAN6), told
            assert not untold, "who may not go there is told about routes"
    finally:
        if NO_WAYS[way]:
            reallab.gateway.ip(by(family, "-4", "-6"), "route", "del", *NO_WAYS[way], "default", "metric", "3000")
        reallab.routes()
    with reallab.client.udp(anywhere(family), 46000) as sock:
        came_right(ask(sock, far(family), 5100), family, "eth0")


@both
def test_forwarding_off(reallab, real_gate, mirror, family):
    """ip_forward=0: nothing passes, nothing is left; `status` and `run` say it; it works at once when it is on."""
    gate = real_gate.use("allow from lan to wan\nallow from self\n" + masquerade())
    reallab.forward(False)
    settle(gate)
    with reallab.client.udp(anywhere(family), 46001) as sock:
        assert not ask(sock, far(family), 5100, wait=0.3)
        assert not gate.flows(far(family), 46001), "a flow is left of what was not forwarded"
        wait_for(lambda: any("forward" in warning for warning in gate.data("status")[0]["warnings"]), ROUTER_SECONDS,
                 "status warns that forwarding is off")
        reallab.forward(True)
        reallab.routes()
        came_right(ask(sock, far(family), 5100), family, "eth0")
    wait_for(lambda: not any("forward" in warning for warning in gate.data("status")[0]["warnings"]), ROUTER_SECONDS,
             "the warning goes")


def test_run_warns_of_forwarding(reallab, real_gate):
    """`run` says so at once, but not where no rule forwards."""
    gate = real_gate.use("allow from lan to wan\nallow from self\n")
    reallab.forward(False)
    try:
        gate.crash()
        said = len(gate.log_path.read_text())
        gate.start()
        assert "forwarding" in gate.log_path.read_text()[said:], gate.log_path.read_text()[said:]
    finally:
        reallab.forward(True)
    gate.use("allow from lan to self\nallow from self\n")
    reallab.forward(False)
    time.sleep(0.5)
    assert not any("forward" in warning for warning in gate.data("status")[0]["warnings"])


@both
def test_a_host_that_is_not_there(reallab, real_gate, family):
    """The box asks for it in vain and says so, in its own name, to whom the rules allow."""
    real_gate.use("allow from guest to lan\n")
    reallab.gateway.write("/proc/sys/net/ipv4/neigh/lan0/retrans_time_ms", 100)
    reallab.gateway.write("/proc/sys/net/ipv6/neigh/lan0/retrans_time_ms", 100)
    six = family == 6
    with reallab.guest.raw(ICMP6 if six else ICMP, six) as errors:
        with reallab.guest.udp(anywhere(family)) as sock:
            sock.sendto(b"x" * 64, (by(family, "10.0.0.99", "fd00:10::99"), 9))
            told = [found for found in icmp_heard(errors, six, 2) if found[1] == (1 if six else 3)]
    assert told and told[0][0] == by(family, LOUNGE4, LOUNGE6), told
