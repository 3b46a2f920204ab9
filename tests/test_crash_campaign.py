"""A short crash campaign, and that it catches stores that are known to be bad."""

import pytest

from crash_campaign import RUNS, run_campaign

pytestmark = pytest.mark.slow


def test_kills_lose_nothing():
    found = run_campaign(kills=20, points=300)
    assert sum(found.kills.values()) >= 15  # the last ones may find nobody left
    assert found.audits > 10
    assert found.rows == 300 * RUNS
    assert found.good, found


@pytest.mark.parametrize(("planted", "defect"), [("in-place", "unreadable"), ("too-early", "lost")])
def test_a_bad_store_is_caught(planted, defect):
    found = run_campaign(kills=20, points=200, planted=planted)
    assert getattr(found, defect) > 0
    assert not found.good
