# SPDX-License-Identifier: BSD-2-Clause
"""Router advertisements, redirects and errors: which of them obey rules, and which the box itself sends."""
import json
import struct
import subprocess
import time

import pytest
from lab import KEEPSTATE, masquerade, wait_for
from reallab import (CLIENT4, CLIENT6, DSL4, DSL6, FAR4, FAR6, GUEST4, GUEST6, ICMP, ICMP6, LAN4, LAN6, LOUNGE4,
                     LOUNGE6, NEAR4, SECOND4, TWO_WANS, WAN4, WAN6, frame, group_mac, hears, icmp_heard,
                     icmp_packet, ip_packet, address_bytes, udp_packet, window)

ROGUE6 = "fe80::bad"
ROGUE_MAC = b"\x02\0\0\0\x0b\xad"
ROGUE_PREFIX = "2001:db8:66::"
ALL_NODES = "ff02::1"
UNREACHABLE, EXCEEDED, REDIRECT4, REDIRECT6, TOO_BIG6 = {4: 3, 6: 1}, {4: 11, 6: 3}, 5, 137, 2

both = pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])


def by(family, four, six):
    return six if family == 6 else four


def anywhere(family):
    return by(family, "0.0.0.0", "::")


def errors_of(host, family):
    return host.raw(by(family, ICMP, ICMP6), family == 6)


def told(sock, family, kind, comes=True):
    """Returns the senders of messages of this type. What must come is waited for, whatever else is heard meanwhile."""
    kind, end = kind[family] if isinstance(kind, dict) else kind, time.monotonic() + window(comes)
    while True:
        found = [source for source, other, _ in icmp_heard(sock, family == 6, window(False)) if other == kind]
        if found or time.monotonic() > end:
            return found


def words(family, zone, source, to, target):
    return f"{zone} {by(family, source, f'[{source}]')}:46000 > {to} {by(family, target, f'[{target}]')}"


# --- router advertisements ---------------------------------------------------------------------------------------------


def advertisement(source=ROGUE6):
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + address_bytes(ROGUE_PREFIX)
    link = struct.pack("!BB", 1, 1) + ROGUE_MAC
    return icmp_packet(source, ALL_NODES, 134, 0, struct.pack("!BBHII", 64, 0, 600, 0, 0) + prefix + link, ttl=255)


def believes(reallab):
    """Returns what the box has accepted from the rogue router: an address, a default route."""
    addresses = reallab.gateway.run("ip", "-6", "addr", "show", "dev", "wan0").stdout
    routes = reallab.gateway.run("ip", "-6", "route", "show", "default").stdout
    return ROGUE_PREFIX[:-1] in addresses, ROGUE6 in routes


@pytest.fixture
def autoconfigured(reallab):
    """The gateway's wan0 takes its address and route from its provider's router."""
    gateway = reallab.gateway
    before = gateway.run("cat", "/proc/sys/net/ipv6/conf/wan0/accept_ra").stdout.strip()
    gateway.write("/proc/sys/net/ipv6/conf/wan0/accept_ra", 2)
    yield gateway
    gateway.write("/proc/sys/net/ipv6/conf/wan0/accept_ra", before)
    gateway.run("ip", "-6", "route", "flush", "proto", "ra")
    for line in gateway.run("ip", "-6", "-o", "addr", "show", "dev", "wan0").stdout.splitlines():
        if ROGUE_PREFIX[:-1] in line:
            gateway.ip("addr", "del", line.split()[3], "dev", "wan0")


ADVERTISING = {"denied": ("deny from wan icmpv6 type router-advertisement\n", False),
               "denied to self": ("deny from wan to self icmpv6 type router-advertisement\n", False),
               "another zone": ("deny from dsl icmpv6 type router-advertisement\n", True),
               "no rule": ("", True), "everything denied": ("deny from wan to self\n", False),
               "one allowed": ("allow from wan icmpv6 type router-advertisement source fe80::1\n"
                               "deny from wan icmpv6 type router-advertisement\n", False)}


@pytest.mark.parametrize("rule, passes", ADVERTISING.values(), ids=ADVERTISING.keys())
def test_router_advertisements(reallab, real_gate, autoconfigured, rule, passes):
    """A rule keeps the box from a rogue router; without one it is autoconfigured, as hosts are."""
    gate = real_gate.use(rule + "allow from self\n")
    reallab.send(reallab.outside, advertisement(), to=group_mac(ALL_NODES), by=ROGUE_MAC)
    if passes:
        wait_for(lambda: believes(reallab) == (True, True), 5, "address and route")
    time.sleep(0.3)
    assert believes(reallab) == (passes, passes), "address, route"
    gate.agrees(f"wan {ROGUE6} > self {ALL_NODES} icmpv6 router-advertisement", passes)
    if rule.startswith("deny") and not passes:
        assert gate.matches(rule.splitlines()[0]) == 1


def test_check_does_not_call_it_good_for_nothing(tmp_path):
    """The rule has an effect in tests of the policy too."""
    policy = tmp_path / "policy.conf"
    policy.write_text(TWO_WANS + "deny from wan icmpv6 type router-advertisement\n"
                      "allow from wan to self icmp type redirect source 192.0.2.10\n"
                      "allow from self\nallow from lan to self tcp port 22\n"
                      f'test "rogues" {{\n  wan {ROGUE6} > self {ALL_NODES} icmpv6 router-advertisement => deny\n'
                      f"  dsl {ROGUE6} > self {ALL_NODES} icmpv6 router-advertisement => allow\n"
                      f"  wan fe80::1 > self fe80::2 icmpv6 redirect => deny\n}}\n")
    for command in ("check", "test"):
        done = subprocess.run([KEEPSTATE, command, policy], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "warning" not in done.stdout + done.stderr, done.stdout + done.stderr


# --- redirects ---------------------------------------------------------------------------------------------------------


def redirect(family, quoted, better):
    """The gateway's next hop says that another one is better for what it was sent."""
    if family == 4:
        return icmp_packet(NEAR4, WAN4, REDIRECT4, 1, address_bytes(better) + quoted[:28], ttl=64)
    router, gateway = better
    return icmp_packet(router, gateway, REDIRECT6, 0, struct.pack("!I", 0) + address_bytes(ROGUE6) + address_bytes(FAR6) +
                       struct.pack("!BBHI", 4, (len(quoted) + 8) // 8, 0, 0) + quoted, ttl=255)


REDIRECTS = "allow from wan to self icmp type redirect\nallow from wan to self icmpv6 type redirect\n"
REDIRECTING = {"no rule": ("", False), "allowed": (REDIRECTS, True), "from all": ("allow from wan to self\n", True),
               "another zone": (REDIRECTS.replace("wan", "dsl"), False)}


@both
@pytest.mark.parametrize("rule, passes", REDIRECTING.values(), ids=REDIRECTING.keys())
def test_redirects(reallab, real_gate, family, rule, passes):
    """They need a rule, also about a flow of the box's own (RFC 4890 4.4.4)."""
    gate = real_gate.use(rule + "allow from self\n")
    source, target = by(family, WAN4, WAN6), by(family, FAR4, FAR6)
    with errors_of(reallab.gateway, family) as sock, reallab.gateway.udp(source, 46010) as own:
        own.sendto(b"hello", (target, 5100))
        quoted = udp_packet(source, 46010, target, 5100, b"hello")
        if family == 6:
            quoted += b"\0" * (-len(quoted) % 8)
            links = [words_of(reallab, "wan0", reallab.gateway), words_of(reallab, "eth0", reallab.outside)]
            packet = redirect(6, quoted, (links[1], links[0]))
            text = f"wan {links[1]} > self {links[0]} icmpv6 redirect"
        else:
            packet = redirect(4, quoted, "192.0.2.66")
            text = f"wan {NEAR4} > self {WAN4} icmp redirect quoting self {WAN4}:46010 > wan {FAR4}:5100 udp"
        reallab.send(reallab.outside, packet)
        assert bool(told(sock, family, by(family, REDIRECT4, REDIRECT6), passes)) == passes
        gate.agrees(text, passes)


def words_of(reallab, device, host):
    """The link-local address of a device."""
    found = host.run("ip", "-6", "-o", "addr", "show", "dev", device, "scope", "link").stdout.split()
    return found[found.index("inet6") + 1].split("/")[0]


@both
def test_own_redirects(reallab, real_gate, family):
    """The box tells a client of a shorter way, without a rule from self, about what the rules allow, and of nothing else."""
    for rule, passes in (("allow from lan to lan\n", True), ("deny from lan to lan\n", False)):
        real_gate.use(rule)
        target = by(family, "10.0.0.77", "fd00:10::77")
        reallab.gateway.run("ip", "neigh", "replace", target, "lladdr", "02:00:00:00:00:77", "dev", "lan0", "nud", "permanent")
        with errors_of(reallab.client, family) as sock:
            reallab.send(reallab.client, udp_packet(by(family, CLIENT4, CLIENT6), 46000, target, 9))
            # The client need not believe it: its raw socket sees it.
            sources = told(sock, family, by(family, REDIRECT4, REDIRECT6), passes)
        assert bool(sources) == passes, rule
        if passes and family == 4:
            assert sources[0] == LAN4
        time.sleep(1.1)  # the kernel sends one a second to the same peer


# --- errors of the box -------------------------------------------------------------------------------------------------


@both
def test_own_time_exceeded(reallab, real_gate, family):
    """About what the rules allow, without a rule from self; nothing about what they deny."""
    for rule, passes in (("allow from lan to wan\n", True), ("deny from lan to wan\n", False)):
        real_gate.use(rule)
        with errors_of(reallab.client, family) as sock:
            reallab.send(reallab.client, udp_packet(by(family, CLIENT4, CLIENT6), 46000, by(family, FAR4, FAR6), 33434, ttl=1))
            assert told(sock, family, EXCEEDED, passes) == ([by(family, LAN4, LAN6)] if passes else []), rule


@both
def test_own_port_unreachable(reallab, real_gate, family):
    for rule, passes in (("allow from lan to self udp port 9999\n", True), ("deny from lan to self\n", False)):
        real_gate.use(rule)
        with errors_of(reallab.client, family) as sock:
            reallab.send(reallab.client, udp_packet(by(family, CLIENT4, CLIENT6), 46000, by(family, LAN4, LAN6), 9999))
            assert told(sock, family, UNREACHABLE, passes) == ([by(family, LAN4, LAN6)] if passes else []), rule


@both
def test_own_too_big(reallab, real_gate, family):
    """The way out is narrower: the client learns it, also where it is translated."""
    for nat in ("", masquerade()):
        real_gate.use("allow from lan to wan\n" + nat)
        reallab.gateway.ip("link", "set", "wan0", "mtu", "1300")
        try:
            large = udp_packet(by(family, CLIENT4, CLIENT6), 46000, by(family, FAR4, FAR6), 5100, b"x" * 1400)
            with errors_of(reallab.client, family) as sock:
                reallab.send(reallab.client, large)
                assert told(sock, family, {4: 3, 6: TOO_BIG6}) == [by(family, LAN4, LAN6)]
        finally:
            reallab.gateway.ip("link", "set", "wan0", "mtu", "1500")
            reallab.gateway.run("ip", "route", "flush", "cache")
            reallab.gateway.run("ip", "-6", "route", "flush", "cache")


@both
def test_own_protocol_unreachable(reallab, real_gate, family):
    real_gate.use("allow from lan to self proto 253\n")
    with errors_of(reallab.client, family) as sock:
        reallab.send(reallab.client, ip_packet(by(family, CLIENT4, CLIENT6), by(family, LAN4, LAN6), 253, b"x" * 64))
        assert told(sock, family, {4: 3, 6: 4}) == [by(family, LAN4, LAN6)]


@both
@pytest.mark.parametrize("to", ["wan", "guest", "self"])
def test_reject_is_in_the_gateways_name(reallab, real_gate, family, to):
    """RFC 1812 4.3.2.4: an address of the gateway, by which it sends to whoever asked."""
    target = {"wan": (FAR4, FAR6), "guest": (GUEST4, GUEST6), "self": (LOUNGE4, LOUNGE6)}[to]
    target = by(family, *target)
    gate = real_gate.use(f"reject from lan to {to} udp port 25\n")
    with errors_of(reallab.client, family) as sock, reallab.client.udp(anywhere(family), 46000) as client:
        client.sendto(b"x" * 100, (target, 25))
        sources = told(sock, family, UNREACHABLE)
        assert len(sources) == 1, sources
        allowed = [by(family, LAN4, LAN6)] + ([target] if to == "self" else [])
        assert sources[0] in allowed, f"the error pretends to be of {sources[0]}"
    gate.agrees(words(family, "lan", by(family, CLIENT4, CLIENT6), to, target) + ":25 udp len 100", False)


@both
def test_reject_to_translated(reallab, real_gate, family):
    """An error of `reject` about a forwarded port does not tell what is behind it."""
    real_gate.use("reject from wan to self udp port 25\n")
    with errors_of(reallab.outside, family) as sock:
        reallab.send(reallab.outside, udp_packet(by(family, FAR4, FAR6), 46000, by(family, WAN4, WAN6), 25, b"x" * 100))
        assert told(sock, family, UNREACHABLE) == [by(family, WAN4, WAN6)]


@both
def test_an_error_about_an_error(reallab, real_gate, family):
    """Errors, groups and broadcasts are never answered."""
    real_gate.use("reject\n")
    source = by(family, CLIENT4, CLIENT6)
    quoted = udp_packet(by(family, FAR4, FAR6), 53, source, 46000)
    error = icmp_packet(source, by(family, FAR4, FAR6), UNREACHABLE[family], 0, b"\0" * 4 + quoted)
    group = by(family, "224.0.0.251", "ff02::fb")
    with errors_of(reallab.client, family) as sock:
        reallab.send(reallab.client, error)
        reallab.send(reallab.client, udp_packet(source, 5353, group, 5353, b"x" * 100), to=group_mac(group))
        assert not told(sock, family, UNREACHABLE, False)


# --- explain and test say what the data plane does ------------------------------------------------------------------------


POLICY = """\
forward from { wan, dsl } udp port 8080 to 10.0.0.10
forward from { wan, dsl } udp port 8080 to fd00:10::10
allow from lan to { wan, dsl }
allow from guest to wan udp port 5300
allow from lan to self udp port { 67, 5353 }
allow from guest to self udp port 67
allow from wan to lan udp port 5301
deny from wan icmpv6 type router-advertisement
allow from lan to self icmp type echo-request
allow from lan to self icmpv6 type echo-request
"""

# Words, and how it is sent: the host, the packet, and the socket of the gateway or another host that would hear it.
CASES = {
    "dhcp of lan": ("lan 0.0.0.0:68 > self 255.255.255.255:67 udp", "client", ("0.0.0.0", 68, "255.255.255.255", 67), True),
    "dhcp of guest": ("guest 0.0.0.0:68 > self 255.255.255.255:67 udp", "guest", ("0.0.0.0", 68, "255.255.255.255", 67), True),
    "dhcp of wan": ("wan 0.0.0.0:68 > self 255.255.255.255:67 udp", "outside", ("0.0.0.0", 68, "255.255.255.255", 67), False),
    "mdns of lan": (f"lan {CLIENT4}:5353 > self 224.0.0.251:5353 udp", "client", (CLIENT4, 5353, "224.0.0.251", 5353), True),
    "mdns of lan, ipv6": ("lan [fe80::9]:5353 > self [ff02::fb]:5353 udp", "client", ("fe80::9", 5353, "ff02::fb", 5353),
                          True),
    "mdns of guest": (f"guest {GUEST4}:5353 > self 224.0.0.251:5353 udp", "guest", (GUEST4, 5353, "224.0.0.251", 5353), False),
    "ssdp of lan": (f"lan {CLIENT4}:4000 > self 239.255.255.250:1900 udp", "client", (CLIENT4, 4000, "239.255.255.250", 1900), False),
    "names of lan": (f"lan {CLIENT4}:137 > self 10.0.0.255:5353 udp", "client", (CLIENT4, 137, "10.0.0.255", 5353), True),
    "directed broadcast": (f"wan {FAR4}:4000 > lan 10.0.0.255:5301 udp", "outside", (FAR4, 4000, "10.0.0.255", 5301), False),
    "to the server": (f"wan {FAR4}:4000 > lan {CLIENT4}:5301 udp", "outside", (FAR4, 4000, CLIENT4, 5301), True),
    "to the server, ipv6": (f"wan [{FAR6}]:4000 > lan [{CLIENT6}]:5301 udp", "outside", (FAR6, 4000, CLIENT6, 5301), True),
    "to another port": (f"wan {FAR4}:4000 > lan {CLIENT4}:5302 udp", "outside", (FAR4, 4000, CLIENT4, 5302), False),
    "guests out": (f"guest {GUEST4}:4000 > wan {FAR4}:5300 udp", "guest", (GUEST4, 4000, FAR4, 5300), True),
    "guests elsewhere": (f"guest {GUEST4}:4000 > wan {FAR4}:5302 udp", "guest", (GUEST4, 4000, FAR4, 5302), False),
    "forged by guest": (f"guest {CLIENT4}:4001 > wan {FAR4}:5300 udp", "guest", (CLIENT4, 4001, FAR4, 5300), False),
    "forged by wan": (f"wan {SECOND4}:4001 > lan {CLIENT4}:5301 udp", "outside", (SECOND4, 4001, CLIENT4, 5301), False),
    "forged as the box": (f"wan {WAN4}:4001 > lan {CLIENT4}:5301 udp", "outside", (WAN4, 4001, CLIENT4, 5301), False),
    "forged as the box, ipv6": (f"wan [{LAN6}]:4001 > lan [{CLIENT6}]:5301 udp", "outside", (LAN6, 4001, CLIENT6, 5301), False),
    "loopback": (f"wan 127.0.0.1:4001 > lan {CLIENT4}:5301 udp", "outside", ("127.0.0.1", 4001, CLIENT4, 5301), False),
    "reserved": (f"wan 240.0.0.1:4001 > lan {CLIENT4}:5301 udp", "outside", ("240.0.0.1", 4001, CLIENT4, 5301), False),
    "to the service": (f"wan {FAR4}:4000 > self {WAN4}:8080 udp", "outside", (FAR4, 4000, WAN4, 8080), True),
    "to the service, ipv6": (f"wan [{FAR6}]:4000 > self [{WAN6}]:8080 udp", "outside", (FAR6, 4000, WAN6, 8080), True),
}


def hearer(reallab, target, port):
    """The socket that hears it if it passes."""
    six = ":" in target
    group = [target] if target in ("224.0.0.251", "239.255.255.250", "ff02::fb") else []
    if target in (CLIENT4, CLIENT6):
        return reallab.client.udp(target, port)
    if target in (WAN4, WAN6):
        return reallab.client.udp(by(6 if six else 4, CLIENT4, CLIENT6), port)
    if target in (FAR4, FAR6):
        return reallab.outside.udp(target, port)
    return None if target == "10.0.0.255" and port == 5301 else (group, port)


@pytest.mark.parametrize("name", CASES)
def test_explain_says_what_happens(reallab, real_gate, name):
    """The same packet in words and on the wire."""
    text, role, (source, sport, target, port), passes = CASES[name]
    if real_gate.path.read_text() != TWO_WANS + "timeout group.answer 2s\noption log-drops on\n" + POLICY:
        real_gate.use(POLICY)
    real_gate.cli("states", "kill", "--all")
    real_gate.agrees(text, passes)
    host, six = getattr(reallab, role), ":" in target
    sock = hearer(reallab, target, port)
    if sock is None:
        sock = reallab.client.udp("0.0.0.0", port)
    elif isinstance(sock, tuple):
        device = {"client": "lan0", "guest": "guest0", "outside": "wan0"}[role]
        sock = reallab.gateway.udp("::" if six else "0.0.0.0", port, device, sock[0])
    with sock:
        local = target.startswith(("224.", "239.", "255.", "ff")) or (target == "10.0.0.255" and role == "client")
        reallab.send(host, udp_packet(source, sport, target, port),
                     to=(b"\xff" * 6 if target == "10.0.0.255" else group_mac(target)) if local else None)
        assert hears(sock, window(passes)) == passes


# Tests and replays have no routes: the zones' networks and addresses say where who is at home.
NETWORKS = """\
zone lan { lan0, network 10.0.0.0/24, network fd00:10::/64, address 10.0.0.1, address fd00:10::1 }
zone guest { guest0, network 10.1.0.0/24, network fd00:11::/64, address 10.1.0.1, address fd00:11::1 }
zone wan { wan0, address 192.0.2.1, address 2001:db8::1 }
zone dsl { wan1, address 198.51.100.1, address 2001:db8:1::1 }
"""


def test_policy_tests_say_what_happens(tmp_path):
    """The same words in tests of the policy, each with no flow before it."""
    policy = tmp_path / "policy.conf"
    steps = "".join(f'test "{name}" {{ {text} => {"allow" if passes else "deny"} }}\n'
                    for name, (text, _, _, passes) in CASES.items())
    policy.write_text(NETWORKS + POLICY + steps)
    done = subprocess.run([KEEPSTATE, "test", policy], capture_output=True, text=True, check=False)
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert done.returncode == 0 and not failed, done.stdout + done.stderr


@pytest.mark.parametrize("name", CASES)
def test_replay_says_what_happens(tmp_path, name):
    """The same packet in a capture of the interface that it came by."""
    _, role, (source, sport, target, port), passes = CASES[name]
    policy, capture = tmp_path / "policy.conf", tmp_path / "capture.pcap"
    policy.write_text(NETWORKS + POLICY)
    to = group_mac(target) if target.startswith(("224.", "239.", "255.", "ff")) or target == "10.0.0.255" else b"\x02\0\0\0\0\1"
    data = frame(to, b"\x02\0\0\0\0\2", udp_packet(source, sport, target, port))
    capture.write_bytes(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) +
                        struct.pack("=IIII", 1, 0, len(data), len(data)) + data)
    device = {"client": "lan0", "guest": "guest0", "outside": "wan0"}[role]
    mine = ",".join((LAN4, LAN6, LOUNGE4, LOUNGE6, WAN4, WAN6, DSL4, DSL6))
    done = subprocess.run([KEEPSTATE, "replay", "--json", "--interface", f"0={device}", "--self", mine, policy, capture],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout.splitlines()[0])
    assert (said["verdict"] == "allow") == passes, said
