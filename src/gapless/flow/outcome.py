"""How a run ended. A trapped run is data, a failed one is a record; no run is ever dropped."""

from enum import StrEnum

RECOVERED_OVERLAP = 1 - 1e-6
"""A student whose overlap with the signal is larger has found it."""


class Outcome(StrEnum):
    """The outcome stored with every run; `sentence` is what a user reads."""

    recovered = "recovered"
    trapped = "trapped"
    time_out = "time_out"
    not_finite = "not_finite"
    failed = "failed"

    @property
    def sentence(self) -> str:
        """Return the rule behind the outcome in one sentence."""
        return _SENTENCES[self]


_SENTENCES = {
    Outcome.recovered: "the energy L/N fell below 1e-8, or the overlap exceeded 1 - 1e-6",
    Outcome.trapped: "the tangential gradient vanished, |grad|^2/N < 1e-10, at positive energy",
    Outcome.time_out: "the time budget ended first",
    Outcome.not_finite: "the energy became infinite or undefined; values are those before",
    Outcome.failed: "the computation itself failed; the record holds the reason",
}
