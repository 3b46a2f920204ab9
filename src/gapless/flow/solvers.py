"""How steps are made: of one length (gradient descent), or chosen by each run (the flow)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
from jaxtyping import Bool, Float, Int

from gapless.arrays import Array, choose, library
from gapless.chebyshev import MAX_STAGES
from gapless.flow.explicit import (
    Method,
    adams_bashforth_step,
    chebyshev_step,
    error_constant,
    euler,
    stable_length,
)
from gapless.flow.state import State, is_finite, select
from gapless.problem import Evaluation, Problem
from gapless.sphere import normalise

SAFETY = 1.2
"""The power method comes from below: steps are kept stable for so many times its estimate."""
NEAR = 1e-4
"""A run is close to the signal when 1 − |q| is below this: it is then 1 % of the radius away."""
MOST_COUNTED = 10**9
"""Steps and gradients are counted in 32 bits."""
POWER_EVERY = 8
"""Steps between two iterations of the power method, after the first four."""


class Solver(ABC):
    """What the loop asks of a way to make steps; hashable, since programs are compiled for it."""

    linear_below: float = 0.0
    """Energy below which runs near the signal are left to the linearised flow; 0: none are."""

    def in_time_of(self, scale: float) -> "Solver":
        """Return the same steps where time runs `scale` times faster."""
        del scale
        return self

    @abstractmethod
    def divisible(self) -> "Solver":
        """Return the solver in steps that can be taken again, shorter; ``ValueError`` if none."""

    def check(self, t_max: float) -> None:
        """Raise ``ValueError`` for more steps than are counted."""
        del t_max

    @abstractmethod
    def first(self, here: Evaluation) -> Float[Array, " K"]:
        """Return the first step of each run."""

    @abstractmethod
    def unfinished(self, state: State, goal: Array) -> Bool[Array, " K"]:
        """Return which runs have not come to the time `goal` and have steps left."""

    def exhausted(self, state: State) -> Bool[Array, " K"]:
        """Return which runs have no steps left."""
        xp = library(state.running)
        return xp.zeros_like(state.running)

    def in_linear_regime(self, problem: Problem, state: State) -> Bool[Array, " K"]:
        """Return which runs are left to the linearised flow."""
        xp = library(state.running)
        del problem
        return xp.zeros_like(state.running)

    @abstractmethod
    def time(self, state: State) -> np.ndarray:
        """Return the time each run has reached."""

    def nearest_time(self, time: float) -> float:
        """Return the time nearest to `time` at which there is a state."""
        return time

    @abstractmethod
    def step(self, problem: Problem, state: State, goal: Array, active: Array) -> State:
        """Try one step of every run, to `goal` at most."""


@dataclass(frozen=True)
class GradientDescent(Solver):
    """Steps of one length, W − η(∇L − μW): t is steps × η, times are rounded to whole steps.

    Parameters
    ----------
    rate
        The learning rate η, which is the length of a step in units of t.
    method
        Another explicit method than Euler's, which is gradient descent.

    Raises
    ------
    ValueError
        For a rate that is not positive.
    """

    rate: float
    method: Method = euler

    def __post_init__(self) -> None:
        if not (isfinite(self.rate) and self.rate > 0):
            raise ValueError(f"rate: must be a positive number, not {self.rate}")

    def in_time_of(self, scale: float) -> "GradientDescent":
        """Return the same steps where time runs `scale` times faster."""
        return replace(self, rate=self.rate * scale)

    def divisible(self) -> "GradientDescent":
        """Raise ``ValueError``: there are no states between two steps."""
        raise ValueError(
            "solver: gradient descent has no states between its steps; use GradientFlow to stop "
            "at an energy"
        )

    def check(self, t_max: float) -> None:
        """Raise ``ValueError`` for more steps than are counted."""
        if t_max / self.rate > MOST_COUNTED:
            raise ValueError(
                f"rate: steps of {self.rate:g} to t = {t_max:g} are more than {MOST_COUNTED:.0e}; "
                "take longer ones"
            )

    def first(self, here: Evaluation) -> Float[Array, " K"]:
        """Return the first step of each run."""
        xp = library(here.energy)
        return xp.full_like(here.energy, self.rate)

    def unfinished(self, state: State, goal: Array) -> Bool[Array, " K"]:
        """Return which runs have not come to the time `goal`."""
        xp = library(goal)
        # in whole steps: t accumulated in float32 would miss the goal by its rounding
        return state.steps < xp.round(goal / self.rate)

    def time(self, state: State) -> np.ndarray:
        """Return the time each run has reached: counted, not accumulated."""
        return np.asarray(state.steps, float) * self.rate

    def nearest_time(self, time: float) -> float:
        """Return the time nearest to `time` at which there is a state."""
        return round(time / self.rate) * self.rate

    def step(self, problem: Problem, state: State, goal: Array, active: Array) -> State:
        """Return the state after one step of every run; a non-finite one ends its run."""
        xp = library(state.w)
        del goal, active
        w = self.method.step(
            lambda w: problem.evaluate(w).velocity, state.w, state.velocity, state.length
        )
        w = normalise(w)
        here = problem.evaluate(w)
        # a diverged step is not kept: the record holds the last finite values
        finite = is_finite(here)
        steps = state.steps + 1
        # counted, not accumulated: `time` reads the same
        moved = state.moved(w, here)._replace(t=steps * state.length, steps=steps)
        lost = state._replace(running=xp.zeros_like(finite), finite=xp.zeros_like(finite))
        return select(finite, moved, lost)._replace(gradients=state.gradients + self.method.stages)


@dataclass(frozen=True)
class GradientFlow(Solver):
    """The flow itself: accuracy sets the length of each run's steps, stability their stages.

    A step is kept when (i) its estimated error, relative to the sphere's radius √N and to
    √(e/e(0)), is at most `tolerance`, and (ii) the energy does not rise beyond rounding: along
    the exact flow it cannot. One gradient makes an Adams–Bashforth step, s gradients a Chebyshev
    step that is stable for much longer: whichever gets the runs further per gradient is taken.
    The stiffness is followed by the power method, and where it is too low, (i) and (ii) fail and
    the step is taken again, shorter. The part of the error along the flow is a displacement in
    time: it goes to the clock.

    Parameters
    ----------
    tolerance
        Smaller follows the flow more closely; the number of steps grows like tolerance^(-1/3).
    linear_below
        A run that has found the signal goes on from this energy, in units of the loss's scale,
        to its end or to the next save time in one Krylov step of the linear flow about the signal
        (`gapless.flow.linearised`); 0: never.
    max_steps
        Steps after which a run ends as timed out. A run to rest takes some thousands; what takes
        more is so stiff that it would not end in hours.

    Raises
    ------
    ValueError
        For a parameter out of range.
    """

    tolerance: float = 2e-2
    linear_below: float = 0.0
    max_steps: int = 10_000

    def __post_init__(self) -> None:
        if not (isfinite(self.tolerance) and self.tolerance > 0):
            raise ValueError(f"tolerance: must be a positive number, not {self.tolerance}")
        if not 1 <= self.max_steps <= MOST_COUNTED:
            raise ValueError(f"max_steps: must be from 1 to 1e9, not {self.max_steps}")
        if not self.linear_below >= 0:
            raise ValueError(f"linear_below: must not be negative, it is {self.linear_below}")

    def divisible(self) -> "GradientFlow":
        """Return this solver without Krylov steps, which go to the end at once."""
        return replace(self, linear_below=0.0)

    def in_linear_regime(self, problem: Problem, state: State) -> Bool[Array, " K"]:
        """Return which runs are close to the signal, where the flow is linear."""
        if not self.linear_below:
            return super().in_linear_regime(problem, state)
        near = 1 - problem.overlap(state.w) < NEAR
        return (state.energy <= self.linear_below) & near

    def first(self, here: Evaluation) -> Float[Array, " K"]:
        """Return a first step that moves W by √tolerance/10 of the radius: soon outgrown."""
        xp = library(here.energy)
        # 1e-30: a start at rest divides by no zero; of runs that are not finite any step will do
        speed = xp.sqrt(xp.where(is_finite(here), here.speed2, 1) + 1e-30)
        # `speed2` is |V|²/N, so h √speed2 is the way in units of the radius
        return 0.1 * self.tolerance**0.5 / speed

    def exhausted(self, state: State) -> Bool[Array, " K"]:
        """Return which runs have no steps left."""
        return state.steps >= self.max_steps

    def unfinished(self, state: State, goal: Array) -> Bool[Array, " K"]:
        """Return which runs have not come to the time `goal` and have steps left."""
        return (state.t < goal) & ~self.exhausted(state)

    def time(self, state: State) -> np.ndarray:
        """Return the time each run has reached."""
        return np.asarray(state.t, float)

    def step(self, problem: Problem, state: State, goal: Array, active: Array) -> State:
        """Try one step of every run, to `goal` at most; keep it or shorten the next."""
        xp = library(state.w)
        direction, stiffness, products = _stiffness(problem, state, active)
        remaining = goal - state.t
        stages, h, last = _choose(problem, state, SAFETY * stiffness, remaining, active)
        one = adams_bashforth_step(state.w, state.velocity, h, state.before, state.h_before)
        # with one stage this makes no product
        many = chebyshev_step(
            lambda w: problem.evaluate(w).velocity, state.w, state.velocity, h, stages
        )
        w = xp.where(stages == 1, one, many)
        w = normalise(w)
        here = problem.evaluate(w)
        constant = error_constant(stages, h, state.h_before)
        error = _local_error(state, here, h, constant)
        # the whole error counts here, its part along the flow too, which the clock takes below
        share = xp.linalg.norm(error, axis=1) / self.tolerated(state)
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
            t=xp.where(last, goal, xp.minimum(state.t + h + _lag(state, error, h), goal)),
            length=length,
            before=state.velocity,
            h_before=h,
            steps=state.steps + 1,
        )
        # the clock no longer moves: not finite however short the step
        stuck = active & (state.t + shorter <= state.t)
        return select(keep, moved, state._replace(length=shorter))._replace(
            direction=direction,
            stiffness=stiffness,
            gradients=state.gradients + stages + products,
            running=state.running & ~(stuck & ~keep),
            finite=state.finite & ~(stuck & ~finite),
        )

    def tolerated(self, state: State) -> Float[Array, " K"]:
        """Return the norm that a step's error may have.

        `tolerance` √N √(e/e(0)): the last factor is the distance to a solution in units of the
        start's, so that the error stays relative to what is left; plus the rounding of W itself,
        below which nothing can be told.
        """
        xp = library(state.energy)
        # near a solution e is quadratic in the distance, hence the root
        scale = xp.sqrt(xp.maximum(state.energy, 0) / state.energy_start)
        epsilon = float(np.finfo(state.w.dtype).eps)
        return (self.tolerance * scale + 8 * epsilon) * state.w.shape[1] ** 0.5


def energy_rounding(problem: Problem, energy: Float[Array, " K"]) -> Float[Array, " K"]:
    """Return how far a computed energy may rise along a flow that descends.

    A sum of M terms is known to 8 ε √M relative. Close to zero energy the terms themselves are
    differences of O(1) labels, each off by 8 ε: that adds 2 √(e r) + r with r = α (8 ε)².
    """
    xp = library(energy)
    epsilon = 8 * float(np.finfo(energy.dtype).eps)
    residual = problem.alpha * epsilon**2
    return energy * epsilon * problem.m**0.5 + 2 * xp.sqrt(energy * residual) + residual


def velocity_rounding(problem: Problem) -> float:
    """Return how well a component of the velocity is known: 8 ε √α."""
    return 8 * float(np.finfo(problem.dtype).eps) * problem.alpha**0.5


def _longest(problem: Problem, state: State) -> Float[Array, " K"]:
    """Return the largest h λ at which rounding does not show.

    A step moves W by h times the rounding of the velocity whatever the damping. Near a minimum
    this must stay below the distance left, |V|/λ, or no run would ever come to rest.
    """
    xp = library(state.speed2)
    quiet = 0.3 * xp.sqrt(state.speed2) / velocity_rounding(problem)
    return xp.maximum(quiet, 1)


def _choose(
    problem: Problem, state: State, stiffness: Array, remaining: Array, active: Array
) -> tuple[Int[Array, ""], Float[Array, " K"], Bool[Array, " K"]]:
    """Return the number of stages, the steps and which of these are the last before the goal.

    With s stages a run can go h(s): as far as accuracy, stability, rounding and its goal allow.
    All runs of the batch take the s with the largest geometric mean of h(s) per gradient: their
    products are shared.
    """
    xp = library(stiffness)
    # 1 stands for Adams–Bashforth, which takes one gradient as Euler's method would
    counts = xp.arange(1, MAX_STAGES + 1)
    # one row for each number of stages
    each, h_before, length = counts[:, None], state.h_before[None], state.length[None]
    # accuracy, stability and rounding are bounds of three kinds: the least decides; `_longest` is
    # a bound on h λ
    stable = stable_length(each, stiffness[None], h_before)
    stable = xp.minimum(stable, (_longest(problem, state) / stiffness)[None])
    # the error constant of Adams–Bashforth depends on h itself: one fixed-point iteration
    guess = xp.minimum(stable, length)
    # C h³ W‴ is tolerated at h = length/∛C, whatever the method
    accurate = length / xp.cbrt(error_constant(each, guess, h_before))
    # 0.8: a step that fails costs all its gradients
    reach = xp.minimum(xp.minimum(0.8 * accurate, stable), remaining[None])
    # log: a geometric mean, which no single run with a long step can decide
    gain = xp.where(active[None], xp.log(reach), 0).sum(axis=1)
    # a power iteration each POWER_EVERY steps is a gradient too, shared by them
    price = xp.log(counts + 1 / POWER_EVERY) * active.sum()
    stages = counts[(gain - price).argmax()]
    h = reach[stages - 1]
    # before the split below, which must not hide that the goal is in reach
    last = remaining <= h
    # near the goal two even steps rather than a long one and a stub
    h = xp.where(last, remaining, xp.minimum(h, remaining / 2))
    return stages, xp.where(active, h, state.h_before), last


def _stiffness(
    problem: Problem, state: State, active: Array
) -> tuple[Float[Array, "K N"], Float[Array, " K"], Int[Array, ""]]:
    """Return direction and stiffness, renewed every few steps, and the products that took."""
    xp = library(active)
    # the batch renews together: runs that have ended do not count
    steps = xp.where(active, state.steps, 0).max()
    due = (steps % POWER_EVERY == 0) | (steps < 4)
    direction, stiffness = choose(
        due,
        lambda: power_iteration(problem, state),
        lambda: (state.direction, state.stiffness),
    )
    return direction, stiffness, due.astype(int)


def power_iteration(
    problem: Problem, state: State
) -> tuple[Float[Array, "K N"], Float[Array, " K"]]:
    """Return the next direction and stiffness |J v|, J v by a difference over 1 % of the radius."""
    # long against rounding in W, short against the scale on which J changes
    length = 0.01 * problem.n**0.5
    ahead = problem.evaluate(state.w + length * state.direction).velocity
    # of the field as it is stepped: −H of Eq. 4 but for terms along W, since μ depends on W
    product = (ahead - state.velocity) / length
    xp = library(product)
    stiffness = xp.linalg.norm(product, axis=1)
    # a vanishing product (a flat start) leaves direction and estimate as they were
    ok = xp.isfinite(stiffness) & (stiffness > 0)
    direction = product / xp.where(ok, stiffness, 1)[:, None]
    return (
        xp.where(ok[:, None], direction, state.direction),
        xp.where(ok, stiffness, state.stiffness),
    )


def _local_error(
    state: State, here: Evaluation, h: Float[Array, " K"], constant: Float[Array, " K"]
) -> Float[Array, "K N"]:
    """Return −C h³ W‴, with W‴ = V″ from the last three velocities: computed W less true W."""
    # divided differences on uneven steps; their second is V″/2
    slope = (here.velocity - state.velocity) / h[:, None]
    slope_before = (state.velocity - state.before) / state.h_before[:, None]
    # gradients that are known anyway: the estimate costs no product with X
    third = 2 * (slope - slope_before) / (h + state.h_before)[:, None]
    return -(constant * h**3)[:, None] * third


def _lag(state: State, error: Float[Array, "K N"], h: Float[Array, " K"]) -> Float[Array, " K"]:
    """Return by how much time the computed W is ahead of its clock: ⟨error, V⟩/|V|².

    An error along the flow is a displacement in time. On a decaying component, V at the start of
    the step gives it to second order in h λ (at its end it would come out 1.5 times too large).
    """
    xp = library(h)
    lag = (error * state.velocity).sum(axis=1) / (
        state.w.shape[1] * state.speed2 + np.finfo(h.dtype).tiny
    )
    # where the estimate fails the clock must still advance: at most a third of the step
    return xp.clip(lag, -0.3 * h, 0.3 * h)
