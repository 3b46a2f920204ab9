"""The lowest eigenpairs of the Hessian, by matrices or by the block Lanczos process."""

from typing import Literal

import numpy as np
import scipy.linalg

from gapless.arrays import Array, jax
from gapless.flags import as_ever
from gapless.hessian.operator import hessian_matrix, hessian_operator
from gapless.inputs import flag, number, real_array, whole
from gapless.linalg import Eigenpairs, block_size, extreme_eigenpairs
from gapless.precision import checked_key, precision
from gapless.problem import Problem
from gapless.shapes import Float

DENSE_BELOW = 1536
"""Up to this N `lowest_eigenpairs` forms matrices when the choice is left to it: the routes
cross between 1024 and 2048 (`docs/results/eigenpairs.md`)."""
POWER_STEPS = 30
"""Power iterations behind the spectral width of the dense route: good to a few per cent."""


@as_ever(loading=False)
def lowest_eigenpairs(
    problem: Problem,
    w: Float[Array, "K N"],
    count: int = 3,
    *,
    key: Array,
    previous: Float[Array, "K j N"] | None = None,
    tolerance: float = 1e-5,
    deflate_radial: bool = False,
    method: Literal["auto", "dense", "lanczos"] = "auto",
) -> Eigenpairs:
    """Return the `count` lowest eigenpairs of the Hessian of each run.

    Parameters
    ----------
    key
        Seeds the start vectors of Lanczos; not read where matrices are formed.
    previous
        Eigenvectors at a nearby state: a warm start. It saves products for a single run; in a
        batch all of them enter as one vector a run, and the saving is small.
    tolerance
        Largest |Hv − λv| over the spectral width of a ``converged`` pair; Lanczos stops there, see
        `gapless.linalg.extreme_eigenpairs`.
    method
        ``dense`` forms each matrix; ``auto`` does so up to the N of `DENSE_BELOW`.

    Raises
    ------
    ValueError
        For an unknown method, a count that N does not allow, or arrays of other shapes.
    """
    if method not in ("auto", "dense", "lanczos"):
        raise ValueError(f"method: {method!r} is not one of auto, dense, lanczos")
    count = whole("count", count)
    if not 1 <= count <= problem.dimension:
        raise ValueError(f"count: must lie between 1 and {problem.dimension}, not {count}")
    tolerance, w = number("tolerance", tolerance, above=0), problem.states(w)
    runs, deflate_radial = problem.k, flag("deflate_radial", deflate_radial)
    if previous is not None:
        previous = real_array("previous", previous, (runs, None, problem.dimension))
    if method == "dense" or (method == "auto" and problem.dimension <= DENSE_BELOW):
        # run by run: one matrix of N² numbers at a time
        each = [_dense(problem, w, run, count, deflate_radial) for run in range(runs)]
        joined = [np.concatenate(part) for part in zip(*each, strict=True)]
        values, vectors, residuals, width = joined
        # residuals are relative to the width, as those of Lanczos
        found = residuals.max(axis=1) <= tolerance
        return Eigenpairs(values, problem.array(vectors), residuals, width, 0, found)
    operator = hessian_operator(problem, w, deflate_radial=deflate_radial)
    with precision(problem.dtype):
        start = _start(w, checked_key("key", key), count, previous)
    return extreme_eigenpairs(operator, start, count, tolerance=tolerance)


def _start(
    w: Float[Array, "K N"], key: Array, count: int, previous: Float[Array, "K j N"] | None
) -> Float[Array, "K p N"]:
    """Return the start block of Lanczos: one vector a run in a batch, a few for few runs."""
    runs, n = w.shape
    # a batch multiplies K vectors at once anyway; few runs fill the product by a block
    block = block_size(runs, 0 if previous is None else count)
    # of length one on average, like the eigenvectors that may stand beside it in a block
    start = jax.random.normal(key, (runs, block, n), w.dtype) / n**0.5
    if previous is None:
        return start
    if block == 1:
        # the sum has a part of every eigenvector known
        return previous.sum(axis=1, keepdims=True)
    known = previous[:, :block]
    return start.at[:, : known.shape[1]].set(known)


def _dense(
    problem: Problem, w: Float[Array, "K N"], run: int, count: int, deflate_radial: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return values, vectors, residuals and width of one run's lowest pairs, K = 1, by LAPACK."""
    matrix = hessian_matrix(problem, w, run, deflate_radial=deflate_radial)
    # few vectors: the time is that of the reduction to a tridiagonal matrix, (4/3) N³ operations
    values, vectors = scipy.linalg.eigh(matrix, subset_by_index=[0, count - 1])
    # the width is relative to the lowest eigenvalue, as Ritz values see it
    lowest = float(values[0])
    width = max(_largest(matrix, lowest) - lowest, float(np.finfo(float).tiny))
    residuals = np.linalg.norm(matrix @ vectors - values * vectors, axis=0) / width
    one_run = (values.astype(float), vectors.T, residuals.astype(float), np.array(width))
    return tuple(part[None] for part in one_run)  # type: ignore[return-value]


def _largest(matrix: np.ndarray, lowest: float) -> float:
    """Return λ_max to a few per cent, from below, by power iteration on H − λ_min 1."""
    # a fixed seed: the width must not depend on who asks
    v = np.random.default_rng(0).standard_normal(matrix.shape[0]).astype(matrix.dtype)
    rayleigh = 0.0
    for _ in range(POWER_STEPS):
        v /= np.linalg.norm(v)
        image = matrix @ v
        # of the unit vector before this product; it approaches λ_max from below
        rayleigh = float(v @ image)
        # the shift makes λ_max the largest in size
        v = image - lowest * v
    return rayleigh
