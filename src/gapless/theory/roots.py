"""Roots of one equation in a bracket and of small smooth systems; a failure is an error."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MOST_HALVINGS = 2200
"""Largest number of steps; halving any interval of float64 takes fewer."""


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
    """Return the root of ``function`` in [low, high], to round-off.

    Inverse quadratic interpolation where it is safe and bisection elsewhere: T. R. Chandrupatla,
    "A new hybrid quadratic/bisection algorithm for finding the zero of a nonlinear function without
    using derivatives", Adv. Eng. Software 28 (1997) 145-149. ``scipy.optimize`` has it too, and
    takes longer to import than a state of theory to compute.

    Raises ``ValueError`` unless the ends differ in sign, and where the function is NaN.
    """

    def at(x: float) -> float:
        value = float(function(x))
        if value != value:
            raise ValueError(f"the function is NaN at {x:g}")
        return value

    a, b = float(high), float(low)
    fa, fb = at(a), at(b)
    if not (fa == 0 or fb == 0 or (fa > 0) != (fb > 0)):
        raise ValueError(f"the function must differ in sign at {low:g} and {high:g}")
    share = 0.5
    for _ in range(MOST_HALVINGS):
        best = a if abs(fa) < abs(fb) else b
        # relative accuracy only: the roots here span many orders of magnitude
        width = 2e-15 * abs(best) / max(abs(b - a), 1e-300)
        if width > 0.5 or fa == 0 or fb == 0:
            return best
        x = a + min(max(share, width), 1 - width) * (b - a)
        f = at(x)
        # c is the end that x replaces, or stands beside
        if (f > 0) == (fa > 0):
            c, fc = a, fa
        else:
            c, b, fc, fb = b, a, fb, fa
        a, fa = x, f
        # the inverse parabola through the three is monotonic between the ends
        place, height = (a - b) / (c - b), (fa - fb) / (fc - fb)
        share = 0.5
        if height**2 < place and (1 - height) ** 2 < 1 - place:
            share = fa / (fb - fa) * fc / (fb - fc)
            share += (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
    return a if abs(fa) < abs(fb) else b


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
