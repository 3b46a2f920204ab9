"""Stopping criteria of runs: at rest, below an energy, or exactly at one."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gapless.arrays import Array, is_traced, library, pytree
from gapless.flow.bracket import Bracket, next_goal
from gapless.flow.outcome import REST_SPEED2, ZERO_ENERGY
from gapless.flow.solvers import Solver
from gapless.flow.state import State, select
from gapless.inputs import number, real_kind
from gapless.problem import Problem
from gapless.shapes import Bool, Float

Scalar = float | Float[Array, ""]

# 1e-8 is the paper's criterion, applied to records afterwards; the others show what it decides
PASSAGE_LEVELS = {1e-4: "1e-4", 1e-6: "1e-6", 1e-8: "1e-8", 1e-10: "1e-10"}
"""Energies L/N, in units of the loss's scale s, whose first-passage times every run records, from
the highest to the lowest, with the names of the records' columns."""


def recorded_levels(n: int) -> tuple[float, ...]:
    """Return `PASSAGE_LEVELS` and, last, the e at which the extensive loss L of Eq. 1 is 1e-8 s."""
    return (*PASSAGE_LEVELS, ZERO_ENERGY / n)


class LoopState(NamedTuple):
    """State of the loop: states of K runs, and the bracket of a stop at an energy."""

    state: State
    bracket: Bracket | None = None


def map_columns(function: Callable[..., Any], *carried: LoopState) -> LoopState:
    """Return the state with the columns function(column of the first state, of the second, …)."""
    state = State(*map(function, *(one.state for one in carried)))
    if carried[0].bracket is None:
        return LoopState(state)
    return LoopState(state, Bracket(*map(function, *(_bracket(one) for one in carried))))


class Stopping(ABC):
    """Interface of a stop to the loop; a pytree, so that one program serves all its values."""

    speed2: Scalar
    """Squared speed, in units of s², below which a run is at rest."""
    when_short: ClassVar[str] = "the flow is stiff"
    """Likely reason for steps that become too short."""

    def in_units_of(self, scale: float) -> "Stopping":
        """Return the stop for the loss ℓ/s."""
        del scale
        return self

    def suited(self, solver: Solver) -> Solver:
        """Return the solver with the steps that this stop needs; ``ValueError`` if none."""
        return solver

    def init(self, state: State) -> LoopState:
        """Return the first state of the loop."""
        return LoopState(state)

    def goal(self, carried: LoopState, goal: Float[Array, ""]) -> Array:
        """Return the largest time of the next step."""
        del carried
        return goal

    @abstractmethod
    def judge(
        self, problem: Problem, carried: LoopState, new: State, active: Bool[Array, " K"]
    ) -> LoopState:
        """Return the active runs at `new`, ended or not, and the other runs unchanged."""

    @abstractmethod
    def energy_for(self, problem: Problem) -> Scalar:
        """Return the last energy of runs in the linearised flow."""

    @abstractmethod
    def arrived(self, problem: Problem, state: State) -> Bool[Array, " K"]:
        """Return the mask of runs that have ended at the energy of the stop."""


@pytree(data=["energy", "speed2"])
@dataclass(frozen=True)
class Stop(Stopping):
    """Stop of a run at rest, or at or below an energy.

    Parameters
    ----------
    energy
        Energy L/N at or below which the run ends, in units of the loss's scale s
        (`gapless.flow.units.loss_scale`; 1 for the quartic loss). None is the strictest criterion
        whose first passage is recorded (L/N = 1e-10, or L = 1e-8 where that is the smaller) and
        that the run reaches in spite of rounding, so that every criterion can be applied
        afterwards.
    speed2
        |∇L − μW|²/N below which the run is at rest and ends, in units of s².

    Raises
    ------
    ValueError
        For an energy that is no number, or a squared speed that is negative.
    """

    energy: Scalar | None = None
    speed2: Scalar = REST_SPEED2

    def __post_init__(self) -> None:
        if self.energy is not None:
            _check("energy", self.energy)
        _check("speed2", self.speed2, lowest=0)

    def judge(
        self, problem: Problem, carried: LoopState, new: State, active: Bool[Array, " K"]
    ) -> LoopState:
        """Return the active runs at `new`, ended at rest or at or below the energy."""
        # both end a run here; which of them it was, `outcomes` decides
        ended = (new.energy <= self.energy_for(problem)) | (new.speed2 < self.speed2)
        new = new._replace(running=new.running & ~ended)
        # the batch steps all its runs: those that had ended keep the state that they ended in
        return LoopState(select(active, new, carried.state))

    def energy_for(self, problem: Problem) -> Scalar:
        """Return the energy at which runs of a problem end.

        At the solution rounding leaves e ≈ 0.12 ε² αN (measured for N = 128 … 1024 and
        α = 6 … 40), because labels are sums of N terms. It is smaller for transforms
        (`Problem.label_rounding`).
        """
        if self.energy is not None:
            return self.energy
        epsilon = float(np.finfo(problem.dtype).eps)
        # four times what rounding leaves, so that every run that gets there is seen
        reachable = 0.5 * epsilon**2 * problem.alpha * problem.label_rounding
        # with N large L = 1e-8 s is the stricter of the two
        strictest = min(*PASSAGE_LEVELS, ZERO_ENERGY / problem.n)
        return strictest if strictest > reachable else max(min(PASSAGE_LEVELS), reachable)

    def arrived(self, problem: Problem, state: State) -> Bool[Array, " K"]:
        """Return the mask of runs that have ended at the energy of the stop."""
        return ~state.running & (state.energy <= self.energy_for(problem))


@pytree(data=["energy", "tolerance", "speed2"])
@dataclass(frozen=True, eq=False)
class AtEnergy(Stopping):
    """Stop of each run at the time when its energy first has a given value.

    A step that ends below the energy is rejected and repeated with the size at which the cubic
    through both ends (with the exact slopes de/dt = −|∇L − μW|²/N) has the energy, until
    |e − energy| ≤ tolerance. Since e only decreases, the bracket contains the crossing of the steps
    that are tried; each trial shrinks it by one per cent at least. A bracket that has closed above
    the energy, after steps with other errors than the one that passed it, is opened again. A
    crossing that the clock cannot resolve ends the run above the energy.

    Parameters
    ----------
    energy
        Target L/N, one number or one for each run. A run that starts below it, or whose target
        is not finite, ends at its start.
    tolerance
        Largest |e − energy|, in units of the loss's scale s; where the energy is less than s,
        relative to it.
    speed2
        |∇L − μW|²/N below which the run is at rest and ends without a crossing, in units of s².

    Raises
    ------
    ValueError
        For an energy that is not real, a tolerance that is not positive, or a squared speed that is
        negative.
    """

    when_short = "two times of the clock may enclose the energy; raise the tolerance of AtEnergy"
    energy: Scalar | np.ndarray | Float[Array, " K"]
    tolerance: Scalar = 1e-3
    speed2: Scalar = REST_SPEED2

    def __post_init__(self) -> None:
        _check("tolerance", self.tolerance, above=0)
        _check("speed2", self.speed2, lowest=0)
        if not _is_placed(self.energy):
            # not finite: no target
            real_kind("energy", self.energy)

    def in_units_of(self, scale: float) -> "AtEnergy":
        """Return the stop for the loss ℓ/s."""
        # targets are energies of ℓ; tolerance and squared speed are in units of s and s² already
        return replace(self, energy=np.asarray(self.energy, float) / scale)

    def suited(self, solver: Solver) -> Solver:
        """Return the solver with steps that can be shortened."""
        return solver.divisible()

    def init(self, state: State) -> LoopState:
        """Return the first state of the loop; ``ValueError`` for energies of the wrong shape."""
        k = len(state.energy)
        if np.shape(self.energy) not in ((), (1,), (k,)):
            raise ValueError(
                f"energy: one number or one for each of {k} runs, not {np.shape(self.energy)}"
            )
        energy = np.asarray(state.energy)
        # in the precision of the energies, with which it is compared at every step
        target = np.broadcast_to(np.asarray(self.energy, energy.dtype), (k,))
        # e only falls, so a run that starts below its target never comes to it
        state = state._replace(running=np.asarray(state.running) & (energy > target))
        nowhere = np.full_like(energy, np.inf)
        return LoopState(state, Bracket(target, nowhere, nowhere, state.energy, state.speed2))

    def goal(self, carried: LoopState, goal: Float[Array, ""]) -> Array:
        """Return the largest time of the next step, at which the cubic has the energy."""
        xp = library(goal)
        return xp.minimum(_bracket(carried).goal, goal)

    def judge(
        self, problem: Problem, carried: LoopState, new: State, active: Bool[Array, " K"]
    ) -> LoopState:
        """Return the active runs at `new`, or unchanged if `new` is past the energy.

        The rejected step brackets the crossing.
        """
        xp = library(new.energy)
        del problem
        old, bracket = carried.state, _bracket(carried)
        # below the window: the longer step is taken back
        window = self._window(bracket.target)
        past = active & (new.energy < bracket.target - window)
        there = active & ~past & (new.energy <= bracket.target + window)
        state = select(active & ~past, new, old)
        at_rest = active & (state.speed2 < self.speed2)
        state = state._replace(
            # a step that is taken back was paid for all the same
            gradients=xp.where(active, new.gradients, old.gradients),
            running=state.running & ~there & ~at_rest,
        )
        bracket = bracket._replace(
            # the last overshoot is the nearest one: goals lie before it from then on. In the clock
            # without the correction that a long step has and a step to a goal has not
            below=xp.where(past, old.t + new.h_before, bracket.below),
            energy_below=xp.where(past, new.energy, bracket.energy_below),
            speed2_below=xp.where(past, new.speed2, bracket.speed2_below),
        )
        goal = next_goal(state, bracket)
        # no time is left between the state and the overshoot, where a goal may round up to its
        # time: after a step that was taken the crossing lies later, and after one that was taken
        # back the clock cannot resolve it
        between = (goal > state.t) & (goal < bracket.below)
        closed = xp.isfinite(bracket.below) & ~between
        state = state._replace(running=state.running & ~(closed & past))
        below, goal = (xp.where(closed, xp.inf, one) for one in (bracket.below, goal))
        return LoopState(state, bracket._replace(below=below, goal=goal))

    def energy_for(self, problem: Problem) -> Scalar:
        """Return −∞, because the linearised flow does not stop at an energy of one run."""
        del problem
        return -np.inf

    def arrived(self, problem: Problem, state: State) -> Bool[Array, " K"]:
        """Return the mask of runs that have ended at the energy of the stop."""
        xp = library(state.energy)
        del problem
        target = xp.asarray(self.energy, state.energy.dtype)
        # one that started below ended at once, but did not come to the energy
        from_above = state.energy_start > target
        return ~state.running & from_above & (state.energy <= target + self._window(target))

    def _window(self, target: Array) -> Array:
        return self.tolerance * library(target).clip(target, 0, 1)


def _check(name: str, value: Any, **bounds: float) -> None:
    """Raise ``ValueError`` unless a value is a number within bounds, or placed by a compiler."""
    if not _is_placed(value):
        number(name, value, **bounds)


def _is_placed(value: Any) -> bool:
    # compiled code rebuilds stops from tracers, shapes, and objects that stand for either
    given = value is None or np.isscalar(value) or isinstance(value, list | tuple)
    return is_traced(value) or not (given or hasattr(value, "__array__"))


STRICTEST = Stop()
"""Stop at the strictest criterion, or at rest."""


def _bracket(carried: LoopState) -> Bracket:
    assert carried.bracket is not None
    return carried.bracket
