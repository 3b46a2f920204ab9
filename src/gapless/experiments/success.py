"""The success curve: which fraction of runs reaches zero energy within its time budget."""

from collections.abc import Sequence
from math import ceil

import numpy as np
import pandas as pd

from gapless.design import default_runs_per_design
from gapless.experiments.simulation import Simulation
from gapless.experiments.statistics import intraclass_correlation, success_fraction

TOLERANCES = {1e-4: "1e-4", 1e-6: "1e-6", 1e-8: "1e-8", 1e-10: "1e-10"}
"""L/N at which first passages are recorded: the criteria that can be applied afterwards."""


MOST_RUNS = 10_000_000
"""At each α: a hundred times the paper's; more is a slip of the keyboard."""


def simulations(template: Simulation, alphas: Sequence[float], runs: int) -> list[Simulation]:
    """Return the designs that hold at least `runs` runs at each α; `template` has the rest.

    Whole designs are measured; `success_table` cuts the last one to `runs`. K is
    `sweep_runs_per_design` where the template leaves it open, and each point says it.
    """
    check_runs(runs)
    k = template.runs or sweep_runs_per_design(template.n)
    given = template.model_dump() | {"runs": k}
    checked = [Simulation.model_validate(given | {"alpha": a}) for a in alphas]
    return [here.model_copy(update={"index": i}) for here in checked for i in range(ceil(runs / k))]


def sweep_runs_per_design(n: int) -> int:
    """Return K of a sweep, where it is left open: more than where single runs are looked at.

    Chosen by the smallest cost a run × (1 + (K − 1)ρ), ρ the intraclass correlation of success
    (`docs/benchmarks.md`, "Runs on one design").
    """
    return 128 if n <= 2048 else default_runs_per_design(n)


def check_runs(runs: int, runs_per_design: int | None = None) -> None:
    """Raise ``ValueError`` unless 1 ≤ runs ≤ `MOST_RUNS`, and 1 ≤ runs_per_design if given.

    A design calls its own number `runs`: only here is it known that the user said another word.
    """
    if not 1 <= runs <= MOST_RUNS:
        raise ValueError(f"runs: must be from 1 to {MOST_RUNS}, not {runs}")
    if runs_per_design is not None and runs_per_design < 1:
        raise ValueError(f"runs_per_design: must be at least 1, not {runs_per_design}")


def success_column(tolerance: float) -> str:
    """Return the column of first-passage times for a tolerance on L/N."""
    if tolerance not in TOLERANCES:
        known = ", ".join(TOLERANCES.values())
        raise ValueError(f"tolerance: first passages are recorded at {known}, not {tolerance:g}")
    return f"t_{TOLERANCES[tolerance]}"


def success_table(
    table: pd.DataFrame, runs: int | None = None, tolerance: float = 1e-8
) -> pd.DataFrame:
    """Return one row for each (N, α): fraction of successes, interval, gradients a run.

    A run succeeds when L/N fell to `tolerance` within the run's time budget. Intervals are 95 %
    and know the designs; the intraclass correlation is pooled over all α of one N. Failed runs
    (outcome ``failed``) are counted apart and not among the runs.

    Parameters
    ----------
    table
        Rows of `simulation.rows`.
    runs
        Keep the first so many runs of each (N, α); all when None.
    """
    column = success_column(tolerance)
    table = table.sort_values(["n", "alpha", "design", "run"])
    if runs is not None:
        table = table[table.groupby(["n", "alpha"]).cumcount() < runs]
    result = []
    for n, at_n in table.groupby("n"):
        good = at_n[at_n.outcome != "failed"]
        by_design = (
            good.assign(success=good[column].notna())
            .groupby(["alpha", "design"])
            .agg(successes=("success", "sum"), size=("success", "size"))
            .reset_index()
        )
        correlation = intraclass_correlation(
            by_design["successes"].to_numpy(),
            by_design["size"].to_numpy(),
            by_design["alpha"].to_numpy(),
        )
        for alpha, designs in by_design.groupby("alpha"):
            here = good[good.alpha == alpha]
            solved = here[here[column].notna()]
            estimate = success_fraction(
                designs["successes"].to_numpy(), designs["size"].to_numpy(), correlation
            )
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
                    "t_max": float(here.t_max.iloc[0]),
                    "steps_per_run": float(here.steps.mean()),
                    "gradients_per_run": float(here.gradients.mean()),
                    "gradients_per_run_solved": float(solved.gradients.mean())
                    if len(solved)
                    else None,
                    "intraclass_correlation": correlation,
                    "failed": int((at_n[at_n.alpha == alpha].outcome == "failed").sum()),
                }
            )
    return pd.DataFrame(result).replace({np.nan: None})
