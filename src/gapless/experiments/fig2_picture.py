"""The picture of Figure 2: density and eigenvalues against time, losses, overlaps, five spectra."""

from typing import Any

import numpy as np
import pandas as pd

from gapless.experiments._threshold import T_TWIN
from gapless.page.panels import GREY, INK, Axis, Heat, Mark, Panel, Picture, Series

SNAPSHOTS = (0.0, 0.5, 1.0, 1.5, 2.5)
"""Multiples of the crossing time at which the spectrum is drawn by itself."""
SIGNAL_FREE = 0.1
"""Above this overlap of the state theory's outlier is greyed: it is a statement at q = 0."""
FAINTEST = -4.0
"""Power of ten of the density from which on it is seen."""


def followed_run(table: pd.DataFrame) -> Any | None:
    """Return the row of the run that was followed, None where there is none."""
    followed = table[table.followed.fillna(False).astype(bool)]
    return None if followed.empty else followed.iloc[0]


def frame_of(run: Any, multiple: float) -> int:
    """Return the frame nearest to a multiple of the crossing time."""
    return int(np.argmin(np.abs(np.array(run.t) - multiple * run.time)))


def twin_of(run: Any) -> str:
    """Return when the energy of a run's twin was read off."""
    return "at rest" if run.twin_settled else f"at t = {T_TWIN:g}, not at rest"


def picture(table: pd.DataFrame) -> Picture:
    """Return the followed run along time, and its spectrum at five moments."""
    run = followed_run(table)
    if run is None:
        return Picture("no run crossed the energy of its twin", ())
    return Picture(
        f"N = {run.n}, α = {run.alpha:g}: the run of median crossing time ({len(table)} runs); "
        f"vertical line: crossing of the energy of its twin, {twin_of(run)}",
        (along_the_run(run), [_snapshot(run, frame_of(run, multiple)) for multiple in SNAPSHOTS]),
    )


def along_the_run(run: Any) -> list[Panel]:
    """Return eigenvalues over their density, losses and overlaps against time."""
    t = np.array(run.t)
    time = Axis("time t", range=(0, float(t[-1])))
    crossing = Mark("x", float(run.time), dash="solid", width=0.6)
    size = (3.3, 4.3)

    def line(name: str, values: Any, colour: int, dash: Any = "solid") -> Series:
        values = np.array(values, float)
        return Series(name, t, values, style="lines", dash=dash, colour=colour)

    edge, outlier = np.array(run.hessian_edge_t, float), np.array(run.hessian_outlier_t, float)
    one = np.array(run.edge_from_one_atom_t, float) > 0
    free = np.array(run.overlap_t) < SIGNAL_FREE
    on_one = np.where(one, edge, np.nan)
    eigenvalues = [
        line("λ₁", run.eigenvalue_1_t, 4),
        line("λ₂", run.eigenvalue_2_t, 2),
        line("theory: edge, own labels", edge, INK, "dash"),
        Series("… set by one sample", t, on_one, style="markers", marker="x-thin-open", colour=INK),
        line("theory: outlier", np.where(free, outlier, np.nan), INK, "dot"),
        line("… beyond q = 0.1", np.where(free, np.nan, outlier), GREY, "dot"),
    ]
    zero = Mark("y", 0, dash="solid", width=0.4)
    losses = [
        line("training, e = L/N", run.energy_t, 0),
        line("generalisation", run.generalisation_t, 1),
    ]
    heat = _heat(run)
    low, high = heat.y
    twin = Mark("y", float(run.threshold_energy), f"its twin, {twin_of(run)}")
    overlaps = [
        line("q of the state", run.overlap_t, 0),
        line("v₁ with the signal", run.vector_overlap_1_t, 4, "dashdot"),
        line("v₁ on one sample", run.top_sample_share_1_t, GREY, "dot"),
    ]
    return [
        Panel(
            "Eigenvalues of H (Eq. 4); shaded: log density",
            *(time, Axis("eigenvalue λ", range=(low - (high - low) / 16, high))),
            *(eigenvalues, (crossing, zero), heat),
            size=(5.4, 4.3),
            legend="lower right",
        ),
        Panel("Losses", time, Axis("loss", range=(0, None)), losses, (crossing, twin), size=size),
        Panel("Overlaps", time, Axis("overlap", range=(0, 1.02)), overlaps, (crossing,), size=size),
    ]


def _density(run: Any) -> np.ndarray:
    return np.array(run.density_t).reshape(len(run.t), -1)


def _heat(run: Any) -> Heat:
    """Return the logarithm of the density; a frame is the middle of its cells."""
    t, edges = np.array(run.t), np.array(run.bin_edges)
    half = t[1] / 2
    powers = np.log10(np.maximum(_density(run), 1e-5)).T
    return Heat(
        "log₁₀ of the density of eigenvalues",
        (float(-half), float(t[-1] + half)),
        (float(edges[0]), float(edges[-1])),
        powers,
        (FAINTEST, float(powers.max())),
    )


def _snapshot(run: Any, frame: int) -> Panel:
    edges, density = np.array(run.bin_edges), _density(run)
    low, high = float(edges[0]), float(edges[-1])
    top = 1.5 * float(density.max())
    # the last bin ends with its upper edge
    values = np.append(density[frame], density[frame, -1])
    marks = [
        Mark("x", run.eigenvalue_1_t[frame], "λ₁", "solid", 4),
        Mark("x", run.eigenvalue_2_t[frame], "λ₂", "solid", 2, side="right"),
        Mark("x", run.hessian_edge_t[frame], dash="dash"),
    ]
    return Panel(
        f"t = {run.t[frame]:.3g}",
        # room for the name of λ₁
        Axis("eigenvalue λ", range=(low - (high - low) / 8, high)),
        Axis("density", "log", (2e-4, top)),
        [Series("eigenvalues", edges, values, style="lines", legend="", steps=True, fill=True)],
        marks,
        size=(2.4, 2.6),
    )
