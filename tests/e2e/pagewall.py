# SPDX-License-Identifier: BSD-2-Clause
"""A firewall with pages before it, and a browser: the fixtures of the tests of the page."""
import lab as labs
import pytest
from lab import CLIENT4
from pagelab import LEASE, POLICY, Browser, NameServer, Page, Traffic


@pytest.fixture(scope="module")
def wall(lab, tmp_path_factory):
    firewall = labs.Firewall(lab.gateway, POLICY, tmp_path_factory.mktemp("page")).start()
    yield firewall
    firewall.stop()
    assert firewall.filters() == "", "filters are left behind"


@pytest.fixture(scope="module")
def names():
    return NameServer()


@pytest.fixture(scope="module")
def page(wall, names, tmp_path_factory):
    directory = tmp_path_factory.mktemp("acting")
    (directory / "leases").write_text(f"0 00:16:3e:00:00:05 {CLIENT4} {LEASE} *\n")
    made = Page(wall, directory, "--allow-actions", "--leases", str(directory / "leases"), "--dns", names.place)
    yield made
    made.close()


@pytest.fixture(scope="module")
def looking(wall, tmp_path_factory):
    """A page that can only look."""
    made = Page(wall, tmp_path_factory.mktemp("looking"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def traffic(lab, wall):
    return Traffic(lab)


@pytest.fixture(scope="module")
def chromium():
    made = Browser()
    yield made
    made.close()


@pytest.fixture
def browser(chromium, page, traffic):
    """Logged in with the right to act."""
    chromium.size(1440, 900)
    chromium.open(page, "act")
    chromium.complaints()
    return chromium
