"""BBP along the run: outliers of the Hessian along the signal, in three regimes of α.

For a loss of bounded curvature the transition exists at a random start (α_start) and at the 1RSB
threshold states (α_1RSB). Below the first the Hessian never has an outlier along the signal;
between the two it has one at first and loses it on the way down; above the second it still has one
when the run gets to the threshold, and the run escapes. T. Bonnaire, G. Biroli and C. Cammarota,
"The role of the time-dependent Hessian in high-dimensional optimization", arXiv 2403.02418, ask
this question.

Runs start at overlap 0 exactly, as they do when N → ∞. Theory's lowest eigenvalue comes from the
run's own labels and history, at any overlap (docs/derivations/joint.md); the claims, on the outlier
at overlap zero (limits.md §4), look at q < 0.1 alone, and the picture is greyed beyond.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from gapless.analyse.frames import with_joint
from gapless.analyse.statistics import Fraction, clustered_mean, designs_of, share
from gapless.analyse.verdict import (
    INFORMED,
    MOSTLY,
    NOT_MEASURED,
    RARELY,
    Claim,
    Sample,
    Statement,
    Verdict,
    judged,
    verdict,
)
from gapless.figures.experiment import Experiment, Scale, Source, in_numpy
from gapless.losses import normalised, recorded_loss
from gapless.measure.frames import FramesPoint
from gapless.page.panels import GREY, TWO_ERRORS, Axis, Mark, Panel, Picture, Series
from gapless.theory import NotConverged, bbp_at_random_start, bbp_threshold

LOSS = normalised(1.0)
ALPHAS = (0.8, 3.5, 10.0)
"""One in each regime: for this loss α_start = 1.135 and α_1RSB = 7.094."""
REGIMES = ("no information", "information early, then lost", "escape")
SIZES: dict[Scale, tuple[int, int, int, int]] = {
    "smoke": (160, 1, 8, 12),
    "desk": (1024, 4, 8, 25),
    "paper": (4096, 8, 8, 41),
}
"""N, designs, runs on each, frames."""


def points(scale: Scale, seed: int) -> list[FramesPoint]:
    """Return the designs of every α of a scale."""
    n, designs, runs, frames = SIZES[scale]
    common: dict[str, Any] = dict(n=n, seed=seed, runs=runs, loss=LOSS.name, frames=frames)
    common["in_numpy"] = in_numpy(scale)
    return [
        FramesPoint(alpha=alpha, index=index, **common)
        for alpha in ALPHAS
        for index in range(designs)
    ]


@dataclass(frozen=True)
class Regimes:
    """The runs at each α that were followed, in order of α, and N."""

    groups: list[pd.DataFrame]
    n: int
    loss: str = LOSS.name


def reduce(table: pd.DataFrame) -> Regimes:
    """Return the runs that were followed, by α."""
    followed = with_joint(table[table.outcome == "followed"])
    groups = [group for _, group in followed.groupby("alpha")]
    return Regimes(groups, int(table.n.max()), str(table.loss.iloc[0]))


@cache
def transitions(loss: str = LOSS.name) -> tuple[float, float]:
    """Return α_BBP at a random start and at the 1RSB threshold states; NaN for one without.

    A loss of a user's whose code is not run has neither.
    """
    known = recorded_loss(loss)
    if known is None:
        return nan, nan
    early, late = nan, nan
    # losses without a transition, such as one of unbounded curvature at a random start
    with suppress(ValueError, NotConverged):
        early = bbp_at_random_start(known).alpha
    with suppress(ValueError, NotConverged):
        late = bbp_threshold(known).edge or nan
    return early, late


def series(group: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard error, clustered by design, of a column of lists at each time.

    Runs without a value are left out; the error is NaN with one design.
    """
    values, design = np.stack(group[name].to_list()).astype(float), designs_of(group)
    mean, error = np.full((2, values.shape[1]), np.nan)
    for index, column in enumerate(values.T):
        known = np.isfinite(column)
        if known.any():
            found = clustered_mean(column[known], design[known])
            mean[index], error[index] = found.mean, found.standard_error
    return mean, error


def picture(reduced: Regimes) -> Picture:
    """Return, for each α: above, how far λ₁ lies below the bulk edge; below, overlaps of v₁."""
    early, late = transitions(reduced.loss)
    above, below = [], []
    for group in reduced.groups:
        alpha, t = float(group.alpha.iloc[0]), np.array(group.t.iloc[0])
        time = Axis("time t", "symlog", ticks=(0, 0.1, 1), linear=0.05)
        unsure = t[series(group, "overlap_t")[0] > INFORMED]
        grey = Mark("x", unsure[0] if unsure.size else np.nan, colour=GREY, until=float(t[-1]))
        gap, size = Axis("bulk edge − λ₁", "symlog", linear=0.1), (3.5, 2.7)
        both = np.isfinite([early, late]).all()
        regime = f": {REGIMES[int(alpha > early) + int(alpha > late)]}" if both else ""
        title = f"α = {alpha:g}{regime}"
        above.append(Panel(title, time, gap, _gaps(t, group), (grey,), size=size))
        overlap = Axis("overlap with the signal", range=(0, 1.02))
        # the mean of a random vector
        chance = Mark("y", (2 / np.pi / group.n.iloc[0]) ** 0.5, dash="dot", width=0.7)
        title = f"α = {alpha:g}; dotted: a random vector"
        below.append(Panel(title, time, overlap, _overlaps(t, group), (grey, chance), size=size))
    return Picture(
        f"{_formula(reduced.loss)}, N = {reduced.n}: α_BBP = {early:.3f} at a random start, "
        f"{late:.3f} at the 1RSB threshold; grey: state's q above {INFORMED:g}; "
        f"bars: {TWO_ERRORS}",
        (above, below) if above else (),
    )


def _formula(loss: str) -> str:
    return "ℓ = (ŷ² − y²)²/(1 + y²)" if loss == LOSS.name else f"loss {loss}"


def _gaps(t: np.ndarray, group: pd.DataFrame) -> list[Series]:
    edges = np.stack(group.hessian_edge_t.to_list()).astype(float)
    lowest = np.stack(group.eigenvalue_1_t.to_list()).astype(float)
    joint = np.stack(group.joint_outlier_t.to_list()).astype(float)
    gaps = group.assign(measured=list(edges - lowest), predicted=list(edges - joint))
    return [
        # the legend of both rows stands below, where there is room
        _runs("λ₁, runs", t, gaps, "measured", legend=""),
        _theory("λ₁, theory", t, gaps, "predicted", legend=""),
    ]


def _overlaps(t: np.ndarray, group: pd.DataFrame) -> list[Series]:
    state = series(group, "overlap_t")[0]
    return [
        _runs("v₁, runs", t, group, "vector_overlap_1_t", legend="λ₁ and v₁, runs"),
        _theory("v₁, theory", t, group, "joint_overlap_t", legend="λ₁ and v₁, theory"),
        Series("state q", t, state, style="lines", colour=2, dash="dash"),
    ]


def _runs(name: str, t: np.ndarray, group: pd.DataFrame, column: str, legend: str) -> Series:
    mean, error = series(group, column)
    ends = mean - 2 * error, mean + 2 * error, TWO_ERRORS
    return Series(name, t, mean, *ends, style="markers", legend=legend)


def _theory(name: str, t: np.ndarray, group: pd.DataFrame, column: str, legend: str) -> Series:
    mean, _ = series(group, column)
    return Series(name, t, mean, style="lines", colour=1, legend=legend)


NEVER, USUALLY, LOST = Statement(high=RARELY), Statement(low=MOSTLY), Statement(high=MOSTLY)
"""Readings as bounds on the fraction of runs with an outlier: never, at the start or kept, lost."""


def claims(reduced: Regimes) -> list[Claim]:
    """Judge the three regimes."""
    early, late = transitions()
    found = []
    for group in reduced.groups:
        alpha, n, design = float(group.alpha.iloc[0]), int(group.n.iloc[0]), designs_of(group)
        outliers = np.isfinite(np.stack(group.hessian_outlier_t.to_list()).astype(float))
        overlap = np.array([values[0] for values in group.vector_overlap_1_t])
        calm = np.abs(np.stack(group.overlap_t.to_list())) < INFORMED
        some = calm.any(axis=1)
        last = [values[row][-1] for values, row in zip(outliers, calm, strict=True) if row.any()]
        start, kept = share(outliers[:, 0], design), share(np.array(last, bool), design[some])

        def judge(reading: Statement, fraction: Fraction, n: int = n) -> Verdict:
            return verdict(reading, fraction.fraction, fraction.interval, Sample(n, fraction.runs))

        if alpha < early:
            statement = (
                "Below α_BBP of the start the Hessian never has an outlier toward the signal"
            )
            parts: list[Verdict] = [judge(NEVER, start)]
        elif alpha < late:
            statement = (
                "Between α_BBP of the start and that of the threshold states the Hessian has an "
                "outlier toward the signal at the start and loses it"
            )
            # the question ends for a run that finds the signal before it loses the outlier
            lost = judge(LOST, kept) if calm[:, -1].any() else NOT_MEASURED
            parts = [judge(USUALLY, start), lost]
        else:
            statement = (
                "Above α_BBP of the threshold states the Hessian still has an outlier toward the "
                "signal when the run escapes"
            )
            parts = [judge(USUALLY, start), judge(USUALLY, kept)]
        found.append(
            judged(
                statement,
                f"α = {alpha:g}, N = {n}: outlier in {start.text} at the start (overlap of v₁ "
                f"{overlap.mean():.2f}), in {kept.text} at the last frame with "
                f"q < {INFORMED:g}; “never” is read as in fewer than {100 * RARELY:g} %, “has” "
                f"and “loses” as in more and fewer than {100 * MOSTLY:g} %",
                *parts,
            )
        )
    return found


BONNAIRE = Source(
    "other papers",
    'T. Bonnaire, G. Biroli, C. Cammarota, "The role of the time-dependent Hessian in '
    'high-dimensional optimization", arXiv 2403.02418',
)

EXPERIMENT = Experiment(
    name="bbp",
    title="BBP along the run: three regimes of α for a loss of bounded curvature",
    version=2,
    points=points,
    reduce=reduce,
    picture=picture,
    claims=claims,
    caption=(
        "How far the lowest eigenvalue λ₁ of the Hessian lies below the edge of its bulk "
        "(above), and overlaps of its eigenvector v₁ and of the state with the signal (below), "
        "against time along runs at three α, for a loss of bounded curvature ({sizes}). Below "
        "α_BBP of the start no outlier should point to the signal; between this α and that of "
        "the threshold states it should be lost on the way down; above both it should last until "
        "the run escapes, where the state's overlap exceeds 0.1 (grey)."
    ),
    source=BONNAIRE,
    takes_loss=True,
)
