"""How long the steps are: of one size (gradient descent), or chosen by each run (the flow)."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from gapless.flow.steppers import (
    MAX_STAGES,
    STABILITY,
    Method,
    Step,
    chebyshev_step,
    euler,
    normalise,
    stages_needed,
)
from gapless.problem import Evaluation, Problem

SAFETY = 1.2
"""The power method comes from below: stages are counted for so many times its estimate."""


class State(NamedTuple):
    """Everything K runs need to go on: it goes into a step and comes out of it."""

    w: Float[Array, "K N"]
    velocity: Float[Array, "K N"]
    energy: Float[Array, " K"]
    mu: Float[Array, " K"]
    speed2: Float[Array, " K"]
    t: Float[Array, " K"]
    h: Float[Array, " K"]
    """The step to try next."""
    direction: Float[Array, "K N"]
    """Unit vectors that follow the stiffest direction, for the power method."""
    stiffness: Float[Array, " K"]
    """Estimate of the largest |eigenvalue| of the Jacobian of the velocity."""
    energy_start: Float[Array, " K"]
    running: Bool[Array, " K"]
    finite: Bool[Array, " K"]
    steps: Int[Array, " K"]
    gradients: Int[Array, " K"]
    passage: Float[Array, "K L"]
    """First time at which L/N fell to each level; NaN before."""
    passage_gradients: Int[Array, "K L"]

    def moved(self, w: Float[Array, "K N"], here: Evaluation) -> "State":
        """Return the state at W, where `here` was evaluated; clock and counters untouched."""
        return self._replace(
            w=w,
            velocity=here.velocity,
            energy=here.energy,
            mu=here.mu,
            speed2=here.speed2,
        )


@dataclass(frozen=True)
class FixedStep:
    """Steps of one size: t is steps × size, times are rounded to whole steps."""

    size: float
    method: Method = euler

    def __post_init__(self) -> None:
        if not self.size > 0:
            raise ValueError(f"size: a step must be positive, not {self.size}")

    def first(self, here: Evaluation) -> Float[Array, " K"]:
        """Return the first step of each run."""
        return jnp.full_like(here.energy, self.size)

    def pending(self, state: State, goal: Array) -> Bool[Array, " K"]:
        """Return which runs have not come to the time `goal`."""
        return state.steps < jnp.round(goal / self.size)

    def time(self, state: State) -> np.ndarray:
        """Return the time each run has reached: counted, not accumulated."""
        return np.asarray(state.steps, float) * self.size

    def on_grid(self, time: float) -> float:
        """Return the time at which a request for `time` is answered."""
        return round(time / self.size) * self.size

    def attempt(self, problem: Problem, state: State, goal: Array, active: Array) -> State:
        """Return the state after one step of every run; a non-finite one ends its run."""
        del goal, active
        w, here = _step(self.method.step, problem, state, state.h)
        finite = is_finite(here)
        steps = state.steps + 1
        moved = state.moved(w, here)._replace(t=steps * state.h, steps=steps)
        lost = state._replace(running=jnp.zeros_like(finite), finite=jnp.zeros_like(finite))
        return select(finite, moved, lost)._replace(gradients=state.gradients + self.method.stages)


@dataclass(frozen=True)
class Adaptive:
    """Steps that each run chooses for itself: accuracy sets their length, stability their stages.

    A step is kept when (i) its estimated error, relative to the sphere's radius √N and to
    √(e/e(0)), is at most `tolerance`, and (ii) the energy does not rise beyond rounding: along
    the exact flow it cannot. The Chebyshev method takes as many stages as the step needs to be
    stable; the stiffness is estimated for each run by one iteration of the power method a step,
    and where that is too low, (i) and (ii) fail and the step is taken again, shorter.

    Parameters
    ----------
    tolerance
        Smaller follows the flow more closely; the number of steps grows like tolerance^(-1/3).
    """

    tolerance: float = 5e-3

    def __post_init__(self) -> None:
        if not self.tolerance > 0:
            raise ValueError(f"tolerance: must be positive, not {self.tolerance}")

    def first(self, here: Evaluation) -> Float[Array, " K"]:
        """Return a first step that moves W by √tolerance/10 of the radius: soon outgrown."""
        speed = jnp.sqrt(jnp.where(is_finite(here), here.speed2, 1) + 1e-30)
        return 0.1 * self.tolerance**0.5 / speed

    def pending(self, state: State, goal: Array) -> Bool[Array, " K"]:
        """Return which runs have not come to the time `goal`."""
        return state.t < goal

    def time(self, state: State) -> np.ndarray:
        """Return the time each run has reached."""
        return np.asarray(state.t, float)

    def on_grid(self, time: float) -> float:
        """Return the time at which a request for `time` is answered: exactly that."""
        return time

    def attempt(self, problem: Problem, state: State, goal: Array, active: Array) -> State:
        """Try one step of every run, to `goal` at most; keep it or shorten the next."""
        direction, stiffness = _power_iteration(problem, state)
        h = jnp.minimum(state.h, _longest(problem, state) / (SAFETY * stiffness))
        remaining = goal - state.t
        last = remaining <= h
        # near the goal two even steps rather than a long one and a stub
        h = jnp.where(active, jnp.where(last, remaining, jnp.minimum(h, remaining / 2)), 0)
        # one number of stages for the batch: its products are shared
        stages = stages_needed(SAFETY * h * stiffness).max()
        w, here = _step(partial(chebyshev_step, stages=stages), problem, state, h)
        error = _local_error(state, w, here.velocity, h, self.tolerance)
        finite = is_finite(here) & jnp.isfinite(error)
        descends = here.energy <= state.energy + energy_rounding(problem, state.energy)
        keep = finite & (error <= 1) & descends
        factor = jnp.clip(0.8 * jnp.maximum(error, 1e-9) ** (-1 / 3), 0.1, 4)
        factor = jnp.where(keep, factor, jnp.where(finite, jnp.minimum(factor, 0.5), 0.1))
        # a step cut short by the goal says nothing against the longer one
        proposal = jnp.where(keep & (h < state.h), jnp.maximum(h * factor, state.h), h * factor)
        moved = state.moved(w, here)._replace(
            t=jnp.where(last, goal, state.t + h), steps=state.steps + 1
        )
        # the clock no longer moves: not finite however short the step
        stuck = active & (state.t + proposal <= state.t)
        return select(keep, moved, state)._replace(
            h=proposal,
            direction=direction,
            stiffness=stiffness,
            gradients=state.gradients + stages + 1,
            running=state.running & ~stuck,
            finite=state.finite & ~(stuck & ~finite),
        )


Stepping = FixedStep | Adaptive


def is_finite(here: Evaluation) -> Bool[Array, " K"]:
    """Return which runs have a finite energy and velocity."""
    return jnp.isfinite(here.energy) & jnp.isfinite(here.speed2)


def select(mask: Bool[Array, " K"], yes: State, no: State) -> State:
    """Return, run by run, the state `yes` where the mask holds and `no` elsewhere."""
    return jax.tree.map(
        lambda a, b: jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - 1)), a, b), yes, no
    )


def energy_rounding(problem: Problem, energy: Float[Array, " K"]) -> Float[Array, " K"]:
    """Return how far a computed energy may rise along a flow that descends.

    A sum of M terms is known to 8 ε √M relative. Close to zero energy the terms themselves are
    differences of O(1) labels, each off by 8 ε: that adds 2 √(e r) + r with r = α (8 ε)².
    """
    epsilon = 8 * float(jnp.finfo(energy.dtype).eps)
    residual = problem.alpha * epsilon**2
    return energy * epsilon * problem.m**0.5 + 2 * jnp.sqrt(energy * residual) + residual


def _step(
    step: Step, problem: Problem, state: State, h: Float[Array, " K"]
) -> tuple[Float[Array, "K N"], Evaluation]:
    w = step(lambda w: problem.evaluate(w).velocity, state.w, state.velocity, h)
    w = normalise(w)
    return w, problem.evaluate(w)


def _longest(problem: Problem, state: State) -> Float[Array, " K"]:
    """Return the largest h λ: what `MAX_STAGES` hold stable, less where rounding would show.

    A component of the velocity is known to 8 ε √α; a step moves W by h times that whatever the
    damping. Near a minimum this must stay below the distance left, |V|/λ, or no run would ever
    come to rest.
    """
    rounding = 8 * float(jnp.finfo(state.w.dtype).eps) * problem.alpha**0.5
    quiet = 0.3 * jnp.sqrt(state.speed2) / rounding
    return jnp.clip(quiet, STABILITY * 3, STABILITY * (MAX_STAGES**2 - 1))


def _power_iteration(
    problem: Problem, state: State
) -> tuple[Float[Array, "K N"], Float[Array, " K"]]:
    """Return the next direction and stiffness |J v|, J v by a difference over 1 % of the radius."""
    length = 0.01 * problem.n**0.5
    ahead = problem.evaluate(state.w + length * state.direction).velocity
    product = (ahead - state.velocity) / length
    stiffness = jnp.linalg.norm(product, axis=1)
    ok = jnp.isfinite(stiffness) & (stiffness > 0)
    direction = product / jnp.where(ok, stiffness, 1)[:, None]
    return (
        jnp.where(ok[:, None], direction, state.direction),
        jnp.where(ok, stiffness, state.stiffness),
    )


def _local_error(
    state: State, w: Array, velocity: Array, h: Array, tolerance: float
) -> Float[Array, " K"]:
    """Estimate the local error of a step of order 2 in units of what is tolerated.

    0.8 (W₀ − W₁) + 0.4 h (V₀ + V₁) = −(h³/15) W‴ + …; Sommeijer, Shampine and Verwer (1998),
    Eq. 3.1. Tolerated is `tolerance` √N √(e/e(0)): the last factor is the distance to a solution
    in units of the start's, so that the error stays relative to what is left; plus the rounding
    of W itself, below which nothing can be told.
    """
    estimate = 0.8 * (state.w - w) + 0.4 * h[:, None] * (state.velocity + velocity)
    scale = jnp.sqrt(state.energy / state.energy_start)
    tolerated = tolerance * scale + 8 * jnp.finfo(w.dtype).eps
    return jnp.linalg.norm(estimate, axis=1) / (w.shape[1] ** 0.5 * tolerated)
