"""Figure 1: the energy against time, with a teacher and with shuffled labels.

The shuffled twins (same sensing vectors, teacher, start and multiset of y²) fall to a plateau,
the threshold energy; it is the dotted line on both panels. Runs with a teacher stay at it (small
α) or leave it for zero energy (large α).
"""

from typing import Any

import numpy as np
import pandas as pd

from gapless.experiments._experiment import Claim, Experiment, Scale
from gapless.experiments.simulation import SCHEMA, Simulation, cost, failed_rows, rows
from gapless.experiments.statistics import wilson
from gapless.flow import paper_budget
from gapless.page.panels import GREY, Axis, Mark, Panel, Picture, Series

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


def picture(table: pd.DataFrame) -> Picture:
    """Return e(t) of every run, with a teacher and shuffled; dotted are the twins' plateaus."""
    n, late = int(table.n.iloc[0]), table[table.labels == "shuffled"].t_max.max()
    plateau = threshold_energy(table)
    energy = Axis("energy e = L/N", range=(0, 2.1 * max(ALPHAS)))
    panels = []
    for labels in ("teacher", "shuffled"):
        shown = table[(table.labels == labels) & (table.outcome != "failed")]
        runs = shown[shown.alpha.isin(ALPHAS)].sort_values("alpha", kind="stable")
        marks = [
            Mark("y", float(plateau[alpha]), dash="dot", colour=index, width=1.4)
            for index, alpha in enumerate(ALPHAS)
            if alpha in plateau
        ]
        if labels == "teacher":
            marks.append(Mark("x", paper_budget(n), "paper's budget", "solid", GREY))
        curves = [_curve(run) for run in runs.itertuples()]
        panels.append(Panel(f"{labels} labels", Axis("time t", "log"), energy, curves, marks))
    return Picture(
        f"N = {n}; dotted: energy of the shuffled twins at t = {late:g}, the threshold energy",
        (panels,),
    )


def _curve(run: Any) -> Series:
    t, energy = np.array(run.t), np.array(run.energy_t)
    seen = (t > 0) & (energy > 1e-8)
    return Series(
        *(f"α = {run.alpha:g}, design {run.design}, run {run.run}", t[seen], energy[seen]),
        style="lines",
        colour=ALPHAS.index(run.alpha),
        legend=f"α = {run.alpha:g}",
        width=0.8,
    )


EXPERIMENT = Experiment(
    name="fig1",
    title="Figure 1. Energy against time, and the threshold energy",
    version=2,
    schema=SCHEMA,
    points=points,
    measure=rows,
    failed=failed_rows,
    cost=cost,
    picture=picture,
    claims=claims,
)
