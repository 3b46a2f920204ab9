"""A picture of spectra: density, edge, outlier and eigenvalues, for `gapless spectrum --plot`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gapless.measure.crossing import CrossingPoint
from gapless.page.panels import GREY, INK, Axis, Mark, Marker, Panel, Picture, Series, source_of
from gapless.sensing import LIKE_GAUSSIAN

EIGENVALUES, EDGE, OUTLIER = 4, INK, 1
"""Colours, of both panels."""
MARKERS: tuple[Marker, ...] = ("triangle-up", "circle", "circle-open")
"""Of λ₁, of λ₂, and of all others."""


def picture(
    records: Sequence[dict[str, Any]], point: CrossingPoint, moment: str, labels: str
) -> Picture:
    """Return the spectrum of the first run that reached the moment, and λ₁ … of every run.

    Theory's density, edge and outlier are those of each run's own labels, after −μ (Eqs. 4–6); none
    are drawn for an X of another limit (`gapless.sensing.LIKE_GAUSSIAN`).
    """
    source = source_of({"loss": [point.loss], "n": [point.n], "seed": [point.seed]})
    title = f"Hessian at {moment}, α = {point.alpha:g}, {labels} labels"
    reached = [(i, record) for i, record in enumerate(records) if record["reached"]]
    if not reached:
        return Picture(f"{title}: no run reached it", (), source)
    panels = [_density(*reached[0]), _eigenvalues(reached)]
    theory = "from the run's own labels"
    if point.sensing not in LIKE_GAUSSIAN:
        theory = f"does not hold for an {point.sensing} X"
    return Picture(f"{title}; theory {theory}", (panels,), source)


def _density(index: int, record: dict[str, Any]) -> Panel:
    """Return the spectrum of one run, with theory's bulk, edge and outlier."""
    edges, density = record["bin_edges"], record["density"]
    curves = [
        Series(
            *("eigenvalues", edges, [*density, density[-1]]),
            style="lines",
            steps=True,
            fill=True,
            width=0.9,
        ),
    ]
    if record["grid"]:
        bulk = "theory: bulk", record["grid"], record["density_theory"]
        curves.append(Series(*bulk, style="lines", colour=EDGE))
    first = record["eigenvalues"][0]
    marks = [
        Mark("x", first, "λ₁", "solid", EIGENVALUES, at=0.98),
    ]
    if record["hessian_edge"] is not None:
        # on the left, where no eigenvalues are but the lowest
        marks.append(Mark("x", record["hessian_edge"], "edge", colour=EDGE, at=0.9))
    if record["hessian_outlier"] is not None:
        marks.append(Mark("x", record["hessian_outlier"], "outlier", "dot", OUTLIER, at=0.82))
    # room for the names, which stand to the left of their lines
    least = min(mark.value for mark in marks)
    left = least - 0.15 * (edges[-1] - least)
    axes = Axis("eigenvalue λ", range=(left, None)), Axis("density", range=(0, None))
    return Panel(f"Spectrum of run {index}", *axes, curves, marks, size=(5.2, 3.5))


def _eigenvalues(reached: Sequence[tuple[int, dict[str, Any]]]) -> Panel:
    """Return the lowest eigenvalues of every run, with its edge and outlier."""
    runs = np.array([i for i, _ in reached])
    values = np.array([record["eigenvalues"] for _, record in reached], float)

    def one(name: str, column: Any, colour: int, marker: Any) -> Series:
        y = np.array(column, float)  # None becomes not-a-number
        return Series(name, runs, y, style="markers", colour=colour, marker=marker)

    lowest = [
        one(f"λ{_lowered(k)}", column, EIGENVALUES, MARKERS[min(k, len(MARKERS)) - 1])
        for k, column in enumerate(values.T, start=1)
    ]
    edges = one("theory: edge", [r["hessian_edge"] for _, r in reached], EDGE, "square")
    outliers = one(
        "theory: outlier", [r["hessian_outlier"] for _, r in reached], OUTLIER, "x-thin-open"
    )
    # below the eigenvalues, which an edge would hide
    theory = [one for one in (edges, outliers) if np.isfinite(np.asarray(one.y)).any()]
    shown = [*theory, *lowest]
    # below zero a direction goes down; where all are, the line would cost them their scale
    marks = [Mark("y", 0, dash="solid", colour=GREY)] if values.max() > 0 else []
    axes = Axis("run", ticks=runs[:: 1 + len(runs) // 12].tolist()), Axis("eigenvalue λ")
    return Panel("Lowest eigenvalues of every run", *axes, shown, marks, legend="outside")


def _lowered(number: int) -> str:
    """Return a number as an index, below the line."""
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
