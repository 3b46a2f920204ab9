"""Roots of one equation in a bracket and of small smooth systems; a failure is an error."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

MOST_STEPS = 10_000
"""Largest number of steps to a root in a bracket; halving any interval of float64 takes 2,200."""


class NotConverged(RuntimeError):
    """A solver did not converge; the error holds its last iterate.

    Attributes
    ----------
    iterate
        The last iterate, by name (``chi``, ``z``, and ``alpha`` where it was fixed).
    residual
        Relative residual of each equation at the iterate.
    """

    def __init__(self, what: str, iterate: dict[str, float], residual: np.ndarray) -> None:
        self.iterate = iterate
        self.residual = residual
        where = ", ".join(f"{name}={value:.6g}" for name, value in iterate.items())
        # one line: a mesh has a residual for each of its steps
        worst = float(np.abs(residual).max())
        super().__init__(
            f"{what}: no convergence, last iterate {where}, largest residual {worst:.3g}"
        )


def root_between(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the root of ``function`` in [low, high], to round-off (Brent's method).

    Raises ``ValueError`` unless the ends differ in sign, and where the function is NaN.
    """
    # here: its import takes as long as a state of theory, and many commands look for no root
    from scipy.optimize import brentq

    # relative accuracy only: the roots here span many orders of magnitude, and so may a bracket,
    # which bisection then halves more often than SciPy's default of 100
    options: dict[str, Any] = {"xtol": 1e-300, "rtol": 2e-15, "maxiter": MOST_STEPS}
    return float(cast(float, brentq(function, low, high, **options)))


@dataclass(frozen=True, eq=False)
class Root:
    """Root of a system, with the solver's last Jacobian (a first guess at the next level)."""

    x: np.ndarray
    jacobian: np.ndarray

    @property
    def condition(self) -> float:
        """‖Jacobian⁻¹‖, at least 1: the amplification of noise in the equations to noise in x."""
        # x holds logarithms and the equations are relative, so this amplifies relative errors
        return max(1.0, float(np.linalg.norm(np.linalg.inv(self.jacobian), 2)))


def solve_system(
    residuals: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    jacobian: np.ndarray | None = None,
    tolerance: float = 1e-13,
    names: tuple[str, ...] = ("chi", "z"),
) -> Root:
    """Return the root of a small smooth system in logarithms, by Broyden's method.

    Parameters
    ----------
    residuals
        Maps x, the logarithms of the unknowns, to the same number of equations, scaled to order
        one. The last x at which it is evaluated is the root.
    jacobian
        A first guess; finite differences if absent.
    tolerance
        Largest last step, in x. A step that stopped decreasing at round-off is accepted too.
    names
        Names of the unknowns, for the error.

    Raises `NotConverged` with the last iterate.
    """
    x = np.array(start, float)
    residual = residuals(x)
    jacobian = _differences(residuals, x, residual) if jacobian is None else jacobian.copy()
    smallest = np.inf
    for _ in range(60):
        # least squares: where the Jacobian is singular (a fold) it still answers with a step
        step = -np.linalg.lstsq(jacobian, residual, rcond=None)[0]
        # in logarithms a step of ½ is a factor 1.6: further the model is not trusted
        step *= min(1.0, 0.5 / max(np.abs(step).max(), 1e-300))
        new = residuals(x + step)
        for _ in range(8):
            # a residual may double on the way round a bend; 1e-12 lets rounding pass near a root
            if np.abs(new).max() < 2 * np.abs(residual).max() + 1e-12:
                break
            step = step / 4
            new = residuals(x + step)
        x, change, residual = x + step, new - residual, new
        size = np.abs(step).max()
        # rounding of the equations, not the method, then sets the step
        stalled = size >= smallest / 2 and size < 1e-10
        if size <= tolerance or (residual == 0).all() or stalled:
            return Root(x, jacobian)
        smallest = min(smallest, size)
        # Broyden's rank-one update: no further evaluations
        jacobian += np.outer(change - jacobian @ step, step) / (step @ step)
    iterate = dict(zip(names, map(float, np.exp(x)), strict=True))
    raise NotConverged("saddle point", iterate, residual)


def _differences(
    residuals: Callable[[np.ndarray], np.ndarray], x: np.ndarray, at_x: np.ndarray
) -> np.ndarray:
    # truncation of 1e-5 against the noise of the equations (1e-11) over 1e-5: the first Jacobian
    # is good to that, and Broyden's updates improve it
    step = 1e-5
    columns = [(residuals(x + step * unit) - at_x) / step for unit in np.eye(x.size)]
    return np.stack(columns, axis=1)
