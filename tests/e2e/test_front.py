# SPDX-License-Identifier: BSD-2-Clause
"""XDP in front: it drops what ingress would, counted and told once, and nobody else notices; where it is and is not."""
import hashlib
import json
import socket
import struct
import subprocess
import sys
import time

import pytest
from lab import CLIENT4, CLIENT6, HERE, SERVER4, SERVER6, Firewall, Host, wait_for
from test_log_flood import Reader

RATE, SECONDS = 10000, 3
UNFOLLOWED = 8  # seconds: a daemon that is busy may come 3 late
FAR4, FAR6 = "198.51.100.%d", "2001:db8:99::%d"
POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
option xdp %s
allow from lan to wan
allow from { lan, wan } to self icmp
allow from self
"""


@pytest.fixture(scope="module")
def fronted(lab, tmp_path_factory):
    firewall = Firewall(lab.gateway, POLICY % "always", tmp_path_factory.mktemp("front")).start()
    yield firewall
    firewall.stop()
    assert firewall.filters() == "", "links are left behind"
    assert not programs(lab, "wan0") and not programs(lab, "lan0"), "XDP programs are left behind"


def use(firewall, mode):
    firewall.path.write_text(POLICY % mode)
    firewall.say("reload")


def interface(firewall, name):
    return next(one for one in firewall.data("status")[0]["interfaces"] if one["name"] == name)


def is_in_front(firewall, *names):
    return all(interface(firewall, name)["xdp"] for name in names)


def programs(lab, device):
    """The id of the XDP program on a device of the gateway, None without one."""
    link = json.loads(lab.gateway.run("ip", "-j", "-d", "link", "show", device, check=True).stdout)[0]
    return link.get("xdp", {}).get("prog", {}).get("id")


def drops(firewall, reason="no rule"):
    return next((one["packets"] for one in firewall.data("counters")[0]["reasons"] if one["reason"] == reason), 0)


def front_drops(firewall):
    return firewall.data("status")[0]["xdp_drops"]


def flood_start(lab, source, seconds=SECONDS):
    """UDP that no rule allows, from outside to the client."""
    target = CLIENT6 if ":" in source else CLIENT4
    mac = json.loads(lab.gateway.run("ip", "-j", "link", "show", "wan0", check=True).stdout)[0]["address"].replace(":", "")
    child = lab.server.python("eth0", RATE, seconds, 4000, f"{mac}:{source.replace(':', '/')}:{target.replace(':', '/')}",
                              program="flood.py")
    assert json.loads(child.stdout.readline())["ready"]
    return child


@pytest.mark.parametrize("source", (SERVER4, SERVER6))
def test_counted_once(lab, fronted, tmp_path, source):
    """Each packet of a flood is counted under its reason, by the front or behind it, and told once."""
    assert is_in_front(fronted, "wan0", "lan0")
    reader = Reader(fronted, tmp_path / "log")
    before, by_front = drops(fronted), front_drops(fronted)
    at = {name: interface(fronted, name)["xdp_drops"] for name in ("wan0", "lan0")}
    sent = json.loads(flood_start(lab, source).stdout.readline())["sent"]
    wait_for(lambda: drops(fronted) - before >= sent, 10, "all are dropped")
    wait_for(lambda: sum(reader.sums()) >= sent, 10, "all are told")
    reader.end()
    assert drops(fronted) - before == sent == sum(reader.sums())
    assert sent * 9 // 10 < front_drops(fronted) - by_front <= sent
    assert interface(fronted, "wan0")["xdp_drops"] - at["wan0"] == front_drops(fronted) - by_front
    assert interface(fronted, "lan0")["xdp_drops"] == at["lan0"]
    assert f'interface_xdp_dropped_packets_total{{interface="wan0"}} {interface(fronted, "wan0")["xdp_drops"]}\n' in fronted.say("metrics")


@pytest.mark.parametrize("address", (SERVER4, SERVER6))
def test_others_unharmed(lab, fronted, address):
    """A connection goes on through an awake front."""
    flood = flood_start(lab, SERVER4, 6)
    by_front = front_drops(fronted)
    wait_for(lambda: front_drops(fronted) > by_front, 10, "the front is awake")
    where = f"[{address}]" if ":" in address else address
    done = subprocess.run(lab.client.command(["curl", "-sS", "--noproxy", "*", "--max-time", "30", f"http://{where}/large"]),
                          capture_output=True, timeout=40, check=True)
    whole = (lab.directory / f"web-{lab.server.name}" / "files" / "large").read_bytes()
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(whole).digest()
    assert lab.client.fetch(f"http://{where}/").stdout == f"hello from {lab.server.name}\n"
    flood.communicate(timeout=60)


@pytest.mark.parametrize("far, near, bits", ((FAR4 % 7, SERVER4, 32), (FAR6 % 7, SERVER6, 128)))
def test_routes_change(lab, fronted, far, near, bits):
    """The answers of route lookups are kept in a flood, and forgotten when a route changes."""

    def grows(reason):
        before = drops(fronted, reason)
        wait_for(lambda: drops(fronted, reason) > before + 1000, 10, f"{reason} is the reason now")

    flood = flood_start(lab, far, 30)
    grows("spoofed source")  # there is no way to it
    lab.gateway.ip("route", "add", f"{far}/{bits}", "via", near)
    grows("no rule")
    lab.gateway.ip("route", "delete", f"{far}/{bits}")
    grows("spoofed source")
    flood.kill()


def test_routes_change_unfollowed(lab, fronted):
    """Without a daemon to tell of it, a route that changes in a flood is noticed all the same."""
    route = f"{FAR4 % 8}/32", "via", SERVER4
    flood = flood_start(lab, FAR4 % 8, 60)
    spoofed = drops(fronted, "spoofed source")
    wait_for(lambda: drops(fronted, "spoofed source") > spoofed + 1000, 10, "there is no way to it")
    before = drops(fronted)
    fronted.crash()
    lab.gateway.ip("route", "add", *route)
    time.sleep(UNFOLLOWED)
    lab.gateway.ip("route", "delete", *route)
    time.sleep(1)
    fronted.start()
    flood.kill()
    assert drops(fronted) - before > RATE


def test_frames_of_others(lab, fronted):
    """Frames for another link address, which ingress does not judge, pass an awake front."""
    before, by_front = drops(fronted), front_drops(fronted)
    flood = flood_start(lab, SERVER4)
    wait_for(lambda: front_drops(fronted) > by_front, 10, "the front is awake")
    other = lab.server.python("eth0", 1000, 1, 4000, f"020000000009:{SERVER4}:{CLIENT4}", program="flood.py")
    by_front = front_drops(fronted)
    assert other.wait(60) == 0
    sent = json.loads(flood.stdout.readline())["sent"]
    wait_for(lambda: drops(fronted) - before >= sent, 10, "all of the flood are dropped")
    assert drops(fronted) - before == sent and front_drops(fronted) > by_front


def test_reload(lab, fronted):
    """The option takes effect by a reload; `auto` leaves veth out and says why."""
    use(fronted, "off")
    assert not is_in_front(fronted, "wan0") and not programs(lab, "wan0")
    assert "xdp" not in fronted.say("status")
    use(fronted, "auto")
    assert "large packets" in interface(fronted, "wan0")["xdp_missing"] and not programs(lab, "wan0")
    assert "not in front of wan0: it would cost" in fronted.say("status")
    use(fronted, "always")
    assert is_in_front(fronted, "wan0", "lan0") and programs(lab, "wan0")
    assert "xdp         in front of " in fronted.say("status")


def test_crash(lab, fronted):
    """It outlives the daemon, and the next one takes it over without taking it off."""
    program = programs(lab, "wan0")
    fronted.crash()
    assert programs(lab, "wan0") == program
    before = lab.gateway.run("ip", "-j", "-d", "link", "show", "wan0").stdout
    fronted.start()
    assert is_in_front(fronted, "wan0", "lan0")
    assert programs(lab, "wan0") == program, before


def test_interface_comes_back(lab, fronted):
    """Down and up again changes nothing; an interface that is new gets it."""
    lab.gateway.ip("link", "set", "lan0", "down")
    lab.gateway.ip("link", "set", "lan0", "up")
    lab.gateway.ip("addr", "replace", "fd00:10::1/64", "dev", "lan0", "nodad")
    assert is_in_front(fronted, "lan0")
    lab.gateway.ip("link", "add", "new0", "type", "veth", "peer", "name", "new1")
    lab.gateway.ip("link", "set", "new0", "up")
    wait_for(lambda: is_in_front(fronted, "new0"), 10, "the new interface has it")
    lab.gateway.ip("link", "delete", "new0")
    wait_for(lambda: all(one["name"] != "new0" for one in fronted.data("status")[0]["interfaces"]), 10, "it is forgotten")


def test_vlan_device(lab, fronted):
    """veth keeps VLAN tags beside the frame, where XDP does not see them: with a VLAN device there is none in front."""
    if lab.gateway.run("ip", "link", "add", "link", "lan0", "name", "lan0.7", "type", "vlan", "id", "7").returncode:
        pytest.skip("this kernel has no VLAN devices")
    wait_for(lambda: "VLAN tags" in interface(fronted, "lan0").get("xdp_missing", ""), 10, "it is taken off")
    assert not programs(lab, "lan0")
    lab.gateway.ip("link", "delete", "lan0.7")
    wait_for(lambda: is_in_front(fronted, "lan0"), 10, "it is put on again")


def test_others_program(lab, fronted, watch):
    """Somebody else's XDP program is left alone, and said; when it goes, ours comes."""
    use(fronted, "off")
    other = watch.start(lab.gateway, "xdp", "lan0", program="hooks.py")
    theirs = programs(lab, "lan0")
    use(fronted, "always")
    assert "somebody else" in interface(fronted, "lan0")["xdp_missing"]
    assert is_in_front(fronted, "wan0") and programs(lab, "lan0") == theirs
    watch.end(other)
    wait_for(lambda: is_in_front(fronted, "lan0"), 10, "ours is in front")


PROTECTED = """\
zone lan { lan0 }
zone wan { wan0 }
option xdp always
protect wan { icmp flood 20/second }
allow from lan to wan
allow from self
"""
FRAMES = """
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
frame, count, rate, sent, begun = bytes.fromhex(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), 0, time.monotonic()
while sent < count:
    while sent < count and sent < (time.monotonic() - begun) * rate:
        sent += s.send(frame) > 0
    time.sleep(0.002)
"""


def datagram(lab, protocol, body):
    """A frame of the server for the client."""
    mac = json.loads(lab.gateway.run("ip", "-j", "link", "show", "wan0", check=True).stdout)[0]["address"].replace(":", "")
    ip = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0, socket.inet_aton(SERVER4), socket.inet_aton(CLIENT4)))
    total = sum(struct.unpack("!10H", ip))
    struct.pack_into("!H", ip, 10, ~((total & 0xffff) + (total >> 16)) & 0xffff)
    return bytes.fromhex(mac) + b"\2\0\0\0\0\1\x08\0" + bytes(ip) + body


@pytest.mark.parametrize("protocol, body, reason, passes", (
    pytest.param(1, b"\x08\0\xf7\xfe\0\1\0\0" + bytes(24), "icmp flood", True, id="ping"),
    pytest.param(200, bytes(32), "unassigned protocol", False, id="protocol"),
))
def test_protected(lab, fronted, protocol, body, reason, passes):
    """The front drops what protection refuses; packets below a threshold come to the rules, and each is counted once."""
    fronted.path.write_text(PROTECTED)
    fronted.say("reload")
    before, denied, by_front, count = drops(fronted, reason), drops(fronted), front_drops(fronted), 12000
    lab.server.run("python3", "-c", FRAMES, datagram(lab, protocol, body).hex(), count, 4000, check=True)
    wait_for(lambda: drops(fronted, reason) - before + drops(fronted) - denied >= count, 10, "all are dropped")
    assert drops(fronted, reason) - before + drops(fronted) - denied == count
    assert (drops(fronted) > denied) == passes
    assert front_drops(fronted) - by_front > count // 2
    use(fronted, "always")


TAGGED = """
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
udp = struct.pack("!HHHH", 5000, 4000, 26, 0) + bytes(18)
ip = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 46, 0, 0, 64, 17, 0, socket.inet_aton(sys.argv[3]), socket.inet_aton(sys.argv[4])))
total = sum(struct.unpack("!10H", ip))
struct.pack_into("!H", ip, 10, ~((total & 0xffff) + (total >> 16)) & 0xffff)
for _ in range(int(sys.argv[1])):
    s.send(bytes.fromhex(sys.argv[2]) + b"\\2\\0\\0\\0\\0\\1" + struct.pack("!HHH", 0x8100, 7, 0x800) + ip + udp)
"""


def test_tagged_frames(lab, fronted):
    """A frame whose tag XDP cannot see would be taken for the interface's own: once one has come, ingress judges alone."""
    before, by_front = drops(fronted), front_drops(fronted)
    flood = flood_start(lab, SERVER4)
    wait_for(lambda: front_drops(fronted) > by_front, 10, "the front is awake")
    mac = json.loads(lab.gateway.run("ip", "-j", "link", "show", "wan0", check=True).stdout)[0]["address"].replace(":", "")
    lab.server.run("python3", "-c", TAGGED, 500, mac, SERVER4, CLIENT4, check=True)
    by_front = front_drops(fronted)
    sent = json.loads(flood.stdout.readline())["sent"]
    wait_for(lambda: drops(fronted) - before >= sent, 10, "all of the flood are dropped")
    assert drops(fronted) - before == sent and front_drops(fronted) == by_front


CARD_POLICY = """\
zone lan { lan0 }
zone far { tap0, challenge always }
option xdp auto
allow from far to lan tcp port 80
allow from self
"""


@pytest.fixture(scope="module")
def card(lab):
    """A host behind a card of the gateway whose driver has XDP."""
    far = Host("far")
    try:
        cable = far.start(sys.executable, HERE / "cable.py", lab.gateway.name, "tap0", far.name, "eth0", stdin=subprocess.PIPE)
        assert json.loads(cable.stdout.readline())["ready"]
        for host, device, last in ((lab.gateway, "tap0", 1), (far, "eth0", 10)):
            host.ip("addr", "add", FAR4 % last + "/24", "dev", device)
            host.ip("addr", "add", FAR6 % last + "/64", "dev", device, "nodad")
            host.ip("link", "set", device, "up")
        far.ip("route", "add", "default", "via", FAR4 % 1)
        far.ip("route", "add", "default", "via", FAR6 % 1)
        lab.gateway.ip("route", "add", "2001:db8:99::/48", "via", FAR6 % 10)
        far.cable = cable
        yield far
    finally:
        far.close()


@pytest.fixture
def carded(fronted, card):
    if fronted.path.read_text() != CARD_POLICY:
        fronted.path.write_text(CARD_POLICY)
        fronted.say("reload")
    return fronted


def syn(lab, six):
    """A SYN to the client's port 80, as cable.py wants it."""
    mac = json.loads(lab.gateway.run("ip", "-j", "link", "show", "tap0", check=True).stdout)[0]["address"].replace(":", "")
    tcp = struct.pack("!HHIIBBHHH", 0, 80, 7, 0, 5 << 4, 2, 64000, 0, 0)
    if six:
        ip = struct.pack("!IHBB", 6 << 28, 20, 6, 64) + socket.inet_pton(socket.AF_INET6, FAR6 % 0) + socket.inet_pton(socket.AF_INET6, CLIENT6)
        return bytes.fromhex(mac) + b"\2\0\0\0\0\1\x86\xdd" + ip + tcp
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + socket.inet_aton(FAR4 % 0) + socket.inet_aton(CLIENT4)
    return bytes.fromhex(mac) + b"\2\0\0\0\0\1\x08\0" + ip + tcp


@pytest.mark.parametrize("address", (CLIENT4, CLIENT6))
def test_challenge_on_a_card(lab, card, carded, address):
    """The front challenges the SYNs of a flood, each once and counted once, and a real client gets in past it."""
    assert is_in_front(carded, "tap0") and not interface(carded, "lan0")["xdp"]
    reasons = {one["reason"]: one["packets"] for one in carded.data("counters")[0]["reasons"]}
    by_front, count = front_drops(carded), 12000
    card.cable.stdin.write(f"flood {count} 4000 {syn(lab, ':' in address).hex()}\n")
    card.cable.stdin.flush()
    wait_for(lambda: front_drops(carded) > by_front + 1000, 20, "the front is awake")
    where = f"[{address}]" if ":" in address else address
    assert card.fetch(f"http://{where}/").stdout == f"hello from {lab.client.name}\n"
    flood = json.loads(card.cable.stdout.readline())
    after = {one["reason"]: one["packets"] for one in carded.data("counters")[0]["reasons"]}
    asked = after["challenged"] - reasons.get("challenged", 0)
    zone = next(one for one in carded.data("status")[0]["challenge"]["zones"] if one["zone"] == "far")
    assert flood["sent"] == count and zone["asked"] == after["challenged"]
    assert count <= asked <= count + 3, "the flood, and the client itself"
    assert count <= flood["answers"], "each is answered"
    assert front_drops(carded) - by_front > count // 2
    assert after["challenge answered"] - reasons.get("challenge answered", 0) == 1


def test_malformed_on_a_card(lab, card, carded):
    """Headers are judged by the front."""
    frame = bytearray(syn(lab, False))
    frame[47] = 3  # SYN and FIN
    before, by_front = {one["reason"]: one["packets"] for one in carded.data("counters")[0]["reasons"]}, front_drops(carded)
    card.cable.stdin.write(f"flood 6000 4000 {frame.hex()}\n")
    card.cable.stdin.flush()
    sent = json.loads(card.cable.stdout.readline())["sent"]
    after = {one["reason"]: one["packets"] for one in carded.data("counters")[0]["reasons"]}
    assert after["bad tcp flags"] - before.get("bad tcp flags", 0) == sent == 6000
    assert front_drops(carded) - by_front > 3000


def test_threshold_on_a_card(lab, card, carded):
    """SYNs beyond a threshold are dropped by the front; each below it is let in, and counted, once."""
    carded.path.write_text(CARD_POLICY.replace(", challenge always", "") + "protect far { syn flood 20/second drop }\n")
    carded.say("reload")

    def admitted():
        return carded.data("counters")[0]["rules"][0]["matches"]

    refused, let_in, by_front, count = drops(carded, "syn flood"), admitted(), front_drops(carded), 12000

    def judged():
        return drops(carded, "syn flood") - refused + admitted() - let_in

    card.cable.stdin.write(f"flood {count} 4000 {syn(lab, False).hex()}\n")
    card.cable.stdin.flush()
    assert json.loads(card.cable.stdout.readline())["sent"] == count
    wait_for(lambda: judged() >= count, 10, "all are judged")
    assert judged() == count
    assert 20 <= admitted() - let_in < count // 2
    assert front_drops(carded) - by_front > count // 2
