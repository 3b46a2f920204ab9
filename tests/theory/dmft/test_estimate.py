"""Errors and limits of what several sets of paths give."""

from dataclasses import replace

import numpy as np
import pytest

from dmft_laws import descent
from gapless.theory.dmft import (
    combine,
    power_law_limit,
)


def test_a_power_law_settles_where_it_was_made_to():
    t = np.linspace(0, 20, 401)
    e = 7.3 + 0.4 * (t + 1e-9) ** -0.8
    value, error = power_law_limit(t, e)
    assert value == pytest.approx(7.3, abs=1e-2)
    assert error < 1e-2


def test_errors_come_from_sets_and_from_twice_the_step():
    fine = [descent(4.0, 0.01, 12, paths=512, path_set=r) for r in range(3)]
    coarse = [descent(4.0, 0.02, 6, paths=512, path_set=r) for r in range(3)]
    found = combine(fine, coarse)
    assert (found.paths["energy"] > 0).all()
    assert 0 < found.steps["energy"][-1] < 0.2 * found.value["energy"][-1]
    assert np.isnan(combine(fine[:1]).paths["energy"]).all()


def test_a_bias_beyond_the_errors_is_told():
    """Sets have errors like 1/√P, and a bias like 1/P in common."""
    found = combine([descent(8.0, 0.01, 3, 128, r) for r in range(3)])
    assert found.bias == 8 / 128
    # up to 9 α/P
    for part, is_biased in ((0.55, True), (0.57, False)):
        errors = {"energy": part * found.value["energy"]}
        assert replace(found, paths=errors).is_biased == is_biased
    # a single set has no error that could cover 14 %
    assert combine([descent(8.0, 0.01, 3, 512)]).is_biased
