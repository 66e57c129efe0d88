# SPDX-License-Identifier: BSD-2-Clause
"""Rule files as small offices, web hosts, providers' routers and others have them, in each form that is imported."""
import re

import pytest
from gateways import FORMS, PAGE, SCENES, comments, counts, path_of, tables


@pytest.fixture(scope='module', name='policies')
def fixture_policies():
    return {}


@pytest.mark.parametrize('scene', SCENES)
@pytest.mark.parametrize('form', FORMS)
def test_gateway(keepstate, policies, form, scene):
    """It is imported, the policy is good, and what is not as it was has a comment."""
    policy = keepstate('import', FORMS[form], path_of(form, scene)).stdout
    keepstate('check', '-', stdin=policy.encode())
    exact, broader, left_out = counts(policy)
    assert exact
    assert bool(broader + left_out) == any(re.match('left out: |denied: |denies more', why) for _, why in comments(policy))
    policies[form, scene] = policy


def test_page(keepstate, policies):
    """docs/imported.md says what becomes of them; tests/cli/gateways.py writes it anew."""
    for form in FORMS:
        for scene in SCENES:
            if (form, scene) not in policies:
                policies[form, scene] = keepstate('import', FORMS[form], path_of(form, scene)).stdout
    assert PAGE.read_text().endswith(tables(policies))
