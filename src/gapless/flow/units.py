"""Units of a loss: energies in units of its scale s, times in units of 1/s.

ℓ and cℓ have the same flow in other units of time: energies and velocities are c times larger, and
times c times shorter. Every run is therefore computed with the loss ℓ/s, for which zero energy,
rest and rounding have fixed thresholds, and its energies and times are converted afterwards.
"""

from functools import lru_cache
from math import frexp, isfinite, ldexp

import numpy as np

from gapless.flow.outcome import REST_SPEED2
from gapless.losses import Loss
from gapless.problem import Problem
from gapless.quadrature import LEVELS, half_gaussian_pair

_BITS = 30
"""Bits to which the scale is rounded, more than float32 has. The scale of the quartic loss is then
exactly 1, and a power of two times a loss has exactly that power times its scale."""
_LARGEST_SPEED2 = 1e8
"""Largest squared speed, in units of s²: about that of a random start at α = 10⁴."""


@lru_cache(maxsize=128)
def loss_scale(loss: Loss) -> float:
    """Return s = E ℓ(ŷ, y)/4 over independent ŷ, y ~ N(0, 1), which is 1 for the quartic loss.

    Raises
    ------
    ValueError
        If s is not a positive finite number.
    """
    # even in both labels: a quadrant of the Gaussian holds all
    yhat, y, weight = half_gaussian_pair(LEVELS[2])
    with np.errstate(all="ignore"):
        # E(ŷ² − y²)² = 3 + 3 − 2 = 4: divided by that, the quartic loss is the unit
        scale = float(weight @ np.asarray(loss.value(yhat, y), float)) / 4
    if not (isfinite(scale) and scale > 0):
        raise ValueError(
            f"loss: {loss.name} has the mean {4 * scale:g} over standard normal labels, which must "
            "be a positive number; rescale it"
        )
    # the exponent is left alone, so powers of two scale exactly
    mantissa, exponent = frexp(scale)
    return ldexp(round(ldexp(mantissa, _BITS)), exponent - _BITS)


def in_units(problem: Problem) -> tuple[Problem, float]:
    """Return the problem with the loss ℓ/s, and s.

    Raises
    ------
    ValueError
        If the problem's precision cannot represent squared speeds from rest to a random start.
    """
    scale = loss_scale(problem.loss)
    limits = np.finfo(problem.dtype)
    # s² times the smallest and largest squared speeds must be representable
    low = (float(limits.tiny) / REST_SPEED2) ** 0.5
    high = (float(limits.max) / _LARGEST_SPEED2) ** 0.5
    if not low < scale < high:
        wider = "use dtype float64, or " if problem.dtype == "float32" else ""
        raise ValueError(
            f"loss: values of {problem.loss.name} are of size {scale:.1g}, and {problem.dtype} "
            f"holds flows of sizes {low:.0e} to {high:.0e}; {wider}multiply the loss by a constant"
        )
    # untouched where s = 1: the quartic loss keeps its bits, and its compiled programs
    return (problem if scale == 1 else problem.in_units_of(scale)), scale
