"""Laws of the N = ∞ dynamics: exact cases, short times, order of the step, errors, bad input."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from gapless.cli import main
from gapless.design import Design
from gapless.losses import Loss, amplitude, parse_loss, quartic
from gapless.measure import mean_field as experiment
from gapless.measure.checkpoint import checkpoints_in
from gapless.theory.dmft import (
    RESIDUAL,
    Dynamics,
    Ensemble,
    GradientDescent,
    GradientFlow,
    Run,
    Unstable,
    combine,
    power_law_limit,
    solve,
)
from gapless.theory.dmft.paths import QUASI
from gapless.theory.dmft.sensing import ROUNDING, Rows, Sensing, Vector
from gapless.theory.measure import evaluate

square = Loss("square", lambda h, y: h**2, lambda h, y: 2 * h, lambda h, y: 2 + 0 * h, 2.0)
"""ℓ = ŷ²: descent is power iteration on a Wishart matrix."""


bounded = Loss(
    "bounded",
    lambda h, y: np.cos(h) * np.sin(y) + h**2 / 4,
    lambda h, y: -np.sin(h) * np.sin(y) + h / 2,
    lambda h, y: -np.cos(h) * np.sin(y) + 0.5,
    2.0,
)
"""Not quadratic, of bounded curvature: any step that is short enough is stable."""


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


def descent(alpha, step, steps, paths=2048, replica=0, loss=quartic, **more):
    dynamics, times = Dynamics(loss, alpha, **more), step * np.arange(steps + 1)
    return solve(dynamics, Ensemble(paths, 0, replica), GradientDescent(step), times)


def finished(run):
    while not run.is_finished:
        run = run.advanced()
    return run


def spread_bound(values):
    """How far the mean of independent sets may be from its law: once in a million further.

    Student's quantile times the standard error; sets along the first axis.
    """
    sets = len(values)
    return stats.t.isf(5e-7, sets - 1) * np.std(values, axis=0, ddof=1) / np.sqrt(sets)


def marchenko_pastur(alpha):
    """Eigenvalues of XᵀX and their weights: Gauss–Chebyshev rule of the second kind."""
    low, high = (np.sqrt(alpha) - 1) ** 2, (np.sqrt(alpha) + 1) ** 2
    angle = np.arange(1, 400) * np.pi / 400
    values = (low + high) / 2 + (high - low) / 2 * np.cos(angle)
    weights = np.sin(angle) ** 2 / values
    return values, weights / weights.sum()


def linear_flow(matrix, w, t):
    """Where dw/dt = −A w + μ w leads on the sphere."""
    values, vectors = np.linalg.eigh(matrix)
    w = (w @ vectors) * np.exp(-(values - values[0]) * t)
    return vectors @ (w / np.linalg.norm(w))


def images(sensing):
    """X in the directions that were drawn, float64, (J, P)."""
    return sensing.images.array().astype(float)


def descent_on_what_was_drawn(system, step, steps):
    """Gradient descent in float64 on the X of a run: e, μ, w, and each probe's δw, by state."""
    dynamics, y = system.dynamics, system.y.astype(float)
    n = system.ensemble.paths / dynamics.alpha
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
    ensemble = Ensemble(1024, 0, 0, sampling)
    run = finished(Run.begin(dynamics, ensemble, GradientDescent(step), times, 0.0))
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


def test_residuals_bound_what_is_left_out():
    """Residuals shorter than ε lack their ξ: fields are off by a part ε of themselves at most."""
    dynamics, solver, times = Dynamics(square, 3.0), GradientDescent(0.05), 0.05 * np.arange(26)
    whole, rough = (
        [solve(dynamics, Ensemble(1024, 0, r), solver, times, residual=part) for r in range(16)]
        for part in (0.0, 1e-2)
    )
    change = np.array([b.energy / a.energy - 1 for a, b in zip(whole, rough, strict=True)])
    assert (abs(change.mean(axis=0)) < 1e-2 + spread_bound(change)).all()
    for a, b in zip(whole, rough, strict=True):
        assert b.directions < a.directions


@pytest.mark.parametrize("sampling", ["sobol", "random"])
@pytest.mark.parametrize("loss", [square, quartic], ids=lambda loss: loss.name)
def test_fields_are_orthonormal_to_their_sampling_error(loss, sampling):
    """ξ_j ⊥ q_1 … q_j; the Gram matrix of the ξ_j is 1 to 1/√P, and that of the first exactly.

    A force linear in ŷ makes each q_j depend, to rounding, on the fields before it.
    """
    alpha, paths = 3.0, 2**13
    ensemble, times = Ensemble(paths, 0, 0, sampling), np.array([0, 0.1, 0.4])
    begun = Run.begin(Dynamics(loss, alpha), ensemble, GradientFlow(1e-3), times, 0.0)
    system = finished(begun).state.system
    x = system.sensing[0]
    basis, lengths = x.basis.array().astype(float), np.array(x.lengths)
    fields = images(x) - lengths[:, None] * basis
    rounding = 20 * float(np.finfo(np.float32).eps)
    assert basis[1:] @ basis[1:].T == pytest.approx(np.eye(len(basis) - 1), abs=rounding)
    assert abs(np.tril(fields @ basis.T)).max() / np.sqrt(paths) < rounding
    gram = np.cov(np.vstack([system.y, fields]), ddof=0)
    # the square of a normal number has variance two; 7 errors are once in 10¹¹ entries
    assert abs(gram - np.eye(len(gram))).max() < 7 * np.sqrt(2 / paths)
    if sampling == "sobol":
        first = gram[:QUASI, :QUASI]
        assert first == pytest.approx(np.eye(QUASI), abs=rounding)
        assert abs(fields[: QUASI - 1].mean(axis=1)).max() < rounding


def test_products_with_x_and_its_transpose_are_adjoint():
    """⟨F, X w⟩ = N⟨XᵀF/N, w⟩ for a force whose product was drawn, to rounding."""
    paths, alpha = 512, 2.0
    x = Sensing.begin(Ensemble(paths, 3), 1, alpha, np.zeros((0, paths), np.float32), 0.0)
    x = x.with_direction()
    rng = np.random.default_rng(0)
    forces = rng.standard_normal((5, paths)).astype(np.float32)
    for one in forces:
        x, _ = x.resolved(x.times_transpose(one))
    w = Vector(rng.standard_normal(x.count), np.zeros(paths, np.float32))
    image, product = x.times(w), x.times_transpose(forces[-1])
    left, right = float(forces[-1] @ image), paths / alpha * (product @ w)
    rounding = 8 * float(np.finfo(np.float32).eps)
    assert abs(left - right) < rounding * np.linalg.norm(forces[-1]) * np.linalg.norm(image)
    # no part of it is left to be drawn
    assert float(np.linalg.norm(product.residual)) < 4 * ROUNDING * product.norm


def test_drawing_a_direction_leaves_the_matrix_as_it_was():
    """Two matrices that go on from one share its rows and nothing else."""
    rows = np.random.default_rng(0).standard_normal((70, 3)).astype(np.float32)
    one = Rows()
    versions = [one := one.added(row) for row in rows]
    other = versions[4].added(-rows[0])
    for count, version in enumerate(versions, 1):
        np.testing.assert_array_equal(version.array(), rows[:count])
    np.testing.assert_array_equal(other.array(), [*rows[:5], -rows[0]])
    np.testing.assert_array_equal([other[5], one[69]], [-rows[0], rows[69]])


def test_a_step_changes_no_state_but_makes_another():
    run = Run.begin(
        Dynamics(quartic, 4.0, waiting=(0.0, 0.02)),
        Ensemble(256, 0),
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


@pytest.mark.parametrize("loss", [bounded, amplitude], ids=["smooth", "with a jump"])
def test_drawing_as_needed_is_descent_in_finite_dimension(loss):
    """Plain sampling has the law of gradient descent on a drawn X at any N: here N = 12, α = 6.

    Means of e, μ and C over 150 sets and matrices, until long after directions have run out.
    """
    n, alpha, step, sets = 12, 6.0, 0.03, 150
    paths, saved = round(alpha * n), np.array([2, 5, 10, 20])
    times, theory = step * np.append(0, saved), []
    for replica in range(sets):
        ensemble = Ensemble(paths, 0, replica, "random")
        solver = GradientDescent(step)
        one = solve(Dynamics(loss, alpha), ensemble, solver, times, residual=0.0)
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
    found = [descent(alpha, step, 2, paths=2**13, replica=replica) for replica in range(12)]
    for name, law in (("energy", 2 * alpha), ("mu", 4 * alpha), ("speed2", 48 * alpha)):
        values = np.array([getattr(one, name)[0] for one in found])
        assert abs(values.mean() - law) < spread_bound(values) < 0.2 * law


def test_first_two_derivatives_of_the_energy_at_the_start():
    """de/dt = −48α and d²e/dt² = 3840α for the quartic loss (dmft.md §6)."""
    alpha, sets = 6.0, 24
    first, second = np.zeros((2, sets)), np.zeros((2, sets))
    for row, step in enumerate((1e-4, 2e-4)):
        for replica in range(sets):
            e = descent(alpha, step, 2, paths=2**14, replica=replica).energy
            first[row, replica] = (-3 * e[0] + 4 * e[1] - e[2]) / (2 * step)
            second[row, replica] = (e[0] - 2 * e[1] + e[2]) / step**2
    for found, law in ((first, -48 * alpha), (second, 3840 * alpha)):
        limit = 2 * found[0] - found[1]  # descent is first order in the step
        assert abs(limit.mean() - law) < spread_bound(limit) < 0.4 * abs(law)


@pytest.mark.parametrize("paths", [72, 1024])
def test_a_step_of_the_flow_errs_by_its_accuracy_at_most(paths):
    """A quadratic loss: the flow on the matrix that a run draws is known by its eigenvectors.

    Errors of steps are of third order in their length and lengths go like accuracy^(1/3), so there
    are accuracy^(−1/3) steps and the flow errs by accuracy^(2/3): 4.6 times less a decade, once
    the first steps, which double from 1e-4 on, are few. 72 paths are N = 24: all of a matrix.
    """
    alpha, times, global_errors = 3.0, np.array([0.0, 0.1, 0.4, 1.0, 3.0]), []
    for accuracy in (1e-2, 1e-3, 1e-4):
        dynamics, solver = Dynamics(square, alpha), GradientFlow(accuracy)
        states = [Run.begin(dynamics, Ensemble(paths, 0), solver, times, 0.0)]
        while not states[-1].is_finished:
            states.append(states[-1].advanced())
        sensing = states[-1].state.system.sensing[0]
        t = [one.state.t for one in states]
        w = np.array([sensing.rebased(one.state.here.vectors[0]).components for one in states])
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        x = images(sensing)
        matrix = x @ x.T * alpha / paths
        steps = zip(w, w[1:], np.diff(t), strict=False)
        errors = [float(np.linalg.norm(linear_flow(matrix, a, h) - b)) for a, b, h in steps]
        # none errs by more, and none is much shorter than it may be
        assert 0.2 * accuracy < max(errors) < accuracy
        end = linear_flow(matrix, w[0], times[-1])
        global_errors.append(float(np.linalg.norm(end - w[-1])))
    assert global_errors[0] > 2 * global_errors[1] > 4 * global_errors[2]


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
        solve(Dynamics(loss, 4.0, waiting=(0.0,)), Ensemble(256, 0), way, at)
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
    m0, steps = 0.02, 15

    def overlap(replica, m):
        run = descent(6.0, 0.01, steps, 2**12, replica, labels="teacher", overlap=m)
        return run.signed_overlap[-1]

    ratios = []
    for replica in range(24):
        grown = (overlap(replica, m0) - overlap(replica, -m0)) / (2 * m0)
        linear = descent(6.0, 0.01, steps, 2**12, replica, waiting=(0.0,)).growth[0, -1]
        ratios.append(np.log(grown) - linear)
    # the order m² is (m0 e^g)² = 0.01
    assert abs(np.mean(ratios)) < spread_bound(ratios) + 0.02
    assert spread_bound(ratios) < 0.3


def test_more_paths_fluctuate_less_like_their_root():
    """48 sets each of P and 16 P pseudo-random paths: the spreads are 4 apart."""
    sets, solver, times = 48, GradientDescent(0.02), 0.02 * np.arange(5)
    small, large = (
        np.std(
            [
                solve(
                    Dynamics(bounded, 4.0), Ensemble(paths, 0, r, "random"), solver, times
                ).energy[-1]
                for r in range(sets)
            ],
            ddof=1,
        )
        for paths in (256, 4096)
    )
    # of normal numbers: once in a million further apart
    factor = np.sqrt(stats.f.isf(5e-7, sets - 1, sets - 1))
    assert 4 / factor < small / large < 4 * factor


@pytest.mark.parametrize("step", [0.01, None])
def test_a_checkpoint_continues_to_the_same_bits(step, tmp_path, monkeypatch):
    point = experiment.MeanField(alpha=6, t_max=0.2, step=step, paths=256, seed=3, waiting=(0, 0.1))
    whole = experiment.solve(point)
    monkeypatch.setattr("gapless.measure.checkpoint.EVERY_S", 0.0)

    class Killed(Exception):
        pass

    def kill(_done=[0]):  # noqa: B006
        _done[0] += 1
        if _done[0] == 18:
            raise Killed

    with checkpoints_in(tmp_path), pytest.raises(Killed):
        experiment.solve(point, lambda _: kill())
    assert list(tmp_path.iterdir())
    with checkpoints_in(tmp_path):
        again = experiment.solve(point)
    np.testing.assert_array_equal(again.energy, whole.energy)
    np.testing.assert_array_equal(again.growth, whole.growth)
    np.testing.assert_array_equal(again.correlation, whole.correlation)


def test_a_power_law_settles_where_it_was_made_to():
    t = np.linspace(0, 20, 401)
    e = 7.3 + 0.4 * (t + 1e-9) ** -0.8
    value, error = power_law_limit(t, e)
    assert value == pytest.approx(7.3, abs=1e-2)
    assert error < 1e-2


def test_errors_come_from_sets_and_from_twice_the_step():
    fine = [descent(4.0, 0.01, 12, paths=512, replica=r) for r in range(3)]
    coarse = [descent(4.0, 0.02, 6, paths=512, replica=r) for r in range(3)]
    found = combine(fine, coarse)
    assert (found.paths["energy"] > 0).all()
    assert 0 < found.steps["energy"][-1] < 0.2 * found.value["energy"][-1]
    assert np.isnan(combine(fine[:1]).paths["energy"]).all()


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
    ("make", "words"),
    [
        (lambda: GradientDescent(0.0), ["rate", "positive"]),
        (lambda: GradientDescent(float("nan")), ["rate", "positive"]),
        (lambda: GradientFlow(0.0), ["tolerance", "between"]),
        (lambda: Ensemble(64, 0, 0, "matched"), ["sampling", "sobol, random"]),
        (lambda: Ensemble(64, -1), ["seed", "2**32"]),
    ],
)
def test_wrong_solvers_and_ensembles_are_refused(make, words):
    with pytest.raises(ValueError, match=words[0]) as caught:
        make()
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("paths", "alpha", "words"),
    [
        (64, 64.0, ["paths: 64", "1 dimensions", "640"]),
        (64, 6.5, ["paths: 64", "65"]),
        (4096, 1e300, ["paths: 4096", "lower --alpha"]),
        (63, 1.0, ["paths", "from 64"]),
        (64, 1e-9, ["alpha", "at least 1e-08"]),
    ],
)
def test_paths_that_say_nothing_of_infinite_dimension_are_refused(paths, alpha, words):
    with pytest.raises(ValueError, match=words[0]) as caught:
        solve(Dynamics(quartic, alpha), Ensemble(paths, 0), GradientDescent(0.1), [0, 0.1])
    assert all(word in str(caught.value) for word in words)


def test_a_bias_beyond_the_errors_is_told():
    """Sets have errors like 1/√P, and a bias like 1/P in common."""
    found = combine([descent(8.0, 0.01, 3, 128, r) for r in range(3)])
    assert found.bias == 8 / 128
    for part, is_biased in ((0.05, True), (0.07, False)):
        errors = {"energy": part * found.value["energy"]}
        assert replace(found, paths=errors).is_biased == is_biased
    # a single set has no error that could cover 1.6 %
    assert combine([descent(8.0, 0.01, 3, 512)]).is_biased


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
        solve(Dynamics(quartic, 4.0, waiting=waiting), Ensemble(64, 0), GradientFlow(), times)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("step", [0.2, 1e300])
def test_a_step_beyond_stability_is_told(step):
    with pytest.raises(Unstable, match=r"step: .* halve it"):
        descent(10.0, step, 30, paths=512)


def test_an_accuracy_beyond_float32_is_told():
    with pytest.raises(Unstable, match=r"accuracy: .* raise --accuracy"):
        solve(Dynamics(quartic, 4.0), Ensemble(256, 0), GradientFlow(1e-30), [0, 0.1])


DMFT = ["dmft", "--alpha", "4", "--t-max", "0.1", "--step", "0.01", "--paths", "256"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*DMFT[:-1], "3"], ["--paths", "from 64"]),
        ([*DMFT[:5], "--step", "0"], ["--step", "positive"]),
        ([*DMFT[:5], "--step", "1e-9"], ["--step", "raise --step"]),
        ([*DMFT[:5], "--accuracy", "0"], ["--accuracy", "between"]),
        ([*DMFT, "--waiting", "0.5"], ["--waiting", "below 0.1"]),
        ([*DMFT, "--waiting", "x"], ["--waiting", "list"]),
        ([*DMFT, "--waiting", "0.004,0.0041"], ["--waiting", "0.01 apart"]),
        ([*DMFT[:5], "--waiting", "1e-320"], ["--waiting", "1e-07 apart"]),
        ([*DMFT[:5], "--waiting", "0,0.1"], ["--waiting", "below 0.1"]),
        (["dmft", "--alpha", "64", "--paths", "64"], ["--paths", "1 dimensions", "640"]),
        (["dmft", "--alpha", "1e300"], ["--paths", "lower --alpha"]),
        (["dmft", "--alpha", "1e-300"], ["--alpha", "at least"]),
        ([*DMFT, "--sampling", "x"], ["--sampling", "sobol"]),
        ([*DMFT[:3], "--t-max", "nan"], ["--t-max", "finite"]),
        ([*DMFT, "--labels", "teacher"], ["--overlap", "0.3"]),
        ([*DMFT, "--replicas", "0"], ["--replicas"]),
        ([*DMFT, "--seed", "-1"], ["--seed", "2**32"]),
        ([*DMFT, "--plot", "x.txt"], ["--plot", ".png"]),
        ([*DMFT[:-1], "1000000000"], ["--paths", "bytes", "lower"]),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(arguments, words, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert all(word in err for word in words)


def test_the_verb_answers_in_json(capsys, tmp_path):
    picture = tmp_path / "dmft.png"
    assert main([*DMFT, "--json", "--plot", str(picture), "--checkpoint", str(tmp_path)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["t"]) == len(answer["energy"]) == len(answer["growth_rate"][0]) == 11
    assert answer["waiting"] == [0]
    assert answer["response"][0][0] == 1
    assert set(answer["error"]["energy"]) == {"paths", "steps"}
    assert answer["spectrum"]["t"][-1] == pytest.approx(0.1)
    assert answer["dimension"] == 64
    assert answer["bias"] == 1 / 64
    assert picture.stat().st_size > 0


def test_without_a_step_the_verb_follows_the_flow(capsys):
    arguments = ["dmft", "--alpha", "4", "--t-max", "0.1", "--paths", "256", "--json"]
    assert main([*arguments, "--waiting", "none"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["step"] is None
    assert "growth" not in answer
    # e falls from 2α with slope −48α
    assert answer["energy"][0] > answer["energy"][-1] > 0
    assert answer["t"][1] == pytest.approx(1e-4)


def test_a_step_far_from_the_flow_is_told_beside_the_numbers(capsys):
    assert main([*DMFT[:5], "--step", "0.08", "--paths", "256", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "leave --step out" in err
    assert "leave --step out" in json.loads(out)["notes"][0]


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


def test_replicas_and_streams_do_not_share_numbers():
    one = Ensemble(128, 0, 0)
    for other in (one.normal(1, 3), replace(one, replica=1).normal(0, 3)):
        assert not np.array_equal(one.normal(0, 3), other)
    np.testing.assert_array_equal(one.normal(0, 3), Ensemble(128, 0, 0).normal(0, 3))
