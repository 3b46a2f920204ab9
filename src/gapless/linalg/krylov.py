"""Functions f(H) v and spectral densities from a few Lanczos steps.

Source of the densities: S. Ubaru, J. Chen, Y. Saad, "Fast estimation of tr(f(A)) via stochastic
Lanczos quadrature", SIAM J. Matrix Anal. Appl. 38 (2017) 1075-1099.
"""

from typing import NamedTuple

import numpy as np

from gapless.arrays import Array
from gapless.inputs import real_array, whole
from gapless.linalg.lanczos import (
    begin,
    check_finite,
    combined,
    extend,
    operator_errors,
    ritz,
    start_block,
)
from gapless.linalg.products import Operator
from gapless.precision import precision_of
from gapless.shapes import Float


class Quadrature(NamedTuple):
    """A spectral density as K sets of weighted points (a Gauss rule of the true density)."""

    nodes: np.ndarray
    """(K, S), float64, increasing."""
    weights: np.ndarray
    """(K, S), nonnegative, of sum one."""


class Krylov(NamedTuple):
    """Ritz values and weights of S Lanczos steps from one vector v for each of K operators.

    f(H) v ≈ |v| Σ_i f(θ_i) c_i u_i and ⟨v, f(H) v⟩ ≈ |v|² Σ_i f(θ_i) c_i², exact for polynomials
    of degree below S and 2S.
    """

    nodes: np.ndarray
    """Ritz values θ, (K, S), float64."""
    overlaps: np.ndarray
    """c_i = ⟨u_i, v⟩/|v|, (K, S), float64."""
    vectors: Float[Array, "K S N"]
    """Ritz vectors u, of unit norm."""


def lanczos_quadrature(operator: Operator, start: Float[Array, "K p N"], steps: int) -> Quadrature:
    """Return the spectral density by `steps` block Lanczos steps from a random block.

    For an orthonormal Haar-random block V of p vectors, E V f(H) Vᵀ = (tr f/N) 1, and the Gauss
    rule from T = Q H Qᵀ is exact for the block's own spectral measure up to degree 2·steps − 1.
    Its sampling error falls like 1/√(pN) per moment.

    Parameters
    ----------
    start : (K, p, N)
        Gaussian vectors (they are orthonormalised).
    steps
        Blocks; the resolution is about width/steps. p·steps must not exceed N.

    Raises
    ------
    ValueError
        When p·steps exceeds N, for a start that does not fit the operator, or products that are
        not finite.
    """
    start, steps = start_block(start), whole("steps", steps, 1)
    _, block, n = start.shape
    if steps * block > n:
        raise ValueError(f"steps: {steps} blocks of {block} exceed the dimension {n}")
    with precision_of(start), operator_errors(start):
        # without restarts, and orthogonalised in full: in plain Lanczos converged eigenvalues come
        # again as ghosts, each with a weight of its own
        process = extend(operator, begin(start, steps * block), steps)
    check_finite(process.projection)
    # float64 on the small matrix, whatever the products' precision
    theta, vectors = ritz(process, steps * block)
    # first p components of the Ritz vectors: what the start has of them
    # divided by p: the mean over the block's vectors, so that weights sum to one
    weights = (vectors[:, :block] ** 2).sum(axis=1) / block
    return Quadrature(theta, weights)


def krylov(operator: Operator, start: Float[Array, "K N"], steps: int) -> Krylov:
    """Return the Ritz values, weights and vectors of `steps` Lanczos steps from each start.

    Raises ``ValueError`` as `lanczos_quadrature` does.
    """
    real_array("start", start, (None, None))
    # p = 1: one Krylov space for each run, as f(H) v asks for
    block = start_block(start[:, None, :])
    n, steps = block.shape[2], whole("steps", steps, 1)
    if steps > n:
        raise ValueError(f"steps: {steps} Lanczos steps exceed the dimension {n}")
    with precision_of(block), operator_errors(block):
        process = extend(operator, begin(block, steps), steps)
        theta, vectors = ritz(process, steps)
        # in the basis's precision: a float64 factor would promote all of it
        ritz_vectors = combined(process.basis, vectors.astype(block.dtype))
    # v/|v| is the first vector of the basis, so first components are ⟨u_i, v⟩/|v|
    return Krylov(theta, vectors[:, 0, :], ritz_vectors)
