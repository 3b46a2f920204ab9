"""A picture of trajectories: energy and overlap against time, for `gapless flow --plot`."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from gapless.experiments import drawing
from gapless.experiments._experiment import Row

COLOURS = {"recovered": 0, "trapped": 1, "interpolated": 2}
OTHERWISE = 3
"""Colours of the outcomes."""


def draw(records: Sequence[Row]) -> Figure:
    """Draw e(t) and q(t) of rows of `simulation.rows`."""
    first = records[0]
    has_teacher = first["labels"] != "gaussian"
    figure, axes = drawing.panels(2 if has_teacher else 1)
    for record in records:
        t = np.array(record["t"])
        colour = drawing.colour(COLOURS.get(record["outcome"], OTHERWISE))
        axes[0].plot(t, record["energy_t"], color=colour, lw=0.7)
        if has_teacher:
            axes[1].plot(t, np.abs(record["overlap_t"]), color=colour, lw=0.7)
    axes[0].set(xlabel=r"time $t$", ylabel=r"energy $e=\mathcal{L}/N$", ylim=(0, None))
    if has_teacher:
        axes[1].set(xlabel=r"time $t$", ylabel=r"overlap $q$", ylim=(0, 1.02))
    ended = Counter(record["outcome"] for record in records)
    for outcome, count in sorted(ended.items()):
        shown = drawing.colour(COLOURS.get(outcome, OTHERWISE))
        axes[0].plot([], [], color=shown, label=f"{count} {outcome}".replace("_", " "))
    axes[0].legend()
    figure.suptitle(
        rf"N = {first['n']}, $\alpha$ = {first['alpha']:g}, {first['labels']} labels: "
        f"how {len(records)} runs ended",
        fontsize=9.5,
    )
    return figure
