"""Eqs. 12 and 13 as equations in (log χ, log z), solved on finer rules (replica.md §6)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gapless.losses import Loss
from gapless.quadrature import LEVELS, Level, error_of
from gapless.theory.label_measure import LabelMeasure, label_measure
from gapless.theory.roots import Root, solve_system

Equations = Callable[[LabelMeasure], tuple[float, float]]
Values = dict[str, Any]

ENOUGH = 1e-9
"""Relative difference of two levels below which the refinement ends."""
ROUND_OFF = 1e-11
"""Rounding noise of the equations. Near the corner J is a difference of numbers of order one, and
y − y_c has lost 8 to 10 digits at the nearest nodes."""


def measure_at(loss: Loss, x: np.ndarray, level: Level) -> LabelMeasure:
    """Return the measure at x = (log χ, log z)."""
    # logarithms keep χ and z positive, and make a loss in other units a shift of x
    return label_measure(loss, float(np.exp(x[0])), float(np.exp(x[1])), level)


def stationarity(measure: LabelMeasure) -> float:
    """Return the left side of Eq. 12 over α, (χ(χ+z)/4) E[(∂V)²]: 1/α at a saddle point."""
    chi, z = measure.chi, measure.z
    # ∂V = ℓ′ at the minimiser, by the envelope theorem (replica.md §2)
    return chi * (chi + z) / 4 * measure.mean(measure.d1**2)


def marginality(measure: LabelMeasure) -> float:
    """Return the left side of Eq. 13 over α, E[(χ ∂²V/2)²] without the delta of the kink."""
    # ∂²V = ℓ″/J and d = ℓ″/2, hence χ ∂²V/2 = χ d/J; the delta of a jump at field zero is left
    # out, as in the paper, and `LabelMeasure.kink` holds its mass
    return measure.mean((measure.chi * measure.d / measure.jacobian) ** 2)


def outer_replicon(measure: LabelMeasure) -> float:
    """Return the left side of (T2) over α, ((χ+z)/z)² E_y[(⟨r²⟩_y − 1)²].

    Above 1/α states at overlap 0 are unstable. r is the field and ⟨⟩_y the 1RSB measure at y
    (docs/derivations/limits.md §1).
    """
    field = measure.h + measure.chi / 2 * measure.d1
    spread = np.einsum("ab,ab->a", measure.weight, field * field) - 1
    return (1 + measure.chi / measure.z) ** 2 * float(measure.y_weight @ spread**2)


def marginal_state(alpha: float) -> Equations:
    """Return the equations 12 and 13 at ``alpha``, as logarithms."""

    def equations(measure: LabelMeasure) -> tuple[float, float]:
        # logarithms: residuals are relative, and α is a shift that drops out of their difference
        return np.log(alpha * stationarity(measure)), np.log(alpha * marginality(measure))

    return equations


def solve_saddle(
    loss: Loss,
    equations: Equations,
    guess: np.ndarray,
    level: Level,
    jacobian: np.ndarray | None = None,
    tolerance: float = 1e-13,
) -> Root:
    """Return (log χ, log z) that solve two equations at one level; raises `NotConverged`."""
    return solve_system(
        lambda x: np.array(equations(measure_at(loss, x, level))), guess, jacobian, tolerance
    )


@dataclass(frozen=True, eq=False)
class Refined:
    """Solution of a saddle point: measure at the finest level used, values and their errors."""

    x: np.ndarray
    measure: LabelMeasure
    values: Values
    error: Values


def refine(
    loss: Loss,
    equations: Equations,
    values: Callable[[LabelMeasure], Values],
    sizes: Callable[[Values], Values],
    guess: np.ndarray,
) -> Refined:
    """Solve ``equations`` level by level until two agree in all ``values``.

    The sketch level, at a quarter of the cost, moves ``guess`` to within 1e-6 of the root. The
    error of a value is its change from the previous level, plus the noise of the equations times
    the condition of the system and the value's natural size.

    Parameters
    ----------
    values
        Function of a measure to values by name; a nested mapping and None are allowed.
    sizes
        Natural sizes of the values that are differences of larger terms; that of another value is
        the value itself.
    """
    sketch = solve_saddle(loss, equations, guess, LEVELS[0], tolerance=1e-6)
    # the Jacobian goes on from level to level: none is made by differences again
    coarse = _step(loss, equations, values, sketch.x, LEVELS[1], sketch.jacobian)
    fine, error = coarse, {}
    for level in LEVELS[2:]:
        fine = _step(loss, equations, values, coarse[0].x, level, coarse[0].jacobian)
        # what rounding in the equations moves the root by
        noise = ROUND_OFF * fine[0].condition
        natural = sizes(fine[2])
        error = errors(coarse[2], fine[2], natural, noise)
        # two levels cannot agree better than the equations are known: 10 times the noise will do
        if agree(fine[2], error, natural, max(ENOUGH, 10 * noise)):
            break
        coarse = fine
    # The last change is the error of the level before, so it bounds that of the values returned.
    return Refined(fine[0].x, fine[1], fine[2], error)


def _step(
    loss: Loss,
    equations: Equations,
    values: Callable[[LabelMeasure], Values],
    guess: np.ndarray,
    level: Level,
    jacobian: np.ndarray | None,
) -> tuple[Root, LabelMeasure, Values]:
    last: list[LabelMeasure] = []

    def residuals(x: np.ndarray) -> np.ndarray:
        last[:] = [measure_at(loss, x, level)]
        return np.array(equations(last[0]))

    solution = solve_system(residuals, guess, jacobian)
    # `solve_system` looks last at the root.
    return solution, last[0], values(last[0])


def _size(name: str, value: float, sizes: Values) -> float:
    return float(sizes[name]) if name in sizes else abs(value)


def errors(coarse: Values, fine: Values, sizes: Values, noise: float) -> Values:
    """Return the error of each value of ``fine``: its change, plus noise times its natural size."""
    error: Values = {}
    for name, value in fine.items():
        if isinstance(value, dict):
            error[name] = errors(coarse[name], value, {}, noise)
        # near the transition an outlier may exist at one level and not at the other
        elif value is None or coarse[name] is None:
            error[name] = None
        else:
            error[name] = error_of(coarse[name], value) + noise * _size(name, value, sizes)
    return error


def agree(values: Values, error: Values, sizes: Values, tolerance: float) -> bool:
    """Return whether every error is within ``tolerance``, relative to the value's natural size."""
    for name, value in values.items():
        if isinstance(value, dict):
            if not agree(value, error[name], {}, tolerance):
                return False
        elif error[name] is not None and error[name] > tolerance * _size(name, value, sizes):
            return False
    return True
