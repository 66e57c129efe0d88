# SPDX-License-Identifier: BSD-2-Clause
"""Sources are believed by zone: a forged one opens nothing, and takes nothing from anybody else."""
import pytest
from lab import masquerade, wait_for
from reallab import (BACKUP, CLIENT4, CLIENT6, DSL4, DSL6, DSLNEAR4, FAR4, FAR6, GUEST4, GUEST6, LAN4, LAN6,
                     LOUNGE4, LOUNGE6, NEAR4, NEAR6, ONE_WAN, SECOND4, SECOND6, TWO_WANS, WAN4, WAN6, ask,
                     group_mac, hears, syn_packet, udp_packet, window)
from uplinks import settle

RULES = """\
allow from { lan, guest } to { wan, dsl }
allow from { lan, guest, wan, dsl } to self udp port 5400
allow from { wan, dsl } to lan udp port 5401
allow from lan to guest
allow from self
"""
ANTISPOOF_OFF = {"guest": TWO_WANS.replace("{ guest0 }", "{ guest0, antispoof off }")}
REASON = "spoofed source"

both = pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])


def by(family, four, six):
    return six if family == 6 else four


def at(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


# Forgeries: the zone, its host, the forged source, for IPv4 and IPv6.
FORGED = {"a LAN host, by a guest": ("guest", "guest", "eth0", SECOND4, SECOND6),
          "nobody in LAN, by a guest": ("guest", "guest", "eth0", "10.0.0.200", "fd00:10::200"),
          "outside, by a guest": ("guest", "guest", "eth0", "203.0.113.99", "2001:db8:f::99"),
          "a guest, by a LAN host": ("lan", "client", "eth0", GUEST4, GUEST6),
          "a LAN host, from outside": ("wan", "outside", "eth0", SECOND4, SECOND6),
          "a LAN host, by the second uplink": ("dsl", "outside", "eth1", SECOND4, SECOND6),
          "the box, by a guest": ("guest", "guest", "eth0", WAN4, WAN6),
          "the box there, by a guest": ("guest", "guest", "eth0", LOUNGE4, LOUNGE6),
          "the box, from outside": ("wan", "outside", "eth0", LAN4, LAN6),
          "the box there, from outside": ("wan", "outside", "eth0", WAN4, WAN6),
          "loopback, from outside": ("wan", "outside", "eth0", "127.0.0.1", "::1"),
          "loopback, by a LAN host": ("lan", "client", "eth0", "127.0.0.1", "::1"),
          "nobody, from outside": ("wan", "outside", "eth0", "0.0.0.0", "::"),
          "nobody, by a LAN host": ("lan", "client", "eth0", "0.0.0.0", "::"),
          "IPv4 as IPv6, from outside": ("wan", "outside", "eth0", "240.0.0.1", "::ffff:198.51.100.7"),
          "reserved, from outside": ("wan", "outside", "eth0", "240.0.0.1", None),
          "reserved, by a LAN host": ("lan", "client", "eth0", "255.255.255.254", None)}
# On their link they are believed.
BEYOND = {"a link's own, by a LAN host": ("lan", "client", "eth0", "169.254.7.7", None),
          "a link's own, by a guest": ("guest", "guest", "eth0", "0.1.2.3", None)}
HONEST = {"a LAN host": ("lan", "client", "eth0", CLIENT4, CLIENT6), "a guest": ("guest", "guest", "eth0", GUEST4, GUEST6),
          "outside": ("wan", "outside", "eth0", FAR4, FAR6), "its neighbour": ("wan", "outside", "eth0", NEAR4, NEAR6),
          "outside, by the second uplink": ("dsl", "outside", "eth1", FAR4, FAR6),
          "a wan neighbour, by the second uplink": ("dsl", "outside", "eth1", NEAR4, NEAR6),
          "anybody, from outside": ("wan", "outside", "eth0", "100.64.1.2", "2001:db8:aaaa::1")}


def target_of(role, family):
    """Where this side may send to: the others outside, and who is outside to a LAN host's service."""
    if role == "outside":
        return by(family, CLIENT4, CLIENT6), 5401
    return by(family, FAR4, FAR6), 5402


@pytest.fixture(scope="module")
def guarded(real_gate):
    """The usual rules, once."""
    real_gate.use(RULES)
    return real_gate


def arrives(reallab, role, device, source, sport, family, comes=True):
    target, port = target_of(role, family)
    listener = reallab.client if role == "outside" else reallab.outside
    with listener.udp(target, port) as sock:
        reallab.send(getattr(reallab, role), udp_packet(source, sport, target, port), device)
        return hears(sock, window(comes))


def stays_out(reallab, role, device, source, sport, family):
    return not arrives(reallab, role, device, source, sport, family, comes=False)


@both
@pytest.mark.parametrize("who", [*FORGED, *BEYOND])
def test_forged(reallab, real_gate, guarded, family, who):
    """It passes nowhere, is counted by its reason, makes no state; explain knows."""
    zone, role, device, *sources = {**FORGED, **BEYOND}[who]
    source = by(family, *sources)
    if source is None:
        pytest.skip("IPv4 only")
    before = guarded.reason(REASON)
    assert stays_out(reallab, role, device, source, 4444, family), "a forged source passes"
    assert guarded.reason(REASON) == before + 1
    assert not guarded.flows('"source_port": 4444', source)
    target, port = target_of(role, family)
    guarded.agrees(f"{zone} {at(source, 4444)} > {'lan' if role == 'outside' else 'wan'} {at(target, port)} udp", False)


@both
@pytest.mark.parametrize("who", FORGED)
def test_forged_to_the_box(reallab, real_gate, guarded, family, who):
    zone, role, device, *sources = FORGED[who]
    source = by(family, *sources)
    if source is None:
        pytest.skip("IPv4 only")
    before = guarded.reason(REASON)
    mine = {"lan": (LAN4, LAN6), "guest": (LOUNGE4, LOUNGE6), "wan": (WAN4, WAN6), "dsl": (DSL4, DSL6)}[zone]
    mine = by(family, *mine)
    if source == mine:
        pytest.skip("from itself to itself is a land attack, which has its own reason")
    reallab.send(getattr(reallab, role), udp_packet(source, 4445, mine, 5400), device)
    wait_for(lambda: guarded.reason(REASON) > before, 5, "it is judged")
    assert guarded.reason(REASON) == before + 1
    assert not guarded.flows('"source_port": 4445', source)
    guarded.agrees(f"{zone} {at(source, 4445)} > self {at(mine, 5400)} udp", False)


@both
@pytest.mark.parametrize("who", HONEST)
def test_honest(reallab, real_gate, guarded, family, who):
    """Everybody who is where their addresses are. All zones with a default route are one outside."""
    zone, role, device, *sources = HONEST[who]
    before, sport = guarded.reason(REASON), 4460 + list(HONEST).index(who)
    assert arrives(reallab, role, device, by(family, *sources), sport, family), "an honest source is dropped"
    assert guarded.reason(REASON) == before
    target, port = target_of(role, family)
    to = "lan" if role == "outside" else "wan"
    guarded.agrees(f"{zone} {at(by(family, *sources), sport)} > {to} {at(target, port)} udp", True)


@both
def test_honest_by_the_second_route(reallab, real_gate, guarded, family):
    """The second uplink's neighbour comes by the first: both are outside."""
    source = by(family, DSLNEAR4, "2001:db8:1::10")
    assert arrives(reallab, "outside", "eth0", source, 4447, family)


@both
def test_an_uplink_of_another_table(reallab, real_gate, family):
    """The second uplink has a default route only where a rule leads (mwan3, pbr): it is outside all the same."""
    real_gate.use(RULES)
    gateway, option = reallab.gateway, by(family, "-4", "-6")
    hop = by(family, DSLNEAR4, "2001:db8:1::10")
    gateway.ip(option, "route", "del", "default", "via", hop, "dev", "wan1", "metric", str(BACKUP))
    gateway.ip(option, "route", "add", "default", "via", hop, "dev", "wan1", "table", "101")
    gateway.ip(option, "rule", "add", "fwmark", "1", "table", "101")
    try:
        settle(real_gate)
        assert arrives(reallab, "outside", "eth1", by(family, FAR4, FAR6), 4456, family)
        assert stays_out(reallab, "outside", "eth1", by(family, SECOND4, SECOND6), 4456, family)
    finally:
        gateway.ip(option, "rule", "del", "fwmark", "1", "table", "101")
        gateway.ip(option, "route", "flush", "table", "101")
        reallab.routes()


@both
def test_a_rule_by_interface(reallab, real_gate, family):
    """Guests have a table of their own with a default route only: a guest is at home in guest all the same."""
    real_gate.use(RULES)
    gateway, option = reallab.gateway, by(family, "-4", "-6")
    gateway.ip(option, "route", "add", "default", "via", by(family, DSLNEAR4, "2001:db8:1::10"), "dev", "wan1", "table", "101")
    gateway.ip(option, "rule", "add", "iif", "guest0", "table", "101")
    try:
        settle(real_gate)
        assert arrives(reallab, "guest", "eth0", by(family, GUEST4, GUEST6), 4457, family)
        assert stays_out(reallab, "guest", "eth0", by(family, "203.0.113.99", "2001:db8:f::99"), 4457, family)
        assert stays_out(reallab, "guest", "eth0", by(family, SECOND4, SECOND6), 4457, family)
    finally:
        gateway.ip(option, "rule", "del", "iif", "guest0", "table", "101")
        gateway.ip(option, "route", "flush", "table", "101")


def test_a_global_source_to_a_link_local_address(reallab, real_gate, guarded):
    """A host may speak from any of its addresses to the gateway's link-local one, and to groups."""
    words = reallab.gateway.run("ip", "-6", "-o", "addr", "show", "dev", "lan0", "scope", "link").stdout.split()
    for target in (words[words.index("inet6") + 1].split("/")[0], "ff02::114", "ff05::114"):
        groups = [target] if target.startswith("ff") else []
        with reallab.gateway.udp("::", 5400, "lan0", groups) as sock:
            reallab.send(reallab.client, udp_packet(CLIENT6, 4458, target, 5400), to=group_mac(target) if groups else None)
            assert hears(sock), target
            reallab.send(reallab.client, udp_packet(GUEST6, 4458, target, 5400), to=group_mac(target) if groups else None)
            assert not hears(sock, window(False)), f"a guest's address in LAN to {target}"


def test_link_local_is_at_home_on_every_link(reallab, real_gate, guarded):
    for host, device in ((reallab.client, "lan0"), (reallab.guest, "guest0"), (reallab.outside, "wan0")):
        with reallab.gateway.udp("::", 5400, device, ["ff02::114"]) as sock:
            reallab.send(host, udp_packet("fe80::abc", 4448, "ff02::114", 5400, ttl=1), to=group_mac("ff02::114"))
            assert hears(sock), device


@both
@pytest.mark.parametrize("order", ["at first", "as an answer", "to the same port"])
def test_no_zone_blocks_anothers_flow(reallab, real_gate, guarded, mirror, family, order):
    """One packet of a guest, or of somebody outside, with a LAN host's addresses and ports does not keep it from speaking."""
    client, target = by(family, CLIENT4, CLIENT6), by(family, FAR4, FAR6)
    sport = 47000 + ["at first", "as an answer", "to the same port"].index(order)
    strangers = ((reallab.guest, "eth0"), (reallab.outside, "eth1"), (reallab.outside, "eth0"))
    for host, device in strangers:
        if order == "at first":
            reallab.send(host, udp_packet(client, sport, target, 5100), device)
        elif order == "as an answer" and host is reallab.guest:
            reallab.send(host, udp_packet(target, 5100, client, sport), device)
        else:
            reallab.send(host, udp_packet(client, sport, target, 5101), device)
    with reallab.client.udp(client, sport) as sock:
        for _ in range(2):
            assert ask(sock, target, 5100), "the LAN host is kept from speaking"
            reallab.send(reallab.guest, udp_packet(client, sport, target, 5100))
            reallab.send(reallab.guest, udp_packet(target, 5100, client, sport))
    flows = guarded.flows(f'"source": "{client}"', f'"source_port": {sport}', 5100)
    assert [(flow["from"], flow["to"]) for flow in flows] == [("lan", "wan")], flows


@both
def test_no_zone_resets_anothers_connection(reallab, real_gate, guarded, family):
    """A SYN of a guest with a LAN host's addresses and ports, before and while it connects."""
    client, target = by(family, CLIENT4, CLIENT6), by(family, FAR4, FAR6)
    with reallab.outside.tcp_listener(target, 5403) as listener:
        listener.settimeout(2)
        sport = 47100
        for host, device in ((reallab.guest, "eth0"), (reallab.outside, "eth1")):
            reallab.send(host, syn_packet(client, sport, target, 5403), device)
        sock = reallab.client.connect_to(target, 5403, client, port_here=sport)
        assert sock, "the LAN host is kept from connecting"
        with sock:
            accepted, _ = listener.accept()
            with accepted:
                reallab.send(reallab.guest, syn_packet(client, sport, target, 5403))
                accepted.sendall(b"welcome")
                assert sock.recv(7) == b"welcome"


@both
def test_masqueraded_flows_are_not_blocked(reallab, real_gate, mirror, family):
    """Nor is the translated side: with the far end's address by the wrong uplink, or with the box's by a guest."""
    real_gate.use("allow from { lan, guest } to { wan, dsl }\nallow from self\n" +
                  masquerade("from { lan, guest } to { wan, dsl }"))
    client, target, outer = by(family, CLIENT4, CLIENT6), by(family, FAR4, FAR6), by(family, WAN4, WAN6)
    for host, device in ((reallab.guest, "eth0"), (reallab.outside, "eth1"), (reallab.outside, "eth0")):
        reallab.send(host, udp_packet(outer, 47200, target, 5100), device)
        reallab.send(host, udp_packet(target, 5100, outer, 47200), device)
    with reallab.client.udp(client, 47200) as sock:
        answer = ask(sock, target, 5100)
        assert answer and (answer["source"], answer["port"]) == (outer, 47200), answer


@both
def test_antispoof_off(reallab, real_gate, family):
    """A zone with asymmetric routes may be believed all the same; the others are not, nor is the box's name for sale."""
    gate = real_gate.use(RULES, ANTISPOOF_OFF["guest"])
    before = gate.reason(REASON)
    assert arrives(reallab, "guest", "eth0", by(family, "10.0.0.200", "fd00:10::200"), 4450, family)
    assert gate.reason(REASON) == before
    gate.agrees(f"guest {at(by(family, '10.0.0.200', 'fd00:10::200'), 4450)} > wan {at(*target_of('guest', family))} udp", True)
    assert stays_out(reallab, "outside", "eth0", by(family, "10.0.0.200", "fd00:10::200"), 4450, family)
    assert stays_out(reallab, "guest", "eth0", by(family, WAN4, WAN6), 4450, family), "a guest speaks as the box"
    assert stays_out(reallab, "guest", "eth0", by(family, "127.0.0.1", "::1"), 4450, family)


@both
def test_one_outside(reallab, real_gate, family):
    """Two uplinks in one zone: the same."""
    gate = real_gate.use(RULES.replace("{ wan, dsl }", "wan").replace(", wan, dsl }", ", wan }"), ONE_WAN)
    for device in ("eth0", "eth1"):
        assert arrives(reallab, "outside", device, by(family, FAR4, FAR6), 4451, family), device
    before = gate.reason(REASON)
    assert stays_out(reallab, "outside", "eth1", by(family, SECOND4, SECOND6), 4452, family)
    assert gate.reason(REASON) == before + 1


@both
def test_a_network_behind_a_router(reallab, real_gate, family):
    """A route into LAN makes its addresses at home there, as soon as it exists, and no longer."""
    real_gate.use(RULES)
    source = by(family, "172.16.5.5", "fd00:55::5")
    network = by(family, "172.16.5.0/24", "fd00:55::/64")
    # Without a route of its own it leads to the default route, so it is outside.
    assert stays_out(reallab, "client", "eth0", source, 4453, family)
    assert arrives(reallab, "outside", "eth0", source, 4453, family)
    reallab.gateway.ip("route", "add", network, "via", by(family, CLIENT4, CLIENT6))
    try:
        settle(real_gate)
        assert arrives(reallab, "client", "eth0", source, 4454, family)
        assert stays_out(reallab, "outside", "eth0", source, 4454, family)
    finally:
        reallab.gateway.ip("route", "del", network, "via", by(family, CLIENT4, CLIENT6))


@both
def test_explain_says_why(real_gate, guarded, family):
    """Which route makes a source believed or not, of whom it is, and where words and routes contradict each other."""
    target, first = at(by(family, FAR4, FAR6), 80), by(family, SECOND4, SECOND6)
    for words, told in ((f"guest {at(first, 4470)} > wan {target} udp", "the route back to it leads to zone lan"),
                        (f"lan {at(first, 4470)} > wan {target} udp", "at home in zone lan: the route back"),
                        (f"guest {at(by(family, WAN4, WAN6), 4470)} > wan {target} udp", "it is an address of the box"),
                        (f"dsl {at(by(family, NEAR4, NEAR6), 4470)} > lan {at(first, 5401)} udp", "zone wan, outside too"),
                        (f"lan {at(first, 4470)} > dsl {target} udp", "the routes lead to zone wan now, not to zone dsl"),
                        (f"lan {at(first, 4470)} > wan {at(by(family, LAN4, LAN6), 80)} udp",
                         "is an address of the box: it is judged as for self, not as for zone wan")):
        text = real_gate.explains(words)[1]
        assert told in text, f"{words}: {text}"


@both
def test_explain_finds_the_zones(real_gate, guarded, family):
    """Words without zones are completed by the routes."""
    words = f"{at(by(family, CLIENT4, CLIENT6), 4471)} > {at(by(family, FAR4, FAR6), 80)} udp"
    passes, text = real_gate.explains(words)
    assert passes and "comes from zone lan and goes to zone wan" in text, text
    passes, text = real_gate.explains(f"{at(by(family, CLIENT4, CLIENT6), 4471)} > {at(by(family, LAN4, LAN6), 5400)} udp")
    assert passes and "goes to zone self" in text, text


@both
def test_explain_masquerades(real_gate, family):
    """By the address that the interface has now, which no `address` of the policy tells."""
    real_gate.use("allow from lan to { wan, dsl }\n" + masquerade("from lan to { wan, dsl }"))
    for zone, outer in (("wan", by(family, WAN4, WAN6)), ("dsl", by(family, DSL4, DSL6))):
        passes, text = real_gate.explains(f"lan {at(by(family, CLIENT4, CLIENT6), 4472)} > {zone} "
                                          f"{at(by(family, FAR4, FAR6), 80)} udp")
        assert passes and f"it leaves as udp {at(outer, 4472)}" in text, text
    real_gate.use(RULES)


@both
def test_a_black_hole_is_nowhere(reallab, real_gate, family):
    """A blackhole route makes its addresses nobody's sources (the usual way to shut somebody out)."""
    gate = real_gate.use(RULES)
    reallab.gateway.ip("route", "add", "blackhole", by(family, "100.66.0.0/16", "2001:db8:bad::/48"))
    try:
        settle(gate)
        before = gate.reason(REASON)
        assert stays_out(reallab, "outside", "eth0", by(family, "100.66.6.6", "2001:db8:bad::6"), 4455, family)
        assert gate.reason(REASON) == before + 1
        passes, text = gate.explains(f"wan {at(by(family, '100.66.6.6', '2001:db8:bad::6'), 4455)} > "
                                     f"lan {at(by(family, CLIENT4, CLIENT6), 5401)} udp")
        assert not passes and "no route back to it leads to a zone" in text, text
    finally:
        reallab.gateway.ip("route", "del", "blackhole", by(family, "100.66.0.0/16", "2001:db8:bad::/48"))
