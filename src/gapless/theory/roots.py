"""Roots of one equation in a bracket and of small smooth systems; a failure is an error."""

from collections.abc import Callable
from dataclasses import dataclass
from math import copysign, inf

import numpy as np

MOST_STEPS = 10_000
"""Largest number of steps to a root in a bracket; halving any interval of float64 takes 2,200."""
ROUNDING = 2e-15
"""Relative accuracy of a root in a bracket."""


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
        super().__init__(f"{what}: no convergence, last iterate {where}, residuals {residual}")


def root_between(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the root of ``function`` in [low, high], to round-off (Brent's method).

    Raises ``ValueError`` unless the ends differ in sign, and where the function is NaN.

    Source: R. P. Brent, "Algorithms for Minimization without Derivatives" (1973), chapter 4, with
    the steps of `scipy.optimize.brentq`, whose import takes five times as long as a state of
    theory.
    """
    before, here = float(low), float(high)
    f_before, f_here = _at(function, before), _at(function, here)
    if f_before == 0:
        return before
    if f_here != 0 and (f_before < 0) == (f_here < 0):
        raise ValueError("the function must have different signs at the ends")
    other, f_other, last, step = before, f_before, here - before, here - before
    for _ in range(MOST_STEPS):
        if f_before != 0 and f_here != 0 and (f_before < 0) != (f_here < 0):
            # the root is between the last two
            other, f_other = before, f_before
            last = step = here - before
        if abs(f_other) < abs(f_here):
            before, here, other = here, other, here
            f_before, f_here, f_other = f_here, f_other, f_here
        # relative accuracy only: the roots here span many orders of magnitude
        close = (1e-300 + ROUNDING * abs(here)) / 2
        half = (other - here) / 2
        if f_here == 0 or abs(half) < close:
            return here
        towards = half
        if abs(last) > close and abs(f_here) < abs(f_before):
            towards = _interpolated((before, f_before), (here, f_here), (other, f_other))
        # no faster than by halves: then halve
        if 2 * abs(towards) < min(abs(last), 3 * abs(half) - close):
            last, step = step, towards
        else:
            last = step = half
        before, f_before = here, f_here
        here += step if abs(step) > close else copysign(close, half)
        f_here = _at(function, here)
    raise RuntimeError(f"no root to round-off in {MOST_STEPS} steps, last iterate {here}")


def _at(function: Callable[[float], float], x: float) -> float:
    found = float(function(x))
    if found != found:
        raise ValueError(f"the function is NaN at {x:g}")
    return found


def _interpolated(
    before: tuple[float, float], here: tuple[float, float], other: tuple[float, float]
) -> float:
    """Return the step from `here` to the root of a parabola in f, or of a line; inf if none."""
    (x, f), (x_before, f_before), (x_other, f_other) = here, before, other
    try:
        if x_before == x_other:
            return -f * (x - x_before) / (f - f_before)
        slope, across = (f_before - f) / (x_before - x), (f_other - f) / (x_other - x)
        numerator = -f * (f_other * across - f_before * slope)
        return numerator / (across * slope * (f_other - f_before))
    except ZeroDivisionError:
        return inf


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
