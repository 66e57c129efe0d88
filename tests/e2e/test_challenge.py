# SPDX-License-Identifier: BSD-2-Clause
"""The challenge of SYNs with real stacks: Linux, Linux behind a NAT that drops what is invalid, lwIP,
4.4BSD's; and during a flood."""
import json
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lab import CLIENT4, CLIENT6, HERE, KEEPSTATE, SERVER4, SERVER6, WAN4, WAN6, Host, end_process, wait_for

PORT = 5720
POLICY = """\
zone lan { lan0 }
zone wan { wan0, %s }
allow from wan to lan tcp port 5720
allow from wan to self tcp port 5720
forward from wan to self tcp port 5721 to lan 10.0.0.10 port 5720
allow from lan
"""
ALWAYS = POLICY % "challenge always"
INSIDE4 = "10.9.0.10"

# Echoes; tells of each connection which TCP options it got.
SERVE = """
import socket, struct, sys, threading
INFO = "BBBBBBB"
def serve(s):
    data = s.recv(4096)
    options = struct.unpack_from("=BBBBBBBB", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232))[5]
    s.sendall(b"%d:" % options + data)
    s.close()
listener = socket.socket(socket.AF_INET6)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.setsockopt(socket.IPPROTO_TCP, 23, 64)
listener.bind(("::", int(sys.argv[1])))
listener.listen(1024)
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""

# Connects from each address; tells how long it took in ms, and what was echoed.
CONNECT = """
import json, socket, sys, time
address, port, fast, *sources = sys.argv[1:]
told = []
for source in sources:
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.settimeout(60)
    s.bind((source, 0))
    begun = time.monotonic()
    if fast == "fast":
        s.sendto(b"word", socket.MSG_FASTOPEN, (address, int(port)))
    else:
        s.connect((address, int(port)))
        took = time.monotonic() - begun
        s.sendall(b"word")
    if fast == "fast":
        s.recv(1, socket.MSG_PEEK)
        took = time.monotonic() - begun
    data = b""
    while more := s.recv(4096):
        data += more
    told.append([round(took * 1000, 1), data.decode()])
print(json.dumps(told))
"""
TIMESTAMPS, SACK, WSCALE = 1, 2, 4


def sources4(count):
    return [f"192.0.2.{100 + n}" for n in range(count)]


def sources6(count):
    """Each of a /64 of its own, which is one source."""
    return [f"2001:db8:0:{100 + n:x}::1" for n in range(count)]


@pytest.fixture(scope="module")
def echo(lab):
    """The server inside and on the gateway, and many addresses outside."""
    children = [host.start(sys.executable, "-c", SERVE, PORT) for host in (lab.client, lab.gateway)]
    assert all(child.stdout.readline() == "ready\n" for child in children)
    for source in sources4(40):
        lab.server.ip("addr", "add", source + "/24", "dev", "eth0")
    for source in sources6(40):
        lab.server.ip("addr", "add", source + "/128", "dev", "eth0", "nodad")
        lab.gateway.ip("route", "add", source, "via", SERVER6)
    yield
    for source in sources4(40):
        lab.server.ip("addr", "del", source + "/24", "dev", "eth0")
    for source in sources6(40):
        lab.gateway.ip("route", "del", source)
        lab.server.ip("addr", "del", source + "/128", "dev", "eth0")
    for child in children:
        end_process(child)


def connect(host, address, *sources, port=PORT, fast="plain"):
    done = host.run(sys.executable, "-c", CONNECT, address, port, fast, *sources, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def zone(firewall, name="wan"):
    return next(one for one in firewall.data("status")[0]["challenge"]["zones"] if one["zone"] == name)


def expect_whole(told):
    """All got in before a second repetition of the SYN, with every option, and what they said came once."""
    for took, text in told:
        options, _, words = text.partition(":")
        assert words == "word", told
        assert int(options) & (TIMESTAMPS | SACK | WSCALE) == TIMESTAMPS | SACK | WSCALE, told
    took = sorted(one[0] for one in told)
    assert took[len(took) // 2] < 900, took
    print(f"{len(took)} connections: median {took[len(took) // 2]} ms, slowest {took[-1]} ms")


@pytest.mark.parametrize("address, port, sources", [
    (CLIENT4, PORT, sources4(20)), (CLIENT6, PORT, sources6(20)), (WAN4, PORT, sources4(40)[20:]), (WAN6, PORT, sources6(40)[20:]),
    (WAN4, 5721, sources4(20))], ids=["through", "through6", "gateway", "gateway6", "forwarded"])
def test_linux_clients_get_in_with_all_their_options(lab, echo, make_firewall, address, port, sources):
    firewall = make_firewall(ALWAYS)
    expect_whole(connect(lab.server, address, *sources, port=port))
    told = zone(firewall)
    assert told["asked"] >= len(sources) and told["proven"] == len(sources) and told["unanswered"] == 0, told
    # a source that is believed is not asked again
    quick = connect(lab.server, address, *sources, port=port)
    assert zone(firewall)["asked"] == told["asked"] and max(one[0] for one in quick) < 900, quick
    reasons = {entry["reason"]: entry["packets"] for entry in firewall.data("counters")[0]["reasons"]}
    assert reasons["challenged"] == told["asked"] and reasons["challenge answered"] == told["proven"]
    assert "challenge   wan always: " in firewall.say("status")


@pytest.mark.parametrize("address, source, other", [(CLIENT4, sources4(1)[0], sources4(2)[1]), (CLIENT6, sources6(1)[0], sources6(2)[1])],
                         ids=["ipv4", "ipv6"])
def test_explain_knows_who_is_believed(lab, echo, make_firewall, address, source, other):
    """It says what the live firewall would do: also behind a reload, and of a source that has not shown itself."""
    firewall = make_firewall(ALWAYS)

    def verdict(host):
        ends = [f"[{one}]" if ":" in one else one for one in (host, address)]
        return firewall.cli("explain", f"wan {ends[0]}:40000 > lan {ends[1]}:{PORT} tcp syn").stdout.splitlines()[-1]

    assert "challenged" in verdict(source)
    connect(lab.server, address, source)
    assert verdict(source).startswith("=> allow"), verdict(source)
    assert "challenged" in verdict(other)
    firewall.say("reload", firewall.path)
    assert verdict(source).startswith("=> allow"), verdict(source)
    asked = zone(firewall)["asked"]
    connect(lab.server, address, source)
    assert zone(firewall)["asked"] == asked, "it was asked again"


def test_fast_open(lab, echo, make_firewall):
    """A SYN with data, and without a cookie: the data come once."""
    make_firewall(ALWAYS)
    for host in (lab.server, lab.client):
        before = host.run("cat", "/proc/sys/net/ipv4/tcp_fastopen").stdout.strip()
        host.write("/proc/sys/net/ipv4/tcp_fastopen", 0x207)
        host.before = before
    try:
        expect_whole(connect(lab.server, CLIENT4, *sources4(20), fast="fast"))
    finally:
        for host in (lab.server, lab.client):
            host.write("/proc/sys/net/ipv4/tcp_fastopen", host.before)


@pytest.fixture
def nft(lab):
    """Rules of nftables on the host outside, until they are flushed."""
    if not shutil.which("nft"):
        pytest.skip("not installed: nft")

    def load(text):
        subprocess.run(lab.server.command(["nft", "-f", "-"]), input=text, text=True, check=True)

    yield load
    lab.server.run("nft", "flush", "ruleset")


@pytest.fixture
def hidden(lab):
    """A host behind the one outside, which is its router."""
    host = Host("hidden")
    lab.server.ip("link", "add", "down0", "type", "veth", "peer", "name", "eth0", "netns", host.name)
    lab.server.ip("addr", "add", "10.9.0.1/24", "dev", "down0")
    lab.server.ip("link", "set", "down0", "up")
    host.ip("link", "set", "eth0", "up")
    host.ip("addr", "add", INSIDE4 + "/24", "dev", "eth0")
    host.ip("route", "add", "default", "via", "10.9.0.1")
    lab.server.write("/proc/sys/net/ipv4/ip_forward", 1)
    yield host
    host.close()
    lab.server.write("/proc/sys/net/ipv4/ip_forward", 0)


SLIRP4 = [f"10.7.0.{last}" for last in range(50, 60)]


@pytest.fixture
def slirp(lab, hidden, tmp_path):
    """
    A way in by libslirp, whose TCP is that of 4.4BSD: who connects to port 5725 of the hidden host is passed on, from the
    address that it has, by a device of the host outside.
    """
    if not shutil.which("slirp4netns"):
        pytest.skip("not installed: slirp4netns")
    for address in SLIRP4:
        hidden.ip("addr", "add", address + "/32", "dev", "lo")
    child = hidden.start("slirp4netns", "--netns-type=path", f"--api-socket={tmp_path}/api", f"/run/netns/{lab.server.name}", "tap0")
    wait_for(lambda: lab.server.run("ip", "link", "show", "tap0").returncode == 0, 10, "the device of slirp4netns")
    lab.server.ip("link", "set", "tap0", "up")
    lab.server.ip("addr", "add", "10.0.2.100/24", "dev", "tap0")
    lab.server.ip("route", "add", "10.7.0.0/24", "via", "10.0.2.2")
    lab.gateway.ip("route", "add", "10.7.0.0/24", "via", SERVER4)
    forward = {"proto": "tcp", "host_addr": "0.0.0.0", "host_port": 5725, "guest_addr": "10.0.2.100", "guest_port": PORT}
    with socket.socket(socket.AF_UNIX) as api:
        wait_for(lambda: api.connect_ex(f"{tmp_path}/api") == 0, 10, "slirp4netns answers")
        api.sendall(json.dumps({"execute": "add_hostfwd", "arguments": forward}).encode())
        assert "return" in json.loads(api.recv(4096))
    yield hidden
    lab.gateway.ip("route", "del", "10.7.0.0/24")
    end_process(child)


def test_bsd(lab, echo, make_firewall, nft, slirp):
    """It repeats its SYN when its first timeout ends, not at once."""
    firewall = make_firewall(ALWAYS)
    nft(f"table ip kst {{ chain pre {{ type nat hook prerouting priority -100; iifname tap0 dnat to {CLIENT4}; }}; }}")

    def one(source):  # slirp accepts at once: what counts is the echo
        begun = time.monotonic()
        [[_, text]] = connect(slirp, INSIDE4, source, port=5725)
        assert text.endswith(":word"), text
        return round(time.monotonic() - begun, 3)

    with ThreadPoolExecutor(len(SLIRP4)) as pool:
        took = list(pool.map(one, SLIRP4))
    print("4.4BSD:", took)
    counted = zone(firewall)
    assert counted["proven"] == len(SLIRP4) and counted["unanswered"] == 0, counted


MASQUERADE = """
table ip kst {
  chain post { type nat hook postrouting priority 100; ip saddr 10.9.0.0/24 oifname eth0 masquerade; }
  chain forward { type filter hook forward priority 0; ct state invalid counter drop; }
}
"""


def test_a_client_behind_a_nat_that_drops_what_is_invalid(lab, echo, make_firewall, nft, hidden):
    """Each address of the NAT must prove itself, and is believed as long as its connections are completed."""
    firewall = make_firewall(ALWAYS)
    outer = sources4(20)
    inner = [f"10.9.0.{20 + n}" for n in range(len(outer))]
    pairs = ", ".join(f"{one} : {other}" for one, other in zip(inner, outer))
    nft(MASQUERADE.replace("masquerade", f"snat to ip saddr map {{ {pairs} }}"))
    for address in inner:
        hidden.ip("addr", "add", address + "/24", "dev", "eth0")
    expect_whole(connect(hidden, CLIENT4, *inner))
    assert zone(firewall)["proven"] == len(inner)
    expect_whole(connect(hidden, CLIENT4, *inner[:1] * 100))
    counted = zone(firewall)
    assert counted["proven"] == len(inner) and counted["unanswered"] == 0, counted


def test_a_client_whose_answer_is_lost_gets_in_later(lab, echo, make_firewall, nft):
    firewall = make_firewall(ALWAYS)
    nft("table ip kst { chain out { type filter hook output priority 0; tcp flags & rst == rst drop; }; }")
    took = connect(lab.server, CLIENT4, *sources4(2))
    assert all(1000 < one[0] < 8000 and one[1].endswith(":word") for one in took), took
    counted = zone(firewall)
    assert counted["unanswered"] == 2 and counted["proven"] == 0, counted


@pytest.fixture
def lwip(tmp_path):
    """The client on lwIP, made with Debian's library."""
    header = Path("/usr/include/lwip/lwip/sockets.h")
    if not header.exists() or not shutil.which("cc") or not shutil.which("ethtool"):
        pytest.skip("not installed: liblwip-dev, cc, ethtool")
    program = tmp_path / "lwip_client"
    subprocess.run(["cc", "-I/usr/include/lwip", "-o", program, HERE / "lwip_client.c", "-llwip", "-lpthread"], check=True)
    return program


def test_lwip(lab, echo, make_firewall, hidden, lwip):
    """Its RST has an acknowledgement. The host's own stack has no address there."""
    firewall = make_firewall(ALWAYS)
    lab.gateway.ip("route", "add", "10.9.0.0/24", "via", SERVER4)
    hidden.ip("addr", "flush", "dev", "eth0")
    lab.client.run("ethtool", "-K", "eth0", "tx", "off", check=True)  # lwIP verifies checksums
    try:
        took = []
        for last in range(50, 60):
            done = hidden.run(lwip, "eth0", f"10.9.0.{last}", "255.255.255.0", "10.9.0.1", CLIENT4, PORT)
            assert done.returncode in (0, 4), done
            took.append(float(done.stdout))
    finally:
        lab.client.run("ethtool", "-K", "eth0", "tx", "on", check=True)
        lab.gateway.ip("route", "del", "10.9.0.0/24")
    print("lwIP:", took)
    counted = zone(firewall)
    assert counted["proven"] == 10 and counted["unanswered"] == 0, counted


BENCH = Path(KEEPSTATE).parent.parent / "bench" / "keepstate-bench"
FLOOD = 40000


def flood(lab, seconds):
    mac = {name: json.loads(host.run("ip", "-j", "link", "show", device, check=True).stdout)[0]["address"].replace(":", "")
           for name, host, device in (("to", lab.gateway, "wan0"), ("from", lab.server, "eth0"))}
    return lab.server.start(BENCH, "siege", "--attack=syn", f"--rate={FLOOD}", f"--seconds={seconds}", "--device=eth0",
                            f"--macs={mac['to']}{mac['from']}", f"--address={CLIENT4}", f"--port={PORT}")


@pytest.mark.parametrize("cpus", [0, 3], ids=["one CPU", "two CPUs"])
def test_newcomers_get_in_during_a_flood(lab, echo, make_firewall, nft, hidden, cpus):
    """Of 40,000 forged SYNs a second; also who comes through a NAT. Half-open connections stay within their marks."""
    if not BENCH.exists():
        pytest.skip("not built: keepstate-bench")
    firewall = make_firewall(POLICY % "challenge auto" + "limit half-open 4000\n")
    nft(MASQUERADE)
    lab.gateway.ip_root("netns", "exec", lab.gateway.name, "sh", "-c", f"echo {cpus} >/sys/class/net/wan0/queues/rx-0/rps_cpus")
    lab.gateway.ip("route", "add", "198.18.0.0/15", "via", SERVER4)
    try:
        child = flood(lab, 12)
        wait_for(lambda: zone(firewall)["on"], 5, "the challenge is on")
        begun, told = time.monotonic(), []
        while time.monotonic() < begun + 6:
            told += connect(lab.server, CLIENT4, *sources4(10))
            told += connect(hidden, CLIENT4, *[INSIDE4] * 5)
        expect_whole(told)
        assert child.poll() is None, child.stdout.read()
        table = firewall.data("status")[0]["table"]
        assert table["half_open"] < 3000, table
        sent = json.loads(child.communicate(timeout=60)[0])["sent"]
    finally:
        lab.gateway.ip("route", "del", "198.18.0.0/15")
    counted = zone(firewall)
    assert counted["asked"] > sent // 3 and counted["proven"] >= 11, (counted, sent)
    print(sent, counted)
