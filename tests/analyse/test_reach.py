"""Success by size and budget, on runs whose law is known."""

import numpy as np
import pandas as pd
from scipy.special import expit

from gapless.analyse.reach import (
    drift_from,
    growth_of_times,
    half_solved,
    rate_for,
    times_by_overlap,
    times_by_size,
    with_ensemble,
)
from gapless.analyse.verdict import REJECTED_LINE
from sampling import SIGMAS

ALPHA = np.array([4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
SIZES = (64, 512, 4096, 32768)
SLOPE, RATE, LIMIT = 0.36, 2.0, 0.6


def _records(seed: int = 0, designs: int = 40, runs: int = 32) -> pd.DataFrame:
    """Runs solved with chance expit(3(α − 5 − 0.36 ln N/8)) by t = 0.3 log₂ N, else by twice it.

    The dense sizes are the first three, and their records do not name an ensemble.
    """
    rng, parts = np.random.default_rng(seed), []
    for n in SIZES:
        for alpha in ALPHA:
            count = designs * runs
            early = rng.random(count) < expit(3 * (alpha - 5 - SLOPE * np.log(n / 8)))
            late = rng.random(count) < 0.5
            t = np.where(early, 0.2, np.where(late, 0.5, np.nan)) * np.log2(n)
            parts.append(
                pd.DataFrame(
                    {
                        **{"n": n, "m": int(alpha * n), "alpha": alpha, "seed": 0},
                        **{"design": np.arange(count) % designs, "run": np.arange(count)},
                        **{"t_max": LIMIT * np.log2(n), "t_1e-8": t, "stopped_at": t},
                        "overlap_start": 0.1,
                        "outcome": np.where(np.isfinite(t), "recovered", "time_out"),
                        "sensing": "fast" if n == SIZES[-1] else None,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def test_half_of_the_runs_are_solved_where_the_law_says_and_the_drift_is_its_slope():
    table = with_ensemble(_records())
    found = half_solved(table, (0.3, 1.2))
    # 1.2 is longer than any run was followed
    assert set(found.budget) == {0.3}
    assert list(found.sensing) == ["fast", "gaussian", "gaussian", "gaussian"]
    expected = 5 + SLOPE * np.log(found.n.to_numpy(float) / 8)
    assert (np.abs(found.alpha - expected) < SIGMAS * found.error).all()
    (fit,) = drift_from(found, 64).to_dict("records")
    assert abs(fit["b"] - SLOPE) < SIGMAS * fit["b_error"]
    assert fit["largest"] == SIZES[-1]
    assert fit["dof"] == len(SIZES) - 2


def test_runs_to_rest_are_a_curve_of_their_own():
    """They are the same designs, and counted beside the others they would count twice."""
    table = with_ensemble(_records(designs=4))
    both = pd.concat([table, table.assign(t_max=300.0)], ignore_index=True)
    found, alone = half_solved(both, (0.3,)), half_solved(table, (0.3,))
    pd.testing.assert_frame_equal(found[found.budget == 0.3].reset_index(drop=True), alone)
    # to rest more runs are solved, at every N
    rest = found[np.isinf(found.budget)]
    paired = alone.merge(rest, on=["sensing", "n"])
    assert (paired.alpha_y < paired.alpha_x).all()


def test_runs_with_a_longer_limit_are_counted_only_where_the_shorter_one_ends():
    table = with_ensemble(_records(designs=4))
    both = pd.concat([table, table.assign(t_max=2 * table.t_max)], ignore_index=True)
    found, alone = half_solved(both, (0.3, 0.6, 1.2)), half_solved(table, (0.3, 0.6))
    pd.testing.assert_frame_equal(found[found.budget < 1].reset_index(drop=True), alone)
    # no run is solved later, so the longer limit finds the same runs
    last = found[found.budget == 1.2].assign(budget=0.6)
    pd.testing.assert_frame_equal(
        last.reset_index(drop=True), alone[alone.budget == 0.6].reset_index(drop=True)
    )


def test_failed_runs_are_no_runs():
    table = with_ensemble(_records(designs=4))
    failed = table.assign(outcome="failed", **{"t_1e-8": np.nan})
    both = pd.concat([table, failed], ignore_index=True)
    pd.testing.assert_frame_equal(half_solved(both, (0.3,)), half_solved(table, (0.3,)))


def test_the_median_time_grows_by_one_over_the_rate_for_each_unit_of_half_log_n():
    rng, parts = np.random.default_rng(1), []
    for n in SIZES:
        count = 512
        t = np.log(n) / 2 / RATE + rng.exponential(0.3, count)
        parts.append(
            pd.DataFrame(
                {
                    **{"n": n, "alpha": 12.0, "seed": 0, "run": np.arange(count)},
                    **{"design": np.arange(count) % 16, "outcome": "recovered", "t_max": 20.0},
                    **{"t_1e-8": t, "stopped_at": t, "overlap_start": 0.1, "sensing": "gaussian"},
                }
            )
        )
    times = times_by_size(pd.concat(parts, ignore_index=True))
    (found,) = growth_of_times(times, 64).to_dict("records")
    assert abs(found["rate"] - RATE) < SIGMAS * found["rate_error"]
    assert growth_of_times(times, 4096).empty


def _exponential(n: int, bend: float) -> pd.DataFrame:
    """Runs whose time is x/Λ + bend x² for x = −ln q(0), of 16 designs."""
    z = np.random.default_rng(n).standard_normal(1024)
    x = np.log(n) / 2 - np.log(np.abs(z))
    t = x / RATE + bend * x**2
    return pd.DataFrame(
        {
            **{"n": n, "alpha": 12.0, "seed": 0, "run": np.arange(1024)},
            **{"design": np.arange(1024) % 16, "outcome": "recovered", "t_max": 80.0},
            **{"t_1e-8": t, "stopped_at": t, "overlap_start": z / n**0.5, "sensing": "gaussian"},
        }
    )


def test_times_that_depend_on_the_first_overlap_alone_are_one_curve_of_it():
    """In a bin of width ½ around x they lie within ¼ of its slope of the time at x."""
    table = pd.concat([_exponential(n, 0.1) for n in SIZES], ignore_index=True)
    found = times_by_overlap(table, (12.0,))
    assert set(found.n) == set(SIZES)
    x = found.minus_log_q
    # half a bin is also the farthest that the median of few runs is from its middle
    assert (np.abs(found.t_50 - (x / RATE + 0.1 * x**2)) <= 0.26 * (1 / RATE + 0.2 * x)).all()
    assert (found.t_50_low <= found.t_50).all()
    assert times_by_overlap(table, (8.0,)).empty


def test_times_that_are_no_line_have_no_rate():
    def growth(bend: float) -> pd.DataFrame:
        parts = [_exponential(n, 0.0) for n in SIZES]
        for n, part in zip(SIZES, parts, strict=True):
            part["t_1e-8"] += bend * (np.log(n) / 2) ** 2
        return growth_of_times(times_by_size(pd.concat(parts, ignore_index=True)), 64)

    straight, bent = growth(0.0), growth(0.1)
    # that of four standard errors; at `REJECTED_LINE` a line is rejected by one seed in 200
    assert (straight.p_value > 3e-5).all()
    assert (bent.p_value < 3e-5).all()
    for found in (straight, bent):
        assert (np.isfinite(found.rate) == (found.p_value >= REJECTED_LINE)).all()


def test_the_rate_for_a_budget_brings_one_over_root_n_to_order_one_in_time():
    n, budget = 2.0**40, 0.3
    assert np.isclose(np.exp(rate_for(budget) * budget * np.log2(n)) / np.sqrt(n), 1)
