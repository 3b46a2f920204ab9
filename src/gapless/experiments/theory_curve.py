"""Threshold states against α: rows and picture of `gapless theory curve`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gapless.experiments.drawing import colour, panels
from gapless.losses import Loss
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


def draw_curve(rows: Sequence[dict[str, Any]], loss: Loss) -> Figure:
    """Return energy, edge and outlier minus μ, and moments against α."""
    figure, (energies, spectrum, moments) = panels(3)
    alpha = np.array([row["alpha"] for row in rows])

    def column(name: str) -> np.ndarray:
        return np.array([np.nan if row[name] is None else row[name] for row in rows], float)

    energies.plot(alpha, column("energy"), color=colour(0), label="threshold, 1RSB")
    energies.plot(alpha, column("ground_energy"), "--", color=colour(1), label="ground state, 1RSB")
    energies.set(xlabel=r"$\alpha$", ylabel=r"$e = \mathcal{L}/N$", title=f"{loss.name} loss")
    spectrum.plot(
        alpha, column("bulk_edge") - column("mu"), color=colour(0), label=r"bulk edge $-\,\mu$"
    )
    spectrum.plot(
        alpha, column("outlier") - column("mu"), color=colour(1), label=r"outlier $-\,\mu$"
    )
    spectrum.axhline(0, color="0.6", linewidth=0.8)
    spectrum.set(xlabel=r"$\alpha$", ylabel="eigenvalue of the Hessian")
    for index, (name, label) in enumerate(
        (("abs", r"|\hat y|"), ("2", r"\hat y^2"), ("3", r"|\hat y|^3"), ("4", r"\hat y^4"))
    ):
        values = [row["moments"][name] for row in rows]
        moments.plot(alpha, values, color=colour(index), label=rf"$\mathbb{{E}}\,{label}$")
    moments.set(xlabel=r"$\alpha$", ylabel="moment of the labels")
    for axes in (energies, spectrum, moments):
        axes.legend()
    return figure
