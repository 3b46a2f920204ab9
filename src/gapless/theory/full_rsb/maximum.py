"""The maximum of f over non-decreasing z and χ, by a projected quasi-Newton method.

The unknowns are ln χ and the rises of z, in units of the 1RSB ground state's z. Their Hessian is
computed by differences of gradients on a coarse mesh and updated by the BFGS formula; about five
gradients on a fine mesh are then sufficient (docs/derivations/full-rsb.md §5).
"""

from dataclasses import dataclass

import numpy as np

from gapless.theory.full_rsb.recursion import Action, Recursion, entropy
from gapless.theory.roots import NotConverged

LEAST = 1e-6
"""Smallest rise of z, in its unit, so that z stays positive."""
ENOUGH = 1e-13
"""Expected rise of f, relative to its terms, at which the method has converged."""
MOST_STEPS = 60


@dataclass(frozen=True, eq=False)
class Maximum:
    """A maximum of f, or a point on the way to one.

    Parameters
    ----------
    z : shape (K,)
        Non-decreasing z.
    unit
        Unit of z.
    hessian : shape (K + 1, K + 1)
        Approximate Hessian of −f in (ln χ, rises of z).
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
        Hessian of −f near the maximum, in (ln χ, rises of z); None: by differences, at the cost of
        K + 1 gradients.

    Raises `NotConverged` with the last χ and z at q → 1.
    """
    # rises of z, not z: that z does not decrease is then a bound on each unknown
    x = np.concatenate([[np.log(chi)], np.diff(z / unit, prepend=0.0)])
    x[1:] = np.maximum(x[1:], LEAST)
    action, slope = _slope(of, x, unit)
    # f is a difference of entropy and energy: rounding is relative to these, not to f
    enough = ENOUGH * (abs(action.value) + abs(entropy(of.mesh.step, z, chi)[0]))
    fresh = hessian is None
    if hessian is None:
        # dear, K + 1 gradients: callers hand down that of a coarser mesh where they have one
        hessian = _differences(of, x, unit, slope)
    for _ in range(MOST_STEPS):
        # beside a place where f has no value there is no parabola
        if not np.isfinite(hessian).all():
            break
        move = _to_the_top(hessian, slope, LEAST - x[1:])
        # f rises by half of this to the top of its parabola
        if slope @ move <= 2 * enough:
            z = unit * np.cumsum(x[1:])
            return Maximum(of, z, float(np.exp(x[0])), unit, action, hessian)
        # of z itself: a rise may grow by any factor as long as z does not
        change = float(np.abs(np.cumsum(move[1:]) / np.cumsum(x[1:])).max())
        # χ by a factor e^0.3 and z by half at most: beyond, the parabola says little
        share = min(1.0, 0.3 / max(abs(move[0]), 0.3), 0.5 / max(change, 0.5))
        for _ in range(12):
            new = x + share * move
            new_action, new_slope = _slope(of, new, unit)
            # f must not fall, beyond rounding: near the top it rises by less than it is known to
            if new_action.value >= action.value - enough:
                break
            share /= 3
        else:
            # no rise along a Hessian that was just made: there is none to be had
            if fresh:
                break
            # updates may have led it astray: made anew, once, at this place
            hessian, fresh = _differences(of, x, unit, slope), True
            continue
        hessian, fresh = _bfgs(hessian, new - x, slope - new_slope), False
        x, action, slope = new, new_action, new_slope
    iterate = {"alpha": of.alpha, "chi": np.exp(x[0]), "z": unit * x[1:].sum()}
    raise NotConverged("full replica symmetry breaking", iterate, slope)


def _slope(of: Recursion, x: np.ndarray, unit: float) -> tuple[Action, np.ndarray]:
    """Return f and its derivatives by ln χ and by the rises of z."""
    # ln χ: positive whatever the step, and of the size of its relative change
    chi = float(np.exp(x[0]))
    with np.errstate(all="ignore"):  # a step that goes too far is shortened
        action = of.action(unit * np.cumsum(x[1:]), chi)
    # a rise at q_k lifts z on all later steps
    rises = unit * np.cumsum(action.by_z[::-1])[::-1]
    return action, np.concatenate([[chi * action.by_chi], rises])


def _differences(of: Recursion, x: np.ndarray, unit: float, slope: np.ndarray) -> np.ndarray:
    """Return the Hessian of −f by forward differences of its gradient."""
    # relative to z: gradients are exact, so only the curvature's own change over 1e-3 counts
    lengths = 1e-3 * np.concatenate([[1.0], np.maximum(np.cumsum(x[1:]), 0.1)])
    columns = []
    for k, length in enumerate(lengths):
        shifted = x.copy()
        shifted[k] += length
        columns.append((slope - _slope(of, shifted, unit)[1]) / length)
    hessian = np.stack(columns, axis=1)
    # forward differences are not symmetric; their mean is, and `eigh` takes it to be
    hessian = (hessian + hessian.T) / 2
    # beside a place where f has no value: for the caller to see
    if not np.isfinite(hessian).all():
        return hessian
    # f is not concave far from its maximum, and no BFGS update mends an indefinite matrix
    scale, curvature, basis = _curvatures(hessian)
    return (basis * curvature) @ basis.T / np.outer(scale, scale)


def _curvatures(hessian: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return units of the unknowns, and moduli of the curvatures in them with their directions.

    The curvature in each direction is replaced by its modulus, and by at least 1e-10 of the
    largest, because the last steps of z change f by less than the error of its gradient.
    """
    # to a unit diagonal: rises of z differ by orders of magnitude in what they move f by
    scale = 1 / np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-300))
    curvature, basis = np.linalg.eigh(hessian * np.outer(scale, scale))
    curvature = np.abs(curvature)
    return scale, np.maximum(curvature, 1e-10 * curvature.max()), basis


def _to_the_top(hessian: np.ndarray, slope: np.ndarray, lowest: np.ndarray) -> np.ndarray:
    """Return the step to the top of the parabola with every rise of z at least its smallest value.

    ``lowest`` are the smallest steps of the rises.
    """
    scale, curvature, basis = _curvatures(hessian)
    root = np.sqrt(curvature)
    # |A step − b|² is the parabola, A Aᵀ its curvature, in units of 1/scale
    square = root[:, None] * basis.T
    target = (basis.T @ (scale * slope)) / root
    # χ is free; a rise that is at its least may stay there
    bounds = np.concatenate([[-np.inf], np.minimum(lowest, 0.0)]) / scale
    # without bounds first: mostly none is active, and bounded least squares take longer
    step = np.linalg.solve(square, target)
    if (step < bounds).any():
        from scipy.optimize import lsq_linear  # takes longer to load than most theory to compute

        step = lsq_linear(square, target, (bounds, np.inf), method="bvls").x
    return scale * step


def _bfgs(hessian: np.ndarray, step: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return the Hessian of −f after a step along which its gradient has changed."""
    along = float(step @ change)
    # an update along which the gradient did not change as a maximum's must would spoil the signs
    if along <= 1e-12 * float(np.linalg.norm(step) * np.linalg.norm(change)):
        return hessian
    image = hessian @ step
    curvature = float(step @ image)
    if curvature <= 0:
        return hessian
    return hessian + np.outer(change, change) / along - np.outer(image, image) / curvature
