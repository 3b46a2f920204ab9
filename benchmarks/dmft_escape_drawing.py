"""Figure 5 from the dynamics at N = ∞, without a parameter, beside its runs.

    python benchmarks/dmft_escape_drawing.py ESCAPES.csv SHARES.csv CROSSINGS.csv FIGURE.png

Tables of benchmarks/dmft_escape.py and dmft_escape_runs.py. A run starts from an overlap
m₀ = z/√N with z ~ N(0, 1). At N = ∞ it comes to e = 1e-4 at t(m₀; α), so within a time T the share

    P(|z| > z*) = erfc(z*/√2),   t(z*/√N; α) = T

of runs has come there. N enters by the start and by the budget only. (A run is
solved at e = 1e-8; what the last decades take depends on N, by the Hessian's lowest eigenvalue.)
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import erfc

from gapless.page.image import save
from gapless.page.panels import Axis, Panel, Picture, Series

TIME = "t_0.0001"


def share(times: pd.Series, n: float, part: float = 1.0) -> float:
    """Return the share of runs at e ≤ 1e-4 in time, NaN where z* is below the starts of the table.

    `times`: t(m₀) by m₀, NaN where the signal was not reached. ln m₀ is interpolated in t; where
    the next smaller start was not followed to its end, it is taken half-way to that.
    `part` of the budget counts.
    """
    budget = part * 0.3 * np.log2(n)
    logs, t = np.log(times.index.to_numpy()), times.to_numpy()
    in_time = np.flatnonzero(t <= budget)
    if in_time.size == 0:
        return 0.0
    first = in_time[0]
    if first == 0:
        return np.nan
    start = (logs[first - 1] + logs[first]) / 2
    if np.isfinite(t[first - 1]):
        start = np.interp(-budget, [-t[first - 1], -t[first]], logs[first - 1 : first + 1])
    return float(erfc(np.exp(start) * n**0.5 / 2**0.5))


def predictions(table: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard error over sets of paths, a row for each N and α."""
    rows = []
    for n, alpha in ((n, a) for n in sorted(runs.n.unique()) for a in sorted(table.alpha.unique())):
        sets = [one for _, one in table[table.alpha == alpha].groupby("replica")]
        found = [share(one.set_index("overlap")[TIME], n) for one in sets]
        error = np.std(found, ddof=1) / len(found) ** 0.5
        same = (runs.n == n) & (runs.alpha == alpha) & (runs.budget == 1)
        measured = runs[same].fraction.iloc[0]
        rows.append([n, alpha, np.mean(found), error, measured])
    return pd.DataFrame(rows, columns=["n", "alpha", "predicted", "error", "runs"])


def half(alpha: np.ndarray, fraction: np.ndarray) -> float:
    """Return α at 50 %, by straight interpolation of the logit."""
    good = (fraction > 0) & (fraction < 1)
    logit = np.log(fraction[good] / (1 - fraction[good]))
    return float(np.interp(0, logit, alpha[good]))


def print_halves(table: pd.DataFrame, measured: pd.DataFrame) -> None:
    """Print α at 50 % for three budgets beside that of the runs."""
    measured = measured[measured.level == 0.5]
    print("| budget | N | flow at N = ∞ | runs |\n|---|---|---|---|")
    for row in measured.sort_values(["budget", "n"]).itertuples():
        halves = []
        for _, one in table.groupby("replica"):
            sets = [(a, h.set_index("overlap")[TIME]) for a, h in one.groupby("alpha")]
            found = np.array([[a, share(times, row.n, row.budget)] for a, times in sets])
            found = found[np.isfinite(found[:, 1])]
            halves.append(half(found[:, 0], found[:, 1]))
        error = np.std(halves, ddof=1) / len(halves) ** 0.5
        print(
            f"| {0.3 * row.budget:.2g} log₂ N | {row.n} | {np.mean(halves):.2f} ± {error:.2f} "
            f"| {row.alpha:.2f} ± {row.error:.2f} |"
        )


def main() -> None:
    """Print and draw the table named on the command line."""
    table, runs, crossings = map(pd.read_csv, sys.argv[1:4])
    print_halves(table, crossings)
    found = predictions(table, runs)
    curves: dict[str, list[Series]] = {"flow at N = ∞ from m₀ = z/√N": [], "runs (Figure 5)": []}
    for index, (n, here) in enumerate(found.groupby("n")):
        print(f"\n| N = {n} | " + " | ".join(f"{a:g}" for a in here.alpha) + " |")
        cells = zip(here.predicted, here.error, strict=True)
        print("| N = ∞ | " + " | ".join(f"{p:.3f} ± {e:.3f}" for p, e in cells) + " |")
        print("| runs | " + " | ".join(f"{x:.3f}" for x in here.runs) + " |")
        known = here.dropna()
        a, p, r = (known[name].to_numpy() for name in ("alpha", "predicted", "runs"))
        print(f"α at 50 %: N = ∞ {half(a, p):.2f}, runs {half(a, r):.2f}")
        for column, found_at in zip(("predicted", "runs"), curves.values(), strict=True):
            found_at.append(Series(f"N = {n}", here.alpha, here[column], colour=index))
    axes = Axis("α = M/N", range=(4, 10.2)), Axis("fraction at e ≤ 1e-4", range=(-0.02, 1.02))
    panels = [Panel(title, *axes, series) for title, series in curves.items()]
    save(Picture("", (panels,)), Path(sys.argv[4]), dpi=130)


main()
