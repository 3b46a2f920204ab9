"""The band of marginal minima along α, for the α slider: its ends, and where stability is lost."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from gapless.losses import Loss
from gapless.theory import NotConverged, threshold_state
from gapless.theory.minima import Minima, minima

NAMES = ("most_numerous", "deepest", "complexity_most_numerous", "stability")


def band_along(loss: Loss, alphas: Sequence[float]) -> list[dict[str, float | None]]:
    """Return energies of minima at each α, None where there are none (or none are counted).

    ``most_numerous`` and ``deepest``: e at κ = 0 and at Σ = 0; ``complexity_most_numerous``: Σ
    there; ``stability``: e of the minima with φ(γ̄) = μ, None where all of the band lie on one side.
    """
    least = _least(loss, alphas)
    return [_band_at(loss, alpha) if alpha >= least else _nothing() for alpha in alphas]


def _least(loss: Loss, alphas: Sequence[float]) -> float:
    """Return the smallest α with a threshold state, infinity if there is none.

    At smaller α there are no minima, and the search for them takes seconds.
    """
    for alpha in sorted(alphas):
        with suppress(ValueError, NotConverged):
            threshold_state(loss, alpha)
            return alpha
    return np.inf


def _nothing() -> dict[str, float | None]:
    return dict[str, float | None].fromkeys(NAMES)


def _band_at(loss: Loss, alpha: float) -> dict[str, float | None]:
    try:
        top, bottom = minima(loss, alpha), minima(loss, alpha, deepest=True)
        differ = top.flags["border"] * bottom.flags["border"] < 0
        found = top.energy, bottom.energy, top.complexity
        return dict(
            zip(NAMES, (*found, _stability(loss, top, bottom) if differ else None), strict=True)
        )
    except (ValueError, NotConverged):
        return _nothing()


def _stability(loss: Loss, top: Minima, bottom: Minima) -> float:
    """Return the energy at which φ − μ = 0, within 1e-3 of the band's depth.

    φ − μ rises on the way down and is nearly straight, so that one minimum at the chord's zero and
    the parabola e(φ − μ) through it and both ends are enough.
    """
    border, energy = np.transpose([(one.flags["border"], one.energy) for one in (top, bottom)])
    chord = energy[0] - border[0] * np.diff(energy)[0] / np.diff(border)[0]
    between = minima(loss, top.alpha, energy=float(chord))
    border, energy = [*border, between.flags["border"]], [*energy, between.energy]
    return float(np.polynomial.Polynomial.fit(border, energy, 2)(0.0))
