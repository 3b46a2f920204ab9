"""Figure 1: the energy against time, with a teacher and with shuffled labels.

The shuffled twins (same sensing vectors, teacher, start and multiset of y²) fall to a plateau,
the threshold energy: that of each twin at rest (|∇L − μW|²/N < 1e-10 s²), or at the end of its
time. Its mean is the dotted line on both panels. Runs with a teacher stay at it (small α) or leave
it for zero energy (large α).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gapless.analyse.statistics import computed, designs_of, share
from gapless.analyse.success import recovered, solved
from gapless.analyse.verdict import MOSTLY, Claim, Sample, Statement, judged, of_paper, verdict
from gapless.figures.experiment import SCALES, THE_PAPER, Experiment, Scale, in_numpy
from gapless.flow import PAPER, Outcome, paper_budget
from gapless.measure.simulation import Simulation
from gapless.measure.threshold import rest_sentence
from gapless.page.panels import GREY, Axis, Mark, Panel, Picture, Series

PAPER_N = 16384
ALPHAS = (6.0, 12.0, 18.0, 24.0)
SIZES: dict[Scale, tuple[int, int, float, int]] = {
    "smoke": (1024, 4, 3.0, 36),
    "desk": (2048, 8, 20.0, 60),
    "large": (PAPER_N, 4, 20.0, 60),
    "paper": (PAPER_N, 8, 20.0, 60),
}
"""N, runs for each α, largest time of a twin, and number of save times."""


def points(scale: Scale, seed: int) -> list[Simulation]:
    """Return a teacher and a shuffled simulation for each α, on the same design.

    With a teacher the time budget is twice the paper's: of the runs that are solved at α = 6 as
    many are in the second half as in the first.
    """
    n, runs, late, times = SIZES[scale]
    budget = {"teacher": 2 * paper_budget(n), "shuffled": late}
    return [
        Simulation(
            n=n,
            alpha=alpha,
            seed=seed,
            runs=runs,
            labels=labels,
            t_max=budget[labels],
            save_at=(0.0, *np.geomspace(2e-3, budget[labels], times - 1).tolist()),
            # X of α = 24 takes 12.9 GB in float16
            dtype="float16" if n == PAPER_N else None,
            in_numpy=in_numpy(scale),
        )
        for alpha in ALPHAS
        for labels in ("teacher", "shuffled")
    ]


@dataclass(frozen=True)
class Runs:
    """Runs of the figure, and the plateaus of the shuffled ones.

    Parameters
    ----------
    table
        Records of the runs that did not fail.
    plateau
        α → mean energy of the shuffled runs, at rest or at the end of time.
    rest
        Sentence with the number of those at rest, and the last time of the others.
    n
        N.
    """

    table: pd.DataFrame
    plateau: dict[float, float]
    rest: str
    n: int

    def of(self, labels: str) -> pd.DataFrame:
        """Return the runs with these labels."""
        return self.table[self.table.labels == labels]


def reduce(table: pd.DataFrame) -> Runs:
    """Return the runs, with the threshold energy of each α."""
    good = computed(table)
    twins = good[(good.labels == "shuffled") & (good.outcome != Outcome.not_finite)]
    rest = rest_sentence(
        twins.outcome.tolist(),
        "shuffled twins",
        float(twins.t_max.max()),
        str(table.loss.iloc[0]),
    )
    plateau = {float(str(a)): float(e) for a, e in twins.groupby("alpha")["energy"].mean().items()}
    return Runs(good, plateau, rest, int(table.n.iloc[0]))


FALLS, STAYS = Statement(low=MOSTLY), Statement(high=MOSTLY)
STATEMENTS = (
    (6.0, "At α = 6 the energy of runs with a teacher does not decrease to zero", STAYS),
    (
        12.0,
        "At α = 12 the energy of some runs with a teacher falls to zero, and that of others does "
        "not",
        Statement(low=0, high=1),
    ),
    (18.0, "At α = 18 the energy of runs with a teacher falls to zero rapidly", FALLS),
    (24.0, "At α = 24 the energy of runs with a teacher falls to zero rapidly", FALLS),
)
"""α, statement, and its reading: bounds on the fraction of runs solved in the paper's budget."""


def claims(reduced: Runs) -> list[Claim]:
    """Return verdicts on the paper's statements about Figure 1, at N = 16384."""
    teacher = reduced.of("teacher")
    found = []
    for alpha, text, reading in STATEMENTS:
        runs = teacher[teacher.alpha == alpha]
        if runs.empty:
            continue
        n = int(runs.n.iloc[0])
        budget = paper_budget(n)
        once = share(runs["t_1e-8"] <= budget, designs_of(runs))
        size, of = Sample(n, once.runs), of_paper([PAPER_N], reading.low, reading.high)
        found.append(
            judged(
                text,
                f"N = {n}: {once.successes} of {once.runs} runs reach zero energy (e ≤ 1e-8) by "
                f"t = {budget:.2g}, the paper's time (95 %: a fraction of {once.low:.2f} to "
                f"{once.high:.2f}), and {int(solved(runs).sum())} by twice that, when "
                f"{int(recovered(runs).sum())} have found the signal",
                verdict(of, once.fraction, once.interval, size),
                size=size,
                of=of,
            )
        )
    return found


def picture(reduced: Runs) -> Picture:
    """Return e(t) of every run, with a teacher and shuffled; dotted are the twins' plateaus."""
    n, plateau = reduced.n, reduced.plateau
    # what is above the energies at the start is room for the legend
    top = max((energies[0] for energies in reduced.table.energy_t), default=1.0)
    energy = Axis("energy e = L/N", range=(0, 1.35 * top))
    panels = []
    for labels in ("teacher", "shuffled"):
        shown = reduced.of(labels)
        runs = shown[shown.alpha.isin(ALPHAS)].sort_values("alpha", kind="stable")
        marks = [
            Mark("y", plateau[alpha], dash="dot", colour=index, width=1.4)
            for index, alpha in enumerate(ALPHAS)
            if alpha in plateau
        ]
        if labels == "teacher":
            marks.append(Mark("x", paper_budget(n), "paper's budget", "solid", GREY, at=0.57))
        curves = [_curve(run) for run in runs.itertuples()]
        panels.append(
            Panel(
                *(f"{labels} labels", Axis("time t", "log"), energy, curves, marks),
                own_legend=True,
                upper=("iterations of the paper (rate 2e-4)", 1 / PAPER.rate),
            )
        )
    return Picture(
        f"N = {n}; dotted: threshold energy, the mean over the twins;\n{reduced.rest}",
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
    version=3,
    points=points,
    reduce=reduce,
    picture=picture,
    claims=claims,
    caption=(
        "Energy e (the loss for each unknown) against time t of every run, at four numbers α of "
        "samples for each unknown ({sizes}): on the left the labels are those of a hidden "
        "signal, the teacher, on the right the same labels in random order, which hold no "
        "signal. Shuffled runs come to rest on a plateau, the threshold energy (dotted: mean "
        "over runs); runs with a teacher stay near it at small α, and leave it at large α for "
        "zero energy, where all labels are fitted."
    ),
    source=THE_PAPER,
    scales=SCALES,
    takes_loss=True,
)
