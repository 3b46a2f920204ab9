"""Solvers: the sphere, descent, and the agreement of flow and gradient descent."""

import jax.numpy as jnp
import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import (
    ACCURATE,
    FLOW,
    PAPER,
    GradientDescent,
    GradientFlow,
    Outcome,
    chebyshev_method,
    integrate,
    paper_budget,
)
from gapless.flow.control import energy_rounding
from gapless.problem import draw_problem


def test_a_tighter_tolerance_follows_the_flow_more_closely(smooth, reference):
    problem, start = smooth
    runs = [integrate(problem, start, 0.08, solver=GradientFlow(tol)) for tol in (1e-3, 1e-5)]
    errors = [np.linalg.norm(np.asarray(run.state.w) - reference) for run in runs]
    # local error h³ at tolerance, steps ~ tolerance^(-1/3): global error ~ tolerance^(2/3)
    assert 0.5 < np.log(errors[0] / errors[1]) / np.log(100) < 0.85


def test_states_stay_on_the_sphere_and_the_energy_never_rises():
    design = Design(n=32, alpha=6, seed=1, runs=4)
    for labels in ("teacher", "shuffled"):
        problem = draw_problem(design, labels)
        times = np.geomspace(1e-3, 2.4, 120)
        run = integrate(problem, design.start(), 2.4, save_at=times)
        energy = np.column_stack([run.start.energy, run.energy])
        slack = np.asarray(energy_rounding(problem, jnp.asarray(energy[:, :-1].ravel())))
        assert (np.diff(energy, axis=1) <= slack.reshape(4, -1)).all()
        norms = (np.asarray(run.state.w, float) ** 2).sum(axis=1)
        np.testing.assert_allclose(norms, 32, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: GradientDescent(0.0), "rate"),
        (lambda: GradientFlow(0.0), "tolerance"),
        (lambda: chebyshev_method(1), "stages"),
    ],
)
def test_bad_steps_are_refused(make, name):
    with pytest.raises(ValueError, match=f"^{name}: "):
        make()


@pytest.mark.slow
def test_the_flow_agrees_with_the_papers_descent_and_needs_ten_times_fewer_gradients():
    """N = 512, α = 10, shuffled labels: mean e(t) at equal times to 0.5 %."""
    design = Design(n=512, alpha=10, seed=0, runs=4)
    start, budget = design.start(), paper_budget(512)
    times = np.geomspace(0.01, budget, 12)
    descent = integrate(
        draw_problem(design, "shuffled", dtype="float64"),
        start,
        budget,
        solver=PAPER,
        save_at=times,
    )
    times = np.minimum(descent.t, budget)
    flow = integrate(draw_problem(design, "shuffled"), start, budget, save_at=times)
    ratio = flow.energy.mean(axis=0) / descent.energy.mean(axis=0)
    assert np.abs(ratio - 1).max() < 5e-3
    assert 10 * flow.gradients.mean() < descent.gradients.mean()


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [6, 8, 10])
def test_flow_and_descent_end_alike_on_the_same_instances(alpha):
    """N = 64, 1024 runs: fewer than 1 % end differently away from the edge of the budget."""
    budget, differ, compared = paper_budget(64), 0, 0
    for index in range(16):
        design = Design(n=64, alpha=alpha, seed=11, index=index)
        start = design.start()
        descent = integrate(draw_problem(design, dtype="float64"), start, budget, solver=PAPER)
        flow = integrate(draw_problem(design), start, budget)
        at = list(descent.levels).index(1e-8)
        reached = descent.passage[:, at]
        edge = reached > 0.97 * budget  # solved in the last 3 %
        differ += int((np.isfinite(reached) != np.isfinite(flow.passage[:, at]))[~edge].sum())
        compared += int((~edge).sum())
    assert compared > 900
    assert differ < 0.01 * compared


@pytest.mark.slow
def test_the_accurate_flow_is_right_to_a_thousandth_from_the_start_to_rest():
    design = Design(n=32, alpha=6, seed=3, runs=4)
    problem, start = draw_problem(design, "shuffled", dtype="float64"), design.start()
    times = np.geomspace(0.01, 100, 20)
    exact, ours, usual = (
        integrate(problem, start, 100.0, solver=solver, save_at=times)
        for solver in (GradientFlow(2e-6, max_steps=10**6), ACCURATE, FLOW)
    )
    np.testing.assert_allclose(ours.energy, exact.energy, rtol=1e-3)
    assert ours.outcome == exact.outcome
    assert Outcome.trapped in ours.outcome
    # global errors fall like tolerance^(2/3): by a factor of 100 here
    off = [np.abs(run.energy / exact.energy - 1).max() for run in (ours, usual)]
    assert off[0] < 0.2 * off[1]
