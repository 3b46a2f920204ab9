"""The flow: orders of convergence, the sphere, descent, agreement of two routes."""

import jax
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
    euler,
    integrate,
    paper_budget,
)
from gapless.flow.explicit import (
    MAX_STAGES,
    adams_bashforth_step,
    chebyshev_step,
    error_constant,
    normalise,
    stable_length,
)
from gapless.flow.solvers import energy_rounding
from gapless.losses import normalised
from gapless.problem import Problem, draw_problem, precision


@pytest.fixture(scope="module")
def smooth():
    """A small problem in float64 whose flow is far from its ends up to t = 0.08."""
    design = Design(n=32, alpha=5, seed=0, runs=2)
    return draw_problem(design, "shuffled", dtype="float64"), design.start()


@pytest.fixture(scope="module")
def reference(smooth):
    problem, start = smooth
    exact = integrate(problem, start, 0.08, solver=GradientDescent(1e-4, chebyshev_method(4)))
    return np.asarray(exact.state.w)


@pytest.mark.parametrize(
    "method", [euler, chebyshev_method(2), chebyshev_method(5), chebyshev_method(MAX_STAGES)]
)
def test_order_of_convergence(smooth, reference, method):
    problem, start = smooth
    sizes = 0.08 / np.array([32, 64, 128])
    errors = [
        np.linalg.norm(
            np.asarray(integrate(problem, start, 0.08, solver=GradientDescent(h, method)).state.w)
            - reference
        )
        for h in sizes
    ]
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert abs(slope - method.order) < 0.15


def test_a_tighter_tolerance_follows_the_flow_more_closely(smooth, reference):
    problem, start = smooth
    runs = [integrate(problem, start, 0.08, solver=GradientFlow(tol)) for tol in (1e-3, 1e-5)]
    errors = [np.linalg.norm(np.asarray(run.state.w) - reference) for run in runs]
    # local error h³ at tolerance, steps ~ tolerance^(-1/3): global error ~ tolerance^(2/3)
    assert 0.5 < np.log(errors[0] / errors[1]) / np.log(100) < 0.85


def test_adams_bashforth_has_order_two_on_uneven_steps(smooth, reference):
    problem, start = smooth
    errors = []
    with precision("float64"):
        step = jax.jit(adams_bashforth_step)
        field = jax.jit(lambda w: problem.evaluate(w).velocity)
        for steps in (32, 64, 128):
            # lengths alternate 1 : 2; the start is by the Chebyshev method, of the same order
            lengths = 0.08 * np.tile([2 / 3, 4 / 3], steps // 2) / steps
            w, before, h_before = jnp.asarray(start, "float64"), None, None
            for length in lengths:
                h, velocity = jnp.full(2, length), field(w)
                if before is None:
                    moved = chebyshev_step(field, w, velocity, h, 4)
                else:
                    moved = step(w, velocity, h, before, h_before)
                w, before, h_before = normalise(moved), velocity, h
            errors.append(np.linalg.norm(np.asarray(w) - reference))
    slope = np.polyfit(np.log([32, 64, 128]), np.log(errors), 1)[0]
    assert abs(slope + 2) < 0.15


def _one_step(stages: int, z: jax.Array, h_before: float = 1.0) -> jax.Array:
    """Return W after one step of length 1 of Ẇ = −zW from 1; shape (K, 1)."""
    w = jnp.ones((len(z), 1))
    h = jnp.ones(len(z))
    if stages == 1:
        before = -z[:, None] * jnp.exp(z * h_before)[:, None]
        return adams_bashforth_step(w, -z[:, None] * w, h, before, h_before * h)
    return chebyshev_step(lambda w: -z[:, None] * w, w, -z[:, None] * w, h, stages)


@pytest.mark.parametrize("stages", [2, 3, 7, MAX_STAGES])
def test_chebyshev_stability_on_a_linear_problem(stages):
    """|R(z)| ≤ 1 on all of 0 ≤ −z ≤ β(s), damped where it is stiff; past 1.5 β(s) it is not."""
    with precision("float64"):
        one = jnp.ones(1)
        beta = float(stable_length(jnp.asarray(stages), one, one)[0])
        growth = jnp.abs(_one_step(stages, jnp.linspace(0, beta, 400)))
        assert float(growth.max()) <= 1 + 1e-12
        assert float(growth[200:].max()) < 0.75
        assert float(jnp.abs(_one_step(stages, jnp.array([1.5 * beta])))[0, 0]) > 1
        assert beta == pytest.approx(0.54 * (stages**2 - 1), rel=0.05)


@pytest.mark.parametrize("stages", [1, 2, 3, 7, MAX_STAGES])
def test_error_constants_on_a_linear_problem(stages):
    """W₁ − exp(−z) = C z³ + O(z⁴), also for Adams–Bashforth after a step twice as long."""
    with precision("float64"):
        z, one = jnp.array([1e-2, 1e-3]), jnp.ones(2)
        constant = error_constant(jnp.asarray(stages), one, 2 * one)
        measured = (_one_step(stages, z, 2.0)[:, 0] - jnp.exp(-z)) / z**3
        np.testing.assert_allclose(measured, constant, rtol=2e-2 if stages > 1 else 4e-2)
        assert abs(float(measured[1] / constant[1]) - 1) < 5e-3


def test_states_stay_on_the_sphere_and_the_energy_never_rises():
    design = Design(n=256, alpha=8, seed=1, runs=8)
    for labels in ("teacher", "shuffled"):
        problem = draw_problem(design, labels)
        times = np.geomspace(1e-3, 2.4, 120)
        run = integrate(problem, design.start(), 2.4, save_at=times)
        energy = np.column_stack([run.start.energy, run.energy])
        slack = np.asarray(energy_rounding(problem, jnp.asarray(energy[:, :-1].ravel())))
        assert (np.diff(energy, axis=1) <= slack.reshape(8, -1)).all()
        norms = (np.asarray(run.state.w, float) ** 2).sum(axis=1)
        np.testing.assert_allclose(norms, 256, rtol=1e-6)


def test_the_clock_is_kept_and_save_times_are_met():
    design = Design(n=32, alpha=4, seed=0, runs=4)
    problem, start = draw_problem(design), design.start()
    times = [0.0, 0.013, 0.4]
    flow = integrate(problem, start, 0.5, save_at=times)
    assert flow.t.tolist() == times
    assert (flow.energy[:, 0] == flow.start.energy).all()
    steps = integrate(problem, start, 0.5, solver=GradientDescent(0.004), save_at=times)
    np.testing.assert_allclose(steps.t, [0.0, 0.012, 0.4], rtol=1e-12)
    timed_out = np.array(steps.outcome) == Outcome.time_out
    assert (steps.steps[timed_out] == 125).all()
    assert timed_out.any()


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


@pytest.mark.parametrize("solver", [FLOW, GradientDescent(1e-3)])
def test_a_run_that_is_not_finite_ends_as_such_and_leaves_the_others_alone(solver):
    design = Design(n=32, alpha=6, seed=0, runs=4)
    problem = draw_problem(design)
    wild = Problem(
        problem.sensing,
        problem.labels.at[1].set(1e25),  # ℓ overflows float32
        problem.teacher,
        problem.loss,
    )
    alone = integrate(problem, design.start(), 0.2, solver=solver)
    mixed = integrate(wild, design.start(), 0.2, solver=solver)
    assert mixed.outcome[1] == Outcome.not_finite
    others = [0, 2, 3]
    assert [mixed.outcome[k] for k in others] == [alone.outcome[k] for k in others]
    if solver is not FLOW:  # with step control the batch shares its number of stages
        np.testing.assert_array_equal(mixed.energy[others], alone.energy[others])
    assert (np.abs(np.asarray(mixed.state.w)) < 1e3).all()


def test_a_run_that_diverges_keeps_the_last_finite_state():
    design = Design(n=32, alpha=6, seed=0, runs=4)
    problem = draw_problem(design)
    run = integrate(problem, design.start(), 10.0, solver=GradientDescent(1.0))
    assert np.isfinite(run.end.energy).all()


def test_the_same_run_whatever_the_cut_of_its_time_axis_up_to_the_tolerance():
    design = Design(n=128, alpha=10, seed=3, runs=4)
    problem, start = draw_problem(design, "shuffled"), design.start()
    whole = integrate(problem, start, 0.3)
    parts = integrate(problem, start, 0.3, save_at=np.linspace(0.01, 0.3, 30))
    np.testing.assert_allclose(parts.end.energy, whole.end.energy, rtol=5e-3)


def test_other_losses_flow_too():
    design = Design(n=64, alpha=6, seed=0, runs=8)
    problem = draw_problem(design, loss=normalised(1.0))
    run = integrate(problem, design.start(), 20.0)
    assert sum(outcome == Outcome.recovered for outcome in run.outcome) >= 1


def test_bad_times_are_named():
    design = Design(n=8, alpha=4, seed=0, runs=1)
    problem, start = draw_problem(design), design.start()
    for t_max in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"^t_max: "):
            integrate(problem, start, t_max)
    for times in ([0.2, 0.1], [-1.0], [2.0], [0.1, 0.1]):
        with pytest.raises(ValueError, match=r"^save_at: "):
            integrate(problem, start, 1.0, save_at=times)


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


def test_jit_sees_one_loop_for_all_stages():
    """The number of stages is traced: a step with another number compiles nothing new."""
    with precision("float32"):
        w, h = jnp.ones((1, 3)), jnp.ones(1)
        traced = []

        @jax.jit
        def step(stages):
            traced.append(stages)
            return chebyshev_step(lambda w: -w, w, -w, h, stages)

        step(3)
        step(9)
        assert len(traced) == 1


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


@pytest.mark.slow
def test_the_last_decades_in_one_krylov_step_are_those_of_the_flow():
    """First passages of two routes: solver all the way, and the linear flow about the signal."""
    design = Design(n=64, alpha=10, seed=0, runs=16)
    problem, start = draw_problem(design), design.start()
    stepped = integrate(problem, start, 1.8)
    finished = integrate(problem, start, 1.8, solver=GradientFlow(linear_below=1e-4))
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
    np.testing.assert_allclose(norms, 64, rtol=1e-6)


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
