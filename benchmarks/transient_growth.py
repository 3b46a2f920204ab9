"""Where runs should escape by the growth of a small overlap at N = ∞, beside Figure 5.

    python benchmarks/transient_growth.py

A start has m(0) ~ N^(−1/2), and m(t) = m(0) e^{g(t)} while it is small (docs/derivations/dmft.md,
§4). The α at which g(t; α) = (ln N)/2 at the end t of the time budget is compared with the α at
which half of the runs recover. Nothing is fitted; what the last decades of a run take, and the
kicks that a finite system gets on its way, are left out.
"""

from pathlib import Path

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parents[1] / "docs" / "results"


def escape_alpha(growth: pd.DataFrame, n: float, t: float) -> tuple[float, float]:
    """Return α with g(t; α) = (ln N)/2 and its error from the spread over sets of paths."""
    alphas, mean, error = [], [], []
    for alpha, sets in growth.groupby("alpha"):
        found = [
            np.interp(t, one.t, one.growth, right=np.nan)
            for _, one in sets.groupby(["paths", "replica"])
        ]
        found = np.array(found)[np.isfinite(found)]
        if len(found) < 2:
            continue
        alphas.append(alpha)
        mean.append(found.mean())
        error.append(found.std(ddof=1) / np.sqrt(len(found)))
    need = np.log(n) / 2
    centre, low, high = (
        np.interp(need, np.array(mean) + s * np.array(error), alphas) for s in (0, 1, -1)
    )
    return float(centre), float(abs(high - low) / 2)


def main() -> None:
    """Print α by growth and α at 50 % for every size and budget."""
    growth = pd.read_csv(RESULTS / "dmft_late.csv").sort_values("t")
    measured = pd.read_csv(RESULTS / "fig5_desk_crossings.csv")
    print("| budget | N | t | by growth at N = ∞ | runs, 50 % |\n|---|---|---|---|---|")
    for row in measured[measured.level == 0.5].itertuples():
        t = row.budget * 0.3 * np.log2(row.n)
        if t <= growth.t.max():
            alpha, error = escape_alpha(growth, row.n, t)
            print(
                f"| {0.3 * row.budget:.2g} log₂ N | {row.n} | {t:.2f} | {alpha:.2f} ± {error:.2f} "
                f"| {row.alpha:.2f} ± {row.error:.2f} |"
            )


if __name__ == "__main__":
    main()
