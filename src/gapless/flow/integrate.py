"""One integrate function: how to step, when to stop and what to record are three arguments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import log2
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from gapless.flow.outcome import Outcome
from gapless.flow.steppers import normalise
from gapless.flow.stepping import Adaptive, FixedStep, State, Stepping, is_finite, select
from gapless.problem import Problem, precision

LEVELS = (1e-4, 1e-6, 1e-8, 1e-10)
"""Energies L/N whose first-passage times every run records."""
RECOVERED_ENERGY = 1e-8
RECOVERED_OVERLAP = 1 - 1e-6
TRAPPED_SPEED2 = 1e-10
FLOW = Adaptive()
"""The flow itself."""
PAPER = FixedStep(2e-4)
"""The paper's gradient descent: learning rate 2e-4."""


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
        epsilon = float(jnp.finfo(problem.sensing.dtype).eps)
        reachable = 0.5 * epsilon**2 * problem.alpha * problem.n
        strictest = min(LEVELS[-1], RECOVERED_ENERGY / problem.n)
        return strictest if strictest > reachable else max(LEVELS[-1], reachable)


class Observables(NamedTuple):
    """What is recorded of K runs: NumPy arrays, (K,) at one time or (K, T)."""

    energy: np.ndarray
    signed_overlap: np.ndarray
    mu: np.ndarray
    speed2: np.ndarray


@dataclass(frozen=True, eq=False)
class Trajectory:
    """What K runs did, in NumPy.

    A run that ended early keeps its last values at later save times; `stopped_at` tells when.
    """

    t: np.ndarray
    """The save times, (T,)."""
    saved: Observables
    """At the save times, (K, T)."""
    start: Observables
    end: Observables
    outcome: tuple[Outcome, ...]
    stopped_at: np.ndarray
    steps: np.ndarray
    gradients: np.ndarray
    levels: np.ndarray
    """Energies L/N of the first passages, (L,)."""
    passage: np.ndarray
    """First time at which L/N fell to each level, (K, L); NaN where it did not."""
    passage_gradients: np.ndarray
    """Gradient evaluations made by then, (K, L); -1 where it did not."""
    state: State
    """The final state; `state.w` is W."""

    @property
    def energy(self) -> np.ndarray:
        """e = L/N at the save times, (K, T)."""
        return self.saved.energy

    @property
    def overlap(self) -> np.ndarray:
        """q = |m| at the save times, between 0 and 1, (K, T)."""
        return np.abs(self.saved.signed_overlap)

    @property
    def mu(self) -> np.ndarray:
        """μ of Eq. 3 at the save times, (K, T)."""
        return self.saved.mu


Progress = Callable[[float, int], None]


def paper_budget(n: int) -> float:
    """Return the paper's time budget 0.3 log2 N: 1500 log2 N steps of 2e-4 (Fig. 5)."""
    return 0.3 * log2(n)


def integrate(
    problem: Problem,
    start: Float[Array, "K N"],
    t_max: float,
    *,
    stepping: Stepping = FLOW,
    stop: Stop = Stop(),
    save_at: Sequence[float] | np.ndarray | None = None,
    progress: Progress | None = None,
) -> Trajectory:
    """Follow Ẇ = −∇L + μW (Eq. 2) on the sphere from `start` until `t_max`.

    Parameters
    ----------
    problem, start
        K instances and their states, (K, N); states are put on the sphere of radius √N.
    t_max
        Time budget in units of Eq. 2 (steps × rate for gradient descent).
    stepping
        `FLOW` or another `Adaptive`; `PAPER` or another `FixedStep`. Near zero energy steps of
        2e-4 are below the rounding of float32: give gradient descent a float64 problem.
    stop
        Thresholds that end a run early.
    save_at
        Increasing times at which energy, overlap and μ are recorded; only `t_max` when None.
    progress
        Called with (time reached, runs still going) after each save time.

    Raises
    ------
    ValueError
        For times that are negative, not increasing, or past `t_max`.
    """
    times = check_times(t_max, save_at)
    with precision(str(problem.sensing.dtype)):  # type: ignore[arg-type]
        levels = recorded_levels(problem.n)
        state = begin(problem, jnp.asarray(start, problem.sensing.dtype), stepping, len(levels))
        first = _observe(problem, state)
        records = []
        for time in times:
            state = advance(problem, state, time, levels, stepping, stop)
            records.append(_observe(problem, state))
            if progress is not None:
                progress(time, int(state.running.sum()))
        state = advance(problem, state, t_max, levels, stepping, stop)
        last = _observe(problem, state)
        return Trajectory(
            t=np.array([stepping.on_grid(time) for time in times]),
            saved=Observables(*(np.stack(column, axis=1) for column in zip(*records, strict=True))),
            start=first,
            end=last,
            outcome=_outcomes(state, np.array(levels), np.abs(last.signed_overlap)),
            stopped_at=stepping.time(state),
            steps=np.asarray(state.steps),
            gradients=np.asarray(state.gradients),
            levels=np.array(levels),
            passage=np.asarray(state.passage, float),
            passage_gradients=np.asarray(state.passage_gradients),
            state=state,
        )


def check_times(t_max: float, save_at: Sequence[float] | np.ndarray | None) -> list[float]:
    """Return the save times as floats, `t_max` alone when None; ``ValueError`` if they are bad."""
    if not (np.isfinite(t_max) and t_max > 0):
        raise ValueError(f"t_max: the time budget must be a positive number, not {t_max}")
    times = [float(t_max)] if save_at is None else [float(t) for t in save_at]
    if not times or not np.isfinite(times).all() or times[0] < 0 or times[-1] > t_max:
        raise ValueError(f"save_at: times must lie between 0 and t_max={t_max:g}")
    if (np.diff(times) <= 0).any():
        raise ValueError("save_at: times must increase")
    return times


def _observe(problem: Problem, state: State) -> Observables:
    values = (state.energy, problem.signed_overlap(state.w), state.mu, state.speed2)
    return Observables(*(np.asarray(value, float) for value in values))


def recorded_levels(n: int) -> tuple[float, ...]:
    """Return LEVELS and, last, the level at which the extensive loss L of Eq. 1 is 1e-8."""
    return (*LEVELS, RECOVERED_ENERGY / n)


def _outcomes(state: State, levels: np.ndarray, overlap: np.ndarray) -> tuple[Outcome, ...]:
    reached = np.isfinite(np.asarray(state.passage)[:, levels == RECOVERED_ENERGY]).any(axis=1)
    recovered = reached | (overlap > RECOVERED_OVERLAP)
    finite, running = np.asarray(state.finite), np.asarray(state.running)
    return tuple(
        Outcome.recovered
        if recovered[k]
        else Outcome.not_finite
        if not finite[k]
        else Outcome.time_out
        if running[k]
        else Outcome.trapped
        for k in range(len(finite))
    )


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


@partial(jax.jit, static_argnames=("levels", "stepping", "stop"))
def advance(
    problem: Problem,
    state: State,
    time: Float[Array, ""] | float,
    levels: tuple[float, ...],
    stepping: Stepping,
    stop: Stop,
) -> State:
    """Step every running run to `time` exactly (to the nearest whole step if steps are fixed)."""
    goal = jnp.asarray(time, state.t.dtype)
    floor = stop.energy_for(problem)
    thresholds = jnp.asarray([levels], state.t.dtype)

    def active(state: State) -> Bool[Array, " K"]:
        return state.running & stepping.pending(state, goal)

    def body(state: State) -> State:
        going = active(state)
        new = stepping.attempt(problem, state, goal, going)
        new = _note_passages(state, new, thresholds)
        ended = (new.energy <= floor) | (new.speed2 < stop.speed2)
        return select(going, new._replace(running=new.running & ~ended), state)

    return jax.lax.while_loop(lambda state: active(state).any(), body, state)


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
