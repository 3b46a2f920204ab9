"""Runs followed to their own threshold energy, and their Hessians there."""

from typing import Any

import pyarrow as pa

from gapless.design import Design
from gapless.experiments._experiment import Cost, Point, Row
from gapless.experiments._spectra import number, spectral_rows
from gapless.experiments._threshold import T_TWIN, at_rest, twin_threshold
from gapless.experiments.simulation import design_columns
from gapless.flow import AtEnergy, Outcome, integrate
from gapless.losses import check_for_runs, parse_loss
from gapless.problem import draw_problem

LOWEST = 3
"""Eigenpairs a run: λ₁ to λ₃."""
TWIN_GRADIENTS = 100.0
"""Gradients a twin takes to t = 20, per unit of α; measured at α = 10, N = 512."""

_LISTS = ("eigenvalues", "vector_overlap", "residual", "top_sample_share")
_NUMBERS = (
    "threshold_energy",
    "twin_speed2",
    "overlap_start",
    "time",
    "energy",
    "mu",
    "overlap",
    "width",
    "hessian_edge",
    "edge_without_one",
    "hessian_outlier",
    "outlier_overlap",
)
SCHEMA = pa.schema(
    {name: pa.int64() for name in ("n", "m")}
    | {"alpha": pa.float64()}
    | {name: pa.int64() for name in ("seed", "design", "runs", "run")}
    | {name: pa.string() for name in ("loss", "outcome", "reason")}
    | {name: pa.bool_() for name in ("twin_settled", "crossed", "edge_from_one_atom")}
    | {name: pa.float64() for name in _NUMBERS}
    | {name: pa.list_(pa.float64()) for name in _LISTS}
)
"""Columns of a run at its crossing.

The point's parameters; `outcome` (``crossed``, ``not_crossed``, ``failed``) and, for a failed
run, its `reason`; the twin's energy, its speed |∇L − μW|²/N and whether that is rest (below 1e-10
by t = 20: `twin_settled`); the time of the crossing and the state there; the lowest eigenpairs;
theory's edge and outlier from the run's own labels (see `_spectra.theory_of`). Null for a run that
did not cross.
"""


class CrossingPoint(Point):
    """Parameters of K runs followed to the energies of their own twins."""

    n: int
    alpha: float
    seed: int
    index: int = 0
    runs: int | None = None
    loss: str = "quartic"

    def model_post_init(self, context: Any) -> None:
        """Refuse parameters that no design or loss has."""
        del context
        # the full name holds a hash of a user's source text: it belongs to the record's address
        loss = parse_loss(self.loss)
        object.__setattr__(self, "loss", loss.name)
        check_for_runs(loss, "float32")
        _ = self.design

    @property
    def design(self) -> Design:
        """The design that the runs are on."""
        return Design(self.n, self.alpha, self.seed, self.index, self.runs)


def rows_at_crossing(point: CrossingPoint) -> list[Row]:
    """Return the rows of `SCHEMA`: each run where it first has its own twin's energy."""
    design, loss = point.design, parse_loss(point.loss)
    twin = twin_threshold(design, loss)
    problem = draw_problem(design, "teacher", loss)
    crossing = integrate(problem, design.start(), T_TWIN, stop=AtEnergy(twin.energy))
    spectra = spectral_rows(
        problem, crossing.state, "teacher", key=design.key("lanczos"), lowest=LOWEST
    )
    start = problem.overlap(design.start())
    return [
        {
            **_parameters(point, run),
            "outcome": "crossed" if crossing.crossed[run] else "not_crossed",
            "threshold_energy": number(twin.energy[run]),
            "twin_speed2": number(twin.speed2[run]),
            "twin_settled": at_rest(twin.outcome[run]),
            "overlap_start": number(float(start[run])),
            "crossed": bool(crossing.crossed[run]),
            "time": number(crossing.stopped_at[run]) if crossing.crossed[run] else None,
            **(spectra[run] if crossing.crossed[run] else dict.fromkeys(spectra[run])),
        }
        for run in range(design.k)
    ]


def failed_rows(point: CrossingPoint, reason: str) -> list[Row]:
    """Return the rows of runs that could not be computed."""
    return [
        {**_parameters(point, run), "outcome": str(Outcome.failed), "reason": reason}
        for run in range(point.design.k)
    ]


def cost(point: CrossingPoint) -> Cost:
    """Return what a point is expected to take: its twin, mostly."""
    design = point.design
    products = TWIN_GRADIENTS * point.alpha + 200
    memory = 4.0 * (2.0 * design.m * design.n + 6.0 * design.k * design.m)
    return Cost(
        4.0 * design.k * design.m * design.n * products,
        memory + 4.8e2 * design.k * design.n,
        (design.m, design.n, design.k, point.loss),
    )


def _parameters(point: CrossingPoint, run: int) -> Row:
    return design_columns(point.design, run) | {"loss": point.loss}
