"""Outcomes of runs. A trapped run is data and a failed run has a record; no run is dropped."""

from enum import StrEnum

import numpy as np

# |W − W*|² = 2N(1 − q): the student is then 0.14 % of the radius away
RECOVERED_OVERLAP = 1 - 1e-6
"""Overlap with the signal above which a run has recovered it."""
# the paper's criterion, read as one on L/N (docs/conventions.md)
ZERO_ENERGY = 1e-8
"""Energy L/N at or below which the energy counts as zero, in units of the loss's scale s."""
REST_SPEED2 = 1e-10
"""Squared speed |∇L − μW|²/N below which a run is at rest, in units of s²."""


class Outcome(StrEnum):
    """Outcome stored with every run; `sentence` is its description."""

    recovered = "recovered"
    interpolated = "interpolated"
    trapped = "trapped"
    time_out = "time_out"
    stopped = "stopped"
    not_finite = "not_finite"
    failed = "failed"

    @property
    def sentence(self) -> str:
        """Return the rule behind the outcome in one sentence."""
        return _SENTENCES[self]


_SENTENCES = {
    Outcome.recovered: "the student has found the signal: its overlap exceeds 1 - 1e-6",
    Outcome.interpolated: "the energy fell to zero, L/N <= 1e-8 s, elsewhere than at the signal, "
    "or the labels have none",
    Outcome.trapped: "at rest, |grad|^2/N < 1e-10 s^2, at positive energy away from the signal",
    Outcome.time_out: "its time ended first, or its steps (it then stopped before its time)",
    Outcome.stopped: "it came to the energy that it was to stop at, or started below it",
    Outcome.not_finite: "the energy became infinite or undefined; values are those before",
    Outcome.failed: "the computation itself failed; the record holds the reason",
}


def outcomes(
    *,
    overlap: np.ndarray,
    has_signal: bool,
    zero: np.ndarray,
    at_rest: np.ndarray,
    stopped: np.ndarray,
    finite: np.ndarray,
) -> tuple[Outcome, ...]:
    """Return the outcome of each of K runs, by the first rule that holds.

    Parameters
    ----------
    overlap
        q at the end, (K,); NaN without a teacher.
    has_signal
        Whether the labels are the teacher's. With shuffled labels an overlap is accidental.
    zero
        Whether the energy fell to `ZERO_ENERGY` during the run, (K,).
    at_rest
        Whether the squared speed is below `REST_SPEED2`, or below the bound of the stop, (K,).
    stopped
        Whether the stop of the integration ended the run elsewhere, (K,).
    finite
        Whether energy and velocity stayed finite, (K,).
    """
    # the criterion on the overlap comes first: near the signal the energy may lag behind
    found = overlap > RECOVERED_OVERLAP if has_signal else np.zeros_like(finite)
    # the first rule that holds decides
    # several may hold: a run at the signal is at rest as well
    rules = {
        Outcome.recovered: found,
        Outcome.interpolated: zero,
        Outcome.not_finite: ~finite,
        Outcome.trapped: at_rest,
        Outcome.stopped: stopped,
    }
    decided = np.select(list(rules.values()), [str(name) for name in rules], str(Outcome.time_out))
    return tuple(Outcome(name) for name in decided)
