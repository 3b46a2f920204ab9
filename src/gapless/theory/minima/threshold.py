"""α_BBP of the minima: where φ(γ) = μ along their curves (docs/derivations/landscape.md §4)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gapless.flags import as_ever
from gapless.inputs import Field, check_field
from gapless.losses import Loss
from gapless.theory.minima.curves import (
    DEEPEST,
    Curve,
    Kind,
    at_alpha,
    deepest_curve,
    deepest_from_ten,
    most_numerous_curve,
    most_numerous_to_ten,
)
from gapless.theory.minima.states import Minima, check_countable, refined
from gapless.theory.roots import NotConverged

BORDER = ("alpha", "border")


@dataclass(frozen=True)
class MinimaThreshold:
    """The α above which a signal gives the minima a direction of descent.

    Parameters
    ----------
    most_numerous, deepest
        The minima of κ = 0 and of Σ = 0 at their α_BBP, which is their ``alpha``; None where
        φ − μ does not change sign.
    """

    most_numerous: Minima | None
    deepest: Minima | None

    def record(self) -> dict[str, Any]:
        """Return ``alpha_bbp``, ``energy``, ``complexity`` and errors of both, ready for JSON."""
        return {name: _summary(state) for name, state in vars(self).items()}


def _summary(state: Minima | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {
        "alpha_bbp": state.alpha,
        "energy": state.energy,
        "complexity": state.complexity,
        "error": {
            "alpha_bbp": state.error["alpha"],
            "energy": state.error["energy"],
            "complexity": state.error["complexity"],
        },
    }


@as_ever(loading=False)
def minima_threshold(
    loss: Loss, labels: str = "quenched", field: Field = "real"
) -> MinimaThreshold:
    """Return α_BBP of the most numerous and of the deepest minima: φ(γ) = μ.

    Where φ − μ changes sign more than once the largest α is returned. At α_BBP of marginal minima
    bulk edge, outlier and μ are equal, so the three readings coincide.

    Parameters
    ----------
    loss, labels, field
        Arguments of `gapless.theory.minima.minima`.

    Raises ``ValueError`` for a loss whose minima cannot be counted, `NotConverged` with the last
    iterate.
    """
    annealed = check_countable(loss, labels)
    check_field(field)
    kind = Kind(loss, annealed, field=field)
    try:
        deepest = _first_crossing(kind, (deepest_from_ten, deepest_curve), DEEPEST)
    # losses without a deepest curve may have a threshold of the most numerous minima
    except NotConverged:
        deepest = None
    return MinimaThreshold(
        _first_crossing(kind, (most_numerous_to_ten, most_numerous_curve)), deepest
    )


def _first_crossing(
    kind: Kind, curves: Sequence[Callable[..., Curve]], *more: tuple[str, str]
) -> Minima | None:
    """Return the state with φ = μ at the largest α, of part of a curve or else of all of it."""
    which = kind.loss, kind.annealed, kind.field
    found = (_crossing(kind, curve(*which), *more) for curve in curves)
    return next((state for state in found if state is not None), None)


def _crossing(kind: Kind, curve: Curve, *more: tuple[str, str]) -> Minima | None:
    """Return the state with φ = μ at the largest α of a curve."""
    border = np.array(curve.border)
    # curves run to smaller α, so the first change is at the largest
    changes = np.flatnonzero((border[:-1] < 0) & (border[1:] >= 0))
    if changes.size == 0:
        return None
    k = int(changes[0])
    logs = np.log([curve.at[k].alpha, curve.at[k + 1].alpha])
    # a secant in log α: the start of Newton on φ = μ itself
    share = border[k] / (border[k] - border[k + 1])
    start = at_alpha(kind, curve, float(np.exp(logs[0] + share * (logs[1] - logs[0]))), *more)
    return refined(kind, kind.near(start.at, *more, BORDER).at, *more, BORDER)
