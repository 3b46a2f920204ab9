"""Points of K runs on one design, and the designs that hold the runs of a sweep."""

from collections.abc import Hashable, Sequence
from math import ceil
from typing import Any, TypeVar

import pyarrow as pa

from gapless.design import Design, default_runs_per_design
from gapless.measure.point import Cost, Point
from gapless.sensing import Ensemble, product_operations

DESIGN_COLUMNS: dict[str, pa.DataType] = {
    **{name: pa.int64() for name in ("n", "m")},
    "alpha": pa.float64(),
    **{name: pa.int64() for name in ("seed", "design", "runs", "run")},
}
"""Columns that say which run of which design a record is of."""
NUMPY_IS_SLOWER = 3.0
"""Than compiled code at N = 64; less at larger N."""
TRANSFORMS_ARE_SLOWER = 25.0
"""An operation of a transform beside one of a matrix product."""
LABEL_OPERATIONS = 500.0
"""What the loss and its derivative of a label take in NumPy, in operations of a matrix product."""
MOST_RUNS = 10_000_000
"""At each α: a hundred times the paper's; more is a slip of the keyboard."""


def gradient_operations(design: Design, reads: float = 20.0) -> float:
    """Return what a gradient of K runs takes, in operations of a matrix product.

    Dense: 4KMN, and reads of X that take as long as 20 more runs would. By transforms: both
    products, and the loss of KM labels, as measured.
    """
    if design.of_transforms:
        product = product_operations(True, design.m, design.n)
        return design.k * (2 * TRANSFORMS_ARE_SLOWER * product + LABEL_OPERATIONS * design.m)
    return 4.0 * (design.k + reads) * design.m * design.n


class DesignPoint(Point):
    """Parameters of K runs on one design; K is a fixed function of N where `runs` is None.

    `in_numpy`: nothing is compiled, and the records are the same to rounding. For points of which
    there are few of one shape. `sensing` is the ensemble of X (`gapless.sensing`).
    """

    LATER = ("in_numpy", "sensing")
    n: int
    alpha: float
    seed: int
    index: int = 0
    runs: int | None = None
    in_numpy: bool = False
    sensing: Ensemble = "gaussian"

    def model_post_init(self, context: Any) -> None:
        """Refuse parameters that no design has."""
        del context
        # a design checks its own parameters: refused here, not after minutes on a worker
        _ = self.design

    @property
    def design(self) -> Design:
        """The design that the runs are on."""
        # drawn anew by whoever asks: a point is parameters, and travels to workers
        shape = self.n, self.alpha, self.seed, self.index, self.runs
        return Design(*shape, in_numpy=self.at_once, sensing=self.sensing)

    @property
    def at_once(self) -> bool:
        """Whether the runs are followed in NumPy: when that is asked for, or sooner done."""
        return self.in_numpy

    @property
    def rows(self) -> int:
        """How many runs there are."""
        return self.design.k

    def priced(self, flops: float, size: float, program: Hashable = None) -> Cost:
        """Return the cost of so many operations and bytes; in NumPy no program is compiled."""
        if self.design.of_transforms and self.at_once:
            return Cost(flops, size)
        if self.in_numpy:
            return Cost(NUMPY_IS_SLOWER * flops, size)
        return Cost(flops, size, program)

    def identity(self) -> dict[str, Any]:
        """Return parameters, M, K (``runs``) and the index of the design (``design``)."""
        design = self.design
        # M and K as computed: α and an open `runs` would leave them to the reader
        return super().identity() | {"m": design.m, "runs": design.k, "design": design.index}


P = TypeVar("P", bound=DesignPoint)


def sweep_points(template: P, alphas: Sequence[float], runs: int) -> list[P]:
    """Return the points that hold at least `runs` runs at each α; `template` has the rest.

    Whole designs are measured; `success_table` cuts the last one to `runs`. K is
    `sweep_runs_per_design` where the template leaves it open, and each point says it.
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
    """Return the points that hold `runs` runs, where single runs are looked at.

    Designs have `default_runs_per_design` runs and the last one those that are left: no more are
    computed than are asked for. Where the template says K, all designs have K.
    """
    check_runs(runs)
    # few runs: what is not asked for would be waited for
    k = template.runs or min(runs, default_runs_per_design(template.n))
    whole, left = divmod(runs, k)
    # where K is said, the last design is whole as well: rounding depends on K
    sizes = [k] * whole + [k if template.runs else left] * (left > 0)
    return [template.model_copy(update={"index": i, "runs": size}) for i, size in enumerate(sizes)]


def sweep_runs_per_design(n: int) -> int:
    """Return K of a sweep, where it is left open: more than where single runs are looked at.

    Chosen by the smallest cost a run × (1 + (K − 1)ρ), ρ the intraclass correlation of success
    (`docs/benchmarks.md`, "Runs on one design").
    """
    return 128 if n <= 2048 else default_runs_per_design(n)


def check_runs(runs: int, runs_per_design: int | None = None) -> None:
    """Raise ``ValueError`` unless 1 ≤ runs ≤ `MOST_RUNS`, and 1 ≤ runs_per_design if given.

    A design calls its own number `runs`: only here is it known that the user said another word.
    """
    if not 1 <= runs <= MOST_RUNS:
        raise ValueError(f"runs: must be from 1 to {MOST_RUNS}, not {runs}")
    if runs_per_design is not None and runs_per_design < 1:
        raise ValueError(f"runs_per_design: must be at least 1, not {runs_per_design}")
