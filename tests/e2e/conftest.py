# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures for every test of this directory: the lab, a running firewall, and a way to watch traffic."""
import json
import os
import shutil
import signal

import lab as labs
import natlab as natlabs
import pytest
import reallab as reallabs
import uplinks

pytest.register_assert_rewrite("ways")

POLICY = """\
zone lan { lan0 }
zone wan { wan0 }
option log-drops on
reject from lan to wan tcp port 25
reject from lan to wan udp port 25
allow from lan to wan log "out"
allow from { lan, wan } to self icmp type echo-request
allow from { lan, wan } to self icmpv6 type echo-request
allow from lan to self tcp port 80
allow from self to { lan, wan }
"""


def pytest_configure(config):
    """A test run that is told to end must not leave namespaces behind."""
    def leave(_signal, _frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, leave)


def pytest_collection_modifyitems(config, items):
    reason = labs.reason_to_skip()
    if not reason and not os.access(labs.KEEPSTATE, os.X_OK):
        pytest.exit(f"{labs.KEEPSTATE} is not there: build first, or set KEEPSTATE", 2)
    if not reason:
        reason = bpf_reason()
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


def bpf_reason():
    """Returns the reason why programs cannot be loaded into this kernel, or None: tries bpf(BPF_MAP_CREATE) as the loader does."""
    import ctypes
    import struct
    create = struct.pack("=IIIII", 2, 4, 4, 1, 0).ljust(128, b"\0")  # an array of one 32-bit value
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.syscall(321, 0, create, len(create))  # bpf() of x86-64
    if os.uname().machine != "x86_64":
        return None  # the daemon will tell
    if descriptor < 0:
        return "the kernel refuses BPF: " + os.strerror(ctypes.get_errno())
    os.close(descriptor)
    return None


@pytest.fixture(scope="session")
def lab():
    made = labs.Lab()
    yield made
    made.close()


@pytest.fixture(scope="session")
def natlab():
    made = natlabs.NatLab()
    yield made
    made.close()


@pytest.fixture(scope="module")
def gate(natlab, tmp_path_factory):
    """A firewall on the NAT lab's gateway, started once for a file of tests; `translate` gives it its policy. It translates from
    the start on: a policy that begins to wants a larger table, and the programs of that are verified anew.
    """
    policy = natlabs.ZONES + natlabs.MASQUERADE + natlabs.RULES
    firewall = labs.Firewall(natlab.gateway, policy, tmp_path_factory.mktemp("gate")).start()
    yield firewall
    firewall.stop()
    assert firewall.filters() == "", "filters are left behind"


@pytest.fixture
def translate(gate):
    """Puts rules in force on the gateway, before the usual ones, and forgets all flows."""
    def use(*rules, usual=natlabs.RULES):
        gate.path.write_text(natlabs.ZONES + "\n".join(rules) + "\n" + usual)
        if gate.child.poll() is not None:
            gate.start()
        gate.say("reload")
        gate.cli("states", "kill", "--all")  # fails when there are none
        return gate

    return use


@pytest.fixture(scope="module")
def reallab():
    made = reallabs.RealLab()
    yield made
    made.close()


@pytest.fixture(scope="module")
def mirror(reallab):
    """Outside answers everybody with the address and port that it sees."""
    made = reallabs.Mirror(reallab.outside, (5100, 5101))
    yield made
    made.close()


@pytest.fixture(scope="module")
def real_gate(reallab, tmp_path_factory):
    """A firewall on the real lab's gateway, started once for a file of tests; they give it rules by use()."""
    policy = reallabs.TWO_WANS + reallabs.SETTINGS + "nat from lan to wan masquerade\nallow from self\n"  # see `gate`
    gate = reallabs.Gate(reallab.gateway, policy, tmp_path_factory.mktemp("real")).start()
    yield gate
    gate.stop()
    assert gate.filters() == "", "filters are left behind"


@pytest.fixture
def usual_routes(reallab, real_gate):
    """Every route of the real lab is as it was when the test ends."""
    yield
    uplinks.undo_routes(reallab)


@pytest.fixture
def make_firewall(lab, tmp_path):
    """Makes firewalls on the gateway from a policy's text; stops them at the end."""
    made = []

    def make(policy=POLICY, start=True):
        firewall = labs.Firewall(lab.gateway, policy, tmp_path)
        made.append(firewall)
        return firewall.start() if start else firewall

    yield make
    for firewall in made:
        firewall.stop()
    assert not made or made[-1].filters() == "", "filters are left behind"


@pytest.fixture(scope="module")
def standing(lab, tmp_path_factory):
    """The usual firewall: clients may open anything to the outside, the outside may only ping the gateway. It
    is started once for a file of tests, because the kernel takes seconds to verify the programs.
    """
    firewall = labs.Firewall(lab.gateway, POLICY, tmp_path_factory.mktemp("standing")).start()
    yield firewall
    firewall.stop()
    assert firewall.filters() == "", "filters are left behind"


@pytest.fixture
def firewall(standing):
    """The same for tests that reload it or kill its daemon: it runs again with the usual policy afterwards."""
    yield standing
    changed = standing.path.read_text() != POLICY
    standing.path.write_text(POLICY)
    if standing.child.poll() is not None:
        standing.start()
    elif changed:
        standing.say("reload")


class Watch:
    """Programs of traffic.py, or of another file, that run beside a test, and what each reported at its end."""

    def __init__(self):
        self.children = []

    def start(self, host, *words, program="traffic.py", **options):
        """Starts one and waits until it is ready. Returns the child; child.facts is what it said then."""
        child = host.python(*words, program=program, **options)
        self.children.append(child)
        line = child.stdout.readline()
        assert line.startswith("{"), f"traffic.py {words}: {line}{child.stdout.read()}"
        child.facts = json.loads(line)
        return child

    @staticmethod
    def end(child):
        """Tells it to end and returns its report."""
        child.send_signal(signal.SIGTERM)
        out = child.communicate(timeout=labs.PATIENCE)[0]
        return json.loads(out.splitlines()[-1])

    def close(self):
        for child in self.children:
            labs.end_process(child)


@pytest.fixture
def watch():
    watch = Watch()
    yield watch
    watch.close()


def need(program):
    """A mark for tests that use a program which may be missing."""
    return pytest.mark.skipif(not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"),
                              reason=f"{program} is not installed")
