# SPDX-License-Identifier: BSD-2-Clause
"""SIP through address translation: real user agents register, call each other, and each hears the other."""
import array
import json
import math
import wave

import pytest
from conftest import need
from lab import Firewall, end_process, wait_for
from natlab import CLIENT4, INNER4, MASQUERADE, RULES, SERVER4, WAN4, ZONES

SIP = "helper sip from lan to wan"
RATE = 8000
LOUD = 500  # of 32767: the tone has 8000

CONFIG = """\
poll_method epoll
sip_listen 0.0.0.0:5060
call_max_calls 4
audio_path /usr/share/baresip
audio_source aufile,{home}/tone.wav
audio_player aubridge,nobody
audio_alert aubridge,nobody
ausrc_srate {rate}
auplay_srate {rate}
ausrc_channels 1
auplay_channels 1
rtp_ports 10000-10100
rtcp_mux no
jitter_buffer_delay 5-10
module_path {modules}
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
snd_path {home}
statmode_default off
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:4444
"""


def modules():
    """baresip's modules: Debian 12 and 13 have them in different places."""
    for place in ("/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules"):
        try:
            with open(f"{place}/aufile.so", "rb"):
                return place
        except OSError:
            pass
    return "/usr/lib/baresip/modules"


def write_tone(path, hertz, seconds=120):
    wave_of = [int(8000 * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(RATE)]
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(array.array("h", wave_of * seconds).tobytes())


class Phone:
    """baresip on a host, told what to do by its control port."""

    def __init__(self, lab, host, user, transport, hertz, server=SERVER4):
        self.host, self.user = host, user
        self.home = lab.scratch()
        self.home.chmod(0o777)
        write_tone(self.home / "tone.wav", hertz)
        (self.home / "config").write_text(CONFIG.format(home=self.home, rate=RATE, modules=modules()))
        registers = "regint=300" if server else "regint=0"
        (self.home / "accounts").write_text(
            f"<sip:{user}@{server or '127.0.0.1'};transport={transport}>;auth_pass=x;answermode=auto;{registers};"
            f"audio_codecs=pcmu/8000/1\n")
        (self.home / "contacts").write_text("")
        self.log = self.home / "log"
        self.child = host.start("baresip", "-s", "-f", self.home, stdout=self.log.open("w"))
        host.listening("-t", 4444)

    def tell(self, command, params=""):
        """Sends a command; the answers are not waited for."""
        text = json.dumps({"command": command, "params": params, "token": "t"})
        line = f"{len(text)}:{text},"
        script = ("import socket,sys\ns=socket.create_connection(('127.0.0.1',4444),5)\n"
                  "s.sendall(sys.argv[1].encode())\ns.settimeout(1)\n"
                  "try:\n  print(s.recv(4096).decode(errors='replace'))\nexcept OSError:\n  pass\n")
        return self.host.run("python3", "-c", script, line).stdout

    def trace(self):
        """The messages that it sent and got."""
        return self.log.read_text(errors="replace")

    def says(self, text):
        return text in self.trace()

    def datagrams(self):
        """How many its host has delivered to programs."""
        lines = [line.split() for line in self.host.run("cat", "/proc/net/snmp").stdout.splitlines()
                 if line.startswith("Udp:")]
        return int(lines[1][lines[0].index("InDatagrams")])

    def heard(self):
        """The samples that were played."""
        found = sorted(self.home.glob("dump-*-dec.wav"))
        data = b"".join(path.read_bytes()[44:] for path in found)
        return array.array("h", data[:len(data) // 2 * 2])

    def hears(self, hertz):
        """Returns true if the last second that was played is this tone, and loud."""
        samples = self.heard()[-RATE:]
        if len(samples) < RATE:
            return False
        power = [abs(sum(value * complex(math.cos(2 * math.pi * f * n / RATE), math.sin(2 * math.pi * f * n / RATE))
                         for n, value in enumerate(samples))) / RATE for f in (hertz, 1850)]
        return power[0] > LOUD and power[0] > 10 * power[1]

    def end(self):
        self.tell("quit")
        end_process(self.child)
        print(f"{self.user}: {self.log.read_text(errors='replace')[-4000:]}")  # shown if the test fails


@pytest.fixture
def phones(natlab):
    made = []

    def start(host, user, transport, hertz, **options):
        phone = Phone(natlab, host, user, transport, hertz, **options)
        made.append(phone)
        return phone

    yield start
    for phone in made:
        phone.end()


@pytest.fixture
def proxy(natlab, watch):
    child = watch.start(natlab.server, SERVER4, program="sip_proxy.py")
    yield child
    end_process(child)
    print(child.stdout.read())


@pytest.fixture
def other_gate(natlab, tmp_path):
    """Keepstate on the other site's gateway too."""
    firewall = Firewall(natlab.other, ZONES + SIP + "\n" + MASQUERADE + RULES, tmp_path).start()
    yield firewall
    firewall.stop()


def hear_each_other(one, two):
    wait_for(lambda: two.hears(440), 30, "who is called hears the caller")
    wait_for(lambda: one.hears(1000), 30, "the caller hears who is called")


def register(*phones):
    wait_for(lambda: all(phone.says("200 OK") for phone in phones), 30, "all register")


def messages(proxy):
    """Ends the proxy. Returns what it got."""
    end_process(proxy)
    got = [json.loads(line) for line in proxy.stdout.read().splitlines() if line.startswith("{")]
    assert not [one for one in got if "lost" in one]
    return [one for one in got if "first" in one]


@need("baresip")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_between_two_sites(natlab, translate, proxy, other_gate, phones, transport):
    """Each phone is behind a Keepstate of its own, which translates; the proxy believes only what they say."""
    translate(SIP, MASQUERADE)
    one = phones(natlab.client, "one", transport, 440)
    two = phones(natlab.peer, "two", transport, 1000)
    register(one, two)
    one.tell("dial", f"sip:two@{SERVER4};transport={transport}")
    hear_each_other(one, two)
    for command, mode in (("hold", "a=sendonly"), ("resume", "a=sendrecv")):
        one.tell(command)
        wait_for(lambda: mode in two.trace().rpartition("INVITE sip:two")[2], 10, f"{command} is heard")
    before = one.datagrams(), two.datagrams()  # recording ends with the first hold
    wait_for(lambda: one.datagrams() > before[0] + 100 and two.datagrams() > before[1] + 100, 20, "the call goes on")
    for message in messages(proxy):
        assert message["length"], f"Content-Length is wrong: {message}"
        assert "10.0.0." not in message["via"] + (message["contact"] or "") + message["body"]
        assert "10.9.0." not in message["via"] + (message["contact"] or "") + message["body"]


@need("baresip")
def test_a_call_behind_one_box(natlab, translate, proxy, phones):
    """Both phones are behind the same Keepstate, and know each other by its outer address."""
    translate(SIP, MASQUERADE)
    one, two = phones(natlab.client, "one", "udp", 440), phones(natlab.inner, "two", "udp", 1000)
    register(one, two)
    one.tell("dial", f"sip:two@{SERVER4}")
    hear_each_other(one, two)


@need("baresip")
def test_a_call_without_a_proxy(natlab, translate, phones):
    """The port of SIP is forwarded to a phone; another one outside calls it."""
    translate("helper sip", f"forward from wan udp port 5060 to lan {INNER4}", MASQUERADE)
    one = phones(natlab.server, "one", "udp", 440, server=None)
    two = phones(natlab.inner, "two", "udp", 1000, server=None)
    one.tell("dial", f"sip:two@{WAN4}")
    hear_each_other(one, two)


@need("sipp")
@pytest.mark.parametrize("transport, listens", [("u1", "-u"), ("tn", "-t")], ids=["udp", "tcp"])
def test_many_calls(natlab, translate, transport, listens):
    """sipp calls sipp: a hundred calls, and every message of both is what the other expects."""
    translate(SIP, MASQUERADE)
    home = natlab.scratch()
    server = natlab.server.start("sipp", "-sn", "uas", "-i", SERVER4, "-t", transport, "-max_socket", 500, "-nostdin", cwd=home,
                                 stdout=(home / "server").open("w"))
    natlab.server.listening(listens, 5060)
    done = natlab.client.run("sh", "-c", f"cd {home} && sipp -sn uac -i {CLIENT4} -t {transport} -max_socket 500 -m 100 -r 25 -d 200 -nostdin "
                             f"-timeout 120 -trace_err {SERVER4}:5060", timeout=180)
    end_process(server)
    errors = "".join(path.read_text() for path in home.glob("*errors.log"))
    assert done.returncode == 0, (errors or done.stdout)[-3000:]
