# SPDX-License-Identifier: BSD-2-Clause
"""Rules that ask for the control group whose process has made the socket of a packet, also of one that is made anew."""
import os
import pathlib
import time

import pytest
from lab import SERVER4, SERVER6, WAN4
from own_datagrams import makes_state

TOP = f"keepstate-test-{os.getpid()}"

POLICY = f"""\
zone lan {{ lan0 }}
zone wan {{ wan0 }}
allow from lan to self
allow from self to wan udp port 7400 cgroup "{TOP}/server"
allow from self to wan udp port 7401 cgroup not "{TOP}"
"""


def mounted():
    """The root of cgroup v2, None without one."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, folder, kind = line.split()[:3]
        if kind == "cgroup2" and os.stat(folder).st_ino == 1:
            return pathlib.Path(folder)
    return None


@pytest.fixture
def groups():
    """A folder of groups that the test may make; they go with it."""
    root = mounted()
    if root is None:
        pytest.skip("cgroup v2 is not mounted here")
    top = root / TOP
    top.mkdir()
    yield top
    for folder in sorted(top.rglob("*"), reverse=True):
        if folder.is_dir():
            folder.rmdir()
    top.rmdir()


@pytest.fixture
def firewall(make_firewall, groups):
    return make_firewall(POLICY)


def is_let_out(lab, firewall, group, address, port):
    return makes_state(lab.gateway, firewall, "pathlib.Path(sys.argv[1], 'cgroup.procs').write_text(str(os.getpid()))", group, address, port)


def knows(firewall, exists):
    """Waits until the daemon says if the group of the first rule exists."""
    for _ in range(50):
        said = firewall.data("status")[0]["cgroups"][0]
        if said["cgroup"] == f"{TOP}/server" and said["exists"] == exists:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("server", [SERVER4, SERVER6])
def test_the_group_of_the_socket_counts(lab, firewall, groups, server):
    below = groups / "server" / "worker" / "1"
    assert knows(firewall, False)
    below.mkdir(parents=True)
    (groups / "servers").mkdir()
    assert knows(firewall, True)
    assert is_let_out(lab, firewall, groups / "server", server, 7400)
    assert is_let_out(lab, firewall, below, server, 7400)
    assert not is_let_out(lab, firewall, groups, server, 7400)
    assert not is_let_out(lab, firewall, groups / "servers", server, 7400)
    assert not is_let_out(lab, firewall, groups.parent, server, 7400)
    assert is_let_out(lab, firewall, groups.parent, server, 7401)
    assert not is_let_out(lab, firewall, below, server, 7401)


def test_a_group_that_is_made_anew_is_known(lab, firewall, groups):
    server = groups / "server"
    server.mkdir()
    assert knows(firewall, True)
    before = os.stat(server).st_ino
    server.rmdir()
    server.mkdir()
    assert os.stat(server).st_ino != before
    assert knows(firewall, True)
    assert is_let_out(lab, firewall, server, SERVER4, 7400)
    firewall.cli("reload")
    assert is_let_out(lab, firewall, server, SERVER4, 7400)
    server.rmdir()
    assert knows(firewall, False)
    assert 'does not exist' in firewall.cli("status").stdout


def test_it_is_told(lab, firewall):
    said = firewall.cli("explain", f'self {WAN4}:40000 > wan {SERVER4}:7400 udp cgroup "{TOP}/other"')
    assert "the socket's control group is not its" in said.stdout, said
    said = firewall.cli("explain", f'self {WAN4}:40000 > wan {SERVER4}:7400 udp cgroup "{TOP}/server/1"')
    assert "allow" in said.stdout, said
