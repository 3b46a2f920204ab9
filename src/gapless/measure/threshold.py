"""Threshold energy of a run: the energy of its shuffled twin at rest, or at t = 20.

At rest means |∇L − μW|²/N < 1e-10 (times the square of the loss's scale), outcome ``trapped``. For
N of a few hundred and more most twins still move at t = 20, so every use of a threshold energy
reports the number of runs at rest.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gapless.arrays import Array
from gapless.design import Design
from gapless.flow import Outcome, integrate
from gapless.flow.outcome import REST_SPEED2
from gapless.losses import Loss, quartic
from gapless.problem import Problem, draw_problem
from gapless.shapes import Float

T_TWIN = 20.0
"""Time at which the energy of a twin that is not at rest is taken."""


def rest_criterion(loss: str = "quartic") -> str:
    """Return the criterion of rest of a loss, for tables and figures: "|∇L − μW|²/N < 1e-10"."""
    rule = f"|∇L − μW|²/N < {REST_SPEED2:g}"
    # s = 1 for the quartic loss, where the factor would only puzzle
    return rule if loss == "quartic" else f"{rule} s², s the loss's scale"


def at_rest(outcome: str) -> bool:
    """Return whether a run of this outcome ended at rest."""
    # not `interpolated`: where M < N the twin fits its labels, and that is no threshold state
    return outcome == Outcome.trapped


def rest_sentence(
    outcomes: Sequence[str], whose: str, late: float = T_TWIN, loss: str = "quartic"
) -> str:
    """Return "5 of 8 twins at rest (|∇L − μW|²/N < 1e-10), 3 read off at t = 20".

    Parameters
    ----------
    outcomes
        Outcomes of runs that ended at rest or at t = `late`.
    whose
        Name of the runs in the sentence.
    loss
        Name of their loss: thresholds are in units of its scale, 1 for the quartic loss.
    """
    # every outcome is named: runs that did not rest must not vanish from a mean
    count = Counter(str(outcome) for outcome in outcomes)
    resting = sum(number for outcome, number in count.items() if at_rest(outcome))
    # "timed out" says nothing of a run that was read off on purpose
    others = {str(Outcome.time_out): f"read off at t = {late:g}"}
    text = f"{resting} of {len(outcomes)} {whose} at rest ({rest_criterion(loss)})"
    return ", ".join(
        [text, *(f"{count[o]} {others.get(o, o)}" for o in sorted(count) if not at_rest(o))]
    )


@dataclass(frozen=True, eq=False)
class TwinThreshold:
    """Threshold energies of the K runs of a design."""

    energy: np.ndarray
    """e of each run's shuffled twin at the end, (K,)."""
    speed2: np.ndarray
    """|∇L − μW|²/N of the twin at the end, (K,): the rate at which its energy decreases."""
    outcome: tuple[Outcome, ...]
    """Outcome of the twin, (K,): ``trapped`` is at rest, |∇L − μW|²/N < 1e-10 s² by t = 20."""


def twin_threshold(design: Design, loss: Loss = quartic) -> TwinThreshold:
    """Return the energy of each run's shuffled twin at rest, or at t = 20.

    A twin is at rest when |∇L − μW|²/N < 1e-10 s², where s is the scale of the loss.

    The twin has the run's sensing matrix, start and multiset of y², and labels without a signal.
    Its plateau depends on the instance, mostly through Σy⁴, and a comparison of a run with its own
    twin removes that scatter.
    """
    # the design's own start: the twin differs from its run by the order of the labels alone
    return threshold_of(draw_problem(design, "shuffled", loss), design.start())


def threshold_of(twin: Problem, start: Float[Array, "K N"]) -> TwinThreshold:
    """Return the energies of twins from their starts, as `twin_threshold` does."""
    run = integrate(twin, start, T_TWIN)
    return TwinThreshold(run.end.energy, run.end.speed2, run.outcome)
