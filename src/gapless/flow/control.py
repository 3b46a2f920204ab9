"""Step control of the flow: number of stages, step size, local error and time shift of a step.

The functions depend on the states of K runs alone; the solver decides on the step.
"""

import numpy as np

from gapless.arrays import Array, choose, library
from gapless.flow.explicit import error_constant, stable_length
from gapless.flow.state import State
from gapless.problem import Evaluation, Problem
from gapless.shapes import Bool, Float, Int

POWER_EVERY = 8
"""Steps between two iterations of the power method, after the first four."""
LONG_STEP = 30.0
"""h λ, that of eight stages, above which the power method iterates after every step. A run makes
few such steps, and one that is unstable by a stiffness that has grown multiplies the speed."""


def energy_rounding(problem: Problem, energy: Float[Array, " K"]) -> Float[Array, " K"]:
    """Return the rise of the computed energy that rounding may cause along a descending flow.

    A sum of M terms has the relative error 8 ε √M. Close to zero energy the terms themselves are
    differences of O(1) labels, each with an error of 8 ε: that adds 2 √(e r) + r with r = α (8 ε)².
    """
    xp = library(energy)
    # 8: the rounding of a few operations on each term, with a margin
    epsilon = 8 * float(np.finfo(energy.dtype).eps)
    residual = problem.alpha * epsilon**2
    return energy * epsilon * problem.m**0.5 + 2 * xp.sqrt(energy * residual) + residual


def velocity_rounding(problem: Problem) -> float:
    """Return the rounding error of a component of the velocity, 8 ε √α."""
    # √α: M terms of size N^(−1/2) each, with errors of either sign
    return 8 * float(np.finfo(problem.dtype).eps) * problem.alpha**0.5


SLOW = 1e-7
"""|∇L − μW|²/M below which rounding in float32 limits steps to h λ < 100, by `_longest`."""
LONG = 1000.0
"""Remaining time, times λ, from which a slow run is continued in float64: over 150 gradients,
whatever their precision."""
TRAPPED = 1e-3
"""e/e(0) above which a slow run is trapped; below it the run may be close to a solution."""


def is_near_rest(problem: Problem, state: State, goal: Array) -> Bool[Array, " K"]:
    """Return the mask of trapped runs that are slow, a long time before `goal`."""
    # per sample: the rounding of the velocity goes like √α
    slow = state.speed2 < SLOW * problem.alpha
    far = (goal - state.t) * state.stiffness > LONG
    # near a solution the rounding of the velocity is smaller than `velocity_rounding`
    return slow & far & (state.energy > TRAPPED * state.energy_start)


def _longest(problem: Problem, state: State) -> Float[Array, " K"]:
    """Return the largest h λ at which rounding errors are negligible.

    A step moves W by h times the rounding of the velocity, at any damping. Near a minimum this must
    stay below the remaining distance |V|/λ, or no run would come to rest.
    """
    xp = library(state.speed2)
    # 0.3: a third of the way left, so that steps still come nearer
    quiet = 0.3 * xp.sqrt(state.speed2) / velocity_rounding(problem)
    return xp.maximum(quiet, 1)


def stages_and_length(
    problem: Problem,
    state: State,
    stiffness: Array,
    remaining: Array,
    active: Array,
    most_stages: int,
) -> tuple[Int[Array, ""], Float[Array, " K"], Bool[Array, " K"]]:
    """Return the number of stages, the step sizes, and a mask of the last steps before the goal.

    h(s) is the largest step of a run with s stages that accuracy, stability, rounding and the goal
    allow. All runs of the batch take the s with the largest geometric mean of h(s) per gradient,
    because their products with X are shared.
    """
    xp = library(stiffness)
    # 1 stands for Adams–Bashforth, which takes one gradient as Euler's method would
    counts = xp.arange(1, most_stages + 1)
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


def followed_stiffness(
    problem: Problem, state: State, active: Array
) -> tuple[Float[Array, "K N"], Float[Array, " K"], Int[Array, ""]]:
    """Return direction and stiffness, updated every few steps, and the number of products used."""
    xp = library(active)
    # the batch renews together: runs that have ended do not count
    steps = xp.where(active, state.steps, 0).max()
    # after a step of many stages too: the product is a small part of its price
    long = xp.where(active, state.h_before * state.stiffness, 0).max() > LONG_STEP
    due = (steps % POWER_EVERY == 0) | (steps < 4) | long
    direction, stiffness = choose(
        due,
        lambda: power_iteration(problem, state),
        lambda: (state.direction, state.stiffness),
    )
    return direction, stiffness, due.astype(int)


def power_iteration(
    problem: Problem, state: State
) -> tuple[Float[Array, "K N"], Float[Array, " K"]]:
    """Return the next direction and stiffness |J v|; J v is a difference over 1 % of the radius."""
    # long against rounding in W, short against the scale on which J changes
    length = 0.01 * problem.dimension**0.5
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


def local_error(
    state: State, here: Evaluation, h: Float[Array, " K"], constant: Float[Array, " K"]
) -> Float[Array, "K N"]:
    """Return the local error −C h³ W‴, computed W minus exact W, with W‴ = V″ by differences."""
    # divided differences on uneven steps; their second is V″/2
    slope = (here.velocity - state.velocity) / h[:, None]
    slope_before = (state.velocity - state.before) / state.h_before[:, None]
    # gradients that are known anyway: the estimate costs no product with X
    third = 2 * (slope - slope_before) / (h + state.h_before)[:, None]
    return -(constant * h**3)[:, None] * third


def time_lag(state: State, error: Float[Array, "K N"], h: Float[Array, " K"]) -> Float[Array, " K"]:
    """Return the time by which the computed W is ahead of t: ⟨error, V⟩/|V|².

    An error along the flow is a displacement in time. On a decaying component, V at the start of
    the step gives it to second order in h λ; V at the end would make it 1.5 times too large.
    """
    xp = library(h)
    lag = (error * state.velocity).sum(axis=1) / (
        state.w.shape[1] * state.speed2 + np.finfo(h.dtype).tiny
    )
    # where the estimate fails the clock must still advance: at most a third of the step
    return xp.clip(lag, -0.3 * h, 0.3 * h)
