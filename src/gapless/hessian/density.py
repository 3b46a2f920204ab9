"""The spectral density of the Hessian, by stochastic Lanczos quadrature."""

import numpy as np

from gapless.arrays import Array, jax
from gapless.flags import as_ever
from gapless.hessian.operator import hessian_operator
from gapless.inputs import number, real_array, whole
from gapless.linalg import Quadrature, lanczos_quadrature
from gapless.precision import checked_key, precision
from gapless.problem import Problem
from gapless.shapes import Float


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
