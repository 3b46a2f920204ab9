"""Figure 5: fractions of runs against α, for several N: solved, and recovered.

Solved is the paper's criterion: the energy is zero, L/N ≤ 1e-8, within the time budget. Recovered:
the student has found the signal, q > 1 − 1e-6, by then. Runs between the two curves are near the
signal and in no trap: their energy needs more time for its last decades.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gapless.analyse.statistics import wilson
from gapless.analyse.success import success_table
from gapless.analyse.survival import time_table
from gapless.analyse.transition import crossing_table, drift_table, recovered_table
from gapless.analyse.verdict import (
    MOSTLY,
    NOT_MEASURED,
    REJECTED,
    Claim,
    Sample,
    Verdict,
    judged,
    of_paper,
    verdict,
)
from gapless.figures.experiment import (
    PAPER_ALPHA_BBP,
    SCALES,
    THE_PAPER,
    Experiment,
    Scale,
    in_numpy,
)
from gapless.measure.design_point import sweep_points
from gapless.measure.simulation import Simulation
from gapless.page.panels import Axis, Mark, Panel, Picture, Series

NONE = 1e-4
"""Reading of "no run": the paper had 10,000 runs or more at each point."""


@dataclass(frozen=True)
class SizeByRuns:
    """One N: its α and the least number of runs at each; K, where it is not that of N."""

    n: int
    alphas: tuple[float, ...]
    runs: int
    runs_per_design: int | None = None


def _alphas(first: float, last: float, count: int) -> tuple[float, ...]:
    return tuple(np.linspace(first, last, count).tolist())


# Close where the fraction goes from a tenth to nine tenths, and one α beyond the 1RSB threshold.
_SMOKE = (4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 11.0, 14.0)
_DESK = (4.0, 5.0, 5.5, 6.0, 6.5, 7.0, 7.5, 8.0, 9.0, 10.0, 12.0, 14.0)
_LARGE = (5.5, 6.0, 6.5, 7.0, 7.5, 8.0, 9.0, 10.0, 14.0)
SIZES: dict[Scale, tuple[SizeByRuns, ...]] = {
    "smoke": (
        SizeByRuns(64, _SMOKE, 128, 64),
        SizeByRuns(128, _SMOKE, 128, 64),
        SizeByRuns(256, _SMOKE, 32, 32),
        SizeByRuns(512, _SMOKE, 16, 16),
    ),
    "desk": (
        SizeByRuns(64, _DESK, 100_000),
        SizeByRuns(128, _DESK, 50_000),
        SizeByRuns(256, _DESK, 20_000),
        SizeByRuns(512, _DESK, 5_000),
        SizeByRuns(1024, _DESK, 1_000),
    ),
    "large": (
        SizeByRuns(64, _DESK, 10_000),
        SizeByRuns(128, _DESK, 10_000),
        SizeByRuns(256, _DESK, 5_000),
        SizeByRuns(512, _DESK, 2_000),
        SizeByRuns(1024, _DESK, 1_000),
        SizeByRuns(2048, _LARGE, 1_024),
        SizeByRuns(4096, _LARGE, 512),
    ),
    "paper": (
        SizeByRuns(64, _alphas(2, 16, 29), 100_000),
        SizeByRuns(128, _alphas(2, 16, 29), 100_000),
        SizeByRuns(256, _alphas(2, 16, 29), 50_000),
        SizeByRuns(512, _alphas(2, 16, 29), 50_000),
        SizeByRuns(1024, _alphas(2, 16, 29), 20_000),
        SizeByRuns(2048, _alphas(2, 16, 29), 10_000),
        SizeByRuns(4096, _alphas(2, 16, 29), 10_000),
    ),
}

PAPER_NS = [size.n for size in SIZES["paper"]]


def points(scale: Scale, seed: int) -> list[Simulation]:
    """Return the designs of every N and α of a scale."""
    return [
        simulation
        for size in SIZES[scale]
        for simulation in sweep_points(
            Simulation(
                n=size.n,
                alpha=size.alphas[0],
                seed=seed,
                runs=size.runs_per_design,
                in_numpy=in_numpy(scale),
            ),
            size.alphas,
            size.runs,
        )
    ]


@dataclass(frozen=True)
class Curves:
    """Fractions of runs at every N and α, and where their curves cross a level.

    Parameters
    ----------
    fractions, crossing, recovered, drift, times
        See `success_table`, `crossing_table`, `recovered_table`, `drift_table`, `time_table`.
    records
        How many there are.
    loss
        Loss of the runs.
    """

    fractions: pd.DataFrame
    crossing: pd.DataFrame
    recovered: pd.DataFrame
    drift: pd.DataFrame
    times: pd.DataFrame
    records: int
    loss: str = "quartic"


def reduce(table: pd.DataFrame) -> Curves:
    """Return fractions, crossings and their drift with N."""
    crossing = crossing_table(table)
    drift = drift_table(crossing)
    recovered, times = recovered_table(table), time_table(table)
    # older records of a sweep were read without it
    loss = str(table.loss.iloc[0]) if "loss" in table and len(table) else "quartic"
    return Curves(success_table(table), crossing, recovered, drift, times, len(table), loss)


WORDS: dict[str, tuple[str, str, str]] = {
    "solved": ("fraction", "low", "high"),
    "recovered": ("recovered_fraction", "recovered_low", "recovered_high"),
}
"""The two fractions, and their columns of `success_table`."""


def claims(reduced: Curves) -> list[Claim]:
    """Return verdicts on the paper's statements about Figure 5."""
    fractions = reduced.fractions
    if fractions.empty:
        return []
    before = fractions[fractions.alpha.between(8, 11)].sort_values(["n", "alpha"])
    found = [
        judged(
            "A large fraction of the runs reaches zero energy before α ≈ 11",
            f"N = {row['n']}, α = {row['alpha']:g}: {row['fraction']:.3f} solved "
            f"(95 %: {row['low']:.3f} to {row['high']:.3f}; {row['runs']} runs), "
            f"{row['recovered_fraction']:.3f} recovered",
            verdict(
                of_paper(PAPER_NS, low=MOSTLY),
                row["fraction"],
                (row["low"], row["high"]),
                Sample(row["n"], row["runs"]),
            ),
            size=Sample(row["n"], row["runs"]),
            of=of_paper(PAPER_NS),
        )
        for row in before.drop_duplicates("n", keep="last").to_dict("records")
    ]
    return [*found, failures_above(fractions), _drift(reduced)]


def failures_above(fractions: pd.DataFrame) -> Claim:
    """Return the verdict on failures at α where the paper has none, from `success_table`."""
    above = fractions[(fractions.alpha > PAPER_ALPHA_BBP) & (fractions.n > 64)]
    runs, designs = int(above.runs.sum()), int(above.designs.sum())
    statement = f"Above α = {PAPER_ALPHA_BBP:g} no run fails to reach zero energy, if N > 64"
    if runs == 0:
        return judged(statement, f"no α above {PAPER_ALPHA_BBP:g} at this scale", NOT_MEASURED)
    failures = runs - int(above.successes.sum())
    effect = 1 + (runs / designs - 1) * float(above.intraclass_correlation.max())
    low, high = wilson(failures / runs, runs / effect)
    size, of = Sample(float(above.n.max()), runs), of_paper(PAPER_NS[1:], high=NONE)
    return judged(
        statement,
        f"{failures} of {runs} runs are not solved, a fraction of {failures / runs:.2g} (95 %: "
        f"{low:.2g} to {high:.2g}); {runs - int(above.recovered.sum())} have not found the signal. "
        f"“No run” is read as a fraction below {NONE:g}, one run of the paper's fewest at a point",
        verdict(of, failures / runs, (low, high), size),
        size=size,
        of=of,
    )


def _drift(reduced: Curves) -> Claim:
    """Return the verdict on the paper's question whether the transition saturates or drifts."""
    statement = (
        "The α of the transition may tend to a limit as N grows, or grow like log N: the curves "
        "are "
        "consistent with both"
    )
    fits = reduced.drift[reduced.drift.budget == 1.0]
    size = Sample(float(reduced.fractions.n.max()), reduced.records)
    # a drift is read off all sizes up to the largest
    bound = of_paper(PAPER_NS[-1:], low=REJECTED)
    if fits.empty or (fits.dof < 1).any():
        ours = "too few sizes whose curve crosses 50 % or 90 %"
        return judged(statement, ours, NOT_MEASURED)
    ours = "; ".join(
        f"α at {100 * fit['level']:g} % over {fit['sizes']} sizes: {fit['law']} "
        f"χ² = {fit['chi2']:.3g} with {fit['dof']} degrees of freedom (p = {fit['p_value']:.2g})"
        for fit in fits.to_dict("records")
    )
    parts: list[Verdict] = [
        verdict(bound, float(p), (float(p), float(p)), size) for p in fits.p_value
    ]
    return judged(statement, ours, *parts, size=size, of=bound)


def picture(reduced: Curves) -> Picture:
    """Return both fractions with 95 % intervals, whole and where nearly all runs are solved."""
    fractions = reduced.fractions
    if fractions.empty:
        return Picture("no run could be computed", ())
    series = [
        Series(
            name=f"N = {n}, {word}",
            x=curve.alpha,
            y=curve[middle],
            low=curve[low],
            high=curve[high],
            colour=index,
            dash="solid" if word == "solved" else "dot",
            marker="circle" if word == "solved" else "circle-open",
            legend=f"N = {n}" if word == "solved" else "",
            note=[
                f"{row.successes} of {row.runs} runs solved, {row.recovered} recovered"
                for row in curve.itertuples()
            ],
            width=1.0,
        )
        for index, (n, curve) in enumerate(fractions.groupby("n"))
        for word, (middle, low, high) in WORDS.items()
    ]
    end, name = max(14.5, float(fractions.alpha.max()) + 0.5), "fraction of the runs"
    whole = Axis("α = M/N", range=(None, end)), Axis(name, range=(-0.02, 1.02))
    close = Axis("α = M/N", range=(7.5, end)), Axis(name, range=(0.9, 1.005))
    size, marks = (5.2, 4.4), ()
    if reduced.loss == "quartic":
        marks = (Mark("x", PAPER_ALPHA_BBP, "α_BBP, 1RSB", width=1.0, at=0.4),)
    return Picture(
        "full: solved, L/N ≤ 1e-8; dotted: recovered, q > 1 − 1e-6; by t = 0.3 log₂ N; bars: 95 %\n"
        "between the curves: runs that have found the signal, in no trap; "
        "the last decades of their energy take longer\n"
        "times at which 50 % (full) and 90 % (dashed) of all runs are solved",
        (
            (
                Panel("All runs", *whole, series, marks, size=size),
                Panel("Where nearly all are solved", *close, series, marks, size=size),
                _times(reduced.times, end),
            ),
        ),
    )


def _times(times: pd.DataFrame, end: float) -> Panel:
    """Return the times at which half and nine tenths of all runs are solved, against α."""
    series = [
        Series(
            f"N = {n}, {level} %",
            here.alpha,
            y=here[f"t_{level}"].astype(float),
            low=here[f"t_{level}_low"].astype(float),
            high=here[f"t_{level}_high"].astype(float),
            colour=index,
            dash="solid" if level == 50 else "dash",
            marker="circle" if level == 50 else "circle-open",
            legend="",
            width=1.0,
        )
        for index, (n, here) in enumerate(times.groupby("n"))
        for level in (50, 90)
    ]
    axes = Axis("α = M/N", range=(None, end)), Axis("time t", range=(0, None))
    return Panel("Time to solution", *axes, series, size=(5.2, 4.4))


def tables(reduced: Curves) -> list[tuple[str, pd.DataFrame]]:
    """Return the fractions with their gradients, the crossings of levels, and their drift."""
    return [
        (
            "Fractions, intervals (95 %) and gradients; successes are the solved runs",
            reduced.fractions,
        ),
        ("α at which 50 % and 90 % are solved, by share of the time budget", reduced.crossing),
        ("α at which 50 % and 90 % have recovered, whole budget", reduced.recovered),
        (
            "Time to L/N ≤ 1e-8; solution and rest as competing events (Aalen–Johansen)",
            reduced.times,
        ),
        ("How the solved ones move with N: a + b ln N against a + b N^(−k)", reduced.drift),
    ]


READS = (
    *("n", "m", "alpha", "seed", "design", "run"),
    *("loss", "outcome", "overlap", "t_max", "t_1e-8", "steps", "gradients"),
    *("stopped_at", "overlap_start"),
)
"""Columns that `reduce` reads, since a desk sweep has two million records."""

EXPERIMENT = Experiment(
    name="fig5",
    title="Figure 5. Fractions of runs that are solved, and that recover the signal",
    version=4,
    points=points,
    reduce=reduce,
    picture=picture,
    claims=claims,
    tables=tables,
    reads=READS,
    caption=(
        "Fractions of the runs that reach zero energy (solved, e ≤ 1e-8) and that find the "
        "signal (recovered, overlap q > 1 − 1e-6) by t = 0.3 log₂ N, and the times by which 50 % "
        "and 90 % are solved, against α, the number of samples for each unknown ({sizes}). The "
        "curves rise from none to all of the runs, at an α that grows with N; above the dashed "
        "line theory has the threshold states unstable toward the signal."
    ),
    source=THE_PAPER,
    scales=SCALES,
    takes_loss=True,
)
