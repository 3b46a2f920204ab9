"""Laws of the block Lanczos process, on matrices of prescribed spectrum."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from gapless.linalg import (
    Eigenpairs,
    WeightedGram,
    extreme_eigenpairs,
    lanczos_quadrature,
    times,
    times_transpose,
)

KEY = jax.random.key(0)
EPSILON = float(jnp.finfo(jnp.float32).eps)


def of_spectrum(spectra: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return symmetric matrices (K, N, N) with the given eigenvalues (K, N)."""
    rng = np.random.default_rng(seed)
    n = spectra.shape[1]
    bases = [np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in spectra]
    return np.stack([(q * values) @ q.T for q, values in zip(bases, spectra, strict=True)])


def _product(matrices: jax.Array, v: jax.Array) -> jax.Array:
    return jnp.einsum("knj,kpj->kpn", matrices, v)


def operator(matrices: np.ndarray) -> Partial:
    """Return K matrices as an operator on blocks."""
    return Partial(_product, jnp.asarray(matrices, jnp.float32))


def block(runs: int, p: int, n: int) -> jax.Array:
    return jax.random.normal(KEY, (runs, p, n))


# two outliers below a bulk, as at a crossing; a gapless edge; a cluster of three
SPECTRA = np.stack(
    [
        np.concatenate([[-12.0, -9.0], np.linspace(-8.0, 100.0, 198)]),
        np.linspace(-1.0, 1.0, 200) ** 3,
        np.concatenate([[-5.0, -4.999, -4.998], np.linspace(0.0, 50.0, 197)]),
    ]
)


@pytest.mark.parametrize("p", [1, 4])
@pytest.mark.parametrize("which", ["lowest", "largest"])
def test_extreme_eigenvalues_are_the_prescribed_ones(
    p: int, which: Literal["lowest", "largest"]
) -> None:
    found = extreme_eigenpairs(operator(of_spectrum(SPECTRA)), block(3, p, 200), 3, which=which)
    expected = np.sort(SPECTRA)[:, :3] if which == "lowest" else -np.sort(-SPECTRA)[:, :3]
    # eigenvalue error ≤ residual; products in float32 add a few ε of the width
    allowed = found.width[:, None] * (found.residuals + 16 * EPSILON)
    assert found.converged.all()
    assert (np.abs(found.values - expected) <= allowed).all()


def test_residuals_are_those_of_the_matrix_and_vectors_are_orthonormal() -> None:
    matrices = of_spectrum(SPECTRA)
    found = extreme_eigenpairs(operator(matrices), block(3, 1, 200), 3)
    v = np.asarray(found.vectors, float)
    gaps = np.einsum("knj,kpj->kpn", matrices, v) - found.values[:, :, None] * v
    residuals = np.linalg.norm(gaps, axis=2) / found.width[:, None]
    np.testing.assert_allclose(residuals, found.residuals, atol=16 * EPSILON)
    products = np.einsum("kin,kjn->kij", v, v)
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(3), (3, 3, 3)), atol=1e-5)


def test_the_width_is_seen_from_inside_to_a_per_cent() -> None:
    found = extreme_eigenpairs(operator(of_spectrum(SPECTRA)), block(3, 1, 200), 3)
    width = SPECTRA.max(axis=1) - SPECTRA.min(axis=1)
    assert (found.width <= width * (1 + 1e-6)).all()
    assert (found.width >= width * 0.99).all()


def test_a_batch_equals_its_members_one_by_one() -> None:
    matrices, start = of_spectrum(SPECTRA), block(3, 1, 200)
    together = extreme_eigenpairs(operator(matrices), start, 3)
    for run in range(3):
        one = slice(run, run + 1)
        alone = extreme_eigenpairs(operator(matrices[one]), start[one], 3)
        allowed = together.width[run] * (alone.residuals[0] + together.residuals[run] + 1e-6)
        assert (np.abs(alone.values[0] - together.values[run]) <= allowed).all()


def test_restarts_change_nothing_but_the_path() -> None:
    matrices, start = of_spectrum(SPECTRA), block(3, 2, 200)

    def found(basis: int, max_products: int = 4000) -> Eigenpairs:
        return extreme_eigenpairs(
            operator(matrices), start, 3, basis=basis, max_products=max_products
        )

    small, large = found(24), found(176)
    assert small.converged.all()
    assert large.converged.all()
    allowed = small.width[:, None] * (small.residuals + large.residuals + 1e-6)
    assert (np.abs(small.values - large.values) <= allowed).all()
    # of as many products: a restart drops directions, so its space lies within the other's, and
    # no lowest value of a smaller space is below that of the larger
    small, large = found(24, 48), found(176, 48)
    assert small.products == large.products
    assert (small.values >= large.values - 16 * EPSILON * large.width[:, None]).all()


def test_the_eigenvectors_themselves_are_a_start_that_converges_at_once() -> None:
    known = operator(of_spectrum(SPECTRA))
    cold = extreme_eigenpairs(known, block(3, 4, 200), 3, tolerance=1e-4)
    start = block(3, 4, 200).at[:, :3].set(cold.vectors)
    warm = extreme_eigenpairs(known, start, 3, tolerance=1e-4)
    assert warm.products < cold.products
    np.testing.assert_allclose(warm.values, cold.values, atol=2e-4 * cold.width.max())


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-5, 1e-6, 1e-9])
def test_converged_means_that_every_residual_is_within_the_tolerance(tolerance: float) -> None:
    known = operator(of_spectrum(SPECTRA))
    found = extreme_eigenpairs(known, block(3, 1, 200), 3, tolerance=tolerance, max_products=400)
    assert (found.converged == (found.residuals <= tolerance).all(axis=1)).all()
    # float32 products are off by some ε of the width: 1e-5 can be had, 1e-9 cannot
    assert found.converged.all() or tolerance < 1e-5
    assert not found.converged.any() or tolerance > 1e-9


def test_an_exhausted_budget_is_reported_as_not_converged() -> None:
    found = extreme_eigenpairs(operator(of_spectrum(SPECTRA)), block(3, 1, 200), 3, max_products=8)
    assert not found.converged.any()
    assert (found.residuals > 1e-5).any()


def test_too_small_a_matrix_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="diagonalise the matrix"):
        extreme_eigenpairs(operator(of_spectrum(np.ones((1, 6)))), block(1, 1, 6), 3)
    with pytest.raises(ValueError, match="count"):
        extreme_eigenpairs(operator(of_spectrum(SPECTRA)), block(3, 1, 200), 0)
    with pytest.raises(ValueError, match="steps"):
        lanczos_quadrature(operator(of_spectrum(SPECTRA)), block(3, 4, 200), 60)


def test_a_full_quadrature_is_the_spectrum_itself() -> None:
    # p · steps = N: the basis is complete, the nodes are all eigenvalues
    spectrum = np.linspace(-1.0, 1.0, 60)[None] ** 3
    found = lanczos_quadrature(operator(of_spectrum(spectrum)), block(1, 2, 60), 30)
    np.testing.assert_allclose(found.nodes, spectrum, atol=64 * EPSILON)
    np.testing.assert_allclose(found.weights.sum(), 1, atol=1e-6)


def test_quadrature_is_exact_for_the_moments_of_its_own_start() -> None:
    # Gauss: mean over the block of v f(A) v for every polynomial of degree ≤ 2·steps − 1
    matrices, steps, p = of_spectrum(SPECTRA[1:2]), 4, 3
    start = block(1, p, 200)
    found = lanczos_quadrature(operator(matrices), start, steps)
    q = np.linalg.qr(np.asarray(start[0], float).T)[0]
    power = q
    for degree in range(2 * steps):
        exact = np.trace(q.T @ power) / p
        np.testing.assert_allclose((found.weights * found.nodes**degree).sum(), exact, atol=1e-6)
        power = matrices[0] @ power


@pytest.mark.parametrize("tall_until", [0, 1000])
@pytest.mark.parametrize("m", [3, 700])
def test_the_product_by_blocks_of_rows_is_the_plain_one(m, tall_until, monkeypatch) -> None:
    """In both layouts: labels as (M, K), and as (K, M)."""
    monkeypatch.setattr("gapless.linalg.products.TALL_UNTIL", tall_until)
    monkeypatch.setattr("gapless.linalg.products.ENTRIES_PER_BLOCK", 256 * 32)
    keys = jax.random.split(KEY, 4)
    x, d = jax.random.normal(keys[0], (m, 32)), jax.random.normal(keys[1], (2, m))
    s, v = jax.random.normal(keys[2], (2,)), jax.random.normal(keys[3], (2, 3, 32))
    found = jax.jit(WeightedGram.__call__)(WeightedGram(x, d, s), v)
    dense = np.einsum("mi,km,mj->kij", *(np.asarray(a, float) for a in (x, d, x)))
    exact = np.einsum("kij,kpj->kpi", dense, np.asarray(v, float))
    exact += np.asarray(s, float)[:, None, None] * np.asarray(v, float)
    np.testing.assert_allclose(found, exact, atol=64 * EPSILON * m**0.5 * np.abs(exact).max())


@pytest.mark.parametrize("stored", ["float32", "float16"])
@pytest.mark.parametrize("vectors", [1, 3])
def test_half_a_gradient_by_blocks_of_rows_is_the_plain_one(stored, vectors, monkeypatch) -> None:
    """M = 701 is no multiple of a block: the last one reaches back over rows that are done."""
    monkeypatch.setattr("gapless.linalg.products.ENTRIES_PER_BLOCK", 64 * 31)
    keys = jax.random.split(KEY, 3)
    x = (jax.random.normal(keys[0], (701, 31)) / 31**0.5).astype(stored)
    v, r = jax.random.normal(keys[1], (vectors, 31)), jax.random.normal(keys[2], (vectors, 701))
    exact = np.asarray(x, float)
    for found, plain in (
        (times_transpose(v, x), np.asarray(v, float) @ exact.T),
        (times(r, x), np.asarray(r, float) @ exact),
    ):
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, plain, atol=64 * EPSILON * np.abs(plain).max())
