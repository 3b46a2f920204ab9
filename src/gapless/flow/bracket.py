"""Brackets of the times at which runs cross an energy, and the cubic within one."""

from typing import NamedTuple

import numpy as np

from gapless.arrays import Array, library
from gapless.flow.state import State
from gapless.shapes import Float


class Bracket(NamedTuple):
    """Brackets of the times at which K runs cross an energy."""

    target: Float[Array, " K"]
    goal: Float[Array, " K"]
    """Largest time of the next step."""
    below: Float[Array, " K"]
    """Earliest computed time past the crossing; infinite before there is one."""
    energy_below: Float[Array, " K"]
    speed2_below: Float[Array, " K"]


def next_goal(state: State, bracket: Bracket) -> Float[Array, " K"]:
    """Return the time at which the cubic over the bracket has the energy.

    The inverse interpolation (`cubic`) is limited to the middle 98 % of the bracket, so that the
    bracket shrinks for any cubic.
    """
    xp = library(state.t)
    # no time past the crossing yet: nothing to interpolate, steps are free
    known = xp.isfinite(bracket.below)
    length = xp.where(known, bracket.below - state.t, 1)
    span = xp.where(known, bracket.energy_below - state.energy, -1)
    # the share of the fall in energy that lies before the target
    u = xp.clip((bracket.target - state.energy) / span, 0, 1)
    tiny = np.finfo(u.dtype).tiny
    # dt/du = −span/(|∇L − μW|²/N), exact at both ends
    slopes = (-span / xp.maximum(v2, tiny) for v2 in (state.speed2, bracket.speed2_below))
    when = xp.clip(cubic(u, length, *slopes), 0.01 * length, 0.99 * length)
    return xp.where(known, state.t + when, xp.inf)


def cubic(u: Array, length: Array, slope0: Array, slope1: Array) -> Array:
    """Return the cubic p(u), 0 ≤ u ≤ 1, with p(0) = 0, p(1) = length and given end slopes."""
    # Hermite's cubic for t as a function of e (or log e): its slopes dt/de are known exactly at
    # both ends, and no equation has to be solved for the time of a level
    return u**2 * (3 - 2 * u) * length + u * (1 - u) ** 2 * slope0 - u**2 * (1 - u) * slope1
