"""Solvers of fixed steps: orders of convergence, clocks, and the paths that they follow."""

import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import GradientDescent, HeavyBall, NormalisedDescent, integrate
from gapless.losses import Loss, normalised
from gapless.problem import draw_problem

DESIGN = Design(n=24, alpha=5, seed=2, runs=2, in_numpy=True)  # nothing is compiled
T = 0.06


LOSS = normalised(1.0)


def problem(sphere=True, loss=LOSS):
    return draw_problem(DESIGN, "shuffled", loss, "float64", sphere=sphere)


def end(run):
    return np.asarray(run.state.w, float)


@pytest.mark.parametrize("sphere", [True, False])
def test_without_momentum_a_heavy_ball_is_gradient_descent_bit_for_bit(sphere):
    runs = [
        integrate(problem(sphere), DESIGN.start(), T, solver=solver, save_at=[0.02, T])
        for solver in (GradientDescent(1e-3), HeavyBall(1e-3, momentum=0.0))
    ]
    np.testing.assert_array_equal(end(runs[0]), end(runs[1]))
    np.testing.assert_array_equal(runs[0].energy, runs[1].energy)
    np.testing.assert_array_equal(runs[0].t, runs[1].t)


def classical(slope, state, steps=40):
    """Return the state at T by the classical Runge–Kutta method of order 4.

    With h λ ≈ 0.2 its error is some 1e-5 of what a first-order method makes with as many steps.
    """
    h = T / steps
    for _ in range(steps):
        k1 = slope(state)
        k2 = slope(state + h / 2 * k1)
        k3 = slope(state + h / 2 * k2)
        k4 = slope(state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state


@pytest.fixture(scope="module", params=[True, False], ids=["sphere", "space"])
def flow(request):
    """A problem with its flow's states at T, and the lengths of the paths in units of √N."""
    here = problem(request.param)
    look = here.for_loops()

    def slope(state):
        found = look.evaluate(state[:, :24])
        return np.column_stack([found.velocity, found.speed2**0.5])

    start = np.asarray(DESIGN.start(), float)
    if request.param:
        start *= 24**0.5 / np.linalg.norm(start, axis=1, keepdims=True)
    found = classical(slope, np.column_stack([start, np.zeros(2)]))
    return here, start, found[:, :24], found[:, 24]


def test_a_heavy_ball_follows_a_damped_particle_to_first_order():
    """τẄ + Ẇ = −∇L, W at rest at first, for one τ and shorter and shorter steps."""
    mass, free, w = 0.01, problem(sphere=False), np.asarray(DESIGN.start(), float)
    look = free.for_loops()

    def slope(state):
        return np.stack([state[1], (-look.gradient(state[0]) - state[1]) / mass])

    exact = classical(slope, np.stack([w, np.zeros_like(w)]))[0]
    errors = []
    for steps in (50, 100, 200):
        tick = T / steps
        # β such that τ = ηβ/(1−β)² with η = (1−β) tick
        beta = mass / (mass + tick)
        solver = HeavyBall(tick * (1 - beta), beta)
        assert solver.tick == pytest.approx(tick, rel=1e-12)
        assert solver.rate * beta / (1 - beta) ** 2 == pytest.approx(mass, rel=1e-12)
        errors.append(np.linalg.norm(end(integrate(free, w, T, solver=solver)) - exact))
    # halving the step halves the error, up to a term of second order
    assert np.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.15)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(1, abs=0.08)


def test_a_heavy_ball_of_small_rate_is_the_flow(flow):
    here, start, exact, _ = flow
    errors = []
    for rate in (8e-4, 4e-4):
        run = integrate(here, start, T, solver=HeavyBall(rate / 2, momentum=0.5))
        errors.append(np.linalg.norm(end(run) - exact))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.12)


def test_on_the_sphere_the_velocity_of_a_heavy_ball_stays_tangent():
    run = integrate(problem(), DESIGN.start(), T, solver=HeavyBall(2e-4, momentum=0.9))
    w, velocity = end(run), np.asarray(run.state.before, float)
    np.testing.assert_allclose((w**2).sum(axis=1), 24, rtol=1e-13)
    size = np.linalg.norm(velocity, axis=1) * 24**0.5
    assert (np.abs((w * velocity).sum(axis=1)) < 1e-14 * 24 * size).all()
    assert (size > 0).all()


def test_normalised_descent_has_the_path_of_the_flow_and_its_length_as_time(flow):
    """After the length of the flow's path it is where the flow is, to first order in the step."""
    here, start, exact, length = flow
    errors = np.zeros((2, 2))
    for run in range(2):
        for i, steps in enumerate((40, 80)):
            solver = NormalisedDescent(length[run] / steps)
            found = integrate(here, start, length[run], solver=solver)
            assert found.stopped_at[run] == pytest.approx(length[run], rel=1e-12)
            errors[i, run] = np.linalg.norm(end(found)[run] - exact[run])
    assert (errors[0] < 0.05 * length * 24**0.5).all()
    np.testing.assert_allclose(np.log2(errors[0] / errors[1]), 1, atol=0.25)


def test_every_normalised_step_has_one_length():
    states = []
    integrate(
        problem(sphere=False),
        DESIGN.start(),
        0.1,
        solver=NormalisedDescent(0.01),
        save_at=0.01 * np.arange(11),
        observe=lambda _, state: states.append(np.asarray(state.w, float)),
    )
    lengths = np.linalg.norm(np.diff(states, axis=0), axis=2)
    # differences of states of norm √24
    np.testing.assert_allclose(lengths, 0.01 * 24**0.5, rtol=1e-12)


@pytest.mark.parametrize(
    ("solver", "faster"),
    [
        (HeavyBall(2.0**-11, 0.75), lambda c: HeavyBall(2.0**-11 / c, 0.75)),
        (NormalisedDescent(2.0**-7), lambda c: NormalisedDescent(2.0**-7)),
    ],
)
def test_a_loss_times_a_constant_changes_the_clock_of_momentum_and_nothing_of_a_path(
    solver, faster
):
    loss, c = normalised(0.3), 2.0**20
    value, d1, d2 = (lambda yhat, y, f=f: c * f(yhat, y) for f in (loss.value, loss.d1, loss.d2))
    scaled = Loss("scaled", value, d1, d2, c * loss.curvature_infimum)
    t = 0.0625
    time = t if isinstance(solver, NormalisedDescent) else t / c
    one = integrate(problem(loss=loss), DESIGN.start(), t, solver=solver)
    other = integrate(problem(loss=scaled), DESIGN.start(), time, solver=faster(c))
    # powers of two round nothing
    np.testing.assert_array_equal(end(one), end(other))
    np.testing.assert_array_equal(one.stopped_at / t, other.stopped_at / time)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: HeavyBall(0.0), "rate"),
        (lambda: HeavyBall(1e-3, momentum=1.0), "momentum"),
        (lambda: HeavyBall(1e-3, momentum=-0.1), "momentum"),
        (lambda: HeavyBall(1e-3, momentum=float("nan")), "momentum"),
        (lambda: NormalisedDescent(float("inf")), "rate"),
    ],
)
def test_steps_out_of_range_are_refused(make, name):
    with pytest.raises(ValueError, match=f"^{name}: "):
        make()
