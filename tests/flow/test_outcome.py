"""How runs end: outcomes, units of the loss, budgets of steps, interrupts, starts, precision."""

import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import (
    Outcome,
    integrate,
)
from gapless.flow.outcome import outcomes
from gapless.problem import draw_problem


def test_outcomes():
    design = Design(n=32, alpha=12, seed=0, runs=8)
    problem = draw_problem(design)
    assert set(integrate(problem, design.start(), 1.8).outcome) >= {Outcome.recovered}
    assert set(integrate(problem, design.start(), 1e-3).outcome) == {Outcome.time_out}
    shuffled = draw_problem(Design(n=32, alpha=6, seed=0, runs=8), "shuffled")
    run = integrate(shuffled, Design(n=32, alpha=6, seed=0, runs=8).start(), 100.0)
    trapped = np.array(run.outcome) == Outcome.trapped
    assert trapped.sum() >= 6
    assert (run.end.speed2[trapped] < 1e-10).all()
    assert (run.end.energy > 0.1).all()
    np.testing.assert_array_equal(run.at_rest, trapped)


@pytest.mark.parametrize("labels", ["teacher", "shuffled", "gaussian"])
def test_zero_energy_is_no_recovery_where_it_does_not_tell_the_signal(labels):
    """M < N: the labels are met on a whole manifold; shuffled and gaussian ones have no signal."""
    design = Design(n=32, alpha=0.25, seed=0, runs=4)
    problem = draw_problem(design, labels)
    run = integrate(problem, design.start(), 60.0)
    interpolated = np.array(run.outcome) == Outcome.interpolated
    assert interpolated.any()
    np.testing.assert_array_equal(interpolated, run.end.energy <= 1e-8)
    assert Outcome.recovered not in run.outcome


def test_one_function_decides_and_a_signal_comes_first():
    q = np.array([1.0, 1.0, 0.3, 0.3, 0.3, np.nan])
    zero = np.array([True, False, True, False, False, True])
    rest = np.array([False, True, True, True, False, False])
    finite = np.array([True, True, True, True, True, True])
    told = dict(overlap=q, zero=zero, at_rest=rest, finite=finite)
    told |= dict(stopped=np.zeros(6, bool))
    recovered, interpolated, trapped, time_out = list(Outcome)[:4]
    assert outcomes(has_signal=True, **told) == (
        *(recovered, recovered, interpolated),
        *(trapped, time_out, interpolated),
    )
    without = outcomes(has_signal=False, **told)
    assert without == (interpolated, trapped, interpolated, trapped, time_out, interpolated)
    ended = outcomes(has_signal=True, **(told | dict(stopped=np.ones(6, bool))))
    assert ended == (
        *(recovered, recovered, interpolated),
        *(trapped, Outcome.stopped, interpolated),
    )


def test_starting_at_the_solution_is_recovery():
    design = Design(n=32, alpha=6, seed=0, runs=4)
    problem = draw_problem(design)
    assert problem.teacher is not None
    run = integrate(problem, problem.teacher, 1.0)
    assert set(run.outcome) == {Outcome.recovered}


def test_a_run_has_recovered_within_one_part_in_a_million_of_the_signal():
    none, overlap = np.zeros(2, bool), np.array([1 - 0.9e-6, 1 - 1.1e-6])
    found = outcomes(
        overlap=overlap, has_signal=True, zero=none, at_rest=none, stopped=none, finite=~none
    )
    assert found == (Outcome.recovered, Outcome.time_out)
