"""One simulation: a design, labels, a loss and a protocol → one row for each of its runs."""

from collections.abc import Callable
from functools import partial
from math import isfinite
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from jaxtyping import Array, Float
from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from gapless.algorithms.starts import parse_start, start_states
from gapless.design import Design
from gapless.experiments._experiment import Cost, Point, Row
from gapless.experiments.checkpoint import Checkpoint
from gapless.flow import (
    ACCURATE,
    FLOW,
    PAPER,
    SWEEP,
    Observables,
    Outcome,
    Partway,
    Solver,
    State,
    Trajectory,
    integrate,
    paper_budget,
)
from gapless.flow.integrate import CannotResume, Progress
from gapless.losses import check_for_runs, parse_loss
from gapless.problem import Dtype, LabelKind, Problem, check_noise, draw_problem

ProtocolName = Literal["flow", "paper"]


class Simulation(Point):
    """Parameters of K runs on one design.

    `protocol` is ``flow`` (step control) or ``paper`` (gradient descent at rate 2e-4); `t_max`
    defaults to the paper's budget 0.3 log2 N, `dtype` to float32 for the flow and float64 for
    the paper's protocol, whose steps float32 cannot hold near zero energy; `save_at` lists the
    times whose energy, overlap and μ are kept. `start` is ``random``, ``spectral`` or
    ``overlap:0.3``; `noise` is the variance Δ of label noise. `accurate` follows e(t) to 0.1 %,
    also past saddles (`ACCURATE`).
    """

    n: int
    alpha: float
    seed: int
    index: int = 0
    runs: int | None = None
    labels: LabelKind = "teacher"
    loss: str = "quartic"
    protocol: ProtocolName = "flow"
    dtype: Dtype | None = None
    t_max: float | None = None
    save_at: tuple[float, ...] = ()
    start: str = "random"
    noise: float = 0.0
    accurate: bool = False

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # records made before there were these parameters keep their addresses
        found = handler(self)
        for name in ("start", "noise", "accurate"):
            if found.get(name) == type(self).model_fields[name].default:
                del found[name]
        return found

    @model_validator(mode="after")
    def _check(self) -> "Simulation":
        # the full name holds a hash of a user's source text: it belongs to the record's address
        loss = parse_loss(self.loss)
        object.__setattr__(self, "loss", loss.name)
        _ = self.design, self.solver
        check_for_runs(loss, self.precision)
        object.__setattr__(self, "start", str(parse_start(self.start)))
        check_noise(self.noise)
        if self.labels == "gaussian" and self.start.startswith("overlap"):
            raise ValueError("start: gaussian labels have no teacher to overlap with; use random")
        if self.protocol == "paper" and self.t_max is not None:
            raise ValueError(
                "t_max: the paper's protocol fixes it at 0.3 log2 N; leave out --t-max, or use "
                "--protocol flow"
            )
        if self.protocol == "paper" and self.accurate:
            raise ValueError("accurate: the paper's protocol fixes its steps; use --protocol flow")
        if not (np.isfinite(self.budget) and self.budget > 0):
            raise ValueError(f"t_max: the time budget must be a positive number, not {self.t_max}")
        return self

    @property
    def design(self) -> Design:
        """The design that this simulation runs on."""
        return Design(self.n, self.alpha, self.seed, self.index, self.runs)

    @property
    def budget(self) -> float:
        """The time budget, 0.3 log2 N unless `t_max` says otherwise."""
        return paper_budget(self.n) if self.t_max is None else self.t_max

    @property
    def precision(self) -> Dtype:
        """The precision computed in."""
        return self.dtype or ("float64" if self.protocol == "paper" else "float32")

    @property
    def solver(self) -> Solver:
        """How steps are made."""
        if self.protocol == "paper":
            return PAPER
        if self.accurate:
            return ACCURATE
        return FLOW if self.save_at else SWEEP

    @property
    def bytes(self) -> float:
        """Expected peak memory: X, labels and states of K runs."""
        width = 8 if self.precision == "float64" else 4
        stored = 2 if self.precision == "float16" else width
        m, k = self.design.m, self.design.k
        numbers = 6.0 * k * m + 20.0 * k * self.n
        return 1.0 * stored * m * self.n + width * numbers


def simulate(point: Simulation, progress: Progress | None = None) -> tuple[Problem, Trajectory]:
    """Draw the instances of `point` and follow all K runs; return both."""
    problem = draw_problem(
        point.design, point.labels, parse_loss(point.loss), point.precision, point.noise
    )
    checkpoint = Checkpoint(point)
    follow = partial(
        integrate,
        problem,
        start_states(point.design, problem, parse_start(point.start)),
        point.budget,
        solver=point.solver,
        save_at=point.save_at or None,
        progress=progress,
        on_save=lambda partway: checkpoint.write(_packed(partway)) if checkpoint.due else None,
    )
    if (found := checkpoint.read()) is not None:
        try:
            return problem, follow(resume=_unpacked(found))
        except CannotResume as error:
            checkpoint.ignore(f"cannot be gone on from ({error})")
    return problem, follow()


def _packed(partway: Partway) -> dict[str, np.ndarray]:
    """Return arrays that hold how far a simulation has come."""
    saved = Observables(*(np.stack(c, axis=1) for c in zip(*partway.saved, strict=True)))
    parts = {"state": partway.state, "start": partway.start, "saved": saved}
    return {
        f"{part}.{name}": np.asarray(value)
        for part, values in parts.items()
        for name, value in values._asdict().items()
    }


def _unpacked(arrays: dict[str, Any]) -> Partway:
    """Return what `_packed` packed; `integrate` looks whether it fits. Raises `CannotResume`."""
    try:
        state = State(*(arrays[f"state.{name}"] for name in State._fields))
        start = Observables(*(arrays[f"start.{name}"] for name in Observables._fields))
        saved = [arrays[f"saved.{name}"] for name in Observables._fields]
        times = range(saved[0].shape[1])
        records = [Observables(*(column[:, i] for column in saved)) for i in times]
    except (KeyError, IndexError) as error:
        raise CannotResume(f"resume: {error} is missing") from None
    return Partway(state, start, records)


MOMENTS = ("moment_abs", "moment_2", "moment_3", "moment_4")
"""Columns of E|ŷ|^k, k = 1 … 4, over the M labels of one run (Fig. 4, right)."""


def label_moments(problem: Problem, w: Float[Array, "K N"]) -> np.ndarray:
    """Return (1/M) Σ_m |ŷ_m|^k for k = 1 … 4, shape (K, 4), from one product with X.

    In NumPy: nothing is compiled for a product that is made once a design.
    """
    if problem.sensing.dtype == problem.dtype:
        size = np.abs(np.asarray(w) @ np.asarray(problem.sensing).T)
    else:
        size = np.abs(np.asarray(problem.student_labels(w)))
    power, found = np.ones_like(size), []
    for _ in MOMENTS:
        power *= size
        found.append(power.mean(axis=1, dtype=float))
    return np.stack(found, axis=1)


PASSAGES = ("1e-4", "1e-6", "1e-8", "1e-10", "loss_1e-8")
"""Names of the energies whose first passages are kept: L/N, and L of Eq. 1 itself."""

SCHEMA = pa.schema(
    {name: pa.int64() for name in ("n", "m")}
    | {"alpha": pa.float64()}
    | {name: pa.int64() for name in ("seed", "design", "runs", "run")}
    | {name: pa.string() for name in ("labels", "loss", "protocol", "dtype")}
    | {"t_max": pa.float64(), "outcome": pa.string(), "reason": pa.string()}
    | {name: pa.float64() for name in ("energy", "overlap", "mu", "speed2", "overlap_start")}
    | {name: pa.float64() for name in MOMENTS}
    | {"stopped_at": pa.float64(), "steps": pa.int64(), "gradients": pa.int64()}
    | {f"t_{name}": pa.float64() for name in PASSAGES}
    | {f"gradients_{name}": pa.int64() for name in PASSAGES}
    | {name: pa.list_(pa.float64()) for name in ("t", "energy_t", "overlap_t", "mu_t")}
)
"""Columns of a run's record.

The point's parameters; `outcome` and, for a failed run, its `reason` (a run that timed out before
`t_max` had no steps left); `energy` (L/N), `overlap` (signed), `mu`, `speed2` (|∇L − μW|²/N) and
the moments E|ŷ|^k of the student's labels at the end; `overlap_start`; the time `stopped_at`, steps
and gradient evaluations; times of first passage of energies in units of the loss's scale s (1 for
the quartic loss) and the gradients made by then (null where not reached); the trajectory at the
save times as lists.
"""


def rows(point: Simulation, on_share: Callable[[float], None] | None = None) -> list[Row]:
    """Return the records of a simulation, one a run: see `SCHEMA`.

    `on_share` is called with the share of the save times that was reached since its last call.
    """
    times = max(1, len(point.save_at))
    progress = None if on_share is None else lambda time, running: on_share(1 / times)
    problem, trajectory = simulate(point, progress)
    moments = label_moments(problem, trajectory.state.w)
    saved = trajectory.t if point.save_at else trajectory.t[:0]
    end, over_time = trajectory.end, trajectory.saved
    columns = {
        "outcome": [str(outcome) for outcome in trajectory.outcome],
        "energy": _numbers(end.energy),
        "overlap": _numbers(end.signed_overlap),
        "mu": _numbers(end.mu),
        "speed2": _numbers(end.speed2),
        "overlap_start": _numbers(trajectory.start.signed_overlap),
        **dict(zip(MOMENTS, map(_numbers, moments.T), strict=True)),
        "stopped_at": trajectory.stopped_at.tolist(),
        "steps": trajectory.steps.tolist(),
        "gradients": trajectory.gradients.tolist(),
    }
    for level, name in enumerate(PASSAGES):
        columns[f"t_{name}"] = _numbers(trajectory.passage[:, level])
        columns[f"gradients_{name}"] = _counts(trajectory.passage_gradients[:, level])
    columns["t"] = [saved.tolist()] * point.design.k
    for name in ("energy", "signed_overlap", "mu"):
        values = getattr(over_time, name)[:, : len(saved)]
        columns[f"{name.removeprefix('signed_')}_t"] = values.tolist()
    shared = _parameters(point, 0)
    return [
        shared | {"run": run} | dict(zip(columns, values, strict=True))
        for run, values in enumerate(zip(*columns.values(), strict=True))
    ]


def failed_rows(point: Simulation, reason: str) -> list[Row]:
    """Return the records of runs that could not be computed."""
    return [
        {**_parameters(point, run), "outcome": str(Outcome.failed), "reason": reason}
        for run in range(point.design.k)
    ]


def design_columns(design: Design, run: int) -> Row:
    """Return the columns that say which run of which design a record is of."""
    return {
        "n": design.n,
        "m": design.m,
        "alpha": design.alpha,
        "seed": design.seed,
        "design": design.index,
        "runs": design.k,
        "run": run,
    }


def _parameters(point: Simulation, run: int) -> Row:
    return design_columns(point.design, run) | {
        "labels": point.labels,
        "loss": point.loss,
        "protocol": point.protocol,
        "dtype": point.precision,
        "t_max": point.budget,
    }


def cost(point: Simulation) -> Cost:
    """Return what a simulation is expected to take.

    Gradients: a fit to measured counts, in products of the whole batch. A gradient of K runs
    is 4KMN operations and two reads of X, which take as long as 20 more runs would.
    """
    if point.protocol == "paper":
        gradients = point.budget / PAPER.rate
    elif point.save_at:
        gradients = 80 + 30 * point.budget + 3 * len(point.save_at)
    else:
        gradients = 50 + 35 * point.budget
    width = 2 if point.precision == "float64" else 1
    design = point.design
    flops = 4.0 * (design.k + 20) * design.m * design.n * gradients * width
    return Cost(flops, point.bytes, _program(point))


def _program(point: Simulation) -> tuple:
    """Return what a simulation is compiled for: shapes, and what is not data."""
    shapes = (point.design.m, point.n, point.design.k, len(point.save_at))
    return (*shapes, point.labels, point.loss, point.protocol, point.precision)


def _numbers(values: np.ndarray) -> list[float | None]:
    return [value if isfinite(value) else None for value in values.tolist()]


def _counts(values: np.ndarray) -> list[int | None]:
    return [value if value >= 0 else None for value in values.tolist()]
