"""Late times at N = ∞: energies of rest, and the α from which a small overlap survives.

Shuffled labels, N → ∞ first. On the left the energy above the 1RSB threshold energy; on the
right the share m/|δw| of the signal in what a small overlap, put in at t_w, has become: it falls
like a power of t where the Hessian has no outlier along the signal, and keeps its value where it
has one (docs/derivations/dmft.md §8).
"""

from dataclasses import dataclass
from math import hypot, inf, nan

import numpy as np
import pandas as pd

from gapless.analyse.late_times import (
    alignment_exponent,
    at_time,
    corner,
    energy_limit,
    median_error,
    vanishing_excess,
)
from gapless.analyse.plateaus import prediction
from gapless.analyse.statistics import Z_95, student_half_width
from gapless.analyse.verdict import CLOSE, Claim, Sample, Statement, judged, verdict
from gapless.figures.experiment import PAPER_ALPHA_BBP, THE_PAPER, Experiment, Scale
from gapless.measure.mean_field import MeanField
from gapless.page.panels import Axis, Panel, Picture, Series
from gapless.theory.dmft import ENERGY_BIAS


@dataclass(frozen=True)
class Sets:
    """Independent sets of paths at each α."""

    alphas: tuple[float, ...]
    sets: int
    paths: int
    t_max: float
    waiting: tuple[float, ...] = ()


SIZES: dict[Scale, tuple[Sets, Sets]] = {
    "smoke": (
        Sets((6.0, 10.0, 14.0), 3, 2048, 6.0),
        Sets((8.0, 11.0, 14.0, 17.0), 4, 2048, 4.0, (0.5,)),
    ),
    "desk": (
        Sets((4.0, 6.0, 10.0, 14.0), 8, 65536, 30.0),
        Sets((10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0), 10, 32768, 16.0, (2.0,)),
    ),
    "paper": (
        Sets((4.0, 6.0, 10.0, 14.0), 16, 131072, 60.0),
        Sets((10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0), 24, 65536, 32.0, (2.0,)),
    ),
}
"""Sets whose energies are followed, and sets with a small overlap put in at the waiting time."""
WINDOWS = ((3 / 16, 7 / 16), (1 / 4, 1.0))
"""Windows of the exponent, in units of the last time."""
STRAIGHT_FROM = 13.0
"""α from which the gain over a random perturbation is read as a straight line."""
CLOSE_RATIO = Statement(low=-CLOSE, high=CLOSE)
"""Bounds on the ratio of a measured value to the claimed one, minus one."""


def points(scale: Scale, seed: int) -> list[MeanField]:
    """Return sets of paths for each α, without and with probes."""
    return [
        MeanField(
            alpha=alpha,
            t_max=size.t_max,
            step=None,
            paths=size.paths,
            seed=seed,
            path_set=path_set,
            waiting=size.waiting,
        )
        for size in SIZES[scale]
        for alpha in size.alphas
        for path_set in range(size.sets)
    ]


@dataclass(frozen=True)
class LateTimes:
    """Sets of paths at each α, and the results of their curves.

    Parameters
    ----------
    followed, probed
        α → records of the sets without and with probes.
    energies, growth, transition
        See `energy_table`, `growth_table` and `transition_table`.
    """

    followed: dict[float, pd.DataFrame]
    probed: dict[float, pd.DataFrame]
    energies: pd.DataFrame
    growth: pd.DataFrame
    transition: pd.DataFrame


def reduce(table: pd.DataFrame) -> LateTimes:
    """Return the sets that were followed, energies at rest, and the readings of the transition."""
    good = table[table.outcome == "followed"]
    has_probe = good.waiting.map(len) > 0
    followed, probed = (
        {
            float(str(alpha)): here[here.t_max == here.t_max.max()]
            for alpha, here in kind.groupby("alpha")
        }
        for kind in (good[~has_probe], good[has_probe])
    )
    return LateTimes(
        *(followed, probed),
        *(energy_table(followed), growth_table(probed), transition_table(probed)),
    )


def energy_table(followed: dict[float, pd.DataFrame]) -> pd.DataFrame:
    """Return, for each α, the energy towards the end and e∞ beside the 1RSB threshold energy."""
    rows = []
    for alpha, sets in followed.items():
        last, level = float(sets.t_max.iloc[0]), prediction(sets.loss.iloc[0], alpha).energy
        t, energies = _curves(sets, "energy")
        value, error, window = energy_limit(t, energies)
        ends = np.array([at_time(t, one, last) for one in energies])
        count = len(ends)
        rows.append(
            {
                "alpha": alpha,
                "sets": count,
                "paths": int(sets.paths.iloc[0]),
                "t": last,
                "energy": ends.mean(),
                "energy_error": ends.std(ddof=1) / count**0.5 if count > 1 else nan,
                "energy_half_time": np.mean([at_time(t, one, last / 2) for one in energies]),
                "limit": value,
                "limit_error_sets": error,
                "limit_error_window": window,
                "threshold_1rsb": level,
                "excess_percent": 100 * (ends.mean() / level - 1),
            }
        )
    return pd.DataFrame(rows)


def growth_table(probed: dict[float, pd.DataFrame]) -> pd.DataFrame:
    """Return, for each α, m/|δw| at three times, its exponents, and the gain over random ones."""
    rows = []
    for alpha, sets in probed.items():
        last, (t, shares) = float(sets.t_max.iloc[0]), _curves(sets, "alignment")
        row = {"alpha": alpha, "sets": len(sets), "paths": int(sets.paths.iloc[0]), "t": last}
        for part in (4, 2, 1):
            seen = [abs(at_time(t, share, last / part)) for share in shares]
            row[f"alignment_t/{part}"] = float(np.mean(seen))
        for index, window in enumerate(WINDOWS, start=1):
            value, error = median_error(_exponents(sets, window))
            row |= {f"exponent_{index}": value, f"exponent_{index}_error": error}
        excess = _excess(sets)
        row["excess"] = float(excess.mean())
        row["excess_error"] = excess.std(ddof=1) / len(sets) ** 0.5 if len(sets) > 1 else nan
        rows.append(row)
    return pd.DataFrame(rows)


def transition_table(probed: dict[float, pd.DataFrame]) -> pd.DataFrame:
    """Return α of the transition by three readings: two corners and the vanishing excess.

    A reading is NaN where it would lie at an end of the range of α, or beyond.
    """
    rows, sets = [], sum(map(len, probed.values()))
    last = max((float(here.t_max.max()) for here in probed.values()), default=nan)
    for window in WINDOWS:
        exponents = {alpha: np.array(_exponents(here, window)) for alpha, here in probed.items()}
        value, error = corner(exponents)
        text = f"m/|δw| stops falling, t = {window[0] * last:g} to {window[1] * last:g}"
        rows.append({"reading": text, "alpha": value, "error": error, "sets": sets})
    excess = {alpha: _excess(here) for alpha, here in probed.items() if alpha >= STRAIGHT_FROM}
    value, error = vanishing_excess(excess)
    text = f"an overlap outgrows a random perturbation, t = {last / 2:g} to {last:g}"
    rows.append({"reading": text, "alpha": value, "error": error, "sets": sets})
    return pd.DataFrame(rows)


def _curves(sets: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the saved times, and one curve of every set (of its first probe)."""
    t = np.array(sets.t.iloc[0], float)
    return t, np.array([np.array(curve, float)[: len(t)] for curve in sets[f"{name}_t"]])


def _exponents(sets: pd.DataFrame, window: tuple[float, float]) -> list[float]:
    last, (t, shares) = float(sets.t_max.iloc[0]), _curves(sets, "alignment")
    times = (window[0] * last, window[1] * last)
    return [alignment_exponent(t, share, times) for share in shares]


def _excess(sets: pd.DataFrame) -> np.ndarray:
    """Return the gain of ln m over a random perturbation in the second half, one per set."""
    last = float(sets.t_max.iloc[0])

    def gain(name: str) -> np.ndarray:
        t, curves = _curves(sets, name)
        return np.array([at_time(t, c, last) - at_time(t, c, last / 2) for c in curves])

    return gain("growth") - gain("perturbation_growth")


def claims(reduced: LateTimes) -> list[Claim]:
    """Return verdicts on the paper's threshold energy and α_BBP, at N = ∞."""
    energies, parts, texts = reduced.energies, [], []
    for row in energies.to_dict("records"):
        level = row["threshold_1rsb"]
        sets = student_half_width(row["limit_error_sets"], row["sets"])
        half = (
            hypot(sets, row["limit_error_window"]) / level
            + ENERGY_BIAS * row["alpha"] / row["paths"]
        )
        over = row["limit"] / level - 1
        parts.append(
            verdict(CLOSE_RATIO, over, (over - half, over + half), Sample(inf, row["sets"]))
        )
        texts.append(
            f"α = {row['alpha']:g}: {row['excess_percent']:+.1f} %, {100 * over:+.1f} ± "
            f"{100 * half:.1f} % extrapolated"
        )
    ours = (
        f"energy over 1RSB at the last time, which is an upper bound, and in the limit of late "
        f"times: {'; '.join(texts)} (95 %, with the window of the fit and the bias of a finite "
        "number of paths); “is” is read as within 5 %"
    )
    found = [
        judged(
            "The threshold energy is that of one step of replica symmetry breaking (1RSB)",
            ours,
            *parts,
        )
    ]
    for row in reduced.transition.to_dict("records"):
        over, half = row["alpha"] / PAPER_ALPHA_BBP - 1, Z_95 * row["error"] / PAPER_ALPHA_BBP
        part = verdict(CLOSE_RATIO, over, (over - half, over + half), Sample(inf, row["sets"]))
        read = f"α = {row['alpha']:.2f} ± {Z_95 * row['error']:.2f} (95 %)"
        none = "nowhere within the range of α"
        found.append(
            judged(
                "At the threshold energy the outlier toward the signal appears at α_BBP = "
                f"{PAPER_ALPHA_BBP:g}",
                f"{row['reading']}: {none if np.isnan(over) else read}; “at” is read as within 5 %",
                part,
            )
        )
    return found


def picture(reduced: LateTimes) -> Picture:
    """Return energies over 1RSB, and m/|δw| with ± one standard error over sets."""
    energies, alignments = [], []
    for colour, (alpha, sets) in enumerate(reduced.followed.items()):
        level, (t, curves) = prediction(sets.loss.iloc[0], alpha).energy, _curves(sets, "energy")
        for number, energy in enumerate(curves):
            shown = (t > 0) & (energy > level)
            name, over = f"α = {alpha:g}", energy[shown] / level - 1
            energies.append(
                Series(
                    *(f"{name}, set {number}", t[shown], over),
                    style="lines",
                    colour=colour,
                    legend=name,
                    width=0.8,
                )
            )
    for colour, (alpha, sets) in enumerate(reduced.probed.items()):
        t, shares = _curves(sets, "alignment")
        with np.errstate(divide="ignore"):
            logs = np.log(abs(shares))
        seen = (t > sets.waiting.iloc[0][0]) & np.isfinite(logs).all(axis=0)
        value, error = np.array([median_error(log) for log in logs.T[seen]]).reshape(-1, 2).T
        ends = np.exp(value - error), np.exp(value + error), "± one standard error"
        line = (f"α = {alpha:g}, t_w = {sets.waiting.iloc[0][0]:g}", t[seen], np.exp(value), *ends)
        alignments.append(Series(*line, style="lines", colour=colour, band=True))
    time = Axis("time t", "log")
    return Picture(
        "shuffled labels, N = ∞; right: an infinitesimal overlap, put in at a waiting time",
        (
            (
                Panel("Energy over 1RSB's", time, Axis("e/e(1RSB) − 1", "log"), energies),
                Panel(
                    "Share of the signal",
                    time,
                    Axis("share of the perturbation, m/|δw|", "log"),
                    alignments,
                ),
            ),
        ),
    )


def tables(reduced: LateTimes) -> list[tuple[str, pd.DataFrame]]:
    """Return energies, growth and the readings of the transition."""
    return [
        ("Energies at N = ∞ and where they tend", reduced.energies),
        ("What becomes of a small overlap", reduced.growth),
        ("The transition at N = ∞, by three readings", reduced.transition),
    ]


EXPERIMENT = Experiment(
    name="late",
    title="Late times at N = ∞: threshold energy, and growth of a small overlap",
    version=1,
    points=points,
    reduce=reduce,
    picture=picture,
    claims=claims,
    tables=tables,
    caption=(
        "Left: energy e of runs with shuffled labels over the threshold energy of 1RSB theory, "
        "against time, by the dynamics at N = ∞; right: what share of a small perturbation toward "
        "the signal, made at time t_w, still points to it (m/|δw| = 1: all of it) ({sizes}). "
        "A curve on the left that stops above zero means a higher threshold energy than 1RSB's; "
        "one on the right that levels off means that the Hessian has an outlier toward the "
        "signal."
    ),
    source=THE_PAPER,
)
