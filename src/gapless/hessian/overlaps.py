"""Overlaps of eigenvectors: with the signal, and with single samples."""

import numpy as np

from gapless.arrays import Array, compiled, library, uncompiled
from gapless.flags import as_ever
from gapless.inputs import real_array, shaped
from gapless.precision import precision
from gapless.problem import Problem
from gapless.sensing import TransformSensing, unscaled
from gapless.shapes import Float

CANDIDATES = 8
"""Samples whose norms are computed where X has no rows: the nearest to a vector is among them."""


@as_ever(loading=False)
def signal_overlap(
    vectors: Float[Array, "K k N"],
    teacher: Float[Array, "K N"] | Float[Array, "K D N"] | None,
) -> np.ndarray:
    """Return |⟨v, W*⟩|/(|v||W*|) of each vector, (K, k); NaN where there is no teacher.

    A teacher may be D orthogonal directions of one length (`Problem.signals`): the result is then
    the part of v in their span, |⟨v, W*⟩| of complex vectors.

    Raises ``ValueError`` for arrays of other shapes, and for vectors that vanish.
    """
    v = np.asarray(real_array("vectors", vectors, (None, None, None)), float)
    if teacher is None:
        return np.full(v.shape[:2], np.nan)
    signal = np.asarray(real_array("teacher", teacher), float)
    signal = signal[:, None] if signal.ndim == 2 else signal
    shaped("teacher", signal, (v.shape[0], None, v.shape[2]))
    if not (v.any(axis=2).all() and signal.any(axis=2).all()):
        raise ValueError("vectors, teacher: one of them vanishes; it must be a direction")
    v, signal = _of_order_one(v), _of_order_one(signal)
    # float64: an overlap of order N^(−1/2) is a sum of N terms that cancel
    product = np.einsum("kjn,kdn->kjd", v, signal)
    # an eigenvector has no sign, and the losses are even: only the size means something
    size = np.linalg.norm(signal[:, 0], axis=1, keepdims=True)
    return np.linalg.norm(product, axis=2) / (np.linalg.norm(v, axis=2) * size)


def _of_order_one(vectors: np.ndarray) -> np.ndarray:
    """Return vectors with a largest entry of size 1, whose squares neither overflow nor vanish."""
    return vectors / np.abs(vectors).max(axis=-1, keepdims=True)


@as_ever(loading=False)
def top_sample_share(problem: Problem, vectors: Float[Array, "K k N"]) -> Float[Array, "K k"]:
    """Return the largest squared overlap of v with a sample, max_m ⟨v, x_m⟩²/(|v|²|x_m|²).

    It is about 2 log M/N for a vector independent of the samples, and near 1 for an eigenvalue
    that a single sample of large negative curvature pushed out of the bulk, which is no signal.

    Raises ``ValueError`` for vectors that are not (K, k, N), not finite, or vanish.
    """
    given = np.asarray(real_array("vectors", vectors, (problem.k, None, problem.dimension)), float)
    if not given.any(axis=2).all():
        raise ValueError("vectors: one of them vanishes; it must be a direction")
    vectors = problem.array(_of_order_one(given))
    if isinstance(problem.sensing, TransformSensing):
        return _top_of_transforms(problem.sensing.map(np.asarray), np.asarray(vectors))
    if problem.in_numpy:
        return uncompiled(_top_sample_share)(problem, vectors)
    with precision(problem.dtype):
        return _top_sample_share(problem, vectors)


@compiled()
def _top_sample_share(problem: Problem, vectors: Float[Array, "K k N"]) -> Float[Array, "K k"]:
    runs, count, n = vectors.shape
    # the share has no scale, and neither has X = f A here
    sensing, _ = unscaled(problem.sensing)
    # ⟨v, x⟩² for all vectors of all runs in one product with X
    image = problem.sample_squares(vectors.reshape(-1, n))
    # |x|² is 1 up to fluctuations of √(2/N) only, so it is divided out sample by sample
    # NumPy would make X² as large as X
    in_numpy, dtype = library(sensing) is np, vectors.dtype
    # in the precision of the vectors: squares of float16 overflow, and underflow
    if in_numpy:
        norms = np.einsum("mn,mn->m", sensing, sensing, dtype=dtype, casting="same_kind")
    else:
        norms = (sensing.astype(dtype) ** 2).sum(axis=1)
    share = (image / norms[None]).max(axis=1).reshape(runs, count)
    return share / (vectors**2).sum(axis=2)


def _top_of_transforms(x: TransformSensing, vectors: np.ndarray) -> np.ndarray:
    """Return the largest share as `top_sample_share`, from norms of the likeliest samples alone."""
    runs, count, n = vectors.shape
    image = x.times_transpose(vectors.reshape(-1, n)) ** 2
    candidates = min(CANDIDATES, image.shape[1])
    # norms scatter by √(2/N), so the largest share is one of the largest products
    likely = np.argpartition(image, -candidates, axis=1)[:, -candidates:]
    norms = np.stack([(x.rows(some) ** 2).sum(axis=1) for some in likely])
    share = (np.take_along_axis(image, likely, axis=1) / norms).max(axis=1).reshape(runs, count)
    return share / (vectors**2).sum(axis=2)
