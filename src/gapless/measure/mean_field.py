"""N = ∞ dynamics with checkpoints: one point and one record for each set of paths and step."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from gapless.files import reason
from gapless.inputs import LabelKind, number
from gapless.losses import parse_loss
from gapless.measure.checkpoint import Checkpoint
from gapless.measure.point import Cost, Point
from gapless.theory.dmft import (
    Dynamics,
    GradientDescent,
    GradientFlow,
    PathDraws,
    Run,
    Solution,
)
from gapless.theory.dmft.paths import Sampling

MOST_STEPS = 20_000
MOST_STATES = 101
"""Evenly spaced saved states of gradient descent; those of the flow are spaced geometrically."""
FLOW_STATES = 64
APART = 1e-6
"""Smallest distance of two waiting times, relative to t_max."""

STUDENT_CURVES = ("energy", "mu", "speed2", "correlation_0", "signed_overlap")
"""Curves of the student over the saved times."""
PROBE_CURVES = ("response", "perturbation_growth", "growth", "alignment")
"""Curves of the probes: waiting times × saved times, row by row."""
OPERATIONS_PER_BYTE = 1.0
"""Floating-point operations in the time in which a processor reads a byte of paths."""
PATH_SET = "replica"
"""Stored name of `MeanField.path_set`, in addresses and records: another would lose older ones."""
RECORDS = pa.schema(
    {"alpha": pa.float64()}
    | {name: pa.int64() for name in ("seed", PATH_SET, "run", "paths")}
    | {name: pa.string() for name in ("labels", "loss", "outcome", "reason")}
    | {name: pa.float64() for name in ("overlap_start", "t_max")}
    | {name: pa.int64() for name in ("directions", "gradients")}
    | {"waiting": pa.list_(pa.float64()), "t": pa.list_(pa.float64())}
    | {f"{name}_t": pa.list_(pa.float64()) for name in (*STUDENT_CURVES, *PROBE_CURVES)}
)
"""Columns of a set of paths.

The point's parameters; `outcome` (``followed`` or ``failed``); numbers of drawn directions of X and
of gradients; curves over the saved times (NaN where a curve is undefined).
"""


class MeanField(Point):
    """Dynamics at N = ∞ of one set of `paths` sampled paths until `t_max`.

    With a `step` it is gradient descent; without one it is the flow, to `accuracy`. Shuffled and
    gaussian `labels` are the same at N = ∞; `overlap` is that with the teacher at t = 0. Probes
    start at the times `waiting`. Sets that differ in `path_set` are independent.
    """

    SCHEMA = RECORDS
    alpha: float
    t_max: float
    step: float | None
    paths: int
    seed: int
    accuracy: float = 3e-3
    labels: LabelKind = "shuffled"
    overlap: float = 0.0
    waiting: tuple[float, ...] = ()
    loss: str = "quartic"
    sampling: Sampling = "sobol"
    path_set: int = Field(default=0, serialization_alias=PATH_SET)

    @model_validator(mode="after")
    def _check(self) -> "MeanField":
        object.__setattr__(self, "loss", parse_loss(self.loss).name)
        if self.step is not None:
            number("step", self.step, above=0)
        # 1e-6 is far below any first step of the flow: a shorter time holds no state but the start
        shortest = self.step or 1e-6
        if not (np.isfinite(self.t_max) and self.t_max >= shortest):
            raise ValueError(
                f"t_max: must be a finite time of at least {shortest:g}, not {self.t_max}"
            )
        # gradient descent at N = ∞ costs steps², since each reads all directions drawn before
        if self.step is not None and self.t_max / self.step > MOST_STEPS:
            raise ValueError(
                f"step: {self.step:g} makes more than {MOST_STEPS} steps until t = {self.t_max:g}; "
                "raise --step, lower --t-max, or leave --step out"
            )
        if not 0 < self.accuracy < 1:
            raise ValueError(f"accuracy: must lie between 0 and 1, not {self.accuracy}")
        # at N = ∞ overlap 0 stays 0: it is of order N^(−1/2) that a random start has at finite N
        if self.labels == "teacher" and self.overlap == 0:
            raise ValueError(
                "overlap: a run with overlap 0 never recovers the signal at N = ∞; give "
                "--overlap 0.3 (shuffled labels give the growth of a small overlap)"
            )
        # a probe needs time after its waiting time in which it is followed
        if not all(0 <= t < self.t_max for t in self.waiting):
            raise ValueError(f"waiting: times must be from 0 to below {self.t_max:g}")
        apart = self.step or APART * self.t_max
        # on the grid of steps: two waiting times at one state would be the same probe twice
        places = np.round(np.array([*self.waiting, self.t_max]) / apart)
        if (np.diff(places) < 1).any() or any(0 < t < APART * self.t_max for t in self.waiting):
            raise ValueError(
                f"waiting: times must lie at least {apart:g} apart, and as far before the end"
            )
        # losses and paths have checks of their own: refused here, not after minutes on a worker
        _ = self.dynamics
        self.draws.check_dimension(self.alpha)
        return self

    @property
    def solver(self) -> GradientDescent | GradientFlow:
        """Solver of the steps: gradient descent or the flow."""
        return GradientFlow(self.accuracy) if self.step is None else GradientDescent(self.step)

    @property
    def save_at(self) -> np.ndarray:
        """Saved times, which include the waiting times."""
        if self.step is None:
            # by a factor: the flow slows down, and curves are read on a logarithmic axis
            spaced = np.geomspace(self.t_max * 1e-3, self.t_max, FLOW_STATES - 1)
            # a saved time that all but equals a waiting time would cost a step of rounding's length
            times = [t for t in spaced if all(abs(t - w) > APART * t for w in self.waiting)]
            return np.unique([0.0, *times, *self.waiting])
        count = max(1, round(self.t_max / self.step))
        # whole steps: there are no states between two of them
        states = np.linspace(0, count, min(count + 1, MOST_STATES)).round()
        waiting = np.round(np.array(self.waiting) / self.step)
        return np.unique(np.append(states, waiting)) * self.step

    @property
    def dynamics(self) -> Dynamics:
        """Dynamics of the point; its waiting times are saved times."""
        loss, waiting = parse_loss(self.loss), self.waiting
        if self.step is not None:
            # the same rounding as in `save_at`, so that each probe finds its saved state
            waiting = tuple(round(t / self.step) * self.step for t in waiting)
        return Dynamics(loss, self.alpha, self.labels, self.overlap, waiting)

    @property
    def draws(self) -> PathDraws:
        """Sampled paths."""
        return PathDraws(self.paths, self.seed, self.path_set, self.sampling)

    @property
    def bytes(self) -> float:
        """Expected peak memory."""
        # float32, and two vectors a direction: its image X e and q
        return 8.0 * self.paths * self._directions(self.t_max) + self.bytes_kept

    @property
    def bytes_kept(self) -> float:
        """Memory of the finished solution: the labels of its saved states."""
        # float32, one label a path and state
        return 4.0 * self.paths * len(self.save_at)

    @property
    def traffic(self) -> float:
        """Expected number of bytes read until `t_max`."""
        return self.traffic_until(self.t_max)

    def traffic_until(self, t: float) -> float:
        """Return the expected number of bytes read until t."""
        # gradients of the flow until t, measured at α = 10 (docs/derivations/dmft.md §3)
        gradients = 130 * t**0.8 if self.step is None else t / self.step
        # four passes over what is revealed (0.6 of it in the mean), as much again to reveal it,
        # and some eighty vectors of its own for every gradient of each view
        views = 1 + len(self.waiting) * len(self.dynamics.probes)
        return gradients * 16 * self.paths * (1.2 * self._directions(t) + 20 * views)

    def _directions(self, t: float) -> float:
        """Return the expected number of directions drawn until t, of student and probes.

        The numbers were measured for the quartic loss at α = 10, where a probe draws 1.6 times as
        many directions as the student.
        """
        probes = len(self.waiting) * len(self.dynamics.probes)
        own = 10 + 36 * t**0.77
        # a step reveals one direction at most, besides the signal and the start
        most = np.inf if self.step is None else t / self.step + 2
        return min(own, most) + 1.6 * probes * min(own, most)

    def coarse(self) -> "MeanField":
        """Return the point with twice the step size and the same random numbers."""
        if self.step is None:
            # a step's error is of third order in its length
            accuracy = min(0.9, 8 * self.accuracy)
            return _CoarseFlow.model_validate(self.model_dump() | {"accuracy": accuracy})
        return self.model_copy(update={"step": 2 * self.step})

    def identity(self) -> dict[str, Any]:
        """Return the parameters that are columns of the records."""
        # a scalar of Arrow: a list would be taken for one value a row
        waiting = pa.scalar(list(self.waiting), pa.list_(pa.float64()))
        renamed = {"overlap_start": self.overlap, PATH_SET: self.path_set}
        return super().identity() | renamed | {"waiting": waiting}

    def measure(self) -> pa.Table:
        """Return the record of `RECORDS`."""
        found = solution_of(self)
        return self.table(
            outcome="followed",
            # [0]: the student's; the others are its probes'
            directions=found.directions[0],
            gradients=found.gradients,
            t=[found.t],
            # raveled: Arrow has no matrices; `waiting` and `t` of the record give the shape back
            **{
                f"{name}_t": [np.ravel(getattr(found, name))]
                for name in (*STUDENT_CURVES, *PROBE_CURVES)
            },
        )

    def cost(self) -> Cost:
        """Return the expected cost: passes over the drawn directions."""
        # time goes into reading paths, and a plan adds up operations: one unit for all points
        return Cost(OPERATIONS_PER_BYTE * self.traffic, self.bytes)


class _CoarseFlow(MeanField):
    """Flow with every second saved time, beside the start, the end and the waiting times.

    Steps end at saved times. With the same ones two accuracies may take the same steps, and their
    difference, 0, is no error.
    """

    @property
    def save_at(self) -> np.ndarray:
        """Saved times."""
        times = super().save_at
        return np.unique([*times[::2], times[-1], *self.waiting])


def solution_of(point: MeanField, progress: Callable[[float], object] = lambda _: None) -> Solution:
    """Return the solution of a point, resumed from its checkpoint if there is one.

    `progress` is called with increments of `MeanField.traffic`. Raises `Unstable`.
    """
    checkpoint = Checkpoint(point)
    run = Run.begin(point.dynamics, point.draws, point.solver, point.save_at)
    if (found := checkpoint.read()) is not None:
        try:
            run = run.with_packed(found)
        # arrays of another version or of other parameters fail in any of these ways
        except (KeyError, ValueError, IndexError, TypeError) as error:
            checkpoint.ignore(f"cannot be resumed ({reason(error)})")
    done = 0.0
    while not run.is_finished:
        run = run.advanced()
        # progress by bytes, not by t: late steps read more directions and are the slow ones
        now = point.traffic_until(run.state.t)
        progress(now - done)
        done = now
        if checkpoint.due:
            checkpoint.write(run.packed())
    return run.solution
