"""Figure 2: the Hessian's spectrum along the flow of one run, the one whose crossing is median.

Every run of the point is followed to the energy of its own shuffled twin; along the run with the
median crossing time the whole spectrum is diagonalised. Theory's edge is computed from the run's
own labels, its lowest eigenvalue and the overlap of that vector with the signal from labels and
history, at any overlap of the state (docs/derivations/joint.md); the edge of a finite law that sits
on one sample is flagged.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gapless.analyse.frames import with_joint
from gapless.analyse.statistics import designs_of, share
from gapless.analyse.verdict import (
    INFORMED,
    MOSTLY,
    RARELY,
    Claim,
    Sample,
    Statement,
    judged,
    of_paper,
    verdict,
)
from gapless.figures.experiment import THE_PAPER, Experiment, Scale, in_numpy
from gapless.measure.crossing import TWIN_AT_REST
from gapless.measure.median_run import SpectralPoint
from gapless.measure.threshold import T_TWIN, rest_criterion
from gapless.page.panels import GREY, INK, Axis, Heat, Mark, Panel, Picture, Series

SIZES: dict[Scale, tuple[int, int, int, int]] = {
    "smoke": (768, 1, 8, 21),
    "desk": (2048, 2, 16, 61),
    "paper": (2048, 16, 16, 201),
}
"""N, designs, runs on each, and frames along the median run."""
ALPHA = 10.0
PAPER_TIME = 1210 * 2e-4
"""The paper's crossing: iteration 1210 at rate 2e-4."""

INFORMED_VECTOR = 0.2
"""Overlap of v₁ with the signal that is no longer of order 1/√N."""
SNAPSHOTS = (0.0, 0.5, 1.0, 1.5, 2.5)
"""Multiples of the crossing time at which the spectrum is drawn by itself."""
FAINTEST = -4.0
"""Smallest density that is shaded, as a power of ten."""


def points(scale: Scale, seed: int) -> list[SpectralPoint]:
    """Return the one point of a scale."""
    n, designs, runs, frames = SIZES[scale]
    one = SpectralPoint(
        n=n,
        alpha=ALPHA,
        seed=seed,
        runs=runs,
        designs=designs,
        frames=frames,
        in_numpy=in_numpy(scale),
    )
    return [one]


@dataclass(frozen=True)
class Runs:
    """All runs, those that crossed, and the one that was followed (None without a crossing)."""

    table: pd.DataFrame
    crossed: pd.DataFrame
    followed: Any | None


def reduce(table: pd.DataFrame) -> Runs:
    """Return the runs that crossed, and the one that was followed."""
    return Runs(table, table[table.outcome == "crossed"], followed_run(table))


def followed_run(table: pd.DataFrame) -> Any | None:
    """Return the record of the run that was followed, None where there is none."""
    followed = with_joint(table[table.followed.eq(True)])
    return None if followed.empty else followed.iloc[0]


def frame_of(run: Any, multiple: float) -> int:
    """Return the frame nearest to a multiple of the crossing time."""
    return int(np.argmin(np.abs(np.array(run.t) - multiple * run.time)))


def twin_of(run: Any) -> str:
    """Return a phrase for the end of a run's twin: at rest, or at its last time."""
    return "at rest" if run[TWIN_AT_REST] else f"at t = {T_TWIN:g}, not at rest"


def picture(reduced: Runs) -> Picture:
    """Return the followed run along time, and its spectrum at five moments."""
    run = reduced.followed
    if run is None:
        return Picture("no run crossed the energy of its twin", ())
    return Picture(
        f"N = {run.n}, α = {run.alpha:g}: the run of median crossing time "
        f"({len(reduced.table)} runs); vertical line: it falls to the energy of its shuffled twin, "
        f"{twin_of(run)}",
        (along_the_run(run), [_snapshot(run, frame_of(run, multiple)) for multiple in SNAPSHOTS]),
    )


def along_the_run(run: Any) -> list[Panel]:
    """Return eigenvalues over their density, losses and overlaps against time."""
    t = np.array(run.t)
    time = Axis("time t", range=(0, float(t[-1])))
    crossing = Mark("x", float(run.time), dash="solid", width=0.6)
    size = (3.3, 4.3)

    def line(name: str, values: Any, colour: int, dash: Any = "solid") -> Series:
        values = np.array(values, float)
        return Series(name, t, values, style="lines", dash=dash, colour=colour)

    edge = np.array(run.hessian_edge_t, float)
    one = np.array(run.edge_from_one_atom_t, float) > 0
    crosses: dict[str, Any] = dict(style="markers", marker="x-thin-open", colour=INK)
    on_one = np.where(one, edge, np.nan)
    eigenvalues = [
        line("λ₁", run.eigenvalue_1_t, 4),
        line("λ₂", run.eigenvalue_2_t, 2),
        line("theory: edge, own labels", edge, INK, "dash"),
        # marks on the edge, not a curve of their own
        Series("… set by one sample", t, on_one, legend="", **crosses),
        line("theory: λ₁, labels and history", run.joint_outlier_t, INK, "dot"),
    ]
    zero = Mark("y", 0, dash="solid", width=0.4)
    losses = [
        line("training, e = L/N", run.energy_t, 0),
        line("generalisation", run.generalisation_t, 1),
    ]
    heat = _heat(run)
    low, high = heat.y
    twin = Mark("y", float(run.threshold_energy), "its twin")
    overlaps = [
        line("q of the state", run.overlap_t, 0),
        line("v₁ with the signal", run.vector_overlap_1_t, 4, "dashdot"),
        line("v₁, theory", run.joint_overlap_t, INK, "dot"),
        line("v₁ on one sample", run.top_sample_share_1_t, GREY, "dot"),
    ]
    return [
        Panel(
            "Eigenvalues; crosses: edge set by one sample",
            *(time, Axis("eigenvalue λ", range=(low - (high - low) / 16, high))),
            *(eigenvalues, (crossing, zero), heat),
            size=(5.4, 4.3),
            legend="above",
        ),
        Panel(
            *("Losses", time, Axis("loss", range=(0, None)), losses, (crossing, twin)),
            size=size,
            legend="above",
        ),
        Panel(
            *("Overlaps", time, Axis("overlap", range=(0, 1.02)), overlaps, (crossing,)),
            size=size,
            legend="above",
        ),
    ]


def _density(run: Any) -> np.ndarray:
    return np.array(run.density_t).reshape(len(run.t), -1)


def _heat(run: Any) -> Heat:
    """Return the logarithm of the density; a frame is the middle of its cells."""
    t, edges = np.array(run.t), np.array(run.bin_edges)
    half = t[1] / 2
    powers = np.log10(np.maximum(_density(run), 1e-5)).T
    return Heat(
        "log₁₀ of the density of eigenvalues",
        (float(-half), float(t[-1] + half)),
        (float(edges[0]), float(edges[-1])),
        powers,
        (FAINTEST, float(powers.max())),
    )


def _snapshot(run: Any, frame: int) -> Panel:
    edges, density = np.array(run.bin_edges), _density(run)
    low, high = float(edges[0]), float(edges[-1])
    top = 1.5 * float(density.max())
    # the last bin ends with its upper edge
    values = np.append(density[frame], density[frame, -1])
    marks = [
        Mark("x", run.eigenvalue_1_t[frame], "λ₁", "solid", 4),
        Mark("x", run.eigenvalue_2_t[frame], "λ₂", "solid", 2, side="right"),
        Mark("x", run.hessian_edge_t[frame], dash="dash"),
    ]
    return Panel(
        f"t = {run.t[frame]:.3g}",
        # room for the name of λ₁
        Axis("eigenvalue λ", range=(low - (high - low) / 8, high)),
        Axis("density", "log", (2e-4, top)),
        [Series("eigenvalues", edges, values, style="lines", legend="", steps=True, fill=True)],
        marks,
        size=(2.4, 2.6),
    )


def claims(reduced: Runs) -> list[Claim]:
    """Return verdicts on the paper's statements about Figure 2, on one run at N = 2048."""
    crossed, run = reduced.crossed, reduced.followed
    if crossed.empty:
        return []
    low, median, high = crossed.time.quantile([0.25, 0.5, 0.75])
    n = int(crossed.n.iloc[0])
    size = Sample(n, len(crossed))
    earlier = share(crossed.time <= PAPER_TIME, designs_of(crossed))
    informed = share(crossed.overlap.abs() > INFORMED, designs_of(crossed))
    twins = crossed[TWIN_AT_REST].eq(True)
    found = [
        judged(
            "The energy of a run falls through the threshold energy near iteration 1210 of "
            "gradient "
            "descent at rate 2e-4, t = 0.24",
            f"N = {n}: {len(crossed)} of {len(reduced.table)} runs do; median t = {median:.3f}, "
            f"quartiles {low:.3f} and {high:.3f}, range {crossed.time.min():.3f} to "
            f"{crossed.time.max():.3f}; {earlier.text} are earlier than the paper's run; "
            "“near” is read as between the quartiles; threshold energies are those of the same "
            f"starts with shuffled labels, {int(twins.sum())} of {len(crossed)} at rest "
            f"({rest_criterion()}), the others at t = {T_TWIN:g}",
            verdict(_stated(low=0.25, high=0.75), earlier.fraction, earlier.interval, size),
            size=size,
            of=_stated(),
        ),
        judged(
            "Escape toward the signal begins when the energy falls through the threshold energy",
            f"N = {n}: there the overlap q with the signal has a median of "
            f"{crossed.overlap.abs().median():.2f}; {informed.text} have q > {INFORMED:g}; "
            "at a "
            f"random start q is of order 1/√N = {n**-0.5:.3f}",
            verdict(_stated(high=MOSTLY), informed.fraction, informed.interval, size),
            size=size,
            of=_stated(),
        ),
    ]
    if run is not None:
        found.append(_detachment(run))
    return found


def _stated(low: float = -np.inf, high: float = np.inf) -> Statement:
    return of_paper([SIZES["paper"][0]], low, high)


def _detachment(run: Any) -> Claim:
    """Judge whether λ₁ leaves the bulk at the crossing, on the one run that was followed.

    The statement is read as true of at least 19 runs of 20, and one run is too few for a verdict.
    """
    overlap = np.array(run.vector_overlap_1_t)
    gap = np.array(run.eigenvalue_2_t) - np.array(run.eigenvalue_1_t)
    second = np.array(run.eigenvalue_3_t) - np.array(run.eigenvalue_2_t)
    at = frame_of(run, 1.0)
    before = slice(0, max(1, at))
    lowest = int(np.argmin(overlap[before]))
    against = overlap[0] > INFORMED_VECTOR or gap[at] <= 2 * second[at]
    exceptions = share(np.array([against]), np.zeros(1))
    size = Sample(int(run.n), exceptions.runs)
    return judged(
        "The lowest eigenvalue λ₁ of the Hessian is part of the bulk until the energy falls "
        "through "
        "the threshold energy, then it detaches, with its eigenvector v₁ along the signal",
        f"overlap of v₁ with the signal: {overlap[0]:.2f} at t = 0, least {overlap[lowest]:.2f} at "
        f"t = {run.t[lowest]:.3f}, {overlap[at]:.2f} at the crossing (t = {run.time:.3f}); "
        f"λ₂−λ₁ and λ₃−λ₂: {gap[0]:.2f}, {second[0]:.2f} at t = 0 and {gap[at]:.2f}, "
        f"{second[at]:.2f} at the crossing; weight of v₁ along one sample: "
        f"{run.top_sample_share_1_t[0]:.2f} at t = 0, {run.top_sample_share_1_t[at]:.2f} there; "
        f"one run, which {'contradicts' if against else 'fits'} the statement",
        verdict(_stated(high=RARELY), exceptions.fraction, exceptions.interval, size),
        size=size,
        of=_stated(),
    )


EXPERIMENT = Experiment(
    name="fig2",
    title="Figure 2. The Hessian's spectrum along the flow",
    version=2,
    points=points,
    reduce=reduce,
    picture=picture,
    claims=claims,
    caption=(
        "One run at α = 10 samples for each unknown, whose energy falls through the threshold "
        "energy at the median time (vertical line) ({sizes}): above, the eigenvalues of its "
        "Hessian (shaded: density of all; lines: the two lowest, and theory), its losses and its "
        "overlaps with the signal against time; below, the density of the eigenvalues at five "
        "times. In the paper the lowest eigenvalue λ₁ leaves the others at the vertical line, "
        "and its eigenvector v₁ turns toward the signal there."
    ),
    source=THE_PAPER,
    takes_loss=True,
)
