"""Laws of the block Lanczos process, on matrices of prescribed spectrum."""

from typing import Literal

import numpy as np
import pytest

from gapless.linalg import (
    Eigenpairs,
    extreme_eigenpairs,
    lanczos_quadrature,
)
from matrices import EPSILON, SPECTRA, block, of_spectrum, operator


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
