# SPDX-License-Identifier: BSD-2-Clause
"""Everything is guarded: interfaces in no zone, those that the policy leaves alone, and what containers make of it.

    client    10.0.0.10 --- lan0 box wan0 --- 192.0.2.10 server
    stranger  10.5.0.10 --- odd0
    neighbour 10.6.0.10 --- xnet0
    another   10.8.0.10 --- xtwo0
    container 172.17.0.2 -- a port of docker0; nftables publishes its port 7000 as the box's port 8080

The same with IPv6: fd00::10 and so on.
"""
import re
import subprocess

import pytest
from conftest import need
from lab import KEEPSTATE, end_process, wait_for
from wires import ALL, Net, firewall_fixture, kinds, log_of, matches, net_fixture, put, reach, reasons

ZONES = """\
zone lan { lan0 }
zone wan { wan0 }
"""
RULES = """\
allow from lan to wan
allow from lan to self
allow from self
"""
SERVER = pytest.mark.parametrize("server", ["192.0.2.10", "2001:db8::10"], ids=["ipv4", "ipv6"])
PUBLISHED = pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"], ids=["ipv4", "ipv6"])

NFT = """
table inet docker {
  chain in {
    type nat hook prerouting priority dstnat;
    fib daddr type local meta nfproto ipv4 tcp dport 8080 dnat ip to 172.17.0.2:7000
    fib daddr type local meta nfproto ipv6 tcp dport 8080 dnat ip6 to [fd17::2]:7000
  }
  chain out {
    type nat hook postrouting priority srcnat;
    oifname wan0 ip saddr 172.17.0.0/16 masquerade
    oifname wan0 ip6 saddr fd17::/64 masquerade
  }
}
"""


class Guarded(Net):
    def build(self):
        self.box = self.host("box", forward=True)
        self.server = self.host("server")
        self.client = self.host("client")
        self.cable(self.box, "wan0", self.server, "eth0")
        self.address(self.box, "wan0", "192.0.2.1/24", "2001:db8::1/64")
        self.address(self.server, "eth0", "192.0.2.10/24", "2001:db8::10/64")
        self.gateway_is(self.server, "192.0.2.1", "2001:db8::1")
        self.tie(self.client, "lan0", 0)
        self.stranger = self.tie(self.host("stranger"), "odd0", 5)
        self.neighbour = self.tie(self.host("neighbour"), "xnet0", 6)
        self.another = self.tie(self.host("another"), "xtwo0", 8)
        self.container = self.host("container")
        self.cable(self.box, "vethc1", self.container, "eth0")
        self.bridge(self.box, "docker0", "vethc1")
        self.address(self.box, "docker0", "172.17.0.1/16", "fd17::1/64")
        self.address(self.container, "eth0", "172.17.0.2/16", "fd17::2/64")
        self.gateway_is(self.container, "172.17.0.1", "fd17::1")
        self.answer(*self.hosts)

    def tie(self, host, device, number):
        self.cable(self.box, device, host, "eth0")
        self.address(self.box, device, f"10.{number}.0.1/24", f"fd{number:02}::1/64")
        self.address(host, "eth0", f"10.{number}.0.10/24", f"fd{number:02}::10/64")
        self.gateway_is(host, f"10.{number}.0.1", f"fd{number:02}::1")
        return host


net = net_fixture(Guarded)
standing = firewall_fixture("standing", ZONES + RULES)


@pytest.fixture
def use(standing):
    """Puts a policy in force for a test: its zones and its rules."""
    def put_in_force(zones=ZONES, rules=RULES):
        put(standing, zones + rules)
        return standing

    return put_in_force


@pytest.fixture
def docker(net):
    """nftables publishes the container and masquerades what it sends, as Docker has it."""
    net.box.run("nft", NFT, check=True)
    yield
    net.box.run("nft", "delete table inet docker")


# --- in no zone ---


def test_run_lists_interfaces_in_no_zone(net, standing):
    """With the line to write for who wants them left alone, or in a zone."""
    text = log_of(standing)
    lines = [line for line in text.splitlines() if "odd0" in line]
    assert lines, "nothing is said of odd0:\n" + text
    assert re.search(r"(ignore|zone \S+) \{[^}]*\bodd0\b[^}]*\}", text), "no line to write:\n" + text
    for name in ("xnet0", "xtwo0", "docker0"):
        assert name in text
    assert not re.search(r"\{[^}]*\blo\b[^}]*\}", text), "loopback is always left alone"


def test_status_shows_interfaces_in_no_zone(net, use):
    text = use().say("status")
    line = next((line for line in text.splitlines() if "odd0" in line), None)
    assert line and "none" in line, text


@pytest.mark.parametrize("own, server, client", [("10.5.0.1", "192.0.2.10", "10.0.0.10"),
                                                 ("fd05::1", "2001:db8::10", "fd00::10")], ids=["ipv4", "ipv6"])
def test_nothing_from_no_zone(net, use, own, server, client):
    firewall = use()
    before = reasons(firewall)["no rule"]
    assert kinds(net.stranger, own) == set(), "to the box"
    assert kinds(net.stranger, server) == set(), "through it"
    assert kinds(net.stranger, client) == set(), "through it, to an inner host"
    assert reasons(firewall)["no rule"] >= before + 9, "it was not counted"


@pytest.mark.parametrize("stranger", ["10.5.0.10", "fd05::10"], ids=["ipv4", "ipv6"])
def test_nothing_to_no_zone(net, use, stranger):
    """But what the box itself may send anywhere, and the answers to that."""
    use()
    assert kinds(net.client, stranger) == set()
    assert kinds(net.server, stranger) == set()
    assert kinds(net.box, stranger) == ALL


def test_between_two_of_no_zone(net, use):
    use()
    assert kinds(net.stranger, "10.6.0.10") == set()
    assert kinds(net.stranger, "fd06::10") == set()


def test_rules_may_allow_no_zone(net, use):
    use(rules=RULES + "allow from any to self\n")
    assert kinds(net.stranger, "10.5.0.1") == ALL
    assert kinds(net.stranger, "fd05::1") == ALL
    assert kinds(net.stranger, "192.0.2.10") == set()
    use(rules=RULES + "allow from none to wan\n")
    assert kinds(net.stranger, "10.5.0.1") == set()
    assert kinds(net.stranger, "192.0.2.10") == ALL
    assert kinds(net.stranger, "2001:db8::10") == ALL


@pytest.fixture
def tagged(net):
    """VLAN 5 between the client and the box: an interface of its own."""
    if net.box.run("ip", "link", "add", "link", "lan0", "name", "probe", "type", "vlan", "id", "6").returncode:
        pytest.skip("no VLAN devices in this kernel")
    net.box.ip("link", "delete", "probe")
    for host, device, last in ((net.box, "lan0", 1), (net.client, "eth0", 10)):
        host.ip("link", "add", "link", device, "name", "tag5", "type", "vlan", "id", "5")
        net.address(host, "tag5", f"10.11.0.{last}/24", f"fd11::{last}/64")
        host.ip("link", "set", "tag5", "up")
    yield
    for host in (net.box, net.client):
        host.ip("link", "delete", "tag5")


@pytest.mark.parametrize("own", ["10.11.0.1", "fd11::1"], ids=["ipv4", "ipv6"])
def test_a_vlan_is_not_its_parent(net, use, tagged, own):
    """lan may open connections to the box; its VLAN is in no zone."""
    firewall = use()
    wait_for(lambda: "tag5" in firewall.say("status"), 5, "tag5 in the status")
    assert kinds(net.client, own) == set()
    use(ZONES + "zone tag { tag5 }\n", RULES + "allow from tag to self\n")
    assert kinds(net.client, own) == ALL


# --- left alone ---


def filters_of(net, device):
    said = ""
    for side in ("ingress", "egress"):
        said += net.box.run("tc", "filter", "show", "dev", device, side).stdout
    return said


def test_ignored_interfaces_are_left_alone(net, use):
    """Nothing is attached, and between them and the box, and among them, all passes without a rule."""
    firewall = use(ZONES + "ignore { x* }\n")
    assert filters_of(net, "xnet0") == ""
    assert kinds(net.neighbour, "10.6.0.1") == ALL
    assert kinds(net.neighbour, "fd06::1") == ALL
    assert kinds(net.neighbour, "10.8.0.10") == ALL
    assert kinds(net.neighbour, "fd08::10") == ALL
    assert not [line for line in firewall.say("states").splitlines() if "10.8.0.10" in line]
    assert kinds(net.stranger, "10.5.0.1") == set(), "the others are guarded as before"
    assert kinds(net.stranger, "10.6.0.10") == set()


@SERVER
def test_between_ignored_and_guarded(net, use, server):
    """There it is zone none, seen where it passes a guarded interface."""
    use(ZONES + "ignore { x* }\n")
    assert kinds(net.neighbour, server) == set()
    assert kinds(net.client, "10.6.0.10") == set()
    use(ZONES + "ignore { x* }\n", RULES + "allow from none to wan\nallow from lan to none\n")
    assert kinds(net.neighbour, server) == ALL
    assert kinds(net.client, "10.6.0.10") == ALL
    assert kinds(net.client, "fd06::10") == ALL
    assert kinds(net.server, "10.6.0.10") == set()


def test_ignored_and_guarded_again(net, use):
    use(ZONES + "ignore { x* }\n")
    assert kinds(net.neighbour, "10.6.0.1") == ALL
    firewall = use()
    assert kinds(net.neighbour, "10.6.0.1") == set()
    assert [line for line in firewall.say("status").splitlines() if "xnet0" in line and "guarded" in line]


# --- which zone ---


def zones_of(firewall):
    return {interface["name"]: interface["zone"] for interface in firewall.data("status")[0]["interfaces"]}


def test_a_zone_of_all_the_rest(net, use):
    """The longest match decides, whatever stands first."""
    firewall = use("zone rest { * }\n" + ZONES + "ignore { x* }\n", RULES + "allow from rest to self\n")
    assert kinds(net.stranger, "10.5.0.1") == ALL
    assert kinds(net.stranger, "fd05::1") == ALL
    assert kinds(net.stranger, "192.0.2.10") == set()
    assert kinds(net.client, "192.0.2.10") == ALL, "lan0 is in zone lan still"
    zones = zones_of(firewall)
    assert zones["odd0"] == "rest" and zones["lan0"] == "lan" and zones["wan0"] == "wan", zones
    assert filters_of(net, "xnet0") == ""
    assert filters_of(net, "lo") == "", "loopback is always left alone"
    assert kinds(net.box, "127.0.0.1") == ALL


def test_the_longest_match_decides(net, use):
    firewall = use(ZONES + "zone some { o* }\nzone one { odd0 }\nzone most { * }\nzone x { x* }\nzone y { xtwo0 }\n"
                   "ignore { xt* }\n")
    zones = zones_of(firewall)
    assert zones["odd0"] == "one" and zones["xnet0"] == "x" and zones["xtwo0"] == "y", zones


def test_an_interface_cannot_be_ignored_and_in_a_zone(tmp_path, net):
    """The same word twice is a mistake."""
    done = check(net, tmp_path, "zone x { x* }\nignore { x* }\nallow from x\n")
    assert done.returncode != 0 and "x*" in done.stdout + done.stderr, done


def check(net, directory, policy):
    path = directory / "check.conf"
    path.write_text(policy)
    return net.box.run(KEEPSTATE, "check", path)


@pytest.mark.parametrize("policy", ["zone here { lo }\nallow from here\n", "zone here { eth0, lo }\nallow from here\n"])
def test_loopback_is_refused(tmp_path, net, policy):
    done = check(net, tmp_path, policy)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "check.conf:1:" in said and re.search(r"'lo'|loopback", said), said
    assert check(net, tmp_path, policy.replace("lo }", "lan0 }")).returncode == 0


# --- containers ---


@need("nft")
@PUBLISHED
def test_a_published_port_obeys_rules_to_self(net, use, docker, address):
    ignore = ZONES + "ignore { docker0, veth* }\n"
    use(ignore)
    assert "tcp" not in reach(net.server, address, 8080), "no rule allows it"
    firewall = use(ignore, RULES + "allow from wan to self tcp port 8080\n")
    got = reach(net.server, address, 8080)
    assert got.get("tcp") == ("192.0.2.10" if "." in address else "2001:db8::10"), "the container sees the server itself"
    assert matches(firewall, "allow from wan to self tcp port 8080") >= 1
    assert reach(net.client, address, 8080).get("tcp"), "also from lan, by `allow from lan to self`"
    assert "tcp" not in reach(net.stranger, address, 8080)


@need("nft")
@SERVER
def test_a_container_goes_out_behind_nftables(net, use, docker, server):
    """Its interface is left alone: to the policy it is zone none."""
    ignore = ZONES + "ignore { docker0, veth* }\n"
    use(ignore)
    assert "tcp" not in reach(net.container, server)
    use(ignore, RULES + "allow from none to wan\n")
    got = reach(net.container, server)
    assert set(got) == ALL
    assert got["tcp"] in ("192.0.2.1", "2001:db8::1"), "nftables masquerades"


@need("nft")
def test_translation_by_others_is_told(net, use, docker):
    """docker0 in a zone: nftables translates between two guarded interfaces, which no state can follow."""
    firewall = use(ZONES + "zone dock { docker0 }\n",
                   RULES + "allow from wan to self tcp port 8080\nallow from dock to wan\n")
    before = reasons(firewall)["translated by others"]
    follower = subprocess.Popen([KEEPSTATE, "log", "--netns", net.box.name, "--reason", "translated by others", "--count", "1"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: firewall.data("status")[0]["followers"] > 0, what="the log is followed")
        reach(net.server, "192.0.2.1", 8080)
        reach(net.server, "2001:db8::1", 8080)
        reach(net.container, "192.0.2.10")
        assert reasons(firewall)["translated by others"] > before, "it is counted as something else"
        assert "translated by others" in follower.communicate(timeout=60)[0]
    finally:
        end_process(follower)
    warnings = " ".join(firewall.data("status")[0]["warnings"])
    assert "translat" in warnings and re.search("docker0|nft", warnings), warnings
