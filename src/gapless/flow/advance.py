"""The loop: every run of a batch stepped to a time, with its first passages noted."""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from gapless.flow.finish import finish
from gapless.flow.steppers import normalise
from gapless.flow.stepping import Adaptive, State, Stepping, is_finite, select
from gapless.problem import Problem

LEVELS = (1e-4, 1e-6, 1e-8, 1e-10)
"""Energies L/N whose first-passage times every run records."""
RECOVERED_ENERGY = 1e-8
TRAPPED_SPEED2 = 1e-10
SHRINK_FROM = 256
"""Below this N a smaller batch saves less than compiling for it takes: 6 ms of 40 a design of 64
runs at N = 64, 80 of 350 at N = 256; a program takes 2 s."""
SMALLEST_BATCH = 16
"""Below so many runs a product with X costs nearly the same however few they are."""


@dataclass(frozen=True)
class Stop:
    """When a run ends before its time.

    Parameters
    ----------
    energy
        The run ends once L/N is at or below this. When None: at the strictest criterion whose
        first passage is recorded (L/N = 1e-10, or L = 1e-8 where that is the smaller) and that
        rounding lets it reach. So any criterion can be applied afterwards.
    speed2
        The run ends as trapped once |∇L − μW|²/N is below this.
    """

    energy: float | None = None
    speed2: float = TRAPPED_SPEED2

    def energy_for(self, problem: Problem) -> float:
        """Return the energy at which runs of a problem end.

        At the solution rounding leaves e ≈ 0.12 ε² αN (measured for N = 128 … 1024 and
        α = 6 … 40): labels are sums of N terms.
        """
        if self.energy is not None:
            return self.energy
        epsilon = float(jnp.finfo(problem.dtype).eps)
        reachable = 0.5 * epsilon**2 * problem.alpha * problem.n
        strictest = min(LEVELS[-1], RECOVERED_ENERGY / problem.n)
        return strictest if strictest > reachable else max(LEVELS[-1], reachable)


STRICTEST = Stop()
"""At the strictest criterion, or at rest."""


def recorded_levels(n: int) -> tuple[float, ...]:
    """Return LEVELS and, last, the level at which the extensive loss L of Eq. 1 is 1e-8."""
    return (*LEVELS, RECOVERED_ENERGY / n)


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
    half of it has, the others go on as a batch of half the size, and once more at a quarter.
    Runs that `stepping.linear_below` pauses near the signal are brought to their end by `finish`.
    """
    go = partial(_shrinking, time=time, levels=levels, stop=stop)
    state = go(problem, state, stepping=stepping)
    if not (isinstance(stepping, Adaptive) and stepping.linear_below):
        return state
    state, left = finish(problem, state, time, levels, stop.energy_for(problem))
    if left:
        state = go(problem, state, stepping=replace(stepping, linear_below=0.0))
    return state


def _shrinking(problem: Problem, state: State, halvings: int = 2, **how) -> State:
    """Advance the runs, those that are left in ever smaller batches."""
    shrinks = halvings and problem.n >= SHRINK_FROM and len(state.t) >= 2 * SMALLEST_BATCH
    half = len(state.t) // 2 if shrinks else 0
    state = advance(problem, state, least=half, **how)
    if not half:
        return state
    rows, (labels, teacher), part, some = _those_left(
        problem, state, half, how["time"], how["stepping"]
    )
    if not some:
        return state
    few = Problem(problem.sensing, labels, teacher, problem.loss)
    return _put_back(state, rows, _shrinking(few, part, halvings - 1, **how))


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


@partial(jax.jit, static_argnames=("levels", "stepping", "stop", "least"))
def advance(
    problem: Problem,
    state: State,
    time: Float[Array, ""] | float,
    levels: tuple[float, ...],
    stepping: Stepping,
    stop: Stop,
    least: int = 0,
) -> State:
    """Step every running run to `time` exactly (to the nearest whole step if steps are fixed).

    Returns before that once no more than `least` runs are on their way.
    """
    problem = problem.for_loops()
    goal = jnp.asarray(time, state.t.dtype)
    floor = stop.energy_for(problem)
    thresholds = jnp.asarray([levels], state.t.dtype)

    def active(state: State) -> Bool[Array, " K"]:
        return state.running & stepping.pending(state, goal) & ~stepping.paused(problem, state)

    def body(state: State) -> State:
        going = active(state)
        new = stepping.attempt(problem, state, goal, going)
        new = _note_passages(state, new, thresholds)
        ended = (new.energy <= floor) | (new.speed2 < stop.speed2)
        return select(going, new._replace(running=new.running & ~ended), state)

    return jax.lax.while_loop(lambda state: active(state).sum() > least, body, state)


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
