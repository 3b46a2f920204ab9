"""Runs by time: the shares that are solved and that are at rest, against t."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gapless.analyse.statistics import computed
from gapless.analyse.survival import Event, lifetimes, thirds, time_table
from gapless.page.panels import Axis, Panel, Picture, Series
from gapless.shapes import Float

GRID = 200
"""Times at which a curve is drawn."""
EVENTS: tuple[Event, ...] = ("solved", "rest")
THIRDS = ("lowest", "middle", "highest")


@dataclass(frozen=True, eq=False)
class IncidenceCurve:
    """Cumulative incidences of the runs of one (N, α).

    Parameters
    ----------
    t : (G,)
        Times from 0 to the end of the budget.
    share, low, high
        For each event its incidence at these times, (G,), with the ends of its 95 % interval.
    by_start
        The incidence of solved runs in each third of the runs by √N q(0).
    """

    n: int
    alpha: float
    t: Float[np.ndarray, " G"]
    share: dict[Event, Float[np.ndarray, " G"]]
    low: dict[Event, Float[np.ndarray, " G"]]
    high: dict[Event, Float[np.ndarray, " G"]]
    by_start: list[Float[np.ndarray, " G"]]


@dataclass(frozen=True, eq=False)
class IncidenceCurves:
    """Numbers of runs by time (`time_table`), and an `IncidenceCurve` for each (N, α)."""

    times: pd.DataFrame
    each: list[IncidenceCurve]


def incidence_curves(table: pd.DataFrame, tolerance: float = 1e-8) -> IncidenceCurves:
    """Return times to a solution and incidences of all (N, α) of some records."""
    good = computed(table)
    groups = [here for _, here in good.groupby(["n", "alpha"])]
    return IncidenceCurves(
        time_table(good, tolerance), [_incidence_curve(here, tolerance) for here in groups]
    )


def _incidence_curve(table: pd.DataFrame, tolerance: float) -> IncidenceCurve:
    lives, t = lifetimes(table, tolerance), np.linspace(0, float(table.t_max.iloc[0]), GRID)
    whole = lives.incidence()
    bands = [lives.interval(t, event) for event in EVENTS]
    parts = [table[chosen] for chosen in thirds(table)] if len(table) >= len(THIRDS) else []
    return IncidenceCurve(
        n=int(table.n.iloc[0]),
        alpha=float(table.alpha.iloc[0]),
        t=t,
        share={event: whole.at(t, event) for event in EVENTS},
        low={event: low for event, (low, _) in zip(EVENTS, bands, strict=True)},
        high={event: high for event, (_, high) in zip(EVENTS, bands, strict=True)},
        by_start=[
            lifetimes(part, tolerance).incidence().at(t, "solved") for part in parts if len(part)
        ],
    )


def picture(found: IncidenceCurves) -> Picture:
    """Return incidences of every α, and by the start's overlap where half are solved."""
    if not found.each:
        return Picture("no run could be computed", ())
    axes = Axis("t"), Axis("share of the runs", range=(-0.02, 1.02))
    series = [_series(curve, event, i) for i, curve in enumerate(found.each) for event in EVENTS]
    even = min(found.each, key=lambda curve: abs(curve.share["solved"][-1] - 0.5))
    starts = [
        Series(f"{name} third", even.t, share, style="lines", colour=i)
        for i, (name, share) in enumerate(zip(THIRDS, even.by_start, strict=False))
    ]
    return Picture(
        f"N = {found.each[0].n}; full: solved; dotted: at rest elsewhere; bands: 95 %",
        (
            (
                Panel("Cumulative incidence", *axes, series, size=(5.2, 4.0)),
                Panel(f"Solved, by √N q(0), α = {even.alpha:g}", *axes, starts, size=(5.2, 4.0)),
            ),
        ),
    )


def _series(curve: IncidenceCurve, event: Event, colour: int) -> Series:
    return Series(
        f"α = {curve.alpha:g}, {event}",
        curve.t,
        curve.share[event],
        curve.low[event],
        curve.high[event],
        style="lines",
        dash="solid" if event == "solved" else "dot",
        colour=colour,
        band=True,
        legend=f"α = {curve.alpha:g}" if event == "solved" else "",
    )


SHOWN = {
    "n": "n",
    "alpha": "alpha",
    "runs": "runs",
    "designs": "designs",
    "solved_by_end": "solved",
    "rest_by_end": "rest",
    "t_50": "t_50",
    "t_50_low": "low",
    "t_50_high": "high",
    "t_90": "t_90",
    "t_90_low": "low",
    "t_90_high": "high",
    "per_log_z": "-dt/dlnz",
    "per_log_z_error": "error",
    "explained": "explained",
}
"""Columns of the table of times and their headings."""


def cells(times: pd.DataFrame) -> list[Sequence]:
    """Return the rows of `SHOWN`, numbers with four digits."""
    rows = times.to_dict("records")
    return [
        [f"{row[name]:.4g}" if isinstance(row[name], float) else row[name] for name in SHOWN]
        for row in rows
    ]
