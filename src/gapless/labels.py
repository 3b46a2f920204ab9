"""Joint law P(ŷ, y) of student's and teacher's labels, common to theory and runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from gapless.inputs import ratio, real_array
from gapless.losses import Loss


@dataclass(frozen=True, eq=False)
class LabelLaw:
    """Weighted atoms of (ŷ, y).

    A run's labels (equal weights) and a replica prediction (quadrature nodes) have the same type,
    so every function of a law (moments, bulk edge, outlier, density) accepts either.

    Parameters
    ----------
    student, teacher : float64, shape (A,)
        The atoms ŷ and y.
    weight : float64, shape (A,)
        Probabilities; they are divided by their sum.

    Raises
    ------
    ValueError
        Unless the three have one shape and hold finite real numbers, weights ≥ 0.
    """

    student: np.ndarray
    teacher: np.ndarray
    weight: np.ndarray

    def __post_init__(self) -> None:
        names = ("student", "teacher", "weight")
        try:
            # copies: the caller's arrays may change
            arrays = [np.array(real_array(name, getattr(self, name)), float) for name in names]
        except ValueError as error:
            raise ValueError(f"a label law needs arrays of finite numbers; {error}") from None
        student, teacher, weight = arrays
        if not student.size or not student.shape == teacher.shape == weight.shape:
            raise ValueError(
                "a label law needs as many student as teacher labels and weights, at least one: "
                f"got {student.shape}, {teacher.shape}, {weight.shape}"
            )
        if (weight < 0).any() or not weight.any():
            raise ValueError("a label law needs weights ≥ 0 that do not all vanish")
        if not 1e-290 < (largest := weight.max()) < 1e290:
            weight = weight / largest  # or their sum is infinite, or of few digits
        for name, array in zip(names, (student, teacher, weight / weight.sum()), strict=True):
            # flat: a law has no more structure than its atoms
            object.__setattr__(self, name, array.ravel())

    @classmethod
    def from_run(cls, student: np.ndarray, teacher: np.ndarray) -> Self:
        """Return the empirical law of one run's labels ŷ_m, y_m, each of weight 1/M."""
        return cls(student, teacher, np.ones(np.shape(student)))

    def mean(self, f: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
        """Return E f(ŷ, y)."""
        # weights sum to one, so no division
        return float(self.weight @ f(self.student, self.teacher))

    def curvatures(self, loss: Loss) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return d = ½ℓ″, y² and weight of each sensing vector in the Hessian of Eq. 4."""
        # y by its square alone (φ of bbp.md §2), so a law folded to y ≥ 0 serves as well
        return self._of(loss.d2) / 2, self.teacher**2, self.weight

    def _of(self, function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        # a loss that leaves out ŷ or y returns a smaller array
        found = np.asarray(function(self.student, self.teacher), float)
        return np.broadcast_to(found, self.student.shape)

    def energy(self, loss: Loss, alpha: float) -> float:
        """Return e = L/N = (α/2) E ℓ(ŷ, y), Eq. 1; ``ValueError`` unless α is positive."""
        return ratio(alpha) / 2 * self.mean(loss.value)

    def multiplier(self, loss: Loss, alpha: float) -> float:
        """Return μ = (α/2) E[ŷ ∂ℓ/∂ŷ], Eq. 3; ``ValueError`` unless α is positive."""
        return ratio(alpha) / 2 * self.mean(lambda yhat, y: yhat * loss.d1(yhat, y))

    def moments(self) -> dict[str, float]:
        """Return E|ŷ|^k for k = 1 … 4, named ``abs``, ``2``, ``3``, ``4`` (Fig. 4, right)."""
        # |ŷ|: odd moments of ŷ itself vanish by symmetry
        size = np.abs(self.student)
        return {"abs" if k == 1 else str(k): float(self.weight @ size**k) for k in (1, 2, 3, 4)}


class ComplexLabelLaw(LabelLaw):
    """Weighted atoms of the moduli r = |ŷ| and s = |y| of complex labels, in `student`, `teacher`.

    Energy, μ and moments are those of `LabelLaw`; a sample has two curvatures, d_R = ½ℓ″(r) along
    the phase of ŷ and d_I = ½ℓ′(r)/r across it (docs/derivations/complex.md §3).
    """

    def curvatures(self, loss: Loss) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return d, y² and weight of both curvatures of each sample, each with half the weight."""
        d = np.concatenate([self._of(loss.d2), self._of(loss.across)]) / 2
        return d, np.tile(self.teacher**2, 2), np.tile(self.weight / 2, 2)
