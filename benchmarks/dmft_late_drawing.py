"""Print and draw what late times at N = ∞ say: energies, and where small overlaps stop growing.

python benchmarks/dmft_late_drawing.py docs/results/dmft_late.csv docs/results/dmft_late.png

The table is that of benchmarks/dmft_late.py: sets without probes, with probes from t = 0 and
from t = 2.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from gapless.experiments import drawing
from gapless.losses import quartic
from gapless.theory import bbp_threshold, threshold_state
from gapless.theory.dmft import settle

WAITING = "2"
RESULTS = Path(__file__).parents[1] / "docs" / "results"
table = pd.read_csv(sys.argv[1])
sets = [*table.groupby(["alpha", "paths", "replica", "waiting"], dropna=False)]


def said(values: list[float], digits: int = 3) -> str:
    """Return mean ± standard error."""
    found = np.array(values)
    error = found.std(ddof=1) / len(found) ** 0.5 if len(found) > 1 else np.nan
    return f"{found.mean():.{digits}f} ± {error:.{digits}f}"


def at(one: pd.DataFrame, name: str, t: float) -> float:
    """Return a column at a time, by interpolation in ln t."""
    one = one[(one.t > 0) & one[name].notna()]
    return float(np.interp(np.log(t), np.log(one.t), one[name]))


def energies() -> None:
    """Print e at some times and e∞ of the longest sets of each α."""
    print(
        "| α | 1RSB | t | e(t/4) | e(t/2) | e(t) | e∞, windows | sets |\n|---|---|---|---|---|---|---|---|"
    )
    longest = table.groupby("alpha").t.max()
    for alpha, last in longest.items():
        found = [one for key, one in sets if key[0] == alpha and one.t.max() == last]
        level = threshold_state(quartic, float(str(alpha))).energy
        ends = [settle(one.t.to_numpy(), one.energy.to_numpy()) for one in found]
        cells = [said([at(one, "energy", last / f) for one in found]) for f in (4, 2, 1)]
        window = np.mean([error for _, error in ends])
        cells.append(f"{said([value for value, _ in ends])} ± {window:.3f}")
        print(f"| {alpha:g} | {level:.4f} | {last:g} | " + " | ".join(cells) + f" | {len(found)} |")


def alignment() -> dict[float, np.ndarray]:
    """Print ln m/|δw| and its slope in ln t; return the slopes of the sets of each α."""
    column = f"alignment_{WAITING}"
    slopes: dict[float, list[list[float]]] = {}
    print(
        "\n| α | m/|δw| at t = 4 | 8 | 16 | d ln(m/|δw|)/d ln t over 3 … 7 | 6 … 16 |\n|---|---|---|---|---|---|"
    )
    probed = {}
    for key, one in sets:
        if column in one and one[column].notna().any():
            probed.setdefault(key[0], []).append(one)
    for alpha, found in probed.items():
        cells = [said([abs(at(one, column, t)) for one in found]) for t in (4, 8, 16)]
        slopes[alpha] = [
            [slope(one, column, *window) for one in found] for window in ((3, 7), (6, 16))
        ]
        cells += [said(values, 2) for values in slopes[alpha]]
        print(f"| {alpha:g} | " + " | ".join(cells) + " |")
    return {alpha: np.array(values) for alpha, values in slopes.items()}


def slope(one: pd.DataFrame, column: str, first: float, last: float) -> float:
    """Return d ln|column|/d ln t by least squares over a window."""
    here = one[(one.t >= first) & (one.t <= last) & one[column].notna()]
    return float(np.polyfit(np.log(here.t), np.log(abs(here[column])), 1)[0])


def crossing(slopes: dict[float, np.ndarray]) -> list[tuple[float, float]]:
    """Return, of each window, α at which the slope vanishes, and its error.

    A straight line through the slopes of all sets; the error from resampled sets of each α.
    """
    rng = np.random.default_rng(0)
    found = []
    for window in range(2):
        points = {alpha: values[window] for alpha, values in slopes.items()}

        def root(pick) -> float:
            x = np.concatenate([np.full(len(v), a) for a, v in points.items()])
            y = np.concatenate([pick(v) for v in points.values()])
            gradient, constant = np.polyfit(x, y, 1)
            return -constant / gradient

        resampled = [root(lambda v: rng.choice(v, len(v))) for _ in range(2000)]
        low, high = np.percentile(resampled, [16, 84])
        found.append((root(lambda v: v), (high - low) / 2))
    return found


energies()
slopes = alignment()
places = crossing(slopes)
for (place, error), window in zip(places, ("3 … 7", "6 … 16"), strict=True):
    print(f"m/|δw| stops falling over {window} at α = {place:.2f} ± {error:.2f}")
thresholds = bbp_threshold(quartic)

figure, (left, middle, right) = drawing.panels(3)
for index, alpha in enumerate((4, 6, 10, 14)):
    found = [one for key, one in sets if key[0] == alpha and one.t.max() >= 16]
    level = threshold_state(quartic, float(alpha)).energy
    for number, one in enumerate(found):
        label = rf"$\alpha={alpha}$" if number == 0 else None
        here = one[one.t > 0]
        left.loglog(
            here.t, here.energy / level - 1, color=drawing.colour(index), lw=0.8, label=label
        )
left.set(xlabel="time $t$", ylabel="energy over 1RSB marginal, $-1$")
left.legend()
for index, alpha in enumerate(sorted(slopes)):
    found = [one for key, one in sets if key[0] == alpha and f"alignment_{WAITING}" in one]
    found = [one for one in found if one[f"alignment_{WAITING}"].notna().any()]
    t = np.geomspace(2.05, 16, 60)
    curves = np.array(
        [[np.log(abs(at(one, f"alignment_{WAITING}", x))) for x in t] for one in found]
    )
    mean, error = curves.mean(axis=0), curves.std(axis=0, ddof=1) / len(curves) ** 0.5
    middle.plot(t, np.exp(mean), color=drawing.colour(index), label=rf"$\alpha={alpha:g}$")
    band = np.exp(mean - error), np.exp(mean + error)
    middle.fill_between(t, *band, color=drawing.colour(index), alpha=0.2)
middle.set(
    xscale="log", yscale="log", xlabel="time $t$", ylabel=r"$m/|\delta w|$ of a small overlap"
)
middle.legend()
fractions = pd.read_csv(RESULTS / "fig5_desk.csv")
for index, (n, here) in enumerate(fractions.groupby("n")):
    right.plot(
        here.alpha, here.fraction, ".-", color=drawing.colour(index), lw=0.8, label=f"$N={n}$"
    )
place, error = places[-1]
right.axvspan(place - error, place + error, color="0.8", label="$N=\\infty$, $t\\leq 16$")
for reading in (thresholds.edge, thresholds.multiplier):
    right.axvline(reading, color="black", lw=0.8, ls="--")
right.set(xlabel=r"$\alpha$", ylabel="fraction recovered (Fig. 5, desk)")
right.legend(loc="center left")
figure.savefig(sys.argv[2], dpi=130)
