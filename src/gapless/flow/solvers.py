"""Solvers: their interface to the loop, and the flow with a step size adapted to each run."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from gapless.arrays import Array, library
from gapless.chebyshev import MAX_STAGES, USUAL_STAGES
from gapless.flow.control import (
    energy_rounding,
    followed_stiffness,
    is_near_rest,
    local_error,
    stages_and_length,
    time_lag,
)
from gapless.flow.explicit import adams_bashforth_step, chebyshev_step, error_constant
from gapless.flow.state import State, is_finite, select
from gapless.inputs import flag, number, whole
from gapless.problem import Evaluation, Problem, can_be_widened
from gapless.shapes import Bool, Float

SAFETY = 1.2
"""Factor on the stiffness in the stability limit, because the power method converges from below."""
NEAR_SIGNAL = 1e-4
"""Value of 1 − |q| below which a run is close to the signal, at 1 % of the radius from it."""
OF_LENGTH = 0.02
"""Largest error of a step relative to its length h |V|, for runs close to rest: their remaining
distance is below the tolerance, which alone would leave the time of rest undetermined."""
MOST_COUNTED = 10**9
"""Largest number of steps, which are counted in 32 bits."""


class Solver(ABC):
    """Interface of a solver to the loop; it is hashable, since programs are compiled for it."""

    linear_below: float = 0.0
    """Energy below which runs near the signal are solved by the linearised flow; 0: none are."""

    def in_time_of(self, scale: float) -> "Solver":
        """Return the solver of the same steps in a unit of time `scale` times shorter."""
        del scale
        return self

    @abstractmethod
    def divisible(self) -> "Solver":
        """Return the solver with steps that can be shortened; ``ValueError`` if there is none."""

    def check(self, t_max: float) -> None:
        """Raise ``ValueError`` for more steps than `MOST_COUNTED`."""
        del t_max

    @abstractmethod
    def first(self, here: Evaluation) -> Float[Array, " K"]:
        """Return the first step size of each run."""

    def begun(self, state: State) -> State:
        """Return the first state with the values that the solver carries from step to step."""
        return state

    @abstractmethod
    def unfinished(self, state: State, goal: Array) -> Bool[Array, " K"]:
        """Return the mask of runs that are before the time `goal` and have steps left."""

    def exhausted(self, state: State) -> Bool[Array, " K"]:
        """Return the mask of runs without steps left."""
        xp = library(state.running)
        return xp.zeros_like(state.running)

    def in_linear_regime(self, problem: Problem, state: State) -> Bool[Array, " K"]:
        """Return the mask of runs that the linearised flow solves."""
        xp = library(state.running)
        del problem
        return xp.zeros_like(state.running)

    def is_near_rest(self, problem: Problem, state: State, goal: Array) -> Bool[Array, " K"]:
        """Return the mask of runs that are continued in float64 by `near_rest`."""
        xp = library(state.running)
        del problem, goal
        return xp.zeros_like(state.running)

    def near_rest(self) -> "Solver":
        """Return the solver of runs that are continued in float64 until they are at rest."""
        return self

    @abstractmethod
    def time(self, state: State) -> np.ndarray:
        """Return the time t of each run."""

    def nearest_time(self, time: float) -> float:
        """Return the time of a state that is nearest to `time`."""
        return time

    @abstractmethod
    def step(self, problem: Problem, state: State, goal: Array, active: Array) -> State:
        """Try one step of every run, to `goal` at most."""


@dataclass(frozen=True)
class GradientFlow(Solver):
    """The flow: accuracy sets the step size of each run, and stability the number of stages.

    A step is accepted when (i) its estimated error, relative to the sphere's radius √N and to
    √(e/e(0)), is at most `tolerance`, and (ii) the energy does not rise beyond rounding, as along
    the exact flow it cannot. An Adams–Bashforth step takes one gradient; a Chebyshev step takes s
    gradients and is stable for much larger h. The method and s with the largest step per gradient
    are taken. The power method estimates the stiffness. Where the estimate is too low, (i) or (ii)
    fails and a shorter step is tried. The part of the error along the flow is a displacement in
    time, by which t is corrected.

    Parameters
    ----------
    tolerance
        Largest relative error of a step; the number of steps grows like tolerance^(-1/3).
    linear_below
        Energy, in units of the loss's scale, from which a run close to the signal is continued to
        its end or to the next save time in one Krylov step of the linear flow about the signal
        (`gapless.flow.linearised`); 0: never.
    max_steps
        Number of steps after which a run times out. A run to rest takes a few thousand steps; a
        flow that takes more than the default is too stiff to end within hours.
    to_rest
        Whether the error of a step is in addition at most `OF_LENGTH` of its length h |V|, with
        which steps of up to `MAX_STAGES` stages are accurate. Trapped runs are followed so in
        float64 from where rounding limits the steps of float32
        (`gapless.flow.control.is_near_rest`).

    Raises
    ------
    ValueError
        For a parameter out of range.
    """

    tolerance: float = 2e-2
    linear_below: float = 0.0
    max_steps: int = 10_000
    to_rest: bool = False

    def __post_init__(self) -> None:
        number("tolerance", self.tolerance, above=0)
        number("linear_below", self.linear_below, 0)
        flag("to_rest", self.to_rest)
        whole("max_steps", self.max_steps, 1, MOST_COUNTED)

    def divisible(self) -> "GradientFlow":
        """Return this solver without Krylov steps, which cannot be shortened."""
        return replace(self, linear_below=0.0)

    def in_linear_regime(self, problem: Problem, state: State) -> Bool[Array, " K"]:
        """Return the mask of runs that are close to the signal, where the flow is linear."""
        if not self.linear_below:
            return super().in_linear_regime(problem, state)
        near = 1 - problem.overlap(state.w) < NEAR_SIGNAL
        return (state.energy <= self.linear_below) & near

    def is_near_rest(self, problem: Problem, state: State, goal: Array) -> Bool[Array, " K"]:
        """Return the mask of runs near rest, if the problem can be widened."""
        if self.to_rest or not can_be_widened(problem):
            return super().is_near_rest(problem, state, goal)
        return is_near_rest(problem, state, goal)

    def near_rest(self) -> "GradientFlow":
        """Return this solver with errors relative to the way of a step, and more stages."""
        return replace(self, to_rest=True)

    def first(self, here: Evaluation) -> Float[Array, " K"]:
        """Return a small first step size, which moves W by √tolerance/10 of the radius."""
        xp = library(here.energy)
        # 1e-30: a start at rest divides by no zero; of runs that are not finite any step will do
        speed = xp.sqrt(xp.where(is_finite(here), here.speed2, 1) + 1e-30)
        # `speed2` is |V|²/N, so h √speed2 is the way in units of the radius
        return 0.1 * self.tolerance**0.5 / speed

    def exhausted(self, state: State) -> Bool[Array, " K"]:
        """Return the mask of runs without steps left."""
        return state.steps >= self.max_steps

    def unfinished(self, state: State, goal: Array) -> Bool[Array, " K"]:
        """Return the mask of runs that are before the time `goal` and have steps left."""
        return (state.t < goal) & ~self.exhausted(state)

    def time(self, state: State) -> np.ndarray:
        """Return the time t of each run."""
        return np.asarray(state.t, float)

    def step(self, problem: Problem, state: State, goal: Array, active: Array) -> State:
        """Try one step of every run, to `goal` at most; accept it or shorten the next."""
        xp = library(state.w)
        direction, stiffness, products = followed_stiffness(problem, state, active)
        remaining = goal - state.t
        # after the stiffness, by which the lengths of all methods are bounded
        most = MAX_STAGES if self.to_rest else USUAL_STAGES
        stages, h, last = stages_and_length(
            problem, state, SAFETY * stiffness, remaining, active, most
        )
        # both are computed, and one is taken: what a compiled loop takes is data, not control flow
        one = adams_bashforth_step(state.w, state.velocity, h, state.before, state.h_before)
        # with one stage this makes no product
        many = chebyshev_step(
            lambda w: problem.evaluate(w).velocity, state.w, state.velocity, h, stages
        )
        w = xp.where(stages == 1, one, many)
        w = problem.domain.retract(w)
        here = problem.evaluate(w)
        constant = error_constant(stages, h, state.h_before)
        error = local_error(state, here, h, constant)
        # the whole error counts here, its part along the flow too, which the clock takes below
        share = xp.linalg.norm(error, axis=1) / self.tolerated(state, h)
        finite = is_finite(here) & xp.isfinite(share)
        descends = here.energy <= state.energy + energy_rounding(problem, state.energy)
        # along the exact flow de/dt = −|∇L − μW|²/N ≤ 0: a rise beyond rounding is an error
        keep = finite & (share <= 1) & descends
        # `length` is in units free of the method's C: h_accurate = length/∛C
        taken = h * xp.cbrt(constant)
        # the error goes like h³, so the next step like ∛(1/share); 4: no jump on one lucky
        # estimate
        length = xp.minimum(taken / xp.cbrt(xp.maximum(share, 1e-9)), 4 * state.length)
        # how far off a step that is not finite was is unknown: a tenth, so that few tries are lost
        shorter = xp.where(finite, xp.minimum(length, 0.5 * taken), 0.1 * taken)
        moved = state.moved(w, here)._replace(
            t=xp.where(last, goal, xp.minimum(state.t + h + time_lag(state, error, h), goal)),
            length=length,
            before=state.velocity,
            h_before=h,
            steps=state.steps + 1,
        )
        # the clock no longer moves, or is no number: not finite however short the step
        stuck = active & ~(state.t + shorter > state.t)
        return select(keep, moved, state._replace(length=shorter))._replace(
            direction=direction,
            stiffness=stiffness,
            gradients=state.gradients + stages + products,
            running=state.running & ~(stuck & ~keep),
            finite=state.finite & ~(stuck & ~finite),
        )

    def tolerated(self, state: State, h: Float[Array, " K"]) -> Float[Array, " K"]:
        """Return the largest norm of an accepted step's error.

        It is `tolerance` √N √(e/e(0)) plus the rounding error of W. The last factor is the distance
        to a solution relative to that of the start, so the error is relative to the remaining
        distance. With `to_rest` the first term is at most
        `OF_LENGTH` h |V|, h |V| the length of the step.
        """
        xp = library(state.energy)
        # near a solution e is quadratic in the distance, hence the root
        scale = xp.sqrt(xp.maximum(state.energy, 0) / state.energy_start)
        epsilon = float(np.finfo(state.w.dtype).eps)
        bound = self.tolerance * scale
        if self.to_rest:
            bound = xp.minimum(bound, OF_LENGTH * h * xp.sqrt(state.speed2))
        return (bound + 8 * epsilon) * state.w.shape[1] ** 0.5
