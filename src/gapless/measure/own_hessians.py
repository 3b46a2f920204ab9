"""Spectra and minima of measurements of the user's own (`gapless.measure.own`)."""

from dataclasses import replace
from typing import Any

from pydantic import PrivateAttr

from gapless.flow import Trajectory, integrate
from gapless.measure.border import BorderPoint, longest
from gapless.measure.moment_spectra import Moment, Spectra, spectra_of
from gapless.measure.own import address_of, fitted, of_labels
from gapless.measure.threshold import TwinThreshold, threshold_of
from gapless.problem import OwnProblem, Problem


class OwnBorder(BorderPoint):
    """Parameters of K runs to rest on the user's labels, with signals planted at their minima."""

    digest: str
    states: str
    _own: OwnProblem = PrivateAttr()

    @classmethod
    def of(cls, own: OwnProblem, **parameters: Any) -> "OwnBorder":
        """Return the point of a problem of the user's, with other parameters of `BorderPoint`."""
        point = cls.model_validate(address_of(own) | parameters)
        point._own = own
        return point

    def followed(self) -> tuple[Problem, Trajectory]:
        """Return the problem and its runs to rest."""
        problem, t_max = self._own.problem, longest(self._own.problem.loss)
        own, run = fitted(self._own, integrate(problem, self._own.start, t_max), t_max)
        return own.problem, run


def own_spectra(
    own: OwnProblem, moment: Moment, labels: str = "teacher", **options: Any
) -> Spectra:
    """Return the spectra of the runs of a user's problem at a moment of their flow from its start.

    The threshold energy is that of twins on the same labels in another order. `options` are those
    of `gapless.measure.moment_spectra.spectra_of`.
    """
    chosen = of_labels(own, labels)

    def twin() -> TwinThreshold:
        return threshold_of(own.shuffled().problem, own.start)

    ours = twin if labels == "teacher" else None
    return spectra_of(chosen.problem, chosen.start, moment, chosen.design, ours, **options)


def label_law_moments(spectra: Spectra) -> list[dict[str, dict[str, float]]]:
    """Return E|ŷ|^k and E|y|^k, k = 1 … 4, of each run's labels at the state of its spectrum."""
    problem, w = spectra.problem, spectra.state.w
    laws = [problem.label_law(w, run) for run in range(problem.k)]
    # a law of y alone: both labels are y
    return [
        {
            "student": law.moments(),
            "data": replace(law, student=law.teacher).moments(),
        }
        for law in laws
    ]
