"""Projection on the span of vectors whose scalar products are known, some of them dependent."""

import numpy as np
from scipy.linalg import solve_triangular

DEPENDENT = 1e-5
"""Squared distance of a unit vector from the others below which it is left out (float32)."""


class Span:
    """A growing Cholesky factor of the Gram matrix of unit vectors a_0, a_1, …

    A vector that depends on those before it is left out: with it the factor would be singular,
    and it adds nothing to the span.
    """

    def __init__(self) -> None:
        self._factor = np.zeros((64, 64))
        self._kept: list[int] = []
        self._seen = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def seen(self) -> int:
        """How many vectors were added, those left out among them."""
        return self._seen

    def add(self, products: np.ndarray, square: float = 1.0) -> None:
        """Take in the next vector, by its scalar products with all that were added before.

        `square` is its squared norm, one or zero.
        """
        size = len(self._kept)
        row = self._solve(products[self._kept])
        left = square - float(row @ row)
        if left > DEPENDENT:
            if size == len(self._factor):
                self._factor = np.pad(self._factor, (0, size))
            self._factor[size, :size] = row
            self._factor[size, size] = np.sqrt(left)
            self._kept.append(self._seen)
        self._seen += 1

    def coefficients(self, products: np.ndarray) -> np.ndarray:
        """Return c with Σ c_i a_i the projection of a vector of these scalar products with a_i."""
        found = np.zeros(self._seen)
        half = self._solve(products[self._kept])
        found[self._kept] = self._solve(half, transposed=True)
        return found

    def _solve(self, right: np.ndarray, transposed: bool = False) -> np.ndarray:
        size = len(self._kept)
        if size == 0:
            return np.zeros(0)
        factor = self._factor[:size, :size]
        return solve_triangular(factor, right, trans=int(transposed), lower=True)
