"""Extreme eigenpairs of symmetric operators that share one X."""

from typing import Literal, NamedTuple

import numpy as np

from gapless.arrays import Array, compiled, jax, jnp
from gapless.inputs import number, whole
from gapless.linalg.lanczos import (
    begin,
    check_finite,
    combined,
    extend,
    operator_errors,
    restart,
    ritz,
    start_block,
)
from gapless.linalg.products import Operator
from gapless.precision import precision_of
from gapless.shapes import Float

Scalar = float | Float[Array, ""]

CHECK_EVERY = 8
"""Blocks between two evaluations of the residuals."""


class Eigenpairs(NamedTuple):
    """The extreme eigenpairs of K operators, the most extreme first."""

    values: np.ndarray
    """λ, (K, k), float64."""
    vectors: Float[Array, "K k N"]
    """Unit eigenvectors; their signs are arbitrary."""
    residuals: np.ndarray
    """|Hv − λv| over the spectral width, (K, k); computed with a separate product."""
    width: np.ndarray
    """Spectral width λ_max − λ_min of the Ritz values, a lower bound, (K,)."""
    products: int
    """Products of each operator with one vector."""
    converged: np.ndarray
    """Whether every computed residual is within the tolerance, (K,)."""


def extreme_eigenpairs(
    operator: Operator,
    start: Float[Array, "K p N"],
    count: int = 3,
    *,
    which: Literal["lowest", "largest"] = "lowest",
    tolerance: float = 1e-5,
    basis: int | None = None,
    max_products: int = 4000,
) -> Eigenpairs:
    """Return the `count` lowest (or largest) eigenpairs of each of K symmetric operators.

    Thick-restarted block Lanczos. All K run until the slowest has converged: products are then
    matrix-matrix.

    Parameters
    ----------
    operator
        K symmetric operators.
    start : (K, p, N)
        The start block, random or, along a trajectory, the previous eigenvectors with a few
        random vectors. p is the block size: larger p needs more products in all, but p products
        in one pass over X cost little more than one. Eigenvalues of multiplicity above p are
        found p times only.
    tolerance
        On the residual |Hv − λv| over the spectral width. It bounds the eigenvalue's error; the
        vector's is the residual over the gap. Float32 reaches 2e-6: with a smaller tolerance its
        pairs are reported as not converged.
    basis
        Vectors kept before a restart.
    max_products
        Budget per operator; pairs that have not converged by then are returned unconverged.

    Raises
    ------
    ValueError
        When N is too small for the counts asked for (form the matrix then), for numbers out of
        range, a start that does not fit the operator, or products that are not finite.
    """
    if which not in ("lowest", "largest"):
        raise ValueError(f"which: {which!r} is not one of lowest, largest")
    count, tolerance = whole("count", count, 1), number("tolerance", tolerance, above=0)
    whole("max_products", max_products, 1)
    start = start_block(start)
    size = _basis_size(basis, count, start.shape[1], start.shape[2])
    with precision_of(start), operator_errors(start):
        return _extreme(operator, start, count, which, tolerance, size, max_products)


def _extreme(
    operator: Operator,
    start: Float[Array, "K p N"],
    count: int,
    which: str,
    tolerance: float,
    size: int,
    max_products: int,
) -> Eigenpairs:
    runs, block, _ = start.shape
    # the largest pairs are the lowest of −H: one process serves both
    sign = 1.0 if which == "lowest" else -1.0
    signed = jax.tree_util.Partial(_signed, operator, sign)
    process = begin(start, size)
    # room for two blocks at least, or a restart would leave nothing to extend by
    keep = min(size - 2 * block, max(2 * count + block, size // 2))
    # the smallest normal number, not 0: residuals are divided by the width
    products, filled, width = 0, 0, np.full(runs, np.finfo(np.float64).tiny)
    target = float(tolerance)
    while True:
        # several blocks between two looks: a look copies the projection to the host and
        # diagonalises it
        steps = min(CHECK_EVERY, (size - filled) // block)
        process = extend(signed, process, steps)
        check_finite(process.projection)
        products, filled = products + steps * block, filled + steps * block
        theta, chosen = ritz(process, filled)
        # the other end of the spectrum is known best before it is dropped at the first restart
        width = np.maximum(width, theta[:, -1] - theta[:, 0])
        # a Ritz pair's residual is the coupling times the last components of its vector
        # it is known without a product, and without a Ritz vector being formed
        bottom = chosen[:, filled - block :, :count]
        estimate = np.linalg.norm(np.asarray(process.coupling, float) @ bottom, axis=1)
        done = (estimate <= target * width[:, None]).all()
        over = products >= max_products
        if done or over:
            vectors = combined(process.basis, chosen[:, :, :count].astype(start.dtype))
            # the estimate takes the basis to be orthonormal and products exact: what is reported is
            # measured
            found = _measured(signed, vectors, sign, width, products, tolerance)
            products = found.products
            if over or target < tolerance or found.converged.all():
                return found
            # what is measured may be a little above what was estimated
            target = tolerance / 4
        if size - filled < block:
            # the basis is full: its lowest Ritz vectors hold what was learnt about the low end, and
            # memory stays at K × basis × N numbers
            process = restart(process, theta, chosen, keep)
            filled = keep


def _signed(operator: Operator, sign: Scalar, v: Float[Array, "K p N"]) -> Array:
    return sign * operator(v)


def _basis_size(basis: int | None, count: int, block: int, n: int) -> int:
    """Return the number of basis vectors to keep: whole blocks, at most N."""
    wanted = max(96, 12 * block, 6 * count) if basis is None else whole("basis", basis, 1)
    # the newest block stands behind the basis: both must fit in N
    size = min(wanted, n - block) // block * block
    # what a restart keeps, 2 count + block at least, and blocks enough to go on with
    if size < 2 * count + 4 * block:
        raise ValueError(
            f"count: {count} eigenpairs with blocks of {block} need a basis of "
            f"{2 * count + 4 * block} vectors; N={n} allows {size}: diagonalise the matrix instead"
        )
    return size


def _measured(
    signed: Operator,
    vectors: Float[Array, "K k N"],
    sign: Scalar,
    width: np.ndarray,
    products: int,
    tolerance: Scalar,
) -> Eigenpairs:
    """Return the pairs with Rayleigh quotients and residuals from one more product."""
    vectors = vectors / jnp.linalg.norm(vectors, axis=2, keepdims=True)
    # float64 on the host: sums of N squares must not add to the rounding of the product itself,
    # which is what a small residual of a float32 operator consists of
    image = np.asarray(_apply(signed, vectors), float)
    v = np.asarray(vectors, float)
    # Rayleigh quotients, whose error is the square of the vector's
    values = (v * image).sum(axis=2)
    residuals = np.linalg.norm(image - values[:, :, None] * v, axis=2) / width[:, None]
    return Eigenpairs(
        values=sign * values,
        vectors=vectors,
        residuals=residuals,
        width=width,
        products=products + vectors.shape[1],
        converged=(residuals <= tolerance).all(axis=1),
    )


@compiled()
def _apply(operator: Operator, v: Float[Array, "K p N"]) -> Float[Array, "K p N"]:
    return operator(v)
