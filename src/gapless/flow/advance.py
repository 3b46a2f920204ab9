"""The loop: every run of a batch stepped to a time, with its first passages noted."""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from gapless.flow.creep import Creep, Step, creep_on, set_out
from gapless.flow.finish import finish
from gapless.flow.outcome import REST_SPEED2, ZERO_ENERGY
from gapless.flow.steppers import normalise
from gapless.flow.stepping import Adaptive, State, Stepping, is_finite, select
from gapless.problem import Evaluation, Problem

LEVELS = (1e-4, 1e-6, 1e-8, 1e-10)
"""Energies L/N, in units of the loss's scale s, whose first-passage times every run records."""
OPERATIONS_PER_CALL = 1e10
"""A compiled loop comes back after about so many, within a second or so: interrupts are answered
between two calls. A sweep's runs end within one."""
MOST_STEPS_PER_CALL = 10_000
SHRINK_FROM = 256
"""Below this N a batch shrinks once, to a quarter; from it on three times, by half. Every size is
one more program, 1.2 s to compile. Of a sweep with K = 128 the quarter saves an eighth at N = 64,
and more sizes nothing; at N = 256 the first two save 30 %, the third 4 % (3 % at N = 1024)."""
FAST_AGAIN = 4.0
"""A slow run that has become so many times faster than slow is stepped as before."""
SMALLEST_BATCH = 16
"""Below so many runs a product with X costs nearly the same however few they are."""


@dataclass(frozen=True)
class Stop:
    """When a run ends before its time.

    Parameters
    ----------
    energy
        The run ends once L/N is at or below this, in units of the loss's scale s
        (`gapless.flow.units.loss_scale`; 1 for the quartic loss). When None: at the strictest
        criterion whose first passage is recorded (L/N = 1e-10, or L = 1e-8 where that is the
        smaller) and that rounding lets it reach. So any criterion can be applied afterwards.
    speed2
        The run is at rest, and ends, once |∇L − μW|²/N is below this, in units of s².
    """

    energy: float | None = None
    speed2: float = REST_SPEED2

    def energy_for(self, problem: Problem) -> float:
        """Return the energy at which runs of a problem end.

        At the solution rounding leaves e ≈ 0.12 ε² αN (measured for N = 128 … 1024 and
        α = 6 … 40): labels are sums of N terms.
        """
        if self.energy is not None:
            return self.energy
        epsilon = float(jnp.finfo(problem.dtype).eps)
        reachable = 0.5 * epsilon**2 * problem.alpha * problem.n
        strictest = min(LEVELS[-1], ZERO_ENERGY / problem.n)
        return strictest if strictest > reachable else max(LEVELS[-1], reachable)


STRICTEST = Stop()
"""At the strictest criterion, or at rest."""


def recorded_levels(n: int) -> tuple[float, ...]:
    """Return LEVELS and, last, the level at which the extensive loss L of Eq. 1 is 1e-8 s."""
    return (*LEVELS, ZERO_ENERGY / n)


@partial(jax.jit, static_argnames=("stepping", "levels"))
def begin(problem: Problem, start: Float[Array, "K N"], stepping: Stepping, levels: int) -> State:
    """Return the state of runs that set out from `start`, put on the sphere, at t = 0."""
    w = normalise(start)
    here = problem.evaluate(w)
    finite = is_finite(here)
    (k, n), dtype = w.shape, w.dtype
    return State(
        w=w,
        velocity=here.velocity,
        energy=here.energy,
        mu=here.mu,
        speed2=here.speed2,
        t=jnp.zeros(k, dtype),
        length=stepping.first(here),
        before=here.velocity,
        h_before=stepping.first(here),
        direction=here.velocity / jnp.sqrt(n * here.speed2 + 1e-30)[:, None],
        stiffness=jnp.zeros(k, dtype),
        energy_start=here.energy,
        running=finite,
        finite=finite,
        steps=jnp.zeros(k, int),
        gradients=jnp.ones(k, int),
        passage=jnp.full((k, levels), jnp.nan, dtype),
        passage_gradients=jnp.full((k, levels), -1, int),
    )


def reach(
    problem: Problem,
    state: State,
    time: float,
    levels: tuple[float, ...],
    stepping: Stepping,
    stop: Stop,
) -> State:
    """Step every running run to `time`, with nothing to record on the way.

    A batch that waits for its slowest run wastes its products on those that have ended: when
    enough of them have, the others go on as a smaller batch.
    Runs that `stepping.linear_below` pauses near the signal are brought to their end by `finish`.
    """
    sizes = _smaller(problem.n, len(state.t))
    go = partial(_shrinking, sizes=sizes, time=time, levels=levels, stop=stop)
    state = go(problem, state, stepping=stepping)
    if not (isinstance(stepping, Adaptive) and stepping.linear_below):
        return pursue(problem, state, time, levels, stepping, stop)
    state, left = finish(problem, state, time, levels, stop.energy_for(problem))
    if left:
        state = go(problem, state, stepping=replace(stepping, linear_below=0.0))
    return state


def pursue(
    problem: Problem,
    state: State,
    time: float,
    levels: tuple[float, ...],
    stepping: Stepping,
    stop: Stop,
) -> State:
    """Step every running run to `time` as `advance` does, those that are slow in long steps."""
    go = partial(advance, problem, time=time, levels=levels, stop=stop)
    state = go(state, stepping=stepping)
    if not (isinstance(stepping, Adaptive) and stepping.slow_below):
        return state
    while _waiting(state, time, stepping).any():
        state, all_came_through = _creep(problem, state, time, levels, stepping, stop)
        again = stepping if all_came_through else replace(stepping, slow_below=0.0)
        state = go(state, stepping=again)
    return state


def _waiting(state: State, time: float, stepping: Adaptive, times: float = 1.0) -> np.ndarray:
    """Return which runs wait for `_creep`: slow ones that have not come to `time`."""
    slow = replace(stepping, slow_below=times * stepping.slow_below).slow(state)
    pending = stepping.pending(state, jnp.asarray(time, state.t.dtype))
    return np.asarray(state.running & slow & pending)


def _creep(
    problem: Problem,
    state: State,
    time: float,
    levels: tuple[float, ...],
    stepping: Adaptive,
    stop: Stop,
) -> tuple[State, bool]:
    """Take the slow runs on in long steps, to `time`, to rest or till they are fast again.

    Returns also whether no run had to be given up.
    """
    entered = _waiting(state, time, stepping)
    creep = set_out(problem, state, np.asarray(state.h_before, float))
    quarter = len(state.t) // 4
    sizes = (quarter,) if quarter >= SMALLEST_BATCH else ()
    how = dict(time=time, levels=levels, stepping=stepping, stop=stop)
    state, h, lost = _creep_shrinking(problem, state, creep, entered, sizes, **how)
    first = stepping.first(Evaluation(state.energy, state.mu, state.velocity, state.speed2))
    longest = jnp.asarray(np.maximum(h, np.asarray(first)), first.dtype)
    fresh = state._replace(before=state.velocity, h_before=longest, length=first)
    return select(jnp.asarray(entered), fresh, state), not lost


def _creep_shrinking(
    problem: Problem,
    state: State,
    creep: Creep,
    going: np.ndarray,
    sizes: tuple[int, ...],
    **how,
) -> tuple[State, np.ndarray, bool]:
    """Take the runs that are `going` on, those that are left in ever smaller batches.

    Returns also the lengths of their last steps, and whether any of them was given up.
    """
    size, *smaller = sizes or (0,)
    time, stepping, stop = how["time"], how["stepping"], how["stop"]
    goal = np.asarray(time, state.t.dtype)
    entered, lost = going, np.zeros_like(going)
    while going.sum() > size:
        remaining = goal - np.asarray(state.t)
        rest2 = 0.5 * stop.speed2 * problem.n
        creep, step = creep_on(problem, state, creep, going, remaining, stepping.slow_error, rest2)
        state = _taken(problem, state, step, remaining, how["levels"], stop)
        lost = lost | step.lost
        going = _waiting(state, time, stepping, FAST_AGAIN) & entered & ~lost
    h, gave_up = creep.h.copy(), bool(lost.any())
    if going.any():
        rows = np.argsort(~going, kind="stable")[:size]
        part = jax.tree.map(lambda column: column[rows], state)
        part, h[rows], more = _creep_shrinking(
            problem.of_runs(jnp.asarray(rows)),
            part,
            creep.of_runs(rows),
            going[rows],
            tuple(smaller),
            **how,
        )
        state, gave_up = _put_back(state, jnp.asarray(rows), part), gave_up or more
    return state, h, gave_up


@partial(jax.jit, static_argnames=("levels", "stop"))
def _taken(
    problem: Problem,
    state: State,
    step: Step,
    remaining: Float[Array, " K"],
    levels: tuple[float, ...],
    stop: Stop,
) -> State:
    """Return the state after one more product, for runs that have made a step with it."""
    dtype = state.t.dtype
    t = (state.t + jnp.minimum(step.h, remaining)).astype(dtype)
    new = state.moved(step.moved.w, step.moved.here)._replace(t=t, steps=state.steps + 1)
    new = _note_passages(state, new, jnp.asarray([levels], dtype))
    ended = (new.energy <= stop.energy_for(problem)) | (new.speed2 < stop.speed2)
    new = select(jnp.asarray(step.made), new._replace(running=new.running & ~ended), state)
    return new._replace(gradients=state.gradients + step.products)


def _smaller(n: int, runs: int) -> tuple[int, ...]:
    """Return the sizes to which a batch of so many runs shrinks."""
    parts = (2, 4, 8) if n >= SHRINK_FROM else (4,)
    return tuple(runs // part for part in parts if runs // part >= SMALLEST_BATCH)


def _shrinking(problem: Problem, state: State, sizes: tuple[int, ...], **how) -> State:
    """Advance the runs, those that are left in ever smaller batches."""
    size, *smaller = sizes or (0,)
    state = advance(problem, state, least=size, **how)
    if not size:
        return state
    rows, (labels, teacher), part, some = _those_left(
        problem, state, size, how["time"], how["stepping"]
    )
    if not some:
        return state
    few = Problem(problem.sensing, labels, teacher, problem.loss)
    return _put_back(state, rows, _shrinking(few, part, tuple(smaller), **how))


@partial(jax.jit, static_argnames=("size", "stepping"))
def _those_left(
    problem: Problem, state: State, size: int, time: Float[Array, ""] | float, stepping: Stepping
):
    """Return a batch with the runs that still go, filled up with others, and whether any goes."""
    pending = stepping.pending(state, jnp.asarray(time))
    going = state.running & pending & ~stepping.paused(problem, state)
    rows = jnp.argsort(~going, stable=True)[:size]
    part = jax.tree.map(lambda column: column[rows], state)
    # X, the one thing that does not change, stays out of what is copied
    few = problem.of_runs(rows)
    return rows, (few.labels, few.teacher), part, going.any()


@jax.jit
def _put_back(state: State, rows: Array, part: State) -> State:
    return jax.tree.map(lambda column, new: column.at[rows].set(new), state, part)


def steps_per_call(problem: Problem, runs: int) -> int:
    """Return how many steps of so many runs a compiled loop may make before it comes back."""
    # two reads of X take as long as 20 more runs would
    operations = 4 * (runs + 20) * problem.sensing.size
    return min(max(1, int(OPERATIONS_PER_CALL / operations)), MOST_STEPS_PER_CALL)


def advance(
    problem: Problem,
    state: State,
    time: float,
    levels: tuple[float, ...],
    stepping: Stepping,
    stop: Stop,
    least: int = 0,
) -> State:
    """Step every running run to `time` exactly (to the nearest whole step if steps are fixed).

    Returns before that once no more than `least` runs are on their way.
    """
    steps, goes_on = steps_per_call(problem, len(state.t)), True
    while goes_on:
        state, goes_on = _some_steps(problem, state, time, levels, stepping, stop, least, steps)
    return state


@partial(jax.jit, static_argnames=("levels", "stepping", "stop", "least"))
def _some_steps(
    problem: Problem,
    state: State,
    time: Float[Array, ""] | float,
    levels: tuple[float, ...],
    stepping: Stepping,
    stop: Stop,
    least: int,
    steps: Int[Array, ""] | int,
) -> tuple[State, Bool[Array, ""]]:
    """Make no more than so many steps of `advance`; return also whether there are more to make."""
    problem = problem.for_loops()
    goal = jnp.asarray(time, state.t.dtype)
    floor = stop.energy_for(problem)
    thresholds = jnp.asarray([levels], state.t.dtype)

    def active(state: State) -> Bool[Array, " K"]:
        return state.running & stepping.pending(state, goal) & ~stepping.paused(problem, state)

    def goes_on(state: State) -> Bool[Array, ""]:
        return active(state).sum() > least

    def body(carry: tuple[State, Array]) -> tuple[State, Array]:
        state, made = carry
        going = active(state)
        new = stepping.attempt(problem, state, goal, going)
        new = _note_passages(state, new, thresholds)
        ended = (new.energy <= floor) | (new.speed2 < stop.speed2)
        return select(going, new._replace(running=new.running & ~ended), state), made + 1

    state, _ = jax.lax.while_loop(
        lambda carry: goes_on(carry[0]) & (carry[1] < steps), body, (state, jnp.array(0))
    )
    return state, goes_on(state)


def _note_passages(old: State, new: State, levels: Array) -> State:
    """Record when e fell to each level, by cubic interpolation of t in log e inside the step.

    The slopes at both ends are exact: dt/d(log e) = −e/|∇L − μW|² N.
    """
    tiny = jnp.finfo(old.energy.dtype).tiny
    x0, x1, level = (jnp.log(jnp.maximum(e, tiny)) for e in (old.energy, new.energy, levels))
    span = jnp.minimum(x1 - x0, -tiny)
    slope0, slope1 = (-s.energy / jnp.maximum(s.speed2, tiny) * span for s in (old, new))
    u = jnp.clip((level - x0[:, None]) / span[:, None], 0, 1)
    length = (new.t - old.t)[:, None]
    when = (
        u**2 * (3 - 2 * u) * length
        + u * (1 - u) ** 2 * slope0[:, None]
        - u**2 * (1 - u) * slope1[:, None]
    )
    when = old.t[:, None] + jnp.clip(when, 0, length)
    first = (new.energy[:, None] <= levels) & jnp.isnan(old.passage)
    return new._replace(
        passage=jnp.where(first, when, old.passage),
        passage_gradients=jnp.where(first, new.gradients[:, None], old.passage_gradients),
    )
