"""The states of a flow at given times, for observables that are not recorded on the way."""

from collections.abc import Iterator, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gapless.flow.advance import Stop, begin, pursue, recorded_levels
from gapless.flow.integrate import FLOW, check_times, checked_start
from gapless.flow.stepping import State, Stepping
from gapless.flow.units import in_units
from gapless.problem import Problem, precision

_STOP = Stop()


def snapshots(
    problem: Problem,
    start: Float[Array, "K N"] | np.ndarray,
    times: Sequence[float],
    *,
    stepping: Stepping = FLOW,
    stop: Stop = _STOP,
) -> Iterator[State]:
    """Follow Eq. 2 from `start` and yield the state of all K runs at each of the times.

    The states are those that `gapless.flow.integrate` records at these save times. A run that
    ended early keeps its last state.

    Raises
    ------
    ValueError
        For times that are negative or do not increase, or a start that is no state.
    """
    checked, start = check_times(max(times), times), checked_start(problem, start)
    levels = recorded_levels(problem.n)
    problem, scale = in_units(problem)
    stepping = stepping.in_time_of(scale)
    with precision(problem.dtype):
        state = begin(problem, jnp.asarray(start, problem.dtype), stepping, len(levels))
    for time in checked:
        with precision(problem.dtype):
            state = pursue(problem, state, time * scale, levels, stepping, stop)
            here = state.in_units_of(scale)
        yield here
