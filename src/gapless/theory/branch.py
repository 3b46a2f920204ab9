"""The curve of marginal 1RSB states in (χ, z), followed down from large α (replica.md §6).

Eqs. 12 and 13 divided by each other do not contain α: they define one curve in the plane of
(log χ, log z), and α = 1/E[(χ ∂²V/2)²] is read off along it. The curve may fold in α (normalised
loss with small a): then one α has several states, and following arc length, not α, finds them all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gapless.losses import Loss
from gapless.quadrature import LEVELS, half_gaussian_pair
from gapless.theory.label_measure import evaluate
from gapless.theory.roots import NotConverged
from gapless.theory.saddle import (
    marginal_state,
    marginality,
    measure_at,
    solve_saddle,
    stationarity,
)

HIGHEST_ALPHA = 1e3
LOWEST_ALPHA = 1.05
"""Smallest α of the curve: χ → ∞ as α → 1⁺ (Eq. 13 tends to α = 1 there), z grows faster than any
power, and rounding limits the solution."""
_LONGEST_STEP = 0.6
_SHORTEST_STEP = 1e-3
_CLOSE = 1e-4
"""Distance of the points from the curve, in (log χ, log z): they are starts for a solver."""


@dataclass(frozen=True, eq=False)
class MarginalCurve:
    """Points on the marginal curve in order of arc length, from large α on.

    Parameters
    ----------
    x : shape (P, 2)
        (log χ, log z).
    alpha : shape (P,)
        α at each point, to about 1e-4: a start for the solver, not a result.
    """

    x: np.ndarray
    alpha: np.ndarray

    def crossings(self, alpha: float) -> list[np.ndarray]:
        """Return a guess of (log χ, log z) for every state at ``alpha``, in order of arc length."""
        side = np.sign(self.alpha - alpha)
        # a point exactly at α belongs to one side, so that its crossing is counted once
        side[side == 0] = 1
        found = []
        for k in np.flatnonzero(side[1:] != side[:-1]):
            low, high = np.log(self.alpha[k : k + 2])
            # in log α: χ and z are powers of α at large α, hence straight lines in logarithms
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
    # from Eq. 12 with χ of Eq. 13
    z = 4 / (alpha * chi * float(weight @ evaluate(loss.d1, h, y) ** 2)) - chi
    # a loss with kinks may break Poincaré's inequality: the logarithm needs z > 0
    return np.log([chi, max(z, 0.1 * chi)])


@lru_cache(maxsize=32)
def marginal_curve(loss: Loss) -> MarginalCurve:
    """Return the curve from α = 1000 to its end; see `along_curve`. It is cached by loss."""
    points, alphas = zip(*along_curve(loss), strict=True)
    return MarginalCurve(np.array(points), np.array(alphas))


def along_curve(loss: Loss) -> Iterator[tuple[np.ndarray, float]]:
    """Yield (log χ, log z) and α from α = 1000 to the end: α = 1.05, or where the curve is lost.

    The predictor is the parabola through the last three points, the corrector moves across the
    chord, and the step in (log χ, log z) is adaptive; the quadrature is that of the sketch level.
    A point takes about three evaluations, and the curve of the quartic loss 0.15 s.

    Raises `NotConverged` if there is no state at α = 1000.
    """
    # the sketch level is enough: points are starts for a solver that goes on to finer rules
    level = LEVELS[0]

    def off_curve(x: np.ndarray) -> tuple[float, float]:
        """Return the logarithm of Eq. 12 over Eq. 13, which vanishes on the curve, and α."""
        measure = measure_at(loss, x, level)
        inverse = marginality(measure)
        # α cancels in Eq. 12 over Eq. 13, and is read off Eq. 13
        return float(np.log(stationarity(measure) / inverse)), 1 / inverse

    guess = large_alpha_guess(loss, HIGHEST_ALPHA)
    start = solve_saddle(loss, marginal_state(HIGHEST_ALPHA), guess, level, tolerance=1e-8)
    points, alphas = [start.x], [HIGHEST_ALPHA]
    yield points[-1], alphas[-1]
    # log α drops out of the difference of Eqs. 12 and 13. Both χ and z grow toward smaller α.
    gradient = start.jacobian[0] - start.jacobian[1]
    slope = float(np.linalg.norm(gradient))
    tangent = _across(gradient) / slope
    chord = tangent if tangent.sum() > 0 else -tangent
    # Rotated by a quarter turn from the chord; the slope along it keeps its sign on the way.
    slope *= float(np.sign(gradient @ _across(chord)))
    # in (log χ, log z), where the curve is nearly straight at large α
    step = _LONGEST_STEP
    while len(points) < 400 and step > _SHORTEST_STEP:
        target = _ahead(points, chord, step)
        try:
            found, new_alpha, new_slope = _correct(
                off_curve, target, _across(_unit(target - points[-1])), slope
            )
        # a ValueError says that there is no measure there (the minimiser jumps elsewhere than at
        # field zero, say); half the step may stay where there is one
        except (NotConverged, ValueError):
            step /= 2
            continue
        new_chord = _unit(found - points[-1])
        turn = 1 - float(new_chord @ chord)
        # Halve on a sharp bend, and about a fold in α, so that no pair of states is stepped over.
        bent = turn > 0.03 or np.linalg.norm(found - target) > 0.1 * step
        folded = len(alphas) > 1 and (new_alpha - alphas[-1]) * (alphas[-1] - alphas[-2]) < 0
        # `crossings` interpolates between points: a factor e^1.2 = 3.3 in α is far enough for that
        far = abs(np.log(new_alpha / alphas[-1])) > 1.2
        if (bent and step > 0.01) or (folded and step > 0.05) or far:
            step /= 2
            continue
        chord, slope = new_chord, new_slope
        points.append(found)
        alphas.append(new_alpha)
        yield found, new_alpha
        # a branch that folds and runs back to large α has been seen once it is there
        if new_alpha < LOWEST_ALPHA or new_alpha > 2 * HIGHEST_ALPHA:
            break
        if turn < 0.01:
            step = min(1.5 * step, _LONGEST_STEP)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)


def _across(direction: np.ndarray) -> np.ndarray:
    """Return ``direction`` after a quarter turn to the left."""
    return np.array([-direction[1], direction[0]])


def _ahead(points: list[np.ndarray], chord: np.ndarray, step: float) -> np.ndarray:
    """Return the parabola through the last three points, in arc length, ``step`` further on."""
    if len(points) < 3:
        return points[-1] + step * chord
    first, middle, last = points[-3:]
    before, behind = np.linalg.norm(middle - first), np.linalg.norm(last - middle)
    # the second divided difference in arc length, Newton's form of the parabola
    bend = (chord - (middle - first) / before) / (before + behind)
    return last + step * chord + step * (step + behind) * bend


def _correct(
    off_curve: Callable[[np.ndarray], tuple[float, float]],
    target: np.ndarray,
    across: np.ndarray,
    slope: float,
) -> tuple[np.ndarray, float, float]:
    """Return the root of ``off_curve`` on the line through target, its α and the slope there.

    The secant method starts with the slope at the last point and ends when the next step would be
    below 1e-4.
    """
    shift, (value, alpha) = 0.0, off_curve(target)
    for _ in range(8):
        # the target lies near the curve: a longer secant step comes from a slope that is off
        change = float(np.clip(-value / slope, -0.3, 0.3))
        if abs(change) <= _CLOSE:
            return target + shift * across, alpha, slope
        new, alpha = off_curve(target + (shift + change) * across)
        shift, slope, value = shift + change, (new - value) / change, new
        if not abs(slope) > 0:
            break
    # 8 evaluations are more than a good prediction needs; the caller then halves its step
    chi, z = np.exp(target + shift * across)
    raise NotConverged("marginal curve", {"chi": chi, "z": z}, np.array([value]))
