"""Print and draw what late times at N = ∞ say: energies, and where small overlaps stop growing.

    python benchmarks/dmft_late_drawing.py TABLE.csv FIGURE.png

The table is that of benchmarks/dmft_late.py: sets without probes and with probes from t = 2.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gapless.losses import quartic
from gapless.page.image import save
from gapless.page.panels import Axis, Panel, Picture, Series
from gapless.theory import threshold_state
from gapless.theory.dmft import power_law_limit

ALIGNMENT = "alignment_2"
WINDOWS = ((3, 7), (4, 16))
Sets = dict[float, list[pd.DataFrame]]


def mean_error(values) -> tuple[float, float]:
    """Return mean and standard error."""
    found = np.asarray(values, float)
    return float(found.mean()), float(found.std(ddof=1) / len(found) ** 0.5)


def said(values, digits: int = 3) -> str:
    """Return mean ± standard error as text."""
    mean, error = mean_error(values)
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


def at(one: pd.DataFrame, name: str, t: float) -> float:
    """Return a column at a time, by interpolation in ln t."""
    here = one[(one.t > 0) & one[name].notna()]
    return float(np.interp(np.log(t), np.log(here.t), here[name]))


def slope(one: pd.DataFrame, first: float, last: float) -> float:
    """Return d ln(m/|δw|)/d ln t by least squares over a window."""
    here = one[(one.t >= first) & (one.t <= last) & one[ALIGNMENT].notna()]
    return float(np.polyfit(np.log(here.t), np.log(abs(here[ALIGNMENT])), 1)[0])


def limit(found: list[pd.DataFrame]) -> tuple[float, float, float]:
    """Return e∞ of the mean over sets, its jackknife error, and how far windows move it."""
    t = found[0].t.to_numpy()
    curves = np.array([np.interp(t, one.t, one.energy) for one in found])
    value, window = power_law_limit(t, curves.mean(axis=0))
    count = len(curves)
    without = [
        power_law_limit(t, np.delete(curves, k, axis=0).mean(axis=0))[0] for k in range(count)
    ]
    return value, float(np.std(without) * (count - 1) ** 0.5), window


def print_energies(longest: Sets) -> None:
    """Print e towards the end and e∞ of the longest sets of each α."""
    print("| α | 1RSB | t | e(t/4) | e(t/2) | e(t) | over 1RSB | e∞ ± sets ± windows | sets |")
    print("|---|---|---|---|---|---|---|---|---|")
    for alpha, found in longest.items():
        last = found[0].t.max()
        level = threshold_state(quartic, alpha).energy
        cells = [said([at(one, "energy", last / f) for one in found]) for f in (4, 2, 1)]
        ends = 100 * (np.array([at(one, "energy", last) for one in found]) / level - 1)
        cells.append(f"{said(ends, 1)} %")
        value, error, window = limit(found)
        cells.append(f"{value:.3f} ± {error:.3f} ± {window:.3f}")
        print(f"| {alpha:g} | {level:.4f} | {last:g} | {' | '.join(cells)} | {len(found)} |")


def print_alignment(probed: Sets) -> None:
    """Print m/|δw| at some times and its exponent in two windows."""
    print("\nMeans; exponents are medians.")
    heads = ("α", "m/‖δw‖ at t = 4", "8", "16", "exponent, t = 3 … 7", "4 … 16")
    heads += ("ln m(16)/m(8)", "ln ‖δw(16)‖/‖δw(8)‖, random", "sets")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for alpha, found in probed.items():
        cells = [said([abs(at(one, ALIGNMENT, t)) for one in found]) for t in (4, 8, 16)]
        for window in WINDOWS:
            exponents = np.array([slope(one, *window) for one in found])
            spread = np.subtract(*np.percentile(exponents, [84, 16])) / 2
            # the error of a median is 1.25 that of the mean
            error = 1.25 * spread / len(found) ** 0.5
            cells.append(f"{np.median(exponents):.2f} ± {error:.2f}")
        for name in ("growth_2", "perturbation_growth_2"):
            cells.append(said([_gain(one, name) for one in found], 1))
        print(f"| {alpha:g} | {' | '.join(cells)} | {len(found)} |")


def crossing(probed: Sets, window: tuple[float, float]) -> tuple[float, float]:
    """Return the corner α_c of exponent = b − k max(α_c − α, 0), and its error.

    Least squares on the medians over sets (a single sample that changes its side upsets a set for
    a while); the error from resampled sets of each α. Above the corner m/|δw| keeps its share.
    """
    points = {a: np.array([slope(one, *window) for one in found]) for a, found in probed.items()}
    x = np.array(list(points))
    places = np.linspace(x.min() + 1.5, x.max() - 1, 200)

    def corner(medians: np.ndarray) -> float:
        def misfit(place: float) -> float:
            design = np.stack([np.ones_like(x), -np.maximum(place - x, 0)], axis=1)
            return float(((design @ np.linalg.lstsq(design, medians)[0] - medians) ** 2).sum())

        return float(places[np.argmin([misfit(place) for place in places])])

    rng = np.random.default_rng(0)
    again = [
        corner(np.array([np.median(rng.choice(v, len(v))) for v in points.values()]))
        for _ in range(400)
    ]
    low, high = np.percentile(again, [16, 84])
    return corner(np.array([np.median(v) for v in points.values()])), float(high - low) / 2


def _gain(one: pd.DataFrame, name: str) -> float:
    return at(one, name, 16) - at(one, name, 8)


def excess(probed: Sets, least: float = 13) -> tuple[float, float]:
    """Return α where an overlap stops growing faster than a random push, and its error.

    A straight line through ln m − ln |δw| of the random push, from t = 8 to 16, at α ≥ `least`.
    """
    gains = {}
    for alpha, found in probed.items():
        if alpha >= least:
            gains[alpha] = np.array(
                [_gain(one, "growth_2") - _gain(one, "perturbation_growth_2") for one in found]
            )

    def root(values: dict[float, np.ndarray]) -> float:
        x = np.concatenate([np.full(len(v), a) for a, v in values.items()])
        gradient, constant = np.polyfit(x, np.concatenate([*values.values()]), 1)
        return float(-constant / gradient)

    rng = np.random.default_rng(0)
    again = [root({a: rng.choice(v, len(v)) for a, v in gains.items()}) for _ in range(400)]
    low, high = np.percentile(again, [16, 84])
    return root(gains), float(high - low) / 2


def draw(longest: Sets, probed: Sets, path: str) -> None:
    """Draw energies over 1RSB and m/|δw| against time."""
    energies = []
    shown = {a: found for a, found in longest.items() if found[0].t.max() > 16}
    for index, (alpha, found) in enumerate(shown.items()):
        level = threshold_state(quartic, alpha).energy
        for number, one in enumerate(found):
            here, name = one[one.t > 0], f"α = {alpha:g}"
            more: Any = dict(style="lines", colour=index, legend=name, width=0.8)
            y = here.energy / level - 1
            energies.append(Series(f"{name}, set {number}", here.t, y, **more))
    alignments = []
    t = np.geomspace(2.05, 16, 60)
    for index, (alpha, found) in enumerate(probed.items()):
        logs = np.array([[np.log(abs(at(one, ALIGNMENT, x))) for x in t] for one in found])
        mean = np.median(logs, axis=0)
        low, high = np.percentile(logs, [16, 84], axis=0)
        error = 1.25 * (high - low) / 2 / len(logs) ** 0.5
        ends = np.exp(mean - error), np.exp(mean + error), "± standard error of the median"
        more = dict(style="lines", colour=index, band=True)
        alignments.append(Series(f"α = {alpha:g}", t, np.exp(mean), *ends, **more))
    time = Axis("time t", "log")
    panels = [
        Panel("Energy", time, Axis("energy over 1RSB marginal, −1", "log"), energies),
        Panel("Alignment of a small change", time, Axis("m/|δw|", "log"), alignments),
    ]
    save(Picture("", (panels,)), Path(path), dpi=130)


def main() -> None:
    """Print and draw the table named on the command line."""
    table = pd.read_csv(sys.argv[1])
    keys = ["alpha", "paths", "replica", "waiting"]
    sets = [one for _, one in table.groupby(keys, dropna=False)]
    longest: Sets = {}
    for alpha, here in table.groupby("alpha"):
        mine = [one for one in sets if one.alpha.iloc[0] == alpha and one.t.max() == here.t.max()]
        longest[float(str(alpha))] = mine
    probed: Sets = {}
    for one in sets:
        if one[ALIGNMENT].notna().any():
            probed.setdefault(float(one.alpha.iloc[0]), []).append(one)
    print_energies({a: found for a, found in longest.items() if len(found) > 1})
    print_alignment(probed)
    for window in WINDOWS:
        place, error = crossing(probed, window)
        print(f"the corner of the exponent over t = {window} is at α = {place:.2f} ± {error:.2f}")
    place, error = excess(probed)
    print(f"an overlap outgrows a random push from α = {place:.2f} ± {error:.2f} on")
    draw(longest, dict(sorted(probed.items())), sys.argv[2])


main()
