"""Figure 2: the Hessian's spectrum along the flow of one run, the one whose crossing is median.

Every run of the point is followed to the energy of its own shuffled twin; along the run with the
median crossing time the whole spectrum is diagonalised, and theory's edge and outlier are computed
from the run's own labels. The outlier is a statement at q = 0 and is greyed where q > 0.1; the
edge of a finite law that sits on one sample is flagged.
"""

from typing import Any

import jax
import numpy as np
import pandas as pd
import pyarrow as pa

from gapless.experiments import _crossing
from gapless.experiments._crossing import LOWEST, CrossingPoint, failed_rows, rows_at_crossing
from gapless.experiments._experiment import Cost, Experiment, Row, Scale
from gapless.experiments._spectra import theory_of
from gapless.experiments._threshold import AT_REST, T_TWIN
from gapless.experiments.fig2_picture import followed_run, frame_of, picture
from gapless.experiments.statistics import share
from gapless.experiments.verdict import MOSTLY, RARELY, Claim, Sample, Statement, judged, verdict
from gapless.flow import integrate
from gapless.hessian import lowest_eigenpairs, signal_overlap, spectrum, top_sample_share
from gapless.losses import parse_loss
from gapless.problem import draw_problem, generalisation_error

SIZES: dict[Scale, tuple[int, int, int, int]] = {
    "smoke": (128, 1, 32, 21),
    "desk": (2048, 2, 16, 61),
    "paper": (2048, 16, 16, 201),
}
"""N, designs, runs on each, and frames along the median run."""
ALPHA = 10.0
HORIZON = 2.5
"""Frames run to this multiple of the crossing time."""
BINS = 240
"""Bins of the density at most; N/8 for smaller N, eight eigenvalues each on average."""
PAPER_TIME = 1210 * 2e-4
"""The paper's crossing: iteration 1210 at rate 2e-4."""

INFORMED, INFORMED_VECTOR = 0.1, 0.2
"""Overlaps with the signal, of a state and of v₁, that are no longer of order 1/√N."""

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
    "bin_edges",
    "density_t",
)
SCHEMA = pa.unify_schemas(
    [
        _crossing.SCHEMA,
        pa.schema(
            {"designs": pa.int64(), "followed": pa.bool_()}
            | {name: pa.list_(pa.float64()) for name in _SERIES}
        ),
    ]
)
"""Columns: those of a run at its crossing and, for the run that was followed, its frames.

Lists over frames: energy, generalisation error, overlap, μ; the lowest eigenvalues, their vectors'
overlaps with the signal, v₁'s share on its top sample, the largest residual, the spectral width,
how many eigenvalues are negative; theory's edge, the edge without the most negative sample,
whether the edge sits on one sample, outlier and its overlap (NaN without one). `density_t` holds
frames × bins, row by row, of the density of eigenvalues between `bin_edges`.
"""


class SpectralPoint(CrossingPoint):
    """Parameters of Figure 2: `designs` designs of K runs, `frames` along the median run."""

    designs: int = 1
    frames: int = 61


def points(scale: Scale, seed: int) -> list[SpectralPoint]:
    """Return the one point of a scale."""
    n, designs, runs, frames = SIZES[scale]
    return [SpectralPoint(n=n, alpha=ALPHA, seed=seed, runs=runs, designs=designs, frames=frames)]


def measure(point: SpectralPoint) -> list[Row]:
    """Return the rows of `SCHEMA`, one a run; the median run's holds the frames."""
    rows: list[Row] = []
    for index in range(point.designs):
        here = _design_point(point, index)
        rows += [row | {"design": index} for row in rows_at_crossing(here)]
    for number, row in enumerate(rows):
        row |= {"run": number, "designs": point.designs, "followed": False}
    crossed = [row for row in rows if row["crossed"]]
    if crossed:
        median = np.median([row["time"] for row in crossed])
        chosen = min(crossed, key=lambda row: abs(row["time"] - median))
        chosen |= {"followed": True} | frames_of(point, chosen)
    return rows


def frames_of(point: SpectralPoint, row: Row) -> dict[str, list[float]]:
    """Return the frames along the run of a row: everything from `_SERIES`."""
    design, loss = _design_point(point, row["design"]).design, parse_loss(point.loss)
    run = slice(row["run"] % design.k, row["run"] % design.k + 1)
    whole = draw_problem(design, "teacher", loss)
    assert whole.teacher is not None
    problem = type(whole)(whole.sensing, whole.labels[run], whole.teacher[run], loss)
    times = np.linspace(0, HORIZON * row["time"], point.frames)
    series: dict[str, list[Any]] = {name: [] for name in _SERIES}
    spectra, previous = [], None
    states = integrate(
        problem, design.start()[run], times[-1], save_at=times, observe=lambda _, state: state
    ).observed
    for frame, state in enumerate(states):
        w = state.w
        key = jax.random.fold_in(design.key("lanczos"), frame)
        pairs = lowest_eigenpairs(problem, w, LOWEST, key=key, previous=previous)
        previous = pairs.vectors
        eigenvalues = spectrum(problem, w, 0)
        spectra.append(eigenvalues)
        overlap = float(problem.overlap(w)[0])
        overlaps = signal_overlap(pairs.vectors, problem.teacher)[0]
        theory = theory_of(problem.label_law(w, 0), loss, problem.alpha, "teacher")
        now = {
            "t": times[frame],
            "energy_t": float(state.energy[0]),
            "generalisation_t": float(generalisation_error(np.array(overlap), loss, problem.alpha)),
            "overlap_t": overlap,
            "mu_t": float(state.mu[0]),
            **{f"eigenvalue_{i + 1}_t": float(pairs.values[0, i]) for i in range(LOWEST)},
            **{f"vector_overlap_{i + 1}_t": float(overlaps[i]) for i in range(LOWEST)},
            "top_sample_share_1_t": float(top_sample_share(problem, pairs.vectors)[0, 0]),
            "residual_t": float(pairs.residuals.max()),
            "width_t": float(eigenvalues[-1] - eigenvalues[0]),
            "negative_t": float((eigenvalues < 0).sum()),
            **{f"{name}_t": _or_nan(value) for name, value in theory.items()},
        }
        for name, value in now.items():
            series[name].append(value)
    return series | _histograms(spectra)


def _histograms(spectra: list[np.ndarray]) -> dict[str, list[float]]:
    """Return the densities of all frames on common bins, up to where the bulk's tail has gone."""
    low = min(values[0] for values in spectra)
    high = max(np.quantile(values, 0.99) for values in spectra)
    bins = min(BINS, max(8, len(spectra[0]) // 8))
    edges = np.linspace(low - 1e-6 * abs(low), high, bins + 1)
    density = [np.histogram(v, edges)[0] / (len(v) * (edges[1] - edges[0])) for v in spectra]
    return {"bin_edges": edges.tolist(), "density_t": np.concatenate(density).tolist()}


def failed(point: SpectralPoint, reason: str) -> list[Row]:
    """Return the rows of runs that could not be computed."""
    rows = [
        row | {"design": index}
        for index in range(point.designs)
        for row in failed_rows(_design_point(point, index), reason)
    ]
    return [row | {"run": number, "designs": point.designs} for number, row in enumerate(rows)]


def cost(point: SpectralPoint) -> Cost:
    """Return what the point is expected to take: twins, and a dense spectrum a frame."""
    one = _crossing.cost(_design_point(point, 0))
    # 4/3 N³ operations of the eigenvalues, at a third of a product's speed
    frame = point.design.m * point.n**2 + 4.0 * point.n**3
    memory = one.bytes + 4.0 * point.design.m * point.n + 24.0 * point.n**2
    return Cost(point.designs * one.flops + point.frames * frame, memory, one.program)


def _design_point(point: SpectralPoint, index: int) -> CrossingPoint:
    fields = point.model_dump(include=set(CrossingPoint.model_fields))
    return CrossingPoint.model_validate(fields | {"index": index})


def _or_nan(value: float | bool | None) -> float:
    return float("nan") if value is None else float(value)


def claims(table: pd.DataFrame) -> list[Claim]:
    """Judge what the paper reads off Figure 2, of one run at N = 2048."""
    crossed = table[table.outcome == "crossed"]
    if crossed.empty:
        return []
    low, median, high = crossed.time.quantile([0.25, 0.5, 0.75])
    n = int(table.n.iloc[0])
    size = Sample(n, len(crossed))
    earlier = share(crossed.time <= PAPER_TIME, crossed.design)
    informed = share(crossed.overlap.abs() > INFORMED, crossed.design)
    twins = crossed.twin_settled.fillna(False).astype(bool)
    found = [
        judged(
            "The energy crosses the threshold near iteration 1210 (t = 0.24)",
            f"N = {n}: {len(crossed)} of {len(table)} runs cross; median t = {median:.3f}, "
            f"quartiles {low:.3f} and {high:.3f}, range {crossed.time.min():.3f} to "
            f"{crossed.time.max():.3f}; {earlier.fraction:.0%} cross earlier than the paper's (95 "
            f"%: {earlier.low:.0%} to {earlier.high:.0%}; near is read as within the quartiles); "
            f"{int(twins.sum())} of their {len(crossed)} twins at rest, {AT_REST}, the others "
            f"read off at t = {T_TWIN:g}",
            verdict(_of_paper(low=0.25, high=0.75), earlier.fraction, earlier.interval, size),
        ),
        judged(
            "Escape toward the signal begins when the energy crosses the threshold",
            f"N = {n}: at the crossing the state already has a median q = "
            f"{crossed.overlap.abs().median():.2f}; q > {INFORMED:g} in {informed.fraction:.0%} of "
            f"the runs (95 %: {informed.low:.0%} to {informed.high:.0%}); at the start q is of "
            f"order 1/√N = {n**-0.5:.3f}",
            verdict(_of_paper(high=MOSTLY), informed.fraction, informed.interval, size),
        ),
    ]
    run = followed_run(table)
    if run is not None:
        found.append(_detachment(run))
    return found


def _of_paper(low: float = -np.inf, high: float = np.inf) -> Statement:
    n = SIZES["paper"][0]
    return Statement(low, high, least_n=n, largest_n=n)


def _detachment(run: Any) -> Claim:
    """Judge whether λ₁ leaves the bulk at the crossing, on the one run that was followed.

    The statement is read as true of at least 19 runs of 20. One run against it decides, one run
    for it does not.
    """
    overlap = np.array(run.vector_overlap_1_t)
    gap = np.array(run.eigenvalue_2_t) - np.array(run.eigenvalue_1_t)
    second = np.array(run.eigenvalue_3_t) - np.array(run.eigenvalue_2_t)
    at = frame_of(run, 1.0)
    before = slice(0, max(1, at))
    lowest = int(np.argmin(overlap[before]))
    against = overlap[0] > INFORMED_VECTOR or gap[at] <= 2 * second[at]
    exceptions = share(np.array([against]), np.zeros(1))
    return judged(
        "λ₁ is part of the bulk until the crossing, then detaches with a vector along the signal",
        f"overlap of v₁ with the signal: {overlap[0]:.2f} at t = 0, least {overlap[lowest]:.2f} at "
        f"t = {run.t[lowest]:.3f}, {overlap[at]:.2f} at the crossing (t = {run.time:.3f}); "
        f"λ₂−λ₁ and λ₃−λ₂: {gap[0]:.2f}, {second[0]:.2f} at t = 0 and {gap[at]:.2f}, "
        f"{second[at]:.2f} at the crossing; v₁'s share on one sample: "
        f"{run.top_sample_share_1_t[0]:.2f} at t = 0, {run.top_sample_share_1_t[at]:.2f} there; "
        f"one run, which {'contradicts' if against else 'fits'} the statement",
        verdict(
            _of_paper(high=RARELY),
            exceptions.fraction,
            exceptions.interval,
            Sample(int(run.n), exceptions.runs),
        ),
    )


EXPERIMENT = Experiment(
    name="fig2",
    title="Figure 2. The Hessian's spectrum along the flow",
    version=1,
    schema=SCHEMA,
    points=points,
    measure=measure,
    failed=failed,
    cost=cost,
    picture=picture,
    claims=claims,
)
