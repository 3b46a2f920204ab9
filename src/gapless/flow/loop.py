"""The loop: every run of a batch stepped to a time, with its first passages noted."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from gapless.flow.linearised import finish
from gapless.flow.solvers import Solver
from gapless.flow.state import State
from gapless.flow.stops import Journey, Stopping, cubic, recorded_levels
from gapless.problem import Problem
from gapless.sphere import normalise

OPERATIONS_PER_CALL = 3e10
"""A compiled loop comes back after about so many, within a second or so: interrupts are answered
between two calls. A small sweep's runs end within one."""
MOST_GRADIENTS_PER_CALL = 10_000
SHRINK_FROM = 256
"""Below this N a batch shrinks once, to a quarter; from it on three times, by half. Every size is
one more program, 1.2 s to compile. Of a sweep with K = 128 the quarter saves an eighth at N = 64,
and more sizes nothing; at N = 256 the first two save 30 %, the third 4 % (3 % at N = 1024)."""
SMALLEST_BATCH = 16
"""Below so many runs a product with X costs nearly the same however few they are."""


@partial(jax.jit, static_argnames="solver")
def begin(problem: Problem, start: Float[Array, "K N"], solver: Solver) -> State:
    """Return the state of runs that set out from `start`, put on the sphere, at t = 0."""
    # what is called a start may be as long as a unit vector (`Problem.states`)
    w = normalise(start)
    here = problem.evaluate(w)
    return State.at(w, here, solver.first(here), len(recorded_levels(problem.n)))


def follow(
    problem: Problem,
    journey: Journey,
    time: float,
    solver: Solver,
    stop: Stopping,
    *,
    shrink: bool = False,
) -> Journey:
    """Step every running run to `time` exactly (to the nearest whole step if steps are fixed).

    A batch that waits for its slowest run wastes its products on those that have ended: to
    `shrink` is to go on with the others, when enough have, as a smaller batch. Runs that the
    solver pauses near the signal are taken on by the linearised flow.
    """
    sizes = _smaller(problem.n, len(journey.state.t)) if shrink else ()
    journey = _in_batches(problem, journey, time, solver, stop, sizes)
    if not solver.linear_below:
        return journey
    # the linear flow ends where a stepped run would: one criterion for both
    floor = float(stop.energy_for(problem))
    state, left = finish(problem, journey.state, time, recorded_levels(problem.n), floor)
    journey = journey._replace(state=state)
    # a run whose minimum is not the signal goes on by steps
    if left:
        journey = _in_batches(problem, journey, time, solver.divisible(), stop, sizes)
    return journey


def _gradients_per_call(problem: Problem, runs: int) -> int:
    """Return after how many gradients of so many runs a compiled loop comes back."""
    # two reads of X take as long as 20 more runs would, the loss of a label as 50 operations
    operations = 4 * (runs + 20) * problem.sensing.size + 50 * runs * problem.m
    return min(int(OPERATIONS_PER_CALL / operations), MOST_GRADIENTS_PER_CALL)


def _smaller(n: int, runs: int) -> tuple[int, ...]:
    """Return the sizes to which a batch of so many runs shrinks."""
    parts = (2, 4, 8) if n >= SHRINK_FROM else (4,)
    return tuple(runs // part for part in parts if runs // part >= SMALLEST_BATCH)


def _in_batches(
    problem: Problem,
    journey: Journey,
    time: float,
    solver: Solver,
    stop: Stopping,
    sizes: tuple[int, ...],
) -> Journey:
    """Step the runs to `time`, those that are left in batches of ever smaller sizes."""
    # 0: with no size left to shrink to, the loop runs while any run is on its way
    least, *smaller = sizes or (0,)
    most, goes_on = _gradients_per_call(problem, len(journey.state.t)), True
    while goes_on:
        journey, goes_on = _some_steps(problem, journey, time, solver, stop, least, most)
    if not least:
        return journey
    rows, (labels, teacher), part, some = _those_left(problem, journey, time, solver, least)
    if not some:
        return journey
    # X is shared and stays where it is: only labels, teachers and states are copied
    few = problem.with_labels(labels, teacher)
    part = _in_batches(few, part, time, solver, stop, tuple(smaller))
    return _put_back(journey, rows, part)


@partial(jax.jit, static_argnames=("solver", "size"))
def _those_left(
    problem: Problem, journey: Journey, time: Float[Array, ""] | float, solver: Solver, size: int
):
    """Return a batch with the runs that still go, filled up with others, and whether any goes."""
    going = _going(problem, journey.state, jnp.asarray(time), solver)
    # stable: runs keep their order, so that results do not depend on the sort
    rows = jnp.argsort(~going, stable=True)[:size]
    part = jax.tree.map(lambda column: column[rows], journey)
    # X, the one thing that does not change, stays out of what is copied
    few = problem.of_runs(rows)
    return rows, (few.labels, few.teacher), part, going.any()


@jax.jit
def _put_back(journey: Journey, rows: Array, part: Journey) -> Journey:
    return jax.tree.map(lambda column, new: column.at[rows].set(new), journey, part)


@partial(jax.jit, static_argnames=("solver", "least"))
def _some_steps(
    problem: Problem,
    journey: Journey,
    time: Float[Array, ""] | float,
    solver: Solver,
    stop: Stopping,
    least: int,
    most: Int[Array, ""] | int,
) -> tuple[Journey, Bool[Array, ""]]:
    """Step while more than `least` runs are on their way; return also whether more are.

    Comes back after the step that makes more than `most` gradients in all.
    """
    problem = problem.for_loops()
    # in the precision of the clock, with which it is compared
    goal = jnp.asarray(time, journey.state.t.dtype)
    levels = jnp.asarray([recorded_levels(problem.n)], journey.state.t.dtype)

    def goes_on(journey: Journey) -> Bool[Array, ""]:
        return _going(problem, journey.state, goal, solver).sum() > least

    def body(carry: tuple[Journey, Array]) -> tuple[Journey, Array]:
        journey, made = carry
        going = _going(problem, journey.state, goal, solver)
        new = solver.attempt(problem, journey.state, stop.goal(journey, goal), going)
        new = _note_passages(journey.state, new, levels)
        # gradients are what takes time, and steps take from one to twelve of them
        made += (new.gradients - journey.state.gradients).max()
        return stop.judge(problem, journey, new, going), made

    journey, _ = jax.lax.while_loop(
        lambda carry: goes_on(carry[0]) & (carry[1] <= most), body, (journey, jnp.array(0))
    )
    return journey, goes_on(journey)


def _going(
    problem: Problem, state: State, goal: Float[Array, ""], solver: Solver
) -> Bool[Array, " K"]:
    # ended for good, come to the goal, or left to the linear flow: three reasons not to step
    return state.running & solver.pending(state, goal) & ~solver.paused(problem, state)


def _note_passages(old: State, new: State, levels: Array) -> State:
    """Record when e fell to each level, by cubic interpolation of t in log e inside the step.

    The slopes at both ends are exact: dt/d(log e) = −e/|∇L − μW|² N.
    """
    # an energy of exactly zero has no logarithm
    tiny = jnp.finfo(old.energy.dtype).tiny
    x0, x1, level = (jnp.log(jnp.maximum(e, tiny)) for e in (old.energy, new.energy, levels))
    # the energy falls; a span of zero (rejected step) must not divide
    span = jnp.minimum(x1 - x0, -tiny)
    slope0, slope1 = (-s.energy / jnp.maximum(s.speed2, tiny) * span for s in (old, new))
    u = jnp.clip((level - x0[:, None]) / span[:, None], 0, 1)
    length = (new.t - old.t)[:, None]
    when = cubic(u, length, slope0[:, None], slope1[:, None])
    # within the step, whatever the cubic does
    when = old.t[:, None] + jnp.clip(when, 0, length)
    # NaN in `passage` marks levels not reached before
    first = (new.energy[:, None] <= levels) & jnp.isnan(old.passage)
    return new._replace(
        passage=jnp.where(first, when, old.passage),
        passage_gradients=jnp.where(first, new.gradients[:, None], old.passage_gradients),
    )
