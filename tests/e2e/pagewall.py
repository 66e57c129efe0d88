# SPDX-License-Identifier: BSD-2-Clause
"""A firewall with pages before it, and a browser: the fixtures of the tests of the page."""
import lab as labs
import pytest
from pagelab import POLICY, Browser, Page, Traffic

@pytest.fixture(scope="module")
def wall(lab, tmp_path_factory):
    firewall = labs.Firewall(lab.gateway, POLICY, tmp_path_factory.mktemp("page")).start()
    yield firewall
    firewall.stop()
    assert firewall.filters() == "", "filters are left behind"


@pytest.fixture(scope="module")
def page(wall, tmp_path_factory):
    made = Page(wall, tmp_path_factory.mktemp("acting"), "--allow-actions")
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
