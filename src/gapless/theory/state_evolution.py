"""State evolution of Bayes-optimal message passing for phase retrieval (baselines.md §2, §3).

One number follows the algorithm as N → ∞: s = q², the squared overlap of the estimate.
Source: Barbier, Krzakala, Macris, Miolane, Zdeborová (2019), arXiv 1708.03395.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import i0e

from gapless.channels import WEAK_RECOVERY, complex_score, posterior_score
from gapless.flags import as_ever
from gapless.inputs import Field, check_field, number, ratio, whole
from gapless.quadrature import LEVELS, Level, bivariate_gaussian, composite, error_of, half_modulus
from gapless.theory.roots import root_between

INFORMATION_THEORETIC: dict[Field, float] = {"real": 1.0, "complex": 2.0}
"""α above which s = 1 is stable without noise: V′ = V/α, or 2V/α if complex. It is then the most
likely state as well: near s = 1 the free entropy is (α − 1)/2 · ln 1/(1 − s), or (α − 2) ln …"""
# s up to which α(s) = ½ + O(s) is taken as linear (baselines.md §3)
SMALL = 1e-6
MOST_NOISE = 1e30
WIDTH, PANELS = 8.0, 12
"""Standard deviations, times √2, of the law of |z| about |ω| that are integrated; its panels."""


def score_square(s: float, noise: float = 0.0, field: Field = "real") -> float:
    """Return E|g|² at squared overlap s: the score, averaged over ω ~ N(0, s), z ~ N(ω, 1 − s).

    ŝ = α E|g|² is the information of M = αN labels about W*. As g is even in (ω, z) together, E is
    over the standard pair (ω/√s, (z + √Δ n)/√(1+Δ)) of correlation √(s/(1+Δ)).
    Complex z and ω have the same variances, and g is `gapless.channels.complex_score`.
    """
    return _score_square(s, noise, field)[0]


def _score_square(s: float, noise: float, field: Field) -> tuple[float, float]:
    """Return E |g|² and its error."""
    if field == "complex":
        coarse, fine = (_complex_square(s, noise, level) for level in LEVELS[2:4])
        return fine, error_of(coarse, fine)
    # label noise widens y to variance 1 + Δ, and V = 1 − s to V + Δ (baselines.md §2)
    scale, variance = (1 + noise) ** 0.5, 1 - s + noise

    def square(z: np.ndarray, omega: np.ndarray) -> np.ndarray:
        return posterior_score(s**0.5 * omega, scale * z, variance) ** 2

    # g holds y by y tanh(ωy/V) alone, so z may keep its sign where y has none
    return bivariate_gaussian(square, s**0.5 / scale)


def _complex_square(s: float, noise: float, level: Level) -> float:
    """Return E |g|² of complex signals: |ω|² is exponential, and |z| given ω has Rice's law."""
    variance = 1 - s + noise
    omega, weight = half_modulus((), level)
    omega = s**0.5 * omega[:, None]
    # the law of |z| is that of a Gaussian about |ω|, of variance V/2, from eight deviations on
    low = np.maximum(omega - WIDTH * variance**0.5, 0)
    unit, share = composite(np.linspace(0, 1, PANELS + 1), level.order)
    width = omega + WIDTH * variance**0.5 - low
    z = low + width * unit
    rice = 2 * z / variance * np.exp(-((z - omega) ** 2) / variance)
    law = rice * i0e(2 * z * omega / variance) * width * share
    return float(weight @ (law * complex_score(omega, z, variance) ** 2).sum(axis=1))


def next_square(s: float, alpha: float, noise: float = 0.0, field: Field = "real") -> float:
    """Return the squared overlap after one iteration, ŝ/(1 + ŝ) with ŝ = α E g²(s) (A7)."""
    # prior N(0, 1): precision 1 + ŝ, so E ŵ² = ŝ/(1 + ŝ)
    known = alpha * score_square(s, noise, field)
    return known / (1 + known)


@as_ever(loading=False)
def state_evolution(
    overlap: float, alpha: float, iterations: int, noise: float = 0.0, field: Field = "real"
) -> np.ndarray:
    """Return the overlaps q of iterations 0 … `iterations`, from q₀ = `overlap`.

    Raises ``ValueError`` unless 0 < overlap < 1, alpha is positive, iterations a whole number ≥ 0
    and noise a variance up to 1e30.
    """
    overlap, alpha = number("overlap", overlap), ratio(alpha)
    check_field(field)
    if not 0 < overlap < 1:
        raise ValueError(f"overlap: must lie between 0 and 1, not at {overlap}")
    iterations, noise = whole("iterations", iterations, 0), number("noise", noise, 0, MOST_NOISE)
    squares = [overlap**2]
    for _ in range(iterations):
        # past this the variance 1 − s is rounding
        squares.append(min(next_square(squares[-1], alpha, noise, field), 1 - 1e-12))
    return np.sqrt(squares)


def alpha_of_fixed_point(s: float, field: Field = "real") -> float:
    """Return the α at which s = q² is a fixed point, noiseless: s/((1 − s) E g²(s)) (A8)."""
    return s / ((1 - s) * score_square(s, field=field))


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of Bayes-optimal inference in noiseless phase retrieval.

    Parameters
    ----------
    weak_recovery
        α above which the uninformed fixed point has q > 0: 1/2 exactly, 1 for complex signals.
    algorithmic
        α above which it is q = 1: message passing recovers exactly.
    jump_from
        q of the uninformed fixed point just below the algorithmic threshold.
    information_theoretic
        α above which q = 1 is the most likely state: 1, or 2.
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
def thresholds(field: Field = "real") -> Thresholds:
    """Return the thresholds of weak recovery, of message passing and of information.

    The uninformed branch of fixed points is α(s) of `alpha_of_fixed_point` from s = 0 up to the
    maximum of α(s), (A9) and (C8). At larger α the iteration converges to s = 1.
    """
    check_field(field)
    # α(s) rises from ½ to one maximum, near s = 0.85, and falls to 1 (baselines.md §3), of complex
    # signals from 1 to one near s = 0.94 and to 2; at a maximum α errs by the square of the error
    # of s, so 1e-7 in s is ample
    found: Any = minimize_scalar(
        lambda s: -alpha_of_fixed_point(s, field),
        bounds=(0.05, 0.95),
        method="bounded",
        options={"xatol": 1e-7},
    )
    s = float(found.x)
    # the error of the Gaussian integral, relative, is that of α
    scale = _score_square(s, 0.0, field)
    return Thresholds(
        weak_recovery=WEAK_RECOVERY[field],
        algorithmic=-float(found.fun),
        jump_from=s**0.5,
        information_theoretic=INFORMATION_THEORETIC[field],
        error=-float(found.fun) * scale[1] / scale[0] + 1e-12,
    )


@as_ever(loading=False)
def uninformed_overlap(alpha: float, field: Field = "real") -> float:
    """Return q of the fixed point that the iteration reaches from q → 0⁺, noiseless.

    It is 0 up to α = 1/2 (complex: 1), 1 above the algorithmic threshold, and the root of α(s) = α
    on the increasing branch between them. Raises ``ValueError`` unless alpha is positive.
    """
    alpha = ratio(alpha)
    end = thresholds(field)
    weak = end.weak_recovery
    if alpha <= weak:
        return 0.0
    least = alpha_of_fixed_point(SMALL, field)
    if alpha < least:
        return (SMALL * (alpha - weak) / (least - weak)) ** 0.5
    if alpha >= end.algorithmic:
        return 1.0
    top = end.jump_from**2
    # α(s) is monotone up to its maximum: one root
    return root_between(lambda s: alpha_of_fixed_point(s, field) - alpha, SMALL, top) ** 0.5
