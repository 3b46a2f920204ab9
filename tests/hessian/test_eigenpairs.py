"""The lowest eigenpairs against dense algebra, and between their routes."""

import inspect
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from gapless.design import Design
from gapless.hessian import (
    Deflated,
    hessian_matrix,
    hessian_operator,
    lowest_eigenpairs,
    signal_overlap,
    spectrum,
    top_sample_share,
)
from gapless.losses import normalised
from gapless.problem import Problem, draw_problem
from gapless.quadrature import LEVELS
from gapless.theory import bulk, bulk_edge, outlier
from gapless.theory.bbp import curvatures, random_law
from hessians import KEY, before_the_crossing


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
