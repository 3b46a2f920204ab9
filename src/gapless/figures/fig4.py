"""Figure 4: threshold energy and moments of the label law against α, 1RSB and descent.

Runs with shuffled labels end at the threshold energy: at rest (|∇L − μW|²/N < 1e-10 s²), or
read off at t = 100. The lines are the marginal 1RSB state of
Eqs. 11–13 at α = M/N; the thin one is the energy e₀ of the 1RSB ground state, which for
3.96 < α < 185 lies *above* the marginal one (docs/derivations/limits.md §2). Crosses are the floor
of the landscape, the ground state of full replica symmetry breaking (docs/derivations/full-rsb.md).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline

from gapless.analyse.plateaus import Plateau, plateau_limits, plateaus, prediction
from gapless.analyse.verdict import CLOSE, Claim, Sample, judged, of_paper, verdict
from gapless.figures.experiment import SCALES, THE_PAPER, Experiment, Scale, Size, in_numpy
from gapless.measure.landscape import FLOOR, LandscapePoint
from gapless.measure.simulation import MOMENTS, Simulation
from gapless.measure.threshold import rest_criterion
from gapless.page.panels import INK, Axis, Mark, Panel, Picture, Series

T_END = 100.0
"""A run that is not at rest by then (|∇L − μW|²/N < 1e-10 s², ``trapped``) is read off here.

At finite N every run comes to rest, exponentially and mostly by then (N = 256: all of 3,000 by
t = 380, the median by 25), so there is no ageing to extrapolate in time. What a run that still
moves would lose is judged by the energy that it lost since `T_END`/2.
"""
_ALPHAS = (4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 18.0, 24.0)
SIZES: dict[Scale, tuple[Size, ...]] = {
    "smoke": (Size(256, (4.0, 6.0, 8.0, 10.0, 14.0, 18.0), 2, 4),),
    "desk": (
        Size(256, _ALPHAS, 16, 16),
        Size(512, _ALPHAS, 8, 16),
        Size(1024, (4.0, 6.0, 10.0, 14.0), 6, 8),
    ),
    "large": (
        Size(512, _ALPHAS, 16, 16),
        Size(1024, _ALPHAS, 8, 16),
        Size(2048, _ALPHAS, 6, 16),
    ),
    "paper": (Size(2048, tuple(np.arange(2.0, 26.0, 1.0).tolist()), 50, 20),),
}
GOOD = of_paper([size.n for size in SIZES["paper"]], low=-CLOSE, high=CLOSE)
"""Runs over 1RSB, less one."""
POWERS = ("", "²", "³", "⁴")
"""Exponents of the moments."""
FLOORS: dict[Scale, tuple[float, ...]] = {
    "smoke": (6.0, 14.0),
    "desk": _ALPHAS,
    "large": _ALPHAS,
    "paper": (*np.arange(2.0, 26.0, 2.0).tolist(),),
}
"""α of the floor."""


@dataclass(frozen=True)
class Thresholds:
    """Runs against 1RSB at every N and α, and the floor: columns ``alpha``, ``energy``."""

    plateaus: list[Plateau]
    floor: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame({"alpha": [], "energy": []}, dtype=float)
    )


def simulations(size: Size, seed: int, *, in_numpy: bool = False) -> list[Simulation]:
    """Return the designs of every α of one N, with shuffled labels."""
    return [
        Simulation(
            n=size.n,
            alpha=alpha,
            seed=seed,
            index=index,
            runs=size.runs,
            labels="shuffled",
            t_max=T_END,
            save_at=(T_END / 2, T_END),
            in_numpy=in_numpy,
        )
        for alpha in size.alphas
        for index in range(size.designs)
    ]


def points(scale: Scale, seed: int) -> list[Simulation | LandscapePoint]:
    """Return the designs of every N and α of a scale, and where the floor is computed."""
    runs = [
        simulation
        for size in SIZES[scale]
        for simulation in simulations(size, seed, in_numpy=in_numpy(scale))
    ]
    return [*runs, *(LandscapePoint(alpha=alpha, levels=2) for alpha in FLOORS[scale])]


def reduce(table: pd.DataFrame) -> Thresholds:
    """Return runs against 1RSB, and the floor at the α where it is computed so far."""
    if "state" not in table:
        return Thresholds(plateaus(table))
    floor = table[table.state == FLOOR].sort_values("alpha")
    return Thresholds(plateaus(table[table.n.notna()]), floor[["alpha", "energy"]])


def _rest(found: list[Plateau]) -> str:
    """Return a sentence with the share of runs at rest and the last time of the others."""
    percent = [round(100 * p.at_rest) for p in found]
    share = " to ".join(str(end) for end in sorted({min(percent), max(percent)}))
    text = f"at rest ({rest_criterion(found[0].loss)}) {share} % of the runs of each α" + (
        f", the others read off at t = {found[0].t_max:g}" if min(percent) < 100 else ""
    )
    zero = max(p.interpolated for p in found)
    return text + (f"; up to {100 * zero:.0f} % interpolated, at zero energy" if zero else "")


def claims(reduced: Thresholds) -> list[Claim]:
    """Return verdicts on the paper's statements about Figure 4, with its words read as `CLOSE`."""
    found = reduced.plateaus
    if not found:
        return []
    claimed = [
        _claim(
            "One step of replica symmetry breaking (1RSB) is a good approximation of the threshold "
            "energy (“reasonable, though not perfect”)",
            "energy",
            at_n,
        )
        for n in sorted({p.n for p in found})
        if (at_n := [p for p in found if p.n == n])
    ]
    largest = [p for p in found if p.n == max(p.n for p in found)]
    for power, column in zip(POWERS, MOMENTS, strict=True):
        statement = (
            f"E|ŷ|{power} of the fitted labels ŷ at the threshold energy agrees with 1RSB nicely"
        )
        claimed.append(_claim(statement, column, largest))
    return claimed


def _claim(statement: str, column: str, found: list[Plateau]) -> Claim:
    """Judge one column at one N: within 5 % of 1RSB at every α."""
    parts = []
    for plateau in found:
        excess, half = plateau.excess(column), plateau.half_width(column)
        size = Sample(plateau.n, plateau.measured[column].size)
        parts.append(verdict(GOOD, excess, (excess - half, excess + half), size))
    runs = [p.measured[column] for p in found]
    ours = (
        f"N = {found[0].n}, runs above or below 1RSB: "
        + "; ".join(p.sentence(column) for p in found)
        + f" (95 %; at each α at least {min(r.size for r in runs)} runs on "
        f"{min(r.clusters for r in runs)} designs)"
    )
    if column == "energy":
        drift = 100 * max(p.drift for p in found)
        ours += (
            f"; {_rest(found)}; energy lost in the second half of the time {drift:.2g} % at most; "
            f"“good” is read as within {100 * CLOSE:g} %"
        )
    size = Sample(found[0].n, min(r.size for r in runs))
    return judged(statement, ours, *parts, size=size, of=GOOD)


def picture(reduced: Thresholds) -> Picture:
    """Return energies, their excess over 1RSB, and the moments at the largest N."""
    found = reduced.plateaus
    if not found:
        return Picture("no run with shuffled labels was measured", ())
    alphas = [p.alpha for p in found]
    line, theory = _theory(found[0].loss, min(alphas), max(alphas))
    sizes = sorted({p.n for p in found})
    at = [[p for p in found if p.n == n] for n in sizes]
    largest = at[-1]
    alpha = Axis("α = M/N")
    ground: Any = dict(style="lines", dash="dash", colour=INK, width=0.6)
    # only where it was computed: a chord of the convex e(α) would lie above it
    full: Any = dict(style="markers", marker="x-thin-open", colour=INK)
    floor, energy = (reduced.floor[name].to_numpy(float) for name in ("alpha", "energy"))
    energies = [
        Series("1RSB, marginal", line, theory["energy"], style="lines", colour=INK),
        Series("1RSB, ground state e₀", line, theory["ground"], **ground),
        Series("full RSB, the floor", floor, energy, **full),
        *(
            _spread(f"runs, N = {here[0].n} (± std)", "energy", here, i)
            for i, here in enumerate(at)
        ),
    ]
    gap = theory["ground"] - theory["energy"]
    over = energy - np.array([prediction(found[0].loss, float(a)).energy for a in floor])
    excess = [
        *(_excess(here, i) for i, here in enumerate(at)),
        Series("1RSB, ground state − marginal", line, gap, legend="", **ground),
        Series("full RSB − 1RSB, marginal", floor, over, legend="", **full),
    ]
    moments = []
    for index, (power, column) in enumerate(zip(POWERS, MOMENTS, strict=True)):
        name = f"E|ŷ|{power}"
        moments += [
            Series(f"{name}, 1RSB", line, theory[column], style="lines", colour=index, legend=name),
            _spread(f"{name}, runs", column, largest, index, legend="", marker="circle-open"),
        ]
    size, listed = (5.2, 4.0), ", ".join(map(str, sizes))
    return Picture(
        f"shuffled labels, N = {sizes[-1]}: {_rest(largest)}",
        (
            (
                Panel(
                    *(
                        f"Threshold energy, N = {listed}",
                        alpha,
                        Axis("energy e = L/N", range=(0, None)),
                        energies,
                    ),
                    size=size,
                ),
                Panel(
                    *("runs − 1RSB, bars 95 %", alpha, Axis("energy"), excess),
                    (Mark("y", 0, dash="solid", width=1.0),),
                    inset=(0.64, 0.12, 0.35, 0.27),
                ),
                Panel(
                    f"Moments of the labels, N = {sizes[-1]}; lines: 1RSB, circles: runs ± std",
                    *(alpha, Axis("moment"), moments),
                    size=size,
                ),
            ),
        ),
    )


def _theory(loss: str, first: float, last: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return α from `first` to `last`, and there energies and moments of 1RSB.

    Cubic splines through eleven states, which take a quarter of a second each, spaced by a factor:
    within 5e-4 of the states between them for the quartic loss from α = 2 to 25.
    """
    nodes = np.unique(np.geomspace(first, last, 11))
    states = [prediction(loss, float(alpha)) for alpha in nodes]
    columns = {name: [p.value(name) for p in states] for name in ("energy", *MOMENTS)}
    columns["ground"] = [p.ground_energy for p in states]
    line = np.linspace(first, last, 101)
    found = {}
    for name, values in columns.items():
        known = np.isfinite(values)
        # a spline needs four points, and none is drawn through an α without a state
        if known.all() and len(nodes) > 3:
            found[name] = CubicSpline(nodes, values)(line)
        else:
            found[name] = np.interp(line, nodes, values)
    return line, found


def _spread(name: str, column: str, found: list[Plateau], colour: int, **more: Any) -> Series:
    """Return the means at one N with the standard deviation of a run."""
    mean = np.array([p.measured[column].mean for p in found])
    std = np.array([p.measured[column].std for p in found])
    return Series(
        *(
            name,
            [p.alpha for p in found],
            mean,
            mean - std,
            mean + std,
            "± standard deviation over runs",
        ),
        style="markers",
        colour=colour,
        note=[f"{p.measured[column].size} runs, {p.sentence(column)} of 1RSB" for p in found],
        **more,
    )


def _excess(found: list[Plateau], colour: int) -> Series:
    """Return the mean energies at one N minus 1RSB, with cluster-robust 95 % intervals."""
    mean = np.array([p.measured["energy"].mean - p.theory.energy for p in found])
    half = np.array([p.measured["energy"].half_width() for p in found])
    name, alpha = f"runs, N = {found[0].n}, − 1RSB", [p.alpha for p in found]
    ends = mean - half, mean + half, "95 % interval of the mean"
    return Series(name, alpha, mean, *ends, colour=colour, legend="", width=0.8)


def tables(reduced: Thresholds) -> list[tuple[str, pd.DataFrame]]:
    """Return runs and 1RSB at every N, α and quantity, the runs' limit in N, and the floor."""
    found = reduced.plateaus
    rows = [
        {
            "n": p.n,
            "alpha": p.alpha,
            "quantity": column,
            "runs": value.size,
            "designs": value.clusters,
            "mean": value.mean,
            "std": value.std,
            "half_width_95": value.half_width(),
            "theory": p.theory.value(column),
            "excess": p.excess(column),
            "at_rest": p.at_rest,
            "interpolated": p.interpolated,
        }
        for p in found
        for column, value in p.measured.items()
    ]
    return [
        ("Runs against 1RSB", pd.DataFrame(rows)),
        ("Threshold energy of the runs as N → ∞", plateau_limits(found)),
        ("Ground state of full replica symmetry breaking", reduced.floor),
    ]


EXPERIMENT = Experiment(
    name="fig4",
    title="Figure 4. Threshold energy and moments of the labels",
    version=3,
    points=points,
    reduce=reduce,
    picture=picture,
    claims=claims,
    tables=tables,
    caption=(
        "Energy at which runs with shuffled labels come to rest (left) and moments of their "
        "fitted labels ŷ (right) against α, the number of samples for each unknown ({sizes}), "
        "beside lines of theory for N → ∞: marginal and lowest states with one step of replica "
        "symmetry breaking (1RSB), and crosses for the exact lowest energy (full RSB). Where the "
        "marginal 1RSB state is right the points approach its line as N grows; the inset is "
        "their difference."
    ),
    source=THE_PAPER,
    scales=SCALES,
    takes_loss=True,
)
