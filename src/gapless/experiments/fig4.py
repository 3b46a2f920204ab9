"""Figure 4: threshold energy and moments of the label law against α, 1RSB and descent.

Runs with shuffled labels end at the threshold energy: at rest (|∇L − μW|²/N < 1e-10), or read off
at t = 100. The lines are the marginal 1RSB state of
Eqs. 11–13 at α = M/N; the thin one is the energy e₀ of the 1RSB ground state, which for
3.96 < α < 185 lies *above* the marginal one (docs/derivations/limits.md §2).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gapless.experiments import drawing
from gapless.experiments._experiment import Experiment, Scale
from gapless.experiments._threshold import AT_REST
from gapless.experiments.panels import Panel, Series
from gapless.experiments.plateau import Plateau, Prediction, plateaus, prediction
from gapless.experiments.plateau_limit import plateau_limits
from gapless.experiments.simulation import (
    MOMENTS,
    SCHEMA,
    Simulation,
    cost,
    failed_rows,
    rows,
)
from gapless.experiments.verdict import Claim, Sample, Statement, judged, verdict

T_END = 100.0
"""A run that is not at rest by then (|∇L − μW|²/N < 1e-10, outcome ``trapped``) is read off here.

At finite N every run comes to rest, exponentially and mostly by then (N = 256: all of 3,000 by
t = 380, the median by 25), so there is no ageing to extrapolate in time. What a run that still
moves would lose is judged by the energy that it lost since `T_END`/2.
"""
CLOSE = 0.05
"""Our reading of "good approximation" and "nicely": within 5 %. The paper gives no number."""
GOOD = Statement(low=-CLOSE, high=CLOSE)
"""Runs over 1RSB, less one. The scheme is a limit N → ∞: the statement is about every N."""


@dataclass(frozen=True)
class Size:
    """One N: its α, and at each α as many designs with as many runs on each."""

    n: int
    alphas: tuple[float, ...]
    designs: int
    runs: int


_ALPHAS = (4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 18.0, 24.0)
SIZES: dict[Scale, tuple[Size, ...]] = {
    "smoke": (Size(128, (4.0, 10.0, 18.0), 4, 4),),
    "desk": (
        Size(256, _ALPHAS, 16, 16),
        Size(512, _ALPHAS, 8, 16),
        Size(1024, (4.0, 6.0, 10.0, 14.0), 6, 8),
    ),
    "paper": (Size(2048, tuple(np.arange(2.0, 26.0, 1.0).tolist()), 50, 20),),
}


def simulations(size: Size, seed: int) -> list[Simulation]:
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
        )
        for alpha in size.alphas
        for index in range(size.designs)
    ]


def points(scale: Scale, seed: int) -> list[Simulation]:
    """Return the designs of every N and α of a scale."""
    return [simulation for size in SIZES[scale] for simulation in simulations(size, seed)]


def draw(table: pd.DataFrame) -> Figure:
    """Draw energies with the inset of runs − 1RSB, and the moments of the largest N."""
    figure, (left, right) = drawing.panels(2, width=5.2, height=4.0)
    found = plateaus(table)
    line, theory = _theory(table, found)
    left.plot(line, [p.energy for p in theory], color="black", label="1RSB, marginal")
    ground = [p.ground_energy for p in theory]
    left.plot(line, ground, color="black", lw=0.6, ls="--", label=r"1RSB, $e_0$")
    inset = left.inset_axes((0.64, 0.12, 0.35, 0.27))
    inset.axhline(0, color="black", lw=1)
    gap = np.array([p.ground_energy - p.energy for p in theory])
    inset.plot(line, gap, color="black", lw=0.6, ls="--")
    sizes = sorted({plateau.n for plateau in found})
    for index, n in enumerate(sizes):
        _draw_energies(left, inset, [p for p in found if p.n == n], drawing.colour(index))
    left.set(xlabel=r"$\alpha=M/N$", ylabel=r"threshold energy $e=\mathcal{L}/N$", ylim=(0, None))
    left.legend(loc="upper left")
    inset.set_title(r"runs $-$ 1RSB", fontsize=8)
    inset.tick_params(labelsize=7)
    largest = [plateau for plateau in found if plateau.n == sizes[-1]]
    _draw_moments(right, line, theory, largest)
    figure.suptitle(
        f"shuffled labels, N = {sizes[-1]}: {_rest(largest)}",
        fontsize=9.5,
    )
    return figure


def _rest(found: list[Plateau]) -> str:
    """Return which share of the runs came to rest, and when the others were read off."""
    percent = [round(100 * p.at_rest) for p in found]
    share = " to ".join(str(end) for end in sorted({min(percent), max(percent)}))
    text = (
        f"at rest ({AT_REST}) {share} % of the runs of each α, the others read off at "
        f"t = {found[0].t_max:g}"
    )
    zero = max(p.interpolated for p in found)
    return text + (f"; up to {100 * zero:.0f} % interpolated, at zero energy" if zero else "")


def _theory(table: pd.DataFrame, found: list[Plateau]) -> tuple[np.ndarray, list[Prediction]]:
    """Return α and 1RSB there: where runs are, and between."""
    alphas = np.array(sorted({plateau.alpha for plateau in found}))
    line = np.union1d(np.linspace(alphas.min(), alphas.max(), 11), alphas)
    return line, [prediction(str(table.loss.iloc[0]), float(alpha)) for alpha in line]


def _draw_energies(left: Axes, inset: Axes, found: list[Plateau], colour: str) -> None:
    """Mean ± standard deviation of runs; in the inset the error knows the designs."""
    alpha = [p.alpha for p in found]
    energy = [p.measured["energy"] for p in found]
    left.errorbar(
        alpha,
        [e.mean for e in energy],
        yerr=[e.std for e in energy],
        color=colour,
        ls="none",
        marker="o",
        ms=4,
        capsize=2,
        label=f"runs, N = {found[0].n} (± std)",
    )
    inset.errorbar(
        alpha,
        [e.mean - p.theory.energy for e, p in zip(energy, found, strict=True)],
        yerr=[0.0 if np.isnan(e.standard_error) else e.standard_error for e in energy],
        color=colour,
        marker="o",
        ms=2.5,
        lw=0.8,
        capsize=1.5,
    )


def _draw_moments(
    axes: Axes, line: np.ndarray, theory: list[Prediction], found: list[Plateau]
) -> None:
    names = (r"|\hat y|", r"\hat y^2", r"|\hat y|^3", r"\hat y^4")
    for index, (column, name) in enumerate(zip(MOMENTS, names, strict=True)):
        colour = drawing.colour(index)
        label = rf"$\mathbb{{E}}\,{name}$"
        axes.plot(line, [p.value(column) for p in theory], color=colour, label=label)
        axes.errorbar(
            [p.alpha for p in found],
            [p.measured[column].mean for p in found],
            yerr=[p.measured[column].std for p in found],
            color=colour,
            ls="none",
            marker="o",
            mfc="none",
            ms=5,
            capsize=2,
        )
    axes.set(xlabel=r"$\alpha=M/N$", ylabel="moment of the student's labels")
    axes.set_title("lines: 1RSB; circles: runs ± std", fontsize=9.5)
    axes.legend(ncols=2)


def claims(table: pd.DataFrame) -> list[Claim]:
    """Judge what the paper says of Figure 4, with its words read as `CLOSE`."""
    found = plateaus(table)
    judged = [
        _claim("The 1RSB ansatz is a good approximation of the energy", "energy", at_n)
        for n in sorted({p.n for p in found})
        if (at_n := [p for p in found if p.n == n])
    ]
    largest = [p for p in found if p.n == max(p.n for p in found)]
    for power, column in enumerate(MOMENTS, start=1):
        statement = f"The moments of the labels agree nicely with 1RSB: E|ŷ|^{power}"
        judged.append(_claim(statement, column, largest))
    return judged


def _claim(statement: str, column: str, found: list[Plateau]) -> Claim:
    """Judge one column at one N: within 5 % of 1RSB at every α."""
    parts = []
    for plateau in found:
        excess, half = plateau.excess(column), plateau.half_width(column)
        size = Sample(plateau.n, plateau.measured[column].size)
        parts.append(verdict(GOOD, excess, (excess - half, excess + half), size))
    runs = [p.measured[column] for p in found]
    ours = (
        f"runs over 1RSB at N = {found[0].n}: "
        + "; ".join(p.sentence(column) for p in found)
        + f" (95 %; at each α at least {min(r.size for r in runs)} runs on "
        f"{min(r.clusters for r in runs)} designs)"
    )
    if column == "energy":
        drift = 100 * max(p.drift for p in found)
        ours += (
            f"; {_rest(found)}; energy lost in the second half of the time {drift:.2g} % at most; "
            f"good is read as within {100 * CLOSE:g} %"
        )
    return judged(statement, ours, *parts)


def panels(table: pd.DataFrame) -> list[Panel]:
    """Return energies and moments of the runs with 95 % intervals, and 1RSB's lines."""
    found = plateaus(table)
    line, theory = _theory(table, found)
    sizes = sorted({p.n for p in found})
    at = {n: [p for p in found if p.n == n] for n in sizes}
    energies = [
        Series("1RSB, marginal", line, [p.energy for p in theory], style="lines", colour=6),
        Series(
            "1RSB, ground state",
            line,
            [p.ground_energy for p in theory],
            style="lines",
            dash="dash",
            colour=6,
        ),
        *(_measured(f"runs, N = {n}", "energy", at[n], i) for i, n in enumerate(sizes)),
    ]
    moments = []
    for index, (power, column) in enumerate(zip(("", "²", "³", "⁴"), MOMENTS, strict=True)):
        name = f"E|ŷ|{power}"
        values = [p.value(column) for p in theory]
        moments.append(Series(f"{name}, 1RSB", line, values, style="lines", colour=index))
        moments.append(_measured(f"{name}, N = {sizes[-1]}", column, at[sizes[-1]], index))
    return [
        Panel("Threshold energy", "α = M/N", "energy e = L/N", energies),
        Panel("Moments of the student's labels", "α = M/N", "moment", moments),
    ]


def _measured(name: str, column: str, found: list[Plateau], colour: int) -> Series:
    """Return the means at one N with 95 % intervals that know the designs."""
    means = np.array([p.measured[column].mean for p in found])
    half = np.array([p.measured[column].half_width() for p in found])
    note = [f"{p.measured[column].size} runs, {p.sentence(column)} of 1RSB" for p in found]
    alpha = [p.alpha for p in found]
    low, high = means - half, means + half
    return Series(name, alpha, means, low, high, style="markers", colour=colour, note=note)


def tables(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the runs beside 1RSB at every N, α and quantity, and their limit in N."""
    found = plateaus(table)
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
    limits = plateau_limits(found)
    return [
        ("Runs against 1RSB", pd.DataFrame(rows)),
        *([] if limits.empty else [("Threshold energy of the runs as N → ∞", limits)]),
    ]


EXPERIMENT = Experiment(
    name="fig4",
    title="Figure 4. Threshold energy and moments of the labels",
    version=3,
    schema=SCHEMA,
    points=points,
    measure=rows,
    failed=failed_rows,
    cost=cost,
    draw=draw,
    claims=claims,
    panels=panels,
    tables=tables,
)
