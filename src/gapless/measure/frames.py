"""Frames along the flow of runs from overlap zero: state, Hessian and theory."""

import numpy as np
import pyarrow as pa

from gapless.algorithms.starts import warm_states
from gapless.losses import parse_loss
from gapless.measure.crossing import CrossingPoint
from gapless.measure.design_point import DESIGN_COLUMNS
from gapless.measure.history import follow_with_history
from gapless.measure.point import Cost
from gapless.measure.spectra import spectral_columns
from gapless.problem import draw_problem

HORIZON = 6.0
"""Time of the last frame."""
_STATE = {
    "energy_t": "energy",
    "mu_t": "mu",
    "overlap_t": "overlap",
    "hessian_edge_t": "hessian_edge",
    "hessian_outlier_t": "hessian_outlier",
    "outlier_overlap_t": "outlier_overlap",
    "joint_outlier_t": "joint_outlier",
    "joint_overlap_t": "joint_overlap",
    "missing_t": "missing",
}
_LOWEST = {
    "eigenvalue_1_t": "eigenvalues",
    "vector_overlap_1_t": "vector_overlap",
    "top_sample_share_1_t": "top_sample_share",
}
RECORDS = pa.schema(
    DESIGN_COLUMNS
    | {name: pa.string() for name in ("loss", "outcome", "reason")}
    | {name: pa.list_(pa.float64()) for name in ("t", *_STATE, *_LOWEST)}
)
"""Columns of a run: the point's parameters, and lists over frames.

State: energy, μ, overlap. Hessian (Eq. 4, after −μ): λ₁, its vector's overlap with the signal and
largest share on one sample. Theory from the run's own labels: bulk edge, outlier at overlap zero,
its overlap (NaN without an outlier). Theory from labels and history, at any overlap: the lowest
eigenvalue, its overlap, and what is missing of the history (`gapless.measure.history`).
"""


class FramesPoint(CrossingPoint):
    """Parameters of K runs on one design, and the number of frames."""

    SCHEMA = RECORDS
    LIKE_GAUSSIAN_ONLY = "the outlier from the history"
    COMPLEX = False  # as `SpectralPoint`
    frames: int = 25

    def measure(self) -> pa.Table:
        """Return the records of `RECORDS`, one per run."""
        design = self.design
        problem = draw_problem(design, "teacher", parse_loss(self.loss))
        # overlap 0, as at N = ∞: a random start has |q| ~ N^(−1/2), which blurs when λ₁ detaches
        start = warm_states(design.teacher(), design.start(), 0.0)
        # early times matter most: 0, and then growing by a factor
        times = [0.0, *np.geomspace(0.02, HORIZON, self.frames - 1).tolist()]
        # one key for all frames: their eigenpairs may differ by the state alone
        key = design.key("lanczos")
        frames = follow_with_history(
            problem,
            start,
            times,
            # observed on the way: only columns are kept, not the states of all frames
            lambda state, joint: (
                spectral_columns(problem, state, "teacher", key=key, lowest=1) | joint
            ),
        )
        return self.table(
            outcome="followed",
            t=[times] * self.rows,
            **{
                # frames first as they were observed; a record holds one run's frames
                name: np.stack([frame[source] for frame in frames], axis=1)
                for name, source in _STATE.items()
            },
            **{
                name: np.stack([frame[source][:, 0] for frame in frames], axis=1)
                for name, source in _LOWEST.items()
            },
        )

    def cost(self) -> Cost:
        """Return the expected cost of the point: its flow, and an eigenpair per run and frame."""
        design = self.design
        # two products with X a gradient, of two operations a matrix element each
        size = 4.0 * design.k * design.m * design.n
        # the matrix takes M N² operations, its tridiagonal form a multiple of N³
        dense = self.frames * design.k * (design.m + 3 * design.n) * float(design.n) ** 2
        return self.priced(
            size * 600 + dense, 4.0 * (2 * design.m * design.n + 40 * design.k * design.m)
        )
