"""Solvers of fixed steps: gradient descent, heavy ball, normalised gradient descent.

A step moves W along the velocity V = −∇L + μW of Eq. 2, or −∇L without the sphere, and retracts it
to the domain. Save times are rounded to whole steps, and first passages are known to one step.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from gapless.arrays import Array, library
from gapless.flow.explicit import Method, euler
from gapless.flow.solvers import MOST_COUNTED, Solver
from gapless.flow.state import State, select
from gapless.inputs import number
from gapless.problem import Evaluation, Problem
from gapless.shapes import Bool, Float
from gapless.sphere import dot


@dataclass(frozen=True)
class FixedSteps(Solver):
    """Base of the solvers of fixed steps: t is the number of steps times `tick`.

    Parameters
    ----------
    rate
        Learning rate η.

    Raises
    ------
    ValueError
        For a rate that is not positive.
    """

    rate: float

    def __post_init__(self) -> None:
        number("rate", self.rate, above=0)

    @property
    def tick(self) -> float:
        """Time of one step."""
        return self.rate

    @property
    def stages(self) -> int:
        """Number of gradients of one step."""
        return 1

    def in_time_of(self, scale: float) -> "FixedSteps":
        """Return the solver of the same steps in a unit of time `scale` times shorter."""
        return replace(self, rate=self.rate * scale)

    def divisible(self) -> "FixedSteps":
        """Raise ``ValueError``: there are no states between two steps."""
        raise ValueError(
            "solver: steps of one length have no states between them; use GradientFlow to stop "
            "at an energy"
        )

    def check(self, t_max: float) -> None:
        """Raise ``ValueError`` for more steps than `MOST_COUNTED`."""
        if t_max / self.tick > MOST_COUNTED:
            raise ValueError(
                f"rate: steps of {self.tick:g} to t = {t_max:g} are more than {MOST_COUNTED:.0e}; "
                "take longer ones"
            )

    def first(self, here: Evaluation) -> Float[Array, " K"]:
        """Return the first step size of each run."""
        xp = library(here.energy)
        return xp.full_like(here.energy, self.tick)

    def unfinished(self, state: State, goal: Array) -> Bool[Array, " K"]:
        """Return the mask of runs that are before the time `goal`."""
        xp = library(goal)
        # in whole steps: t accumulated in float32 would miss the goal by its rounding
        return state.steps < xp.round(goal / self.tick)

    def time(self, state: State) -> np.ndarray:
        """Return the time t of each run, from the number of its steps."""
        return np.asarray(state.steps, float) * self.tick

    def nearest_time(self, time: float) -> float:
        """Return the time of a whole number of steps that is nearest to `time`."""
        return round(time / self.tick) * self.tick

    def step(self, problem: Problem, state: State, goal: Array, active: Array) -> State:
        """Return the state after one step of every run; a non-finite step ends its run."""
        xp = library(state.w)
        del goal, active
        new = self.moved(problem, state)
        # a diverged step is not kept: the record holds the last finite values
        finite = xp.isfinite(new.energy) & xp.isfinite(new.speed2)
        steps = state.steps + 1
        # counted, not accumulated: `time` reads the same
        new = new._replace(t=steps * state.length, steps=steps)
        lost = state._replace(running=xp.zeros_like(finite), finite=xp.zeros_like(finite))
        return select(finite, new, lost)._replace(gradients=state.gradients + self.stages)

    @abstractmethod
    def moved(self, problem: Problem, state: State) -> State:
        """Return the state at the next W; t and counters are unchanged."""


@dataclass(frozen=True)
class GradientDescent(FixedSteps):
    """Gradient descent W − η(∇L − μW): t is steps × η, and times are rounded to whole steps.

    Parameters
    ----------
    rate
        Learning rate η, the step size in units of t.
    method
        Explicit method of the steps; Euler's is gradient descent.

    Raises
    ------
    ValueError
        For a rate that is not positive.
    """

    method: Method = euler

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.method, Method):
            raise ValueError(f"method: must be a Method of gapless.flow, not {self.method!r}")

    @property
    def stages(self) -> int:
        """Number of gradients of one step."""
        return self.method.stages

    def moved(self, problem: Problem, state: State) -> State:
        """Return the state at W + ηV, retracted."""
        w = self.method.step(
            lambda w: problem.evaluate(w).velocity, state.w, state.velocity, state.length
        )
        w = problem.domain.retract(w)
        return state.moved(w, problem.evaluate(w))


@dataclass(frozen=True)
class HeavyBall(FixedSteps):
    """Gradient descent with momentum: W ← W + U, U ← βU + ηV before each step, U = 0 at first.

    The time of a step is η/(1 − β), in which the flow's V moves W as far as a steady U does. In
    this time the states follow, to first order in the step, a particle of mass τ with friction 1,

        τ Ẅ + Ẇ = −∇L (+ μW),   τ = ηβ/(1 − β)²,

    and the flow as η → 0 at fixed β. With β = 0 each state is that of gradient descent, bit for
    bit. On the sphere U is transported from W to the next W by projection on the tangent space
    there: the part of U along the new W is dropped, which shortens U by a factor 1 − O(|U|²/N).

    The energy may rise. `speed2` is the larger of |∇L − μW|²/N and the particle's squared velocity
    in units of t, so that a run is at rest only if both vanish.

    Parameters
    ----------
    rate
        Learning rate η of Polyak and of the libraries of deep learning. Steps are stable for
        η λ < 2(1 + β), λ the largest eigenvalue of the Hessian.
    momentum
        β, 0 ≤ β < 1.

    Raises
    ------
    ValueError
        For a rate that is not positive, or a momentum out of range.

    Source: B. T. Polyak, USSR Comput. Math. Math. Phys. 4, 1 (1964).
    """

    momentum: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= number("momentum", self.momentum) < 1:
            raise ValueError(f"momentum: must be at least 0 and below 1, not {self.momentum}")

    @property
    def tick(self) -> float:
        """Time of one step, η/(1 − β)."""
        return self.rate / (1 - self.momentum)

    def begun(self, state: State) -> State:
        """Return the first state, of a particle at rest."""
        # `before` is the particle's velocity U/tick: in units of V, whatever the unit of time
        return state._replace(before=library(state.w).zeros_like(state.before))

    def moved(self, problem: Problem, state: State) -> State:
        """Return the state at W + U, retracted, with U transported there."""
        pushed = self.momentum * state.before + (1 - self.momentum) * state.velocity
        w = problem.domain.retract(state.w + state.length[:, None] * pushed)
        here = problem.evaluate(w)
        carried = problem.domain.tangent(pushed, w / problem.dimension**0.5)
        own = dot(carried, carried) / problem.dimension
        new = state.moved(w, here)._replace(before=carried)
        # maximum passes NaN on, so that a diverged step is noticed as ever
        return new._replace(speed2=library(w).maximum(here.speed2, own))


@dataclass(frozen=True)
class NormalisedDescent(FixedSteps):
    """Normalised gradient descent: every step has the length η√N, in the direction of V.

    W ← W + η√N V/|V| follows the path of the flow with another clock: t is the length of the path
    in units of √N, dt = √speed2 × (time of Eq. 2). Steps do not become shorter at a minimum. Near
    one the states stay about η√N/2 away, so that the energy stays above zero by λη²/8, λ the
    largest eigenvalue of the Hessian, and no run comes to rest. A recovered signal needs
    η < 2.8e-3, for 1 − q ≈ η²/8.

    Parameters
    ----------
    rate
        η, the length of a step in units of √N.
    time_of_radius
        Time that a path of length √N takes.

    Raises
    ------
    ValueError
        For a rate that is not positive.
    """

    time_of_radius: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number("time_of_radius", self.time_of_radius, above=0)

    @property
    def tick(self) -> float:
        """Time of one step."""
        return self.rate * self.time_of_radius

    def in_time_of(self, scale: float) -> "NormalisedDescent":
        """Return the solver of the same steps in a unit of time `scale` times shorter."""
        # V/|V| has no unit of time: the steps stay as long as they are
        return replace(self, time_of_radius=self.time_of_radius * scale)

    def moved(self, problem: Problem, state: State) -> State:
        """Return the state at W + η√N V/|V|, retracted."""
        xp = library(state.w)
        # |V| = √(N speed2); where V vanishes there is no direction, and W stays
        speed = xp.sqrt(xp.maximum(state.speed2, np.finfo(state.w.dtype).tiny))
        w = problem.domain.retract(state.w + self.rate * (state.velocity / speed[:, None]))
        return state.moved(w, problem.evaluate(w))
