# SPDX-License-Identifier: BSD-2-Clause
"""Ports under translation, with real programs: one outer port for an inner one on several CPUs, and what happens without any.

    client 10.0.0.10 --- lan0 box wan0 --- 192.0.2.10 server

Receive packet steering spreads what comes from inside over two CPUs by addresses and ports, so that an endpoint's packets to
several peers are judged at the same time.
"""
import json
import os
import subprocess

import pytest
from lab import PATIENCE, end_process
from wires import Plain, firewall_fixture, net_fixture, reasons

POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
allow from lan to wan
"""
ENDPOINTS, FIRST, PEERS, PEER_PORT = 4674, 20000, 4, 3478
two_cpus = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two CPUs")


class Steered(Plain):
    def build(self):
        super().build()
        self.box.ip_root("netns", "exec", self.box.name, "sh", "-c", "echo 3 >/sys/class/net/lan0/queues/rx-0/rps_cpus")


net = net_fixture(Steered)
firewall = firewall_fixture("firewall", POLICY)


def use(firewall, rules):
    firewall.path.write_text(POLICY + rules)
    firewall.say("reload")
    firewall.cli("states", "kill", "--all")  # fails when there are none


def speak(net, server, first=FIRST, count=ENDPOINTS, peers=PEERS, own="", port=PEER_PORT, paced=True):
    """Returns, for each inner port, how many datagrams were heard and from which outer ports. Paced, none may be lost."""
    heard, told = os.pipe()
    pipes = [{"pass_fds": [end]} if paced else {} for end in (told, heard)]
    hearer = net.server.python("hear", server, port, peers, *([told] if paced else []), program="endpoints.py",
                               stdin=subprocess.PIPE, **pipes[0])
    assert hearer.stdout.readline() == "listening\n"
    sender = net.client.python("send", first, count, server, port, peers, *([own, heard] if paced else []),
                               program="endpoints.py", **pipes[1])
    os.close(told)
    try:
        assert sender.wait(120) == 0, sender.stdout.read()
        return json.loads(hearer.communicate("", timeout=60)[0])
    finally:
        os.close(heard)


@two_cpus
@pytest.mark.parametrize("words", ["", "random-port", "filtering address-dependent random-port"],
                         ids=["kept", "random", "permits"])
@pytest.mark.parametrize("server, family", [("192.0.2.10", ""), ("2001:db8::10", " family ipv6")], ids=["ipv4", "ipv6"])
def test_one_outer_port_on_two_cpus(net, firewall, server, family, words):
    use(firewall, f"nat from lan to wan{family} masquerade endpoint-independent {words}\n")
    before = reasons(firewall)
    heard = speak(net, server)
    several = {port: outer for port, (_, *outer) in heard.items() if len(outer) > 1}
    assert not several, f"{len(several)} of {len(heard)}: {list(several.items())[:5]}"
    assert len(heard) == ENDPOINTS and {count for count, *_ in heard.values()} == {PEERS}, "none was lost"
    after = reasons(firewall)
    assert [after[one] - before[one] for one in ("contended", "no free port", "no rule")] == [0, 0, 0]


def test_one_host_leaves_ports_to_others(net, firewall):
    """60,000 questions of one resolver, each from a port of its own: another host still gets a mapping, and is heard."""
    use(firewall, "nat from lan to wan masquerade endpoint-independent\n")
    heard = speak(net, "192.0.2.10", first=4000, count=60000, peers=1, paced=False)
    mappings = firewall.data("status")[0]["table"]["records"]["mappings"]["count"]
    assert mappings <= 16384 + 2, "a CPU may exceed it by one"
    assert len(heard) > 40000, "the questions were heard"
    net.client.ip("addr", "add", "10.0.0.11/24", "dev", "eth0")
    try:
        before = reasons(firewall)["no free port"]
        assert len(speak(net, "192.0.2.10", first=5000, count=1000, peers=1, own="10.0.0.11", port=PEER_PORT + 10)) == 1000
        assert firewall.data("status")[0]["table"]["records"]["mappings"]["count"] >= mappings + 1000
        assert reasons(firewall)["no free port"] == before
    finally:
        net.client.ip("addr", "del", "10.0.0.11/24", "dev", "eth0")


@pytest.mark.parametrize("server, family, lost", [("192.0.2.10", "", "192.0.2.1/24"),
                                                  ("2001:db8::10", " family ipv6", "2001:db8::1/64")], ids=["ipv4", "ipv6"])
def test_connections_are_reset_when_their_address_is_lost(net, firewall, server, family, lost):
    use(firewall, f"nat from lan to wan{family} masquerade\n")
    acceptor = net.server.python("accept", server, 7100, program="endpoints.py")
    assert acceptor.stdout.readline() == "listening\n"
    holder = net.client.python("hold", server, 7100, 100, PATIENCE, program="endpoints.py", stdin=subprocess.PIPE)
    assert holder.stdout.readline() == "open\n"
    net.box.ip("addr", "del", lost, "dev", "wan0")
    try:
        assert holder.communicate("now\n", timeout=2 * PATIENCE)[0] == "100\n", {k: v for k, v in reasons(firewall).items() if v}
    finally:
        net.box.ip("addr", "add", lost, "dev", "wan0", *(["nodad"] if ":" in lost else []))
        end_process(acceptor)
