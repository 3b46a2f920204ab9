"""Readings of α_BBP, tried on a model whose transition is known.

Their bias there corrects those of phase retrieval.

Near a transition the rate at which an overlap grows is Λ = ρ² with ρ proportional to the distance
from it, and in a time T it can be told from no growth only where ΛT is of order one. So a reading
at finite T is compared at equal

    x = ρ√T,   ρ = sign(distance) √Λ                                            (S5),

between a model whose ρ is known and phase retrieval, where ρ ≈ k(α − α_BBP) (`rate_slope`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import nan

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize_scalar

from gapless.labels import LabelLaw
from gapless.losses import Loss
from gapless.theory.bbp import curvatures

LEAST_MODELS = 4
"""Points that a cubic needs."""


def edge_rate(law: LabelLaw, loss: Loss, alpha: float, gamma: float) -> float:
    """Return √Λ per unit of ψ − φ at a marginal minimum, to leading order: √(|ψ″|/2)/|φ′|.

    An outlier splits off a square-root edge at ψ(γ̄) − ψ(γ) = ½|ψ″|(γ̄ − γ)², where φ(γ) = ψ(γ)
    gives γ̄ − γ = (ψ(γ̄) − φ(γ̄))/|φ′|.

    Parameters
    ----------
    law, gamma
        Labels of the minimum, and γ̄ with ψ′(γ̄) = 0.
    """
    known = curvatures(law, loss, alpha)
    inverse = 1 / (1 + gamma * known.d)
    curvature = 2 * alpha * float(known.weight @ (known.d * inverse) ** 3) - 2 / gamma**3
    slope = alpha * float(known.weight @ (known.y2 * (known.d * inverse) ** 2))
    return (abs(curvature) / 2) ** 0.5 / slope


@dataclass(frozen=True, eq=False)
class Calibration:
    """A reading of each model against x, (S5): smooth, without sampling noise.

    Parameters
    ----------
    x, value : shape (S,)
        Ascending; the reading's raw number there, such as an exponent or a gain.
    """

    x: np.ndarray
    value: np.ndarray

    def at(self, x: np.ndarray | float) -> np.ndarray:
        """Return the number at other x, by a cubic spline; NaN beyond the models."""
        if len(self.x) < LEAST_MODELS:
            return np.full_like(np.asarray(x, float), nan)
        return CubicSpline(self.x, self.value, extrapolate=False)(x)

    def zero(self) -> float:
        """Return the x at which the number vanishes; NaN unless it does once."""
        if len(self.x) < LEAST_MODELS:
            return nan
        roots = CubicSpline(self.x, self.value, extrapolate=False).solve(0.0)
        return float(roots[0]) if len(roots) == 1 else nan

    def expected(
        self,
        reading: Callable[[np.ndarray, np.ndarray], float],
        alphas: np.ndarray,
        alpha_c: float,
        scale: float,
    ) -> float:
        """Return the α_BBP that a reading would report if the model's transition were at α_c.

        Parameters
        ----------
        reading
            (α, number at each) → α of the transition.
        scale
            k√T: x for each unit of α − α_c.

        NaN where an α lies beyond what is known.
        """
        found = self.at(scale * (alphas - alpha_c))
        return reading(alphas, found) if np.isfinite(found).all() else nan


@dataclass(frozen=True)
class Matched:
    """α_c at which measured numbers lie on a calibration curve, by least squares.

    Parameters
    ----------
    alpha, error
        α_c and its statistical error: where χ² is larger by one, or by χ²/dof if that is more.
    chi2, dof
        Of the fit.
    """

    alpha: float
    error: float
    chi2: float
    dof: int


def matched(
    calibration: Calibration, measured: Mapping[float, tuple[float, float]], scale: float
) -> Matched:
    """Return α_c that puts numbers measured at several α on the curve of a model.

    Parameters
    ----------
    measured
        α → number and standard error.
    scale
        k√T: x for each unit of α − α_c; it is not fitted.
    """
    alphas = np.array(sorted(measured))
    value, error = np.array([measured[alpha] for alpha in alphas]).T
    if len(alphas) < 2 or len(calibration.x) < LEAST_MODELS:
        return Matched(nan, nan, nan, 0)
    # all α must lie on the curve
    low = alphas[-1] - calibration.x[-1] / scale
    high = alphas[0] - calibration.x[0] / scale

    def chi2(alpha_c: float) -> float:
        return float((((calibration.at(scale * (alphas - alpha_c)) - value) / error) ** 2).sum())

    if not low < high:
        return Matched(nan, nan, nan, 0)
    grid = np.linspace(low, high, 101)[1:-1]
    start = grid[int(np.argmin([chi2(one) for one in grid]))]
    width = grid[1] - grid[0]
    best = minimize_scalar(chi2, bounds=(start - width, start + width), method="bounded")
    alpha_c, least, dof = float(best.x), float(best.fun), len(alphas) - 1
    if not grid[0] < start < grid[-1]:
        return Matched(nan, nan, least, dof)
    second = (chi2(alpha_c + width) - 2 * least + chi2(alpha_c - width)) / width**2
    return Matched(alpha_c, float(np.sqrt(2 * max(1.0, least / dof) / second)), least, dof)
