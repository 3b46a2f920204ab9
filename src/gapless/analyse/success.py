"""Success curves: which fraction of runs is solved, and which has recovered the signal.

Solved: the energy L/N fell to 1e-8 within the time budget, the paper's criterion. Recovered: the
student has found the signal, q > 1 − 1e-6 at its end.
"""

import numpy as np
import pandas as pd

from gapless.analyse.statistics import Fraction, intraclass_correlation, success_fraction
from gapless.flow import Outcome
from gapless.flow.outcome import RECOVERED_OVERLAP

TOLERANCES = {1e-4: "1e-4", 1e-6: "1e-6", 1e-8: "1e-8", 1e-10: "1e-10"}
"""L/N at which first passages are recorded: the criteria that can be applied afterwards."""


def success_column(tolerance: float) -> str:
    """Return the column of first-passage times for a tolerance on L/N."""
    # a criterion that was not recorded cannot be applied: nothing is interpolated between levels
    if tolerance not in TOLERANCES:
        known = ", ".join(TOLERANCES.values())
        raise ValueError(f"tolerance: first passages are recorded at {known}, not {tolerance:g}")
    return f"t_{TOLERANCES[tolerance]}"


def solved(table: pd.DataFrame, tolerance: float = 1e-8) -> pd.Series:
    """Return which runs are solved: L/N fell to `tolerance` within their time budget."""
    # passages are recorded within the budget only
    return table[success_column(tolerance)].notna()


def recovered(table: pd.DataFrame) -> pd.Series:
    """Return which runs have recovered the signal: q > 1 − 1e-6 at their end.

    The outcome says so. Records that an earlier version of the measurement made have the word also
    where the energy vanished elsewhere: so the overlap, if the table has it, must say so too.
    """
    found = table.outcome == Outcome.recovered
    return found & (table.overlap.abs() > RECOVERED_OVERLAP) if "overlap" in table else found


ENDED = tuple(o for o in Outcome if o not in (Outcome.recovered, Outcome.failed))
"""The other outcomes of runs: each has its count in `success_table`."""


def first_runs(table: pd.DataFrame, runs: int | None) -> pd.DataFrame:
    """Return the first so many runs of each (N, α), in order; all when None."""
    # in a fixed order, since `runs` keeps the first ones: parts of a store come in any
    table = table.sort_values(["n", "alpha", "design", "run"])
    return table if runs is None else table[table.groupby(["n", "alpha"]).cumcount() < runs]


def success_table(
    table: pd.DataFrame, runs: int | None = None, tolerance: float = 1e-8
) -> pd.DataFrame:
    """Return one row for each (N, α): fractions solved and recovered, gradients a run.

    `successes`, `fraction`, `low` and `high` are of the runs that are `solved`; those that have
    `recovered` the signal stand in four columns of their own. A run that recovered and is not
    solved needed more time for the last decades of its energy; one that is solved and has not
    recovered interpolates its labels. Intervals are 95 % and hold the correlation of runs on one
    design, pooled over all α of one N. `ENDED` are counts of the other outcomes. Failed runs
    (outcome ``failed``) are counted apart and not among the runs.

    Parameters
    ----------
    table
        Records of simulations.
    runs
        Keep the first so many runs of each (N, α); all when None.
    tolerance
        L/N of a solved run.
    """
    table = first_runs(table, runs)
    table = table.assign(solved=solved(table, tolerance), recovered=recovered(table))
    result = []
    for n, at_n in table.groupby("n"):
        # a computation that failed says nothing of its run, so it is no unsolved one
        good = at_n[at_n.outcome != "failed"]
        # ρ is pooled over the α of one N: a single α has too few designs for it
        fractions, correlation = _fractions(good, "solved")
        signal, _ = _fractions(good, "recovered")
        for alpha, estimate in fractions.items():
            here, found = good[good.alpha == alpha], signal[alpha]
            # what a solution costs; the mean over all runs holds the budget of those that find none
            at_end = here[here.solved]
            result.append(
                {
                    "n": n,
                    "alpha": alpha,
                    "m": int(here.m.iloc[0]),
                    "runs": estimate.runs,
                    "designs": estimate.designs,
                    "successes": estimate.successes,
                    "fraction": estimate.fraction,
                    "low": estimate.low,
                    "high": estimate.high,
                    "recovered": found.successes,
                    "recovered_fraction": found.fraction,
                    "recovered_low": found.low,
                    "recovered_high": found.high,
                    "t_max": float(here.t_max.iloc[0]),
                    "steps_per_run": float(here.steps.mean()),
                    "gradients_per_run": float(here.gradients.mean()),
                    "gradients_per_run_solved": float(at_end.gradients.mean())
                    if len(at_end)
                    else None,
                    "intraclass_correlation": correlation,
                    **{str(outcome): int((here.outcome == outcome).sum()) for outcome in ENDED},
                    "failed": int((at_n[at_n.alpha == alpha].outcome == "failed").sum()),
                }
            )
    # null in JSON, which has no NaN
    return pd.DataFrame(result).replace({np.nan: None})


def _fractions(good: pd.DataFrame, event: str) -> tuple[dict[float, Fraction], float]:
    """Return at each α the fraction of runs with an event, and the correlation in designs."""
    # by design: its runs share X, and only their numbers enter
    by_design = (
        good.groupby(["alpha", "design"])[event].agg(successes="sum", size="size").reset_index()
    )
    alphas = by_design["alpha"].to_numpy()
    successes, sizes = by_design["successes"].to_numpy(), by_design["size"].to_numpy()
    correlation = intraclass_correlation(successes, sizes, alphas)
    found = {
        float(alpha): success_fraction(
            successes[alphas == alpha], sizes[alphas == alpha], correlation
        )
        for alpha in np.unique(alphas)
    }
    return found, correlation
