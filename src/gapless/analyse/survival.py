"""Time to a solution as survival data: solution and rest are competing events.

A run leaves the set at risk when it is solved (L/N first falls to a tolerance, the first passage
that its record holds), when it comes to rest elsewhere, or when its time budget ends (censoring).
The cumulative incidence of an event k is estimated by Aalen and Johansen's

    F_k(t) = Σ_{t_i ≤ t} S(t_i−) d_k(t_i)/n(t_i),   S(t) = Π_{t_i ≤ t} (1 − d(t_i)/n(t_i)),

n runs at risk, d_k events of kind k, d of any. One minus Kaplan and Meier's estimate of solution
alone would count runs at rest as if they could still be solved.

Where all runs have one time budget F_k(t) is a fraction of them, and its 95 % interval is Wilson's
at n over the design effect (`design_effect`, of the runs with the event by t). That of a quantile
t_p holds the times at which F_k is within 1.96 √(p(1 − p)/n) of p, the score test's. Where budgets
differ, n counts the runs that are not censored before t. The runs of a single design count as
independent.

The covariate is z = √N q(0), the start's overlap in units of its standard deviation: while the
overlap grows like exp(Λt), t = (½ ln N − ln z)/Λ, so −dt/d(ln z) is 1/Λ.

Source: Andersen, Borgan, Gill and Keiding, Statistical Models Based on Counting Processes (1993),
section IV.4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan
from typing import Literal, get_args

import numpy as np
import pandas as pd

from gapless.analyse.statistics import (
    Z_95,
    clustered_line,
    computed,
    design_effect,
    designs_of,
    intraclass_correlation,
    wilson,
)
from gapless.analyse.success import SOLVED_FRACTIONS, success_column
from gapless.flow import Outcome
from gapless.inputs import number
from gapless.shapes import Bool, Float, Int

Event = Literal["solved", "rest", "interpolated"]
EVENTS: tuple[Event, ...] = get_args(Event)
"""Ways to leave the set at risk; ``interpolated``: zero energy elsewhere (M < N)."""
CENSORED = -1


@dataclass(frozen=True, eq=False)
class Incidence:
    """Cumulative incidence of each event.

    Parameters
    ----------
    t : (T,)
        Times at which a run had an event or was censored, increasing.
    share : (E, T)
        F_k at each of them, one row for each of `EVENTS`.
    free : (T,)
        S, the share that no event has had: 1 − Σ_k F_k.
    """

    t: Float[np.ndarray, " T"]
    share: Float[np.ndarray, "E T"]
    free: Float[np.ndarray, " T"]

    def time_at(self, level: float, event: Event = "solved") -> float:
        """Return the time at which the share of runs with an event reaches a level, or infinity."""
        curve = self.share[EVENTS.index(event)]
        # a sum of T shares may end 1e-16 short of what it is
        place = int(np.searchsorted(curve, level - 1e-12))
        return float(self.t[place]) if place < len(curve) else inf

    def at(self, when: Float[np.ndarray, " G"], event: Event) -> Float[np.ndarray, " G"]:
        """Return F_k at given times."""
        curve = np.concatenate([[0.0], self.share[EVENTS.index(event)]])
        return curve[np.searchsorted(self.t, when, side="right")]


class Lifetimes:
    """Times and kinds of the events of runs, and estimates for any weights of the runs.

    Parameters
    ----------
    time : (R,)
        Of the event, or of censoring.
    event : (R,)
        Place in `EVENTS`, `CENSORED` for none.
    cluster : (R,)
        The design each run is on.

    Raises ``ValueError`` without runs, for times that are not finite, and for other lengths.
    """

    def __init__(
        self,
        time: Float[np.ndarray, " R"],
        event: Int[np.ndarray, " R"],
        cluster: np.ndarray,
    ) -> None:
        if not (len(time) and np.isfinite(time).all()):
            raise ValueError("time: an incidence needs a finite time of each of one run or more")
        if not len(time) == len(event) == len(cluster):
            raise ValueError(
                f"event, cluster: must be of the {len(time)} runs of time, not of {len(event)} and "
                f"{len(cluster)}"
            )
        self.t, self._place = np.unique(time, return_inverse=True)
        self._event = np.asarray(event)
        designs, self._design = np.unique(cluster, return_inverse=True)
        self.designs = len(designs)

    def incidence(self, weight: Float[np.ndarray, " R"] | None = None) -> Incidence:
        """Return the Aalen–Johansen estimate; a run of weight w counts as w runs."""
        count = len(self.t)
        given = np.ones(len(self._event)) if weight is None else weight
        leaving = np.bincount(self._place, given, count)
        # events at a time come before the censoring at it: all who leave then are at risk
        at_risk = leaving[::-1].cumsum()[::-1]
        hazards = np.stack(
            [
                np.bincount(self._place, given * (self._event == k), count)
                / np.maximum(at_risk, np.finfo(float).tiny)
                for k in range(len(EVENTS))
            ]
        )
        free = np.cumprod(1 - hazards.sum(axis=0))
        before = np.concatenate([[1.0], free[:-1]])
        return Incidence(self.t, np.cumsum(before * hazards, axis=1), free)

    def independent(self, when: float, event: Event) -> float:
        """Return the number of runs whose state at a time is known, over their design effect."""
        time = self.t[self._place]
        had = (self._event == EVENTS.index(event)) & (time <= when)
        known = (self._event != CENSORED) | (time >= when)
        if not known.any():
            return nan
        sizes, successes = (
            np.bincount(self._design[chosen], minlength=self.designs) for chosen in (known, had)
        )
        correlation = intraclass_correlation(successes, sizes, np.zeros(self.designs))
        return float(known.sum()) / design_effect(sizes, correlation)

    def interval(
        self, when: Float[np.ndarray, " G"], event: Event
    ) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, " G"]]:
        """Return both ends of the 95 % interval of F_k at given times."""
        shares = self.incidence().at(when, event)
        ends = [
            wilson(float(np.clip(share, 0, 1)), self.independent(float(time), event))
            for share, time in zip(shares, when, strict=True)
        ]
        low, high = np.array(ends).T
        return low, high

    def time_interval(self, level: float, event: Event = "solved") -> tuple[float, float]:
        """Return both ends of the 95 % interval of the time at which F_k reaches a level.

        They are 0 and infinity where the runs are too few, or too few have the event, for an end;
        both are infinite where the share stays below the interval of the level.
        """
        level = number("level", level, 0, 1)
        whole = self.incidence()
        # where the level is not reached, the most is known at the end
        when = min(whole.time_at(level, event), float(self.t[-1]))
        half = Z_95 * (level * (1 - level) / self.independent(when, event)) ** 0.5
        low, high = level - half, level + half
        return (
            whole.time_at(low, event) if low > 0 else 0.0,
            whole.time_at(high, event) if high < 1 else inf,
        )

    def times(self, level: float) -> dict[str, float]:
        """Return ``t_p``, ``t_p_low`` and ``t_p_high`` of solution, NaN where one is not reached.

        p is the level in per cent; the ends are those of `time_interval`.
        """
        name = f"t_{100 * level:g}"
        found = self.incidence().time_at(level), *self.time_interval(level)
        finite = (time if np.isfinite(time) else nan for time in found)
        return dict(zip((name, f"{name}_low", f"{name}_high"), finite, strict=True))


def lifetimes(table: pd.DataFrame, tolerance: float = 1e-8) -> Lifetimes:
    """Return the time of each run's first passage of L/N = `tolerance`, or of its rest.

    Failed rows are left out. A run that neither happened to is censored at the end of its time
    budget, also if it ended before: one that recovered the signal and came to rest above the
    tolerance, or whose numbers became infinite, will have no event any more.
    """
    table = computed(table)
    passage = table[success_column(tolerance)].to_numpy(float)
    reached = np.isfinite(passage)
    elsewhere = (table.outcome == Outcome.interpolated).to_numpy()
    at_rest = (table.outcome == Outcome.trapped).to_numpy()
    event = np.select(
        [reached & ~elsewhere, reached & elsewhere, at_rest],
        [EVENTS.index("solved"), EVENTS.index("interpolated"), EVENTS.index("rest")],
        CENSORED,
    )
    ended, budget = (table[name].to_numpy(float) for name in ("stopped_at", "t_max"))
    time = np.select([reached, at_rest], [passage, ended], budget)
    return Lifetimes(time, event, designs_of(table))


def time_table(
    table: pd.DataFrame, tolerance: float = 1e-8, levels: Sequence[float] = SOLVED_FRACTIONS
) -> pd.DataFrame:
    """Return one row for each (N, α): incidences within the budget, times to solution, covariate.

    Columns: n, alpha, runs, designs, t_max; ``solved_by_end`` and ``rest_by_end``, the
    incidences at t_max; for each level p in per cent ``t_p``, the time at which p per cent of
    all runs are solved, with ``t_p_low`` and ``t_p_high`` (95 %), null where it is not reached;
    ``per_log_z`` with its clustered ``per_log_z_error``, −dt/d(ln z) over the solved runs, and
    ``explained``, the share of their variance of t that ln z explains.
    Where many runs are not solved in the budget the late ones are missing, and the slope is too
    small.
    """
    rows = []
    for (n, alpha), here in computed(table).groupby(["n", "alpha"]):
        lives = lifetimes(here, tolerance)
        whole = lives.incidence()
        row = {"n": n, "alpha": alpha, "runs": len(here), "designs": lives.designs}
        row |= {"t_max": float(here.t_max.iloc[0])}
        row |= {f"{name}_by_end": float(whole.share[k, -1]) for k, name in enumerate(EVENTS[:2])}
        for level in levels:
            row |= lives.times(level)
        rows.append(row | _covariate(here, tolerance))
    return pd.DataFrame(rows).replace({np.nan: None})


def _covariate(table: pd.DataFrame, tolerance: float) -> dict[str, float]:
    """Return the slope of the time to solution in ln z, and the share of variance explained."""
    found = table[success_column(tolerance)].to_numpy(float)
    z = np.sqrt(table.n.to_numpy(float)) * table.overlap_start.abs().to_numpy(float)
    with np.errstate(divide="ignore"):
        log_z = np.log(z)
    with_signal = (table.outcome != Outcome.interpolated).to_numpy()
    good = np.isfinite(found) & np.isfinite(log_z) & with_signal
    line = clustered_line(-log_z[good], found[good], designs_of(table)[good])
    return {
        "per_log_z": line.slope,
        "per_log_z_error": line.slope_error,
        "explained": line.explained,
    }


def thirds(table: pd.DataFrame) -> list[Bool[np.ndarray, " R"]]:
    """Return masks of the runs in the lowest, middle and highest third of z = √N q(0)."""
    z = table.overlap_start.abs().to_numpy(float)
    low, high = np.nanquantile(z, [1 / 3, 2 / 3])
    return [z < low, (z >= low) & (z < high), z >= high]
