"""The loop: first passages, batches that shrink, and returns to Python."""

import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import (
    FLOW,
    SWEEP,
    GradientDescent,
    integrate,
    loop,
)
from gapless.problem import draw_problem


def test_first_passages_bracket_the_energy():
    design = Design(n=64, alpha=12, seed=0, runs=8)
    problem, start = draw_problem(design, dtype="float64"), design.start()
    run = integrate(problem, start, 1.8)
    solved = np.isfinite(run.passage).all(axis=1)
    assert solved.sum() >= 6
    assert (np.diff(run.passage[solved, :4], axis=1) > 0).all()
    for k in np.flatnonzero(solved)[:2]:
        for level, when in zip(run.levels[:3], run.passage[k], strict=False):
            again = integrate(problem, start, float(when), solver=FLOW)
            # the interpolation inside a step is of the order of the step's own error
            assert again.end.energy[k] == pytest.approx(level, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "runs"), [(64, 64), (256, 64)])
def test_a_shrinking_batch_changes_no_outcome(n, runs):
    """Runs that go on in a smaller batch end as they do in the whole one."""
    design = Design(n=n, alpha=7, seed=2, runs=runs)
    problem, start = draw_problem(design), design.start()
    whole = integrate(problem, start, 1.8, save_at=[1.8])
    shrinking = integrate(problem, start, 1.8)
    assert len(set(whole.outcome)) > 1
    assert whole.outcome == shrinking.outcome
    np.testing.assert_allclose(whole.passage[:, 0], shrinking.passage[:, 0], rtol=1e-2)


@pytest.mark.parametrize("solver", [FLOW, SWEEP, GradientDescent(1e-3)])
def test_how_often_the_loop_comes_back_changes_nothing(solver, monkeypatch):
    """It comes back so that interrupts are answered: here after every four gradients."""
    design = Design(n=32, alpha=8, seed=1, runs=4)
    problem, start = draw_problem(design), design.start()
    once = integrate(problem, start, 0.5, solver=solver)
    monkeypatch.setattr(loop, "MOST_GRADIENTS_PER_CALL", 3)
    often = integrate(problem, start, 0.5, solver=solver)
    for one, other in zip(once.state, often.state, strict=True):
        np.testing.assert_array_equal(one, other)
