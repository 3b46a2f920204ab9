"""Complexity curve Σ(e) of the 1RSB scheme, and the ground state where it ends.

Off the marginal line only Eq. 12 holds: there is one state for each z, continued from the marginal
one (docs/derivations/replica.md).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gapless.flags import as_ever
from gapless.inputs import ratio, real_array, whole
from gapless.losses import Loss
from gapless.quadrature import LEVELS, Level
from gapless.theory.label_measure import LabelMeasure, label_measure
from gapless.theory.replica import complexity, energy, free_energy, marginal_guesses
from gapless.theory.roots import NotConverged, root_between
from gapless.theory.saddle import (
    marginal_state,
    marginality,
    refine,
    solve_saddle,
    stationarity,
)

HIGHEST_GROUND = 1e5
"""Largest α of 1RSB ground states: beyond, Σ near its zero is a difference of rounded numbers."""


@dataclass(frozen=True)
class GroundState:
    """The 1RSB state with f stationary in z (Σ = 0) and in χ (Eq. 12).

    Parameters
    ----------
    alpha, chi, z, energy
        Values as in `ThresholdState`; the energy equals the free energy here.
    marginality
        α E[(χ ∂²V/2)²]: above 1 the state is unstable to further replica symmetry breaking.
    error
        Estimated absolute error of chi, z, energy and marginality.
    """

    alpha: float
    chi: float
    z: float
    energy: float
    marginality: float
    error: dict[str, float]


@dataclass(frozen=True, eq=False)
class ComplexityCurve:
    """Σ(e), with z as its parameter: dΣ/de = z (R5).

    Parameters
    ----------
    alpha
        Sensing vectors per dimension.
    z, chi, energy, free_energy, complexity : shape (P,)
        Values along increasing z, hence decreasing energy.
    marginality : shape (P,)
        α E[(χ ∂²V/2)²]: the states are stable below 1, marginal at 1.
    """

    alpha: float
    z: np.ndarray
    chi: np.ndarray
    energy: np.ndarray
    free_energy: np.ndarray
    complexity: np.ndarray
    marginality: np.ndarray


def chi_at(loss: Loss, alpha: float, z: float, guess: float, level: Level) -> float:
    """Return the χ that makes f stationary at given z, Eq. 12; ``guess`` starts the bracket.

    Raises `NotConverged` if no bracket is found within a factor 1e4 of the guess.
    """

    def equation(log_chi: float) -> float:
        measure = label_measure(loss, float(np.exp(log_chi)), z, level)
        # in logarithms both equations are of order one for every α
        return float(np.log(alpha * stationarity(measure)))

    # The left side of Eq. 12 grows with χ: a bracket is opened upward where it is below 1,
    # downward elsewhere, and doubled from 2 %, as guesses are the χ of a neighbouring z.
    low = high = float(np.log(guess))
    at = equation(low)
    width = 0.02
    while width < 10:
        low, high = (low, low + width) if at < 0 else (high - width, high)
        if equation(high if at < 0 else low) * at <= 0:
            return float(np.exp(root_between(equation, low, high)))
        low = high = high if at < 0 else low
        width *= 2
    raise NotConverged("Eq. 12", {"alpha": alpha, "z": z, "chi": guess}, np.array([at]))


@as_ever(loading=False)
def ground_state(loss: Loss, alpha: float) -> GroundState:
    """Return the 1RSB ground state: f stationary in χ (Eq. 12) and in z (Σ = 0).

    Eq. 12 is followed in z from the marginal state to the zero of Σ, toward smaller z where Σ < 0.
    The trivial zero at z = 0 is divided out (Σ ∝ z² there).

    Raises the errors of `threshold_state`, and ``ValueError`` above `HIGHEST_GROUND`.
    """
    if (alpha := ratio(alpha)) > HIGHEST_GROUND:
        raise ValueError(
            f"alpha: 1RSB ground states are resolved up to {HIGHEST_GROUND:g}; lower {alpha:g}"
        )
    # the walk is made at the sketch level; `_refine_ground_state` makes the digits
    start, level = marginal_guesses(loss, alpha)[0], LEVELS[0]
    solution = solve_saddle(loss, marginal_state(alpha), start, level, tolerance=1e-8)
    chi, z = (float(value) for value in np.exp(solution.x))
    sigma = complexity(label_measure(loss, chi, z, level), alpha)
    # Σ falls with z: towards smaller z where it is negative
    factor = 0.85 if sigma < 0 else 1 / 0.85
    # 80 factors of 0.85 are 5.6 decades of z
    for _ in range(80):
        z_next = z * factor
        chi = chi_at(loss, alpha, z_next, chi, level)
        z, last, sigma = z_next, sigma, complexity(label_measure(loss, chi, z_next, level), alpha)
        if last * sigma <= 0:
            break
    else:
        iterate = {"alpha": alpha, "chi": chi, "z": z}
        raise NotConverged("1RSB ground state", iterate, np.array([sigma]))
    return _refine_ground_state(loss, alpha, np.log([chi, z]))


def _refine_ground_state(loss: Loss, alpha: float, guess: np.ndarray) -> GroundState:
    def equations(measure: LabelMeasure) -> tuple[float, float]:
        # Σ ∝ z² at z → 0: divided out, or Newton would find the trivial zero
        scaled = complexity(measure, alpha) * (measure.chi / measure.z) ** 2
        return float(np.log(alpha * stationarity(measure))), scaled

    def values(measure: LabelMeasure) -> dict[str, Any]:
        return {
            "chi": measure.chi,
            "z": measure.z,
            "energy": energy(measure, alpha),
            "marginality": alpha * marginality(measure),
        }

    found = refine(loss, equations, values, lambda _: {}, guess)
    return GroundState(alpha=float(alpha), error=found.error, **found.values)


@as_ever(loading=False)
def complexity_curve(
    loss: Loss, alpha: float, z: np.ndarray | None = None, points: int = 41
) -> ComplexityCurve:
    """Return Σ(e) at ``alpha``, along increasing z (R5).

    Parameters
    ----------
    z
        Increasing values of z; by default ``points`` values in geometric progression that span the
        ground state and the marginal state, with a factor 2 on either side.

    Raises the errors of `threshold_state`, and ``ValueError`` for z that are not positive.
    """
    alpha, points = ratio(alpha), whole("points", points, 2)
    if z is not None:
        z = np.asarray(real_array("z", z, (None,)), float)
        if not ((z > 0).all() and (np.diff(z) > 0).all()):
            raise ValueError("z: must be positive numbers that increase, at least one")
    guess = marginal_guesses(loss, alpha)[0]
    marginal = solve_saddle(loss, marginal_state(alpha), guess, LEVELS[1], tolerance=1e-9)
    chi, z_marginal = (float(value) for value in np.exp(marginal.x))
    if z is None:
        other = ground_state(loss, alpha).z
        z = np.geomspace(min(other, z_marginal) / 2, 2 * max(other, z_marginal), points)
    columns = []
    for value in z:
        # χ at one z is the guess at the next: the root of Eq. 12 is followed, not searched anew
        chi = chi_at(loss, alpha, float(value), chi, LEVELS[1])
        measure = label_measure(loss, chi, float(value), LEVELS[1])
        e, f = energy(measure, alpha), free_energy(measure, alpha)
        columns.append((chi, e, f, value * (e - f), alpha * marginality(measure)))
    return ComplexityCurve(float(alpha), z, *np.array(columns).T)
