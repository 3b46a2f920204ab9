"""Laws of the N = ∞ dynamics: exact cases, short times, order of the step, errors, bad input."""

import numpy as np
import pytest

from dmft_laws import bounded, descent, finished, images, spread_bound, square
from gapless.design import Design
from gapless.losses import Loss, amplitude, parse_loss, quartic
from gapless.theory.dmft import (
    RESIDUAL,
    Dynamics,
    GradientDescent,
    GradientFlow,
    PathDraws,
    Run,
    solve,
)
from gapless.theory.dmft.sensing import ROUNDING
from gapless.theory.label_measure import evaluate


def weighted(y):
    return -np.exp(-(y**2))


bowl = Loss(
    "bowl",
    lambda h, y: weighted(y) * h**2,
    lambda h, y: 2 * h * weighted(y),
    lambda h, y: 2 * weighted(y) + 0 * h,
    -2.0,
)
"""ℓ = −exp(−y²) ŷ²: a linear flow that sees the teacher."""


def marchenko_pastur(alpha):
    """Eigenvalues of XᵀX and their weights: Gauss–Chebyshev rule of the second kind."""
    low, high = (np.sqrt(alpha) - 1) ** 2, (np.sqrt(alpha) + 1) ** 2
    angle = np.arange(1, 400) * np.pi / 400
    values = (low + high) / 2 + (high - low) / 2 * np.cos(angle)
    weights = np.sin(angle) ** 2 / values
    return values, weights / weights.sum()


def descent_on_what_was_drawn(system, step, steps):
    """Gradient descent in float64 on the X of a run: e, μ, w, and each probe's δw, by state."""
    dynamics, y = system.dynamics, system.y.astype(float)
    n = system.draws.paths / dynamics.alpha
    x, *others = map(images, system.sensing)
    w, m = np.zeros(len(x)), dynamics.overlap
    w[:2] = (m, np.sqrt(1 - m**2)) if dynamics.labels == "teacher" else (1, 0)
    probes = [np.eye(len(one))[0] for one in others]
    starts = [round(t / step) for t in dynamics.waiting for _ in dynamics.probes]
    states = []
    for k in range(steps + 1):
        h = w @ x
        push = x @ (-evaluate(dynamics.loss.d1, h, y) / 2) / n
        slope = -evaluate(dynamics.loss.d2, h, y) / 2
        mu = -push @ w
        energy = dynamics.alpha / 2 * evaluate(dynamics.loss.value, h, y).mean()
        states.append((energy, mu, w, probes))
        w = w + step * (push + mu * w)
        c = 1 / np.linalg.norm(w)
        w = c * w
        probes = [
            c * (v + step * (one @ (slope * (v @ one)) / n + mu * v)) if k >= start else v
            for v, one, start in zip(probes, others, starts, strict=True)
        ]
    return states


@pytest.mark.parametrize("sampling", ["sobol", "random"])
@pytest.mark.parametrize("labels", ["shuffled", "teacher"])
@pytest.mark.parametrize("loss", [square, bounded, quartic], ids=lambda loss: loss.name)
def test_a_run_is_descent_on_the_matrix_that_it_draws(loss, labels, sampling):
    """With all residuals drawn, for any numbers: what is sampled decides about X and nothing else.

    Left out are residuals below `ROUNDING` of a vector.
    """
    step, steps, overlap = 0.01, 12, 0.4 if labels == "teacher" else 0.0
    dynamics = Dynamics(loss, 3.0, labels, overlap, (0.0, 5 * step))
    times = step * np.arange(steps + 1)
    draws = PathDraws(1024, 0, 0, sampling)
    run = finished(Run.begin(dynamics, draws, GradientDescent(step), times, 0.0))
    found, states = run.solution, descent_on_what_was_drawn(run.state.system, step, steps)
    scale = found.energy[0], found.mu[0]
    for k, (energy, mu, w, probes) in enumerate(states):
        assert found.energy[k] == pytest.approx(energy, abs=4 * ROUNDING * scale[0])
        assert found.mu[k] == pytest.approx(mu, abs=4 * ROUNDING * scale[1])
        row = found.saved[k].components
        assert np.pad(row, (0, len(w) - len(row))) == pytest.approx(w, abs=4 * ROUNDING)
        # those of later waiting times have not started
        for v, (along, log) in zip(probes, found.saved[k].probes, strict=False):
            assert along * np.exp(log) == pytest.approx(v[0], rel=8 * ROUNDING)
            assert np.exp(log) == pytest.approx(np.linalg.norm(v), rel=8 * ROUNDING)
    assert np.isnan(found.response[1, :5]).all()
    assert found.response[1, 5] == 1


def test_a_quadratic_loss_is_power_iteration_on_a_wishart_matrix():
    """w_{k+1} ∝ (1 + δμ_k − δA) w_k with A = XᵀX, whose spectrum is Marchenko and Pastur's."""
    alpha, step, steps, paths = 3.0, 0.05, 25, 2**13
    lam, weight = marchenko_pastur(alpha)
    sets = [descent(alpha, step, steps, paths, r, square, waiting=(0.0,)) for r in range(12)]
    p = np.ones_like(lam)
    values, law = np.empty(0), np.nan
    for k in range(steps + 1):
        p /= np.sqrt(weight @ p**2)
        mu = weight @ (lam * p**2)
        # the flow is linear: a push along any direction does what the start does
        laws = dict(energy=mu / 2, mu=mu, correlation_0=weight @ p, response=weight @ p)
        for name, law in laws.items():
            values = np.array([np.ravel(getattr(one, name))[k] for one in sets])
            # the law of P paths is that of N = P/α dimensions: 1/N beside the error of the sets
            assert abs(values.mean() - law) < spread_bound(values) + 4 * law * alpha / paths
        p = (1 + step * mu - step * lam) * p
    # sets scatter like 1/√N: twelve tell means apart by 8/√(12 N) = 0.04
    assert spread_bound(values) < 0.2 * law


def test_a_step_changes_no_state_but_makes_another():
    run = Run.begin(
        Dynamics(quartic, 4.0, waiting=(0.0, 0.02)),
        PathDraws(256, 0),
        GradientDescent(0.02),
        0.02 * np.arange(4),
    )
    first, packed = run.advanced(), run.packed()
    again = run.advanced()
    for name, array in run.packed().items():
        np.testing.assert_array_equal(array, packed[name])
    for name, array in first.packed().items():
        np.testing.assert_array_equal(array, again.packed()[name])
    assert len(finished(first).solution.directions) == 5


@pytest.mark.parametrize(
    "loss",
    [
        pytest.param(bounded, id="smooth"),
        pytest.param(amplitude, id="with a jump", marks=pytest.mark.slow),
    ],
)
def test_drawing_as_needed_is_descent_in_finite_dimension(loss):
    """Plain sampling has the law of gradient descent on a drawn X at any N: here N = 12, α = 6.

    Means of e, μ and C over 75 sets and matrices, until long after directions have run out.
    """
    n, alpha, step, sets = 12, 6.0, 0.03, 75
    paths, saved = round(alpha * n), np.array([2, 5, 10, 20])
    times, theory = step * np.append(0, saved), []
    for path_set in range(sets):
        draws = PathDraws(paths, 0, path_set, "random")
        solver = GradientDescent(step)
        one = solve(Dynamics(loss, alpha), draws, solver, times, residual=0.0)
        theory.append([one.energy[1:], one.mu[1:], one.correlation_0[1:]])
    rng = np.random.default_rng(1)
    x = rng.standard_normal((sets, paths, n))
    y = rng.standard_normal((sets, paths))
    w = rng.standard_normal((sets, n))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    start, runs = w, []
    for k in range(saved[-1] + 1):
        h = np.einsum("smn,sn->sm", x, w)
        force = -evaluate(loss.d1, h, y) / 2
        push = np.einsum("smn,sm->sn", x, force) / n
        mu = -(push * w).sum(axis=1)
        if k in saved:
            energy = alpha / 2 * evaluate(loss.value, h, y).mean(axis=1)
            runs.append([energy, mu, (w * start).sum(axis=1)])
        w = w + step * (push + mu[:, None] * w)
        w /= np.linalg.norm(w, axis=1, keepdims=True)
    ours, theirs = np.array(theory), np.array(runs).transpose(2, 1, 0)
    error = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / sets)
    # twelve differences: 5.5 errors are once in two million
    assert (abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 5.5 * error).all()
    assert (error < 0.1 * abs(theirs.mean(axis=0)).max(axis=1, keepdims=True)).all()


def test_a_small_overlap_grows_as_on_one_large_matrix():
    """Of a linear flow the overlap is W*ᵀ Π c(1 + δμ − δA) W*: here on one matrix, N = 1500."""
    n, alpha, step, steps = 1500, 3.0, 0.05, 20
    rng = np.random.default_rng(0)
    x = rng.standard_normal((int(alpha * n), n), np.float32) / np.sqrt(n)
    teacher = np.zeros(n)
    teacher[0] = 1.0
    d = weighted(x[:, 0] * np.sqrt(n))
    w = rng.standard_normal((8, n))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    m, logs = teacher.copy(), [0.0]
    for _ in range(steps):
        push = -(d * (np.vstack([w, m]) @ x.T)) @ x
        mu = -(push[:-1] * w).sum(axis=1).mean()
        w = w + step * (push[:-1] + mu * w)
        c = 1 / np.linalg.norm(w, axis=1, keepdims=True).mean()
        w, m = c * w, c * (m + step * (push[-1] + mu * m))
        logs.append(np.log(m[0]))
    found = descent(alpha, step, steps, loss=bowl, waiting=(0.0,)).growth[0]
    # y² has relative spread √2 over M samples, P paths: the force on m is known to that
    error = 3 * np.sqrt(2) * (1 / np.sqrt(alpha * n) + 1 / np.sqrt(2048))
    assert abs(found[-1] - logs[-1]) < error * abs(logs[-1])
    assert abs(logs[-1]) > 1  # there is something to compare


def test_the_start_has_gaussian_moments():
    """e, μ and −de/dt = |g|² of the quartic loss at t = 0: 2α, 4α, 48α (dmft.md §6)."""
    alpha, step = 5.0, 1e-3
    found = [descent(alpha, step, 2, paths=2**13, path_set=path_set) for path_set in range(12)]
    for name, law in (("energy", 2 * alpha), ("mu", 4 * alpha), ("speed2", 48 * alpha)):
        values = np.array([getattr(one, name)[0] for one in found])
        assert abs(values.mean() - law) < spread_bound(values) < 0.2 * law


def test_first_two_derivatives_of_the_energy_at_the_start():
    """de/dt = −48α and d²e/dt² = 3840α for the quartic loss (dmft.md §6)."""
    alpha, sets = 6.0, 24
    first, second = np.zeros((2, sets)), np.zeros((2, sets))
    for row, step in enumerate((1e-4, 2e-4)):
        for path_set in range(sets):
            e = descent(alpha, step, 2, paths=2**14, path_set=path_set).energy
            first[row, path_set] = (-3 * e[0] + 4 * e[1] - e[2]) / (2 * step)
            second[row, path_set] = (e[0] - 2 * e[1] + e[2]) / step**2
    for found, law in ((first, -48 * alpha), (second, 3840 * alpha)):
        limit = 2 * found[0] - found[1]  # descent is first order in the step
        assert abs(limit.mean() - law) < spread_bound(limit) < 0.4 * abs(law)


def test_the_correlation_is_a_gram_matrix_with_unit_diagonal():
    found = descent(10.0, 0.01, 40, paths=512)
    rounding = 10 * float(np.finfo(np.float32).eps)
    assert (np.diag(found.correlation) <= 1 + rounding).all()
    assert (np.diag(found.correlation) >= 1 - RESIDUAL**2 - rounding).all()
    assert np.linalg.eigvalsh(found.correlation)[0] > -1e-12
    assert found.correlation[:, 0] == pytest.approx(found.correlation_0, abs=1e-12)


@pytest.mark.parametrize("solver", [GradientDescent(2**-7), GradientFlow()])
@pytest.mark.parametrize("power", [-70, 40])
def test_a_loss_times_a_number_is_the_same_dynamics_on_another_clock(solver, power):
    """Times a power of 1024: to the last bit, whatever thresholds of energy and time there are."""
    c = 2.0**power
    scaled = Loss(
        "scaled",
        lambda h, y: c * quartic.value(h, y),
        lambda h, y: c * quartic.d1(h, y),
        lambda h, y: c * quartic.d2(h, y),
        -np.inf,
    )
    faster = GradientDescent(2**-7 / c) if isinstance(solver, GradientDescent) else solver
    times = 2**-7 * np.arange(5)
    one, other = (
        solve(Dynamics(loss, 4.0, waiting=(0.0,)), PathDraws(256, 0), way, at)
        for loss, way, at in ((quartic, solver, times), (scaled, faster, times / c))
    )
    np.testing.assert_array_equal(other.energy, c * one.energy)
    np.testing.assert_array_equal(other.mu, c * one.mu)
    np.testing.assert_array_equal(other.correlation, one.correlation)
    np.testing.assert_array_equal(other.growth, one.growth)
    assert other.gradients == one.gradients


def test_a_probe_is_the_derivative_of_the_dynamics():
    """With a teacher at ±m₀ on the same paths, (m(t) of + less that of −)/2m₀ is the growth.

    Both see fields along directions of their own, hence the sampling error: that of the overlap is
    σ(F y)/(m₀ √P) a unit of time at most, which both signs halve.
    """
    m0, steps = 0.02, 10

    def overlap(path_set, m):
        run = descent(6.0, 0.01, steps, 2**12, path_set, labels="teacher", overlap=m)
        return run.signed_overlap[-1]

    ratios = []
    for path_set in range(12):
        grown = (overlap(path_set, m0) - overlap(path_set, -m0)) / (2 * m0)
        linear = descent(6.0, 0.01, steps, 2**12, path_set, waiting=(0.0,)).growth[0, -1]
        ratios.append(np.log(grown) - linear)
    # the order m² is (m0 e^g)² = 0.005
    assert abs(np.mean(ratios)) < spread_bound(ratios) + 0.01
    assert spread_bound(ratios) < 0.3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(alpha=0.0), ["alpha", "positive"]),
        (dict(loss=amplitude, waiting=(0.0,)), ["waiting", "jumps"]),
        (dict(loss=parse_loss("normalised:a=1e38")), ["loss", "size", "rescale"]),
        (dict(overlap=0.1), ["overlap", "teacher"]),
        (dict(labels="teacher", overlap=1.5), ["overlap", "between"]),
        (dict(labels="none"), ["labels"]),
        (dict(waiting=(1.0, 0.5)), ["waiting", "ascend"]),
    ],
)
def test_wrong_dynamics_are_refused(change, words):
    with pytest.raises(ValueError, match=words[0]) as caught:
        Dynamics(**(dict(loss=quartic, alpha=4.0) | change))
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("times", "waiting", "words"),
    [
        ([0.0, 0.1], (0.05,), ["waiting", "not among"]),
        ([0.0, 0.1], (0.1,), ["waiting", "before the end"]),
        ([0.1, 0.2], (), ["save_at", "begin with 0"]),
        ([0.0], (), ["save_at", "at least two"]),
        ([0.0, 0.2, 0.1], (), ["save_at", "ascend"]),
        ([0.0, 0.1, 0.1 + 1e-15], (), ["save_at", "a step apart"]),
        ([0.0, np.nan], (), ["save_at", "finite"]),
    ],
)
def test_wrong_times_are_refused(times, waiting, words):
    with pytest.raises(ValueError, match=words[0]) as caught:
        solve(Dynamics(quartic, 4.0, waiting=waiting), PathDraws(64, 0), GradientFlow(), times)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.slow
def test_descent_at_finite_n_follows():
    """Sixteen runs on each of sixteen matrices, N = 512, α = 10, the same step, until t = 0.3."""
    import jax.numpy as jnp

    from gapless.flow import GradientDescent, integrate
    from gapless.problem import draw_problem

    step, steps = 0.01, 30
    energy, mu = [], []
    for index in range(16):
        design = Design(512, 10.0, seed=5, index=index, runs=16)
        problem = draw_problem(design, "shuffled")
        w = jnp.asarray(design.start())
        run = integrate(problem, w, steps * step, solver=GradientDescent(step), save_at=(0.1, 0.3))
        energy.append(run.saved.energy.mean(axis=0))
        mu.append(run.saved.mu.mean(axis=0))
    found = [descent(10.0, step, steps, 2**15, r) for r in range(16)]
    for runs, name in ((np.array(energy), "energy"), (np.array(mu), "mu")):
        theory = np.array([getattr(one, name)[[10, 30]] for one in found])
        # beside the sampling errors, a finite-size shift of 2.5/N relative (dmft.md §6)
        shift = 2.5 / 512 * abs(theory.mean(0))
        allowed = np.hypot(spread_bound(runs), spread_bound(theory)) + shift
        assert (abs(runs.mean(0) - theory.mean(0)) < allowed).all(), name
