"""The curve of marginal 1RSB states in (χ, z), followed down from large α (replica.md §6).

Eqs. 12 and 13 divided by each other do not contain α: they define one curve in the plane of
(log χ, log z), and α = 1/E[(χ ∂²V/2)²] is read off along it. The curve may fold in α (normalised
loss with small a): then one α has several states, and following arc length, not α, finds them all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gapless.losses import Loss
from gapless.quadrature import LEVELS, half_gaussian_pair
from gapless.theory.measure import evaluate
from gapless.theory.roots import NotConverged, solve
from gapless.theory.saddle import (
    marginal_state,
    marginality,
    measure_at,
    solve_saddle,
    stationarity,
)

HIGHEST_ALPHA = 1e3
LOWEST_ALPHA = 1.05
"""χ → ∞ as α → 1⁺ (Eq. 13 tends to α = 1 there) and z grows like no power: digits run out."""
_LONGEST_STEP = 0.6
_SHORTEST_STEP = 1e-3


@dataclass(frozen=True, eq=False)
class MarginalCurve:
    """Points on the marginal curve in order of arc length, from large α on.

    Parameters
    ----------
    x : shape (P, 2)
        (log χ, log z).
    alpha : shape (P,)
        α at each point, to about 1e-6: a start for the solver, not a result.
    """

    x: np.ndarray
    alpha: np.ndarray

    def crossings(self, alpha: float) -> list[np.ndarray]:
        """Return a guess of (log χ, log z) for every state at ``alpha``, in order of arc length."""
        side = np.sign(self.alpha - alpha)
        side[side == 0] = 1
        found = []
        for k in np.flatnonzero(side[1:] != side[:-1]):
            low, high = np.log(self.alpha[k : k + 2])
            share = (np.log(alpha) - low) / (high - low)
            found.append((1 - share) * self.x[k] + share * self.x[k + 1])
        return found


def large_alpha_guess(loss: Loss, alpha: float) -> np.ndarray:
    """Return (log χ, log z) for α → ∞, where ŷ and y become independent.

    There V → ℓ, so that Eq. 13 gives χ = 2/√(α E ℓ″²) and Eq. 12 χ + z = 4/(α χ E ℓ′²). The two
    expectations obey E ℓ″² ≥ E ℓ′² for a smooth loss (Poincaré, ℓ′ being odd), hence z ≥ 0.
    """
    h, y, weight = half_gaussian_pair(LEVELS[0])
    chi = 2 / np.sqrt(alpha * float(weight @ evaluate(loss.d2, h, y) ** 2))
    z = 4 / (alpha * chi * float(weight @ evaluate(loss.d1, h, y) ** 2)) - chi
    return np.log([chi, max(z, 0.1 * chi)])


@lru_cache(maxsize=32)
def marginal_curve(loss: Loss) -> MarginalCurve:
    """Return the curve from α = 1000 to its end: α = 1.05, or where it cannot be followed.

    Predictor along the secant, corrector across it at the sketch level; the step in
    (log χ, log z) adapts. Takes about 0.3 s, once per loss.

    Raises `NotConverged` if there is no state at α = 1000.
    """
    level = LEVELS[0]

    alpha, distance = HIGHEST_ALPHA, 0.0

    def off_curve(x: np.ndarray) -> float:
        nonlocal alpha, distance
        measure = measure_at(loss, x, level)
        inverse = marginality(measure)
        alpha = 1 / inverse
        distance = float(np.log(stationarity(measure) / inverse))
        return distance

    guess = large_alpha_guess(loss, HIGHEST_ALPHA)
    start = solve_saddle(loss, marginal_state(HIGHEST_ALPHA), guess, level, tolerance=1e-8)
    points, alphas = [start.x], [HIGHEST_ALPHA]
    # Toward smaller α both χ and z grow.
    gradient, tangent = _direction(off_curve, start.x, 0.0, np.ones(2))
    step = _LONGEST_STEP
    while len(points) < 400 and step > _SHORTEST_STEP:
        target = points[-1] + step * tangent

        def corrector(
            x: np.ndarray, target: np.ndarray = target, tangent: np.ndarray = tangent
        ) -> np.ndarray:
            return np.array([off_curve(x), tangent @ (x - target)])

        try:
            found = solve(corrector, target, np.stack([gradient, tangent]), tolerance=1e-4)
        except (NotConverged, ValueError, np.linalg.LinAlgError):
            step /= 2
            continue
        # The last point the corrector looked at is the root, so α and distance belong to it.
        new_alpha = alpha
        new_gradient, new_tangent = _direction(off_curve, found.x, distance, tangent)
        turn = 1 - float(new_tangent @ tangent)
        # Halve on a sharp bend, and about a fold in α, so that no pair of states is stepped over.
        bent = turn > 0.03 or np.linalg.norm(found.x - target) > 0.1 * step
        folded = len(alphas) > 1 and (new_alpha - alphas[-1]) * (alphas[-1] - alphas[-2]) < 0
        far = abs(np.log(new_alpha / alphas[-1])) > 1.2
        if (bent and step > 0.01) or (folded and step > 0.05) or far:
            step /= 2
            continue
        gradient, tangent = new_gradient, new_tangent
        points.append(found.x)
        alphas.append(new_alpha)
        if new_alpha < LOWEST_ALPHA or new_alpha > 2 * HIGHEST_ALPHA:
            break
        if turn < 0.01:
            step = min(1.5 * step, _LONGEST_STEP)
    return MarginalCurve(np.array(points), np.array(alphas))


def _direction(
    function: Callable[[np.ndarray], float], x: np.ndarray, at_x: float, forward: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return ∇g and the unit tangent of g = const at ``x`` that points along ``forward``."""
    step = 1e-4
    gradient = np.array([(function(x + step * unit) - at_x) / step for unit in np.eye(2)])
    tangent = np.array([-gradient[1], gradient[0]]) / np.linalg.norm(gradient)
    return gradient, tangent * (1 if tangent @ forward > 0 else -1)
