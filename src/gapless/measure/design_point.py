"""Points of K runs on one design, and the designs that hold the runs of a sweep."""

from collections.abc import Hashable, Sequence
from math import ceil
from typing import Any, ClassVar, TypeVar

import pyarrow as pa

from gapless.design import Design, default_runs_per_design
from gapless.inputs import Field
from gapless.measure.point import Cost, Point
from gapless.sensing import Ensemble, check_like_gaussian, product_operations

DESIGN_COLUMNS: dict[str, pa.DataType] = {
    **{name: pa.int64() for name in ("n", "m")},
    "alpha": pa.float64(),
    **{name: pa.int64() for name in ("seed", "design", "runs", "run")},
    "sensing": pa.string(),
}
"""Columns that identify the design and the run of a record; `sensing` is null in older records,
whose X is Gaussian."""
NUMPY_IS_SLOWER = 3.0
"""Time of NumPy relative to compiled code at N = 64; the ratio is smaller at larger N."""
TRANSFORMS_ARE_SLOWER = 25.0
"""Time of an operation of a transform, relative to one of a matrix product."""
LABEL_OPERATIONS = 500.0
"""Time of the loss and its derivative of one label in NumPy, in operations of a matrix product."""
MOST_RUNS = 10_000_000
"""Largest number of runs at each α, a hundred times the paper's."""


def gradient_operations(design: Design, reads: float = 20.0) -> float:
    """Return the cost of a gradient of K runs, in operations of a matrix product.

    A dense gradient takes 4KMN, and reads of X that take the time of 20 further runs. One by
    transforms takes both products and the loss of KM labels, as measured.
    """
    if design.of_transforms:
        product = product_operations(True, design.m, design.n)
        return design.k * (2 * TRANSFORMS_ARE_SLOWER * product + LABEL_OPERATIONS * design.m)
    # of complex vectors X gives two readings, by products with two real ones
    vectors = design.k * design.dimension / design.n
    return 4.0 * (vectors + reads) * design.m * design.dimension


class DesignPoint(Point):
    """Parameters of K runs on one design; K is a fixed function of N where `runs` is None.

    With `in_numpy` nothing is compiled, and the records are the same to rounding; it is faster for
    few points of one shape. `sensing` is the ensemble of X (`gapless.sensing`), and
    `field` is ``real`` or ``complex``.
    """

    LATER = ("in_numpy", "sensing", "field")
    COMPLEX: ClassVar[bool] = False
    """Whether the measurement is defined for complex signals."""
    LIKE_GAUSSIAN_ONLY: ClassVar[str] = ""
    """Part of the measurement that is of a Gaussian X only, in words; empty if none is."""
    n: int
    alpha: float
    seed: int
    index: int = 0
    runs: int | None = None
    in_numpy: bool = False
    sensing: Ensemble = "gaussian"
    field: Field = "real"

    def model_post_init(self, context: Any) -> None:
        """Raise ``ValueError`` for parameters that no design has."""
        del context
        if self.field == "complex" and not self.COMPLEX:
            raise ValueError(f"field: {type(self).__name__} is for real signals; use field real")
        if self.LIKE_GAUSSIAN_ONLY:
            check_like_gaussian(self.sensing, self.LIKE_GAUSSIAN_ONLY)
        # a design checks its own parameters: refused here, not after minutes on a worker
        _ = self.design

    @property
    def design(self) -> Design:
        """Design of the runs."""
        # drawn anew by whoever asks: a point is parameters, and travels to workers
        shape = self.n, self.alpha, self.seed, self.index, self.runs
        return Design(
            *shape, in_numpy=self.computed_in_numpy, sensing=self.sensing, field=self.field
        )

    @property
    def computed_in_numpy(self) -> bool:
        """Whether the runs are computed in NumPy, by request or because it is faster."""
        return self.in_numpy

    @property
    def rows(self) -> int:
        """Number of runs."""
        return self.design.k

    def priced(self, flops: float, size: float, program: Hashable = None) -> Cost:
        """Return the cost for a number of operations and bytes; NumPy needs no program."""
        if self.design.of_transforms and self.computed_in_numpy:
            return Cost(flops, size)
        if self.in_numpy:
            return Cost(NUMPY_IS_SLOWER * flops, size)
        return Cost(flops, size, program)

    def identity(self) -> dict[str, Any]:
        """Return the parameters, M, K (``runs``) and the index of the design (``design``)."""
        design = self.design
        # M and K as computed: α and an open `runs` would leave them to the reader
        return super().identity() | {"m": design.m, "runs": design.k, "design": design.index}


P = TypeVar("P", bound=DesignPoint)


def sweep_points(template: P, alphas: Sequence[float], runs: int) -> list[P]:
    """Return points with at least `runs` runs at each α; `template` has the other parameters.

    Whole designs are measured; `success_table` cuts the last one to `runs`. Each point contains its
    K, which is `sweep_runs_per_design` unless the template has one.
    """
    check_runs(runs)
    # K is written down: if the rule changes, records of the old one keep their addresses
    k = template.runs or sweep_runs_per_design(template.n)
    given = template.model_dump() | {"runs": k}
    # validated once for each α, since copies below are not
    checked = [type(template).model_validate(given | {"alpha": a}) for a in alphas]
    # whole designs: the K runs share X, and cost little more than the runs that are asked for
    return [here.model_copy(update={"index": i}) for here in checked for i in range(ceil(runs / k))]


def points_of_few(template: P, runs: int) -> list[P]:
    """Return points with exactly `runs` runs, for results of single runs.

    Designs have `default_runs_per_design` runs and the last one the remainder, so that no more than
    `runs` are computed. If the template has a K, all designs have this K.
    """
    check_runs(runs)
    # few runs: what is not asked for would be waited for
    k = template.runs or min(runs, default_runs_per_design(template.n))
    whole, left = divmod(runs, k)
    # where K is said, the last design is whole as well: rounding depends on K
    sizes = [k] * whole + [k if template.runs else left] * (left > 0)
    return [template.model_copy(update={"index": i, "runs": size}) for i, size in enumerate(sizes)]


def sweep_runs_per_design(n: int) -> int:
    """Return the default K of a sweep, which is larger than that for single runs.

    It minimises the cost per run × (1 + (K − 1)ρ), where ρ is the intraclass correlation of success
    (`docs/benchmarks.md`, "Runs on one design").
    """
    return 128 if n <= 2048 else default_runs_per_design(n)


def check_runs(runs: int, runs_per_design: int | None = None) -> None:
    """Raise ``ValueError`` unless 1 ≤ runs ≤ `MOST_RUNS`, and 1 ≤ runs_per_design if given.

    The error has the user's name of the parameter; a design's own name of K is `runs`.
    """
    if not 1 <= runs <= MOST_RUNS:
        raise ValueError(f"runs: must be from 1 to {MOST_RUNS}, not {runs}")
    if runs_per_design is not None and runs_per_design < 1:
        raise ValueError(f"runs_per_design: must be at least 1, not {runs_per_design}")
