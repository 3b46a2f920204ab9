"""Figure 5 from the dynamics at N = ∞, without a parameter, beside its runs.

    python benchmarks/dmft_escape_drawing.py TABLE.csv FIGURE.png SHARES.csv

A run starts from an overlap m₀ = z/√N with z ~ N(0, 1). At N = ∞ it is at the signal at t(m₀; α)
(the table of benchmarks/dmft_escape.py), so within the budget 0.3 log₂ N the share

    P(|z| > z*) = erfc(z*/√2),   t(z*/√N; α) = 0.3 log₂ N

of runs recovers. N enters by the start and the budget only.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import erfc

from gapless.experiments import drawing

RESULTS = Path(__file__).parents[1] / "docs" / "results"
LEVEL = "t_1e-06"


def share(times: pd.Series, n: float) -> float:
    """Return the share of runs that recover, NaN where z* is below the starts of the table.

    `times`: t(m₀) by m₀, NaN where the signal was not reached. ln m₀ is interpolated in t.
    """
    budget = 0.3 * np.log2(n)
    logs, t = np.log(times.index.to_numpy()), times.to_numpy()
    in_time = np.flatnonzero(t <= budget)
    if in_time.size == 0:
        return 0.0
    first = in_time[0]
    if first == 0:
        return np.nan
    start = logs[first]
    if np.isfinite(t[first - 1]):
        start = np.interp(-budget, [-t[first - 1], -t[first]], logs[first - 1 : first + 1])
    return float(erfc(np.exp(start) * n**0.5 / 2**0.5))


def predictions(table: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard error over sets of paths, a row for each N and α."""
    rows = []
    for n, alpha in ((n, a) for n in sorted(runs.n.unique()) for a in sorted(table.alpha.unique())):
        sets = [one for _, one in table[table.alpha == alpha].groupby("replica")]
        found = [share(one.set_index("overlap")[LEVEL], n) for one in sets]
        error = np.std(found, ddof=1) / len(found) ** 0.5
        measured = runs[(runs.n == n) & (runs.alpha == alpha)].fraction.iloc[0]
        rows.append([n, alpha, np.mean(found), error, measured])
    return pd.DataFrame(rows, columns=["n", "alpha", "predicted", "error", "runs"])


def half(alpha: np.ndarray, fraction: np.ndarray) -> float:
    """Return α at 50 %, by straight interpolation of the logit."""
    good = (fraction > 0) & (fraction < 1)
    logit = np.log(fraction[good] / (1 - fraction[good]))
    return float(np.interp(0, logit, alpha[good]))


def main() -> None:
    """Print and draw the table named on the command line."""
    runs = pd.read_csv(RESULTS / "fig5_desk.csv")
    found = predictions(pd.read_csv(sys.argv[1]), runs)
    found.to_csv(sys.argv[3], index=False, float_format="%.4g")
    titles = {"predicted": r"flow at $N=\infty$ from $m_0=z/\sqrt{N}$", "runs": "runs (Figure 5)"}
    figure, panels = drawing.panels(2)
    for index, (n, here) in enumerate(found.groupby("n")):
        print(f"\n| N = {n} | " + " | ".join(f"{a:g}" for a in here.alpha) + " |")
        cells = zip(here.predicted, here.error, strict=True)
        print("| N = ∞ | " + " | ".join(f"{p:.3f} ± {e:.3f}" for p, e in cells) + " |")
        print("| runs | " + " | ".join(f"{x:.3f}" for x in here.runs) + " |")
        known = here.dropna()
        a, p, r = (known[name].to_numpy() for name in ("alpha", "predicted", "runs"))
        print(f"α at 50 %: N = ∞ {half(a, p):.2f}, runs {half(a, r):.2f}")
        for axes, (column, title) in zip(panels, titles.items(), strict=True):
            style = dict(color=drawing.colour(index), lw=1, label=f"$N={n}$")
            axes.plot(here.alpha, here[column], ".-", **style)
            axes.set(xlabel=r"$\alpha$", title=title, xlim=(4, 10.2), ylim=(-0.02, 1.02))
    panels[0].set(ylabel="fraction recovered")
    panels[0].legend()
    figure.savefig(sys.argv[2], dpi=130)


main()
