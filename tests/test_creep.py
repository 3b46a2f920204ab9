"""Exponential steps: the linear flow in a Krylov space, and the same descent by two routes."""

import numpy as np
import pytest
import scipy.linalg
from scipy.integrate import quad

from gapless.design import Design
from gapless.flow import FLOW, Adaptive, Outcome, integrate
from gapless.flow.creep import Space, _weight
from gapless.flow.snapshots import snapshots
from gapless.problem import draw_problem

STEPPED = Adaptive(FLOW.tolerance)
"""The same flow without exponential steps."""


@pytest.fixture(scope="module")
def shuffled():
    design = Design(n=32, alpha=6, seed=3, runs=2)
    return draw_problem(design, "shuffled", dtype="float64"), design.start()


@pytest.fixture(scope="module")
def both(shuffled):
    problem, start = shuffled
    times = [0.5, 2.0, 8.0, 100.0]
    return [
        integrate(problem, start, 100.0, stepping=how, save_at=times) for how in (STEPPED, FLOW)
    ]


def _space(shift: float) -> tuple[Space, np.ndarray]:
    """Return the whole space of a random symmetric A with V = 2 e₁, and A."""
    g = np.random.default_rng(0).standard_normal((6, 6))
    a = g @ g.T + shift * np.eye(6)
    nodes, vectors = np.linalg.eigh(a)
    return Space(nodes[None], vectors[None], np.zeros(1), np.array([2.0])), a


@pytest.mark.parametrize("shift", [0.5, -1.0])  # a minimum, a saddle
def test_path_and_velocity_solve_the_linear_flow(shift):
    space, a = _space(shift)
    for h in (0.1, 3.0):
        velocity = scipy.linalg.expm(-h * a)[:, 0] * 2
        exact = np.linalg.solve(a, 2 * np.eye(6)[0] - velocity)
        one = np.array([h])
        np.testing.assert_allclose(space.velocity(one)[0], velocity, rtol=1e-10, atol=1e-12)
        scale = 1e-12 * np.abs(exact).max()
        np.testing.assert_allclose(space.path(one)[0], exact, rtol=1e-10, atol=scale)


def test_rest_is_when_the_velocity_has_fallen_so_far_and_never_at_a_saddle():
    space, _ = _space(0.5)
    when = space.rest(1e-6)
    assert (space.velocity(when) ** 2).sum() == pytest.approx(1e-6, rel=1e-6)
    assert np.isinf(_space(-1.0)[0].rest(1e-6)).all()


@pytest.mark.parametrize("a", [-3.0, 1e-3, 0.04, 0.06, 2.0, 40.0])
def test_the_weight_of_a_defect_is_phi_three(a):
    """2h φ₃(−a) = h ∫₀¹ s² exp(−(1 − s) a) ds; the two formulas meet at a = 0.05 to 1e-6."""
    exact = quad(lambda s: s**2 * np.exp(-(1 - s) * a), 0, 1, epsabs=1e-13)[0]
    h = 0.7
    assert _weight(np.array([a / h]), np.array([h]))[0] == pytest.approx(h * exact, rel=2e-6)


@pytest.mark.slow
def test_slow_runs_follow_the_stepped_flow(both):
    stepped, crept = both
    np.testing.assert_allclose(crept.energy, stepped.energy, rtol=3e-3)
    assert crept.outcome == stepped.outcome
    assert set(crept.outcome) == {Outcome.trapped}
    np.testing.assert_allclose(crept.end.energy, stepped.end.energy, rtol=1e-9)
    assert (np.diff(crept.energy, axis=1) <= 1e-12 * crept.energy[:, :-1]).all()
    norms = (np.asarray(crept.state.w) ** 2).sum(axis=1)
    np.testing.assert_allclose(norms, 32, rtol=1e-12)


@pytest.mark.slow
def test_slow_runs_need_fewer_gradients(shuffled):
    problem, start = shuffled
    crept, stepped = (integrate(problem, start, 100.0, stepping=how) for how in (FLOW, STEPPED))
    assert crept.gradients.mean() < 0.8 * stepped.gradients.mean()
    assert (crept.end.speed2 < 1e-10).all()


@pytest.mark.slow
def test_snapshots_reach_their_times_also_when_slow(shuffled):
    problem, start = shuffled
    states = list(snapshots(problem, start, [2.0, 6.0]))
    for state, time in zip(states, (2.0, 6.0), strict=True):
        t = np.asarray(state.t)
        assert ((t == time) | ~np.asarray(state.running)).all()


def test_a_negative_share_is_refused():
    with pytest.raises(ValueError, match=r"^slow_below: "):
        Adaptive(slow_below=-1.0)
