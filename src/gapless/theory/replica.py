"""Threshold states of the 1RSB scheme: Eqs. 11–13 and the label law (docs/derivations/replica.md).

All energies are per dimension, e = L/N with the ½ of Eq. 1. What the scheme does *not* describe
stands in docs/derivations/limits.md, and in every state's flags.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
from scipy.optimize import brentq

from gapless.labels import LabelLaw
from gapless.losses import Loss
from gapless.quadrature import LEVELS, Level, error_of
from gapless.theory import bulk
from gapless.theory.branch import (
    HIGHEST_ALPHA,
    NotConverged,
    Solution,
    large_alpha_guess,
    marginal_curve,
    marginal_residuals,
    marginality,
    solve,
    stationarity,
)
from gapless.theory.measure import LabelMeasure, label_measure

_ENOUGH = 1e-9
"""Two levels that agree to this relative accuracy end the refinement."""
_ROUND_OFF = 1e-11
"""Noise of the equations: next to the corner J is a difference of numbers of order one, and y − y_c
has lost 8 to 10 digits at the nearest nodes."""


@dataclass(frozen=True, eq=False)
class ThresholdState:
    """A marginal 1RSB state: Eqs. 12 and 13 solved at ``alpha``.

    Parameters
    ----------
    alpha
        Sensing vectors per dimension, M/N.
    chi, z
        χ and z of Eq. 11.
    energy, free_energy, complexity
        e = (α/2) E ℓ, f of Eq. 11, Σ = z(e − f); e = ∂(zf)/∂z.
    mu
        The multiplier of Eq. 3, (α/2) E[ŷ ∂ℓ].
    bulk_edge
        λ₋ = ψ(χ) of ½Σℓ″xxᵀ, before μ is subtracted (−Ψ of Eq. 5 at γ̄ = χ).
    outlier, outlier_overlap
        Eigenvalue below λ₋ along the signal, before μ is subtracted, and |⟨v, W*⟩|/√N of its
        unit vector; None where there is none.
    moments
        E|ŷ|^k, named ``abs``, ``2``, ``3``, ``4``.
    law
        P(ŷ, y) as quadrature atoms, folded to ŷ, y ≥ 0 (either sign is equally likely).
    flags
        ``negative_complexity`` (Σ < 0: not a consistent state), ``below_ground_state`` (its
        energy lies below the 1RSB ground state's), ``kink_mass`` (the delta in ∂²V that Eq. 13
        drops: what λ₋ − μ must be), ``multiplier_mismatch`` (λ₋ − μ as computed) and
        ``other_branches`` (further marginal states at this α: χ, z, energy).
    error
        Estimated absolute error of each value, under the same keys.
    """

    alpha: float
    chi: float
    z: float
    energy: float
    free_energy: float
    complexity: float
    mu: float
    bulk_edge: float
    outlier: float | None
    outlier_overlap: float | None
    moments: dict[str, float]
    law: LabelLaw = field(repr=False)
    flags: dict[str, Any]
    error: dict[str, Any]

    def record(self) -> dict[str, Any]:
        """Return all but the law, ready for JSON."""
        return {name: value for name, value in vars(self).items() if name != "law"}


@dataclass(frozen=True)
class GroundState:
    """The 1RSB state with f stationary in z (Σ = 0) and in χ (Eq. 12).

    Parameters
    ----------
    alpha, chi, z, energy
        As in `ThresholdState`; here energy = free energy.
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
    """Σ(e), with z as its parameter: dΣ/de = z.

    Parameters
    ----------
    alpha
        Sensing vectors per dimension.
    z, chi, energy, free_energy, complexity : shape (P,)
        Along increasing z, hence decreasing energy.
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


def free_energy(measure: LabelMeasure, alpha: float) -> float:
    """Return f = −log(1 + z/χ)/(2z) − (α/z) E_y log ∫Dr e^{−zV/2}, Eq. 11."""
    chi, z = measure.chi, measure.z
    entropy = np.log1p(z / chi) / 2
    return float(-(entropy + alpha * (measure.y_weight @ measure.log_norm)) / z)


def energy(measure: LabelMeasure, alpha: float) -> float:
    """Return e = (α/2) E ℓ at the minimisers, Eq. 1; it is ∂(zf)/∂z where Eq. 12 holds."""
    return alpha / 2 * measure.mean(measure.value)


def complexity(measure: LabelMeasure, alpha: float) -> float:
    """Return Σ = z(e − f)."""
    return measure.z * (energy(measure, alpha) - free_energy(measure, alpha))


def threshold_state(loss: Loss, alpha: float) -> ThresholdState:
    """Return the marginal 1RSB state at ``alpha``, Eqs. 12 and 13.

    The branch is the one that is continued from α → ∞; where it folds, the other states at this
    α are listed in the flags. The first call for a loss follows the branch (about 0.4 s), later
    ones take about 0.1 s.

    Parameters
    ----------
    loss
        Even in ŷ and y. A jump of the minimiser of V at field zero is dealt with, elsewhere not.
    alpha
        M/N, above the lower end of the branch (1.05 for the quartic loss).

    Raises
    ------
    ValueError
        If alpha is not a positive number, or lies where no marginal state exists.
    NotConverged
        With the last iterate.
    """
    guesses = _guesses(loss, alpha)
    solution, refined = _refine(loss, alpha, guesses[0])
    if any(np.abs(solution.x - other).max() < 1e-3 for other in guesses[1:]):
        raise NotConverged(
            f"marginal state of {loss.name} at alpha={alpha:g}, too close to a fold of the branch",
            dict(zip(("chi", "z"), map(float, np.exp(solution.x)), strict=True)),
            np.zeros(2),
        )
    measure, values, error = refined
    sigma, mismatch = values["complexity"], values["bulk_edge"] - values["mu"]
    flags = {
        "negative_complexity": sigma < 0,
        "kink_mass": alpha * measure.kink(),
        "multiplier_mismatch": mismatch,
        # Σ grows with e along the curve (dΣ/de = z > 0) and vanishes at the ground state.
        "below_ground_state": sigma < 0,
        "other_branches": _other_branches(loss, alpha, guesses[1:]),
    }
    return ThresholdState(alpha=alpha, law=measure.law(), flags=flags, error=error, **values)


def _guesses(loss: Loss, alpha: float) -> list[np.ndarray]:
    """Return guesses of (log χ, log z) at alpha, the branch from large α first."""
    if not (isfinite(alpha) and alpha > 0):
        raise ValueError(f"alpha must be a positive number, not {alpha}")
    _check_even(loss)
    if alpha >= HIGHEST_ALPHA:
        return [large_alpha_guess(loss, alpha)]
    curve = marginal_curve(loss)
    guesses = curve.crossings(alpha)
    if not guesses:
        raise ValueError(
            f"alpha={alpha:g}: the {loss.name} loss has no marginal 1RSB state there; the branch "
            f"continued from large alpha reaches down to alpha={curve.alpha.min():.4g} "
            "(as alpha falls to 1, chi diverges and the energy vanishes)"
        )
    return guesses


def _check_even(loss: Loss) -> None:
    """Raise ``ValueError`` unless ℓ is even in ŷ and in y, which folding to a quadrant needs."""
    h, y = np.meshgrid([0.3, 1.1, 2.7], [0.2, 0.9, 2.3])
    value = loss.value(h, y)
    if not (np.allclose(loss.value(-h, y), value) and np.allclose(loss.value(h, -y), value)):
        raise ValueError(f"loss {loss.name}: the replica theory needs a loss even in ŷ and in y")


def _values(measure: LabelMeasure, alpha: float) -> dict[str, Any]:
    """Return every reported number at one saddle point, under its name in `ThresholdState`."""
    size = measure.h
    moments = {str(k): measure.mean(size**k) for k in (2, 3, 4)}
    e, f = energy(measure, alpha), free_energy(measure, alpha)
    curvatures = curvatures_of(measure, alpha)
    spike = bulk.outlier(curvatures, gamma_bar=measure.chi)
    return {
        "chi": measure.chi,
        "z": measure.z,
        "energy": e,
        "free_energy": f,
        "complexity": measure.z * (e - f),
        "mu": alpha / 2 * measure.mean(measure.h * measure.d1),
        "bulk_edge": curvatures.psi(measure.chi),
        "outlier": spike.value,
        "outlier_overlap": spike.overlap,
        "moments": {"abs": measure.mean(size)} | moments,
    }


def curvatures_of(measure: LabelMeasure, alpha: float) -> bulk.Curvatures:
    """Return the atoms (d, y²) of a measure, unpruned, for the functions of `bulk`."""
    shape = measure.h.shape
    y2 = np.broadcast_to(measure.y[:, None] ** 2, shape).ravel()
    weight = (measure.y_weight[:, None] * measure.weight).ravel()
    return bulk.Curvatures(measure.d.ravel(), y2, weight, alpha)


def _refine(
    loss: Loss, alpha: float, guess: np.ndarray
) -> tuple[Solution, tuple[LabelMeasure, dict[str, Any], dict[str, Any]]]:
    """Solve Eqs. 12 and 13 on finer and finer rules until two agree; return the last."""
    jacobian, previous, error = None, None, {}
    for level in LEVELS[1:]:
        solution = solve(marginal_residuals(loss, alpha, level), guess, jacobian)
        guess, jacobian = solution.x, solution.jacobian
        measure = label_measure(loss, *map(float, np.exp(solution.x)), level)
        values = _values(measure, alpha)
        if previous is not None:
            # Round-off in the equations reaches the values through the inverse Jacobian.
            noise = _ROUND_OFF * max(1.0, float(np.linalg.norm(np.linalg.inv(jacobian), 2)))
            error = _errors(previous, values, noise)
            if _worst(values, error) < max(_ENOUGH, 10 * noise):
                return solution, (measure, values, error)
        previous = values
    return solution, (measure, values, error)


def _errors(coarse: dict[str, Any], fine: dict[str, Any], noise: float) -> dict[str, Any]:
    """Return the error of each value from two levels; None where there is no value."""
    # Σ, μ and λ₋ are differences: their round-off is that of the terms.
    terms = abs(fine["energy"]) + abs(fine["free_energy"])
    floor = {
        "free_energy": terms,
        "complexity": fine["z"] * terms,
        "mu": abs(fine["mu"]) + 1 / fine["chi"],
        "bulk_edge": abs(fine["bulk_edge"]) + 1 / fine["chi"],
    }
    error = {}
    for name, value in fine.items():
        if name == "moments":
            error[name] = {
                k: error_of(coarse[name][k], v) + noise * v for k, v in value.items()
            }
        elif value is None or coarse[name] is None:
            error[name] = None
        else:
            error[name] = error_of(coarse[name], value) + noise * floor.get(name, abs(value))
    return error


def _worst(values: dict[str, Any], error: dict[str, Any]) -> float:
    """Return the largest error of the smooth values, relative to the natural size of each."""
    names = ("chi", "z", "energy")
    return max(error[name] / abs(values[name]) for name in names)


def _other_branches(
    loss: Loss, alpha: float, guesses: list[np.ndarray]
) -> list[dict[str, float]]:
    """Return χ, z and energy of the further marginal states at alpha."""
    found = []
    for guess in guesses:
        try:
            solution = solve(marginal_residuals(loss, alpha, LEVELS[1]), guess)
        except NotConverged:
            continue
        measure = label_measure(loss, *map(float, np.exp(solution.x)), LEVELS[1])
        found.append({"chi": measure.chi, "z": measure.z, "energy": energy(measure, alpha)})
    return found


def chi_at(loss: Loss, alpha: float, z: float, guess: float, level: Level) -> float:
    """Return the χ that makes f stationary at given z, Eq. 12; ``guess`` starts the bracket.

    Raises `NotConverged` if no bracket is found within a factor 1e4 of the guess.
    """

    def equation(log_chi: float) -> float:
        return float(np.log(alpha * stationarity(label_measure(loss, np.exp(log_chi), z, level))))

    low = high = float(np.log(guess))
    at = equation(low)
    width = 0.02
    while width < 10:
        low, high = (low, low + width) if at < 0 else (high - width, high)
        if equation(high if at < 0 else low) * at <= 0:
            return float(np.exp(brentq(equation, low, high, xtol=1e-13, rtol=1e-14)))
        low = high = high if at < 0 else low
        width *= 2
    raise NotConverged("Eq. 12", {"alpha": alpha, "z": z, "chi": guess}, np.array([at]))


def ground_state(loss: Loss, alpha: float) -> GroundState:
    """Return the 1RSB ground state: f stationary in χ (Eq. 12) and in z (Σ = 0).

    Starts at the marginal state and follows Eq. 12 in z to the zero of Σ, toward smaller z where
    Σ < 0. The trivial zero at z = 0 is divided out (Σ ∝ z² there).

    Raises as `threshold_state` does.
    """
    start, level = _guesses(loss, alpha)[0], LEVELS[0]
    solution = solve(marginal_residuals(loss, alpha, level), start, tolerance=1e-8)
    chi, z = map(float, np.exp(solution.x))
    sigma = complexity(label_measure(loss, chi, z, level), alpha)
    factor = 0.85 if sigma < 0 else 1 / 0.85
    for _ in range(80):
        z_next = z * factor
        chi = chi_at(loss, alpha, z_next, chi, level)
        z, last, sigma = z_next, sigma, complexity(label_measure(loss, chi, z_next, level), alpha)
        if last * sigma <= 0:
            break
    else:
        raise NotConverged("1RSB ground state", {"alpha": alpha, "chi": chi, "z": z}, np.array([sigma]))
    return _refine_ground_state(loss, alpha, np.log([chi, z]))


def _refine_ground_state(loss: Loss, alpha: float, guess: np.ndarray) -> GroundState:
    def residuals(level: Level) -> Callable[[np.ndarray], np.ndarray]:
        def at(x: np.ndarray) -> np.ndarray:
            measure = label_measure(loss, *map(float, np.exp(x)), level)
            scaled = complexity(measure, alpha) * (measure.chi / measure.z) ** 2
            return np.array([np.log(alpha * stationarity(measure)), scaled])

        return at

    jacobian, previous, error = None, {}, {}
    for level in LEVELS[1:]:
        solution = solve(residuals(level), guess, jacobian)
        guess, jacobian = solution.x, solution.jacobian
        measure = label_measure(loss, *map(float, np.exp(solution.x)), level)
        values = {
            "chi": measure.chi,
            "z": measure.z,
            "energy": energy(measure, alpha),
            "marginality": alpha * marginality(measure),
        }
        if previous:
            noise = _ROUND_OFF * max(1.0, float(np.linalg.norm(np.linalg.inv(jacobian), 2)))
            error = {k: error_of(previous[k], v) + noise * abs(v) for k, v in values.items()}
            if all(error[k] < max(_ENOUGH, 10 * noise) * abs(v) for k, v in values.items()):
                break
        previous = values
    return GroundState(alpha=alpha, error=error, **values)


def complexity_curve(
    loss: Loss, alpha: float, z: np.ndarray | None = None, points: int = 41
) -> ComplexityCurve:
    """Return Σ(e) at ``alpha``, along increasing z.

    Parameters
    ----------
    z
        Where to evaluate, increasing; by default ``points`` values in geometric progression that
        span the ground state and the marginal state, with a factor 2 on either side.

    Raises as `threshold_state` does, and ``ValueError`` for z that are not positive.
    """
    guess = _guesses(loss, alpha)[0]
    marginal = solve(marginal_residuals(loss, alpha, LEVELS[1]), guess, tolerance=1e-9)
    chi, z_marginal = map(float, np.exp(marginal.x))
    if z is None:
        other = ground_state(loss, alpha).z
        z = np.geomspace(min(other, z_marginal) / 2, 2 * max(other, z_marginal), points)
    z = np.asarray(z, float)
    if z.size == 0 or not (np.isfinite(z) & (z > 0)).all():
        raise ValueError("z of a complexity curve must be positive numbers, at least one")
    columns = []
    for value in z:
        chi = chi_at(loss, alpha, float(value), chi, LEVELS[1])
        measure = label_measure(loss, chi, float(value), LEVELS[1])
        e, f = energy(measure, alpha), free_energy(measure, alpha)
        columns.append((chi, e, f, value * (e - f), alpha * marginality(measure)))
    return ComplexityCurve(alpha, z, *map(np.array, zip(*columns, strict=True)))
