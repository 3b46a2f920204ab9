"""The α at which half of the runs are solved, against N from 64 to a million, by time budget."""

from dataclasses import dataclass
from math import log2

from gapless.figures.experiment import Experiment, Scale
from gapless.measure.simulation import Simulation
from gapless.sensing import Ensemble

BUDGETS = (0.15, 0.3, 0.6, 1.2)
"""Time budgets c in units of log₂ N; the paper's is 0.3."""


@dataclass(frozen=True)
class Curve:
    """One N: the ensemble of X, its α, and at each the number of designs and runs on a design.

    `budget` is the largest c that the runs are given.
    """

    n: int
    sensing: Ensemble
    alphas: tuple[float, ...]
    designs: int
    runs: int
    budget: float = BUDGETS[-1]


_SMOKE = (4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 13.0)
_SMALL = (4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0, 8.0, 9.0, 10.0, 12.0)
_LARGE = (5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0)
_HUGE = (6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0)
SIZES: dict[Scale, tuple[Curve, ...]] = {
    "large": (
        *(Curve(n, "gaussian", _SMALL, 16, 64) for n in (64, 128, 256, 512)),
        Curve(1024, "gaussian", _SMALL, 12, 64),
        Curve(2048, "gaussian", _LARGE, 8, 64),
        Curve(4096, "gaussian", _LARGE, 6, 64),
        Curve(8192, "gaussian", _LARGE, 4, 64),
        Curve(1024, "fast", _SMALL, 12, 64),
        Curve(4096, "fast", _LARGE, 6, 64),
        Curve(16384, "fast", _HUGE, 4, 32),
        Curve(65536, "fast", _HUGE, 4, 32),
        Curve(262144, "fast", _HUGE, 4, 16, 0.6),
        Curve(1048576, "fast", _HUGE, 4, 4, 0.6),
    ),
}


def points(scale: Scale, seed: int) -> list[Simulation]:
    """Return the designs of every N and α of a scale, first designs first."""
    return [
        Simulation(
            n=curve.n,
            alpha=alpha,
            seed=seed,
            index=index,
            runs=curve.runs,
            t_max=curve.budget * log2(curve.n),
            sensing=curve.sensing,
        )
        for curve in SIZES[scale]
        for index in range(curve.designs)
        for alpha in curve.alphas
    ]


EXPERIMENT = Experiment(
    name="reach",
    title="Reach",
    version=1,
    points=points,
    reduce=lambda table: table,
    picture=None,
    scales=("large",),
)
