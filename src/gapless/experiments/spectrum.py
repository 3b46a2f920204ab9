"""Spectra of runs at a chosen moment: at the start, at a time, at an energy, at the threshold."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gapless.design import Design
from gapless.experiments._experiment import Row
from gapless.experiments._spectra import number, spectral_rows
from gapless.experiments._threshold import T_TWIN, twin_threshold
from gapless.flow import AtEnergy, State, integrate
from gapless.losses import Loss, quartic
from gapless.problem import LabelKind, Problem, draw_problem

Kind = Literal["random", "threshold", "time", "energy"]


@dataclass(frozen=True)
class Moment:
    """When a run's Hessian is looked at.

    Parameters
    ----------
    kind
        ``random``: the start. ``time``: at t = `value`. ``energy``: where e falls to `value`.
        ``threshold``: with a teacher, where e falls to that of the run's own shuffled twin;
        without one, where the run itself has come to rest (or t = 20).
    value
        A time or an energy.
    """

    kind: Kind
    value: float | None = None

    def __str__(self) -> str:
        return self.kind if self.value is None else f"{self.kind}:{self.value:g}"


def parse_moment(text: str) -> Moment:
    """Return the moment that ``random``, ``threshold``, ``time:0.5`` or ``energy:7`` names.

    Raises ``ValueError`` that lists these.
    """
    kind, _, argument = text.partition(":")
    remedy = "is not one of random, threshold, time:0.5, energy:7"
    if kind in ("random", "threshold") and not argument:
        return Moment(kind)
    if kind not in ("time", "energy"):
        raise ValueError(f"at: {text!r} {remedy}")
    try:
        value = float(argument)
    except ValueError:
        raise ValueError(f"at: {text!r} {remedy}") from None
    if not (np.isfinite(value) and value >= 0):
        raise ValueError(f"at: the {kind} must be a number ≥ 0, not {argument}")
    return Moment(kind, value)


def spectrum_rows(
    design: Design,
    moment: Moment,
    labels: LabelKind = "teacher",
    loss: Loss = quartic,
    *,
    lowest: int = 3,
    deflate_radial: bool = False,
) -> list[Row]:
    """Return one row a run: where it is at the moment, and its Hessian's lowest eigenpairs there.

    Keys: ``run``, ``design``, ``reached``, ``time``, ``threshold_energy`` (the energy whose
    crossing was asked for, None otherwise), and those of `_spectra.spectral_rows`; all of the
    latter None for a run that never reached the moment.
    """
    if not 1 <= lowest <= design.n:
        raise ValueError(f"lowest: must lie between 1 and n={design.n}, not {lowest}")
    problem = draw_problem(design, labels, loss)
    state, time, reached, energy = _at(problem, design, moment, labels)
    rows = spectral_rows(
        problem,
        state,
        labels,
        key=design.key("lanczos"),
        lowest=lowest,
        deflate_radial=deflate_radial,
    )
    return [
        {
            "design": design.index,
            "run": run,
            "reached": bool(reached[run]),
            "time": number(time[run]),
            "threshold_energy": number(energy[run]),
            **(rows[run] if reached[run] else dict.fromkeys(rows[run])),
        }
        for run in range(design.k)
    ]


def _at(
    problem: Problem, design: Design, moment: Moment, labels: LabelKind
) -> tuple[State, np.ndarray, np.ndarray, np.ndarray]:
    """Return states, times, whether each run reached the moment, and the energy asked for."""
    start = design.start()
    nothing = np.full(design.k, np.nan)
    if moment.kind in ("random", "time"):
        when = 0.0 if moment.kind == "random" else float(moment.value or 0.0)
        # a flow needs a positive budget: what is saved at 0 is the start itself
        run = integrate(
            problem, start, when or 1e-6, save_at=[when], observe=lambda _, state: state
        )
        state = run.observed[0]
        return state, np.full(design.k, when), np.asarray(state.finite), nothing
    if moment.kind == "threshold" and labels != "teacher":
        rest = integrate(problem, start, T_TWIN)
        return rest.state, rest.stopped_at, np.asarray(rest.state.finite), nothing
    energy = (
        twin_threshold(design, problem.loss).energy
        if moment.kind == "threshold"
        else np.full(design.k, moment.value)
    )
    crossing = integrate(problem, start, T_TWIN, stop=AtEnergy(energy))
    time = np.where(crossing.crossed, crossing.stopped_at, np.nan)
    return crossing.state, time, crossing.crossed, energy
