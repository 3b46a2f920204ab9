"""Figure 5: the fraction of runs that reach zero energy against α, for several N."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gapless.experiments import drawing
from gapless.experiments._experiment import Claim, Experiment, Scale
from gapless.experiments.panels import Mark, Panel, Series
from gapless.experiments.simulation import SCHEMA, Simulation, cost, failed_rows, rows
from gapless.experiments.success import simulations, success_table

ALPHA_BBP_1RSB = 13.8
"""The paper's 1RSB threshold, as printed."""


@dataclass(frozen=True)
class Size:
    """One curve: N, its α and the least number of runs at each."""

    n: int
    alphas: tuple[float, ...]
    runs: int


def _alphas(first: float, last: float, count: int) -> tuple[float, ...]:
    return tuple(np.linspace(first, last, count).tolist())


# Close where the fraction goes from a tenth to nine tenths, and one α beyond the 1RSB threshold.
_DESK = (4.0, 5.0, 5.5, 6.0, 6.5, 7.0, 7.5, 8.0, 9.0, 10.0, 12.0, 14.0)
SIZES: dict[Scale, tuple[Size, ...]] = {
    "smoke": (
        Size(64, (5.0, 7.0, 9.0, 12.0), 512),
        Size(128, (5.0, 7.0, 9.0), 256),
        Size(256, (7.0, 9.0), 128),
    ),
    "desk": (
        Size(64, _DESK, 100_000),
        Size(128, _DESK, 50_000),
        Size(256, _DESK, 20_000),
        Size(512, _DESK, 5_000),
        Size(1024, _DESK, 1_000),
    ),
    "paper": (
        Size(64, _alphas(2, 16, 29), 100_000),
        Size(128, _alphas(2, 16, 29), 100_000),
        Size(256, _alphas(2, 16, 29), 50_000),
        Size(512, _alphas(2, 16, 29), 50_000),
        Size(1024, _alphas(2, 16, 29), 20_000),
        Size(2048, _alphas(2, 16, 29), 10_000),
        Size(4096, _alphas(2, 16, 29), 10_000),
    ),
}


def points(scale: Scale, seed: int) -> list[Simulation]:
    """Return the designs of every N and α of a scale."""
    return [
        simulation
        for size in SIZES[scale]
        for simulation in simulations(
            Simulation(n=size.n, alpha=size.alphas[0], seed=seed), size.alphas, size.runs
        )
    ]


def draw(table: pd.DataFrame) -> Figure:
    """Draw the fractions with 95 % intervals; the inset shows where nearly all succeed."""
    figure, (axis,) = drawing.panels(1, width=6.2, height=4.2)
    inset = axis.inset_axes((0.56, 0.12, 0.42, 0.38))
    fractions = success_table(table)
    for index, (n, curve) in enumerate(fractions.groupby("n")):
        low, high = curve.fraction - curve.low, curve.high - curve.fraction
        for panel, label in ((axis, f"N = {n}"), (inset, None)):
            panel.errorbar(
                curve.alpha,
                curve.fraction,
                yerr=[low.clip(lower=0), high.clip(lower=0)],
                color=drawing.colour(index),
                marker="o",
                ms=3,
                lw=1,
                capsize=2,
                label=label,
            )
    for panel in (axis, inset):
        panel.axvline(ALPHA_BBP_1RSB, color="black", ls="--", lw=1)
    axis.set(xlabel=r"$\alpha=M/N$", ylabel=r"fraction with $\mathcal{L}/N\leq 10^{-8}$")
    axis.set(ylim=(-0.02, 1.02), xlim=(None, max(14.5, float(fractions.alpha.max()) + 0.5)))
    inset.set(ylim=(0.9, 1.005), xlim=(7.5, axis.get_xlim()[1]))
    inset.tick_params(labelsize=7)
    axis.legend(loc="upper left", title=r"$t\leq 0.3\log_2 N$", title_fontsize=8.5)
    axis.annotate(
        r"$\alpha_{\rm BBP}^{\rm 1RSB}$",
        (ALPHA_BBP_1RSB, 0.56),
        xytext=(-4, 0),
        textcoords="offset points",
        ha="right",
    )
    return figure


def claims(table: pd.DataFrame) -> list[Claim]:
    """Judge what the paper says of Figure 5."""
    fractions = success_table(table)
    found = []
    near = fractions[(fractions.alpha - 11).abs() <= 0.5]
    for row in near.itertuples():
        verdict = "agrees" if row.low > 0.5 else "differs" if row.high < 0.5 else "cannot tell"
        found.append(
            Claim(
                "A large fraction of runs recovers the signal before α ≈ 11",
                f"N = {row.n}, α = {row.alpha:g}: {row.fraction:.3f} "
                f"(95 %: {row.low:.3f} to {row.high:.3f}; {row.runs} runs)",
                verdict,
            )
        )
    above = fractions[(fractions.alpha > ALPHA_BBP_1RSB) & (fractions.n > 64)]
    runs = int(above.runs.sum())
    failures = runs - int(above.successes.sum())
    found.append(
        Claim(
            "No run fails above α = 13.8 for N > 64",
            f"{failures} of {runs} runs fail" if runs else "no α above 13.8 at this scale",
            "cannot tell" if runs == 0 else "agrees" if failures == 0 else "differs",
        )
    )
    return found


def panels(table: pd.DataFrame) -> list[Panel]:
    """Return the fractions with 95 % intervals, whole and where nearly all runs succeed."""
    series = [
        Series(
            name=f"N = {n}",
            x=curve.alpha,
            y=curve.fraction,
            low=curve.low,
            high=curve.high,
            colour=index,
            note=[f"{row.successes} of {row.runs} runs" for row in curve.itertuples()],
        )
        for index, (n, curve) in enumerate(success_table(table).groupby("n"))
    ]
    axes = ("α = M/N", "fraction with L/N ≤ 1e-8")
    mark = (Mark("x", ALPHA_BBP_1RSB, "1RSB"),)
    return [
        Panel("Runs that reach zero energy by t = 0.3 log₂ N", *axes, series, mark),
        Panel("Where nearly all do", *axes, series, mark, y_range=(0.9, 1.003)),
    ]


def tables(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the fractions and what they took."""
    return [("Fractions, intervals (95 %) and gradients", success_table(table))]


READS = ("n", "m", "alpha", "design", "run", "outcome", "t_max", "t_1e-8", "steps", "gradients")
"""Columns behind picture, claims and tables: a desk sweep has two million rows."""

EXPERIMENT = Experiment(
    name="fig5",
    title="Figure 5. Fraction of runs that recover the signal",
    version=2,
    schema=SCHEMA,
    points=points,
    measure=rows,
    failed=failed_rows,
    cost=cost,
    draw=draw,
    claims=claims,
    panels=panels,
    tables=tables,
    reads=READS,
)
