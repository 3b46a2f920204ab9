"""The loop of the flow: steps of all runs of a batch to a time, and their first passages."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar, cast

import numpy as np

from gapless.arrays import Array, compiled, library, on_cpu, repeat_while
from gapless.flow.bracket import cubic
from gapless.flow.linearised import finish
from gapless.flow.solvers import Solver
from gapless.flow.state import State
from gapless.flow.stops import LoopState, Stopping, map_columns, recorded_levels
from gapless.problem import Problem, can_be_widened, widened
from gapless.sensing import product_operations
from gapless.shapes import Bool, Float, Int

Program = TypeVar("Program", bound=Callable[..., Any])
Pause = Callable[[Callable[[], LoopState]], None]
"""Called between two calls of the compiled loop, with a function that returns the state so far."""

OPERATIONS_PER_CALL = 3e10
"""Operations after which a compiled loop returns, about one second. Interrupts are handled between
two calls. The runs of a small sweep end within one call."""
MOST_GRADIENTS_PER_CALL = 10_000
SHRINK_ONCE_FROM, SHRINK_FROM = 128, 256
"""Sizes N at which batches shrink. Below the first N a batch keeps its size; below the second it
shrinks once, to a quarter; from there on three times, by half. Every size is one more program, of
1.5 CPU s to compile and 0.4 to load. At N = 64, α = 6, 8, 12 the quarter saves 4, 10, 21 % of the
time of a design of 128 runs (1.6, 5.7, 16 ms) and 1, 7, 11 % of one of 64, so that 15,000 to
100,000 runs compensate for the compilation. At N = 128, K = 64 it saves 6 and 24 % (α = 6, 10). At
N = 256, K = 128 the first two of the three save 30 %, the third 4 % (3 % at N = 1024)."""
SMALLEST_BATCH = 16
"""Number of runs below which a product with X costs nearly the same for any number of runs."""


def _compiled_unless_in_numpy(**options: Any) -> Callable[[Program], Program]:
    """Return a decorator that compiles a function, except for problems in NumPy."""

    def decorate(function: Program) -> Program:
        program = compiled(**options)(function)

        @wraps(function)
        def call(problem: Problem, *arguments: Any) -> Any:
            if not problem.in_numpy:
                return program(problem, *arguments)
            with problem.computing():
                return function(problem.for_loops(), *arguments)

        return cast(Program, call)

    return decorate


@_compiled_unless_in_numpy(static_argnames="solver")
def initial_state(problem: Problem, start: Float[Array, "K N"], solver: Solver) -> State:
    """Return the state at t = 0 of runs from `start`, which is put into the domain."""
    # what is called a start may be as long as a unit vector (`Problem.states`)
    w = problem.domain.retract(start)
    here = problem.evaluate(w)
    return solver.begun(State.at(w, here, solver.first(here), recorded_levels(problem.n)))


def follow(
    problem: Problem,
    carried: LoopState,
    time: float,
    solver: Solver,
    stop: Stopping,
    *,
    shrink: bool = False,
    pause: Pause | None = None,
) -> LoopState:
    """Step every running run to `time` exactly (to the nearest whole step if steps are fixed).

    The products of a batch are computed for ended runs as well. With `shrink`, the active runs
    continue in a smaller batch when enough runs have ended. Trapped runs near rest are continued in
    float64, where rounding does not limit their steps. The linearised flow continues the runs that
    are in the linear regime about the signal.
    """
    sizes = _smaller(problem, len(carried.state.t)) if shrink else ()
    carried = _stepped(problem, carried, time, solver, stop, sizes, pause)
    if not solver.linear_below:
        return carried
    # the linear flow ends where a stepped run would: one criterion for both
    floor = float(stop.energy_for(problem))
    state, left = finish(problem, carried.state, time, recorded_levels(problem.n), floor)
    carried = carried._replace(state=state)
    # a run whose minimum is not the signal goes on by steps
    if left:
        carried = _stepped(problem, carried, time, solver.divisible(), stop, sizes, pause)
    return carried


def _stepped(
    problem: Problem,
    carried: LoopState,
    time: float,
    solver: Solver,
    stop: Stopping,
    sizes: tuple[int, ...],
    pause: Pause | None,
) -> LoopState:
    """Step the runs to `time`, those near rest in float64."""
    carried = _in_batches(problem, carried, time, solver, stop, sizes, pause)
    if can_be_widened(problem):
        carried = _to_rest(problem, carried, time, solver, stop, pause)
    return carried


def _gradients_per_call(problem: Problem, runs: int) -> int:
    """Return the number of gradients of ``runs`` runs after which a compiled loop returns."""
    product = product_operations(problem.of_transforms, problem.m, problem.dimension)
    # two reads of X take as long as 20 more runs would, the loss of a label as 50 operations
    operations = 2 * (runs + 20) * product + 50 * runs * problem.m
    return min(int(OPERATIONS_PER_CALL / operations), MOST_GRADIENTS_PER_CALL)


def _smaller(problem: Problem, runs: int) -> tuple[int, ...]:
    """Return the sizes to which a batch of ``runs`` runs shrinks."""
    if problem.in_numpy:
        # no size is compiled
        return tuple(runs >> i for i in range(1, runs.bit_length()))
    # a size takes XLA ten seconds to compile for a GPU, and saves it little
    if not on_cpu():
        return ()
    n = problem.dimension
    parts = (2, 4, 8) if n >= SHRINK_FROM else (4,) if n >= SHRINK_ONCE_FROM else ()
    return tuple(runs // part for part in parts if runs // part >= SMALLEST_BATCH)


def _in_batches(
    problem: Problem,
    carried: LoopState,
    time: float,
    solver: Solver,
    stop: Stopping,
    sizes: tuple[int, ...],
    pause: Pause | None,
) -> LoopState:
    """Step the runs to `time`, with the active runs in successively smaller batches."""
    # 0: with no size left to shrink to, the loop runs while any run is on its way
    least, *smaller = sizes or (0,)
    # of the batch as it is: a smaller one makes more gradients in the same second
    most = _gradients_per_call(problem, len(carried.state.t))
    while True:
        carried, active = _some_steps(problem, carried, time, solver, stop, least, most)
        left = np.flatnonzero(active)
        if len(left) <= least:
            break
        if pause is not None:
            pause(lambda here=carried: here)
    if not len(left):
        return carried
    # those that still go, filled up with others; in NumPy, since it is done once
    # stable: runs keep their order, so that results do not depend on the sort
    rows = np.argsort(~np.asarray(active), kind="stable")[:least]
    part = map_columns(lambda column: np.asarray(column)[rows], carried)
    # X is shared and stays where it is: only labels, teachers and states are copied
    pause = _pause_of(rows, carried, pause)
    part = _in_batches(problem.of_runs(rows), part, time, solver, stop, tuple(smaller), pause)
    return map_columns(partial(_with_rows, rows), carried, part)


def _pause_of(rows: np.ndarray, carried: LoopState, pause: Pause | None) -> Pause | None:
    """Return the pause of a part of the runs, which reports all of them."""
    if pause is None:
        return None
    return lambda part: pause(lambda: map_columns(partial(_with_rows, rows), carried, part()))


def _to_rest(
    problem: Problem,
    carried: LoopState,
    time: float,
    solver: Solver,
    stop: Stopping,
    pause: Pause | None,
) -> LoopState:
    """Step the trapped runs near rest to `time` in float64.

    In float32 a step near rest moves W by the rounding of the velocity times h, so that runs take
    ever shorter steps; this is most of the way to rest (docs/benchmarks.md, Late times).
    """
    state = carried.state.on_host()
    goal = np.asarray(time, state.t.dtype)
    left = state.running & solver.unfinished(state, goal)
    rows = np.flatnonzero(left & solver.is_near_rest(problem, state, goal))
    if not len(rows):
        return carried
    # in NumPy: a few runs take it less time than a second program takes to compile
    wide = widened(problem.of_runs(rows))
    part = map_columns(lambda column: _widened(np.asarray(column)[rows]), carried)
    with wide.computing():
        # measured again: an energy below the true one by rounding would reject every step
        w = wide.domain.retract(part.state.w)
        state = part.state.moved(w, wide.evaluate(w))
        part = part._replace(state=state._replace(gradients=state.gradients + 1))
        sizes = _smaller(wide, len(rows))
        pause = _pause_of(rows, carried, pause)
        part = _in_batches(wide, part, time, solver.near_rest(), stop, sizes, pause)
    return map_columns(partial(_with_rows, rows), carried, part)


def _widened(column: np.ndarray) -> np.ndarray:
    return column.astype(np.float64) if column.dtype.kind == "f" else column


def _with_rows(rows: np.ndarray, column: Array, new: Array) -> np.ndarray:
    """Return a copy of a column with the given rows replaced, in the column's precision."""
    found = np.array(column)
    found[rows] = new
    return found


@_compiled_unless_in_numpy(static_argnames=("solver", "least"))
def _some_steps(
    problem: Problem,
    carried: LoopState,
    time: Float[Array, ""] | float,
    solver: Solver,
    stop: Stopping,
    least: int,
    most: Int[Array, ""] | int,
) -> tuple[LoopState, Bool[Array, " K"]]:
    """Step while more than `least` runs are active; return the state and the mask of active runs.

    The loop also ends after the step with which more than `most` gradients were made.
    """
    problem, like = problem.for_loops(), carried.state.t
    # in the precision of the clock, with which it is compared
    goal = library(like).asarray(time, like.dtype)
    levels = library(like).asarray([recorded_levels(problem.n)], like.dtype)

    def active_in(carried: LoopState) -> Bool[Array, " K"]:
        return _active(problem, carried.state, goal, solver)

    def body(carry: tuple[LoopState, Array]) -> tuple[LoopState, Array]:
        carried, made = carry
        active = active_in(carried)
        new = solver.step(problem, carried.state, stop.goal(carried, goal), active)
        new = _note_passages(carried.state, new, levels)
        # gradients are what takes time, and steps take from one to some two dozen of them
        made += (new.gradients - carried.state.gradients).max()
        return stop.judge(problem, carried, new, active), made

    made = library(like).asarray(0)

    def goes_on(carry: tuple[LoopState, Array]) -> Bool[Array, ""]:
        return (active_in(carry[0]).sum() > least) & (carry[1] <= most)

    carried, _ = repeat_while(like, goes_on, body, (carried, made))
    return carried, active_in(carried)


def _active(
    problem: Problem, state: State, goal: Float[Array, ""], solver: Solver
) -> Bool[Array, " K"]:
    # ended for good, come to the goal, left to the linear flow or to float64: reasons not to step
    elsewhere = solver.in_linear_regime(problem, state)
    elsewhere |= solver.is_near_rest(problem, state, goal)
    return state.running & solver.unfinished(state, goal) & ~elsewhere


def _note_passages(old: State, new: State, levels: Array) -> State:
    """Return the state with times of first passage, by cubic interpolation of t in log e.

    The slopes at both ends are exact: dt/d(log e) = −e/|∇L − μW|² N.
    """
    xp = library(levels)
    # an energy of exactly zero has no logarithm
    tiny = np.finfo(old.energy.dtype).tiny
    x0, x1, level = (xp.log(xp.maximum(e, tiny)) for e in (old.energy, new.energy, levels))
    # the energy falls; a span of zero (rejected step) must not divide
    span = xp.minimum(x1 - x0, -tiny)
    slope0, slope1 = (-s.energy / xp.maximum(s.speed2, tiny) * span for s in (old, new))
    u = xp.clip((level - x0[:, None]) / span[:, None], 0, 1)
    length = (new.t - old.t)[:, None]
    when = cubic(u, length, slope0[:, None], slope1[:, None])
    # within the step, whatever the cubic does
    when = old.t[:, None] + xp.clip(when, 0, length)
    # NaN in `passage` marks levels not reached before
    first = (new.energy[:, None] <= levels) & xp.isnan(old.passage)
    return new._replace(
        passage=xp.where(first, when, old.passage),
        passage_gradients=xp.where(first, new.gradients[:, None], old.passage_gradients),
    )
