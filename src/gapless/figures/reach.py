"""The α at which half of the runs are solved against N, by time budget, from 64 to a million.

Dense X up to N = 4096; beyond, X is a product of fast transforms (`gapless.sensing`). Solved is the
paper's criterion, L/N ≤ 1e-8, within t = c log₂ N; the paper's c is 0.3. The dashed lines are the
limits N → ∞: Λ(α) = ln 2/2c, Λ the growth rate of a small overlap at the most numerous marginal
minima, μ less the outlier of their Hessian (docs/derivations/landscape.md). Beside it stands the
median time to solution against ½ ln N, of slope 1/Λ once the growth is exponential, and against
−ln q(0) for runs of all N.
"""

from dataclasses import dataclass
from functools import cache
from math import isinf, log2, nan

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline

from gapless.analyse.reach import (
    TO_REST,
    drift_from,
    growth_of_times,
    half_solved,
    rate_for,
    times_by_overlap,
    times_by_size,
    with_ensemble,
)
from gapless.analyse.statistics import Z_95
from gapless.analyse.verdict import (
    NOT_MEASURED,
    REJECTED_LINE,
    Claim,
    Sample,
    Statement,
    judged,
    verdict,
)
from gapless.figures.experiment import OWN, SCALES, Experiment, Scale, in_numpy
from gapless.losses import quartic
from gapless.measure.simulation import Simulation
from gapless.page.panels import Axis, Mark, Panel, Picture, Series
from gapless.sensing import OF_TRANSFORMS, Ensemble
from gapless.theory.minima import minima
from gapless.theory.roots import root_between

BUDGETS = (0.15, 0.3, 0.6, 1.2)
"""Time budgets c in units of log₂ N; the paper's is 0.3."""
FROM = 512
"""Smallest N of the fits. Below, the curves of short budgets fall with N before they rise."""
SHOWN = (8.0, 10.0, 12.0, 14.0)
"""α of the median times to solution."""
ALPHAS_OF_RATE = (13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 20.0)
"""α between which Λ is interpolated."""


@dataclass(frozen=True)
class SizeByBudget:
    """One N: the ensemble of X, its α, and at each the number of designs and runs on a design.

    `budget` is the largest c that the runs are given; infinite: they are followed to rest.
    """

    n: int
    sensing: Ensemble
    alphas: tuple[float, ...]
    designs: int
    runs: int
    budget: float = BUDGETS[-1]

    @property
    def t_max(self) -> float:
        """Time limit of the runs."""
        return TO_REST if isinf(self.budget) else self.budget * log2(self.n)


_SMOKE = (4.0, 5.0, 6.0, 7.0, 9.0, 12.0)
_SMALL = (4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0, 8.0, 9.0, 10.0, 12.0)
_LARGE = (5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0)
_HUGE = (6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0)
_RESTING = (3.5, 4.0, 4.5, 5.0, 5.5, 6.0)
SIZES: dict[Scale, tuple[SizeByBudget, ...]] = {
    "smoke": (
        SizeByBudget(64, "gaussian", _SMOKE, 2, 32),
        SizeByBudget(128, "gaussian", _SMOKE, 2, 16),
        SizeByBudget(256, "fast", _SMOKE, 2, 6),
    ),
    "desk": (
        *(SizeByBudget(n, "gaussian", _SMALL, 8, 64) for n in (64, 128, 256, 512)),
        SizeByBudget(1024, "gaussian", _SMALL, 4, 64),
        SizeByBudget(4096, "fast", _LARGE, 2, 64),
        *(SizeByBudget(n, "gaussian", _RESTING, 8, 64, np.inf) for n in (64, 128, 256)),
    ),
    "large": (
        *(SizeByBudget(n, "gaussian", _SMALL, 16, 64) for n in (64, 128, 256, 512)),
        SizeByBudget(1024, "gaussian", _SMALL, 12, 64),
        SizeByBudget(2048, "gaussian", _LARGE, 8, 64),
        SizeByBudget(4096, "gaussian", _LARGE, 6, 64),
        SizeByBudget(4096, "fast", _LARGE, 4, 64),
        SizeByBudget(16384, "fast", _HUGE, 4, 32),
        SizeByBudget(65536, "fast", _HUGE, 4, 32, 0.6),
        SizeByBudget(262144, "fast", _HUGE, 4, 16, 0.6),
        SizeByBudget(1048576, "fast", _HUGE, 4, 4, 0.6),
        # twice as long, at the α nearest to one half
        SizeByBudget(65536, "fast", (6.0, 7.0, 8.0), 4, 16),
        SizeByBudget(262144, "fast", (6.5, 7.5, 8.5), 4, 16),
        SizeByBudget(1048576, "fast", (7.0, 8.0, 9.0), 4, 4),
        *(SizeByBudget(n, "gaussian", _RESTING, 8, 64, np.inf) for n in (64, 128, 256, 512, 1024)),
    ),
    "paper": (
        *(SizeByBudget(n, "gaussian", _SMALL, 64, 64) for n in (64, 128, 256, 512, 1024)),
        *(SizeByBudget(n, "gaussian", _LARGE, 32, 64) for n in (2048, 4096)),
        SizeByBudget(4096, "fast", _LARGE, 32, 64),
        *(SizeByBudget(n, "fast", _HUGE, 16, 32) for n in (16384, 65536, 262144)),
        SizeByBudget(1048576, "fast", _HUGE, 16, 8),
        *(SizeByBudget(n, "gaussian", _RESTING, 32, 64, np.inf) for n in (64, 128, 256, 512, 1024)),
    ),
}


def points(scale: Scale, seed: int) -> list[Simulation]:
    """Return the designs of every N and α of a scale, first designs first."""
    return [
        Simulation(
            n=size.n,
            alpha=alpha,
            seed=seed,
            index=index,
            runs=size.runs,
            t_max=size.t_max,
            sensing=size.sensing,
            in_numpy=in_numpy(scale),
        )
        for size in SIZES[scale]
        for index in range(size.designs)
        for alpha in size.alphas
    ]


@dataclass(frozen=True)
class Reach:
    """Results: α at one half, its drift with ln N, and times to solution with their growth.

    Parameters
    ----------
    crossing, drift, times, growth, by_overlap
        See `half_solved`, `drift_from`, `times_by_size`, `growth_of_times`, `times_by_overlap`.
    """

    crossing: pd.DataFrame
    drift: pd.DataFrame
    times: pd.DataFrame
    growth: pd.DataFrame
    by_overlap: pd.DataFrame


def reduce(table: pd.DataFrame) -> Reach:
    """Return α at one half by N and budget, and the median times to solution."""
    named = with_ensemble(table)
    crossing, times = half_solved(named, BUDGETS), times_by_size(named)
    return Reach(
        crossing,
        drift_from(crossing, FROM),
        times,
        growth_of_times(times, FROM),
        times_by_overlap(named, SHOWN),
    )


@cache
def growth_rate() -> CubicSpline:
    """Return Λ(α) of the most numerous marginal minima between the ends of `ALPHAS_OF_RATE`.

    A small overlap at such a minimum grows like exp(Λt), Λ = μ − λ for the outlier λ of ½Σℓ″xxᵀ.
    """
    counted = [minima(quartic, alpha) for alpha in ALPHAS_OF_RATE]
    rates = [nan if one.outlier is None else one.mu - one.outlier for one in counted]
    return CubicSpline(ALPHAS_OF_RATE, rates)


def limit(budget: float) -> float:
    """Return the α with Λ(α) = ln 2/2c, from which on runs of N → ∞ are solved in the budget."""
    rate, goal, (first, *_, last) = growth_rate(), rate_for(budget), ALPHAS_OF_RATE
    return root_between(lambda alpha: float(rate(alpha)) - goal, first, last)


def claims(reduced: Reach) -> list[Claim]:
    """Return verdicts on the readings of the paper's question: saturation, or a shift like log N.

    The statements are ours, from the limit N → ∞ above.
    """
    return [_logarithm(reduced.drift, c) for c in BUDGETS] + [_below_limit(reduced.crossing)]


def _words(budget: float) -> str:
    return "to rest" if isinf(budget) else f"t = {budget:g} log₂ N"


def _logarithm(drift: pd.DataFrame, budget: float) -> Claim:
    statement = (
        "At the N that are reached, the α at which half of the runs are solved grows like ln N "
        f"({_words(budget)})"
    )
    found = drift[(drift.budget == budget) & (drift.dof > 0)]
    if found.empty:
        return judged(statement, f"fewer than three N from {FROM} on", NOT_MEASURED)
    fit = found.iloc[0]
    sizes, largest, dof = (int(fit[name]) for name in ("sizes", "largest", "dof"))
    size = Sample(largest, int(fit.runs))
    bound = Statement(low=REJECTED_LINE, least_n=4 * FROM)
    p = float(fit.p_value)
    return judged(
        statement,
        f"{fit.b:.3f} ± {fit.b_error:.3f} for each unit of ln N over {sizes} curves from "
        f"N = {FROM} to {largest:,}; χ² = {fit.chi2:.3g} with {dof} degrees of freedom, "
        f"{int(fit.designs)} designs or more at each α",
        verdict(bound, p, (p, p), size),
        size=size,
        of=bound,
    )


def _below_limit(crossing: pd.DataFrame) -> Claim:
    statement = (
        "At every N that is reached, the α at which half of the runs are solved lies below its "
        "limit N → ∞, for each time budget"
    )
    parts, words, sizes = [], [], []
    for budget in BUDGETS:
        here = crossing[crossing.budget == budget].dropna()
        if here.empty:
            continue
        last, end = here.sort_values("n").iloc[-1], limit(budget)
        half = Z_95 * float(last.error)
        size = Sample(float(last.n), int(last.runs))
        parts.append(
            verdict(Statement(high=end), last.alpha, (last.alpha - half, last.alpha + half), size)
        )
        words.append(
            f"{_words(budget)}: {last.alpha:.2f} ± {last.error:.2f} at N = {last.n:,}, "
            f"limit {end:.1f}"
        )
        sizes.append(size)
    if not parts:
        return judged(statement, "no N has a crossing", NOT_MEASURED)
    return judged(statement, "; ".join(words), *parts, size=min(sizes, key=lambda size: size.runs))


def picture(reduced: Reach) -> Picture:
    """Return α at one half against N for each budget, and median times against ½ ln N."""
    if reduced.crossing.empty and reduced.times.empty:
        return Picture("no N has half of its runs solved", ())
    curves = reduced.crossing.groupby(["budget", "sensing"])
    series = [_curve(float(str(budget)), str(sensing), here) for (budget, sensing), here in curves]
    marks = [
        Mark("y", limit(budget), f"N → ∞, {_words(budget)}", colour=_colour(budget), width=1.0)
        for budget in BUDGETS
    ]
    return Picture(
        "full: dense X; dotted, open: X by fast transforms; bars: 95 %\n"
        "dashed: limits N → ∞, from the growth at the most numerous minima",
        (
            (
                Panel(
                    "Half of the runs solved",
                    *(Axis("N", "log"), Axis("α at 50 %", range=(3.0, 19.5))),
                    *(series, marks),
                    size=(5.6, 4.6),
                    # the limits lie where a legend would have room
                    legend="above",
                ),
                _times(reduced.times),
                _collapse(reduced.by_overlap),
            ),
        ),
    )


def _curve(budget: float, sensing: str, here: pd.DataFrame) -> Series:
    of_transforms = sensing in OF_TRANSFORMS
    return Series(
        name=f"{_words(budget)}, {_ensemble(sensing)} X",
        x=here.n,
        y=here.alpha,
        low=here.alpha - Z_95 * here.error,
        high=here.alpha + Z_95 * here.error,
        colour=_colour(budget),
        dash="dot" if of_transforms else "solid",
        marker="circle-open" if of_transforms else "circle",
        legend=_words(budget),
        note=[f"at least {runs} runs at each α" for runs in here.runs],
    )


def _ensemble(sensing: str) -> str:
    return "fast" if sensing in OF_TRANSFORMS else "dense"


def _colour(budget: float) -> int:
    return len(BUDGETS) if isinf(budget) else BUDGETS.index(budget)


def _times(times: pd.DataFrame) -> Panel:
    """Return the median time to solution against ½ ln N at each α of `SHOWN`."""
    rows = times[times.alpha.isin(SHOWN)].dropna(subset=["t_50"]) if len(times) else times
    groups = rows.groupby(["alpha", "sensing"]) if len(rows) else ()
    series = [
        Series(
            name=f"α = {alpha:g}, {_ensemble(str(sensing))} X",
            x=here.half_log_n,
            y=here.t_50.astype(float),
            low=here.t_50_low.astype(float),
            high=here.t_50_high.astype(float),
            colour=SHOWN.index(alpha),
            dash="dot" if sensing in OF_TRANSFORMS else "solid",
            marker="circle-open" if sensing in OF_TRANSFORMS else "circle",
            legend=f"α = {alpha:g}",
        )
        for (alpha, sensing), here in groups
    ]
    axes = Axis("½ ln N"), Axis("time t", range=(0, None))
    return Panel("Median time to solution", *axes, series, own_legend=True, size=(5.0, 4.6))


def _collapse(by_overlap: pd.DataFrame) -> Panel:
    """Return the median time to solution against −ln q(0), for every N at one α of `SHOWN`."""
    axes = Axis("−ln q(0) = ½ ln N − ln|z|"), Axis("time t", range=(0, None))
    known = by_overlap.dropna(subset=["t_50"])
    if known.empty:
        return Panel("Median time by the start's overlap", *axes, (), size=(5.0, 4.6))
    # where the most N can be compared
    alpha = float(str(known.groupby("alpha").n.nunique().idxmax()))
    groups = known[known.alpha == alpha].groupby(["n", "sensing"])
    series = [
        Series(
            name=f"N = {n}, {_ensemble(str(sensing))} X",
            x=here.minus_log_q,
            y=here.t_50,
            low=here.t_50_low,
            high=here.t_50_high,
            colour=colour,
            dash="dot" if sensing in OF_TRANSFORMS else "solid",
            marker="circle-open" if sensing in OF_TRANSFORMS else "circle",
            legend=f"N = {n}",
            note=[f"{runs} runs" for runs in here.runs],
        )
        for colour, ((n, sensing), here) in enumerate(groups)
    ]
    title = f"Median time by the start's overlap, α = {alpha:g}"
    return Panel(title, *axes, series, own_legend=True, size=(5.0, 4.6))


def tables(reduced: Reach) -> list[tuple[str, pd.DataFrame]]:
    """Return α at one half, its drift, times to solution, and the growth of the median time."""
    return [
        ("α at which half of the runs are solved within t = c log₂ N", reduced.crossing),
        (f"Its drift a + b ln N from N = {FROM} on", reduced.drift),
        ("Times to L/N ≤ 1e-8", reduced.times),
        ("Rate Λ of t_50 = const + ½ ln N/Λ, beside that at the minima", _beside_theory(reduced)),
        ("Median times to L/N ≤ 1e-8 by the start's overlap", reduced.by_overlap),
    ]


def _beside_theory(reduced: Reach) -> pd.DataFrame:
    first, *_, last = ALPHAS_OF_RATE
    at_minima = [
        float(growth_rate()(alpha)) if first <= alpha <= last else nan
        for alpha in reduced.growth.alpha
    ]
    return reduced.growth.assign(rate_at_minima=at_minima)


READS = (
    *("n", "m", "alpha", "seed", "design", "run", "sensing"),
    *("outcome", "t_max", "t_1e-8", "stopped_at", "overlap_start"),
)
"""Columns that `reduce` reads."""

EXPERIMENT = Experiment(
    name="reach",
    title="Success from N = 64 to a million, by time budget",
    version=1,
    points=points,
    reduce=reduce,
    picture=picture,
    claims=claims,
    tables=tables,
    reads=READS,
    caption=(
        "Left: the α at which half of the runs reach zero energy (solved, e ≤ 1e-8), against N, "
        "for time budgets t = c log₂ N; middle: the median time that this takes, against ½ ln N; "
        "right: the same against −ln q(0), the start's overlap, where all N are one curve if time "
        "depends on it alone ({sizes}). Dashed: limits N → ∞ at the most numerous minima."
    ),
    source=OWN,
    scales=SCALES,
)
