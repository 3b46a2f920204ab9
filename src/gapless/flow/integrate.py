"""Integration of the flow: solver, stopping criterion and recorded values are arguments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import log2
from typing import Any, NamedTuple

import numpy as np

from gapless.arrays import Array, library
from gapless.flow import loop
from gapless.flow.fixed_steps import GradientDescent
from gapless.flow.outcome import ZERO_ENERGY, Outcome, outcomes
from gapless.flow.solvers import GradientFlow, Solver
from gapless.flow.state import State
from gapless.flow.stops import STRICTEST, LoopState, Stopping, recorded_levels
from gapless.flow.units import in_units
from gapless.inputs import number, real_kind
from gapless.problem import Problem
from gapless.shapes import Float

FLOW = GradientFlow()
"""The flow at the default tolerance."""
ACCURATE = GradientFlow(tolerance=2e-5)
"""The flow with times of first passage within 0.03 % for nine runs in ten, saddles included.

e(t) at rest or nearly is as accurate. Where a run falls steeply e at a given t is off by more, as
much as a shift of t makes (docs/benchmarks.md, Late times).
"""
SWEEP = GradientFlow(tolerance=4e-2, linear_below=1e-4)
"""The flow, with one Krylov step for the last decades of a run that has recovered the signal."""
PAPER = GradientDescent(2e-4)
"""The paper's gradient descent: learning rate 2e-4."""


LATEST = 1e30
"""Largest time budget in units of the loss: float32 holds it, and its products with rates."""


class Observables(NamedTuple):
    """Recorded values of K runs: NumPy arrays, (K,) at one time or (K, T)."""

    energy: np.ndarray
    signed_overlap: np.ndarray
    mu: np.ndarray
    speed2: np.ndarray
    rho: np.ndarray
    """ρ = |W|²/N: 1 on the sphere."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Trajectories of K runs, as NumPy arrays.

    A run that ended early keeps its last values at later save times; `stopped_at` is its last time.
    """

    t: np.ndarray
    """The save times, (T,)."""
    saved: Observables
    """Values at the save times, (K, T)."""
    start: Observables
    end: Observables
    outcome: tuple[Outcome, ...]
    reason: tuple[str, ...]
    """Reason for a time-out before `t_max`; empty for the other runs."""
    at_rest: np.ndarray
    """Whether |∇L − μW|²/N was below the bound of `stop` at the end, (K,)."""
    crossed: np.ndarray
    """Whether the run ended at the energy of `stop`, (K,)."""
    stopped_at: np.ndarray
    """Time at which each run ended, (K,). For a trapped run `ACCURATE` determines it to a few per
    cent, and `FLOW` to a factor of two (docs/architecture.md)."""
    steps: np.ndarray
    gradients: np.ndarray
    levels: np.ndarray
    """Energies L/N of the first passages, (L,)."""
    passage: np.ndarray
    """First time at which L/N fell to each level, (K, L); NaN where it did not."""
    passage_gradients: np.ndarray
    """Gradient evaluations up to each first passage, (K, L); -1 without one."""
    state: State
    """The final state; `state.w` is W."""
    observed: list[Any]
    """Values that `observe` returned, one per save time of this call (after a resume, the rest)."""

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
        """μ of Eq. 3 at the save times, (K, T); zero without the sphere."""
        return self.saved.mu

    @property
    def rho(self) -> np.ndarray:
        """ρ = |W|²/N at the save times, (K, T); 1 on the sphere."""
        return self.saved.rho


class CannotResume(ValueError):
    """The state to resume from belongs to other runs or to another version."""


class IntegrationState(NamedTuple):
    """State of an integration at a save time or on the way to one, from which `integrate` resumes.

    The state is in units of the loss (`gapless.flow.units`), so that it is restored bit by bit.
    """

    state: State
    start: Observables
    saved: list[Observables]
    """Values at the save times that are done."""
    times: list[float]
    """The save times that are done."""


Progress = Callable[[float, int], None]
Observe = Callable[[float, State], Any]


def paper_budget(n: int) -> float:
    """Return the paper's time budget 0.3 log2 N: 1500 log2 N steps of 2e-4 (Fig. 5)."""
    return 0.3 * log2(n)


def integrate(
    problem: Problem,
    start: Float[Array, "K N"] | np.ndarray,
    t_max: float,
    *,
    solver: Solver = FLOW,
    stop: Stopping = STRICTEST,
    save_at: Sequence[float] | np.ndarray | None = None,
    observe: Observe | None = None,
    progress: Progress | None = None,
    resume: IntegrationState | None = None,
    on_save: Callable[[Callable[[], IntegrationState]], None] | None = None,
) -> Trajectory:
    """Integrate Ẇ = −∇L + μW (Eq. 2) from `start` until `t_max`.

    Parameters
    ----------
    problem, start
        K instances and their states, (K, N); states of any length are scaled to the sphere of
        radius √N. For problems without the sphere μ is zero, and states keep their length.
    t_max
        Time budget in units of Eq. 2 (steps × `tick` for solvers of fixed steps).
    solver
        `FLOW` or another `GradientFlow`; `PAPER` or another `GradientDescent`; `HeavyBall`;
        `NormalisedDescent`. Near zero energy steps of 2e-4 are below the rounding of float32:
        gradient descent needs a float64 problem.
    stop
        Criterion that ends a run early: `Stop` at rest or below an energy, `AtEnergy` exactly at
        one.
    save_at
        Increasing times at which energy, overlap and μ are recorded; None: only `t_max`.
    observe
        Function of (time, states of all runs), called at each save time; the trajectory holds the
        values it returns. A run that ended early keeps its last state.
    progress
        Function of (time, number of active runs), called after each save time.
    resume
        State of an earlier call with the same arguments, from which this call resumes.
    on_save
        Called after each save time, and about once a second on the way to it, with a function that
        returns the `IntegrationState`.

    Raises
    ------
    ValueError
        For times that are negative, not increasing, or past `t_max`; a start of another shape or
        type than the problem's states; a loss whose values exceed the precision; a stop that the
        solver does not support; `CannotResume` if `resume` has arrays of other shapes or precision
        than this call.
    """
    # all of the input is judged before anything is computed
    times, t_max = check_times(t_max, save_at), float(t_max)
    _check_kinds(problem=(problem, Problem), solver=(solver, Solver), stop=(stop, Stopping))
    _check_functions(observe=observe, progress=progress, on_save=on_save)
    solver.check(t_max)
    start, has_signal = checked_start(problem, start), problem.has_signal
    # from here on in units of the loss, energies and times alike
    problem, scale = in_units(problem)
    if t_max * scale > LATEST:
        raise ValueError(f"t_max: must be at most {LATEST / scale:g}; runs rest long before")
    stop = stop.in_units_of(scale)
    nearest_time, solver = solver.nearest_time, stop.suited(solver.in_time_of(scale))
    # the precision of the problem, whatever JAX's flag: a float64 problem stays one
    with problem.computing():
        state = loop.initial_state(problem, problem.array(start), solver)
        first = _values(problem, state, scale)
        saved: list[Observables] = []
        if resume is not None:
            # a checkpoint of other shapes would be broadcast without a word
            _check_resume(resume, IntegrationState(state, first, [first] * len(times), times))
            state = State(*map(library(state.w).asarray, resume.state))
            first, saved = resume.start, list(resume.saved)
        carried = stop.init(state)

    def pause(now: Callable[[], LoopState]) -> None:
        if on_save is not None:
            # a copy: the list grows, and the caller may keep what it was given
            done = times[: len(saved)]
            on_save(lambda: IntegrationState(now().state, first, list(saved), done))

    follow = partial(loop.follow, pause=pause)
    observed = []
    for time in times[len(saved) :]:
        with problem.computing():
            alone = save_at is None  # nothing to record on the way
            carried = follow(problem, carried, time * scale, solver, stop, shrink=alone)
            saved.append(_values(problem, carried.state, scale))
            # in the caller's units: the loop's own are those of ℓ/s
            here = None if observe is None else carried.state.in_units_of(scale)
        if observe is not None and here is not None:
            observed.append(observe(time, here))
        # after `observe`: a checkpoint says that its save time is done
        pause(lambda done=carried: done)
        if progress is not None:
            progress(time, int(np.asarray(carried.state.running).sum()))
    with problem.computing():
        # the last stretch holds no save time, but outcomes are those at t_max
        if times[-1] < t_max:
            carried = follow(problem, carried, t_max * scale, solver, stop)
        # on the host: what is done once to K numbers would take longer to compile
        state, here = carried.state, carried.state.on_host()
        last = _values(problem, state, scale)
        # of the final state, in the loop's units, where the bound is a plain number
        at_rest = here.speed2 < stop.speed2
        crossed = stop.arrived(problem, here)
        # a run that took no step was below the energy to stop at
        stopped = crossed | ~(here.running | (here.steps > 0))
        levels = recorded_levels(problem.n)
        outcome = outcomes(
            overlap=np.abs(last.signed_overlap),
            has_signal=has_signal,
            # a passage, not the energy at the end: near zero rounding may lift it again
            zero=np.isfinite(here.passage[:, levels.index(ZERO_ENERGY)]),
            at_rest=at_rest,
            stopped=stopped,
            finite=here.finite,
        )
        return Trajectory(
            t=np.array([nearest_time(time) for time in times]),
            saved=Observables(*(np.stack(column, axis=1) for column in zip(*saved, strict=True))),
            start=first,
            end=last,
            outcome=outcome,
            reason=_reasons(here, solver, stop, outcome, t_max * scale),
            at_rest=at_rest,
            crossed=crossed,
            stopped_at=solver.time(here) / scale,
            steps=here.steps,
            gradients=here.gradients,
            levels=np.array(levels) * scale,
            passage=here.passage.astype(float) / scale,
            passage_gradients=here.passage_gradients,
            state=state.in_units_of(scale),
            observed=observed,
        )


def _check_kinds(**given: tuple[Any, type]) -> None:
    for name, (value, kind) in given.items():
        if not isinstance(value, kind):
            raise ValueError(f"{name}: must be a {kind.__name__} of gapless, not {value!r}")


def _check_functions(**given: Any) -> None:
    for name, value in given.items():
        if value is not None and not callable(value):
            raise ValueError(f"{name}: must be a function, not {value!r}")


def checked_start(problem: Problem, start: Float[Array, "K N"] | np.ndarray) -> np.ndarray:
    """Return the starts, scaled to largest components of order one; ``ValueError`` if invalid.

    On the sphere a start is a direction: its length may be any number but 0. The factors are powers
    of two and leave the mantissas unchanged. Without the sphere a start is a state as any other.
    """
    if not problem.sphere:
        return np.asarray(problem.states(start, "start"))
    given = np.asarray(real_kind("start", start))
    shape = len(problem.labels), problem.dimension
    if given.dtype.kind not in "fiu" or given.shape != shape:
        raise ValueError(
            f"start: must be real, of shape (K, N) = {shape}, not {given.dtype} of {given.shape}"
        )
    # integers and float16 would overflow in their own type
    given = given.astype(np.promote_types(given.dtype, np.float32))
    largest = np.abs(given).max(axis=1)
    if not (np.isfinite(largest) & (largest > 0)).all():
        run = int(np.flatnonzero(~(np.isfinite(largest) & (largest > 0)))[0])
        raise ValueError(f"start: run {run} must have finite components that are not all zero")
    return np.ldexp(given, -np.frexp(largest)[1][:, None])


def check_times(t_max: float, save_at: Sequence[float] | np.ndarray | None) -> list[float]:
    """Return the save times as floats, `t_max` alone for None; ``ValueError`` if invalid."""
    t_max = number("t_max", t_max, above=0)
    if save_at is not None and (np.ndim(save_at) != 1 or not len(save_at)):
        raise ValueError("save_at: must be a sequence of one time or more")
    times = [t_max] if save_at is None else [number("save_at", t) for t in save_at]
    if not np.isfinite(times).all() or times[0] < 0 or times[-1] > t_max:
        raise ValueError(f"save_at: times must lie between 0 and t_max={t_max:g}")
    if (np.diff(times) <= 0).any():
        raise ValueError("save_at: times must increase")
    return times


def _check_resume(found: IntegrationState, ours: IntegrationState) -> None:
    """Raise `CannotResume` unless save times, start, shapes and types are those of this call."""
    if not isinstance(found, IntegrationState):
        raise CannotResume(f"resume: must be an IntegrationState, not {type(found).__name__}")
    if len(found.saved) > len(ours.saved):
        raise CannotResume(f"resume: {len(found.saved)} save times of {len(ours.saved)} are done")
    if list(found.times) != list(ours.times[: len(found.saved)]):
        raise CannotResume("resume: its save times are not the first of this call")
    parts = [("state", found.state, ours.state), ("start", found.start, ours.start)]
    parts += [("saved", a, b) for a, b in zip(found.saved, ours.saved, strict=False)]
    for part, arrays, expected in parts:
        for name, array, like in zip(expected._fields, arrays, expected, strict=True):
            if array.shape != like.shape or array.dtype != like.dtype:
                raise CannotResume(
                    f"resume: {part}.{name} is {array.dtype}{array.shape}, not "
                    f"{like.dtype}{like.shape}"
                )
    # to more than the rounding of another machine; NaN where a run's energy has no value
    if not np.allclose(found.start.energy, ours.start.energy, rtol=1e-3, equal_nan=True):
        raise CannotResume("resume: its runs have other energies at their start")


def _values(problem: Problem, state: State, scale: float) -> Observables:
    energy, mu, speed2 = (
        np.asarray(value, float) for value in (state.energy, state.mu, state.speed2)
    )
    # of the loop's own states, which may be far away where the sphere is left out
    overlap = np.asarray(problem.for_loops().signed_overlap(state.w), float)
    # in NumPy: nothing is compiled for K numbers
    rho = np.asarray(problem.domain.mean_square(np.asarray(state.w)), float)
    return Observables(energy * scale, overlap, mu * scale, speed2 * scale**2, rho)


def _reasons(
    state: State, solver: Solver, stop: Stopping, outcome: tuple[Outcome, ...], budget: float
) -> tuple[str, ...]:
    """Return the reason of each time-out before the budget, in units of the loss; else empty."""
    # time-outs at the budget explain themselves; those before it do not
    exhausted, running = solver.exhausted(state), state.running
    early = np.array([end is Outcome.time_out for end in outcome]) & (exhausted | ~running)
    found = [""] * len(outcome)
    for k in np.flatnonzero(early):
        at = f"at {solver.time(state)[k] / budget:.2g} of its time"
        if exhausted[k]:
            found[k] = f"the budget of {state.steps[k]} steps (max_steps) ended {at}"
        else:
            found[k] = f"steps became too short for a clock in {state.t.dtype} {at}"
        found[k] += f": {stop.when_short}"
    return tuple(found)
