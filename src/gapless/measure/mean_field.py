"""N = ∞ dynamics with checkpoints: one point a set of paths and a step, one record each."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from gapless.files import reason
from gapless.losses import parse_loss
from gapless.measure.checkpoint import Checkpoint
from gapless.measure.point import Cost, Point
from gapless.theory.dmft import Descent, Draws, Dynamics, Flow, Solution
from gapless.theory.dmft.paths import Sampling
from gapless.theory.dmft.state import Labels

FEWEST_PATHS, MOST_STEPS = 64, 20_000
MOST_STATES = 101
"""States of a descent that are saved, evenly; the flow saves 64, at times spaced by a factor."""
FLOW_STATES = 64

CURVES = ("energy", "mu", "speed2", "correlation_0", "signed_overlap")
"""Curves over the saved times, of the student."""
PROBE_CURVES = ("response", "spread", "growth", "alignment")
"""Curves of small changes made at the waiting times: waiting times × saved times, row by row."""
OPERATIONS_PER_BYTE = 1.0
"""Floating-point operations of a processor in the time in which it reads a byte of paths."""
RECORDS = pa.schema(
    {"alpha": pa.float64()}
    | {name: pa.int64() for name in ("seed", "replica", "run", "paths")}
    | {name: pa.string() for name in ("labels", "loss", "outcome", "reason")}
    | {name: pa.float64() for name in ("overlap_start", "t_max")}
    | {name: pa.int64() for name in ("directions", "gradients")}
    | {"waiting": pa.list_(pa.float64()), "t": pa.list_(pa.float64())}
    | {f"{name}_t": pa.list_(pa.float64()) for name in (*CURVES, *PROBE_CURVES)}
)
"""Columns of a set of paths.

The point's parameters; `outcome` (``followed`` or ``failed``); how many directions of X the
student revealed and gradients it took; curves over the saved times (NaN where there is none).
"""


class MeanField(Point):
    """One set of `paths` sampled paths until `t_max`.

    With a `step`: gradient descent at N = ∞. Without: the flow, to `accuracy`. `labels` shuffled
    and gaussian are the same there; `overlap` is the teacher's at t = 0. At the times `waiting`
    small changes are made and followed. Sets that differ in `replica` are independent.
    """

    SCHEMA = RECORDS
    alpha: float
    t_max: float
    step: float | None
    paths: int
    seed: int
    accuracy: float = 3e-3
    labels: Labels = "shuffled"
    overlap: float = 0.0
    waiting: tuple[float, ...] = ()
    loss: str = "quartic"
    sampling: Sampling = "sobol"
    replica: int = 0

    @model_validator(mode="after")
    def _check(self) -> "MeanField":
        object.__setattr__(self, "loss", parse_loss(self.loss).name)
        if self.step is not None and not (np.isfinite(self.step) and self.step > 0):
            raise ValueError(f"step: must be a positive number, not {self.step}")
        shortest = self.step or 1e-6
        if not (np.isfinite(self.t_max) and self.t_max >= shortest):
            raise ValueError(
                f"t_max: must be a finite time of at least {shortest:g}, not {self.t_max}"
            )
        if self.step is not None and self.t_max / self.step > MOST_STEPS:
            raise ValueError(
                f"step: {self.step:g} makes more than {MOST_STEPS} steps until t = {self.t_max:g}; "
                "raise --step, lower --t-max, or leave --step out"
            )
        if not 0 < self.accuracy < 1:
            raise ValueError(f"accuracy: must lie between 0 and 1, not {self.accuracy}")
        if not FEWEST_PATHS <= self.paths <= 2**30:
            raise ValueError(f"paths: must be from {FEWEST_PATHS} to 2**30, not {self.paths}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed: must be an integer from 0 to 2**32 - 1, not {self.seed}")
        if self.labels == "teacher" and self.overlap == 0:
            raise ValueError(
                "overlap: without one, a teacher is never found at N = ∞; give --overlap 0.3 "
                "(the growth of a small one is in the answer of shuffled labels)"
            )
        if not all(0 <= t < self.t_max for t in self.waiting):
            raise ValueError(f"waiting: times must be from 0 to below {self.t_max:g}")
        _ = self.dynamics
        return self

    @property
    def stepping(self) -> Descent | Flow:
        """Steps, and the times that are saved."""
        if self.step is None:
            spaced = np.geomspace(self.t_max * 1e-3, self.t_max, FLOW_STATES - 1)
            return Flow(np.unique([0.0, *spaced, *self.waiting]), self.accuracy)
        count = max(1, round(self.t_max / self.step))
        saved = np.linspace(0, count, min(count + 1, MOST_STATES)).round()
        waiting = np.round(np.array(self.waiting) / self.step)
        return Descent(np.full(count, self.step), np.unique(np.append(saved, waiting)).astype(int))

    @property
    def dynamics(self) -> Dynamics:
        """What is followed; waiting times are those of saved states."""
        loss, waiting = parse_loss(self.loss), self.waiting
        if self.step is not None:
            waiting = tuple(round(t / self.step) * self.step for t in waiting)
        return Dynamics(loss, self.alpha, self.labels, self.overlap, waiting)

    @property
    def draws(self) -> Draws:
        """Where the paths come from."""
        return Draws(self.paths, self.seed, self.replica, self.sampling)

    @property
    def bytes(self) -> float:
        """Expected peak memory."""
        return 8.0 * self.paths * self._directions(self.t_max) + self.bytes_kept

    @property
    def bytes_kept(self) -> float:
        """Memory that a solution holds when it is done: the labels of its states."""
        return 4.0 * self.paths * len(self.stepping.t)

    @property
    def traffic(self) -> float:
        """Expected bytes that are read until the end."""
        return self.traffic_until(self.t_max)

    def traffic_until(self, t: float) -> float:
        """Return the part of `traffic` that is done at t."""
        # gradients of the flow until t, measured at α = 10 (docs/derivations/dmft.md §3)
        gradients = 130 * t**0.8 if self.step is None else t / self.step
        # four passes over what is revealed (0.6 of it in the mean), as much again to reveal it,
        # and some eighty vectors of its own for every gradient of each view
        views = 1 + len(self.waiting) * len(self.dynamics.kinds)
        return gradients * 16 * self.paths * (1.2 * self._directions(t) + 20 * views)

    def _directions(self, t: float) -> float:
        """Return how many directions are revealed until t, of the student and of all probes.

        Measured, of the quartic loss at α = 10; a probe reveals 1.6 times as many as the student.
        """
        probes = len(self.waiting) * len(self.dynamics.kinds)
        own = 10 + 36 * t**0.77
        most = np.inf if self.step is None else t / self.step + 2
        return min(own, most) + 1.6 * probes * min(own, most)

    def coarse(self) -> "MeanField":
        """Return the same on steps twice as long, with the same random numbers."""
        if self.step is None:
            # a step's error is of third order in its length
            return self.model_copy(update={"accuracy": min(0.9, 8 * self.accuracy)})
        return self.model_copy(update={"step": 2 * self.step})

    def identity(self) -> dict[str, Any]:
        """Return the parameters that records have."""
        waiting = pa.scalar(list(self.waiting), pa.list_(pa.float64()))
        return super().identity() | {"overlap_start": self.overlap, "waiting": waiting}

    def measure(self) -> pa.Table:
        """Return the record of `RECORDS`."""
        found = solve(self)
        return self.table(
            outcome="followed",
            directions=found.state.views[0].count,
            gradients=found.state.gradients,
            t=[found.t],
            **{f"{name}_t": [np.ravel(getattr(found, name))] for name in (*CURVES, *PROBE_CURVES)},
        )

    def cost(self) -> Cost:
        """Return what is expected: passes over the directions that are revealed."""
        return Cost(OPERATIONS_PER_BYTE * self.traffic, self.bytes)


def solve(point: MeanField, progress: Callable[[float], object] = lambda _: None) -> Solution:
    """Return the solution of a point, from its checkpoint on if there is one.

    `progress` is called with the part of `MeanField.traffic` that was done. Raises `Unstable`.
    """
    checkpoint = Checkpoint(point)
    solution = Solution.begin(point.dynamics, point.draws, point.stepping)
    if (found := checkpoint.read()) is not None:
        solution = _resumed(found, solution, checkpoint)
    done = 0.0

    def watch(solution: Solution) -> None:
        nonlocal done
        now = point.traffic_until(solution.state.t)
        progress(now - done)
        done = now
        if checkpoint.due:
            checkpoint.write(solution.packed())

    solution.advance(watch)
    for view in solution.state.views:
        view.forget()
    return solution


def _resumed(found: dict[str, np.ndarray], fresh: Solution, checkpoint: Checkpoint) -> Solution:
    """Return the solution gone on to what a checkpoint holds; as it is if that does not fit."""
    begun = Solution.begin(fresh.dynamics, fresh.state.draws, fresh.stepping)
    try:
        _check_fit(found, fresh.packed(), len(fresh.t))
        begun.restore(found)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        checkpoint.ignore(f"cannot be gone on from ({reason(error)})")
        return fresh
    return begun


def _check_fit(found: dict[str, np.ndarray], begun: dict[str, np.ndarray], states: int) -> None:
    """Raise unless arrays are such as a solution that begins like `begun` comes to have."""
    probes = range(len(found["logs"]) + 1)
    names = {name for name in begun if not name.endswith("_0")}
    parts = [name.removesuffix("_0") for name in begun if name.endswith("_0")]
    if found.keys() != names | {f"{part}_{index}" for part in parts for index in probes}:
        raise ValueError("holds other arrays")
    for name, array in found.items():
        part, _, index = name.rpartition("_")
        like = begun[f"{part}_0" if part else name]
        grows = part not in ("", "rest") or name in ("student", "rows", "lengths", "logs")
        if (
            array.dtype != like.dtype
            or array.ndim != like.ndim
            or (array.shape[grows:] != like.shape[grows:])
        ):
            raise ValueError(f"{name} is {array.dtype}{array.shape}")
        if part not in ("", "rest") and len(array) != len(found[f"along_{index}"]):
            raise ValueError(f"{name} has {len(array)} directions")
    lengths = found["lengths"]
    if len(lengths) > states or len(lengths) != len(found["student"]) or (lengths < 0).any():
        raise ValueError(f"{len(lengths)} states are done of {states}")
    if lengths.sum() != len(found["rows"]):
        raise ValueError("the coordinates of the states are of another number")
