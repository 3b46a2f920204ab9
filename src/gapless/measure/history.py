"""The history of a run, as products with X, and the outliers of its Hessian that follow.

The flow uses X in products alone, so X is independent in all directions but those of its history
(docs/derivations/joint.md). Snapshots of a run contain the history as the forces at their times: E
is spanned by W*, the start and Xᵀf of each, Q by the forces. The spacing must be so short that the
state is in the span of E; `missing` is the part that is not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from gapless.arrays import Array
from gapless.flow import State, integrate
from gapless.problem import Problem, check_real
from gapless.shapes import Float
from gapless.theory.joint import JointSpectrum, joint_spectrum

NEW = 1e-2
"""Least relative part of a force outside of Q that adds a direction. At α = 10 parts down to 1e-5
move the outlier by less than it scatters (N = 400), and `History.missing` by less than 0.01."""
EARLY, LATE, UNTIL = 0.08, 0.4, 4.0
"""Longest times between snapshots before and after a time `UNTIL`, in units of 1/μ(0): early gaps
grow with the escape. Tenths of a state are missing if `LATE` is used throughout."""


@dataclass(frozen=True, eq=False)
class History:
    """Directions in which one run has seen X.

    Parameters
    ----------
    problem
        Of one run.
    directions : (k, N)
        Orthonormal basis of E; the first is W*, where there is a signal.
    images : (k, M)
        X E, row by row.
    forces : (J, M)
        Orthonormal basis of Q.
    """

    problem: Problem
    directions: Float[np.ndarray, "k N"]
    images: Float[np.ndarray, "k M"]
    forces: Float[np.ndarray, "J M"]

    @classmethod
    def begin(cls, problem: Problem, run: int, start: Float[Array, "K N"]) -> "History":
        """Return the history of one run at its start, drawn without regard to X.

        Raises ``ValueError`` as `Problem.of_runs` does, and for states of other shapes.
        """
        index = problem.run_index(run)
        one = problem.to_numpy().of_runs(np.array([index]))
        empty = cls(one, np.zeros((0, one.n)), np.zeros((0, one.m)), np.zeros((0, one.m)))
        signal = [np.asarray(one.teacher)[0]] if one.has_signal and one.teacher is not None else []
        first = np.asarray(problem.states(start))[index]
        for direction in (*signal, first):
            empty = empty._with_direction(np.asarray(direction, float))
        return empty

    @property
    def signal(self) -> int | None:
        """Index of W* among the directions, None without a signal."""
        return 0 if self.problem.has_signal else None

    def seen(self, w: Float[Array, "1 N"]) -> "History":
        """Return the history with the force at a state of the run."""
        new = _outside(self._force(w), self.forces)
        if new is None:
            return self
        longer = replace(self, forces=np.vstack([self.forces, new]))
        x = np.asarray(self.problem.sensing)
        return longer._with_direction(np.asarray(new.astype(x.dtype) @ x, float))

    def missing(self, w: Float[Array, "1 N"]) -> float:
        """Return the relative length of the part of a state outside of the directions."""
        state = np.asarray(w, float)[0]
        left = state - (self.directions @ state) @ self.directions
        return float(np.linalg.norm(left) / np.linalg.norm(state))

    def spectrum(self, w: Float[Array, "1 N"]) -> JointSpectrum:
        """Return edge and outliers of Σ d x xᵀ at a state whose history this is."""
        curvature, _ = self.problem.curvature(w)
        d = np.asarray(curvature, float)[0]
        return joint_spectrum(d, self.images.T, self.forces.T, self.problem.alpha)

    def _force(self, w: Float[Array, "1 N"]) -> np.ndarray:
        yhat = np.asarray(self.problem.student_labels(w), float)
        return self.problem.loss.d1(yhat, np.asarray(self.problem.labels, float))[0] / 2

    def _with_direction(self, vector: np.ndarray) -> "History":
        # every direction counts: what Xᵀq holds outside of E would be taken for fresh
        unit = _outside(vector, self.directions, least=1e-6)
        if unit is None:
            return self
        x = np.asarray(self.problem.sensing)
        image = np.asarray(x @ unit.astype(x.dtype), float)
        return replace(
            self,
            directions=np.vstack([self.directions, unit]),
            images=np.vstack([self.images, image]),
        )


def _outside(vector: np.ndarray, basis: np.ndarray, least: float = NEW) -> np.ndarray | None:
    """Return the unit vector of the part orthogonal to the basis; None if it is negligible."""
    length = np.linalg.norm(vector)
    for _ in range(2):  # once leaves rounding relative to the vector, not to what is left
        vector = vector - (basis @ vector) @ basis
    left = np.linalg.norm(vector)
    return vector / left if left > least * length else None


def snapshot_times(times: Float[np.ndarray, " T"], rate: float) -> Float[np.ndarray, " L"]:
    """Return the times of a history's snapshots: given times from 0 on, and between them.

    Parameters
    ----------
    times
        Ascending; all are among those returned.
    rate
        μ at the start, which sets the time that the flow takes at first: 4α for the quartic loss.
    """
    found = [times[:1]]
    ends = np.union1d(times, UNTIL / rate)
    for low, high in pairwise(ends.tolist()):
        spacing = (EARLY if high <= UNTIL / rate else LATE) / rate
        found.append(np.linspace(low, high, int(np.ceil((high - low) / spacing)) + 1)[1:])
    every = np.concatenate(found)
    return every[every <= times[-1]]


def follow_with_history(
    problem: Problem,
    start: Float[Array, "K N"],
    times: Sequence[float] | Float[np.ndarray, " T"],
    observe: Callable[[State, dict[str, np.ndarray]], Any],
) -> list[Any]:
    """Follow K runs to the last of the times, and return the values of `observe` at each.

    Parameters
    ----------
    times
        From 0 on, ascending.
    observe
        Called with the state and the columns of `joint_columns`.
    """
    check_real(problem, "the outlier from a history is")
    histories = [History.begin(problem, run, start) for run in range(problem.k)]
    wanted = np.asarray(times, float)
    first = np.asarray(start)
    rates = [abs(float(h.problem.multiplier(first[k : k + 1])[0])) for k, h in enumerate(histories)]
    every = snapshot_times(wanted, max(rates))
    seen = []

    def look(time: float, state: State) -> None:
        w = np.asarray(state.w)
        for run, history in enumerate(histories):
            histories[run] = history.seen(w[run : run + 1])
        if time in wanted:
            seen.append(observe(state, joint_columns(histories, state)))

    integrate(problem, start, wanted[-1], save_at=every, observe=look)
    return seen


def joint_columns(histories: Sequence[History], state: State) -> dict[str, np.ndarray]:
    """Return columns of the Hessians that histories imply at the states of K runs.

    ``joint_outlier``: the lowest eigenvalue after −μ, the edge where none leaves the bulk;
    ``joint_overlap`` of its vector with the signal, 0 there, not-a-number without a signal;
    ``missing``: see `History.missing`.
    """
    w, mu = np.asarray(state.w), np.asarray(state.mu, float)
    found = []
    for run, history in enumerate(histories):
        here = w[run : run + 1]
        value, overlap = history.spectrum(here).lowest(history.signal)
        found.append((value - mu[run], overlap, history.missing(here)))
    names = ("joint_outlier", "joint_overlap", "missing")
    return dict(zip(names, np.array(found).T, strict=True))
