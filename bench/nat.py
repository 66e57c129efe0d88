# SPDX-License-Identifier: BSD-2-Clause
"""Forwarding with the source translated to the gateway's address, beside nftables' masquerade, and FTP through helpers."""
import json
import shutil
import subprocess
import sys

from live import CLIENT_MAC, LAN_MAC, SERVER, Lab, connections, small_packets

WAN = "10.2.0.1"  # of the gateway, as which it masquerades
MASQUERADE = ("""table ip bench_nat {
  chain out { type nat hook postrouting priority 100; oifname "wan0" masquerade; }
}
""", "nat from lan to wan masquerade\n")

FTP = (MASQUERADE[0] + """table inet bench_ftp {
  ct helper ftp { type "ftp" protocol tcp; }
  chain in { type filter hook prerouting priority 0; tcp dport 21 ct helper set "ftp"; }
}
""", MASQUERADE[1] + "helper ftp from lan to wan tcp port 21\n")

VSFTPD = """listen=YES
listen_address={address}
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root={home}/files
secure_chroot_dir={home}/empty
connect_from_port_20=YES
seccomp_sandbox=NO
"""

# Fetches a small file again and again, each by a data connection of its own, passive and active in turn.
CLIENT = """
import ftplib, json, sys, time
address, count = sys.argv[1], int(sys.argv[2])
with ftplib.FTP(address, "anonymous", "", timeout=10) as ftp:
    start = time.monotonic()
    for n in range(count):
        ftp.set_pasv(n % 2 == 0)
        ftp.retrbinary("RETR file", lambda bytes: None)
    print(json.dumps(count / (time.monotonic() - start)))
"""


def transfers(lab, count):
    """Files a second by one control connection."""
    home = lab.folder / "ftp"
    for name in ("empty", "files"):
        (home / name).mkdir(parents=True, exist_ok=True)
    for path in (lab.folder, home, home / "files"):
        path.chmod(0o755)
    (home / "files" / "file").write_bytes(bytes(1000))
    (home / "conf").write_text(VSFTPD.format(address=SERVER, home=home))
    server = subprocess.Popen(lab.inside("server", ["vsftpd", str(home / "conf")]), stdin=subprocess.DEVNULL)
    lab.children.append(server)
    try:
        lab.bench.call(lab.inside("server", ["sh", "-c", "until ss -Hltn 'sport = :21' | grep -q .; do sleep 0.05; done"]))
        return json.loads(lab.bench.call(lab.inside("client", [sys.executable, "-c", CLIENT, SERVER, str(count)])))
    finally:
        server.terminate()
        server.wait()
        lab.children.remove(server)


FIRST, SECOND = "198.18.250.1", "198.18.250.2"  # hosts behind the client: one takes all ports, the other gets none
FILL_SECONDS = 4


def datagrams(lab, source, rate, seconds):
    """The command that sends datagrams from invented ports of a host to one port of the server."""
    return lab.inside("client", [str(word) for word in lab.bench.command(
        "siege", attack="udp", device="eth0", macs=LAN_MAC + CLIENT_MAC, address=SERVER, port=9999, rate=rate, seconds=seconds,
        **{"from": source})])


def all_ports_taken(lab):
    """One host speaks from every port to one of the server's, until none is left."""
    lab.bench.call(datagrams(lab, FIRST, 500000, FILL_SECONDS))


def refused(lab, seconds):
    """Packets a second of another host that get no port, by one core that makes them too."""
    all_ports_taken(lab)
    return json.loads(lab.bench.call(datagrams(lab, SECOND, 2000000, seconds)))["sent"] / seconds


def beside_refused(lab, count):
    """Packets of flows of others, while another host asks for a port 100,000 times a second."""
    all_ports_taken(lab)
    flood = subprocess.Popen(datagrams(lab, SECOND, 100000, 30), stdout=subprocess.DEVNULL)
    lab.children.append(flood)
    try:
        return small_packets(lab, 1000, count, answered=False)
    finally:
        flood.terminate()
        flood.wait()
        lab.children.remove(flood)


def measure(bench, out):
    """All of it, nftables and Keepstate in turn."""
    count, seconds, files = (400000, 1, 100) if bench.quick else (1500000, 2, 400)
    rows = [("nat, small packets masqueraded, 1,000 flows", "packets/s", MASQUERADE,
             lambda lab: small_packets(lab, 1000, count, outer=WAN)),
            ("nat, small packets masqueraded, 100,000 flows", "packets/s", MASQUERADE,
             lambda lab: small_packets(lab, 100000, count, outer=WAN)),
            ("nat, new TCP connections masqueraded", "connections/s", MASQUERADE,
             lambda lab: connections(lab, seconds)),
            ("nat, packets without a port, all 64,512 towards the server in use", "packets/s", MASQUERADE,
             lambda lab: refused(lab, seconds)),
            ("nat, small packets masqueraded, 1,000 flows, beside 100 k of such a second", "packets/s", MASQUERADE,
             lambda lab: beside_refused(lab, count))]
    if shutil.which("vsftpd"):
        rows.append(("nat, FTP transfers of 1 kB", "files/s", FTP, lambda lab: transfers(lab, files)))
    else:
        out.note("nat, FTP: left out: vsftpd is not installed")
    found = {}
    with Lab(bench) as lab:
        for _ in range(bench.runs):
            for kind in ("nftables", "keepstate"):
                for what, _, more, function in rows:
                    with lab.firewall(kind, more=more):
                        found.setdefault((what, kind), []).append(function(lab))
    for what, unit, _, _ in rows:
        out.rate(what, unit, found[what, "keepstate"], "nftables", found[what, "nftables"])
