"""The Hessian as an operator and as a matrix, and all of its eigenvalues."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from gapless.arrays import Array, compiled, jnp, library, pytree, uncompiled
from gapless.flags import as_ever
from gapless.inputs import flag
from gapless.linalg import Gram
from gapless.problem import Problem
from gapless.shapes import Float

ROWS_PER_UPDATE = 4096
"""Sensing vectors that enter the dense matrix at once: bounds the memory of their scaled copy."""


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
    w, deflate_radial = problem.states(w), flag("deflate_radial", deflate_radial)
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
