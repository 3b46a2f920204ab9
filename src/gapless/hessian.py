"""Spectra of the Hessian on the sphere, H = ½ Σ ℓ″(ŷ, y) x xᵀ − μ 1 (Eq. 4).

Eigenvalues are those of Eq. 4 as printed: μ is subtracted and the radial direction W is not
projected out (projecting would put an exact 0 inside a gapless spectrum). `deflate_radial` moves
its eigenvalue into the bulk instead. Overlaps of eigenvectors with the
signal are |⟨v, W*⟩|/(|v||W*|), between 0 and 1, never squared.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.linalg

from gapless.arrays import Array, compiled, jax, jnp, library, pytree, uncompiled
from gapless.flags import as_ever
from gapless.inputs import number, real_array, shaped, whole
from gapless.linalg import (
    Eigenpairs,
    Gram,
    Quadrature,
    block_size,
    extreme_eigenpairs,
    lanczos_quadrature,
)
from gapless.precision import checked_key, precision
from gapless.problem import Problem
from gapless.sensing import TransformSensing, unscaled
from gapless.shapes import Float

ROWS_PER_UPDATE = 4096
"""Sensing vectors that enter the dense matrix at once: bounds the memory of their scaled copy."""
DENSE_BELOW = 1536
"""Up to this N `lowest_eigenpairs` forms matrices when the choice is left to it: the routes
cross between 1024 and 2048 (`docs/results/eigenpairs.md`)."""
POWER_STEPS = 30
"""Power iterations behind the spectral width of the dense route: good to a few per cent."""
CANDIDATES = 8
"""Samples whose norms are computed where X has no rows: the nearest to a vector is among them."""


@compiled()
def _curvature(problem: Problem, w: Float[Array, "K N"]) -> tuple[Array, Float[Array, " K"]]:
    return problem.curvature(w)


@pytree(data=["operator", "direction", "value"])
@dataclass(frozen=True, eq=False)
class Deflated:
    """P A P + c u uᵀ for each of K operators A: the unit vector u becomes an eigenvector.

    Parameters
    ----------
    operator
        A, which may have other directions deflated.
    direction : (K, N)
        u; P projects it out.
    value : (K,)
        c, the eigenvalue that u gets.
    """

    operator: "Gram | Deflated"
    direction: Float[Array, "K N"]
    value: Float[Array, " K"]

    def __call__(self, v: Float[Array, "K p N"]) -> Float[Array, "K p N"]:
        """Return (P A P + c u uᵀ) v."""
        # P = 1 − u uᵀ is never a matrix: two projections and one product with A
        along = self._along(v)
        image = self.operator(v - along)
        return image - self._along(image) + self.value[:, None, None] * along

    def _along(self, v: Float[Array, "K p N"]) -> Float[Array, "K p N"]:
        return jnp.einsum("kpn,kn->kp", v, self.direction)[..., None] * self.direction[:, None, :]


def hessian_operator(
    problem: Problem, w: Float[Array, "K N"], *, deflate_radial: bool = False
) -> Gram | Deflated:
    """Return the K Hessians of Eq. 4 at the states `w` as operators on blocks of vectors.

    Parameters
    ----------
    deflate_radial
        Replace H by P H P + c ŵŵᵀ, P the projector on the tangent space and ŵ = W/√N, with
        c = αE[d] + 2√(αE[d²]) − μ, d = ½ℓ″: the bulk's mean plus two standard deviations.

    The phase of complex signals, iW, is always deflated in this way (complex.md §2).

    Raises ``ValueError`` for states that are not (K, N) finite vectors near the sphere.
    """
    w = problem.states(w)
    with problem.computing():
        # compiled apart: what returns X from a compiled function copies it
        curvature, mu = (uncompiled(_curvature) if problem.in_numpy else _curvature)(problem, w)
        if problem.in_numpy:  # where losses may answer in float64
            curvature, mu = curvature.astype(problem.dtype), mu.astype(problem.dtype)
        if not (np.isfinite(mu).all() and np.isfinite(curvature).all()):
            raise ValueError(
                f"w, labels: the Hessian overflows {problem.dtype} here; give labels and states of "
                "order one, or a float64 problem"
            )
        hessian = gram = problem.gram(curvature, mu)
        directions = problem.zero_modes(w) + ((w,) if deflate_radial else ())
        if not directions:
            return hessian
        # mean and variance of the bulk before μ is subtracted
        mean, square = gram.moments
        xp = library(w)
        value = mean + 2 * xp.sqrt(square) - mu
        for direction in directions:
            # W is on the sphere only up to rounding and the caller's factor
            unit = direction / xp.linalg.norm(direction, axis=1, keepdims=True)
            hessian = Deflated(hessian, unit, value)
        return hessian


@as_ever(loading=False)
def hessian_matrix(
    problem: Problem, w: Float[Array, "K N"], run: int, *, deflate_radial: bool = False
) -> np.ndarray:
    """Return the Hessian of one run as a symmetric matrix (N, N) in the problem's precision.

    Samples of positive and of negative curvature are two symmetric updates by BLAS, with half the
    operations of one general product. Peak memory: N² numbers and a few thousand rows of X.

    Raises ``ValueError`` as `hessian_operator` does, and for the index of a run that does not exist
    (`gapless.inputs.NoSuchRun`, an ``IndexError`` too).
    """
    run = problem.run_index(run)
    # in NumPy: nothing is compiled for products that are made once
    state = np.asarray(problem.states(w))[run : run + 1]
    # of one run, so that the labels of the others are not computed for it
    one = problem.to_numpy().of_runs(np.array([run]))
    operator = hessian_operator(one, state, deflate_radial=deflate_radial)
    deflated: list[Deflated] = []
    while isinstance(operator, Deflated):
        deflated.append(operator)
        operator = operator.operator
    sensing, weight = operator.of_run(0)
    (update,) = scipy.linalg.get_blas_funcs(["syrk"], [sensing])
    # columns first, as BLAS wants it: every update then adds to the same memory
    lower = np.zeros((problem.dimension,) * 2, sensing.dtype, order="F")
    # syrk forms A Aᵀ, so weights enter as their roots and negative ones apart
    for sign in (1, -1):
        chosen = np.flatnonzero(sign * weight > 0)
        for first in range(0, len(chosen), ROWS_PER_UPDATE):
            some = chosen[first : first + ROWS_PER_UPDATE]
            scaled = sensing[some] * np.sqrt(np.abs(weight[some]))[:, None]
            lower = update(sign, scaled.T, beta=1, c=lower, lower=1, overwrite_c=1)
    # syrk fills one triangle
    matrix = lower + np.tril(lower, -1).T
    matrix[np.diag_indices_from(matrix)] += float(operator.shift[0])
    for one in reversed(deflated):
        u, c = np.asarray(one.direction[0]), float(one.value[0])
        # P H P + c u uᵀ written out, from one product H u
        image = matrix @ u
        matrix += (c + u @ image) * np.outer(u, u) - np.outer(u, image) - np.outer(image, u)
    return matrix


@as_ever(loading=False)
def spectrum(
    problem: Problem, w: Float[Array, "K N"], run: int, *, deflate_radial: bool = False
) -> np.ndarray:
    """Return the N eigenvalues of one run's Hessian in increasing order; time grows like M N²."""
    matrix = hessian_matrix(problem, w, run, deflate_radial=deflate_radial)
    return np.asarray(scipy.linalg.eigh(matrix, eigvals_only=True, driver="evr"), float)


@as_ever(loading=False)
def negative_count(problem: Problem, w: Float[Array, "K N"], run: int) -> int:
    """Return the index of one run's Hessian, the number of its negative eigenvalues."""
    # the radial direction is counted like any other: W is not projected out
    return int((spectrum(problem, w, run) < 0).sum())


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
        Seeds the start vectors of Lanczos.
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
    runs = problem.k
    if method == "dense" or (method == "auto" and problem.dimension <= DENSE_BELOW):
        # run by run: one matrix of N² numbers at a time
        each = [_dense(problem, w, run, count, deflate_radial) for run in range(runs)]
        joined = [np.concatenate(part) for part in zip(*each, strict=True)]
        values, vectors, residuals, width = joined
        # residuals are relative to the width, as those of Lanczos
        found = residuals.max(axis=1) <= tolerance
        return Eigenpairs(values, problem.array(vectors), residuals, width, 0, found)
    if previous is not None:
        previous = real_array("previous", previous, (runs, None, problem.dimension))
    operator = hessian_operator(problem, w, deflate_radial=deflate_radial)
    with precision(problem.dtype):
        start = _start(w, checked_key("key", key), count, previous)
    return extreme_eigenpairs(operator, start, count, tolerance=tolerance)


@as_ever(loading=False)
def spectral_density(
    problem: Problem,
    w: Float[Array, "K N"],
    *,
    key: Array,
    steps: int = 64,
    probes: int = 4,
    deflate_radial: bool = False,
) -> Quadrature:
    """Return the spectral density of each run by stochastic Lanczos quadrature.

    Parameters
    ----------
    steps
        Products with a block; features narrower than about width/steps are not resolved.
    probes
        Vectors in the block; moments scatter like 1/√(probes · N).

    Raises ``ValueError`` for numbers below 1, and as `hessian_operator` does.
    """
    steps, probes = whole("steps", steps, 1), min(whole("probes", probes, 1), problem.dimension)
    operator = hessian_operator(problem, w, deflate_radial=deflate_radial)
    with precision(problem.dtype):
        # Gaussian: orthonormalised it is Haar, which the quadrature's mean needs
        shape = (problem.k, probes, problem.dimension)
        start = jax.random.normal(checked_key("key", key), shape, problem.dtype)
    # p·steps cannot exceed N: the basis would be complete before
    return lanczos_quadrature(operator, start, min(steps, problem.dimension // start.shape[1]))


def smoothed(quadrature: Quadrature, grid: np.ndarray, width: float) -> np.ndarray:
    """Return the density on `grid`, (K, G): points of the quadrature as Gaussians of `width`.

    Raises ``ValueError`` unless the grid is finite, of rank 1, and the width positive.
    """
    grid, width = real_array("grid", grid, (None,)), number("width", width, above=0)
    distance = (np.asarray(grid)[None, :, None] - quadrature.nodes[:, None, :]) / width
    peaks = np.exp(-(distance**2) / 2) / (width * np.sqrt(2 * np.pi))
    return (peaks * quadrature.weights[:, None, :]).sum(axis=2)


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
    # float64: an overlap of order N^(−1/2) is a sum of N terms that cancel
    product = np.einsum("kjn,kdn->kjd", v, signal)
    # an eigenvector has no sign, and the losses are even: only the size means something
    size = np.linalg.norm(signal[:, 0], axis=1, keepdims=True)
    return np.linalg.norm(product, axis=2) / (np.linalg.norm(v, axis=2) * size)


@as_ever(loading=False)
def top_sample_share(problem: Problem, vectors: Float[Array, "K k N"]) -> Float[Array, "K k"]:
    """Return the largest squared overlap of v with a sample, max_m ⟨v, x_m⟩²/(|v|²|x_m|²).

    It is about 2 log M/N for a vector independent of the samples, and near 1 for an eigenvalue
    that a single sample of large negative curvature pushed out of the bulk, which is no signal.

    Raises ``ValueError`` for vectors that are not (K, k, N), not finite, or vanish.
    """
    vectors = real_array("vectors", vectors, (problem.k, None, problem.dimension))
    vectors = problem.array(vectors)
    if not np.asarray(vectors).any(axis=2).all():
        raise ValueError("vectors: one of them vanishes; it must be a direction")
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
