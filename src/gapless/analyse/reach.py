"""Success by size and time budget: α at half of the runs, and how times to solution grow with N.

A start has an overlap of order 1/√N. While it grows like exp(Λt), a run of N → ∞ needs
t = ½ ln N/Λ, so that within a budget of c log₂ N the runs are solved where

    Λ(α) > ln 2/2c,

and at fixed α the times of all runs move by 1/Λ with every unit of ½ ln N. Where the growth is
faster at first than it is in the end, both hold only once ½ ln N exceeds what was gained at first.
"""

from collections.abc import Sequence
from math import log, nan

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from gapless.analyse.statistics import computed, weighted_line
from gapless.analyse.success import success_column
from gapless.analyse.survival import lifetimes, time_table
from gapless.analyse.transition import by_design, crossings
from gapless.analyse.verdict import REJECTED_LINE
from gapless.inputs import number

BIN = 0.5
"""Width of the bins of −ln q(0)."""
LEAST_IN_BIN = 8
"""Fewest runs in a bin: the 95 % interval of a median is then nearly the range of all."""
TO_REST = 300.0
"""Time limit from which on runs count as followed to rest: by then all but a few are."""


def rate_for(budget: float) -> float:
    """Return ln 2/2c, the growth rate that solves runs of N → ∞ within t = c log₂ N."""
    return log(2) / (2 * number("budget", budget, above=0))


def with_ensemble(table: pd.DataFrame) -> pd.DataFrame:
    """Return records with the ensemble of X named: ``gaussian`` where a record does not say."""
    return table.assign(sensing=table.sensing.fillna("gaussian"))


def half_solved(table: pd.DataFrame, budgets: Sequence[float]) -> pd.DataFrame:
    """Return the α at which half of the runs are solved, by ensemble, N and time budget.

    Parameters
    ----------
    table
        Records of `gapless.measure.simulation`, from `with_ensemble`.
    budgets
        c of t ≤ c log₂ N. Runs that were stopped earlier say nothing of it, and are left out. Where
        an N has several limits that suffice, the runs with the shortest of them count.

    Returns
    -------
    Columns ``sensing``, ``budget`` (infinite: to rest, of runs with a limit of `TO_REST` or more),
    ``n``, ``alpha`` with ``error`` (statistical, and of the interpolation), and ``runs`` and
    ``designs``, the fewest at an α. Sizes whose fraction does not pass one half have no row.
    """
    rows = []
    good = computed(table)
    for sensing, of_ensemble in good.groupby("sensing"):
        for budget in (*budgets, np.inf):
            limit = TO_REST if np.isinf(budget) else budget * np.log2(of_ensemble.n)
            long = of_ensemble[of_ensemble.t_max >= limit - 1e-9]
            # other limits are other runs of the same designs: never two in one curve
            here = long[long.t_max == long.groupby("n").t_max.transform("min")]
            if here.empty:
                continue
            passage = here[success_column(1e-8)].astype(float)
            designs = by_design(here, passage <= budget * np.log2(here.n))
            sums = designs.groupby(["n", "alpha"]).runs.agg(["sum", "size"]).groupby("n").min()
            rows += [
                {
                    "sensing": sensing,
                    "budget": budget,
                    "n": found.n,
                    "alpha": found.alpha,
                    "error": found.error,
                    "runs": int(sums["sum"][found.n]),
                    "designs": int(sums["size"][found.n]),
                }
                for found in crossings(designs, (0.5,))
            ]
    columns = pd.Index(["sensing", "budget", "n", "alpha", "error", "runs", "designs"])
    return pd.DataFrame(rows, columns=columns).dropna(subset=["alpha"]).reset_index(drop=True)


def drift_from(crossing: pd.DataFrame, smallest: int) -> pd.DataFrame:
    """Return the fits of a + b ln N to α at one half, by budget, from a smallest N on.

    Columns: budget, sizes, largest (N), runs and designs (the fewest at an α), b with its error,
    chi2, dof, p_value. Both ensembles enter, and budgets with three sizes or more.
    """
    rows = []
    known = crossing[(crossing.n >= smallest)].dropna()
    for budget, here in known.groupby("budget"):
        if len(here) < 3:
            continue
        n, alpha, error = (here[name].to_numpy(float) for name in ("n", "alpha", "error"))
        line, dof = weighted_line(np.log(n), alpha, error), len(here) - 2
        rows.append(
            {
                "budget": budget,
                "sizes": len(here),
                "largest": int(n.max()),
                "runs": int(here.runs.min()),
                "designs": int(here.designs.min()),
                "b": line.parameters[1],
                "b_error": line.errors[1],
                "chi2": line.chi2,
                "dof": dof,
                "p_value": float(chdtrc(dof, line.chi2)),
            }
        )
    columns = ["budget", "sizes", "largest", "runs", "designs", "b", "b_error", "chi2", "dof"]
    return pd.DataFrame(rows, columns=pd.Index([*columns, "p_value"]))


def times_by_size(table: pd.DataFrame) -> pd.DataFrame:
    """Return `time_table` of each ensemble, with ``sensing`` and ``half_log_n``, ½ ln N.

    Of each (N, α) the records with the longest limit count; a shorter budget censors.
    """
    parts = []
    good = computed(table)
    for sensing, here in good.groupby("sensing"):
        longest = here.groupby(["n", "alpha"]).t_max.transform("max")
        found = time_table(here[here.t_max == longest])
        parts.append(found.assign(sensing=sensing, half_log_n=np.log(found.n.astype(float)) / 2))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def growth_of_times(times: pd.DataFrame, smallest: int) -> pd.DataFrame:
    """Return Λ of t_50 = const + ½ ln N/Λ, t_50 the median time to solution, by α.

    Columns: alpha, sizes, largest (N), rate (Λ, in units of 1/t), rate_error, chi2, dof, p_value: a
    weighted line through the t_50 of `times_by_size` with intervals, from a smallest N on, both
    ensembles together. Where p is below `REJECTED_LINE` they are no line, and there is no rate.
    """
    rows = []
    columns = ["alpha", "sizes", "largest", "rate", "rate_error", "chi2", "dof", "p_value"]
    if times.empty:
        return pd.DataFrame(columns=pd.Index(columns))
    known = times[times.n >= smallest].dropna(subset=["t_50", "t_50_low", "t_50_high"])
    for alpha, here in known.groupby("alpha"):
        low, high = here.t_50_low.to_numpy(float), here.t_50_high.to_numpy(float)
        good = high > low
        if good.sum() < 3:
            continue
        x, t = here.half_log_n.to_numpy(float)[good], here.t_50.to_numpy(float)[good]
        # a 95 % interval is four standard errors wide, nearly
        line = weighted_line(x, t, (high - low)[good] / 3.92)
        slope, error, dof = line.parameters[1], line.errors[1], int(good.sum()) - 2
        p_value = float(chdtrc(dof, line.chi2))
        is_line = p_value >= REJECTED_LINE
        rows.append(
            {
                "alpha": alpha,
                "sizes": int(good.sum()),
                "largest": int(here.n[good].max()),
                "rate": 1 / slope if is_line else nan,
                "rate_error": error / slope**2 if is_line else nan,
                "chi2": line.chi2,
                "dof": dof,
                "p_value": p_value,
            }
        )
    return pd.DataFrame(rows, columns=pd.Index(columns))


def times_by_overlap(table: pd.DataFrame, alphas: Sequence[float]) -> pd.DataFrame:
    """Return the median time to solution of runs that start at nearly one overlap q(0), by N.

    While the overlap is small it grows by a factor that depends on α and t alone, so that the times
    of all N are one curve of −ln q(0) = ½ ln N − ln|z|, z the start's overlap in units of its
    standard deviation; a straight one where the growth is exponential. Starts with |z| well below 1
    are earlier: fluctuations of order 1/√N take the place of so small an overlap.

    Columns: sensing, n, alpha; minus_log_q, the middle of a bin of width `BIN`; runs; t_50 with
    t_50_low and t_50_high (95 %), NaN where it is not reached. Of each (N, α) the records with the
    longest limit count, and bins with `LEAST_IN_BIN` runs or more.
    """
    good = computed(table)
    good = good[good.alpha.isin(alphas)]
    good = good[good.t_max == good.groupby(["sensing", "n", "alpha"]).t_max.transform("max")]
    with np.errstate(divide="ignore"):
        place = np.floor(-np.log(good.overlap_start.abs().to_numpy(float)) / BIN)
    rows = []
    for (sensing, n, alpha, edge), here in good.groupby(["sensing", "n", "alpha", place]):
        middle = (float(str(edge)) + 0.5) * BIN
        if len(here) < LEAST_IN_BIN or not np.isfinite(middle):
            continue
        row = {"sensing": sensing, "n": n, "alpha": alpha, "minus_log_q": middle}
        row |= {"runs": len(here)}
        rows.append(row | lifetimes(here).times(0.5))
    columns = ["sensing", "n", "alpha", "minus_log_q", "runs", "t_50", "t_50_low", "t_50_high"]
    return pd.DataFrame(rows, columns=pd.Index(columns))
