"""A picture of trajectories: energy and overlap against time, for `gapless flow --plot`."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from gapless.experiments import drawing
from gapless.experiments._experiment import Row


def draw(records: Sequence[Row]) -> Figure:
    """Draw e(t) and q(t) of rows of `simulation.rows`."""
    first = records[0]
    has_teacher = first["labels"] != "gaussian"
    figure, axes = drawing.panels(2 if has_teacher else 1)
    for record in records:
        t = np.array(record["t"])
        colour = drawing.colour(0 if record["outcome"] == "recovered" else 1)
        axes[0].plot(t, record["energy_t"], color=colour, lw=0.7)
        if has_teacher:
            axes[1].plot(t, np.abs(record["overlap_t"]), color=colour, lw=0.7)
    axes[0].set(xlabel=r"time $t$", ylabel=r"energy $e=\mathcal{L}/N$", ylim=(0, None))
    if has_teacher:
        axes[1].set(xlabel=r"time $t$", ylabel=r"overlap $q$", ylim=(0, 1.02))
    solved = sum(record["outcome"] == "recovered" for record in records)
    figure.suptitle(
        rf"N = {first['n']}, $\alpha$ = {first['alpha']:g}, {first['labels']} labels: "
        f"{solved} of {len(records)} runs recovered (blue)",
        fontsize=9.5,
    )
    return figure
