"""Ensembles of paths: streams, sampling errors, sizes that are refused."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from dmft_laws import bounded
from gapless.losses import quartic
from gapless.theory.dmft import (
    Dynamics,
    GradientDescent,
    PathDraws,
    solve,
)


def test_more_paths_fluctuate_less_like_their_root():
    """48 sets each of P and 16 P pseudo-random paths: the spreads are 4 apart."""
    sets, solver, times = 48, GradientDescent(0.02), 0.02 * np.arange(5)
    small, large = (
        np.std(
            [
                solve(
                    Dynamics(bounded, 4.0), PathDraws(paths, 0, r, "random"), solver, times
                ).energy[-1]
                for r in range(sets)
            ],
            ddof=1,
        )
        for paths in (256, 4096)
    )
    # of normal numbers: once in a million further apart
    factor = np.sqrt(stats.f.isf(5e-7, sets - 1, sets - 1))
    assert 4 / factor < small / large < 4 * factor


@pytest.mark.parametrize(
    ("paths", "alpha", "words"),
    [
        (64, 64.0, ["paths: 64", "1 dimensions", "640"]),
        (64, 6.5, ["paths: 64", "65"]),
        (4096, 1e300, ["paths: 4096", "lower --alpha"]),
        (63, 1.0, ["paths", "from 64"]),
        (64, 1e-9, ["alpha", "at least 1e-08"]),
    ],
)
def test_paths_that_say_nothing_of_infinite_dimension_are_refused(paths, alpha, words):
    with pytest.raises(ValueError, match=words[0]) as caught:
        solve(Dynamics(quartic, alpha), PathDraws(paths, 0), GradientDescent(0.1), [0, 0.1])
    assert all(word in str(caught.value) for word in words)


def test_sets_and_streams_do_not_share_numbers():
    one = PathDraws(128, 0, 0)
    for other in (one.normal(1, 3), replace(one, path_set=1).normal(0, 3)):
        assert not np.array_equal(one.normal(0, 3), other)
    np.testing.assert_array_equal(one.normal(0, 3), PathDraws(128, 0, 0).normal(0, 3))
