"""Fractions of runs that are solved, and that recover, at the N and α of a command line."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gapless.analyse.success import success_table
from gapless.figures.experiment import Experiment, Scale
from gapless.measure.design_point import sweep_points
from gapless.measure.simulation import Simulation
from gapless.page.panels import Axis, Panel, Picture, Series

if TYPE_CHECKING:
    import pandas as pd

ALPHAS, RUNS = (6.0, 7.0, 8.0), {"smoke": 256, "desk": 4096, "paper": 100_000}
"""Default α, and number of runs by scale."""


@dataclass(frozen=True)
class Fractions:
    """Rows of `success_table`, and the number of failed runs of each α."""

    table: "pd.DataFrame"
    failed: dict[float, int]

    def rows(self) -> list[dict[Hashable, Any]]:
        """Return a row for each α, also where every run failed: it then has no runs."""
        known: list[dict[Hashable, Any]] = self.table.to_dict("records")
        none = {"runs": 0, "designs": 0, "successes": 0}
        lost = [
            dict.fromkeys(known[0]) | none | {"n": known[0]["n"], "alpha": alpha, "failed": count}
            for alpha, count in self.failed.items()
            if alpha not in {row["alpha"] for row in known}
        ]
        return sorted(known + lost, key=lambda row: row["alpha"])


def points(scale: Scale, seed: int) -> list[Simulation]:
    """Return runs at N = 64."""
    return sweep_points(Simulation(n=64, alpha=ALPHAS[0], seed=seed), ALPHAS, RUNS[scale])


def reduce(table: "pd.DataFrame", runs: int | None = None, tolerance: float = 1e-8) -> Fractions:
    """Return the fractions; see `success_table`."""
    failed = table[table.outcome == "failed"].groupby("alpha").size()
    counts = {float(str(alpha)): int(count) for alpha, count in failed.items()}
    return Fractions(success_table(table, runs, tolerance), counts)


def picture(reduced: Fractions) -> Picture:
    """Return both fractions against α with their 95 % intervals."""
    table = reduced.table
    if table.empty:
        return Picture("no run could be computed", ())
    series = [
        Series(name, table.alpha, table[middle], table[low], table[high], colour=colour)
        for colour, (name, middle, low, high) in enumerate(
            (
                ("solved", "fraction", "low", "high"),
                ("recovered", "recovered_fraction", "recovered_low", "recovered_high"),
            )
        )
    ]
    axes = Axis("α = M/N"), Axis("fraction of the runs", range=(-0.02, 1.02))
    return Picture(f"N = {table.n.iloc[0]}; bars: 95 %", ((Panel("Runs", *axes, series),),))


def tables(reduced: Fractions) -> "list[tuple[str, pd.DataFrame]]":
    """Return the fractions."""
    return [("Fractions, intervals (95 %) and gradients", reduced.table)]


EXPERIMENT = Experiment(
    name="success",
    title="Fractions of runs that are solved, and that recover the signal",
    version=1,
    points=points,
    reduce=reduce,
    picture=picture,
    tables=tables,
    caption=(
        "Fractions of the runs that are solved, and that recover the signal, against α "
        "({sizes}). The two differ where a run is near the signal, and needs more time for the "
        "last decades of its energy."
    ),
)
