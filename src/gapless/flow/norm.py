"""Norm of a signal that is not known: fitted after the flow, on the sphere of fitted radius.

A norm estimated from M labels has a relative error δ of about 1/√M, with which no state on the
sphere has zero energy: e is of order α δ² at the signal. The radial derivative of the loss at a
state at rest gives a better norm, the flow goes on from there, and so forth: alternating descent in
(W, ρ), whose fixed points are those of the loss without a sphere.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from gapless.arrays import Array
from gapless.flow.integrate import FLOW, Observables, Trajectory, integrate
from gapless.flow.outcome import Outcome
from gapless.flow.solvers import Solver
from gapless.flow.state import State
from gapless.flow.stops import STRICTEST, Stop
from gapless.flow.units import loss_scale
from gapless.problem import OwnProblem, Problem
from gapless.shapes import Float

MOST_ROUNDS = 30
"""Each round multiplies the error by about 2.6/α for a Gaussian X, and extrapolation does better:
at α = 3 five to ten rounds leave 1e-6."""
TOLERANCE = 1e-6
"""Relative change of the norm below which it is fitted; the energy is then about 1e-11 α."""
SETTLED = 1e-5
"""Relative change below which a norm counts as fitted: rounding may leave more than `TOLERANCE`."""
STILL = 1e-9
"""Squared speed, in units of s², below which a norm can be fitted. Rounding of float32 may keep a
run with an error of the norm above the 1e-10 of rest."""
LARGEST_STEP = 0.3
SLOWEST = 0.95
"""Largest ratio of two changes from which the limit is extrapolated."""


class NormFit(NamedTuple):
    """A problem with fitted norms, and the trajectories to rest with them."""

    own: OwnProblem
    run: Trajectory
    """The given trajectory with the ends of the last rounds; steps and times are sums."""
    fitted: np.ndarray
    """Whether the norm of each run was fitted; that of a run that does not come to rest is not."""


def fit_norm(own: OwnProblem, run: Trajectory, t_max: float, *, solver: Solver = FLOW) -> NormFit:
    """Return the problem with the norm of each run fitted at its end, and its run from there.

    Parameters
    ----------
    own, run
        A problem with an estimated norm, and its trajectories.
    t_max
        Time budget of each round.
    solver
        Solver of the rounds.

    Raises ``ValueError`` as `integrate` does.
    """
    still = STILL * loss_scale(own.problem.loss) ** 2
    known, touched = np.full(own.problem.k, np.nan), np.zeros(own.problem.k, bool)
    for _ in range(MOST_ROUNDS):
        change = radial_change(own.problem, run.state.w)
        # a run that still moves is at no fixed point, and is left alone with those that have one
        left = np.flatnonzero((run.end.speed2 < still) & (np.abs(change) >= TOLERANCE))
        if not len(left):
            break
        touched[left] = True
        factor = np.ones(own.problem.k)
        factor[left], known[left] = _extrapolated(change[left], known[left])
        own = own.of_norm(factor)
        run = _gone_on(own.problem, run, left, t_max, solver, Stop(speed2=STILL))
    if touched.any():
        run = _gone_on(own.problem, run, np.flatnonzero(touched), t_max, solver, STRICTEST)
    # at zero energy a run ends before it is at rest
    ended = np.array([one is Outcome.interpolated for one in run.outcome])
    settled = np.abs(radial_change(own.problem, run.state.w)) < SETTLED
    return NormFit(own, run, settled & (ended | (run.end.speed2 < still)))


def _gone_on(
    problem: Problem,
    run: Trajectory,
    runs: np.ndarray,
    t_max: float,
    solver: Solver,
    stop: Stop,
) -> Trajectory:
    """Return the trajectory with some runs continued from their ends."""
    start = np.asarray(run.state.w)[runs]
    return _joined(
        run, integrate(problem.of_runs(runs), start, t_max, solver=solver, stop=stop), runs
    )


def radial_change(problem: Problem, w: Float[Array, "K N"]) -> np.ndarray:
    """Return s − 1 for the factor s of the norm that minimises Σ ℓ(sŷ, y), (K,).

    By Newton's iteration from s = 1, in steps of at most `LARGEST_STEP`. At a state at rest s = 1
    exactly where μ = 0 (Eq. 3).
    """
    yhat, y = (np.asarray(a, float) for a in (problem.student_labels(w), problem.labels))
    scale: Any = np.ones((len(y), 1))
    for _ in range(6):
        slope = (problem.loss.d1(scale * yhat, y) * yhat).sum(axis=1, keepdims=True)
        bend = (problem.loss.d2(scale * yhat, y) * yhat**2).sum(axis=1, keepdims=True)
        # where the loss is not convex along the ray, downhill by the size of the Newton step
        step = slope / np.maximum(np.abs(bend), np.finfo(float).tiny)
        scale = scale - np.clip(step, -LARGEST_STEP, LARGEST_STEP)
    return scale[:, 0] - 1


def _extrapolated(change: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return factors of the norm, and the changes to extrapolate from in the next round, or NaN.

    Changes fall like a geometric series, so two of them give its limit (Aitken); a round after an
    extrapolation is a plain one, since its change is no term of the series.
    """
    plain = np.isnan(known)
    ratio = change / np.where(plain | (known == 0), np.inf, known)
    ratio = np.where((ratio > 0) & (ratio < SLOWEST), ratio, 0.0)
    step = np.clip(change / (1 - ratio), -LARGEST_STEP, LARGEST_STEP)
    return 1 + step, np.where(plain, change, np.nan)


def _joined(first: Trajectory, then: Trajectory, runs: np.ndarray) -> Trajectory:
    """Return the trajectory whose `runs` end where the second does, with the records of the first.

    Steps, gradients and times are sums over both.
    """

    def put(before: Any, after: Any) -> np.ndarray:
        found = np.array(before)
        found[runs] = np.asarray(after)
        return found

    def words(before: tuple[Any, ...], after: tuple[Any, ...]) -> tuple[Any, ...]:
        later = dict(zip(runs.tolist(), after, strict=True))
        return tuple(later.get(run, one) for run, one in enumerate(before))

    sums = {
        name: put(getattr(first, name), getattr(first, name)[runs] + getattr(then, name))
        for name in ("stopped_at", "steps", "gradients")
    }
    ends = {name: put(getattr(first, name), getattr(then, name)) for name in ("at_rest", "crossed")}
    return replace(
        first,
        end=Observables(*map(put, first.end, then.end)),
        outcome=words(first.outcome, then.outcome),
        reason=words(first.reason, then.reason),
        state=State(*map(put, first.state, then.state)),
        **sums,
        **ends,
    )
