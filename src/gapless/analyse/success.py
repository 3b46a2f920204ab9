"""Success curves: fraction of solved runs, and fraction of runs that recovered the signal.

A run is solved when its energy L/N fell to 1e-8 within the time budget, the paper's criterion. A
run has recovered the signal when q > 1 − 1e-6 at its end.
"""

from typing import TYPE_CHECKING

import numpy as np

from gapless.analyse.statistics import (
    Fraction,
    computed,
    designs_of,
    intraclass_correlation,
    success_fraction,
)
from gapless.flow import PASSAGE_LEVELS, Outcome
from gapless.flow.outcome import RECOVERED_OVERLAP

if TYPE_CHECKING:  # loaded when a table is made: workers begin to measure before that
    import pandas as pd

SOLVED_FRACTIONS = (0.5, 0.9)
"""Fractions of the runs at which an α or a time is read off a curve of solved runs."""


def success_column(tolerance: float) -> str:
    """Return the column of first-passage times for a tolerance on L/N."""
    # a criterion that was not recorded cannot be applied: nothing is interpolated between levels
    if tolerance not in PASSAGE_LEVELS:
        known = ", ".join(PASSAGE_LEVELS.values())
        raise ValueError(f"tolerance: first passages are recorded at {known}, not {tolerance:g}")
    return f"t_{PASSAGE_LEVELS[tolerance]}"


def solved(table: "pd.DataFrame", tolerance: float = 1e-8) -> "pd.Series":
    """Return the mask of solved runs, whose L/N fell to `tolerance` within the time budget."""
    # passages are recorded within the budget only
    return table[success_column(tolerance)].notna()


def recovered(table: "pd.DataFrame") -> "pd.Series":
    """Return the mask of runs that recovered the signal, with q > 1 − 1e-6 at their end.

    The outcome is ``recovered``. Records of an earlier version of the measurement have this outcome
    also where the energy vanished elsewhere, so the overlap is tested too if the table has it.
    """
    found = table.outcome == Outcome.recovered
    return found & (table.overlap.abs() > RECOVERED_OVERLAP) if "overlap" in table else found


ENDED = tuple(o for o in Outcome if o not in (Outcome.recovered, Outcome.failed))
"""Other outcomes of runs, which `success_table` counts."""


def first_runs(table: "pd.DataFrame", runs: int | None) -> "pd.DataFrame":
    """Return the first ``runs`` runs of each (N, α), in order; None: all."""
    # in a fixed order, since `runs` keeps the first ones: parts of a store come in any
    table = table.sort_values(["n", "alpha", "design", "run"])
    return table if runs is None else table[table.groupby(["n", "alpha"]).cumcount() < runs]


def success_table(
    table: "pd.DataFrame", runs: int | None = None, tolerance: float = 1e-8
) -> "pd.DataFrame":
    """Return one row for each (N, α): fractions solved and recovered, gradients per run.

    `successes`, `fraction`, `low` and `high` are those of the runs that are `solved`; four further
    columns are those of the runs that have `recovered` the signal. A run that recovered and is not
    solved needs more time for the last decades of its energy; one that is solved and has not
    recovered interpolates its labels. Intervals are 95 % and include the correlation of runs on one
    design, pooled over all α of one N; from few designs they cover less, see `success_fraction`,
    and a single one shows no correlation, so that its runs count as independent. The columns of
    `ENDED` count the other outcomes. Failed runs (outcome ``failed``) are counted separately and
    excluded from the runs.

    Parameters
    ----------
    table
        Records of simulations.
    runs
        Number of runs of each (N, α), the first ones; None: all.
    tolerance
        Largest L/N of a solved run.
    """
    import pandas as pd

    table = first_runs(table, runs)
    table = table.assign(solved=solved(table, tolerance), recovered=recovered(table))
    result = []
    for n, at_n in table.groupby("n"):
        # a computation that failed says nothing of its run, so it is no unsolved one
        good = computed(at_n)
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


def _fractions(good: "pd.DataFrame", event: str) -> tuple[dict[float, Fraction], float]:
    """Return the fraction of runs with an event at each α, and the intraclass correlation."""
    # by design: its runs share X, and only their numbers enter
    designs = good.assign(on=designs_of(good)).groupby(["alpha", "on"])
    by_design = designs[event].agg(successes="sum", size="size").reset_index()
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
