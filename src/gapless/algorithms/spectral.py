"""The spectral estimator: the top eigenvector of Σ T(y) x xᵀ.

Its exact asymptotic overlap is `gapless.theory.spectral.spectral_overlap`; the preprocessings T
stand in `gapless.channels`.
"""

import numpy as np

from gapless.arrays import Array, jax, jnp
from gapless.channels import Preprocessing, preprocessing
from gapless.flags import as_ever
from gapless.inputs import number, real_array
from gapless.linalg import (
    Eigenpairs,
    Gram,
    PhasedGram,
    WeightedGram,
    block_size,
    extreme_eigenpairs,
)
from gapless.precision import checked_key, precision
from gapless.problem import Problem
from gapless.sensing import unscaled
from gapless.shapes import Float

DENSE_UP_TO = 512
"""Largest N at which the matrices are formed: LAPACK is faster than compiling Lanczos there."""
TOLERANCE = 1e-4
"""Tolerance on the residual over the spectral width; the vector's error is it times width/gap."""
DEEPEST = 100.0
"""T is cut off at −100 max T. Uncut, 1 − 1/y² reaches −1e8 at the smallest labels, and the spectrum
is so wide that neither float32 nor `TOLERANCE` resolves a gap of 0.1. The cut lowers the overlap by
3e-4 at α = 4."""


@as_ever(loading=False)
def spectral_estimate(
    problem: Problem,
    *,
    key: Array,
    transform: Preprocessing | None = None,
    tolerance: float = TOLERANCE,
) -> tuple[Float[Array, "K N"], Eigenpairs]:
    """Return √N v for the top eigenvector v of Σ T(y) x xᵀ of each run, and the eigenpair.

    T(y) below −100 max T is raised to that (`DEEPEST`): a sample with T → −∞ only makes v
    orthogonal to it. The sign is arbitrary, like the teacher's. Where the eigenpair has not
    ``converged``, because its gap is too small for float32, the last iterate is returned.

    Parameters
    ----------
    key
        Seeds the start vectors of Lanczos.
    transform
        T; `gapless.channels.weak_optimal` at the problem's M/N by default.
    tolerance
        Largest residual over the spectral width; Lanczos (above N = `DENSE_UP_TO`) stops there.

    Raises ``ValueError`` where T(y) is not one finite number for each label.
    """
    chosen = preprocessing("weak", problem.alpha, problem.field) if transform is None else transform
    tolerance, runs, n = number("tolerance", tolerance, above=0), problem.k, problem.dimension
    # T knows |y| alone, so the sign that a label does not have plays no part
    labels = np.asarray(problem.labels)
    with np.errstate(all="ignore"):  # what is not finite is refused by name
        weight = np.asarray(chosen.transform(labels), problem.dtype)
    real_array("transform", weight, (runs, problem.m))
    highest = weight.max(axis=1, keepdims=True)
    weight = np.where(highest > 0, np.maximum(weight, -DEEPEST * highest), weight)
    if n <= DENSE_UP_TO:
        with problem.computing():
            return _dense(problem, weight, tolerance)
    with precision(problem.dtype):
        # d = T(y) and no shift: Σ T x xᵀ by the same products as the Hessian
        operator = _operator(problem, jnp.asarray(weight))
        shape = runs, block_size(runs), n
        start = jax.random.normal(checked_key("key", key), shape, weight.dtype)
        pairs = extreme_eigenpairs(operator, start, 1, which="largest", tolerance=tolerance)
        # on the sphere of radius √N, where states live
        return n**0.5 * pairs.vectors[:, 0], pairs


def _operator(problem: Problem, weight: Float[Array, "K M"]) -> Gram:
    """Return Σ T x xᵀ, or Σ T x x† of complex sensing vectors, whose eigenvalues are double."""
    none = jnp.zeros(problem.k, weight.dtype)
    if problem.field == "complex":
        both = jnp.stack([weight, jnp.zeros_like(weight), weight], axis=1)
        return PhasedGram(problem.sensing, both, none)
    return WeightedGram(problem.sensing, weight, none)


def _dense(
    problem: Problem, weight: np.ndarray, tolerance: float
) -> tuple[Float[Array, "K N"], Eigenpairs]:
    """Return the eigenpairs of `spectral_estimate` by LAPACK, run by run."""
    stored, factor = unscaled(problem.sensing)
    x, n = np.asarray(stored), problem.dimension
    if problem.field == "complex":
        x = x[:, : n // 2] + 1j * x[:, n // 2 :]
    values, vectors, residuals, width = [], [], [], []
    for one in weight * np.square(factor, dtype=weight.dtype):
        # all of them: the width needs both ends
        # T has both signs, so no root of it: one general product, M N² operations a run
        spectrum, basis = np.linalg.eigh((x.T * one) @ x.conj())
        top = basis[:, -1]
        values.append(spectrum[-1:])
        parts = np.concatenate([np.real(top), np.imag(top)]) if np.iscomplexobj(top) else top
        vectors.append(parts[None])
        width.append(spectrum[-1] - spectrum[0])
        # by X as in Lanczos, so that the residual holds the rounding of the matrix too
        image = (one * (x.conj() @ top)) @ x
        residuals.append([np.linalg.norm(image - spectrum[-1] * top) / width[-1]])
    pairs = Eigenpairs(
        values=np.array(values, float),
        vectors=problem.array(np.array(vectors)),
        residuals=np.array(residuals, float),
        width=np.array(width, float),
        products=0,
        converged=np.array(residuals).max(axis=1) <= tolerance,
    )
    return n**0.5 * pairs.vectors[:, 0], pairs
