# SPDX-License-Identifier: BSD-2-Clause
"""Rules that hold at times of the week, in a running firewall. TZ says what time it is for the daemon, so that a minute ends when
the test wants it to."""
import json
import subprocess
import time

import pytest
from lab import CLIENT4, SERVER4, end_process, wait_for

PORT = 7300

POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
allow from lan to wan tcp during 08:00-18:00
allow from lan to wan icmp during not 08:00-18:00
allow from self
%s
"""


def zone_in_which_it_is(hour, minute, second):
    """A value of TZ by which it is that time of the day now."""
    now = time.gmtime()
    west = (now.tm_hour * 3600 + now.tm_min * 60 + now.tm_sec - (hour * 3600 + minute * 60 + second)) % 86400
    return f"HERE{west // 3600:02}:{west // 60 % 60:02}:{west % 60:02}"


@pytest.fixture
def begin(make_firewall, monkeypatch):
    def begin(moment, words=""):
        monkeypatch.setenv("TZ", zone_in_which_it_is(*moment))
        time.tzset()
        return make_firewall(POLICY % words)
    return begin


@pytest.fixture
def connect(lab):
    """Makes functions that tell if a connection, which they hold, still carries what is said."""
    server = lab.server.python("serve", PORT, program="conns.py", stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline()
    children = [server]

    def connect():
        client = lab.client.python("hold", SERVER4, PORT, 1, program="conns.py", stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        children.append(client)
        assert json.loads(client.stdout.readline())["good"] == 1

        def echoes():
            client.stdin.write("\n")
            client.stdin.flush()
            return json.loads(client.stdout.readline())["good"] == 1
        return echoes

    yield connect
    for child in reversed(children):
        end_process(child)


def schedule(firewall):
    return firewall.data("status")[0]["schedules"][0]


def test_in_time_and_out_of_it(lab, begin, connect):
    firewall = begin((12, 0, 0))
    shown = schedule(firewall)
    assert shown["during"] == "08:00-18:00" and shown["open"]
    assert abs(shown["until"] - time.time() - 6 * 3600) < 60
    assert "schedule    08:00-18:00 open until" in firewall.say("status")
    assert lab.client.ping(SERVER4) == 0
    assert connect()()
    told = firewall.cli("explain", f"lan {CLIENT4} > wan {SERVER4} icmp echo-request").stdout
    assert " 12:0" in told and "is not in its time" in told, told


def until_soon(firewall, words=""):
    """Puts times into force that end with the next minute, or the one behind it if that is near."""
    now = time.localtime(time.time() + 15)
    end = f"{now.tm_hour + (now.tm_min + 1) // 60:02}:{(now.tm_min + 1) % 60:02}"
    firewall.path.write_text((POLICY % words).replace("18:00", end))
    assert firewall.cli("reload").returncode == 0


def test_what_is_open_goes_on_and_the_daemon_is_not_needed(lab, begin, connect):
    firewall = begin((12, 0, 30))
    until_soon(firewall)
    echoes = connect()
    firewall.crash()
    wait_for(lambda: lab.client.ping(SERVER4) == 3, 90)
    assert echoes()


def test_what_is_open_ends_if_that_is_wished(lab, begin, connect):
    firewall = begin((12, 0, 30))
    until_soon(firewall, "option schedule-end end")
    echoes = connect()
    wait_for(lambda: not schedule(firewall)["open"], 90)
    wait_for(lambda: not echoes(), 15)
    assert lab.client.ping(SERVER4) == 3
