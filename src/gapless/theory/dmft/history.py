"""The student's past as explicit vectors: C is a Gram matrix whatever the sampling errors.

w_k lies in the span of w_0 and of the path forces f_s = √(α/P) F_s, vectors of R^P whose scalar
products are the sampled M_C(k, s) = α⟨F_k F_s⟩. Row k of `coordinates` is w_k in an orthonormal
basis of that span, made as it grows. So C(k, s) = ⟨w_k, w_s⟩ is positive semidefinite, and
ζ_k = Σ_j L(k, j) ξ_j needs no factorisation of a nearly singular C.
"""

from dataclasses import dataclass

import numpy as np

DEPENDENT = 3e-6
"""A residual below this part of its vector is rounding (float32): the vector spans nothing new."""


@dataclass(frozen=True, eq=False)
class History:
    """An orthonormal basis of the forces so far, and the student in it.

    Parameters
    ----------
    basis : float32, shape (T, P)
        Row j ≥ 1: the part of f_{j−1} that is new. Row 0 is w_0, which is no vector of R^P: zero.
    coordinates : float64, shape (T + 1, T + 1)
        L, lower triangular: row k is w_k without its component along W*.
    """

    basis: np.ndarray
    coordinates: np.ndarray

    @classmethod
    def begin(cls, steps: int, paths: int, radius: float) -> "History":
        """Return the history of a start w_0 of length `radius` (less than 1 with a teacher)."""
        coordinates = np.zeros((steps + 1, steps + 1))
        coordinates[0, 0] = radius
        return cls(np.zeros((steps + 1, paths), np.float32), coordinates)

    def project(self, k: int, force: np.ndarray) -> np.ndarray:
        """Return f_k's coordinates (k + 2,), after adding what is new of it to the basis.

        Twice Gram–Schmidt: once leaves the rounding of the first projection.
        """
        f = force.astype(np.float32)
        found = np.zeros(k + 2)
        length = float(np.linalg.norm(f))
        known = self.basis[: k + 1]
        for _ in range(2):
            part = known @ f
            found[: k + 1] += part
            f = f - part @ known
        rest = float(np.linalg.norm(f))
        if rest > DEPENDENT * length:
            self.basis[k + 1] = f / rest
            found[k + 1] = rest
        return found
