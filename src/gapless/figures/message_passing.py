"""A picture of message passing: overlap and variance by iteration, for `gapless baseline amp`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gapless.figures.trajectories import coloured
from gapless.page.panels import INK, Axis, Panel, Picture, Series, source_of
from gapless.theory.state_evolution import state_evolution


def exact(record: dict[str, Any]) -> np.ndarray:
    """Return state evolution's overlaps at a record's M/N, start and noise, (T + 1)."""
    alpha = record["m"] / record["n"]
    return state_evolution(record["assumed_overlap"], alpha, record["iterations"], record["noise"])


def picture(records: Sequence[dict[str, Any]]) -> Picture:
    """Return overlap and variance of every run against the iteration, beside state evolution."""
    first, overlap = records[0], exact(records[0])
    steps = np.arange(len(overlap))
    time = Axis("iteration")
    line: dict[str, Any] = dict(style="lines", colour=INK, legend="state evolution, N → ∞")
    overlaps = [*coloured(records, "overlap_t", steps), Series("exact", steps, overlap, **line)]
    # on the Bayes-optimal line |Ŵ − W*|²/N = 1 − q²
    variances = [
        *coloured(records, "variance_t", steps),
        Series("exact", steps, 1 - overlap**2, **line),
    ]
    panels = [
        Panel("Overlap with the signal", time, Axis("overlap q", range=(0, 1.02)), overlaps),
        Panel("Variance of the estimate", time, Axis("V, 1 − q²", "log"), variances),
    ]
    source = source_of({name: [one[name] for one in records] for name in ("n", "seed")})
    title = f"Message passing, α = {first['alpha']:g}, noise Δ = {first['noise']:g}"
    return Picture(f"{title}; {len(records)} runs, coloured by how they ended", (panels,), source)
