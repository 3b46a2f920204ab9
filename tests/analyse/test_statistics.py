"""Fractions and intervals that know the clusters."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from gapless.analyse.statistics import (
    clustered_line,
    clustered_mean,
    clustered_std,
    copies,
    designs_of,
    intraclass_correlation,
    resampled_error,
    success_fraction,
    weighted_line,
    wilson,
)
from gapless.analyse.success import success_table
from gapless.figures.fig5 import EXPERIMENT as FIG5
from gapless.measure.design_point import sweep_points, sweep_runs_per_design
from gapless.measure.simulation import Simulation


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (512, 1000)])
def test_wilson_is_that_of_scipy(k, n):
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def draws(rng, designs, k, rho, p=0.6):
    """Beta-binomial successes: intraclass correlation rho exactly."""
    if rho == 0:
        return rng.binomial(k, p, designs)
    size = 1 / rho - 1
    return rng.binomial(k, rng.beta(p * size, (1 - p) * size, designs))


@pytest.mark.parametrize("rho", [0.0, 0.05, 0.3])
def test_intraclass_correlation_is_recovered(rho):
    rng = np.random.default_rng(0)
    sizes, group = np.full(4000, 16), np.repeat([0, 1], 2000)
    estimate = intraclass_correlation(draws(rng, 4000, 16, rho), sizes, group)
    # its standard error for many designs: (1−ρ)(1+(k−1)ρ) √(2/(k(k−1)D)), Fleiss 15.2
    error = (1 - rho) * (1 + 15 * rho) * (2 / (16 * 15 * 4000)) ** 0.5
    assert abs(estimate - rho) < 4 * error + 1e-12


def test_intervals_cover_when_runs_share_their_design():
    rng, k, designs, trials = np.random.default_rng(1), 16, 40, 400
    sizes, covered = np.full(designs, k), 0
    for _ in range(trials):
        s = draws(rng, designs, k, 0.2)
        rho = intraclass_correlation(s, sizes, np.zeros(designs))
        estimate = success_fraction(s, sizes, rho)
        covered += estimate.low <= 0.6 <= estimate.high
    # 95 % nominal; four standard errors of 400 trials, and one percent for the estimated ρ
    assert covered / trials > 0.95 - 4 * (0.95 * 0.05 / trials) ** 0.5 - 0.01


def test_no_interval_has_zero_width():
    for s in (0, 16):
        estimate = success_fraction(np.full(4, s), np.full(4, 16), 0.0)
        assert estimate.high - estimate.low > 0.01


def rows(n, alpha, successes_by_design, k=4):
    return [
        dict(n=n, m=round(alpha * n), alpha=alpha, design=d, run=r, outcome="recovered")
        | {"t_1e-8": 1.0 if r < s else None, "gradients": 100 + r, "steps": 20, "t_max": 1.8}
        for d, s in enumerate(successes_by_design)
        for r in range(k)
    ]


def test_success_table_counts_cuts_and_leaves_failed_runs_apart():
    records = rows(64, 6.0, [1, 3, 2]) + rows(64, 8.0, [4, 4, 4])
    records[0] |= {"outcome": "failed", "t_1e-8": None}
    table = success_table(pd.DataFrame(records))
    assert table.runs.tolist() == [11, 12]
    assert table.failed.tolist() == [1, 0]
    assert table.successes.tolist() == [5, 12]
    cut = success_table(pd.DataFrame(records), runs=6)
    assert cut.runs.tolist() == [5, 6]
    assert cut.designs.tolist() == [2, 2]
    assert (cut.low <= cut.fraction).all()
    assert (cut.fraction <= cut.high).all()


def test_simulations_hold_at_least_the_runs_asked_for():
    template = Simulation(n=64, alpha=6, seed=0, runs=16)
    points = sweep_points(template, [6.0, 8.0], 100)
    assert len(points) == 2 * 7
    assert {(p.alpha, p.index) for p in points} == {(a, i) for a in (6.0, 8.0) for i in range(7)}


def test_a_point_of_a_sweep_says_its_runs():
    """Records of another K have other addresses, even if only the default has changed."""
    open_, alphas = Simulation(n=64, alpha=6, seed=0), [6.0]
    points = sweep_points(open_, alphas, 1000)
    k = sweep_runs_per_design(64)
    assert {p.runs for p in points} == {k}
    assert len(points) == -(-1000 // k)
    assert points == sweep_points(open_.model_copy(update={"runs": k}), alphas, 1000)
    other = sweep_points(open_.model_copy(update={"runs": k // 2}), alphas, 1000)
    assert not {FIG5.address(p) for p in points} & {FIG5.address(p) for p in other}


def test_a_line_through_its_own_points_and_the_spread_of_its_fits():
    x, error = np.array([1.0, 2.0, 4.0, 8.0]), np.array([0.1, 0.2, 0.1, 0.3])
    exact = weighted_line(x, 2 - 0.5 * x, error)
    assert np.allclose(exact.parameters, (2, -0.5), rtol=0, atol=1e-13)
    assert exact.chi2 < 1e-22
    rng = np.random.default_rng(0)
    fits = [weighted_line(x, 2 - 0.5 * x + rng.normal(0, error), error) for _ in range(400)]
    pulls = (np.array([f.parameters for f in fits]) - (2, -0.5)) / exact.errors
    # 400 pulls: their standard deviation has a relative error of 1/√800
    assert (abs(pulls.std(axis=0) - 1) < 4 / np.sqrt(800)).all()
    assert abs(np.mean([f.chi2 for f in fits]) - 2) < 4 * np.sqrt(4 / 400)


def test_repeating_every_value_within_its_cluster_adds_no_precision() -> None:
    values = np.random.default_rng(1).standard_normal(20)
    once = clustered_mean(values, np.arange(20))
    again = clustered_mean(np.repeat(values, 7), np.repeat(np.arange(20), 7))
    assert once.standard_error == pytest.approx(values.std(ddof=1) / 20**0.5, rel=1e-12)
    assert (again.mean, again.standard_error) == pytest.approx((once.mean, once.standard_error))


def test_one_cluster_has_no_error_bar() -> None:
    assert np.isnan(clustered_mean(np.ones(5), np.zeros(5)).standard_error)


def test_designs_of_different_seeds_and_parameters_are_different():
    rows = product([64, 128], [6.0, 8.0], [0, 1], [0, 1], [0, 1])
    table = pd.DataFrame(rows, columns=["n", "alpha", "seed", "design", "run"])
    assert len(np.unique(designs_of(table))) == 16
    assert len(np.unique(designs_of(table.drop(columns="seed")))) == 8
    # the runs of one share its number
    assert (np.ptp(designs_of(table).reshape(16, 2), axis=1) == 0).all()
    assert np.isnan(clustered_std(np.arange(5.0), np.zeros(5))[1])


def test_the_error_of_a_standard_deviation_is_that_of_gaussian_samples() -> None:
    # sd of s is σ/√(2n); the jackknife's own scatter at n = 400 is about 7 %: five of these
    values = np.random.default_rng(2).standard_normal(400)
    deviation, error = clustered_std(values, np.arange(400))
    assert error == pytest.approx(deviation / 800**0.5, rel=0.35)


def test_repeating_every_run_within_its_cluster_leaves_the_slope_and_its_error() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 20))
    once = clustered_line(x, y, np.arange(20))
    again = clustered_line(*(np.repeat(a, 7) for a in (x, y, np.arange(20))))
    assert (again.slope, again.slope_error) == pytest.approx(
        (once.slope, once.slope_error), rel=1e-12
    )


@pytest.mark.parametrize("count", [2, 3, 4, 16])
def test_resampled_means_have_the_variance_of_the_mean(count: int) -> None:
    """s²/D, exactly, with the unbiased s²: D draws of D designs would give (D − 1)/D of it."""
    rng = np.random.default_rng(count)
    values = rng.standard_normal(count)
    means = copies(count, 100_000, rng) @ values / (count - 1)
    # the relative error of a variance of R values is below √(3/R)
    assert means.var() == pytest.approx(values.var(ddof=1) / count, rel=5 * np.sqrt(3e-5))


def test_a_resampled_error_is_no_matter_of_a_few_outliers() -> None:
    values = np.random.default_rng(0).standard_normal(400)
    far = np.where(np.arange(400) % 40 == 0, 1e6, values)
    assert resampled_error(far) == pytest.approx(resampled_error(values), rel=0.1)
    assert np.isnan(resampled_error(np.where(np.arange(400) % 8 == 0, np.nan, values)))


def test_a_design_without_runs_is_no_design() -> None:
    successes, sizes, group = np.array([4, 1, 3]), np.array([4, 4, 4]), np.zeros(3)
    with_empty = (np.append(one, 0) for one in (successes, sizes, group))
    expected = intraclass_correlation(successes, sizes, group)
    assert expected > 0
    assert intraclass_correlation(*with_empty) == expected
