"""Runs stopped where they cross an energy, and states on the way."""

import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import integrate
from gapless.flow.crossing import cross_energy
from gapless.flow.snapshots import snapshots
from gapless.problem import draw_problem

DESIGN = Design(64, 10, seed=2, runs=16)


@pytest.fixture(scope="module")
def problem():
    return draw_problem(DESIGN)


def test_every_run_is_stopped_within_1e_3_of_its_own_energy(problem) -> None:
    energy = np.linspace(4.0, 9.0, 16)
    crossing = cross_energy(problem, DESIGN.start(), energy, 20.0)
    at = np.asarray(problem.energy(crossing.state.w), float)
    assert crossing.crossed.sum() >= 12
    assert np.abs(at - energy)[crossing.crossed].max() <= 1e-3 + 1e-5
    assert np.isfinite(crossing.time[crossing.crossed]).all()


def test_the_flow_at_the_time_of_the_crossing_has_that_energy(problem) -> None:
    # two routes: the crossing, and the flow asked for that very time. They step differently, so
    # they differ by the flow's own error; early on, before runs can part, that is small
    crossing = cross_energy(problem, DESIGN.start(), 12.0, 20.0)
    assert crossing.crossed.all()
    for run in (0, 7):
        there = integrate(problem, DESIGN.start(), float(crossing.time[run]))
        slope = there.state.speed2[run]
        assert abs(there.energy[run, -1] - 12.0) < 1e-3 + 5e-3 * float(slope) * crossing.time[run]


def test_a_finer_tolerance_moves_the_time_by_no_more_than_the_coarse_one_allows(problem) -> None:
    coarse = cross_energy(problem, DESIGN.start(), 12.0, 20.0, tolerance=1e-2)
    fine = cross_energy(problem, DESIGN.start(), 12.0, 20.0, tolerance=1e-4)
    allowed = 2 * 1e-2 / np.asarray(fine.state.speed2)
    assert (np.abs(coarse.time - fine.time) <= allowed).all()


def test_a_run_that_never_crosses_is_counted_and_keeps_its_state(problem) -> None:
    crossing = cross_energy(problem, DESIGN.start(), -1.0, 0.3)
    assert not crossing.crossed.any()
    assert np.isnan(crossing.time).all()
    np.testing.assert_allclose(crossing.state.t, 0.3, atol=1e-6)
    above = cross_energy(problem, DESIGN.start(), 1e6, 0.3)
    assert not above.crossed.any()
    undefined = cross_energy(problem, DESIGN.start(), np.full(16, np.nan), 0.3)
    assert not undefined.crossed.any()


def test_runs_do_not_depend_on_each_others_targets(problem) -> None:
    one = cross_energy(problem, DESIGN.start(), 12.0, 20.0)
    other = np.full(16, 12.0)
    other[::2] = 5.0
    two = cross_energy(problem, DESIGN.start(), other, 20.0)
    # the number of stages is the batch's, so targets may change rounding and no more
    np.testing.assert_allclose(one.time[1::2], two.time[1::2], rtol=1e-3)


def test_snapshots_are_what_integrate_records(problem) -> None:
    times = [0.0, 0.05, 0.2]
    record = integrate(problem, DESIGN.start(), 0.2, save_at=times)
    states = list(snapshots(problem, DESIGN.start(), times))
    energy = np.stack([np.asarray(state.energy, float) for state in states], axis=1)
    np.testing.assert_array_equal(energy, record.energy)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("t_max", {"energy": 1.0, "t_max": 0.0}),
        ("tolerance", {"energy": 1.0, "t_max": 1.0, "tolerance": 0.0}),
        ("energy", {"energy": np.ones(3), "t_max": 1.0}),
    ],
)
def test_wrong_requests_name_the_parameter(name, arguments, problem) -> None:
    with pytest.raises(ValueError, match=name):
        cross_energy(problem, DESIGN.start(), **arguments)
