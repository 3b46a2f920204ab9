"""Where success curves cross a level, and how that moves with N."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from gapless.analyse.transition import (
    by_design,
    crossing_alpha,
    crossing_table,
    crossings,
    drift_table,
    fit_drift,
)
from sampling import SIGMAS

ALPHA = np.array([4.0, 5.0, 5.5, 6.0, 7.0, 9.0])
SIZES = np.array([64, 128, 256, 512, 1024])


def _designs(rng: np.random.Generator, count: int, runs: int = 64, centre: float = 6.2):
    """Success curves whose logit is linear in α: 2 (α − centre)."""
    chance = expit(2 * (ALPHA - centre))
    return pd.DataFrame(
        {
            "n": 64,
            "alpha": np.repeat(ALPHA, count),
            "seed": 0,
            "design": np.tile(np.arange(count), len(ALPHA)),
            "successes": rng.binomial(runs, np.repeat(chance, count)),
            "runs": runs,
        }
    )


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_a_logistic_curve_is_crossed_where_its_formula_says(level):
    fraction = expit(2 * (ALPHA - 6.2))
    exact = 6.2 + np.log(level / (1 - level)) / 2
    assert abs(crossing_alpha(ALPHA, fraction[None], level)[0] - exact) < 1e-12


def test_a_curve_that_misses_the_level_crosses_nowhere():
    low = crossing_alpha(ALPHA, np.full((1, 6), 0.2), 0.5)
    assert np.isnan(low).all()


def test_errors_are_those_of_repeated_sweeps():
    # 60 sweeps: the standard deviation of the pulls has a relative error of 1/√120, 9 %
    rng = np.random.default_rng(0)
    found = [crossings(_designs(rng, 40), (0.5,), seed=i)[0] for i in range(60)]
    pulls = np.array([(c.alpha - 6.2) / c.statistical for c in found])
    assert abs(pulls.std() - 1) < 4 * 0.091
    assert abs(pulls.mean()) < 4 / np.sqrt(60)


@pytest.mark.parametrize(("designs", "runs"), [(1, 16), (3, 4), (4, 32)])
def test_intervals_hold_from_few_designs(designs, runs):
    """α ± 1.96 errors covers 0.92 to 0.97 of the time; a share of 200 has an error of 0.019."""
    rng = np.random.default_rng(2)
    found = [crossings(_designs(rng, designs, runs), (0.5,), seed=i)[0] for i in range(200)]
    covered = np.mean([abs(one.alpha - 6.2) < 1.96 * one.statistical for one in found])
    assert covered > 0.92 - SIGMAS * 0.019
    assert min(one.statistical for one in found) > 0


def test_errors_fall_like_the_square_root_of_the_designs():
    rng = np.random.default_rng(1)
    few, many = (crossings(_designs(rng, c), (0.5,))[0].statistical for c in (25, 400))
    # each has a relative error of 1/√800 from resampling, the first also that of 25 designs
    assert abs(np.log(few / many) - np.log(4)) < 4 * np.hypot(1 / np.sqrt(400), 1 / np.sqrt(50))


def test_each_law_is_recovered_exactly_from_its_own_points():
    error = np.full(5, 0.01)
    logarithm, power = fit_drift(SIZES, 3 + 0.4 * np.log(SIZES), error)
    assert logarithm.chi2 < 1e-18
    assert abs(logarithm.a - 3) < 1e-10
    assert abs(logarithm.b - 0.4) < 1e-11
    assert logarithm.aic < power.aic
    logarithm, power = fit_drift(SIZES, 9 - 12 * SIZES**-0.7, error)
    # the search leaves k with an error of 1e-5 relative; a moves by about 5 of those, b by 50
    assert power.chi2 < 1e-6
    assert abs(power.a - 9) < 1e-4
    assert abs(power.k - 0.7) < 1e-3
    assert abs(power.b + 12) < 0.02
    assert power.aic < logarithm.aic
    assert logarithm.p_value < 1e-6


def test_chi2_of_the_true_law_has_the_expected_mean():
    rng = np.random.default_rng(2)
    found = [
        fit_drift(SIZES, 3 + 0.4 * np.log(SIZES) + rng.normal(0, 0.05, 5), np.full(5, 0.05))[0].chi2
        for _ in range(100)
    ]
    assert abs(np.mean(found) - 3) < 4 * np.sqrt(6 / 100)  # mean 3, variance 6 with 3 dof


def test_two_sizes_tell_no_law_from_another():
    with pytest.raises(ValueError, match="three or more"):
        fit_drift(SIZES[:2], np.ones(2), np.ones(2))


@pytest.mark.parametrize(
    ("n", "alpha", "error", "words"),
    [
        ([64, 64, 64], [1, 2, 3], [1, 1, 1], "three or more"),
        ([64, 128, 256], [1, np.nan, 3], [1, 1, 1], "alpha: .* finite"),
        ([64, 128, 256], [1, 2, 3], [0, 1, 1], "positive"),
        ([0, 128, 256], [1, 2, 3], [1, 1, 1], "positive"),
    ],
)
def test_points_without_a_law_are_refused(n, alpha, error, words):
    with pytest.raises(ValueError, match=words):
        fit_drift(n, alpha, error)


def test_a_shorter_budget_is_read_off_first_passages():
    rng = np.random.default_rng(3)
    table = pd.concat(
        pd.DataFrame(
            {"n": n, "alpha": a, "seed": 0, "design": np.arange(640) // 64, "outcome": "recovered"}
            | {"t_max": 2.0, "t_1e-8": rng.exponential(2 / (a - 3), 640)}
        )
        for n in (64, 128, 256)
        for a in ALPHA
    )
    table.loc[table["t_1e-8"] > 2, "t_1e-8"] = np.nan
    assert by_design(table, table["t_1e-8"].notna()).successes.sum() == table["t_1e-8"].count()
    found = crossing_table(table)
    # the chance of a passage within share·2 is 1 − exp(−share·(α − 3)): half at 3 + ln 2/share
    whole = found[(found.budget == 1) & (found.level == 0.9)]
    short = found[(found.budget == 0.5) & (found.level == 0.5)]
    for rows, exact in ((whole, 3 + np.log(10)), (short, 3 + np.log(2) / 0.5)):
        assert (abs(rows.alpha - exact) < 4 * rows.error).all()
    fits = drift_table(found)
    assert set(fits.law) == {"logarithm", "power"}
    assert (fits.over_least_aic >= 0).all()


@pytest.mark.slow
def test_the_error_from_four_designs_is_the_spread_of_sweeps():
    """Runs on one design share its chance: the spread comes from four numbers at each α."""
    rng, found = np.random.default_rng(4), []
    for i in range(1000):
        designs = _designs(rng, 4)
        own = 2 * (designs.alpha - 6.2) + 0.8 * rng.standard_normal(len(designs))
        found.append(
            crossings(designs.assign(successes=rng.binomial(64, expit(own))), (0.5,), seed=i)[0]
        )
    spread = np.std([one.alpha for one in found])
    stated = np.sqrt(np.mean([one.statistical**2 for one in found]))
    # 1000 sweeps know the spread to 1/√2000, 2.2 %; without √(4/3) errors are 13 % too small
    assert abs(stated / spread - 1) < 0.1
