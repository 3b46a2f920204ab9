"""Exact asymptotic overlap of the spectral estimator (docs/derivations/baselines.md §1).

−Σ T(y) x xᵀ is a matrix Σ d x xᵀ with d = −T(y): its lowest eigenvector is the estimator, and bulk
edge, outlier and overlap are those of `gapless.theory.bulk`.
"""

import numpy as np

from gapless.channels import WEAK_RECOVERY, Preprocessing
from gapless.flags import as_ever
from gapless.inputs import Field, check_field, ratio
from gapless.quadrature import LEVELS, Level, error_of, half_gaussian, half_modulus
from gapless.theory import bulk
from gapless.theory.roots import root_between


@as_ever(loading=False)
def spectral_overlap(
    transform: Preprocessing, alpha: float, field: Field = "real"
) -> tuple[float, float]:
    """Return q = |⟨v, W*⟩|/√N of the top eigenvector of Σ T(y) x xᵀ as N → ∞, and its error.

    It is (B4) for d = −T, and 0 where no eigenvalue leaves the bulk. Raises ``ValueError`` unless
    alpha is positive.
    """
    check_field(field)
    # the change from one refinement to the next bounds the error of the finer
    coarse, fine = (_overlap(transform, alpha, field, level) for level in LEVELS[2:4])
    return fine, error_of(coarse, fine)


def _overlap(transform: Preprocessing, alpha: float, field: Field, level: Level) -> float:
    y, weight = _labels(transform.breaks, field, level)
    # the sign: the top of Σ T x xᵀ is the bottom of its negative
    curvatures = bulk.Curvatures(-transform.transform(y), y**2, weight, alpha)
    return bulk.outlier(curvatures).overlap or 0.0


def _labels(breaks: tuple[float, ...], field: Field, level: Level) -> tuple[np.ndarray, np.ndarray]:
    # a complex matrix Σ T x x† has the same ψ and φ, with the law of a complex label
    return (half_modulus if field == "complex" else half_gaussian)(breaks, level)


@as_ever(loading=False)
def best_overlap(alpha: float, field: Field = "real") -> float:
    """Return the overlap of T = 1 − 1/y², the largest of all.

    It is 0 up to α = 1/2 (complex: 1), else the root of

        α (1 − q²) E[(y² − 1)²/(1 + q²(y² − 1))] = 1,

    which is (A4): Luo, Alghamdi and Lu (2018); derived in docs/derivations/baselines.md §1.
    """
    alpha = ratio(alpha)
    check_field(field)
    # E(y² − 1)² = 2: at q = 0 the equation reads 2α = 1, and α = 1 for complex labels
    if alpha <= WEAK_RECOVERY[field]:
        return 0.0
    y, weight = _labels((), field, LEVELS[3])

    def excess(square: float) -> float:
        return (
            alpha * (1 - square) * float(weight @ ((y**2 - 1) ** 2 / (1 + square * (y**2 - 1)))) - 1
        )

    # the unknown is q²; the power ½ makes the overlap linear, as it is reported everywhere
    return root_between(excess, 1e-14, 1 - 1e-14) ** 0.5
