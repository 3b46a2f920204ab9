"""The Gaussian numbers of an ensemble of sampled paths: labels y, and fields along directions.

The dynamics depends on a sampled sensing vector through y and its components along the directions
that the student's history spans (`dmft.sensing`). The first few components have most of the
variance, and are quasi-random points. Antithetic paths are not used: the flow is odd in the field
at fixed |y|, and an antithetic path has the same values as its twin (docs/derivations/dmft.md §6).
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Literal, get_args

import numpy as np
from scipy.special import ndtri

from gapless.shapes import Float32

Sampling = Literal["sobol", "random"]
"""Kind of the random numbers. ``sobol``: scrambled Sobol points for y and the first fields, with
exact second moments and with lengths equal to their means; the other fields are as in ``random``.
``random``: pseudo-random numbers only, which have the law of gradient descent with P samples in
N = P/α dimensions and serve for a comparison with it (docs/derivations/dmft.md §6)."""
FEWEST_PATHS, MOST_PATHS = 64, 2**30
FEWEST_DIMENSIONS = 10
"""Smallest N = P/α of P paths. Averages have a bias of order α/P, in the energy up to 9 α/P as
measured (docs/derivations/dmft.md §6), which is not small for fewer dimensions."""
QUASI = 8
"""Number of quasi-random vectors, y included."""


@dataclass(frozen=True)
class PathDraws:
    """The random numbers of one set of paths.

    Parameters
    ----------
    paths
        P, the number of paths.
    seed, path_set
        Different sets are independent; the same pair gives the same numbers, for
        any loss, α and step.
    sampling
        Kind of the random numbers (`Sampling`).
    """

    paths: int
    seed: int
    path_set: int = 0
    sampling: str = "sobol"

    def __post_init__(self) -> None:
        if not (isinstance(self.paths, Integral) and FEWEST_PATHS <= self.paths <= MOST_PATHS):
            raise ValueError(f"paths: must be from {FEWEST_PATHS} to 2**30, not {self.paths}")
        if not (isinstance(self.seed, Integral) and 0 <= self.seed < 2**32):
            raise ValueError(f"seed: must be an integer from 0 to 2**32 - 1, not {self.seed}")
        if self.sampling not in get_args(Sampling):
            raise ValueError(f"sampling: {self.sampling!r} is not one of sobol, random")

    def check_dimension(self, alpha: float) -> None:
        """Raise ``ValueError`` if P/α is below `FEWEST_DIMENSIONS`."""
        # P paths have the law of descent with P samples in N = P/α dimensions (dmft.md §2)
        if self.paths >= FEWEST_DIMENSIONS * alpha:
            return
        least = FEWEST_DIMENSIONS * alpha
        remedy = f"raise --paths to {least:.0f} at least, or " if least <= MOST_PATHS else ""
        raise ValueError(
            f"paths: {self.paths} paths at α = {alpha:g} are a system of {self.paths / alpha:.3g} "
            f"dimensions, which says nothing of N = ∞; {remedy}lower --alpha"
        )

    def normal(self, stream: int, index: int) -> Float32[np.ndarray, " P"]:
        """Return vector `index` of a stream: P standard normal numbers in float32.

        Stream 0 is the student's: its vector 0 is y, and the first `QUASI` are quasi-random.
        """
        if self.has_exact_moments(stream, index):
            return self._quasi[index]
        # one generator a vector: numbers belong to (seed, set, stream, direction), so computations
        # that differ in step, α or loss share them (common random numbers, dmft.md §6)
        generator = np.random.default_rng([self.seed, self.path_set, stream, index])
        # float32, since 2 J such vectors are kept: memory is 8 P J bytes (dmft.md §3)
        return generator.standard_normal(self.paths, np.float32)

    def has_exact_moments(self, stream: int, index: int) -> bool:
        """Return whether this vector is quasi-random with exact second moments."""
        # the eight Sobol dimensions are the student's y and ξ_0 … ξ_6; probes are drawn at random
        return stream == 0 and index < QUASI and self.sampling == "sobol"

    def length(self, stream: int, index: int, left: float) -> float:
        """Return |new part of Xᵀq| for a unit q: √χ² of `left` degrees of freedom, or √`left`."""
        # the mean in place of a draw; with nothing left of N there is nothing to draw
        if self.has_exact_moments(stream, index) or left == 0:
            return float(np.sqrt(left))
        # the 1 keeps lengths apart from the ξ of the same direction
        generator = np.random.default_rng([self.seed, self.path_set, stream, index, 1])
        # Xᵀq has as many components that are not drawn yet, each N(0, 1) (dmft.md §2)
        return float(np.sqrt(generator.chisquare(left)))

    def labels(self) -> Float32[np.ndarray, " P"]:
        """Return y; quasi-random ones have mean zero and mean square one."""
        y = self.normal(0, 0)
        if not self.has_exact_moments(0, 0):
            return y
        # sums run in float64: moments are then exact but for the rounding of the numbers themselves
        y = y - np.float32(y.mean(dtype=float))
        return (y / np.sqrt(np.mean(y**2, dtype=float))).astype(np.float32)

    @cached_property
    def _quasi(self) -> Float32[np.ndarray, "Q P"]:
        from scipy.stats import qmc  # takes longer to load than a short dynamics

        generator = np.random.default_rng([self.seed, self.path_set])
        with warnings.catch_warnings():
            # numbers of paths that are no power of two lose some balance, not correctness
            warnings.simplefilter("ignore", UserWarning)
            # all eight at once: the points are balanced jointly, not vector by vector
            points = qmc.Sobol(QUASI, scramble=True, rng=generator).random(self.paths)
        # a scrambled point may be 0, where ndtri is infinite; 2⁻³² is below their resolution
        tiny = 2.0**-32
        return ndtri(np.clip(points, tiny, 1 - tiny)).T.astype(np.float32)
