"""The linear flow about the signal agrees with the flow."""

import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import (
    GradientFlow,
    integrate,
)
from gapless.problem import Problem, draw_problem


@pytest.mark.slow
@pytest.mark.parametrize("field", ["real", "complex"])
def test_the_last_decades_in_one_krylov_step_are_those_of_the_flow(field):
    """First passages of two routes: solver all the way, and the linear flow about the signal."""
    design = Design(n=64, alpha=10, seed=0, runs=16, field=field)
    problem, start = draw_problem(design), design.start()
    t_max = {"real": 1.8, "complex": 4.0}[field]
    stepped = integrate(problem, start, t_max)
    finished = integrate(problem, start, t_max, solver=GradientFlow(linear_below=1e-4))
    both = np.isfinite(stepped.passage[:, 2]) & np.isfinite(finished.passage[:, 2])
    assert both.sum() >= 10
    assert stepped.outcome == finished.outcome
    # what is dropped is of relative order |δ|/√N ~ 3e-3 in the rates
    np.testing.assert_allclose(finished.passage[both, 2], stepped.passage[both, 2], rtol=5e-3)
    assert finished.gradients[both].mean() < 0.8 * stepped.gradients[both].mean()
    arrived = np.isfinite(finished.passage).all(axis=1)
    # the energy is measured where the step ends, and float32 adds its rounding
    assert (finished.end.energy[arrived] < 2e-10).all()
    norms = (np.asarray(finished.state.w, float) ** 2).sum(axis=1)
    np.testing.assert_allclose(norms, problem.dimension, rtol=1e-6)


def test_save_times_are_met_by_runs_that_the_linearised_flow_takes_on():
    """Every run is at each time, or has ended; none waits near the signal."""
    design = Design(n=32, alpha=12, seed=0, runs=8)
    problem, start = draw_problem(design), design.start()
    times = np.linspace(0.1, 1.5, 15)
    solver = GradientFlow(linear_below=1e-2)
    run = integrate(
        problem, start, 2.0, solver=solver, save_at=times, observe=lambda _, state: state
    )
    for t, state in zip(times, run.observed, strict=True):
        arrived = np.isclose(np.asarray(state.t), t, rtol=1e-5)
        assert (arrived | ~np.asarray(state.running)).all()
    stepped = integrate(problem, start, 2.0, save_at=times)
    found = np.isfinite(stepped.passage[:, 2])
    assert found.sum() >= 4
    # what the linear flow drops is of relative order |δ|/√N < 1e-2 in the rates
    np.testing.assert_allclose(run.passage[found, 2], stepped.passage[found, 2], rtol=2e-2)
    assert run.outcome == stepped.outcome


@pytest.mark.slow
def test_a_krylov_step_is_taken_back_where_the_minimum_is_not_the_signal():
    """With a little label noise the energy near the signal does not fall like the linear flow's."""
    design = Design(n=64, alpha=10, seed=0, runs=16)
    clean = draw_problem(design)
    noisy = Problem(clean.sensing, clean.labels * (1 + 1e-3), clean.teacher, clean.loss)
    stepped = integrate(noisy, design.start(), 1.8)
    finished = integrate(noisy, design.start(), 1.8, solver=GradientFlow(linear_below=1e-4))
    assert (stepped.end.energy < 1e-4).sum() >= 10
    assert np.isnan(finished.passage[:, 2]).all()
    assert np.isfinite(stepped.passage).sum() == np.isfinite(finished.passage).sum()
