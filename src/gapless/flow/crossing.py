"""Where the flow crosses an energy: an event that stops each run at a time of its own."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from gapless.flow.advance import Stop, begin, recorded_levels, steps_per_call
from gapless.flow.integrate import FLOW, checked_start
from gapless.flow.stepping import Adaptive, State, select
from gapless.flow.units import in_units
from gapless.problem import Problem, precision

Scalar = float | Float[Array, ""]
_STOP = Stop()


class Crossing(NamedTuple):
    """Where each of K runs first had the energy asked for."""

    time: np.ndarray
    """t of the crossing, (K,); NaN for a run that never crossed."""
    crossed: np.ndarray
    """Whether it did, (K,)."""
    state: State
    """The states at the crossing; that of a run that never crossed is its last."""


class _Search(NamedTuple):
    """A state above the energy and, once known, a later time at which the run is below it."""

    state: State
    goal: Float[Array, " K"]
    """Time to step to at most."""
    below: Float[Array, " K"]
    """Earliest time known to lie past the crossing; infinite before one is known."""
    energy_below: Float[Array, " K"]
    speed2_below: Float[Array, " K"]
    found: Bool[Array, " K"]


def cross_energy(
    problem: Problem,
    start: Float[Array, "K N"] | np.ndarray,
    energy: Float[Array, " K"] | np.ndarray | float,
    t_max: float,
    *,
    stepping: Adaptive = FLOW,
    stop: Stop = _STOP,
    tolerance: float = 1e-3,
) -> Crossing:
    """Follow Eq. 2 from `start` until e = L/N falls to `energy`, each run to its own.

    A step that lands below the energy is taken back and repeated with the length at which the
    cubic through both ends (with the exact slopes de/dt = −|∇L − μW|²/N) meets the energy, until
    |e − energy| ≤ tolerance. Since e only falls, the bracket never loses the crossing; where the
    cubic does not halve it, bisection does.

    Parameters
    ----------
    energy
        Target L/N, one number or one for each run. A run that starts below it, or whose target
        is not finite, never crosses it.
    t_max
        Time after which a run counts as one that never crosses.
    stepping
        Step control. Gradient descent has no states between its steps; use a small `tolerance`
        of `Adaptive` instead.
    stop
        A run that is trapped above the energy ends, uncrossed.
    tolerance
        On |e − energy|, in units of the loss's scale s.

    Raises
    ------
    ValueError
        For a time budget or tolerance that is not positive, energies of the wrong shape, or a
        start that is no state.
    """
    if not (np.isfinite(t_max) and t_max > 0):
        raise ValueError(f"t_max: the time budget must be a positive number, not {t_max}")
    if not tolerance > 0:
        raise ValueError(f"tolerance: must be positive, not {tolerance}")
    start = checked_start(problem, start)
    if np.ndim(energy) > 1 or np.size(energy) not in (1, len(start)):
        raise ValueError(
            f"energy: one number or one for each of {len(start)} runs, not {np.shape(energy)}"
        )
    problem, scale = in_units(problem)
    with precision(problem.dtype):
        dtype = problem.dtype
        state = begin(problem, jnp.asarray(start, dtype), stepping, len(recorded_levels(problem.n)))
        target = np.broadcast_to(np.asarray(energy, float) / scale, state.energy.shape)
        found = _search(
            problem,
            state,
            jnp.asarray(target, dtype),
            jnp.full_like(state.t, t_max * scale),
            stepping,
            stop.speed2,
            tolerance,
        )
        crossed = np.asarray(found.found)
        state = found.state.in_units_of(scale)
        return Crossing(np.where(crossed, stepping.time(state), np.nan), crossed, state)


def _search(
    problem: Problem,
    state: State,
    target: Float[Array, " K"],
    last: Float[Array, " K"],
    stepping: Adaptive,
    trapped: Scalar,
    tolerance: Scalar,
) -> _Search:
    """Return where runs stop that set out above their targets."""
    above = state.energy > target
    state = state._replace(running=state.running & above)
    nowhere = jnp.full_like(state.t, jnp.inf)
    search = _Search(state, last, nowhere, state.energy, state.speed2, jnp.zeros_like(above))
    steps, goes_on = steps_per_call(problem, len(last)), True
    while goes_on:
        search, goes_on = _some_steps(
            problem, search, target, last, stepping, trapped, tolerance, steps
        )
    return search


@partial(jax.jit, static_argnames=("stepping",))
def _some_steps(
    problem: Problem,
    search: _Search,
    target: Float[Array, " K"],
    last: Float[Array, " K"],
    stepping: Adaptive,
    trapped: Scalar,
    tolerance: Scalar,
    steps: Int[Array, ""] | int,
) -> tuple[_Search, Bool[Array, ""]]:
    """Make no more than so many steps; return also whether there are more to make."""
    problem = problem.for_loops()

    def active(search: _Search) -> Bool[Array, " K"]:
        return search.state.running & ~search.found & stepping.pending(search.state, last)

    def body(carry: tuple[_Search, Array]) -> tuple[_Search, Array]:
        search, made = carry
        going = active(search)
        old = search.state
        new = stepping.attempt(problem, old, search.goal, going)
        short = new.energy < target - tolerance
        found = going & ~short & (new.energy <= target + tolerance)
        # past the crossing: back to the old state, with what the longer step has taught
        state = select(going & ~short, new, old)
        state = state._replace(
            gradients=jnp.where(going, new.gradients, old.gradients),
            running=state.running & ((state.speed2 >= trapped) | ~going),
        )
        search = search._replace(
            state=state,
            below=jnp.where(going & short, new.t, search.below),
            energy_below=jnp.where(going & short, new.energy, search.energy_below),
            speed2_below=jnp.where(going & short, new.speed2, search.speed2_below),
            found=search.found | found,
        )
        return search._replace(goal=_next_goal(search, target, last)), made + 1

    search, _ = lax.while_loop(
        lambda carry: active(carry[0]).any() & (carry[1] < steps), body, (search, jnp.array(0))
    )
    return search, active(search).any()


def _next_goal(search: _Search, target: Array, last: Array) -> Float[Array, " K"]:
    """Return where the cubic between the state and the time past the crossing meets the energy.

    Inverse interpolation: t as a cubic in e, with dt/de = −N/|∇L − μW|² exact at both ends; kept
    within the middle 98 % of the bracket, so that it shrinks whatever the cubic does.
    """
    state = search.state
    known = jnp.isfinite(search.below)
    length = jnp.where(known, search.below - state.t, 1)
    span = jnp.where(known, search.energy_below - state.energy, -1)
    u = jnp.clip((target - state.energy) / span, 0, 1)
    tiny = jnp.finfo(u.dtype).tiny
    slope0, slope1 = (
        -span / jnp.maximum(speed2, tiny) for speed2 in (state.speed2, search.speed2_below)
    )
    when = u**2 * (3 - 2 * u) * length + u * (1 - u) ** 2 * slope0 - u**2 * (1 - u) * slope1
    when = jnp.clip(when, 0.01 * length, 0.99 * length)
    return jnp.where(known, state.t + when, last)
