"""Late times and escapes at N = ∞: from points to claims, and how shares follow from starts."""

from math import inf

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.special import erfc

from gapless.figures import escape, late, load
from gapless.figures.escape import passage_time, share_in_time
from gapless.measure.mean_field import MeanField
from gapless.measure.simulation import Simulation
from gapless.page.image import render
from gapless.store import Store
from gapless.sweep import plan, run_in_process


def test_shares_follow_from_the_law_of_the_start() -> None:
    starts = np.geomspace(0.01, 0.6, 9)
    # a start grows like exp(2t) until it is one: t(m₀) = −ln(m₀)/2
    times = -np.log(starts) / 2
    for n, budget in ((64, 1.5), (1024, 1.9)):
        exact = erfc(np.exp(-2 * budget) * (n / 2) ** 0.5)
        assert np.isclose(share_in_time(starts, times, n, budget), exact, rtol=1e-9)
    assert share_in_time(starts, times, 64, 0.1) == 0
    assert np.isnan(share_in_time(starts, times, 64, 3.0))  # beyond the smallest start
    t = np.linspace(0, 4, 41)
    assert np.isclose(passage_time(t, np.exp(-3 * t)), np.log(1e4) / 3, rtol=1e-9)
    assert np.isnan(passage_time(t, np.ones(41)))


def few(name: str) -> list:
    """Return points of a figure, few and short."""
    if name == "late":
        common = dict(step=None, paths=192, seed=0, t_max=0.06)
        kinds = [dict(waiting=()), dict(waiting=(0.02,))]
        return [
            MeanField.model_validate(common | kind | dict(alpha=alpha, path_set=path_set))
            for kind in kinds
            for alpha in (8.0, 11.0, 14.0, 17.0)
            for path_set in range(2)
        ]
    common = dict(step=None, paths=64, seed=0, t_max=0.4, labels="teacher")
    alphas = (5.0, 5.01)  # both have M = 160, and so the same programs
    starts = [
        MeanField.model_validate(common | dict(alpha=alpha, path_set=path_set, overlap=overlap))
        for alpha in alphas
        for path_set in range(2)
        for overlap in (0.1, 0.3, 0.6)
    ]
    return [
        *starts,
        *(Simulation(n=32, alpha=a, seed=0, runs=8, index=i) for a in alphas for i in (0, 1)),
    ]


@pytest.mark.parametrize("name", [pytest.param("late", marks=pytest.mark.slow), "escape"])
def test_a_figure_at_infinite_n_goes_from_points_to_page(name, tmp_path):
    figure, points = load(name), few(name)
    store = Store.open(tmp_path, {"experiment": name}, {})
    for count in (len(points) // 2, len(points)):  # cut, and resumed
        tasks = plan(figure, points[:count], store).tasks()
        run_in_process(tasks, lambda receipt: None)
    assert plan(figure, points, store).missing == ()
    table = store.read(figure.reads).to_pandas()
    reduced = figure.reduce(table)
    assert render(figure.picture(reduced)).axes
    assert all(not numbers.empty for _, numbers in figure.tables(reduced))
    assert len(figure.claims(reduced)) == (4 if name == "late" else 1)
    kinds = {type(point): point.rows for point in points}
    assert len(table) == sum(kinds[type(point)] for point in points)


def late_times(limit: float, error: float, alpha: float, alpha_error: float) -> late.LateTimes:
    """Return numbers of two α by hand: e∞ over 1RSB, and one reading of the transition."""
    energies = pd.DataFrame(
        {"alpha": a, "sets": 9, "paths": 10**6, "limit": 7 * limit, "threshold_1rsb": 7.0}
        | {"excess_percent": 100 * limit}
        | {"limit_error_sets": 7 * error, "limit_error_window": 0.0}
        for a in (6.0, 10.0)
    )
    reading = {"reading": "r", "alpha": alpha, "error": alpha_error, "sets": 36}
    return late.LateTimes({}, {}, energies, pd.DataFrame(), pd.DataFrame([reading]))


@pytest.mark.parametrize(
    ("numbers", "verdicts"),
    [
        ((1.001, 0.001, 13.8, 0.1), ["agrees", "agrees"]),
        ((1.07, 0.001, 12.0, 0.1), ["differs", "differs"]),
        ((1.05, 0.001, 14.3, 0.7), ["cannot tell", "cannot tell"]),
        ((1.0, np.nan, np.nan, np.nan), ["cannot tell", "cannot tell"]),
    ],
)
def test_late_times_are_judged_by_their_intervals(numbers, verdicts):
    assert [claim.verdict for claim in late.claims(late_times(*numbers))] == verdicts


@pytest.mark.parametrize(
    ("drift", "error", "expected"),
    [(0.3, 0.01, "agrees"), (0.5, 0.01, "differs"), (0.3, 0.2, "cannot tell")],
)
def test_the_drift_is_judged_by_its_difference(drift, error, expected):
    n = np.array([64, 128, 256])
    halves = pd.DataFrame({"budget": 1.0, "n": n, "runs": 0.3 * np.log2(n), "runs_error": 0.01})
    halves = halves.assign(predicted=drift * np.log2(n) + 1, predicted_error=error)
    shares = pd.DataFrame({"runs": [100]})
    (claim,) = escape.claims(escape.Escapes(pd.DataFrame(), shares, halves))
    assert claim.verdict == expected
    (claim,) = escape.claims(escape.Escapes(pd.DataFrame(), shares, halves[:1]))
    assert claim.verdict == "cannot tell"


def test_a_record_at_infinite_n_has_the_curves_of_its_solution():
    point = MeanField(alpha=6, t_max=0.2, step=None, paths=256, seed=0, waiting=(0.05, 0.1))
    (row,) = point.measure().to_pylist()
    t = np.array(row["t"])
    assert row["energy_t"][0] == pytest.approx(12, rel=0.5)
    assert len(t) == len(row["energy_t"])
    assert np.reshape(row["growth_t"], (2, -1)).shape == (2, len(t))
    assert row["waiting"] == [0.05, 0.1]
    assert row["outcome"] == "followed"
    assert np.isnan(np.reshape(row["growth_t"], (2, -1))[1, t < 0.1]).all()
    assert point.failed("why").schema.equals(pa.schema(point.record_schema()))
    assert 0 < point.cost().flops < inf
