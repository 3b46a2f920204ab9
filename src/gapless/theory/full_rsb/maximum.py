"""The maximum of f over non-decreasing z and χ, by a projected quasi-Newton method.

Unknowns are ln χ and the rises of z, in units of the 1RSB ground state's z. Their Hessian is made
by differences of gradients, on a coarse mesh, and kept up to date by the BFGS formula: five or so
gradients on a fine mesh then do (docs/derivations/full-rsb.md §5).
"""

from dataclasses import dataclass

import numpy as np

from gapless.theory.full_rsb.recursion import Action, Recursion
from gapless.theory.roots import NotConverged

LEAST = 1e-6
"""Least rise of z, in its unit: z stays positive."""
ENOUGH = 1e-13
"""Rise of f left, relative to f, at which the maximum counts as found."""
MOST_STEPS = 60


@dataclass(frozen=True, eq=False)
class Maximum:
    """A maximum of f, or a point on the way to one.

    Parameters
    ----------
    z : shape (K,)
        Non-decreasing.
    unit
        The unit of z.
    hessian : shape (K + 1, K + 1)
        That of −f in (ln χ, rises of z), as the method has it.
    """

    of: Recursion
    z: np.ndarray
    chi: float
    unit: float
    action: Action
    hessian: np.ndarray


def maximise(
    of: Recursion, z: np.ndarray, chi: float, unit: float, hessian: np.ndarray | None = None
) -> Maximum:
    """Return the maximum of f near (z, χ).

    Parameters
    ----------
    hessian
        Of −f near the maximum, in (ln χ, rises of z); made by differences, which costs K + 1
        gradients, if absent.

    Raises `NotConverged` with the last χ and z at q → 1.
    """
    x = np.concatenate([[np.log(chi)], np.diff(z / unit, prepend=0.0)])
    x[1:] = np.maximum(x[1:], LEAST)
    action, slope = _slope(of, x, unit)
    if hessian is None:
        hessian = _differences(of, x, unit, slope)
    for _ in range(MOST_STEPS):
        held = np.concatenate([[False], (x[1:] <= LEAST) & (slope[1:] <= 0)])
        move = _newton(hessian, slope, held)
        # f rises by half of this to the top of its parabola
        if slope @ move <= 2 * ENOUGH * abs(action.value):
            z = unit * np.cumsum(x[1:])
            return Maximum(of, z, float(np.exp(x[0])), unit, action, hessian)
        change = np.abs(np.cumsum(move[1:]) / np.cumsum(x[1:])).max()
        share = min(1.0, 0.3 / max(abs(move[0]), 0.3), 0.5 / max(float(change), 0.5))
        for _ in range(12):
            new = x + share * move
            new[1:] = np.maximum(new[1:], LEAST)
            new_action, new_slope = _slope(of, new, unit)
            if new_action.value >= action.value - ENOUGH * abs(action.value):
                break
            share /= 3
        else:
            break
        hessian = _bfgs(hessian, new - x, slope - new_slope)
        x, action, slope = new, new_action, new_slope
    iterate = {"alpha": of.alpha, "chi": np.exp(x[0]), "z": unit * x[1:].sum()}
    raise NotConverged("full replica symmetry breaking", iterate, slope)


def _slope(of: Recursion, x: np.ndarray, unit: float) -> tuple[Action, np.ndarray]:
    """Return f and its derivatives by ln χ and by the rises of z."""
    chi = float(np.exp(x[0]))
    with np.errstate(all="ignore"):  # a step that goes too far is shortened
        action = of.action(unit * np.cumsum(x[1:]), chi)
    rises = unit * np.cumsum(action.by_z[::-1])[::-1]
    return action, np.concatenate([[chi * action.by_chi], rises])


def _differences(of: Recursion, x: np.ndarray, unit: float, slope: np.ndarray) -> np.ndarray:
    """Return the Hessian of −f by forward differences of its gradient."""
    lengths = 1e-3 * np.concatenate([[1.0], np.maximum(np.cumsum(x[1:]), 0.1)])
    columns = []
    for k, length in enumerate(lengths):
        shifted = x.copy()
        shifted[k] += length
        columns.append((slope - _slope(of, shifted, unit)[1]) / length)
    hessian = np.stack(columns, axis=1)
    return (hessian + hessian.T) / 2


def _newton(hessian: np.ndarray, slope: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Return the step to the top of the parabola, in the unknowns that are not held.

    In each direction |curvature| is taken, and no less than 1e-10 of the largest: the last steps
    of z move f by less than its gradient is known to.
    """
    free = np.flatnonzero(~held)
    block = hessian[np.ix_(free, free)]
    scale = 1 / np.sqrt(np.maximum(np.abs(np.diag(block)), 1e-300))
    curvature, basis = np.linalg.eigh(block * np.outer(scale, scale))
    curvature = np.maximum(np.abs(curvature), 1e-10 * np.abs(curvature).max())
    move = np.zeros_like(slope)
    move[free] = scale * (basis @ ((basis.T @ (scale * slope[free])) / curvature))
    return move


def _bfgs(hessian: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return the Hessian of −f after a step along which its gradient has changed."""
    along = float(step @ change)
    if along <= 1e-12 * float(np.linalg.norm(step) * np.linalg.norm(change)):
        return hessian
    image = hessian @ step
    curvature = float(step @ image)
    if curvature <= 0:
        return hessian
    return hessian + np.outer(change, change) / along - np.outer(image, image) / curvature
