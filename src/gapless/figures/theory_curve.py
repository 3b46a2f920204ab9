"""Threshold states against α: rows and picture of `gapless theory curve`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gapless.losses import Loss
from gapless.page.panels import GREY, Axis, Mark, Panel, Picture, Series
from gapless.theory import ground_state, threshold_state


def curve_rows(
    loss: Loss, alphas: Sequence[float], progress: Callable[[float], object] = lambda _: None
) -> list[dict[str, Any]]:
    """Return the record of the threshold state at each α, with the ground state's energy.

    Raises as `threshold_state` does, before any other α is computed.
    """
    rows = []
    for alpha in alphas:
        ground = ground_state(loss, alpha)
        state = threshold_state(loss, alpha).record()
        rows.append(state | {"ground_energy": ground.energy})
        progress(1.0)
    return rows


def picture(rows: Sequence[dict[str, Any]], loss: Loss) -> Picture:
    """Return energy, edge and outlier minus μ, and moments against α."""
    alpha = [row["alpha"] for row in rows]

    def column(name: str) -> np.ndarray:
        return np.array([row[name] for row in rows], float)  # None becomes not-a-number

    def line(name: str, values: Any, colour: int, dash: Any = "solid") -> Series:
        return Series(name, alpha, values, style="lines", dash=dash, colour=colour)

    energies = [
        line("threshold, 1RSB", column("energy"), 0),
        line("ground state, 1RSB", column("ground_energy"), 1, "dash"),
    ]
    spectrum = [
        line("bulk edge − μ", column("bulk_edge") - column("mu"), 0),
        line("outlier − μ", column("outlier") - column("mu"), 1),
    ]
    names = {"abs": "E|ŷ|", "2": "Eŷ²", "3": "E|ŷ|³", "4": "Eŷ⁴"}
    moments = [
        line(name, [row["moments"][key] for row in rows], index)
        for index, (key, name) in enumerate(names.items())
    ]
    axis, zero = Axis("α = M/N"), Mark("y", 0, dash="solid", colour=GREY)
    return Picture(
        "Threshold and ground states of 1RSB",
        (
            (
                Panel("Energy of threshold and ground state", axis, Axis("e = L/N"), energies),
                Panel("Hessian", axis, Axis("eigenvalue"), spectrum, (zero,)),
                Panel("Moments of the student's labels", axis, Axis("moment"), moments),
            ),
        ),
        f"{loss.name} loss, N = ∞",
    )
