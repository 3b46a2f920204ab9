"""Figure 1: the energy against time, with a teacher and with shuffled labels.

The shuffled twins (same sensing vectors, teacher, start and multiset of y²) fall to a plateau,
the threshold energy; it is the dotted line on both panels. Runs with a teacher stay at it (small
α) or leave it for zero energy (large α).
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gapless.experiments import drawing
from gapless.experiments._experiment import Claim, Experiment, Scale
from gapless.experiments.panels import Mark, Panel, Series
from gapless.experiments.simulation import SCHEMA, Simulation, cost, failed_rows, rows
from gapless.experiments.statistics import wilson
from gapless.flow import paper_budget

ALPHAS = (6.0, 12.0, 18.0, 24.0)
SIZES: dict[Scale, tuple[int, int, float]] = {
    "smoke": (768, 6, 8.0),
    "desk": (2048, 8, 20.0),
    "paper": (16384, 8, 20.0),
}
"""N, runs for each α, and the time at which a twin that still moves is read off."""


def points(scale: Scale, seed: int) -> list[Simulation]:
    """Return a teacher and a shuffled simulation for each α, on the same design.

    With a teacher the time budget is twice the paper's: of the runs that recover at α = 6 as
    many do so in the second half as in the first.
    """
    n, runs, late = SIZES[scale]
    budget = {"teacher": 2 * paper_budget(n), "shuffled": late}
    return [
        Simulation(
            n=n,
            alpha=alpha,
            seed=seed,
            runs=runs,
            labels=labels,
            t_max=budget[labels],
            save_at=(0.0, *np.geomspace(2e-3, budget[labels], 59).tolist()),
            dtype="float16" if scale == "paper" else None,
        )
        for alpha in ALPHAS
        for labels in ("teacher", "shuffled")
    ]


def threshold_energy(table: pd.DataFrame) -> pd.Series:
    """Return the mean late energy of the shuffled runs of each α."""
    return table[table.labels == "shuffled"].groupby("alpha")["energy"].mean()


def draw(table: pd.DataFrame) -> Figure:
    """Draw e(t) of every run; the dotted lines are the plateaus of the shuffled twins."""
    figure, axes = drawing.panels(2)
    plateau = threshold_energy(table)
    titles = {"teacher": "teacher labels", "shuffled": "shuffled labels"}
    for axis, (labels, title) in zip(axes, titles.items(), strict=True):
        shown = table[table.labels == labels]
        for index, alpha in enumerate(ALPHAS):
            runs = shown[(shown.alpha == alpha) & (shown.outcome != "failed")]
            for number, run in enumerate(runs.itertuples()):
                t, energy = np.array(run.t), np.array(run.energy_t)
                seen = (t > 0) & (energy > 1e-8)
                label = rf"$\alpha={alpha:g}$" if number == 0 else None
                axis.plot(t[seen], energy[seen], color=drawing.colour(index), lw=0.8, label=label)
            if alpha in plateau:
                axis.axhline(plateau[alpha], color=drawing.colour(index), ls=":", lw=1.4)
        axis.set(xscale="log", xlabel=r"time $t$", title=title)
        axis.set_ylim(0, 2.1 * max(ALPHAS))
    axes[0].set_ylabel(r"energy $e=\mathcal{L}/N$")
    axes[1].legend()
    n, late = int(table.n.iloc[0]), table[table.labels == "shuffled"].t_max.max()
    budget = paper_budget(n)
    axes[0].axvline(budget, color="grey", lw=0.8)
    axes[0].annotate("paper's budget", (budget, 2 * max(ALPHAS)), rotation=90, va="top", ha="right")
    figure.suptitle(
        f"N = {n}; dotted: energy of the shuffled twins at t = {late:g}, the threshold energy",
        fontsize=9.5,
    )
    return figure


def claims(table: pd.DataFrame) -> list[Claim]:
    """Judge what the paper reads off Figure 1."""
    teacher = table[(table.labels == "teacher") & (table.outcome != "failed")]
    found = []
    for alpha, statement in (
        (6.0, "α = 6: the energy does not decrease to zero"),
        (12.0, "α = 12: some realisations recover the signal and others do not"),
        (18.0, "α = 18: the energy falls to zero rapidly"),
        (24.0, "α = 24: the energy falls to zero rapidly"),
    ):
        runs = teacher[teacher.alpha == alpha]
        if runs.empty:
            continue
        budget = paper_budget(int(runs.n.iloc[0]))
        once = int((runs["t_1e-8"] <= budget).sum())
        twice, total = int(runs["t_1e-8"].notna().sum()), len(runs)
        low, high = wilson(once / total, total)
        agrees = {6.0: once < total / 2, 12.0: 0 < once < total}.get(alpha, once == total)
        clear = {6.0: high < 0.5, 12.0: True}.get(alpha, low > 0.5)
        found.append(
            Claim(
                statement,
                f"{once} of {total} runs recovered by t = {budget:.2g} (the paper's budget; "
                f"95 %: {low:.2f} to {high:.2f}), {twice} by twice that; N = {runs.n.iloc[0]}",
                "cannot tell" if not clear else "agrees" if agrees else "differs",
            )
        )
    return found


def panels(table: pd.DataFrame) -> list[Panel]:
    """Return e(t) of every run, with a teacher and shuffled; marks are the twins' plateaus."""
    plateau = threshold_energy(table)
    found = []
    for labels in ("teacher", "shuffled"):
        shown = table[(table.labels == labels) & (table.outcome != "failed")]
        series = []
        for run in shown[shown.alpha.isin(ALPHAS)].sort_values("alpha").itertuples():
            t, energy = np.array(run.t), np.array(run.energy_t)
            seen = (t > 0) & (energy > 1e-8)
            index = ALPHAS.index(run.alpha)
            name = f"α = {run.alpha:g}"
            series.append(Series(name, t[seen], energy[seen], style="lines", colour=index))
        marks = [
            Mark("y", float(plateau[alpha]), "", "dot", index)
            for index, alpha in enumerate(ALPHAS)
            if alpha in plateau
        ]
        found.append(
            Panel(
                f"Energy, {labels} labels; dotted: plateau of the shuffled twins",
                "time t",
                "energy e = L/N",
                series,
                marks,
                x_scale="log",
                y_range=(0.0, 2.1 * max(ALPHAS)),
            )
        )
    return found


EXPERIMENT = Experiment(
    name="fig1",
    title="Figure 1. Energy against time, and the threshold energy",
    version=2,
    schema=SCHEMA,
    points=points,
    measure=rows,
    failed=failed_rows,
    cost=cost,
    draw=draw,
    claims=claims,
    panels=panels,
)
