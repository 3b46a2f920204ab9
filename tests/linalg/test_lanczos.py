"""Quadrature by the block Lanczos process, on matrices of prescribed spectrum."""

import numpy as np

from gapless.linalg import (
    lanczos_quadrature,
)
from matrices import EPSILON, SPECTRA, block, of_spectrum, operator


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
