"""The picture of Figure 2: density and eigenvalues against time, losses, five spectra."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from gapless.experiments import drawing
from gapless.experiments._threshold import T_TWIN
from gapless.experiments.panels import Mark, Panel, Series

SNAPSHOTS = (0.0, 0.5, 1.0, 1.5, 2.5)
"""Multiples of the crossing time at which the spectrum is drawn by itself."""
SIGNAL_FREE = 0.1
"""Above this overlap of the state theory's outlier is greyed: it is a statement at q = 0."""

SHADES = LinearSegmentedColormap.from_list("shades", [(0.0, 0.45, 0.7, a) for a in (0.0, 0.9)])
"""Blue on whatever the page is, light or dark."""


def frame_of(run: Any, multiple: float) -> int:
    """Return the frame nearest to a multiple of the crossing time."""
    return int(np.argmin(np.abs(np.array(run.t) - multiple * run.time)))


def twin_of(run: Any) -> str:
    """Return when the energy of a run's twin was read off."""
    return "at rest" if run.twin_settled else f"at t = {T_TWIN:g}, not at rest"


def draw(table: pd.DataFrame) -> Figure:
    """Draw the followed run."""
    with mpl.rc_context(drawing.STYLE):
        figure = Figure(figsize=(11.5, 7.2), layout="constrained")
        parts: Any = figure.subfigures(2, 1, height_ratios=(1.7, 1))
        top, bottom = parts
        left, right = top.subplots(1, 2, width_ratios=(1.45, 1))
        below = bottom.subplots(1, len(SNAPSHOTS), sharey=True)
    followed = table[table.followed.fillna(False).astype(bool)]
    if followed.empty:
        return figure
    run = followed.iloc[0]
    _draw_density(left, run)
    _draw_losses(right, run)
    for axis, multiple in zip(below, SNAPSHOTS, strict=True):
        _draw_snapshot(axis, run, frame_of(run, multiple))
    below[0].set_ylabel("density")
    figure.suptitle(
        rf"N = {run.n}, $\alpha$ = {run.alpha:g}: the run of median crossing time "
        f"({len(table)} runs); vertical line: crossing of the energy of its twin, {twin_of(run)}",
        fontsize=9.5,
    )
    return figure


def _density(run: Any) -> np.ndarray:
    return np.array(run.density_t).reshape(len(run.t), -1)


def _draw_density(axis: Axes, run: Any) -> None:
    t, edges = np.array(run.t), np.array(run.bin_edges)
    half = t[1] / 2
    sides = np.concatenate([[-half], t + half])
    image = np.log10(np.maximum(_density(run), 1e-5)).T
    axis.pcolormesh(sides, edges, image, cmap=SHADES, vmin=-4, rasterized=True)
    axis.plot(t, run.eigenvalue_1_t, color="#e69f00", label=r"$\lambda_1$")
    axis.plot(t, run.eigenvalue_2_t, color="#009e73", label=r"$\lambda_2$")
    one = np.array(run.edge_from_one_atom_t, float) > 0
    edge = np.array(run.hessian_edge_t, float)
    axis.plot(t, edge, color="black", ls="--", lw=0.9, label="theory: edge, own labels")
    axis.plot(t[one], edge[one], "x", color="black", ms=3, lw=0, label="... set by one sample")
    outlier, free = np.array(run.hessian_outlier_t, float), np.array(run.overlap_t) < SIGNAL_FREE
    shown = {"black": free, "0.6": ~free}
    for colour, where in shown.items():
        label = "theory: outlier" if colour == "black" else "... beyond q = 0.1"
        axis.plot(t, np.where(where, outlier, np.nan), color=colour, ls=":", label=label)
    axis.axvline(run.time, color="black", lw=0.6)
    axis.axhline(0, color="black", lw=0.4)
    axis.set(xlabel=r"time $t$", ylabel=r"eigenvalue $\lambda$ of H (Eq. 4)", xlim=(0, t[-1]))
    axis.legend(loc="lower right", ncols=2)
    axis.grid(visible=False)


def _draw_losses(axis: Axes, run: Any) -> None:
    t = run.t
    axis.plot(t, run.energy_t, color="#8a2be2", label=r"training: $e=\mathcal{L}/N$")
    axis.plot(t, run.generalisation_t, color="#00008b", label="generalisation")
    axis.axhline(run.threshold_energy, color="black", ls="--", lw=1, label="energy of its twin")
    axis.axvline(run.time, color="black", lw=0.6)
    axis.set(xlabel=r"time $t$", ylabel="loss", xlim=(0, t[-1]), ylim=(0, None))
    q = axis.twinx()
    q.plot(t, run.overlap_t, color="#d55e00", lw=0.9, label=r"$q$ of the state")
    q.plot(t, run.vector_overlap_1_t, color="#e69f00", lw=0.9, ls="-.", label=r"$v_1$, signal")
    q.plot(t, run.top_sample_share_1_t, color="0.5", lw=0.9, ls=":", label="$v_1$, one sample")
    q.set(ylim=(0, 1.02), ylabel="overlaps")
    q.grid(visible=False)
    lines = [*axis.get_lines()[:3], *q.get_lines()]
    axis.legend(lines, [str(line.get_label()) for line in lines], loc="center right")


def _draw_snapshot(axis: Axes, run: Any, frame: int) -> None:
    edges, density = np.array(run.bin_edges), _density(run)[frame]
    axis.stairs(density, edges, fill=True, color="#9ecae1")
    for name, colour in (("eigenvalue_1_t", "#e69f00"), ("eigenvalue_2_t", "#009e73")):
        axis.axvline(getattr(run, name)[frame], color=colour, lw=1)
    axis.axvline(run.hessian_edge_t[frame], color="black", ls="--", lw=0.8)
    axis.set(title=f"t = {run.t[frame]:.3g}", xlabel=r"$\lambda$", yscale="log")
    axis.set_ylim(2e-4, 1.5 * _density(run).max())


def panels(table: pd.DataFrame) -> list[Panel]:
    """Return eigenvalues, losses and overlaps along the followed run."""
    followed = table[table.followed.fillna(False).astype(bool)]
    if followed.empty:
        return []
    run = followed.iloc[0]
    t, free = np.array(run.t), np.array(run.overlap_t) < SIGNAL_FREE
    outlier = np.where(free, np.array(run.hessian_outlier_t, float), np.nan)
    crossing = (Mark("x", float(run.time), "crossing"),)

    def line(name: str, values: Any, colour: int, dash: str = "solid") -> Series:
        return Series(name, t, np.array(values, float), style="lines", colour=colour, dash=dash)

    return [
        Panel(
            "Lowest eigenvalues of the Hessian (Eq. 4)",
            "time t",
            "eigenvalue λ",
            [
                line("λ₁", run.eigenvalue_1_t, 4),
                line("λ₂", run.eigenvalue_2_t, 2),
                line("edge, own labels", run.hessian_edge_t, 6, "dash"),
                line("outlier, q < 0.1", outlier, 6, "dot"),
            ],
            crossing,
        ),
        Panel(
            "Losses",
            "time t",
            "loss",
            [
                line("training, e = L/N", run.energy_t, 0),
                line("generalisation", run.generalisation_t, 1),
            ],
            (*crossing, Mark("y", float(run.threshold_energy), f"its twin, {twin_of(run)}", "dot")),
        ),
        Panel(
            "Overlaps",
            "time t",
            "overlap",
            [
                line("state q", run.overlap_t, 0),
                line("v₁ with the signal", run.vector_overlap_1_t, 4),
                line("v₁ on one sample", run.top_sample_share_1_t, 7, "dot"),
            ],
            crossing,
            y_range=(0.0, 1.02),
        ),
    ]
