"""State evolution of Bayes-optimal message passing for phase retrieval (baselines.md §2, §3).

One number follows the algorithm as N → ∞: s = q², the squared overlap of the estimate.
Source: Barbier, Krzakala, Macris, Miolane, Zdeborová (2019), arXiv 1708.03395.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from gapless.channels import posterior_score
from gapless.flags import as_ever
from gapless.inputs import number, ratio, whole
from gapless.quadrature import bivariate_gaussian
from gapless.theory.roots import root_between

WEAK_RECOVERY = 0.5
"""α above which s = 0 is unstable: s′ = 2αs + O(s²)."""
INFORMATION_THEORETIC = 1.0
"""α above which s = 1 is stable: V′ = V/α + o(V), noiseless."""
# s up to which α(s) = ½ + O(s) is taken as linear (baselines.md §3)
SMALL = 1e-6
MOST_NOISE = 1e30


def score_square(s: float, noise: float = 0.0) -> float:
    """Return E g² at squared overlap s: labels' score, averaged over ω ~ N(0, s), z ~ N(ω, 1 − s).

    ŝ = α E g² is the information of M = αN labels about W*. As g is even in (ω, z) together, E is
    over the standard pair (ω/√s, (z + √Δ n)/√(1+Δ)) of correlation √(s/(1+Δ)).
    """
    # label noise widens y to variance 1 + Δ, and V = 1 − s to V + Δ (baselines.md §2)
    scale, variance = (1 + noise) ** 0.5, 1 - s + noise

    def square(z: np.ndarray, omega: np.ndarray) -> np.ndarray:
        return posterior_score(s**0.5 * omega, scale * z, variance) ** 2

    # g holds y by y tanh(ωy/V) alone, so z may keep its sign where y has none
    return bivariate_gaussian(square, s**0.5 / scale)[0]


def next_square(s: float, alpha: float, noise: float = 0.0) -> float:
    """Return the squared overlap after one iteration, ŝ/(1 + ŝ) with ŝ = α E g²(s)."""
    # prior N(0, 1): precision 1 + ŝ, so E ŵ² = ŝ/(1 + ŝ)
    known = alpha * score_square(s, noise)
    return known / (1 + known)


@as_ever(loading=False)
def state_evolution(
    overlap: float, alpha: float, iterations: int, noise: float = 0.0
) -> np.ndarray:
    """Return the overlaps q of iterations 0 … `iterations`, from q₀ = `overlap`.

    Raises ``ValueError`` unless 0 < overlap < 1, alpha is positive, iterations a whole number ≥ 0
    and noise a variance up to 1e30.
    """
    overlap, alpha = number("overlap", overlap), ratio(alpha)
    if not 0 < overlap < 1:
        raise ValueError(f"overlap: must lie between 0 and 1, not at {overlap}")
    iterations, noise = whole("iterations", iterations, 0), number("noise", noise, 0, MOST_NOISE)
    squares = [overlap**2]
    for _ in range(iterations):
        # past this the variance 1 − s is rounding
        squares.append(min(next_square(squares[-1], alpha, noise), 1 - 1e-12))
    return np.sqrt(squares)


def alpha_of_fixed_point(s: float) -> float:
    """Return the α at which s = q² is a fixed point, noiseless: s/((1 − s) E g²(s))."""
    return s / ((1 - s) * score_square(s))


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of Bayes-optimal inference in real noiseless phase retrieval.

    Parameters
    ----------
    weak_recovery
        α above which the uninformed fixed point has q > 0: 1/2 exactly.
    algorithmic
        α above which it is q = 1: message passing recovers exactly.
    jump_from
        q of the uninformed fixed point just below the algorithmic threshold.
    information_theoretic
        α above which q = 1 is the most likely state: 1.
    error
        Estimated error of `algorithmic`.
    """

    weak_recovery: float
    algorithmic: float
    jump_from: float
    information_theoretic: float
    error: float


@as_ever(loading=False)
@cache
def thresholds() -> Thresholds:
    """Return the thresholds of weak recovery, of message passing and of information.

    The uninformed branch of fixed points is α(s) of `alpha_of_fixed_point` from s = 0 up to the
    maximum of α(s). At larger α the iteration converges to s = 1.
    """
    # α(s) rises from ½ to one maximum, near s = 0.85, and falls to 1 (baselines.md §3); at a
    # maximum α errs by the square of the error of s, so 1e-7 in s is ample
    found: Any = minimize_scalar(
        lambda s: -alpha_of_fixed_point(s),
        bounds=(0.05, 0.95),
        method="bounded",
        options={"xatol": 1e-7},
    )
    s = float(found.x)
    # the error of the Gaussian integral, relative, is that of α
    scale = bivariate_gaussian(
        lambda z, omega: posterior_score(s**0.5 * omega, z, 1 - s) ** 2, s**0.5
    )
    return Thresholds(
        weak_recovery=WEAK_RECOVERY,
        algorithmic=-float(found.fun),
        jump_from=s**0.5,
        information_theoretic=INFORMATION_THEORETIC,
        error=-float(found.fun) * scale[1] / scale[0] + 1e-12,
    )


@as_ever(loading=False)
def uninformed_overlap(alpha: float) -> float:
    """Return q of the fixed point that the iteration reaches from q → 0⁺, noiseless.

    It is 0 up to α = 1/2, 1 above the algorithmic threshold, and the root of α(s) = α on the
    increasing branch between them. Raises ``ValueError`` unless alpha is positive.
    """
    alpha = ratio(alpha)
    if alpha <= WEAK_RECOVERY:
        return 0.0
    least = alpha_of_fixed_point(SMALL)
    if alpha < least:
        return (SMALL * (alpha - WEAK_RECOVERY) / (least - WEAK_RECOVERY)) ** 0.5
    end = thresholds()
    if alpha >= end.algorithmic:
        return 1.0
    top = end.jump_from**2
    # α(s) is monotone up to its maximum: one root
    return root_between(lambda s: alpha_of_fixed_point(s) - alpha, SMALL, top) ** 0.5
