"""Cumulative incidences of competing events: closed forms, identities, and their errors."""

import numpy as np
import pandas as pd
import pytest

from gapless.analyse import survival
from gapless.analyse.statistics import Z_95
from gapless.analyse.survival import CENSORED, EVENTS, Lifetimes, lifetimes, time_table
from sampling import SIGMAS

SOLVED, REST = EVENTS.index("solved"), EVENTS.index("rest")


def drawn(runs: int, seed: int = 0):
    """Times of two exponential events, which of them came first, and a uniform censoring."""
    rng = np.random.default_rng(seed)
    recovery, rest = rng.exponential(1.0, runs), rng.exponential(2.0, runs)
    end = rng.uniform(0.5, 3.0, runs)
    event = np.where(recovery < rest, SOLVED, REST)
    time = np.minimum(recovery, rest)
    return np.minimum(time, end), np.where(time < end, event, CENSORED)


def test_without_censoring_incidences_are_fractions_of_the_runs():
    time, event = np.array([0.3, 0.1, 0.2, 0.2, 0.4]), np.array([SOLVED, REST, 0, REST, 0])
    found = Lifetimes(time, event, np.arange(5)).incidence()
    np.testing.assert_array_equal(found.t, [0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(found.share[SOLVED], [0, 0.2, 0.4, 0.6], atol=1e-15)
    np.testing.assert_allclose(found.share[REST], [0.2, 0.4, 0.4, 0.4], atol=1e-15)
    assert found.time_at(0.6) == 0.4
    assert found.time_at(0.7) == np.inf


def test_a_run_that_is_censored_shares_out_what_it_would_have_done():
    """Of four runs the second is censored: the two after it count 4/3 · ½ each of what is left."""
    time, event = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, CENSORED, REST, 0])
    found = Lifetimes(time, event, np.arange(4)).incidence()
    np.testing.assert_allclose(found.share[SOLVED], [1 / 4, 1 / 4, 1 / 4, 5 / 8], rtol=1e-15)
    np.testing.assert_allclose(found.share[REST], [0, 0, 3 / 8, 3 / 8], rtol=1e-15)


def test_the_incidences_and_what_is_free_of_events_add_up_to_one():
    time, event = drawn(500)
    weight = np.random.default_rng(1).integers(0, 4, 500).astype(float)
    for given in (None, weight):
        found = Lifetimes(time, event, np.arange(500)).incidence(given)
        np.testing.assert_allclose(found.share.sum(axis=0) + found.free, 1, rtol=1e-12)
        assert (np.diff(found.share, axis=1) >= 0).all()


def test_a_weight_of_two_is_a_run_counted_twice():
    time, event = drawn(60)
    twice = Lifetimes(*(np.repeat(a, 2) for a in (time, event, np.arange(60)))).incidence()
    once = Lifetimes(time, event, np.arange(60)).incidence(np.full(60, 2.0))
    np.testing.assert_allclose(once.share, twice.share, rtol=1e-12)


def test_incidences_are_those_of_the_hazards_and_not_one_minus_kaplan_and_meier():
    """F_1(t) = λ₁/(λ₁ + λ₂)(1 − exp(−(λ₁ + λ₂)t)), λ = 1 and ½."""
    time, event = drawn(4000)
    lives = Lifetimes(time, event, np.arange(4000))
    when = np.array([0.2, 0.5, 1.0, 2.0])
    exact = 2 / 3 * (1 - np.exp(-1.5 * when))
    found = lives.incidence().at(when, "solved")
    low, high = lives.interval(when, "solved")
    errors = (high - low) / (2 * Z_95)
    assert (np.abs(found - exact) < SIGMAS * errors).all()
    # the error of a fraction of as many runs, up to a correlation of pairs that is there by chance
    assert (errors >= 0.999 * (found * (1 - found) / 4000) ** 0.5).all()
    assert (1 - np.exp(-when[-1]) - exact[-1]) > 10 * errors[-1]


def test_intervals_of_a_time_cover_it_from_few_designs():
    """Of exponential times on designs whose rates differ by 15 %; the goal is 0.95.

    2 to 16 designs of 4 to 64 runs: the share of 200 intervals has an error of 0.015, and of the
    smallest samples the intervals, whose ends are times of runs, cover up to 0.98.
    """
    rng = np.random.default_rng(5)
    for designs, runs in ((2, 16), (4, 4), (4, 32), (16, 64)):
        cluster, covered = np.repeat(np.arange(designs), runs), 0
        for _ in range(200):
            scale = np.exp(rng.normal(0, 0.15, (designs, 1)))
            time = (rng.exponential(1.0, (designs, runs)) * scale).ravel()
            low, high = Lifetimes(time, np.zeros(time.size, int), cluster).time_interval(0.5)
            covered += low <= np.log(2) <= high
        assert covered / 200 > 0.95 - SIGMAS * 0.015


def test_runs_that_can_be_solved_no_more_do_not_raise_the_incidence_of_rest():
    """One that recovered the signal ended above the tolerance, another became infinite."""
    table = records(40, 4)
    table.loc[:9, "outcome"] = "recovered"
    table.loc[10:19, "outcome"] = "not_finite"
    table.loc[:19, "t_1e-8"] = np.nan
    table.loc[:19, "stopped_at"] = 0.1
    (row,) = time_table(table).to_dict("records")
    assert row["rest_by_end"] == pytest.approx((table.outcome == "trapped").mean())
    assert row["solved_by_end"] == pytest.approx(table["t_1e-8"].notna().mean())


def records(runs: int, designs: int) -> pd.DataFrame:
    """Runs whose time to recovery is (½ ln N − ln z)/Λ, and one in five at rest at t = 1."""
    rng = np.random.default_rng(0)
    z = np.abs(rng.standard_normal(runs))
    time = (0.5 * np.log(64) - np.log(z)) / 4
    at_rest = np.arange(runs) % 5 == 0
    return pd.DataFrame(
        {
            "n": 64,
            "alpha": 8.0,
            "seed": 0,
            "design": np.arange(runs) % designs,
            "t_max": 1.8,
            "outcome": np.where(at_rest, "trapped", "solved"),
            "overlap_start": z / 8 * np.where(z > 1, 1, -1),
            "t_1e-8": np.where(at_rest, np.nan, time),
            "stopped_at": np.where(at_rest, 1.0, time),
        }
    )


def test_times_to_recovery_are_quantiles_of_all_runs():
    table = records(400, 20)
    (row,) = time_table(table).to_dict("records")
    lives = np.sort(table["t_1e-8"].fillna(np.inf))
    assert row["t_50"] == lives[199]
    assert row["t_90"] is None  # four runs in five recover
    assert row["solved_by_end"] == pytest.approx(0.8)
    assert row["rest_by_end"] == pytest.approx(0.2)
    assert row["t_50_low"] < row["t_50"] < row["t_50_high"]
    # the law that the times were made by
    assert row["per_log_z"] == pytest.approx(1 / 4, rel=1e-9)
    assert row["explained"] == pytest.approx(1, rel=1e-9)
    # the runs of a single design count as independent
    (single,), (many,) = (time_table(records(40, d)).to_dict("records") for d in (1, 40))
    assert (single["t_50_low"], single["t_50_high"]) == (many["t_50_low"], many["t_50_high"])


def test_runs_that_end_without_an_event_are_censored_where_they_ended():
    table = records(10, 2).assign(outcome="time_out")
    table["t_1e-8"] = np.nan
    found = lifetimes(table).incidence()
    np.testing.assert_array_equal(found.share, 0)
    interpolated = lifetimes(records(10, 2).assign(outcome="interpolated")).incidence()
    assert interpolated.share[EVENTS.index("interpolated"), -1] > 0
    assert interpolated.share[SOLVED, -1] == 0


def test_thirds_of_the_starts_hold_a_third_of_the_runs_each():
    table = records(300, 3)
    assert [int(part.sum()) for part in survival.thirds(table)] == [100, 100, 100]


def test_columns_of_other_lengths_and_levels_that_are_no_share_are_refused():
    time, event = np.array([1.0, 2.0, 3.0]), np.array([SOLVED, REST, CENSORED])
    for events, clusters in ((event[:2], np.arange(3)), (event, np.arange(2))):
        with pytest.raises(ValueError, match="event, cluster"):
            Lifetimes(time, events, clusters)
    with pytest.raises(ValueError, match="level"):
        Lifetimes(time, event, np.arange(3)).time_interval(2.0)


def test_an_interval_of_times_that_no_run_reaches_is_infinite():
    """No one is solved of 400, so that the share is below any interval of a half."""
    time, event = np.arange(1.0, 401), np.full(400, REST)
    assert Lifetimes(time, event, np.arange(400)).time_interval(0.5) == (np.inf, np.inf)
