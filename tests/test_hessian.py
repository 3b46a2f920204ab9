"""The Hessian against automatic differentiation, dense algebra and its own symmetries."""

import inspect
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import integrate
from gapless.hessian import (
    Deflated,
    hessian_matrix,
    hessian_operator,
    lowest_eigenpairs,
    negative_count,
    signal_overlap,
    smoothed,
    spectral_density,
    spectrum,
    top_sample_share,
)
from gapless.losses import normalised, quartic
from gapless.precision import precision
from gapless.problem import Problem, draw_problem, problem_from_arrays
from gapless.quadrature import LEVELS
from gapless.theory import bulk, bulk_edge, outlier
from gapless.theory.bbp import curvatures, random_law

KEY = jax.random.key(7)


@pytest.fixture(scope="module")
def at_half() -> tuple[Problem, jax.Array]:
    """Return 4 runs of N=256, α=10 just before the crossing, where λ₁ to λ₃ differ."""
    return before_the_crossing(256)


def before_the_crossing(n: int) -> tuple[Problem, jax.Array]:
    design = Design(n, 10, seed=1, runs=4)
    problem = draw_problem(design)
    return problem, integrate(problem, design.start(), 0.15).state.w


@pytest.mark.parametrize("loss", [quartic, normalised(0.5)], ids=repr)
def test_the_hessian_is_the_second_derivative_of_the_lagrangian(loss) -> None:
    # Eq. 4: second derivative of L(W) − (μ/2)(|W|² − N) at fixed μ
    design = Design(24, 5, seed=2, runs=2)
    problem = draw_problem(design, "teacher", loss, "float64")

    def lagrangian(state: jax.Array, labels: jax.Array, mu: jax.Array) -> jax.Array:
        return loss.value(problem.sensing @ state, labels).sum() / 2 - mu / 2 * state @ state

    with precision("float64"):
        w = jnp.asarray(design.start(), "float64")
        v = jax.random.normal(KEY, (2, 3, 24), "float64")
        image, mu = (
            jax.jit(lambda a, v: a(v))(hessian_operator(problem, w), v),
            problem.multiplier(w),
        )
        second = jax.jit(jax.hessian(lagrangian))
        for run in range(2):
            exact = np.asarray(second(w[run], problem.labels[run], mu[run]))
            scale = np.abs(exact).max()
            np.testing.assert_allclose(hessian_matrix(problem, w, run), exact, atol=1e-12 * scale)
            np.testing.assert_allclose(image[run], v[run] @ exact, atol=1e-12 * scale * 24)


def test_the_trace_is_that_of_the_curvatures(at_half) -> None:
    # E tr H/N = Σ d |x|²/N − μ exactly, with |x|² the actual norms
    problem, w = at_half
    d = problem.loss.d2(problem.student_labels(w), problem.labels) / 2
    exact = (d * (problem.sensing**2).sum(axis=1)[None]).sum(
        axis=1
    ) / problem.n - problem.multiplier(w)
    mean = spectrum(problem, w, 1).mean()
    np.testing.assert_allclose(mean, exact[1], rtol=1e-5)


@pytest.mark.parametrize("n", [256, pytest.param(512, marks=pytest.mark.slow)])
def test_lanczos_agrees_with_dense_to_1e_4_of_the_width(n, at_half) -> None:
    problem, w = at_half if n == 256 else before_the_crossing(n)
    lanczos = lowest_eigenpairs(problem, w, key=KEY, method="lanczos")
    for run in range(4):
        matrix = hessian_matrix(problem, w, run).astype(float)
        values, vectors = np.linalg.eigh(matrix)
        width = values[-1] - values[0]
        assert np.abs(lanczos.values[run] - values[:3]).max() < 1e-4 * width
        # Davis–Kahan: sin of the angle ≤ residual/gap
        gap = np.min(np.abs(np.delete(values, 0) - values[0]))
        cosine = abs(np.asarray(lanczos.vectors[run, 0], float) @ vectors[:, 0])
        bound = (lanczos.residuals[run, 0] + 1e-6) * width / gap
        assert np.sqrt(max(0.0, 1 - cosine**2)) <= bound + 1e-6**0.5
    assert lanczos.converged.all()
    assert (lanczos.residuals <= 1e-5).all()


def test_the_dense_and_the_iterative_route_agree_and_auto_is_one_of_them(at_half) -> None:
    problem, w = at_half
    dense = lowest_eigenpairs(problem, w, key=KEY, method="dense")
    auto = lowest_eigenpairs(problem, w, key=KEY)
    lanczos = lowest_eigenpairs(problem, w, key=KEY, method="lanczos")
    np.testing.assert_array_equal(auto.values, dense.values)
    strict = lowest_eigenpairs(problem, w, key=KEY, method="dense", tolerance=1e-12)
    assert dense.converged.all()
    assert not strict.converged.any()
    allowed = 1e-5 * dense.width[:, None]
    assert (np.abs(dense.values - lanczos.values) <= allowed).all()
    np.testing.assert_allclose(dense.width, lanczos.width, rtol=0.05)
    assert dense.residuals.max() < 1e-5


def test_a_batch_equals_one_by_one(at_half) -> None:
    problem, w = at_half
    together = lowest_eigenpairs(problem, w, key=KEY, method="lanczos")
    for run in (0, 3):
        one = slice(run, run + 1)
        single = replace(problem, labels=problem.labels[one], teacher=problem.teacher[one])
        alone = lowest_eigenpairs(single, w[one], key=KEY, method="lanczos")
        assert np.abs(alone.values[0] - together.values[run]).max() < 2e-5 * alone.width[0]


def test_a_warm_start_finds_the_same_pairs(at_half) -> None:
    problem, w = at_half
    cold = lowest_eigenpairs(problem, w, key=KEY, method="lanczos")
    one = slice(0, 1)
    single = replace(problem, labels=problem.labels[one], teacher=problem.teacher[one])
    warm = lowest_eigenpairs(
        single, w[one], key=KEY, previous=cold.vectors[one], method="lanczos", tolerance=1e-4
    )
    assert np.abs(warm.values[0] - cold.values[0]).max() < 1e-4 * cold.width[0]
    assert warm.products < cold.products


def test_spectrum_and_overlaps_are_invariant_under_rotations() -> None:
    design = Design(48, 6, seed=5, runs=2)
    problem, w = draw_problem(design), design.start()
    assert problem.teacher is not None
    q = np.linalg.qr(np.random.default_rng(3).standard_normal((48, 48)))[0].astype(np.float32)
    turned = replace(problem, sensing=problem.sensing @ q, teacher=problem.teacher @ q)
    before = lowest_eigenpairs(problem, w, key=KEY)
    after = lowest_eigenpairs(turned, w @ q, key=KEY)
    np.testing.assert_allclose(after.values, before.values, atol=2e-5 * before.width.max())
    np.testing.assert_allclose(
        signal_overlap(after.vectors, turned.teacher),
        signal_overlap(before.vectors, problem.teacher),
        atol=1e-3,
    )
    np.testing.assert_allclose(
        top_sample_share(turned, after.vectors),
        top_sample_share(problem, before.vectors),
        atol=1e-3,
    )


def test_labels_carry_no_sign(at_half) -> None:
    problem, w = at_half
    flipped = replace(problem, labels=-problem.labels)
    np.testing.assert_array_equal(spectrum(flipped, -w, 0), spectrum(problem, w, 0))


@pytest.mark.parametrize("method", ["dense", "lanczos"])
def test_deflation_lifts_the_radial_direction_and_adds_no_zero(method, at_half) -> None:
    problem, w = at_half
    lifted = lowest_eigenpairs(problem, w, key=KEY, method=method, deflate_radial=True)
    w_hat = np.asarray(w / jnp.linalg.norm(w, axis=1, keepdims=True), float)
    along = np.einsum("kjn,kn->kj", np.asarray(lifted.vectors, float), w_hat)
    assert np.abs(along).max() < 1e-3
    # Cauchy: on the tangent space the lowest eigenvalue can only rise
    free = lowest_eigenpairs(problem, w, key=KEY, method=method)
    assert (lifted.values >= free.values - 1e-5 * free.width[:, None]).all()
    values = spectrum(problem, w, 0, deflate_radial=True)
    operator = hessian_operator(problem, w, deflate_radial=True)
    assert isinstance(operator, Deflated)
    lift = float(operator.value[0])
    assert lift > values.mean()
    assert np.abs(values - lift).min() < 1e-4 * (values[-1] - values[0])


def test_density_integrates_to_one_and_has_the_moments_of_the_dense_spectrum(at_half) -> None:
    problem, w = at_half
    density = spectral_density(problem, w, key=KEY, steps=40, probes=8)
    np.testing.assert_allclose(density.weights.sum(axis=1), 1, atol=1e-6)
    values = spectrum(problem, w, 2)
    for degree in (1, 2, 3, 4):
        found = (density.weights[2] * density.nodes[2] ** degree).sum()
        # variance of the mean over p Gaussian vectors: (2/pN) var λ^degree; 5 of these
        deviation = np.sqrt(2 / (8 * problem.n)) * np.std(values**degree)
        assert abs(found - (values**degree).mean()) < 5 * deviation
    grid = np.linspace(values[0] - 20, values[-1] + 20, 2000)
    curve = smoothed(density, grid, 2.0)[2]
    np.testing.assert_allclose(np.trapezoid(curve, grid), 1, atol=1e-3)
    estimate = problem.n * density.weights[2][density.nodes[2] < 0].sum()
    count = negative_count(problem, w, 2)
    assert abs(estimate - count) < 5 * np.sqrt(2 * count / 8) + 1


def test_a_sample_of_huge_negative_curvature_is_called_a_single_sample() -> None:
    design = Design(128, 6, seed=4, runs=1)
    problem = draw_problem(design)
    w = problem.teacher
    assert w is not None
    spiked = replace(problem, labels=problem.labels.at[0, 17].set(40.0))
    pairs = lowest_eigenpairs(spiked, w, 2, key=KEY)
    share = np.asarray(top_sample_share(spiked, pairs.vectors))[0]
    assert share[0] > 0.95
    # a vector that knows no sample: about 2 log M/N
    assert share[1] < 4 * np.log(problem.m) / problem.n


def test_the_overlap_of_the_signal_with_itself_is_one_and_without_teacher_undefined() -> None:
    design = Design(64, 4, seed=0, runs=2)
    teacher = design.teacher()
    vectors = jnp.stack([teacher, -3 * teacher], axis=1)
    np.testing.assert_allclose(signal_overlap(vectors, teacher), 1, atol=1e-6)
    assert np.isnan(signal_overlap(vectors, None)).all()


def test_wrong_requests_are_refused(at_half) -> None:
    problem, w = at_half
    with pytest.raises(ValueError, match="method"):
        inspect.unwrap(lowest_eigenpairs)(problem, w, key=KEY, method="magic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="count"):
        inspect.unwrap(lowest_eigenpairs)(problem, w, 600, key=KEY)


def test_spectra_by_transforms_are_those_of_their_matrix():
    """Lanczos by products alone."""
    design = Design(n=80, alpha=6, seed=0, runs=2, in_numpy=True, sensing="fast")
    fast = draw_problem(design, dtype="float64")
    dense = Problem(np.asarray(fast.sensing), fast.labels, fast.teacher)
    w, v = (states.astype(float) for states in (design.start(), design.teacher()))
    expected = dense.hessian_product(w, v)
    np.testing.assert_allclose(fast.hessian_product(w, v), expected, rtol=1e-11, atol=1e-10)
    key = design.key("lanczos")
    pairs = lowest_eigenpairs(fast, w, 3, key=key, method="lanczos", tolerance=1e-9)
    exact = np.stack([spectrum(dense, w, run)[:3] for run in range(2)])
    # an eigenvalue errs by the residual at most: 1e-9 of the width
    np.testing.assert_allclose(pairs.values, exact, atol=1e-9 * float(pairs.width.max()))
    shares = (top_sample_share(problem, pairs.vectors) for problem in (fast, dense))
    np.testing.assert_allclose(*shares, rtol=1e-9)


@pytest.fixture(scope="module")
def of_phases() -> tuple[Problem, np.ndarray]:
    """Return a complex problem, α = 12, of a loss that is bounded, and its random start."""
    design = Design(150, 12, seed=3, runs=1, field="complex", in_numpy=True)
    return draw_problem(design, "teacher", normalised(1.0), "float64"), design.start()


def test_the_phase_of_a_complex_state_is_taken_out_of_the_spectrum(of_phases) -> None:
    problem, w = of_phases
    operator = hessian_operator(problem, w)
    assert isinstance(operator, Deflated)
    matrix, (mode,) = hessian_matrix(problem, w, 0), problem.zero_modes(np.asarray(w))
    unit = mode[0] / np.linalg.norm(mode[0])
    # of float32 draws, in which the unit vector is one
    scale = 4e-7 * np.abs(matrix).max() * problem.dimension**0.5
    np.testing.assert_allclose(matrix @ unit, float(operator.value[0]) * unit, atol=scale)
    # elsewhere it is P H P
    v = np.random.default_rng(0).standard_normal(problem.dimension)
    v -= (v @ unit) * unit
    image = np.asarray(problem.hessian_product(w, v[None]))[0]
    np.testing.assert_allclose(matrix @ v, image - (image @ unit) * unit, atol=10 * scale)
    # in the bulk: neither the lowest nor counted as a direction of descent
    assert float(operator.value[0]) > 0
    assert negative_count(problem, w, 0) == (spectrum(problem, w, 0) < 0).sum()


def test_a_complex_signal_has_a_pair_of_eigenvalues(of_phases) -> None:
    """W* and iW* are one signal: two eigenvalues leave the bulk of a random start."""
    problem, w = of_phases
    law = problem.label_law(w, 0)
    mu, atoms = law.multiplier(problem.loss, 12.0), curvatures(law, problem.loss, 12.0)
    spike = bulk.outlier(atoms)
    assert spike.value is not None
    assert spike.gamma is not None
    pairs = lowest_eigenpairs(problem, w, 3, key=KEY)
    values = pairs.values[0] + mu
    # along one direction φ is a mean of d s² cos²/(1+γd) over samples, whose scatter is at most
    # this; the eigenvalue moves by less than φ does
    responses = atoms.d * atoms.y2 / (1 + spike.gamma * atoms.d)
    scatter = float(np.sqrt(12 * (atoms.weight @ responses**2) / problem.n))
    assert values[:2].mean() == pytest.approx(spike.value, abs=4 * scatter)
    overlaps = signal_overlap(pairs.vectors, problem.signals)[0]
    # the third is of the bulk, whose vectors have overlaps of √(2/2N)
    assert overlaps[:2].min() > 2 * overlaps[2]
    # any phase of the teacher is the same signal
    first, second = np.asarray(problem.signals)[:, 0], np.asarray(problem.signals)[:, 1]
    turned = np.stack([np.cos(1) * first + np.sin(1) * second], axis=1)
    phased = np.concatenate([turned, np.stack([np.cos(1) * second - np.sin(1) * first], 1)], 1)
    np.testing.assert_allclose(signal_overlap(pairs.vectors, phased)[0], overlaps, rtol=1e-6)


def test_lanczos_and_matrices_agree_on_complex_hessians() -> None:
    design = Design(96, 6, seed=2, runs=4, field="complex")
    problem = draw_problem(design)
    w = design.start()
    dense = lowest_eigenpairs(problem, w, 2, key=KEY, method="dense")
    lanczos = lowest_eigenpairs(problem, w, 2, key=KEY, method="lanczos")
    assert lanczos.converged.all()
    width = dense.width[:, None]
    np.testing.assert_allclose(lanczos.values / width, dense.values / width, atol=2e-5)
    share = np.asarray(top_sample_share(problem, dense.vectors))
    assert ((share > 0) & (share < 1)).all()


@pytest.mark.slow
def test_edge_and_pair_of_a_complex_random_start_at_a_thousand() -> None:
    loss, gaps, overlaps = normalised(1.0), [], []
    limit = outlier(random_law(LEVELS[2], "complex"), loss, 12.0)
    for index in range(2):
        design = Design(1000, 12, seed=5, index=index, runs=1, field="complex", in_numpy=True)
        problem = draw_problem(design, "teacher", loss)
        law = problem.label_law(design.start(), 0)
        mu = law.multiplier(loss, 12.0)
        edge, spike = bulk_edge(law, loss, 12.0), outlier(law, loss, 12.0)
        pairs = lowest_eigenpairs(problem, design.start(), 3, key=KEY)
        values = pairs.values[0] + mu
        assert spike.value is not None
        gaps.append([values[:2].mean() - spike.value, values[2] - edge.value])
        overlaps.append(signal_overlap(pairs.vectors, problem.signals)[0, :2])
    # the distance of edge and outlier is 1.2; both scatter by less than a tenth of it
    assert np.abs(gaps).max() < 0.2
    # α = 12: 0.7907 as N → ∞
    assert np.mean(overlaps) == pytest.approx(limit.overlap, abs=0.02)


@pytest.mark.parametrize("scale", [300.0, 1e-4])
def test_the_share_of_a_sample_has_no_scale_in_float16_either(scale):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((160, 20)), rng.standard_normal(20)
    own = problem_from_arrays((scale * x).astype("float16"), (x @ w) ** 2, runs=2)
    vectors = np.asarray(own.start, float)[:, None]
    stored = (scale * x).astype("float16").astype(float)
    squares = (vectors[:, 0] @ stored.T) ** 2 / (stored**2).sum(axis=1)
    expected = squares.max(axis=1) / (vectors[:, 0] ** 2).sum(axis=1)
    for problem in (own.problem, own.problem.to_numpy()):
        found = np.asarray(top_sample_share(problem, problem.array(vectors)))[:, 0]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
