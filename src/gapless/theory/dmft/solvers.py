"""Steps at N = ∞: gradient descent at a given rate, and the flow with an adaptive step size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gapless.chebyshev import USUAL_STAGES, coefficient_table, stability_and_error
from gapless.inputs import number
from gapless.theory import bulk
from gapless.theory.dmft.sensing import Vector
from gapless.theory.dmft.state import Evaluation, State, System

RISE = 0.02
"""Relative rise of the energy above which a step of gradient descent is unstable."""
FLOOR = 1e-3
"""Energy below which a rise is allowed, as a fraction of α in units of the loss."""
SAFETY = 1.1
"""Factor on the stiffness of the flow, because the largest curvatures are sampled."""
STIFFNESS_EVERY = 8
"""Steps between computations of the largest eigenvalue of the Hessian."""
SHORTEST = 1e-7
"""Shortest step size of the flow, in inverse units of the loss; float32 resolves no shorter one."""


class Unstable(ValueError):
    """A step is unstable, or the step size is too small, at time `t`."""

    def __init__(self, message: str, t: float) -> None:
        super().__init__(message)
        self.t = t


@dataclass(frozen=True)
class GradientDescent:
    """Gradient descent: Euler's steps, each followed by division by the norm.

    Parameters
    ----------
    rate
        Step size δ. Requested times are rounded to multiples of it.
    """

    rate: float

    def __post_init__(self) -> None:
        number("rate", self.rate, above=0)

    def is_at(self, t: float, goal: float) -> bool:
        """Return whether t is the multiple of the rate that is nearest to `goal`."""
        return bool(abs(t - goal) < 0.5 * self.rate)

    def step(self, state: State, goal: float) -> State:  # noqa: ARG002  as `GradientFlow.step`
        """Return the state after one step. Raises `Unstable` if the energy has risen."""
        here = state.here
        # Euler's step of Eq. 2; `moved` divides by the norm, as the paper's descent does
        vectors = state.system.combined([1.0, self.rate], here.vectors, here.velocities)
        after = state.moved(state.system, vectors, state.t + self.rate)
        # close to zero energy single paths that change sides make it rise
        dynamics = state.system.dynamics
        before = max(here.energy, FLOOR * dynamics.alpha * dynamics.unit)
        energy = after.here.energy
        if not np.isfinite(energy) or energy - before > RISE * abs(before):
            raise Unstable(
                f"step: {self.rate:g} is beyond the stability limit of gradient descent at "
                f"t = {after.t:.3g} (the energy rises); halve it",
                after.t,
            )
        return after


@dataclass(frozen=True)
class GradientFlow:
    """The flow: Runge–Kutta–Chebyshev steps of order 2 (`gapless.chebyshev`).

    The accuracy sets the step size h through the method's error estimate
    0.8 (W₀ − W₁) + 0.4 h (V₀ + V₁). The largest eigenvalue of the Hessian at N = ∞, the right edge
    of Eq. 5's spectrum, sets the number of stages. Steps therefore grow as the flow slows down.

    Parameters
    ----------
    accuracy
        Largest error of a step, in units of the sphere's radius.
    """

    accuracy: float = 3e-3

    def __post_init__(self) -> None:
        if not 0 < self.accuracy < 1:
            raise ValueError(f"accuracy: must lie between 0 and 1, not {self.accuracy}")

    def is_at(self, t: float, goal: float) -> bool:
        """Return whether t is `goal` up to rounding."""
        return bool(abs(t - goal) <= 1e-9 * max(abs(t), abs(goal)))

    def step(self, state: State, goal: float) -> State:
        """Return the state after one step. Raises `Unstable` if the step size is too small."""
        # β(s), the stable h λ of s stages; the second table is not used: the error is estimated
        beta, _ = stability_and_error()
        start, here = state, state.here
        if start.steps % STIFFNESS_EVERY == 0:
            start = replace(start, stiffness=SAFETY * _stiffness(start))
        system, step_size = start.system, start.step_size
        shortest = SHORTEST / system.dynamics.unit
        while step_size >= shortest:
            # longer than this no number of stages is stable
            h = min(step_size, beta[USUAL_STAGES] / start.stiffness)
            # a goal within rounding is met now, not by a step of rounding
            last = start.t + h * (1 + 1e-9) >= goal
            h = goal - start.t if last else h
            # the fewest stages with β(s) ≥ h λ, since each costs a gradient
            stages = max(2, int(np.searchsorted(beta[2:], h * start.stiffness)) + 2)
            system, vectors = _chebyshev(system, here, h, min(stages, USUAL_STAGES))
            after = start.moved(system, vectors, float(goal) if last else start.t + h)
            # what a step has drawn stays drawn, be it accepted or not
            system = after.system
            ends = [here.vectors, after.here.vectors, here.velocities, after.here.velocities]
            # of the student alone, which sets the coefficients of the probes' linear equation
            error = system.sensing[0].combined(
                [0.8, -0.8, 0.4 * h, 0.4 * h], [student for student, *_ in ends]
            )
            ratio = error.norm / self.accuracy if np.isfinite(after.here.energy) else np.inf
            # the local error of order 2 goes like h³; 0.8 leaves room, as a step that fails is lost
            room = float(np.clip(0.8 * max(ratio, 1e-9) ** (-1 / 3), 0.2, 2))
            if ratio <= 1:
                # the error of a step cut to meet a goal is no guide to the next step size
                return replace(after, step_size=max(step_size, h * room) if last else h * room)
            step_size = h * room
        raise Unstable(
            f"accuracy: the flow needs steps below {shortest:g} at t = {start.t:g}; "
            "raise --accuracy",
            start.t,
        )


Solver = GradientDescent | GradientFlow


def _chebyshev(
    system: System, start: Evaluation, h: float, stages: int
) -> tuple[System, tuple[Vector, ...]]:
    """Return the system and the vectors after a step, before division by the norm."""
    # the recursion of `gapless.chebyshev`, for the student and its probes together
    mu, nu, mu_tilde, gamma_tilde = coefficient_table()[:, stages]
    older: Sequence[Vector] = start.vectors
    old = system.combined([1.0, mu_tilde[1] * h], start.vectors, start.velocities)
    for j in range(2, stages + 1):
        system, here = system.evaluate(old)
        new = system.combined(
            [1 - mu[j] - nu[j], mu[j], nu[j], mu_tilde[j] * h, gamma_tilde[j] * h],
            start.vectors,
            here.vectors,
            older,
            here.velocities,
            start.velocities,
        )
        # as evaluated: a residual may have become a direction on the way
        older, old = here.vectors, new
    return system, old


def _stiffness(state: State) -> float:
    """Return the largest eigenvalue of the Hessian, with μ subtracted: the right bulk edge.

    Its negative is the left edge of the spectrum of −∇²L, whose weights are F′.
    """
    weights = state.here.slope.astype(float)
    law = bulk.Curvatures(
        weights,
        # the edge does not depend on y: any y² serves
        weights**2,
        np.full(len(weights), 1 / len(weights)),
        state.system.dynamics.alpha,
    )
    # where the flow is faster than that, any step is stable
    return max(-bulk.edge(law).value - state.here.mu, 1e-3 * state.system.dynamics.unit)
