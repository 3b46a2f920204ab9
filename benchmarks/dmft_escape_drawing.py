"""Figure 5 from the dynamics at N = ∞, without a parameter, beside its runs.

    python benchmarks/dmft_escape_drawing.py docs/results/dmft_escape.csv docs/results/dmft_escape.png

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
table = pd.read_csv(sys.argv[1])
runs = pd.read_csv(RESULTS / "fig5_desk.csv")


def share(times: pd.Series, n: float) -> float:
    """Return the share of runs that recover, NaN where z* is below the starts of the table.

    `times`: t(m₀) by m₀, NaN where the signal was not reached. ln m₀ at the budget is interpolated.
    """
    budget = 0.3 * np.log2(n)
    logs, t = np.log(times.index.to_numpy()), times.to_numpy()
    in_time = np.flatnonzero(t <= budget)
    if in_time.size == 0:
        return 0.0
    first = in_time[0]
    if first == 0:
        return np.nan
    if np.isnan(t[first - 1]):
        start = logs[first]  # beyond the table's last time: z* is at most this
    else:
        start = np.interp(-budget, [-t[first - 1], -t[first]], logs[first - 1 : first + 1])
    return float(erfc(np.exp(start) * n**0.5 / 2**0.5))


def predictions() -> pd.DataFrame:
    """Return mean and standard error over sets of paths, a row for each N and α."""
    rows = []
    for n in sorted(runs.n.unique()):
        for alpha, here in table.groupby("alpha"):
            found = [
                share(one.set_index("overlap")[LEVEL], n) for _, one in here.groupby("replica")
            ]
            error = np.std(found, ddof=1) / len(found) ** 0.5 if len(found) > 1 else np.nan
            measured = runs[(runs.n == n) & (runs.alpha == alpha)].fraction
            rows.append(
                {
                    "n": n,
                    "alpha": alpha,
                    "predicted": np.mean(found),
                    "error": error,
                    "runs": measured.iloc[0] if len(measured) else np.nan,
                }
            )
    return pd.DataFrame(rows)


def half(alpha: np.ndarray, fraction: np.ndarray) -> float:
    """Return α at 50 %, by straight interpolation of the logit."""
    good = (fraction > 0) & (fraction < 1)
    logit = np.log(fraction[good] / (1 - fraction[good]))
    return float(np.interp(0, logit, alpha[good]))


found = predictions()
for n, here in found.groupby("n"):
    print(f"\n| N = {n} | " + " | ".join(f"{a:g}" for a in here.alpha) + " |")
    said = zip(here.predicted, here.error, strict=True)
    print("| N = ∞ | " + " | ".join(f"{p:.3f} ± {e:.3f}" for p, e in said) + " |")
    print("| runs | " + " | ".join(f"{x:.3f}" for x in here.runs) + " |")
    known = here.dropna()
    a, p, r = (known[name].to_numpy() for name in ("alpha", "predicted", "runs"))
    print(f"α at 50 %: N = ∞ {half(a, p):.2f}, runs {half(a, r):.2f}")
found.to_csv(
    Path(sys.argv[2]).with_name("dmft_escape_shares.csv"), index=False, float_format="%.4g"
)

figure, panels = drawing.panels(2)
for axes, name in zip(
    panels, ("the flow at $N=\\infty$ from $m_0=z/\\sqrt{N}$", "runs"), strict=True
):
    column = "runs" if name == "runs" else "predicted"
    for index, (n, here) in enumerate(found.groupby("n")):
        axes.plot(
            here.alpha, here[column], ".-", color=drawing.colour(index), lw=1, label=f"$N={n}$"
        )
    axes.set(xlabel=r"$\alpha$", ylabel="fraction recovered", title=name, ylim=(-0.02, 1.02))
    axes.legend()
figure.savefig(sys.argv[2], dpi=130)
