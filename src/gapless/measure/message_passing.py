"""Points of Bayes-optimal message passing: K runs on one design, iteration by iteration."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from gapless.algorithms import amp, parse_start, start_states
from gapless.algorithms.starts import Start
from gapless.flow.outcome import ZERO_ENERGY, outcomes
from gapless.inputs import whole
from gapless.measure.design_point import DESIGN_COLUMNS, DesignPoint, gradient_operations
from gapless.measure.point import Cost, finite
from gapless.precision import Dtype
from gapless.problem import check_noise, draw_problem
from gapless.sensing import check_storage, stored_numbers
from gapless.sphere import normalise

AMP_START, AMP_ITERATIONS = 0.1, 200
"""Initial overlap of message passing, below every plotted fixed point, and its iterations."""
MOST_ITERATIONS = 100_000
"""Largest number of iterations, whose overlaps are all recorded."""

RECORDS = pa.schema(
    DESIGN_COLUMNS
    | {name: pa.string() for name in ("dtype", "start", "outcome", "reason")}
    | {"noise": pa.float64(), "iterations": pa.int64()}
    | {name: pa.float64() for name in ("assumed_overlap", "overlap", "variance", "energy")}
    | {name: pa.list_(pa.float64()) for name in ("overlap_t", "variance_t")}
)
"""Columns of a run: parameters; `assumed_overlap` q₀; at the end the overlap q of the estimate Ŵ
with the signal, the algorithm's own estimate `variance` of |Ŵ − W*|²/N, and the energy L/N of Ŵ
scaled to the sphere; overlap and variance after iterations 0 … T as lists."""


class AMPPoint(DesignPoint):
    """Parameters of K runs of message passing (`gapless.algorithms.amp`).

    `start` is ``random`` or ``overlap:0.1``; `noise` is the variance Δ of the label noise, which
    the algorithm is given.
    """

    SCHEMA = RECORDS
    LIKE_GAUSSIAN_ONLY = "the Onsager term of message passing"
    dtype: Dtype = "float32"
    start: str = f"overlap:{AMP_START}"
    noise: float = 0.0
    iterations: int = AMP_ITERATIONS

    @model_validator(mode="after")
    def _check_run(self) -> "AMPPoint":
        object.__setattr__(self, "start", str(self.begin))
        check_noise(self.noise)
        check_storage(self.sensing, self.dtype, self.n)
        whole("iterations", self.iterations, 1, MOST_ITERATIONS)
        if self.dtype == "float16":
            raise ValueError("dtype: message passing is in float32 or float64; give one of them")
        if self.begin.kind == "spectral":
            raise ValueError(
                "start: the first Onsager term is that of a start drawn without regard to X, and "
                "a spectral start is not; use random or overlap:0.1"
            )
        if not 0 < self.assumed_overlap < 1:
            raise ValueError(
                "start: overlaps 0 and 1 are fixed points of message passing; use random or "
                "overlap:0.1"
            )
        return self

    @property
    def begin(self) -> Start:
        """Start of the runs."""
        return parse_start(self.start)

    @property
    def assumed_overlap(self) -> float:
        """q₀ that the algorithm assumes: of a random start 1/√N, the root of E q²."""
        # −W* is the signal as well
        return self.n**-0.5 if self.begin.kind == "random" else abs(self.begin.overlap)

    def identity(self) -> dict[str, Any]:
        """Return the columns of the design and the algorithm."""
        return super().identity() | {"assumed_overlap": self.assumed_overlap}

    def measure(self, on_share: Callable[[float], None] | None = None) -> pa.Table:
        """Return the records of `RECORDS`, one per run.

        `on_share` is called at the end, since the iterations are one program.
        """
        problem = draw_problem(self.design, dtype=self.dtype, noise=self.noise)
        start = start_states(self.design, problem, self.begin)
        found = amp(
            problem, start, self.assumed_overlap, iterations=self.iterations, noise=self.noise
        )
        # the length of the estimate is its certainty; the result is its direction
        estimate = np.asarray(found.estimate)
        whole_runs = np.asarray(np.isfinite(estimate).all(axis=1) & estimate.any(axis=1))
        state = normalise(np.where(whole_runs[:, None], estimate, np.asarray(start)))
        energy = np.asarray(problem.to_numpy().energy(state), float)
        overlap = found.overlap[:, -1]
        ended = outcomes(
            overlap=overlap,
            has_signal=True,
            zero=energy <= ZERO_ENERGY,
            at_rest=np.zeros(self.rows, bool),
            stopped=np.zeros(self.rows, bool),
            finite=whole_runs,
        )
        if on_share is not None:
            on_share(1.0)
        return self.table(
            outcome=[str(one) for one in ended],
            overlap=finite(overlap),
            variance=finite(found.variance[:, -1]),
            energy=finite(energy, whole_runs),
            overlap_t=finite(found.overlap),
            variance_t=finite(found.variance),
        )

    @property
    def bytes(self) -> float:
        """Expected peak memory: X, fields of the labels, and estimates of K runs."""
        design, width = self.design, 8 if self.dtype == "float64" else 4
        stored = stored_numbers(design.of_transforms, design.m, self.n)
        return width * (stored + 10.0 * design.k * design.m + 20.0 * design.k * self.n)

    def cost(self) -> Cost:
        """Return the expected cost of the point; an iteration is a gradient."""
        design = self.design
        flops = gradient_operations(design) * self.iterations
        return self.priced(flops, self.bytes, ("amp", design.m, self.n, design.k, self.iterations))
