"""The slow part of a descent: long steps of the flow in the directions that it lives in.

Once it is slow a run lives in few directions: the soft ones it moves along, and the stiff ones
that follow them. A step solves the flow projected on a memory of such directions, nonlinear and
all (`gapless.flow.memory`, `gapless.flow.reduced`), at no product with X. Where it ends, one
product with Xᵀ tells the force that the projection misses; unless its effect is small enough it
becomes a direction too, at the price of one product with X, and the step is solved again. So a
direction costs as much as a gradient, and for a linear flow the directions span the Krylov space
of the Hessian and the velocity. Those of earlier steps serve again, for free.

`docs/derivations/late.md` derives the method.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gapless.flow.memory import (
    ROOM,
    Arrival,
    Memory,
    appended,
    arrive,
    force,
    linear_part,
    moved_on,
    remember,
    seen_anew,
)
from gapless.flow.reduced import NODES, Reduced, Solution, phi1
from gapless.flow.stepping import State, energy_rounding, is_finite, velocity_rounding
from gapless.problem import Problem

FARTHEST = 0.3
"""No step goes farther than this share of the radius."""
FAILURES = 30
"""Times that a step is shortened before the run is given back."""
FEW, USUAL = 2, 4
"""A step that adds fewer directions is followed by a much longer one, one that adds more by a
shorter one."""
REFRESH = 12
"""Steps after which labels are computed from W again: carried on through images they drift."""
QUIET = 30.0
"""So many times the velocity's rounding: a slower run's labels are refreshed at every step."""


class Step(NamedTuple):
    """What one more product brought."""

    moved: Arrival
    h: np.ndarray
    made: np.ndarray
    """Which runs have completed a step, of length h."""
    lost: np.ndarray
    """Which runs are given back: no step is short enough, or the clock stands still."""
    products: np.ndarray
    """Gradients, or pairs of half a gradient, that it took."""


@dataclass(frozen=True)
class Creep:
    """K slow runs, each with a step under way; they do not wait for each other."""

    memory: Memory
    pending: Float[Array, "K N"]
    """What the memory is to learn next: the velocity, then what the projection missed."""
    learns: np.ndarray
    """Whether it does."""
    h: np.ndarray
    """Length of the step."""
    learnt: np.ndarray
    """Directions that the step has added."""
    shortened: np.ndarray
    """Times that the step was shortened."""
    error: np.ndarray
    """Its error in units of what is allowed, one direction ago."""
    remainder: Float[np.ndarray, "K q B"]
    """Its nonlinear force one direction ago."""
    age: np.ndarray
    """Steps since labels were computed from W."""

    def of_runs(self, rows: np.ndarray) -> "Creep":
        """Return the part for some of the runs."""
        return jax.tree.map(lambda column: column[rows], self)


jax.tree_util.register_dataclass(Creep)


def set_out(problem: Problem, state: State, h: np.ndarray) -> Creep:
    """Return the beginning of the slow part of K runs, with first steps of length h."""
    memory = remember(problem, state.w)
    k, size, _ = memory.basis.shape
    none = np.zeros(k, int)
    return Creep(
        memory=memory,
        pending=state.velocity,
        learns=np.ones(k, bool),
        h=h,
        learnt=none,
        shortened=none,
        error=np.full(k, np.inf),
        remainder=np.zeros((k, len(NODES), size)),
        age=none,
    )


def creep_on(
    problem: Problem,
    state: State,
    creep: Creep,
    going: np.ndarray,
    remaining: np.ndarray,
    relative: float,
    rest2: float,
) -> tuple[Creep, Step]:
    """Spend one more gradient's worth of products on the step of every run that is `going`.

    Parameters
    ----------
    remaining
        Longest steps to take, (K,).
    relative
        Error that a step may have, in units of how far it goes: what is left of the way is never
        lost in it.
    rest2
        |V|² at which a run is at rest: no step goes past it.
    """
    learns = jnp.asarray(creep.learns & going)
    memory = appended(problem, creep.memory, state.w, creep.pending, learns)
    reduced, mean, sound = _projected(problem, memory, state)
    h = np.minimum(np.minimum(creep.h, remaining), reduced.rest(rest2))
    h = np.where(going & sound, h, 0.0)
    noise = 3 * velocity_rounding(problem) * problem.n**0.5
    floor = noise * phi1(np.maximum(reduced.nodes.min(axis=1), 0), h) + np.finfo(float).tiny

    def allowed(way: np.ndarray) -> np.ndarray:
        return np.maximum(relative * way, floor)

    far = np.minimum(np.linalg.norm(reduced.start, axis=1) * h, problem.n**0.5)
    solution = reduced.solve(
        h,
        creep.remainder,
        lambda c: np.asarray(force(problem, memory, jnp.asarray(c, state.w.dtype)), float),
        np.where(going, 0.1 * allowed(far), np.inf),
    )
    moved = arrive(problem, memory, state.w, jnp.asarray(solution.c, state.w.dtype))
    verdict = _judged(problem, state, moved, solution, phi1(mean, h), allowed, going)
    moved, refreshed = _refreshed(problem, moved, creep, verdict.made)
    after = _after(creep, memory, moved, solution, h, verdict, refreshed)
    t = np.asarray(state.t)
    stands = t + h.astype(t.dtype) <= t
    lost = going & (stands | (~verdict.made & (after.shortened > FAILURES)))
    return after, Step(moved, h, verdict.made, lost, going.astype(int) + refreshed)


class _Verdict(NamedTuple):
    """What steps are worth, errors in units of what is allowed."""

    inner: np.ndarray
    """Error of the projected flow in time."""
    error: np.ndarray
    """That, and the effect of what the projection missed."""
    bad: np.ndarray
    """Whether the step is not finite, goes too far, or up."""
    made: np.ndarray


def _judged(
    problem: Problem,
    state: State,
    moved: Arrival,
    solution: Solution,
    lasting: np.ndarray,
    allowed: Callable[[np.ndarray], np.ndarray],
    going: np.ndarray,
) -> _Verdict:
    """Return the verdict on steps; what they missed acts as long as `lasting`."""
    way = np.linalg.norm(solution.c, axis=1)
    inner = np.hypot(solution.change, solution.roughness) / allowed(way)
    error = np.hypot(inner, np.asarray(moved.missed, float) * lasting / allowed(way))
    highest = np.asarray(state.energy + energy_rounding(problem, state.energy), float)
    bad = ~(np.asarray(moved.here.energy, float) <= highest) | ~np.asarray(is_finite(moved.here))
    bad |= ~np.isfinite(error) | (way > FARTHEST * problem.n**0.5)
    return _Verdict(inner, error, bad, going & ~bad & (error <= 1))


def _projected(
    problem: Problem, memory: Memory, state: State
) -> tuple[Reduced, np.ndarray, np.ndarray]:
    """Return the projected flows, the mean eigenvalues of H, and which of them are finite."""
    hessian, start, mean = (
        np.asarray(part, float) for part in linear_part(problem, memory, state.velocity, state.mu)
    )
    sound = np.isfinite(hessian.sum(axis=(1, 2)) + start.sum(axis=1) + mean)
    hessian = np.where(sound[:, None, None], hessian, 0)
    start, mean = np.where(sound[:, None], start, 0), np.where(sound, mean, 1)
    # rows that are not filled must not look like soft directions
    empty = np.arange(hessian.shape[1]) >= np.asarray(memory.filled)[:, None]
    np.einsum("kbb->kb", hessian)[...] += empty * np.abs(mean)[:, None]
    return Reduced.of(hessian, start), mean, sound


def _refreshed(
    problem: Problem, moved: Arrival, creep: Creep, made: np.ndarray
) -> tuple[Arrival, np.ndarray]:
    """Return the ends of steps, of some runs with labels computed anew; and of which runs."""
    quiet = np.asarray(moved.here.speed2, float) < (QUIET * velocity_rounding(problem)) ** 2
    due = made & (quiet | (creep.age + 1 >= REFRESH))
    return (seen_anew(problem, moved, jnp.asarray(due)) if due.any() else moved), due


def _after(
    creep: Creep,
    memory: Memory,
    moved: Arrival,
    solution: Solution,
    h: np.ndarray,
    verdict: _Verdict,
    refreshed: np.ndarray,
) -> Creep:
    """Return what the next product goes on from: a new step, a new direction, or a shorter step."""
    inner, error, bad, made = verdict
    useless = bad | (inner > 0.7)
    stalls = (creep.learnt > 0) & (error > 2) & (error > 0.8 * creep.error)
    shorter = ~made & (useless | stalls | (creep.learnt >= ROOM - 2))
    # the effect of what is missed grows like h² or faster, the error in time like h⁵
    safe, safe_inner = (np.where(bad, 1, np.maximum(x, 1e-3)) for x in (error, inner))
    factor = 0.8 * np.minimum(safe**-0.5, safe_inner ** (-1 / 3))
    factor = np.where(bad, 0.4, np.clip(factor, 0.3, 0.7))
    growth = np.where(creep.learnt < FEW, 1.6, np.where(creep.learnt <= USUAL, 1.2, 0.85))
    growth = np.where(creep.shortened > 0, np.minimum(growth, 0.85), growth)
    growth = np.minimum(growth, 0.9 * safe_inner ** (-1 / 3))
    # a step that was cut short by its goal says little about the next
    longer = np.where(h < creep.h, np.clip(creep.h, h * growth, 2 * h), h * growth)
    new = jnp.asarray(made)
    kept = np.where(made | bad, 0.0, np.where(shorter, factor**2, 1.0))
    return Creep(
        memory=moved_on(memory, moved.w, moved.labels, new) if made.any() else memory,
        pending=jnp.where(new[:, None], moved.here.velocity, moved.residual),
        learns=made | ~useless,
        h=np.where(made, longer, np.where(shorter & (h > 0), h * factor, creep.h)),
        learnt=np.where(made, 0, creep.learnt + ~useless),
        shortened=np.where(made, 0, creep.shortened + shorter),
        error=np.where(made | shorter, np.inf, error),
        remainder=solution.remainder * kept[:, None, None],
        age=np.where(refreshed, 0, creep.age + made),
    )
