"""One solution at N = ∞, of `gapless dmft`: its picture and its record."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gapless.losses import parse_loss
from gapless.measure.mean_field import MeanField
from gapless.page.panels import GREY, INK, Axis, Mark, Panel, Picture, Series, source_of
from gapless.theory import NotConverged, threshold_state
from gapless.theory.dmft import Estimate, Solution


def spectrum(solution: Solution, times: int = 9) -> dict[str, list[Any]]:
    """Return bulk edge and outlier, before μ, at some of the times (shuffled labels only)."""
    states = np.unique(np.linspace(0, len(solution.t) - 1, times).astype(int))
    found = [solution.spectrum(int(k)) for k in states]
    return {
        "t": solution.t[states].tolist(),
        "bulk_edge": [edge for edge, _, _ in found],
        "outlier": [outlier for _, outlier, _ in found],
        "edge_from_one_atom": [one for _, _, one in found],
    }


def picture(point: MeanField, estimate: Estimate) -> Picture:
    """Return e(t); μ and the correlation with the start; the overlap, or growth and response."""
    t = estimate.t

    def curve(column: str, name: str, colour: int, row: int | None = None) -> Series:
        value, error = estimate.value[column], estimate.paths[column]
        value, error = (value, error) if row is None else (value[row], error[row])
        ends = value - error, value + error, "± standard error of the paths"
        return Series(name, t, value, *ends, style="lines", colour=colour, band=True)

    energies = [curve("energy", "N = ∞", 0)]
    level = None if point.labels == "teacher" else _threshold(point)
    if level is not None:
        ends = ([0, point.t_max], [level, level])
        energies.append(
            Series("1RSB, marginal", *ends, style="lines", dash="dash", colour=INK, width=0.8)
        )
    relative = estimate.value["mu"] / estimate.value["mu"][0]
    others = [
        curve("correlation_0", "C(t, 0)", 0),
        Series("μ(t)/μ(0)", t, relative, style="lines", colour=1),
    ]
    waiting = list(enumerate(point.waiting))
    others += [curve("response", f"R(t, {when:g})", 2 + row, row) for row, when in waiting]
    time = (
        Axis("time t")
        if point.step is not None
        else Axis("time t", "symlog", (0, point.t_max), linear=0.1)
    )
    panels = [
        Panel("Energy", time, Axis("energy e = L/N", range=(0, None)), energies),
        Panel("Correlation, response, μ", time, Axis("", range=(None, 1.02)), others),
    ]
    if point.labels == "teacher":
        overlap = [curve("signed_overlap", "overlap", 2)]
        panels.append(Panel("Overlap with the signal", time, Axis("overlap m"), overlap))
    else:
        growth = [curve("growth", f"from t_w = {when:g}", 2 + row, row) for row, when in waiting]
        zero = Mark("y", 0, dash="solid", colour=GREY)
        axis = Axis("ln m(t)/m(t_w)")
        panels.append(Panel("Growth of a small overlap from t_w", time, axis, growth, (zero,)))
    how = "flow" if point.step is None else f"step {point.step:g}"
    return Picture(
        f"α = {point.alpha:g}, {point.labels} labels: {point.paths} paths, {how}",
        (panels,),
        source_of({"loss": [point.loss], "n": [np.inf], "seed": [point.seed]}),
    )


def _threshold(point: MeanField) -> float | None:
    try:
        return threshold_state(parse_loss(point.loss), point.alpha).energy
    except (NotConverged, ValueError):
        return None  # a loss that the replica theory does not cover


def answer(
    point: MeanField, estimate: Estimate, solutions: Sequence[Solution], notes: Sequence[str]
) -> dict[str, Any]:
    """Return the record of an estimate, for JSON."""
    teacher = point.labels == "teacher"
    names = ["energy", "mu", "correlation_0"]
    names += ["signed_overlap"] if teacher else []
    names += ["response", "perturbation_growth"] if point.waiting else []
    names += ["growth", "growth_rate", "alignment"] if point.waiting and not teacher else []
    return {
        "alpha": point.alpha,
        "labels": point.labels,
        "overlap": point.overlap if teacher else None,
        "loss": point.loss,
        "step": point.step,
        "accuracy": point.accuracy if point.step is None else None,
        "paths": point.paths,
        "sampling": point.sampling,
        "sets": len(solutions),
        "seed": point.seed,
        "dimension": point.paths / point.alpha,
        "bias": estimate.bias,
        "waiting": list(point.dynamics.waiting),
        "directions": list(solutions[0].directions),
        "gradients": solutions[0].gradients,
        "t": estimate.t.tolist(),
        **{name: estimate.value[name].tolist() for name in names},
        "spectrum": None if teacher else spectrum(solutions[0]),
        "error": {
            name: {"paths": estimate.paths[name].tolist(), "steps": estimate.steps[name].tolist()}
            for name in names
        },
        "notes": list(notes),
    }
