"""The Gaussian numbers of the sampled paths: labels y and coordinates ξ of the fields.

Of each sampled sensing vector the dynamics sees y and the independent coordinates ξ_0, ξ_1, … of
its field along the orthonormal basis that the student's history spans (`dmft.history`). The first
few carry most of the variance, so those are quasi-random points; all of them are shifted and
scaled to zero mean and unit variance, and made uncorrelated, so that the second moments of the
fields are exact. Signs need no partner: the flow is odd in ξ at fixed |y|, and an antithetic path
would tell nothing that its twin did not (docs/derivations/dmft.md §5).
"""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

Sampling = Literal["sobol", "matched", "random"]
"""``sobol``: scrambled Sobol points for y and the first ξ, all moments matched; ``matched``:
pseudo-random, moments matched; ``random``: pseudo-random, as it comes."""
QUASI = 8
"""Coordinates (y among them) that are quasi-random."""


@dataclass(frozen=True)
class Draws:
    """Where the random numbers of one set of paths come from.

    Parameters
    ----------
    paths
        P, how many.
    seed, replica
        Sets with different replicas are independent; the same pair gives the same numbers, for
        any loss, α, step and number of steps: differences of those are taken on common paths.
    sampling
        See `Sampling`.
    """

    paths: int
    seed: int
    replica: int = 0
    sampling: Sampling = "sobol"

    def first(self) -> np.ndarray:
        """Return y, ξ_0, … of shape (`QUASI`, P), float32, before matching."""
        if self.sampling != "sobol":
            return np.stack([self._normal(index) for index in range(QUASI)])
        engine = qmc.Sobol(QUASI, scramble=True, rng=self._generator(0))
        with warnings.catch_warnings():
            # numbers of paths that are no power of two lose some balance, not correctness
            warnings.simplefilter("ignore", UserWarning)
            points = engine.random(self.paths)
        tiny = 2.0**-32
        return ndtri(np.clip(points, tiny, 1 - tiny)).T.astype(np.float32)

    def coordinate(self, index: int, before: np.ndarray) -> np.ndarray:
        """Return the coordinate `index` ≥ `QUASI` of every path (y has index 0).

        `before`, shape (index, P), holds the earlier ones, which it is made uncorrelated with.
        """
        return self.matched(self._normal(index), before)

    def matched(self, values: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Return `values` with exact second moments: ⟨v⟩ = 0, ⟨v²⟩ = 1, ⟨v b⟩ = 0 for all b."""
        if self.sampling == "random":
            return values
        values = values - values.mean(dtype=float)
        if 2 * len(before) < len(values):
            values = values - (before @ values / len(values)) @ before
        return (values / np.sqrt(np.mean(values**2, dtype=float))).astype(np.float32)

    def _normal(self, index: int) -> np.ndarray:
        return self._generator(1 + index).standard_normal(self.paths, np.float32)

    def _generator(self, index: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.replica, index])
