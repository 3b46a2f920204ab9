"""Simulation of a design, labels, a loss and a protocol, with one record for each run."""

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from gapless.algorithms.starts import parse_start, start_name, start_states
from gapless.arrays import Array, on_cpu
from gapless.flow import (
    ACCURATE,
    FLOW,
    PASSAGE_LEVELS,
    SWEEP,
    CannotResume,
    IntegrationState,
    Observables,
    Protocol,
    Solver,
    State,
    Trajectory,
    integrate,
    parse_protocol,
    transforms_in_numpy,
)
from gapless.flow.integrate import Progress
from gapless.inputs import LabelKind, number
from gapless.losses import name_for_runs, parse_loss
from gapless.measure.checkpoint import Checkpoint
from gapless.measure.design_point import DESIGN_COLUMNS, DesignPoint, gradient_operations
from gapless.measure.point import Cost, counts, finite
from gapless.precision import Dtype
from gapless.problem import Problem, check_noise, draw_problem
from gapless.sensing import check_storage, is_plain, stored_numbers
from gapless.shapes import Float

MOMENTS = ("moment_abs", "moment_2", "moment_3", "moment_4")
"""Columns of E|ŷ|^k, k = 1 … 4, over the M labels of one run (Fig. 4, right)."""
GRADIENTS_TO_REST = 100.0
"""Gradients of a run until it is at rest, divided by √N; one in float64 counts as three."""
PASSAGES = (*PASSAGE_LEVELS.values(), "loss_1e-8")
"""Names of the energies of recorded first passages: L/N, and L of Eq. 1."""

RECORDS = pa.schema(
    DESIGN_COLUMNS
    | {name: pa.string() for name in ("labels", "loss", "protocol", "dtype")}
    | {"sphere": pa.bool_(), "t_max": pa.float64(), "outcome": pa.string(), "reason": pa.string()}
    | {name: pa.float64() for name in ("energy", "overlap", "mu", "rho", "speed2")}
    | {"overlap_start": pa.float64()}
    | {name: pa.float64() for name in MOMENTS}
    | {"stopped_at": pa.float64(), "steps": pa.int64(), "gradients": pa.int64()}
    | {f"t_{name}": pa.float64() for name in PASSAGES}
    | {f"gradients_{name}": pa.int64() for name in PASSAGES}
    | {name: pa.list_(pa.float64()) for name in ("t", "energy_t", "overlap_t", "mu_t", "rho_t")}
)
"""Columns of a run's record.

The point's parameters; `outcome` and, for a failed run, its `reason` (a run that timed out before
`t_max` had no steps left); `energy` (L/N), `overlap` (signed), `mu`, `rho` (|W|²/N), `speed2`
(|∇L − μW|²/N) and the moments E|ŷ|^k of the student's labels at the end; `overlap_start`; the time
`stopped_at`, steps and gradient evaluations; times of first passage of energies in units of the
loss's scale s (1 for the quartic loss) and the gradients made by then (null where not reached); the
trajectory at the save times as lists.
"""


KRYLOV_FROM = 128
"""N from which a sweep takes a Krylov step for the last decades of the energy. Below, steps of the
flow are faster, and the five programs of the Krylov step are not compiled: at N = 64, α = 6, 8, 12
designs of 64 runs take 0.79, 0.82, 0.94 of the time and designs of 128 0.81, 0.92, 1.00. With 64
runs the Krylov step takes 6 % more time at N = 128, α = 6, and 10 % less at α = 10; at N = 256 it
takes 7 and 22 % less."""


class Simulation(DesignPoint):
    """Parameters of K runs on one design.

    `protocol` is ``flow`` (step control), ``paper`` (gradient descent at rate 2e-4) or another of
    `gapless.flow.parse_protocol`; `t_max` defaults to the budget of the protocol, 0.3 log2 N for
    the flow, and `dtype` to float32 for the flow and float64 for fixed steps, which are below
    float32 rounding near zero energy; `save_at` lists the times at which energy, overlap, μ and ρ
    are recorded. `start` is ``random``, ``spectral`` or ``overlap:0.3``; `noise` is the variance Δ
    of label noise. `accurate` takes smaller steps (`ACCURATE`). Without `sphere` the flow is
    Ẇ = −∇L, and the norm of W is free.
    """

    SCHEMA = RECORDS
    LATER = ("in_numpy", "sensing", "field", "start", "noise", "accurate", "sphere")
    COMPLEX = True
    labels: LabelKind = "teacher"
    loss: str = "quartic"
    protocol: str = "flow"
    dtype: Dtype | None = None
    t_max: float | None = None
    save_at: tuple[float, ...] = ()
    start: str = "random"
    noise: float = 0.0
    accurate: bool = False
    sphere: bool = True

    @model_validator(mode="after")
    def _check(self) -> "Simulation":
        # the full name, with the hash of a user's source: the record's address depends on it
        object.__setattr__(self, "loss", name_for_runs(self.loss, self.precision))
        # one spelling of a protocol or of a start, one address
        object.__setattr__(self, "protocol", self.parsed_protocol.name)
        object.__setattr__(self, "start", start_name(self.start, self.labels))
        check_noise(self.noise)
        check_storage(self.sensing, self.precision, self.n)
        if self.protocol == "paper" and self.t_max is not None:
            raise ValueError(
                "t_max: the paper's protocol fixes it at 0.3 log2 N; leave out --t-max, or use "
                "--protocol flow"
            )
        if self.parsed_protocol.solver is not None and self.accurate:
            raise ValueError("accurate: this protocol has fixed steps; use --protocol flow")
        number("t_max", self.budget, above=0)
        return self

    @property
    def budget(self) -> float:
        """Time budget, `t_max` or else that of the protocol."""
        return self.parsed_protocol.budget(self.n) if self.t_max is None else self.t_max

    @property
    def parsed_protocol(self) -> Protocol:
        """The protocol that `protocol` names."""
        return parse_protocol(self.protocol)

    @property
    def precision(self) -> Dtype:
        """Precision of the computation."""
        return self.dtype or ("float32" if self.parsed_protocol.solver is None else "float64")

    @property
    def solver(self) -> Solver:
        """Solver of the steps."""
        if (fixed := self.parsed_protocol.solver) is not None:
            return fixed
        if self.accurate:
            return ACCURATE
        if self.save_at:
            # e(t) is looked at: the finer tolerance; outcomes and passages do with that of sweeps
            return FLOW
        # the Krylov step is compiled: in NumPy steps alone take 0.3 to 0.9 of its time (N = 128 to
        # 512, 16 to 64 runs, α = 5, 8, 12), and a dozen of XLA's transforms cost more than it saves
        few = self.design.dimension < KRYLOV_FROM
        steps_alone = few or self.computed_in_numpy or self.design.of_transforms
        return SWEEP.divisible() if steps_alone else SWEEP

    @property
    def computed_in_numpy(self) -> bool:
        """Whether the runs are computed in NumPy."""
        return self.in_numpy or transforms_in_numpy(self.sensing, parse_loss(self.loss))

    @property
    def bytes(self) -> float:
        """Expected peak memory: X, labels and states of K runs."""
        # float16 is how X is stored; states and labels are float32 then
        width = 8 if self.precision == "float64" else 4
        stored = 2 if self.precision == "float16" else width
        n, m, k = self.design.dimension, self.design.m, self.design.k
        of_transforms = self.design.of_transforms
        # what a product by transforms is made in, beside the labels (measured up to N = 10⁶)
        each = 10.0 if of_transforms else 6.0
        # complex labels are two readings until their modulus is taken
        numbers = each * k * m * n / self.n + 20.0 * k * n
        return stored * stored_numbers(of_transforms, m, n) + width * numbers

    def identity(self) -> dict[str, Any]:
        """Return the columns of the design, the labels, the loss and the protocol."""
        return super().identity() | {"dtype": self.precision, "t_max": self.budget}

    def measure(self, on_share: Callable[[float], None] | None = None) -> pa.Table:
        """Return the records of `RECORDS`, one per run.

        `on_share` is called with the share of the save times passed since its last call.
        """
        return self.records(*self.followed(on_share))

    def followed(
        self, on_share: Callable[[float], None] | None = None
    ) -> tuple[Problem, Trajectory]:
        """Return the problem and the trajectories; `on_share` as in `measure`."""
        times = max(1, len(self.save_at))
        # shares of save times, not of t: the time between two of them is what is waited for
        progress = None if on_share is None else lambda *_: on_share(1 / times)
        return simulate(self, progress)

    def instances(self) -> tuple[Problem, Float[Array, "K N"]]:
        """Return the problem and the initial states of the K runs."""
        design, loss = self.design, parse_loss(self.loss)
        problem = draw_problem(
            design, self.labels, loss, self.precision, self.noise, sphere=self.sphere
        )
        return problem, start_states(design, problem, parse_start(self.start))

    def records(self, problem: Problem, trajectory: Trajectory, **columns: Any) -> pa.Table:
        """Return the records of trajectories; `columns` are those that a subclass adds."""
        moments = label_moments(problem, trajectory.state.w)
        # without save times the trajectory has one, t_max, which is not asked for
        saved = trajectory.t if self.save_at else trajectory.t[:0]
        end, passage = trajectory.end, trajectory.passage
        over_time = {
            "energy_t": trajectory.saved.energy,
            "overlap_t": trajectory.saved.signed_overlap,
            "mu_t": trajectory.saved.mu,
            "rho_t": trajectory.saved.rho,
        }
        return self.table(
            outcome=[str(outcome) for outcome in trajectory.outcome],
            energy=finite(end.energy),
            overlap=finite(end.signed_overlap),
            mu=finite(end.mu),
            rho=finite(end.rho),
            speed2=finite(end.speed2),
            overlap_start=finite(trajectory.start.signed_overlap),
            **{name: finite(moments[:, k]) for k, name in enumerate(MOMENTS)},
            stopped_at=trajectory.stopped_at,
            steps=trajectory.steps,
            gradients=trajectory.gradients,
            **{f"t_{name}": finite(passage[:, k]) for k, name in enumerate(PASSAGES)},
            **{
                f"gradients_{name}": counts(trajectory.passage_gradients[:, k])
                for k, name in enumerate(PASSAGES)
            },
            t=[saved] * self.rows,
            # as many as there are times: none where nothing was to be saved
            **{name: values[:, : len(saved)] for name, values in over_time.items()},
            **columns,
        )

    @property
    def gradients(self) -> float:
        """Expected number of gradients of the batch, by a fit to measured counts."""
        if (fixed := self.parsed_protocol.solver) is not None:
            return self.budget / fixed.tick
        to_rest = GRADIENTS_TO_REST * sqrt(self.n)
        if self.save_at:
            return 80 + min(30 * self.budget, to_rest) + 3 * len(self.save_at)
        return 50 + min(35 * self.budget, to_rest)

    def cost(self) -> Cost:
        """Return the expected cost of the simulation, by `gradient_operations`."""
        # half as many float64 as float32 fit a register and a cache line
        width = 2 if self.precision == "float64" else 1
        design = self.design
        flops = gradient_operations(design) * self.gradients * width
        shapes = (design.m, self.n, design.k, len(self.save_at))
        switches = (self.labels, self.loss, self.protocol, self.precision, self.sphere, self.field)
        return self.priced(flops, self.bytes, (*shapes, *switches))


def simulate(point: Simulation, progress: Progress | None = None) -> tuple[Problem, Trajectory]:
    """Return the problem of `point` and the trajectories of its K runs."""
    problem, start = point.instances()
    checkpoint = Checkpoint(point)
    follow = partial(
        integrate,
        problem,
        start,
        point.budget,
        solver=point.solver,
        save_at=point.save_at or None,
        progress=progress,
        on_save=lambda now: checkpoint.write(_packed(now())) if checkpoint.due else None,
    )
    # one that does not fit costs its own time alone: the runs then start from t = 0
    if (found := checkpoint.read()) is not None:
        try:
            return problem, follow(resume=_unpacked(found))
        except CannotResume as error:
            checkpoint.ignore(f"cannot be resumed ({error})")
    return problem, follow()


def _packed(integration: IntegrationState) -> dict[str, np.ndarray]:
    """Return an integration as arrays by name, for a checkpoint."""
    # stacked: as many arrays, and as long a header, however many save times there are, or none
    k = len(integration.state.t)
    columns = [[getattr(one, name) for one in integration.saved] for name in Observables._fields]
    saved = Observables(*(np.reshape(column, (-1, k)).T for column in columns))
    parts = {"state": integration.state, "start": integration.start, "saved": saved}
    arrays = {
        f"{part}.{name}": np.asarray(value)
        for part, values in parts.items()
        for name, value in values._asdict().items()
    }
    return arrays | {"times": np.array(integration.times, float)}


def _unpacked(arrays: dict[str, Any]) -> IntegrationState:
    """Return the integration that `_packed` packed. Raises `CannotResume` if a part is missing."""
    try:
        # by name: a state of another version with other fields is missing one
        state = State(*(arrays[f"state.{name}"] for name in State._fields))
        start = Observables(*(arrays[f"start.{name}"] for name in Observables._fields))
        saved = [arrays[f"saved.{name}"] for name in Observables._fields]
        done, times = range(saved[0].shape[1]), arrays["times"].tolist()
        records = [Observables(*(column[:, i] for column in saved)) for i in done]
    except (KeyError, IndexError) as error:
        raise CannotResume(f"resume: {error} is missing") from None
    return IntegrationState(state, start, records, times)


def label_moments(problem: Problem, w: Float[Array, "K N"]) -> np.ndarray:
    """Return (1/M) Σ_m |ŷ_m|^k for k = 1 … 4, shape (K, 4), from one product with X.

    The product is made in NumPy, because it is made once per design, unless X is on another device.
    """
    # X in float16 is widened block by block by the problem; NumPy would widen all of it
    narrow = problem.sensing.dtype != problem.dtype
    here = problem.field == "real" and (problem.in_numpy or on_cpu())
    if here and is_plain(problem.sensing) and not narrow:
        size = np.abs(np.asarray(w) @ np.asarray(problem.sensing).T)
    else:
        size = np.abs(np.asarray(problem.student_labels(w)))
    power, found = np.ones_like(size), []
    for _ in MOMENTS:
        power *= size
        found.append(power.mean(axis=1, dtype=float))
    return np.stack(found, axis=1)
