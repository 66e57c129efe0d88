# SPDX-License-Identifier: BSD-2-Clause
"""A small internet of network namespaces: a client, the gateway that Keepstate guards, and a server.

    client eth0 ---- lan0 gateway wan0 ---- eth0 server

Everything made here has a name of its own for this run, lives until close(), and is started in the namespace's
network only (nsenter --net), so that nothing else of the machine is touched.
"""
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEEPSTATE = os.environ.get("KEEPSTATE", str(HERE.parent.parent / "build" / "cli" / "keepstate"))
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
START_SECONDS = 300  # the kernel verifies the programs, on a machine that may be busy with other things
PATIENCE = 60  # seconds for whatever comes at once on a machine that is not busy: they end what hangs, and are no claim of a test
NEEDED = ("ip", "nsenter", "setpriv", "curl", "nginx", "dnsmasq", "dig", "ping", "ss", "tc")

CLIENT4, CLIENT6 = "10.0.0.10", "fd00:10::10"
SERVER4, SERVER6 = "192.0.2.10", "2001:db8::10"
LAN4, LAN6 = "10.0.0.1", "fd00:10::1"  # the gateway's own addresses
WAN4, WAN6 = "192.0.2.1", "2001:db8::1"

_serial = itertools.count(1)


def reason_to_skip():
    """Returns the reason why the tests cannot run on this machine, or None."""
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        return "not installed: " + ", ".join(missing)
    probe = f"kst-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    if made.returncode:
        return "no network namespaces here: " + made.stderr.strip()
    subprocess.run(["ip", "netns", "delete", probe], check=True)
    return None


def masquerade(clauses="from lan to wan", options=""):
    """Rules that masquerade both families: without a family such a rule is for IPv4."""
    return "".join(f"nat {clauses}{family} masquerade {options}".rstrip() + "\n" for family in ("", " family ipv6"))


def uses_port(flow, port):
    """Returns true if a state's ports, also as translated, include this one. Its other numbers may hold the same digits."""
    words = {**flow, **(flow.get("nat") or {})}
    return port in (flow.get("source_port"), flow.get("destination_port"), words.get("source_port"), words.get("destination_port"))


ROUND = 0.25  # seconds that asking once takes at most, on a machine that does nothing else
SHORT_PAUSE, LONG_PAUSE = 0.05, 0.2  # seconds between two questions: the longer it takes, the longer, because asking takes a processor


def wait_for(condition, seconds=PATIENCE, what="condition"):
    """Calls the condition until it returns something true, which is returned. The time is that of a machine that has time for the test:
    where others keep the processors from what is asked, they keep them from asking, too, and of each round only so much counts.
    It is PATIENCE at least: what comes late on a busy machine is as right as what comes soon.
    """
    spent, pause, seconds = 0, SHORT_PAUSE, max(seconds, PATIENCE)
    while True:
        begun = time.monotonic()
        answer = condition()
        if answer:
            return answer
        if spent > seconds:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(pause)
        spent += min(time.monotonic() - begun, pause + ROUND)
        pause = min(pause * 1.1, LONG_PAUSE)


def pings_lost(summary):
    """How many pings were not answered, but for one that was under way when ping was ended."""
    sent, heard = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", summary).groups())
    return max(0, sent - heard - 1)


def goes_on(facts, blocks=0, late=0.5):
    """Returns true if a connection that was followed (traffic.py) lived, and lost nothing that made it stall. A firewall holds no packet
    back, it passes or drops: a block that is late though no packet was lost has waited for a processor.
    """
    return facts["error"] is None and facts["blocks"] > blocks and (facts["latest"] < late or facts["lost"] <= 0)


def end_process(child, seconds=5):
    """Ends a process of ours: SIGTERM first, then SIGKILL."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    return child.returncode


class Host:
    """A network namespace and what runs in it."""

    def __init__(self, role):
        self.name = f"kst-{os.getpid()}-{next(_serial)}-{role}"
        self.children = []
        self.ip_root("netns", "add", self.name)
        for path in ("/run/keepstate/", "/run/keepstate/bpf/", "/var/lib/keepstate/"):  # of a namespace that is gone and had this number
            shutil.rmtree(path + self.instance(), ignore_errors=True)
        self.ip("link", "set", "lo", "up")
        for where in ("all", "default"):  # no duplicate address detection: IPv6 works at once
            self.write(f"/proc/sys/net/ipv6/conf/{where}/accept_dad", 0)

    @staticmethod
    def ip_root(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

    def instance(self):
        """The name of the files that Keepstate has for the namespace."""
        return f"net-{os.stat(f'/run/netns/{self.name}').st_ino}"

    def ip(self, *words):
        subprocess.run(["ip", "-n", self.name, *words], check=True, capture_output=True, text=True)

    def command(self, words):
        return ["nsenter", f"--net=/run/netns/{self.name}", *[str(word) for word in words]]

    def run(self, *words, timeout=2 * PATIENCE, check=False):
        """Runs to the end. Returns the CompletedProcess, with what it printed as text."""
        return subprocess.run(self.command(words), capture_output=True, text=True, timeout=timeout, check=check,
                              stdin=subprocess.DEVNULL)

    def start(self, *words, **options):
        """Starts something that is ended with the host. Its output is a pipe unless options say otherwise."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL, "text": True,
                   **options}
        child = subprocess.Popen(self.command(words), **options)
        self.children.append(child)
        return child

    def python(self, *words, program="traffic.py", **options):
        """Starts one of the small programs of this directory."""
        return self.start(sys.executable, HERE / program, *words, **options)

    def write(self, path, text):
        """Writes a file of /proc/sys/net as this namespace sees it."""
        self.run("sh", "-c", f"echo '{text}' >{path}", check=True)

    def listening(self, kind, port):
        wait_for(lambda: self.run("ss", "-Hln", kind, f"sport = :{port}").stdout.strip(),
                 what=f"a listener on port {port}")

    def close(self):
        for child in self.children:
            end_process(child)
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True)

    # commands as a person would type them

    def fetch(self, url, *options, seconds=PATIENCE):
        """curl: returns the CompletedProcess; stdout is the body. Who expects no answer says how long it is waited for."""
        return self.run(*NOBODY, "curl", "-sS", "--noproxy", "*", "--max-time", seconds, *options, url,
                        timeout=seconds + PATIENCE)

    def ping(self, address, *options, count=3):
        """Returns how many of `count` pings were answered."""
        done = self.run("ping", "-q", "-i", "0.05", "-c", count, "-W", "1", *options, address)
        return pings_answered(done.stdout)

    def resolve(self, server, name="www.example", *options):
        return self.run(*NOBODY, "dig", "+short", "+tries=1", "+timeout=20", *options, f"@{server}", name, "A")


def pings_answered(text):
    """Returns the number of answers in ping's summary."""
    for line in text.splitlines():
        if "packets transmitted" in line:
            return int(line.split(",")[1].split()[0])
    raise AssertionError("ping printed no summary:\n" + text)


class Lab:
    """The three hosts, tied together, with forwarding on and servers running."""

    def __init__(self):
        # Not below pytest's own directory, which only root may enter: the servers and curl run as nobody.
        self.directory = Path(tempfile.mkdtemp(prefix="kst-"))
        self.directory.chmod(0o755)
        self.hosts = []
        try:
            self.build()
        except Exception:
            self.close()
            raise

    def host(self, role):
        host = Host(role)
        self.hosts.append(host)
        return host

    def build(self):
        self.gateway = self.host("gateway")
        self.client = self.host("client")
        self.server = self.host("server")
        self.connect(self.client, "lan0", "10.0.0", "fd00:10")
        self.connect(self.server, "wan0", "192.0.2", "2001:db8")
        self.gateway.write("/proc/sys/net/ipv4/ip_forward", 1)
        self.gateway.write("/proc/sys/net/ipv6/conf/all/forwarding", 1)
        for host in self.hosts:
            host.write("/proc/sys/net/ipv4/ip_unprivileged_port_start", 0)
            self.web(host)
        self.server.start(*NOBODY, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
                          "--no-hosts", "--pid-file=", f"--address=/www.example/{SERVER4}")
        self.server.listening("-u", 53)

    def connect(self, host, interface, net4, net6):
        """Ties a host's eth0 to an interface of the gateway; .1 is the gateway and .10 the host."""
        gateway = self.gateway
        gateway.ip("link", "add", interface, "type", "veth", "peer", "name", "eth0", "netns", host.name)
        for where, device, last in ((gateway, interface, "1"), (host, "eth0", "10")):
            where.ip("addr", "add", f"{net4}.{last}/24", "dev", device)
            where.ip("addr", "add", f"{net6}::{last}/64", "dev", device, "nodad")
            where.ip("link", "set", device, "up")
        host.ip("route", "add", "default", "via", f"{net4}.1")
        host.ip("route", "add", "default", "via", f"{net6}::1")

    def web(self, host):
        """nginx as nobody on port 80, with a small page and a file that does not compress."""
        home = self.directory / f"web-{host.name}"
        files = home / "files"
        (files / "upload").mkdir(parents=True)
        (files / "index.html").write_text(f"hello from {host.name}\n")
        (files / "large").write_bytes(os.urandom(1 << 20) * 32)
        (home / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {home}/pid; error_log {home}/error.log; events {{}}\n"
            f"http {{ access_log off; client_body_temp_path {home}/1; proxy_temp_path {home}/2;\n"
            f"  fastcgi_temp_path {home}/3; uwsgi_temp_path {home}/4; scgi_temp_path {home}/5;\n"
            f"  server {{ listen 80; listen [::]:80; root {files}; location /slow {{ limit_rate 200k;\n"
            f"  alias {files}/large; }} location /peer {{ return 200 \"$remote_addr $remote_port\\n\"; }}\n"
            f"  location /upload/ {{ client_max_body_size 0; dav_methods PUT; alias {files}/upload/; }} }} }}\n")
        subprocess.run(["chown", "-R", "65534:65534", str(home)], check=True)
        host.start(*NOBODY, "nginx", "-e", home / "error.log", "-c", home / "nginx.conf", "-p", home)
        host.listening("-t", 80)

    def scratch(self):
        """A directory that the user nobody may write to."""
        path = Path(tempfile.mkdtemp(dir=self.directory))
        os.chown(path, 65534, 65534)
        return path

    def close(self):
        for host in self.hosts:
            host.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Firewall:
    """Keepstate on a host, and its commands."""

    def __init__(self, host, policy, directory):
        self.host = host
        self.path = Path(directory) / "policy.conf"
        self.log_path = Path(directory) / "keepstate.log"
        self.path.write_text(policy)
        self.child = None
        self.program = KEEPSTATE

    def start(self, *options, wait=True):
        """Starts the daemon; returns when it answers (it has attached its programs then)."""
        with self.log_path.open("a") as log:
            self.child = subprocess.Popen([self.program, "run", "--netns", self.host.name, *options, str(self.path)],
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait:
            try:
                wait_for(self.answers, START_SECONDS, "keepstate answers")
            except AssertionError:
                end_process(self.child)
                raise
        return self

    def answers(self):
        if self.child.poll() is not None:
            raise AssertionError(f"keepstate ended with {self.child.returncode}:\n{self.log_path.read_text()[-2000:]}")
        return self.listens() and self.cli("status").returncode == 0

    def listens(self):
        """Returns true if its control socket takes connections. While it loads its programs, this asks without taking a CPU from it."""
        with socket.socket(socket.AF_UNIX) as door:
            return door.connect_ex(f"/run/keepstate/{self.instance()}/control.sock") == 0

    def cli(self, command, *words, timeout=None):
        """Runs a command of the program against this instance. A reload may load the programs anew, which takes as long as a start."""
        timeout = timeout or (START_SECONDS if command == "reload" else PATIENCE)
        return subprocess.run([self.program, command, "--netns", self.host.name, *[str(word) for word in words]],
                              capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)

    def say(self, command, *words, timeout=None):
        """The same for a command that must succeed; returns what it printed."""
        done = self.cli(command, *words, timeout=timeout)
        assert done.returncode == 0, f"keepstate {command}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def data(self, command, *words):
        """The same with --json; returns what was printed, parsed: a list of the lines' values."""
        return [json.loads(line) for line in self.say(command, "--json", *words).splitlines()]

    def crash(self):
        """kill -9: its programs in the kernel go on."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def stop(self):
        """Stops it by `keepstate stop`, whatever state it is in; then nothing may be left in the kernel."""
        if self.child is None:
            return
        if self.child.poll() is not None and self.filters():
            self.start()
        if self.child.poll() is None:
            self.cli("stop")
            try:
                self.child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
                raise AssertionError(f"keepstate did not stop within {PATIENCE} s") from None
        self.child = None

    def guarded(self):
        """The names of the interfaces that are guarded now."""
        return [one["name"] for one in self.data("status")[0]["interfaces"] if one["ingress"] and one["egress"]]

    def instance(self):
        """The name of its files below /run/keepstate."""
        return self.host.instance()

    def filters(self):
        """Lists everything attached in the host: tcx links, the backstop, and the tc filters of every interface; "" if nothing."""
        text = "".join(f"{path.name}\n" for path in Path("/run/keepstate/bpf").glob(f"{self.instance()}/links/*"))
        for line in self.host.run("ip", "-o", "link").stdout.splitlines():
            device = line.split(":")[1].strip().split("@")[0]
            for side in ("ingress", "egress"):
                text += self.host.run("tc", "filter", "show", "dev", device, side).stdout
        return text
