"""Figure 3: the Hessian where each run crosses its threshold energy, against α, for several N.

The threshold energy is the run's own: that of its shuffled twin at rest (|∇L − μW|²/N < 1e-10 s²),
or at t = 20: the table says which share of the twins is at rest. Runs that never cross it have no
spectrum; their number stands in the table. The paper takes the isolated λ₁ for the signal; at
finite N the quartic loss also isolates single samples of large negative curvature, so the share
of v₁ on its top sample is kept beside it.
"""

from typing import Any

import numpy as np
import pandas as pd

from gapless.analyse.statistics import (
    Z_95,
    clustered_mean,
    clustered_std,
    computed,
    designs_of,
    student_half_width,
)
from gapless.analyse.verdict import (
    INFORMED,
    NOT_MEASURED,
    Claim,
    Sample,
    Statement,
    Verdict,
    judged,
    of_paper,
    verdict,
)
from gapless.figures.experiment import SCALES, THE_PAPER, Experiment, Scale, Size, in_numpy
from gapless.measure.crossing import TWIN_AT_REST, CrossingPoint
from gapless.measure.threshold import T_TWIN
from gapless.page.panels import TWO_ERRORS, Axis, Panel, Picture, Series

_SMOKE = (4.0, 6.0, 8.0, 10.0, 12.0, 16.0)
_ALPHAS = (4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0, 16.0)
_LARGE = (5.0, 6.0, 7.0, 8.0, 10.0, 12.0)
SIZES: dict[Scale, tuple[Size, ...]] = {
    "smoke": (Size(128, _SMOKE, 2, 8), Size(256, _SMOKE, 2, 8)),
    "desk": (
        Size(512, _ALPHAS, 6, 32),
        Size(1024, _ALPHAS, 3, 32),
        Size(2048, (5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 14.0), 3, 16),
    ),
    "large": (
        Size(512, _ALPHAS, 12, 32),
        Size(1024, _ALPHAS, 6, 32),
        Size(2048, _ALPHAS, 4, 16),
        Size(4096, _LARGE, 3, 8),
        Size(8192, (6.0, 8.0, 10.0, 12.0), 3, 8),
    ),
    "paper": tuple(
        Size(n, tuple(np.linspace(4, 20, 17).tolist()), designs, runs)
        for n, designs, runs in (
            (512, 64, 32),
            (1024, 32, 32),
            (2048, 32, 16),
            (4096, 16, 16),
            (8192, 16, 8),
        )
    ),
}
OPEN = 3
"""Smallest ratio of λ₂ − λ₁ to λ₃ − λ₂ of an open gap. Among the lowest of many independent values,
as where single samples set the edge, the first gap is twice the second on average."""
OPEN_FROM = 12.0
"""Smallest upper end of a range of α on which an opening of the gap would be visible."""
MEASURES = (
    *("gap_12", "gap_23", "overlap_1", "overlap_2", "state_overlap", "top_share_1"),
    "opening",
)
"""Gaps and overlaps of the picture; `opening` is λ₂ − λ₁ less `OPEN` times λ₃ − λ₂."""


def points(scale: Scale, seed: int) -> list[CrossingPoint]:
    """Return the designs of every N and α of a scale, first designs first."""
    return [
        CrossingPoint(
            n=size.n,
            alpha=alpha,
            seed=seed,
            index=index,
            runs=size.runs,
            in_numpy=in_numpy(scale),
        )
        for size in SIZES[scale]
        for index in range(size.designs)
        for alpha in size.alphas
    ]


def spectra_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each (N, α): means over the runs that crossed, with standard errors.

    Errors are clustered: runs of one design share their sensing vectors. NaN with one design.
    `opening` is λ₂ − λ₁ − 3(λ₃ − λ₂), `fluctuation` the standard deviation of v₁'s overlap over
    runs, `twins_at_rest` the share of all runs whose threshold energy is that of a twin at rest.
    """
    result = []
    good = computed(table)
    for (n, alpha), runs in good.groupby(["n", "alpha"]):
        crossed = runs[runs.outcome == "crossed"]
        row: dict = {"n": n, "alpha": alpha, "runs": len(runs), "crossed": len(crossed)}
        row["designs"] = len(np.unique(designs_of(runs)))
        if TWIN_AT_REST in runs:
            row["twins_at_rest"] = float(runs[TWIN_AT_REST].astype(bool).mean())
        if len(crossed):
            values = np.stack(crossed.eigenvalues.to_list())
            overlaps = np.stack(crossed.vector_overlap.to_list())
            shares = np.stack(crossed.top_sample_share.to_list())
            first, second = values[:, 1] - values[:, 0], values[:, 2] - values[:, 1]
            measures = (
                first,
                second,
                overlaps[:, 0],
                overlaps[:, 1],
                crossed.overlap.to_numpy(float),
                shares[:, 0],
                first - OPEN * second,
            )
            design = designs_of(crossed)
            for name, measure in zip(MEASURES, measures, strict=True):
                average = clustered_mean(measure, design)
                row[name], row[f"{name}_error"] = average.mean, average.standard_error
            row["fluctuation"], row["fluctuation_error"] = clustered_std(overlaps[:, 0], design)
            row["time_median"] = float(crossed.time.median())
        result.append(row)
    return pd.DataFrame(result)


def _resting(reduced: pd.DataFrame) -> float:
    """Return the share of all runs whose twin is at rest."""
    return float((reduced.twins_at_rest * reduced.runs).sum() / reduced.runs.sum())


def claims(reduced: pd.DataFrame) -> list[Claim]:
    """Return verdicts on the paper's statements about Figure 3, at each N from 512 to 8192."""
    found = []
    if "gap_12" not in reduced:
        return []
    measured = reduced.dropna(subset=["gap_12"])
    for n in sorted({int(n) for n in measured.n}):
        curve = measured[measured.n == n]
        found += [_gaps(n, curve), _overlap(n, curve), _start(n, curve), _peak(n, curve)]
    found.append(_sharper(reduced))
    return found


def _bounded(low: float = -np.inf, high: float = np.inf) -> Statement:
    return of_paper([size.n for size in SIZES["paper"]], low, high)


def _judge(row: Any, name: str, low: float = -np.inf, high: float = np.inf) -> Verdict:
    """Judge the mean of one measure at one (N, α) by its 95 % interval."""
    mean, error = float(row[name]), float(row[f"{name}_error"])
    half = student_half_width(error, int(row.designs))
    size = Sample(int(row.n), int(row.crossed))
    return verdict(_bounded(low, high), mean, (mean - half, mean + half), size)


def _size(curve: pd.DataFrame) -> Sample:
    """Return N and the fewest runs that crossed at an α of a curve."""
    return Sample(int(curve.n.max()), int(curve.crossed.min()))


def _gaps(n: int, curve: pd.DataFrame) -> Claim:
    first, last = curve.iloc[0], curve.iloc[-1]
    shown = last.alpha >= OPEN_FROM
    return judged(
        "The gaps λ₂ − λ₁ and λ₃ − λ₂ of the lowest eigenvalues are close and small until an α, "
        "beyond which only λ₂ − λ₁ grows",
        f"N = {n}: λ₂−λ₁ and λ₃−λ₂ are {first.gap_12:.2f} and {first.gap_23:.2f} at "
        f"α = {first.alpha:g}, {last.gap_12:.2f} and {last.gap_23:.2f} at α = {last.alpha:g} "
        f"(“grows” is read as λ₂−λ₁ > {OPEN}(λ₃−λ₂), from α = {OPEN_FROM:g} on); v₁ has "
        f"{100 * first.top_share_1:.0f} % of its weight along one sample at the smallest α",
        _judge(first, "opening", high=0),
        _judge(last, "opening", low=0) if shown else NOT_MEASURED,
        size=_size(curve),
        of=_bounded(),
    )


def _overlap(n: int, curve: pd.DataFrame) -> Claim:
    first, last = curve.iloc[0], curve.iloc[-1]
    # a random direction has E|⟨v, W*⟩|/√N = √(2/πN)
    random = np.sqrt(2 / (np.pi * n))
    return judged(
        "The lowest eigenvector v₁ is independent of the signal at small α; beyond the transition "
        "its overlap with the signal rises and saturates",
        f"N = {n}: overlap of v₁ {first.overlap_1:.2f} at α = {first.alpha:g} (a random vector: "
        f"{random:.3f}; “independent” is read as below three times that, “rises” as above ten "
        "times) "
        f"and {last.overlap_1:.2f} at α = {last.alpha:g}",
        _judge(first, "overlap_1", high=3 * random),
        _judge(last, "overlap_1", low=10 * random),
    )


def _start(n: int, curve: pd.DataFrame) -> Claim:
    """Return the verdict on the start of the descent, by the state's overlap at the crossing."""
    at = curve.iloc[(curve.alpha - 10).abs().argmin()]
    return judged(
        "The descent toward the signal begins where the energy falls through the threshold energy",
        f"N = {n}, α = {at.alpha:g}: there the state has an overlap q = {at.state_overlap:.2f} "
        "with "
        f"the signal (“begins” is read as below {INFORMED:g})",
        _judge(at, "state_overlap", high=INFORMED),
        size=_size(curve),
        of=_bounded(),
    )


def _peak(n: int, curve: pd.DataFrame) -> Claim:
    top = int(np.argmax(curve.fluctuation))
    inside = 0 < top < len(curve) - 1
    peak = curve.iloc[top]
    end = curve.iloc[0 if curve.fluctuation.iloc[0] > curve.fluctuation.iloc[-1] else -1]
    return judged(
        "The spread over runs of v₁'s overlap with the signal peaks at the transition",
        f"N = {n}: largest at α = {peak.alpha:g}, {peak.fluctuation:.3f} ± "
        f"{peak.fluctuation_error:.3f}; {end.fluctuation:.3f} ± {end.fluctuation_error:.3f} at "
        f"α = {end.alpha:g}, the end of the range where it is larger",
        # a range that ends too early has its largest value at the end, and no peak
        _difference(peak, end) if inside else NOT_MEASURED,
        size=_size(curve),
        of=_bounded(),
    )


def _difference(high: Any, low: Any) -> Verdict:
    """Judge whether one fluctuation is larger than another, by 1.96 standard errors."""
    gap = float(high.fluctuation - low.fluctuation)
    half = Z_95 * float(np.hypot(high.fluctuation_error, low.fluctuation_error))
    size = Sample(int(max(high.n, low.n)), int(min(high.crossed, low.crossed)))
    return verdict(_bounded(low=0), gap, (gap - half, gap + half), size)


def _sharper(reduced: pd.DataFrame) -> Claim:
    curves = [curve for _, curve in reduced.dropna(subset=["fluctuation"]).groupby("n")]
    peaks = [curve.iloc[int(np.argmax(curve.fluctuation))] for curve in curves]
    text = "; ".join(
        f"N = {p.n:g}: {p.fluctuation:.3f} ± {p.fluctuation_error:.3f} at α = {p.alpha:g}"
        for p in peaks
    )
    return judged(
        "The peak of the spread of v₁'s overlap is the higher the larger N, and moves to larger α",
        text,
        _difference(peaks[-1], peaks[0]) if len(peaks) > 1 else NOT_MEASURED,
    )


PANELS = (
    (
        *("Gaps: λ₂ − λ₁ (full), λ₃ − λ₂ (dotted)", "λ₂ − λ₁ and λ₃ − λ₂"),
        {"gap_12": "λ₂ − λ₁", "gap_23": "λ₃ − λ₂"},
    ),
    (
        *(
            "Overlaps: v₁ (full), v₂ (dotted), state (dashed)",
            "overlap with the signal",
        ),
        {"overlap_1": "v₁", "overlap_2": "v₂", "state_overlap": "state"},
    ),
    ("Spread of v₁'s overlap", "standard deviation over runs", {"fluctuation": "v₁"}),
    ("Localisation of v₁", "weight of v₁ along one sample", {"top_share_1": "v₁"}),
)
"""Title, vertical axis and measures of each panel with their names."""


def picture(reduced: pd.DataFrame) -> Picture:
    """Return the measures of `spectra_table` against α, with ±2 clustered standard errors."""
    said = "Hessian where e crosses the energy of the run's own twin"
    if "twins_at_rest" in reduced:
        said += f", at rest in {100 * _resting(reduced):.0f} % of the runs, else at t = {T_TWIN:g}"
    said += f"; bars: {TWO_ERRORS}"
    if "gap_12" not in reduced:
        return Picture(said, ())
    curves = [curve for _, curve in reduced.groupby("n")]
    panels = [
        Panel(
            *(title, Axis("α = M/N"), Axis(axis, range=(0, None))),
            [
                _curve(curve, *measure, dash, colour)
                for colour, curve in enumerate(curves)
                for measure, dash in zip(measures.items(), ("solid", "dot", "dash"), strict=False)
            ],
            size=(5.0, 3.2),
        )
        for title, axis, measures in PANELS
    ]
    return Picture(said, (panels[:2], panels[2:]))


def _curve(curve: pd.DataFrame, measure: str, name: str, dash: Any, colour: int) -> Series:
    value = curve[measure].to_numpy(float)
    half = 2 * curve[f"{measure}_error"].to_numpy(float)
    size = f"N = {curve.n.iloc[0]}"
    return Series(
        *(f"{size}, {name}", curve.alpha, value, value - half, value + half, TWO_ERRORS),
        dash=dash,
        colour=colour,
        legend=size,
    )


def tables(reduced: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return means over the runs that crossed, with clustered standard errors."""
    return [("Means at the crossing and their standard errors", reduced)]


EXPERIMENT = Experiment(
    name="fig3",
    title="Figure 3. The Hessian at the crossing of the threshold energy",
    version=1,
    points=points,
    reduce=spectra_table,
    picture=picture,
    claims=claims,
    tables=tables,
    caption=(
        "The Hessian at the moment when the energy of a run falls through its threshold energy, "
        "against α, the number of samples for each unknown ({sizes}): gaps between its lowest "
        "eigenvalues λ₁, λ₂ and λ₃, overlaps of the eigenvectors v₁ and v₂ and of the state with "
        "the signal, the spread of v₁'s overlap over runs, and the weight of v₁ along a single "
        "sample. In the paper only the first gap grows beyond the transition, and the spread of "
        "the overlap peaks at it."
    ),
    source=THE_PAPER,
    scales=SCALES,
    takes_loss=True,
)
