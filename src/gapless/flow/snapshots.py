"""The states of a flow at given times, for observables that are not recorded on the way."""

from collections.abc import Iterator, Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from gapless.flow.advance import Stop, begin, pursue, recorded_levels
from gapless.flow.integrate import FLOW, check_times
from gapless.flow.stepping import State, Stepping
from gapless.problem import Problem, precision

_STOP = Stop()


def snapshots(
    problem: Problem,
    start: Float[Array, "K N"],
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
        For times that are negative or do not increase.
    """
    checked = check_times(max(times), times)
    levels = recorded_levels(problem.n)
    dtype = problem.dtype
    with precision(str(dtype)):  # type: ignore[arg-type]
        state = begin(problem, jnp.asarray(start, dtype), stepping, len(levels))
    for time in checked:
        with precision(str(dtype)):  # type: ignore[arg-type]
            state = pursue(problem, state, time, levels, stepping, stop)
        yield state
