# SPDX-License-Identifier: BSD-2-Clause
"""Host names in sets: a name server comes, changes its answer, and goes; the daemon crashes meanwhile."""
import json
import subprocess
import time

from lab import KEEPSTATE, SERVER4, SERVER6, end_process, wait_for

RULES = """\
zone lan { lan0 }
zone wan { wan0 }
deny from lan to wan destination @cdn
allow from lan to wan
allow from self
"""
POLICY = RULES + """\
set cdn { host www.test.example is 198.51.100.9, host gone.test.example, 203.0.113.0/24 }
"""
SOON = 75  # a question every 30 s, and time for a busy machine
DAY = 24 * 3600


def with_resolver(firewall, directory):
    """From here on the program sees another resolv.conf, in a mount namespace of its own."""
    conf, wrapper = directory / "resolv.conf", directory / "keepstate"
    conf.write_text("nameserver 127.0.0.1\n")
    wrapper.write_text(f"""#!/bin/sh
exec unshare --mount sh -c 'mount --bind {conf} /etc/resolv.conf && exec {KEEPSTATE} "$@"' sh "$@"
""")
    wrapper.chmod(0o755)
    firewall.program = str(wrapper)


def serve(host, directory, *addresses):
    """A name server that knows one name, and of gone.test.example that it is none."""
    (directory / "hosts").write_text("".join(f"{address} www.test.example\n" for address in addresses))
    server = host.start("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=",
                        "--user=root", "--bind-interfaces", "--listen-address=127.0.0.1", "--local=/example/", "--local-ttl=1",
                        f"--addn-hosts={directory / 'hosts'}")
    host.listening("-u", 53)
    return server


def left(firewall):
    """Of each entry the seconds that it lives yet, None for ever."""
    return {one["entry"]: one["left"] for one in firewall.data("set", "list", "cdn")}


def name(firewall, wanted):
    sets = firewall.data("set", "list")[0]["sets"]
    return next(one for one in next(one for one in sets if one["name"] == "cdn")["hosts"] if one["name"] == wanted)


def test_a_set_follows_a_name(lab, make_firewall, tmp_path):
    firewall = make_firewall(RULES + "set cdn { } dynamic\n")
    firewall.crash()
    firewall.path.write_text(POLICY)
    with_resolver(firewall, tmp_path)
    firewall.start()
    generation = firewall.data("status")[0]["generation"]

    wait_for(lambda: name(firewall, "www.test.example")["failed"], SOON, "nobody answers")
    assert left(firewall) == {"198.51.100.9": None, "203.0.113.0/24": None}
    assert "no answer" in name(firewall, "www.test.example")["why"]
    assert any("www.test.example cannot be resolved" in one for one in firewall.data("status")[0]["warnings"])
    assert lab.client.ping(SERVER4) == 3

    server = serve(firewall.host, tmp_path, SERVER4, SERVER6)
    wait_for(lambda: name(firewall, "www.test.example")["resolved"], SOON, "the name is resolved")
    assert set(left(firewall)) == {SERVER4, SERVER6, "203.0.113.0/24"}, "the answer that the policy says is not needed any more"
    assert name(firewall, "www.test.example")["addresses"] == 2
    assert lab.client.ping(SERVER4) == 0 and lab.client.ping(SERVER6) == 0
    wait_for(lambda: "no such name" in name(firewall, "gone.test.example")["why"], SOON, "the other name is none")
    shown = firewall.say("set", "list")
    assert "www.test.example" in shown and "there is no such name" in shown

    end_process(server)
    server = serve(firewall.host, tmp_path, "192.0.2.77")
    wait_for(lambda: "192.0.2.77" in left(firewall), SOON, "the answer changes")
    now = left(firewall)
    assert now[SERVER4] <= 600 and now[SERVER6] <= 600 and now["192.0.2.77"] > DAY - 600

    end_process(server)
    wait_for(lambda: name(firewall, "www.test.example")["failed"], SOON, "the server is gone")
    assert left(firewall)["192.0.2.77"] > DAY - 600 and left(firewall)[SERVER4] <= 600
    assert firewall.data("status")[0]["generation"] == generation, "no rule was made again"

    firewall.crash()
    time.sleep(2)
    firewall.start()
    wait_for(lambda: name(firewall, "www.test.example")["failed"], SOON, "still nobody answers")
    now = left(firewall)
    assert now["192.0.2.77"] > DAY - 600, "the last good answer outlives the daemon"
    assert SERVER4 not in now or now[SERVER4] < 600, "what was going goes"
    firewall.say("reload")
    assert left(firewall)["192.0.2.77"] > DAY - 600


def test_people_do_not_change_what_a_name_resolves_to(make_firewall):
    firewall = make_firewall(POLICY)
    for words in (("add", "cdn", "192.0.2.1"), ("remove", "cdn", "203.0.113.0/24"), ("replace", "cdn", "192.0.2.1"), ("flush", "cdn")):
        done = firewall.cli("set", *words)
        assert done.returncode == 2 and "has host names" in done.stderr, done.stderr
    socket = f"/run/keepstate/{firewall.instance()}/control.sock"
    done = subprocess.run(["curl", "-sS", "--unix-socket", socket, "-d", "192.0.2.1", "http://k/v1/sets?name=cdn"], capture_output=True,
                          text=True, timeout=20)
    assert "has host names" in json.loads(done.stdout)["error"]


def test_the_process_that_asks_has_no_rights(make_firewall, tmp_path):
    """A name server that is silent keeps it waiting."""
    firewall = make_firewall(RULES + "set cdn { } dynamic\n")
    firewall.crash()
    firewall.path.write_text(POLICY)
    with_resolver(firewall, tmp_path)
    firewall.host.start("python3", "-c", "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 53)); time.sleep(60)")
    firewall.host.listening("-u", 53)
    firewall.start()
    children = f"/proc/{firewall.child.pid}/task/{firewall.child.pid}/children"
    asking = wait_for(lambda: open(children).read().split(), SOON, "somebody asks")
    status = wait_for(lambda: (text := open(f"/proc/{asking[0]}/status").read()) and "Seccomp:\t2" in text and text, 5, "it is confined")
    for kind in ("CapPrm", "CapEff", "CapInh"):
        assert f"{kind}:\t{0:016x}" in status, status
    assert "NoNewPrivs:\t1" in status
