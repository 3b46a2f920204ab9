"""Runs to their crossings, and the whole spectrum along the run of median crossing time."""

from typing import Any

import numpy as np
import pyarrow as pa

from gapless.arrays import jax
from gapless.flow import State
from gapless.generalisation import generalisation_error
from gapless.hessian import lowest_eigenpairs, signal_overlap, spectrum, top_sample_share
from gapless.losses import parse_loss
from gapless.measure import crossing
from gapless.measure.crossing import LOWEST, CrossingPoint
from gapless.measure.history import follow_with_history
from gapless.measure.point import Cost
from gapless.measure.spectra import theory_of
from gapless.problem import draw_problem

HORIZON = 2.5
"""Time of the last frame, in units of the crossing time."""
BINS = 240
"""Largest number of bins of the density; smaller N have N/8, with eight eigenvalues per bin."""

_SERIES = (
    "t",
    "energy_t",
    "generalisation_t",
    "overlap_t",
    "mu_t",
    *(f"eigenvalue_{i}_t" for i in range(1, LOWEST + 1)),
    *(f"vector_overlap_{i}_t" for i in range(1, LOWEST + 1)),
    "top_sample_share_1_t",
    "residual_t",
    "width_t",
    "negative_t",
    "hessian_edge_t",
    "edge_without_one_t",
    "edge_from_one_atom_t",
    "hessian_outlier_t",
    "outlier_overlap_t",
    "joint_outlier_t",
    "joint_overlap_t",
    "missing_t",
    "bin_edges",
    "density_t",
)
RECORDS = pa.unify_schemas(
    [
        crossing.RECORDS,
        pa.schema(
            {"designs": pa.int64(), "followed": pa.bool_()}
            | {name: pa.list_(pa.float64()) for name in _SERIES}
        ),
    ]
)
"""Columns: those of a run at its crossing and, for the run that was followed, its frames.

Lists over frames: energy, generalisation error, overlap, μ; the lowest eigenvalues, their vectors'
overlaps with the signal, v₁'s share on its top sample, the largest residual, the spectral width,
number of negative eigenvalues; theory's edge, the edge without the most negative sample, whether
one sample sets the edge, outlier at overlap zero and its overlap (NaN without one); theory's lowest
eigenvalue from labels and history, at any overlap, its overlap, and the missing part of the history
(`gapless.measure.history`). `density_t` is the density of eigenvalues between `bin_edges`, frames ×
bins, row by row.
"""


class SpectralPoint(CrossingPoint):
    """Parameters of Figure 2: `designs` designs of K runs, `frames` along the median run."""

    SCHEMA = RECORDS
    COMPLEX = False  # the outlier from the history is one of real samples
    LIKE_GAUSSIAN_ONLY = "the outlier from the history"
    designs: int = 1
    frames: int = 61

    def on(self, index: int) -> CrossingPoint:
        """Return the point of the runs on one design."""
        # of the parent's class: Figure 2's crossings are measured exactly as Figure 3's are
        fields = self.model_dump(include=set(CrossingPoint.model_fields))
        return CrossingPoint.model_validate(fields | {"index": index})

    @property
    def rows(self) -> int:
        """Number of runs on all designs."""
        return self.designs * self.design.k

    def identity(self) -> dict[str, Any]:
        """Return the columns of the designs, one after the other."""
        # rows of several designs stand in one table, where a point of one design says it once
        return super().identity() | {"design": np.repeat(np.arange(self.designs), self.design.k)}

    def measure(self) -> pa.Table:
        """Return the records of `RECORDS`, one per run; the median run's has the frames."""
        # all designs are crossed first: which run is median is known only then
        runs = pa.concat_tables([self.on(index).measure() for index in range(self.designs)])
        mine = self.table(
            **{name: runs[name] for name in crossing.RECORDS.names if name != "run"},
            followed=False,
        )
        time = runs["time"].to_numpy()
        crossed = np.flatnonzero(np.isfinite(time))
        # α so small, or N so large, that no run came to its twin's energy: nothing to follow
        if not crossed.size:
            return mine
        # the run nearest to the median, not an average of frames: a spectrum is that of one run
        chosen = int(crossed[np.argmin(np.abs(time[crossed] - np.median(time[crossed])))])
        series = self.frames_of(*divmod(chosen, self.design.k), float(time[chosen]))
        for name, values in {"followed": True, **series}.items():
            # one row of many: Arrow's tables are immutable, so the column is made anew
            column = mine[name].to_pylist()
            column[chosen] = values
            place = mine.schema.get_field_index(name)
            mine = mine.set_column(place, mine.schema.field(name), pa.array(column))
        return mine

    def frames_of(self, index: int, run: int, time: float) -> dict[str, list[float]]:
        """Return the frames along a run that crosses at `time`: everything from `_SERIES`."""
        design, loss = self.on(index).design, parse_loss(self.loss)
        # one run of K: its Hessian is dense, and the others' labels would be stepped for nothing
        problem = draw_problem(design, "teacher", loss).of_runs(np.array([run]))
        # from the start through the crossing to well past it: the bulk's edge rises above zero late
        times = np.linspace(0, HORIZON * time, self.frames)
        series: dict[str, list[Any]] = {name: [] for name in _SERIES}
        spectra, previous = [], None
        # alone, it is the run of its batch to the steps' tolerance only: it shares no stages now
        frames: list[tuple[State, dict[str, np.ndarray]]] = follow_with_history(
            problem, design.start()[run : run + 1], times, lambda state, joint: (state, joint)
        )
        for frame, (state, joint) in enumerate(frames):
            w = state.w
            # a start of its own for each frame: none inherits what another missed
            key = jax.random.fold_in(design.key("lanczos"), frame)
            # `previous`: neighbouring frames differ little, so their eigenvectors are a warm start
            pairs = lowest_eigenpairs(problem, w, LOWEST, key=key, previous=previous)
            previous = pairs.vectors
            # dense: the density and the number of negative eigenvalues need them all
            eigenvalues = spectrum(problem, w, 0)
            spectra.append(eigenvalues)
            q = float(problem.overlap(w)[0])
            overlaps = signal_overlap(pairs.vectors, problem.teacher)[0]
            theory = theory_of(problem.label_law(w, 0), loss, problem.alpha, "teacher")
            now = {
                "t": times[frame],
                "energy_t": float(state.energy[0]),
                "generalisation_t": float(generalisation_error(np.array(q), loss, problem.alpha)),
                "overlap_t": q,
                "mu_t": float(state.mu[0]),
                **{f"eigenvalue_{i + 1}_t": float(pairs.values[0, i]) for i in range(LOWEST)},
                **{f"vector_overlap_{i + 1}_t": float(overlaps[i]) for i in range(LOWEST)},
                "top_sample_share_1_t": float(top_sample_share(problem, pairs.vectors)[0, 0]),
                "residual_t": float(pairs.residuals.max()),
                "width_t": float(eigenvalues[-1] - eigenvalues[0]),
                "negative_t": float((eigenvalues < 0).sum()),
                **{f"{name}_t": float(value) for name, value in theory.items()},
                **{f"{name}_t": float(value[0]) for name, value in joint.items()},
            }
            for name, value in now.items():
                series[name].append(value)
        return series | _histograms(spectra)

    def cost(self) -> Cost:
        """Return the expected cost of the point: twins, and a dense spectrum per frame."""
        one = self.on(0).cost()
        # 4/3 N³ operations of the eigenvalues, at a third of a product's speed
        frame = self.design.m * self.n**2 + 4.0 * self.n**3
        memory = one.bytes + 4.0 * self.design.m * self.n + 24.0 * self.n**2
        return Cost(self.designs * one.flops + self.frames * frame, memory, one.program)


def _histograms(spectra: list[np.ndarray]) -> dict[str, list[float]]:
    """Return the densities of all frames on common bins, up to the 99 % quantile of eigenvalues."""
    # common bins: the frames are one heat map of density against time
    low = min(values[0] for values in spectra)
    # 0.99: the tail of the quartic loss reaches far and would leave the bulk a few bins
    high = max(np.quantile(values, 0.99) for values in spectra)
    bins = min(BINS, max(8, len(spectra[0]) // 8))
    # 1e-6 below: histograms have half-open bins, and λ₁ lies exactly on the first edge
    edges = np.linspace(low - 1e-6 * abs(low), high, bins + 1)
    # by all eigenvalues, those beyond the last edge too: the density integrates to their share
    density = [np.histogram(v, edges)[0] / (len(v) * (edges[1] - edges[0])) for v in spectra]
    return {"bin_edges": edges.tolist(), "density_t": np.concatenate(density).tolist()}
