"""The N → ∞ predictions: 1RSB threshold states, full-RSB ground states, bulk edge, outlier, BBP."""

from gapless.theory.bbp import (
    BBPThreshold,
    RandomStart,
    bbp_at_random_start,
    bbp_threshold,
    bulk_density,
    bulk_edge,
    outlier,
)
from gapless.theory.bulk import BulkEdge, Curvatures, Outlier
from gapless.theory.complexity import (
    ComplexityCurve,
    GroundState,
    complexity_curve,
    ground_state,
)
from gapless.theory.full_rsb import (
    FullRSBState,
    FullRSBThreshold,
    full_rsb_energy,
    full_rsb_state,
    full_rsb_threshold,
)
from gapless.theory.replica import ThresholdState, threshold_state
from gapless.theory.roots import NotConverged

__all__ = [
    "BBPThreshold",
    "BulkEdge",
    "ComplexityCurve",
    "Curvatures",
    "FullRSBState",
    "FullRSBThreshold",
    "GroundState",
    "NotConverged",
    "Outlier",
    "RandomStart",
    "ThresholdState",
    "bbp_at_random_start",
    "bbp_threshold",
    "bulk_density",
    "bulk_edge",
    "complexity_curve",
    "full_rsb_energy",
    "full_rsb_state",
    "full_rsb_threshold",
    "ground_state",
    "outlier",
    "threshold_state",
]
