"""The flow: orders of convergence, the sphere, descent, agreement of two routes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import (
    ACCURATE,
    FLOW,
    SWEEP,
    AtEnergy,
    GradientDescent,
    GradientFlow,
    Outcome,
    integrate,
)
from gapless.flow.control import energy_rounding
from gapless.problem import Problem, draw_problem
from gapless.sphere import normalise, tangent


def test_the_clock_is_kept_and_save_times_are_met():
    design = Design(n=32, alpha=6, seed=0, runs=4)
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
    design = Design(n=128, alpha=12, seed=3, runs=4)
    problem, start = draw_problem(design, "shuffled"), design.start()
    whole = integrate(problem, start, 0.3)
    parts = integrate(problem, start, 0.3, save_at=np.linspace(0.01, 0.3, 30))
    np.testing.assert_allclose(parts.end.energy, whole.end.energy, rtol=5e-3)


def test_bad_times_are_named():
    design = Design(n=8, alpha=4, seed=0, runs=1)
    problem, start = draw_problem(design), design.start()
    for t_max in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"^t_max: "):
            integrate(problem, start, t_max)
    for times in ([0.2, 0.1], [-1.0], [2.0], [0.1, 0.1]):
        with pytest.raises(ValueError, match=r"^save_at: "):
            integrate(problem, start, 1.0, save_at=times)


def test_a_stiff_run_ends_when_its_steps_do_and_says_so():
    design = Design(n=32, alpha=6, seed=0, runs=4)
    problem = draw_problem(design, noise=1e6)
    run = integrate(problem, design.start(), 1.8, solver=GradientFlow(max_steps=60))
    assert set(run.outcome) == {Outcome.time_out}
    assert (run.steps == 60).all()
    assert (run.stopped_at < 1.8).all()
    assert all("60 steps" in reason for reason in run.reason)
    enough = integrate(draw_problem(design), design.start(), 0.01)
    assert set(enough.reason) == {""}
    with pytest.raises(ValueError, match=r"^rate: "):
        integrate(problem, design.start(), 1.0, solver=GradientDescent(1e-12))


def test_a_start_is_a_direction_whatever_its_length():
    design = Design(n=32, alpha=6, seed=0, runs=4)
    problem, start = draw_problem(design), np.asarray(design.start())
    usual = integrate(problem, start, 0.1)
    for factor in (2.0**100, 2.0**-100, 2.0**-1000):
        run = integrate(problem, start.astype(float) * factor, 0.1)
        np.testing.assert_array_equal(run.state.w, usual.state.w)
    with jax.enable_x64(True):  # else a start in float64 is no array of jax
        long = integrate(problem, jnp.asarray(1e200 * start.astype(float)), 0.1)
    np.testing.assert_allclose(long.state.w, usual.state.w, rtol=1e-4)
    hole = start * [[1], [1], [1], [np.nan]]
    for bad in (0 * start, start[:1], start[:, :5], start[0], start + 0j, hole):
        with pytest.raises(ValueError, match=r"^start: "):
            integrate(problem, bad, 0.1)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_a_problem_is_computed_in_its_own_precision_whatever_the_global_flag(dtype):
    design = Design(n=32, alpha=6, seed=0, runs=4)
    found = []
    for flag in (False, True):
        with jax.enable_x64(flag):
            problem, start = draw_problem(design, "shuffled", dtype=dtype), design.start()
            crossing = integrate(problem, start, 0.1, stop=AtEnergy(8.0))
            run = integrate(problem, start, 0.1, observe=lambda _, state: state)
            for state in (run.state, crossing.state, run.observed[0]):
                assert {str(part.dtype) for part in state if part.dtype.kind == "f"} == {dtype}
            found.append([run.state.w, crossing.state.w])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("solver", "in_numpy"), [(FLOW, True), (GradientDescent(2e-3), False)])
def test_the_flow_by_transforms_is_that_by_their_matrix(solver, in_numpy):
    design = Design(n=24, alpha=5, seed=0, runs=3, in_numpy=in_numpy, sensing="fast")
    fast = draw_problem(design, dtype="float64")
    matrix = np.asarray(fast.sensing.map(np.asarray))  # without programs
    dense = Problem(matrix, fast.labels, fast.teacher)
    one, other = (
        integrate(problem, design.start(), 0.3, solver=solver, save_at=[0.1, 0.3])
        for problem in (fast, dense)
    )
    # rounding of float64, magnified by a flow that is still far from its attractors at t = 0.3
    np.testing.assert_allclose(one.energy, other.energy, rtol=1e-9)
    np.testing.assert_allclose(one.saved.signed_overlap, other.saved.signed_overlap, atol=1e-9)


def test_batches_by_transforms_shrink_and_change_no_outcome():
    design = Design(n=64, alpha=7, seed=2, runs=12, in_numpy=True, sensing="fast")
    problem, start = draw_problem(design), design.start()
    whole = integrate(problem, start, 1.8, save_at=[1.8])
    shrinking = integrate(problem, start, 1.8)
    assert len(set(whole.outcome)) > 1
    assert whole.outcome == shrinking.outcome
    # batches of other sizes take other stages: steps err by 2 % of what is left
    np.testing.assert_allclose(whole.passage[:, 0], shrinking.passage[:, 0], rtol=1e-2)


FREE = Design(n=48, alpha=10, seed=3, runs=4, in_numpy=True)  # nothing is compiled


def test_without_the_sphere_the_energy_never_rises_and_the_signal_has_norm_one():
    free, times = draw_problem(FREE, sphere=False), np.geomspace(1e-3, 6.0, 60)
    run = integrate(free, FREE.start(), 6.0, save_at=times)
    energy = np.column_stack([run.start.energy, run.energy])
    slack = energy_rounding(free, energy[:, :-1].ravel()).reshape(4, -1)
    assert (np.diff(energy, axis=1) <= slack).all()
    assert (run.start.rho == pytest.approx(1, rel=1e-6)) & (run.rho.min(axis=1) < 0.9).all()
    found = np.array(run.outcome) == Outcome.recovered
    assert found.any()
    # e = ⟨δ, Hδ⟩/2N with H ⪰ 1 at the signal here: |δ|²/N ≤ 2e, and ρ − 1 = 2⟨δ, W*⟩/N + …
    assert (np.abs(run.end.rho - 1)[found] <= 3 * np.sqrt(2 * run.end.energy[found]) + 1e-6).all()
    # a run at rest has no radial force: ρ is stationary there
    assert (run.mu == 0).all()


def test_the_norm_moves_by_twice_the_multiplier_of_the_sphere():
    """dρ/dt = −2⟨∇L, W⟩/N, which is −2μ of Eq. 3 at a state on the sphere."""
    start, t = FREE.start().astype(float), 1e-6
    mu = draw_problem(FREE, dtype="float64").multiplier(start)
    run = integrate(draw_problem(FREE, dtype="float64", sphere=False), start, t)
    # relative errors: of second order, t times a rate of some 10²
    np.testing.assert_allclose((run.end.rho - run.start.rho) / t, -2 * mu, rtol=1e-3)


def test_with_the_norm_held_it_is_the_flow_on_the_sphere():
    """Euler's steps along the projected velocity, divided by the norm: bit by bit but rounding."""
    free, on = (draw_problem(FREE, dtype="float64", sphere=sphere) for sphere in (False, True))
    rate, w = 1e-3, normalise(FREE.start().astype(float))
    expected = integrate(on, w, 20 * rate, solver=GradientDescent(rate)).state.w
    for _ in range(20):
        w = normalise(w + rate * tangent(free.evaluate(w).velocity, w / 48**0.5))
    np.testing.assert_allclose(w, expected, rtol=1e-11, atol=1e-11)


def test_without_the_sphere_axes_are_arbitrary_and_lengths_are_not():
    free = draw_problem(FREE, dtype="float64", sphere=False)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(48, 48)))[0]
    turned = Problem(
        free.sensing @ turn, free.labels, free.teacher @ turn, free.loss, sphere=False
    ).to_numpy()
    start = 0.7 * FREE.start().astype(float)
    here = integrate(free, start, 0.05)
    there = integrate(turned, start @ turn, 0.05)
    np.testing.assert_allclose(here.start.rho, 0.49, rtol=1e-6)
    np.testing.assert_allclose(there.end.rho, here.end.rho, rtol=1e-7)
    np.testing.assert_allclose(there.end.energy, here.end.energy, rtol=1e-7)
    other = integrate(free, FREE.start().astype(float), 0.05)
    assert (np.abs(other.end.rho / here.end.rho - 1) > 1e-3).any()


def test_the_krylov_step_ends_at_the_norm_of_the_signal_too():
    design = Design(n=128, alpha=12, seed=1, runs=4)
    free, start = draw_problem(design, sphere=False), design.start()
    stepped, leapt = (integrate(free, start, 4.0, solver=s) for s in (ACCURATE, SWEEP))
    ends = np.array([run.outcome for run in (stepped, leapt)])
    found = (ends == Outcome.recovered).all(axis=0)
    assert found.any()
    np.testing.assert_allclose(leapt.end.rho[found], 1, atol=1e-4)
    # the tolerance of sweeps, 4e-2 a step, moves passages by a few per cent at most
    late = leapt.passage[found, 2] / stepped.passage[found, 2]
    np.testing.assert_allclose(late, 1, rtol=0.05)
    assert leapt.gradients.sum() < stepped.gradients.sum()


def test_without_the_sphere_a_run_that_goes_far_has_an_outcome():
    design = Design(n=24, alpha=8, seed=0, runs=3, in_numpy=True)
    problem = draw_problem(design, sphere=False)
    found = integrate(problem, design.start(), 1.0, solver=GradientDescent(0.5))
    assert (found.end.rho > 1e8).all()
    assert len(found.outcome) == 3
