"""Runs to their own threshold energies, and their Hessians there."""

from typing import Any

import numpy as np
import pyarrow as pa

from gapless.flow import AtEnergy, integrate, transforms_in_numpy
from gapless.losses import name_for_runs, parse_loss
from gapless.measure.design_point import DESIGN_COLUMNS, DesignPoint, gradient_operations
from gapless.measure.point import Cost, finite
from gapless.measure.spectra import spectral_columns
from gapless.measure.threshold import T_TWIN, at_rest, twin_threshold
from gapless.problem import draw_problem
from gapless.sensing import stored_numbers

LOWEST = 3
"""Number of eigenpairs per run, λ₁ to λ₃."""
TWIN_GRADIENTS = 100.0
"""Gradients of a twin to t = 20 per unit of α, as measured at α = 10, N = 512."""

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
TWIN_AT_REST = "twin_settled"
"""Stored name of the column whether a run's twin came to rest: another would lose older records."""
RECORDS = pa.schema(
    DESIGN_COLUMNS
    | {name: pa.string() for name in ("loss", "outcome", "reason")}
    | {name: pa.bool_() for name in (TWIN_AT_REST, "crossed", "edge_from_one_atom")}
    | {name: pa.float64() for name in _NUMBERS}
    | {name: pa.list_(pa.float64()) for name in _LISTS}
)
"""Columns of a run at its crossing.

The point's parameters; `outcome` (``crossed``, ``not_crossed``, ``failed``) and, for a failed
run, its `reason`; the twin's energy, its speed |∇L − μW|²/N and whether that is rest (below 1e-10
by t = 20: `TWIN_AT_REST`); the time of the crossing and the state there; the lowest eigenpairs;
theory's edge and outlier from the run's own labels (see `spectra.theory_of`), null where theory is
not that of the ensemble of X. The columns are null for a run that did not cross.
"""


class CrossingPoint(DesignPoint):
    """Parameters of K runs to the energies of their own twins."""

    SCHEMA = RECORDS
    COMPLEX = True
    loss: str = "quartic"

    def model_post_init(self, context: Any) -> None:
        """Raise ``ValueError`` for parameters that no design or loss has."""
        super().model_post_init(context)
        # the full name, with the hash of a user's source: the record's address depends on it
        object.__setattr__(self, "loss", name_for_runs(self.loss, "float32"))

    @property
    def computed_in_numpy(self) -> bool:
        """Whether the runs are followed in NumPy."""
        return self.in_numpy or transforms_in_numpy(self.sensing, parse_loss(self.loss))

    def measure(self) -> pa.Table:
        """Return the records of `RECORDS`: each run at the first crossing of its twin's energy."""
        design, loss = self.design, parse_loss(self.loss)
        # the twin first: its energy at rest is the target of the run that has a teacher
        twin = twin_threshold(design, loss)
        problem = draw_problem(design, "teacher", loss)
        # the time that the twin was given
        crossing = integrate(problem, design.start(), T_TWIN, stop=AtEnergy(twin.energy))
        crossed = np.asarray(crossing.crossed)
        spectra = spectral_columns(
            # of all runs, crossed or not: one shape for all designs, so one program
            problem,
            crossing.state,
            "teacher",
            key=design.key("lanczos"),
            lowest=LOWEST,
            sensing=self.sensing,
        )
        # energy, μ and the rest by the names that the records have; what they lack is not kept
        known = {name: values for name, values in spectra.items() if name in self.SCHEMA.names}
        return self.table(
            # not an Outcome: a run at rest above its twin's energy did not cross, however it ended
            outcome=np.where(crossed, "crossed", "not_crossed"),
            threshold_energy=finite(twin.energy),
            twin_speed2=finite(twin.speed2),
            overlap_start=finite(problem.overlap(design.start())),
            crossed=crossed,
            time=finite(crossing.stopped_at, crossed),
            **{TWIN_AT_REST: [at_rest(outcome) for outcome in twin.outcome]},
            **{name: finite(values, crossed) for name, values in known.items()},
        )

    def cost(self) -> Cost:
        """Return the expected cost of the point, most of which is that of its twins."""
        design = self.design
        products = TWIN_GRADIENTS * self.alpha + 200
        size = stored_numbers(design.of_transforms, design.m, design.n)
        memory = 4.0 * (2.0 * size + 6.0 * design.k * design.m)
        return self.priced(
            gradient_operations(design, reads=0.0) * products,
            memory + 4.8e2 * design.k * design.n,
            (design.m, design.n, design.k, self.loss),
        )
