# SPDX-License-Identifier: BSD-2-Clause
"""Protocols that announce further connections: files through FTP and TFTP arrive identical, and nothing else opens."""
import hashlib
import os
import shutil
import sys

import natlab as natlabs
import pytest
from lab import NOBODY, end_process, wait_for
from natlab import CLIENT4, CLIENT6, INNER4, INNER6, MASQUERADE, SERVER4, SERVER6, WAN4, WAN6

HELPER = "helper ftp from { lan, wan } to { lan, wan } tcp port 21"
SIZE = 1_500_000

VSFTPD = """\
listen={ipv4}
listen_ipv6={ipv6}
listen_address{six}={address}
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root={home}/files
write_enable=YES
anon_upload_enable=YES
anon_umask=022
anon_max_rate=0
local_enable=NO
connect_from_port_20=YES
port_promiscuous=NO
pasv_promiscuous=NO
secure_chroot_dir={home}/empty
vsftpd_log_file={home}/log
xferlog_enable=YES
seccomp_sandbox=NO
"""

# curl's words for the ways of opening a data connection.
WAYS = {
    "passive": (),
    "passive-pasv": ("--disable-epsv",),
    "active": ("--ftp-port", "-"),
    "active-port": ("--ftp-port", "-", "--disable-eprt"),
}


def start_ftp(lab, host, address):
    """vsftpd on port 21, with a file to fetch and a directory to store into."""
    home = lab.scratch()
    home.chmod(0o755)
    os.chown(home, 0, 0)
    for name in ("empty", "files", "files/incoming"):
        (home / name).mkdir()
    shutil.chown(home / "files" / "incoming", "ftp")
    (home / "files" / "file").write_bytes(os.urandom(SIZE))
    six = ":" in address
    (home / "conf").write_text(VSFTPD.format(ipv4="NO" if six else "YES", ipv6="YES" if six else "NO",
                                             six="6" if six else "", address=address, home=home))
    child = host.start("vsftpd", home / "conf")
    host.listening("-t", 21)
    return home, child


@pytest.fixture
def ftp(natlab):
    """Starts FTP servers; each ends with the test."""
    children = []

    def start(host, address):
        home, child = start_ftp(natlab, host, address)
        children.append(child)
        return home

    yield start
    for child in children:
        end_process(child)


def ftp_url(address, path=""):
    return f"ftp://[{address}]/{path}" if ":" in address else f"ftp://{address}/{path}"


def transfer(lab, host, address, home, way):
    """Lists, fetches and stores by one connection; what arrives must be what was sent."""
    words = WAYS[way]
    listing = host.fetch(ftp_url(address), *words)
    assert listing.returncode == 0 and "incoming" in listing.stdout, f"{way}: {listing.stdout}{listing.stderr}"
    got = lab.scratch() / "got"
    fetched = host.fetch(ftp_url(address, "file"), "-o", got, *words)
    assert fetched.returncode == 0, f"{way}: {fetched.stderr}"
    assert got.read_bytes() == (home / "files" / "file").read_bytes()
    name = f"stored-{way}"
    stored = host.fetch(ftp_url(address, f"incoming/{name}"), "-T", got, *words)
    assert stored.returncode == 0, f"{way}: {stored.stderr}"
    assert (home / "files" / "incoming" / name).read_bytes() == got.read_bytes()


FAMILIES = pytest.mark.parametrize("server", [SERVER4, SERVER6], ids=["ipv4", "ipv6"])


def ways(four, six):
    """Every way with an IPv4 address; with an IPv6 address those that have words for it (RFC 2428)."""
    return [pytest.param(four, way, id=f"ipv4-{way}") for way in WAYS] + [
        pytest.param(six, way, id=f"ipv6-{way}") for way in ("passive", "active")]


def test_the_first_helper_comes_with_a_takeover(natlab, gate, ftp):
    """The firewall that is taken over was started without what helpers need."""
    gate.stop()
    gate.path.write_text(natlabs.ZONES + natlabs.RULES)
    gate.start()
    gate.crash()
    gate.path.write_text(natlabs.ZONES + f"{HELPER}\n{MASQUERADE}\n" + natlabs.RULES)
    gate.start()
    transfer(natlab, natlab.client, SERVER4, ftp(natlab.server, SERVER4), "active-port")


@pytest.mark.parametrize("server, way", ways(SERVER4, SERVER6))
def test_ftp_of_a_translated_client(natlab, translate, ftp, server, way):
    """The client behind the gateway: what it announces is rewritten to the gateway's address."""
    translate(HELPER, MASQUERADE)
    transfer(natlab, natlab.client, server, ftp(natlab.server, server), way)


@pytest.mark.parametrize("places, way", ways((WAN4, INNER4), (WAN6, INNER6)))
def test_ftp_server_behind_a_forwarded_port(natlab, translate, ftp, places, way):
    """The server behind the gateway: what its replies announce is rewritten."""
    outside, inner = places
    translate(HELPER, f"forward from wan tcp port 21 to {inner}", MASQUERADE)
    transfer(natlab, natlab.server, outside, ftp(natlab.inner, inner), way)


@pytest.mark.parametrize("client, inner", [(CLIENT4, INNER4), (CLIENT6, INNER6)], ids=["ipv4", "ipv6"])
def test_ftp_without_translation(natlab, translate, ftp, client, inner):
    """Routed, not translated: the server outside reaches the server inside by its own address."""
    translate(HELPER, f"allow from wan to lan tcp port 21 destination {inner}")
    family = ["-6"] if ":" in inner else []
    gateway = WAN6 if family else WAN4
    natlab.server.ip(*family, "route", "add", inner, "via", gateway)
    try:
        home = ftp(natlab.inner, inner)
        for way in ("passive", "active"):
            transfer(natlab, natlab.server, inner, home, way)
    finally:
        natlab.server.ip(*family, "route", "del", inner)


# Active and passive, and a connection that is used for several files, as a person's program does.
FTPLIB = """
import ftplib, hashlib, io, socket, sys
class Client(ftplib.FTP):
    if ":" in sys.argv[1]:
        af = socket.AF_INET6
for passive in (True, False, True):
    with Client(sys.argv[1], "anonymous", "", timeout=4) as ftp:
        ftp.set_pasv(passive)
        for _ in range(3):
            digest = hashlib.sha256()
            ftp.retrbinary("RETR file", digest.update)
            print(digest.hexdigest())
        assert "incoming" in " ".join(ftp.nlst())
"""


@FAMILIES
def test_ftp_by_python(natlab, translate, ftp, server):
    translate(HELPER, MASQUERADE)
    home = ftp(natlab.server, server)
    done = natlab.client.run(sys.executable, "-c", FTPLIB, server)
    wanted = hashlib.sha256((home / "files" / "file").read_bytes()).hexdigest()
    assert done.stdout.split() == [wanted] * 9, done.stderr


def test_without_a_helper_active_ftp_does_not_work(natlab, translate, ftp):
    """Off until a rule assigns it: the server's connection is an unasked one."""
    translate(MASQUERADE)
    ftp(natlab.server, SERVER4)
    got = natlab.client.fetch(ftp_url(SERVER4), "--ftp-port", "-", seconds=2)
    assert got.returncode != 0


# Says on an FTP connection that somebody else's port, or a privileged one, is its own.
BOUNCE = """
import socket, sys
server, claim = sys.argv[1:]
s = socket.create_connection((server, 21), 2)
s.recv(500)
for line in ("USER anonymous", "PASS x", "PORT " + claim):
    s.sendall(line.encode() + b"\\r\\n")
    print(s.recv(500).decode().strip())
"""


# Connects from an address and port (0: any) and says what became of it.
CONNECT = """
import socket, sys
source, sport, target, port = sys.argv[1:]
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.settimeout(1)
s.bind((source, int(sport)))
try:
    s.connect((target, int(port)))
    print("connected")
except OSError as problem:
    print(problem)
"""


@pytest.mark.parametrize("claim, port", [("10,0,0,20,31,144", 8080), ("10,0,0,10,0,80", 80)], ids=["other-host", "privileged"])
def test_ftp_bounce(natlab, translate, ftp, claim, port):
    """A PORT that names another host, or a privileged port, opens nothing."""
    gate = translate(HELPER, MASQUERADE)
    ftp(natlab.server, SERVER4)
    natlab.client.run(sys.executable, "-c", BOUNCE, SERVER4, claim)
    for source in (0, 20):
        got = natlab.server.run(sys.executable, "-c", CONNECT, SERVER4, source, WAN4, port)
        assert got.stdout.strip() == "timed out", got.stdout + got.stderr
    assert "EXPECT" not in gate.say("states")


# --- TFTP ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tftp(natlab):
    """tftpd-hpa on the server; its answers come from a port of its own."""
    home = natlab.scratch()
    os.chown(home, 0, 0)
    home.chmod(0o777)
    (home / "file").write_bytes(os.urandom(200_000))
    (home / "file").chmod(0o644)
    servers = [natlab.server.start("in.tftpd", "--listen", "--foreground", "--user", "nobody", "--secure", "--create",
                                   "--address", place, home) for place in (f"{SERVER4}:69", f"[{SERVER6}]:69")]
    wait_for(lambda: len(natlab.server.run("ss", "-Hlnu", "sport = :69").stdout.splitlines()) == 2, what="both servers")
    yield home
    for child in servers:
        end_process(child)


@FAMILIES
def test_tftp(natlab, translate, tftp, server):
    translate("helper tftp from lan to wan udp port 69", MASQUERADE)
    folder = natlab.scratch()
    got = folder / "got"
    words = ["tftp", "-6" if ":" in server else "-4", "-m", "binary", server, "-c"]
    done = natlab.client.run(*NOBODY, *words, "get", "file", got, timeout=20)
    assert got.exists() and got.read_bytes() == (tftp / "file").read_bytes(), done.stdout + done.stderr
    natlab.client.run(*NOBODY, *words, "put", got, "stored", timeout=20)
    assert (tftp / "stored").read_bytes() == got.read_bytes()


def test_without_a_helper_tftp_does_not_work(natlab, translate, tftp):
    translate(MASQUERADE)
    got = natlab.scratch() / "got"
    natlab.client.run("timeout", "2", *NOBODY, "tftp", "-4", SERVER4, "-c", "get", "file", got)
    assert not got.exists() or not got.read_bytes()


# --- PPTP ------------------------------------------------------------------------------------------------------------------

# The messages of a call (RFC 2637) and its tunnel, without PPP: two clients whose programs choose the same call id. Each end
# says which ids it was told, and what came through its tunnel.
PPTP_COMMON = """
import socket, struct, sys
MAGIC = 0x1a2b3c4d
def message(kind, body, length):
    return struct.pack("!HHIHH", length, 1, MAGIC, kind, 0) + body.ljust(length - 12, b"\\0")
def read(s):
    head = s.recv(2, socket.MSG_WAITALL)
    return head + s.recv(struct.unpack("!H", head)[0] - 2, socket.MSG_WAITALL)
def tunnel():
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_GRE)
    raw.settimeout(5)
    return raw
def gre(call, data):
    return struct.pack("!HHHHI", 0x3001, 0x880b, len(data), call, 1) + data
def opened(packet):
    packet = packet[(packet[0] & 15) * 4:]
    return struct.unpack("!H", packet[6:8])[0], packet[12:].decode()
"""
PPTP_SERVER = PPTP_COMMON + """
listener = socket.create_server((sys.argv[1], 1723))
raw = tunnel()
calls = []
for own in (100, 101):
    s, peer = listener.accept()
    call, = struct.unpack("!H", read(s)[12:14])
    s.sendall(message(8, struct.pack("!HHB", own, call, 1), 32))
    raw.sendto(gre(call, b"for call %d" % own), (peer[0], 0))
    came = opened(raw.recv(2000))
    s.sendall(message(15, struct.pack("!H", call), 24))
    cleared, = struct.unpack("!H", read(s)[12:14])
    calls.append((call, came, cleared == call, s))
print(sorted(one[1] for one in calls), all(one[2] for one in calls), len({one[0] for one in calls}), flush=True)
"""
PPTP_CLIENT = PPTP_COMMON + """
raw = tunnel()
s = socket.create_connection((sys.argv[1], 1723), 5)
s.settimeout(5)
s.sendall(message(7, struct.pack("!H", 4711), 168))
own, named = struct.unpack("!HH", read(s)[12:16])
came = opened(raw.recv(2000))
raw.sendto(gre(own, b"from %s" % sys.argv[2].encode()), (sys.argv[1], 0))
told, = struct.unpack("!H", read(s)[12:14])
s.sendall(message(12, struct.pack("!H", 4711), 16))
print(named, *came, told)
s.recv(1)
"""


def test_pptp_of_two_clients(natlab, translate):
    """Both choose the same call id for the same server: outside they differ, and inside nobody notices."""
    translate("helper pptp from lan to wan", MASQUERADE)
    server = natlab.server.start(sys.executable, "-c", PPTP_SERVER, SERVER4)
    natlab.server.listening("-t", 1723)
    try:
        for host, name, own in ((natlab.client, "one", 100), (natlab.inner, "two", 101)):
            client = host.start(sys.executable, "-c", PPTP_CLIENT, SERVER4, name)
            line = client.stdout.readline()
            assert line.strip() == f"4711 4711 for call {own} 4711", line + client.stdout.read()
        assert server.stdout.readline().strip() == "[(100, 'from one'), (101, 'from two')] True 2"
    finally:
        end_process(server)
