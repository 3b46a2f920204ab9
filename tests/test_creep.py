"""Slow runs: the projected flow against full ones, and the same descent by two routes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from scipy.integrate import quad, solve_ivp

from gapless.design import Design
from gapless.flow import ACCURATE, FLOW, Adaptive, Outcome, integrate
from gapless.flow.memory import Memory, appended, arrive, force, moved_on, remember
from gapless.flow.reduced import NODES, POWERS, Reduced, _moments, phi1
from gapless.flow.snapshots import snapshots
from gapless.flow.steppers import normalise
from gapless.problem import draw_problem, precision

STEPPED = Adaptive(FLOW.tolerance)
"""The same flow without long steps."""


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


def _operator(shift: float) -> np.ndarray:
    g = np.random.default_rng(0).standard_normal((6, 6))
    return g @ g.T + shift * np.eye(6)


def _solve(a: np.ndarray, g: np.ndarray, h: float, bent=lambda c: 0 * c):
    """Return the solution of ċ = g − Ac + n(c) at h."""
    found = Reduced.of(a[None], g[None]).solve(
        np.array([h]), np.zeros((1, len(NODES), 6)), lambda c: g - c @ a + bent(c), np.zeros(1)
    )
    return found.c[0], found


@pytest.mark.parametrize("shift", [0.5, -1.0])  # a minimum, a saddle
@pytest.mark.parametrize("h", [0.1, 3.0])
def test_a_linear_flow_is_solved_exactly(shift, h):
    a, g = _operator(shift), 2 * np.eye(6)[0]
    exact = np.linalg.solve(a, g - scipy.linalg.expm(-h * a) @ g)
    c, found = _solve(a, g, h)
    # what rounding leaves as n is of the size of A c, times h φ₁
    rounding = 1e-12 * (1 + np.linalg.norm(a, 2) * h) * np.abs(exact).max()
    np.testing.assert_allclose(c, exact, atol=rounding)
    assert found.roughness[0] <= rounding


def test_a_bent_flow_is_solved_to_the_fifth_order():
    """n is found to s⁴, so that c is off by O(h⁶); the estimate, one degree lower, by O(h⁵)."""
    a, g = _operator(0.5) / 20, np.array([1.0, -0.5, 0.3, 0.0, 0.2, 0.1])

    def bent(c: np.ndarray) -> np.ndarray:
        return 0.3 * c * np.roll(c, 1, axis=-1)

    lengths, errors, estimates = (0.15, 0.3), [], []
    for h in lengths:
        exact = solve_ivp(
            lambda _, c: g - a @ c + bent(c), (0, h), np.zeros(6), rtol=1e-12, atol=1e-13
        ).y[:, -1]
        c, found = _solve(a, g, h, bent)
        errors.append(np.linalg.norm(c - exact))
        estimates.append(found.roughness[0])
    slopes = [np.log2(pair[1] / pair[0]) for pair in (errors, estimates)]
    assert slopes[0] > 5.5
    assert slopes[1] > 4.5
    assert errors[1] < estimates[1]


@pytest.mark.parametrize("a", [-3.0, 1e-3, 2.0, 9.9, 10.1, 29.0, 31.0, 400.0])
@pytest.mark.parametrize("x", NODES)
def test_moments_by_gauss_and_by_parts(a, x):
    exact = [
        quad(lambda v, p=p: np.exp(-(x - v) * a) * v**p, 0, x, epsabs=1e-14, points=[0.9 * x])[0]
        for p in (0, *POWERS)
    ]
    np.testing.assert_allclose(_moments(np.full((1, 1), a), x)[0, :, 0], exact, rtol=1e-8)


def test_what_a_steady_force_does():
    h, rates = np.array([0.7]), np.array([-2.0, 0.0, 1e-9, 3.0])
    exact = [quad(lambda s, r=r: np.exp(-(0.7 - s) * r), 0, 0.7)[0] for r in rates]
    np.testing.assert_allclose(phi1(rates, h), exact, rtol=1e-12)


def test_rest_is_when_the_velocity_has_fallen_so_far_and_never_at_a_saddle():
    g = 2 * np.eye(6)[0]
    a = _operator(0.5)
    when = Reduced.of(a[None], g[None]).rest(1e-6)
    velocity = scipy.linalg.expm(-when[0] * a) @ g
    assert (velocity**2).sum() == pytest.approx(1e-6, rel=1e-6)
    assert np.isinf(Reduced.of(_operator(-1.0)[None], g[None]).rest(1e-6)).all()


@pytest.fixture(scope="module")
def travelled(shuffled):
    """Return a problem, and states with memories that have moved."""
    problem, start = shuffled
    rng = np.random.default_rng(1)
    with precision(problem.dtype):
        w = normalise(jnp.asarray(start, problem.dtype))
        memory, yes = remember(problem, w), jnp.array([True, True])
        for _ in range(6):
            v = problem.evaluate(w).velocity + jnp.asarray(rng.standard_normal(w.shape))
            memory = appended(problem, memory, w, v, yes)
            c = jnp.asarray(0.3 * rng.standard_normal(memory.basis.shape[:2]))
            c = jnp.where(jnp.arange(c.shape[1])[None] < memory.filled[:, None], c, 0)
            end = arrive(problem, memory, w, c)
            memory, w = moved_on(memory, end.w, end.labels, yes), end.w
        return problem, w, memory


def test_a_memory_stays_orthonormal_tangent_and_true(travelled):
    problem, w, memory = travelled
    k, size, _ = memory.basis.shape
    basis, w = np.asarray(memory.basis), np.asarray(w)
    filled = np.arange(size) < np.asarray(memory.filled)[:, None]
    for run in range(k):
        gram = basis[run] @ basis[run].T
        np.testing.assert_allclose(gram, np.diag(1.0 * filled[run]), atol=1e-12)
        np.testing.assert_allclose(basis[run] @ w[run], 0, atol=1e-12)
    images = basis @ np.asarray(problem.sensing).T
    np.testing.assert_allclose(memory.images, images, atol=1e-12)
    np.testing.assert_allclose(memory.labels, w @ np.asarray(problem.sensing).T, atol=1e-12)


def test_force_and_what_it_misses_are_the_flow_in_the_chart(travelled):
    """δ̇ = |δ-sphere| (V − (⟨W₀, V⟩/⟨W₀, W⟩) W) from the full velocity V at the end."""
    problem, w, memory = travelled
    rng = np.random.default_rng(2)
    with precision(problem.dtype):
        c = 0.3 * rng.standard_normal(memory.basis.shape[:2])
        c = np.where(np.arange(c.shape[1]) < np.asarray(memory.filled)[:, None], c, 0)
        end = arrive(problem, memory, w, jnp.asarray(c))
        inside = np.asarray(force(problem, memory, jnp.asarray(c[:, None])))[:, 0]
        there = problem.evaluate(end.w)
        velocity, w_end = np.asarray(there.velocity), np.asarray(end.w)
    np.testing.assert_allclose(end.here.velocity, velocity, atol=1e-11)
    np.testing.assert_allclose(end.here.energy, there.energy, rtol=1e-12)
    stretch = np.sqrt(1 + (c**2).sum(axis=1, keepdims=True) / problem.n)
    start, basis = np.asarray(w), np.asarray(memory.basis)
    along = (start * velocity).sum(axis=1, keepdims=True) / (start * w_end).sum(1, keepdims=True)
    full = stretch * (velocity - along * w_end)
    np.testing.assert_allclose(np.einsum("kbn,kn->kb", basis, full), inside, atol=1e-10)
    outside = full - np.einsum("kb,kbn->kn", inside, basis)
    np.testing.assert_allclose(end.residual, outside, atol=1e-10)
    np.testing.assert_allclose(end.missed, np.linalg.norm(outside, axis=1), rtol=1e-9)


def test_the_oldest_directions_make_room(travelled):
    problem, w, memory = travelled
    size = memory.basis.shape[1]
    with precision(problem.dtype):
        rng = np.random.default_rng(3)
        full = jax.tree.map(jnp.copy, memory)
        while int(full.filled[0]) < size:
            v = jnp.asarray(rng.standard_normal(w.shape))
            full = appended(problem, full, w, v, jnp.array([True, False]))
        kept = Memory(*(np.asarray(part) for part in full))
        after = moved_on(full, w, full.labels + 0, jnp.array([True, True]))
    dropped = size - int(after.filled[0])
    assert 0 < dropped < size
    assert int(after.filled[1]) == kept.filled[1]
    np.testing.assert_allclose(
        after.basis[0, : size - dropped], kept.basis[0, dropped:], atol=1e-12
    )


@pytest.mark.slow
def test_slow_runs_follow_the_stepped_flow(shuffled):
    problem, start = shuffled
    times = [0.5, 2.0, 8.0, 100.0]
    stepped = integrate(problem, start, 100.0, stepping=Adaptive(1e-4), save_at=times)
    crept = integrate(problem, start, 100.0, stepping=ACCURATE, save_at=times)
    np.testing.assert_allclose(crept.energy, stepped.energy, rtol=1e-3)
    assert crept.outcome == stepped.outcome
    assert set(crept.outcome) == {Outcome.trapped}
    np.testing.assert_allclose(crept.end.energy, stepped.end.energy, rtol=1e-9)


@pytest.mark.slow
def test_slow_runs_descend_on_the_sphere(both):
    stepped, crept = both
    np.testing.assert_allclose(crept.energy, stepped.energy, rtol=3e-3)
    assert (np.diff(crept.energy, axis=1) <= 1e-12 * crept.energy[:, :-1]).all()
    norms = (np.asarray(crept.state.w) ** 2).sum(axis=1)
    np.testing.assert_allclose(norms, 32, rtol=1e-12)


@pytest.mark.slow
def test_a_slow_run_is_the_same_alone_and_in_company(shuffled):
    """All of the way in long steps: those of `Adaptive` take as many stages as suits the batch."""
    problem, start = shuffled
    slow = Adaptive(slow_below=1e9)
    together = integrate(problem, start, 100.0, stepping=slow)
    with precision(problem.dtype):
        few = problem.of_runs(jnp.array([1]))
    alone = integrate(few, start[1:], 100.0, stepping=slow)
    assert alone.gradients[0] == together.gradients[1]
    np.testing.assert_allclose(alone.stopped_at[0], together.stopped_at[1], rtol=1e-6)
    np.testing.assert_allclose(alone.end.energy[0], together.end.energy[1], rtol=1e-10)


@pytest.mark.slow
def test_slow_runs_need_fewer_gradients(shuffled):
    problem, start = shuffled
    crept, stepped = (integrate(problem, start, 100.0, stepping=how) for how in (FLOW, STEPPED))
    assert crept.gradients.mean() < 0.8 * stepped.gradients.mean()
    assert (crept.end.speed2 < 1e-10).all()


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 6])
def test_a_memory_may_span_the_whole_sphere(n):
    design = Design(n=n, alpha=4, seed=1, runs=3)
    problem = draw_problem(design, "shuffled", dtype="float64")
    found = [
        integrate(problem, design.start(), 200.0, stepping=how)
        for how in (Adaptive(1e-3), ACCURATE)
    ]
    np.testing.assert_allclose(found[0].end.energy, found[1].end.energy, rtol=1e-6)


@pytest.mark.slow
def test_labels_carried_on_do_not_drift():
    """In float32 a run is at rest by its true velocity, not only by the one carried along."""
    design = Design(n=128, alpha=8, seed=2, runs=4)
    problem = draw_problem(design, "shuffled")
    found = integrate(problem, design.start(), 1000.0)
    rest = np.array([outcome is Outcome.trapped for outcome in found.outcome])
    assert rest.any()
    assert (np.asarray(problem.evaluate(found.state.w).speed2)[rest] < 2e-10).all()


@pytest.mark.slow
def test_snapshots_reach_their_times_also_when_slow(shuffled):
    problem, start = shuffled
    states = list(snapshots(problem, start, [2.0, 6.0]))
    for state, time in zip(states, (2.0, 6.0), strict=True):
        t = np.asarray(state.t)
        assert ((t == time) | ~np.asarray(state.running)).all()


@pytest.mark.parametrize("name, value", [("slow_below", -1.0), ("slow_error", 0.0)])
def test_a_bad_bound_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: "):
        Adaptive(**{name: value})
