"""The band of marginal minima at one α, for the α slider: its ends, and where stability is lost."""

from scipy.interpolate import PchipInterpolator

from gapless.losses import Loss
from gapless.theory import NotConverged
from gapless.theory.minima import minima

LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the way down at which φ − μ is computed; a cubic through them errs by less than 1e-3 of
the band's depth."""


def band_at(loss: Loss, alpha: float) -> dict[str, float | None]:
    """Return energies of minima at one α, None where there are none (or none are counted).

    ``most_numerous`` and ``deepest``: e at κ = 0 and at Σ = 0; ``complexity_most_numerous``: Σ
    there; ``stability``: e of the minima with φ(γ̄) = μ, None where all of the band lie on one side.
    """
    names = ("most_numerous", "deepest", "complexity_most_numerous", "stability")
    try:
        top, bottom = minima(loss, alpha), minima(loss, alpha, deepest=True)
        stability = None
        if top.flags["border"] * bottom.flags["border"] < 0:
            energies = [top.energy + share * (bottom.energy - top.energy) for share in LEVELS]
            between = [minima(loss, alpha, energy=energy) for energy in energies[1:-1]]
            border = [one.flags["border"] for one in (top, *between, bottom)]
            # φ − μ rises on the way down
            stability = float(PchipInterpolator(border, energies)(0.0))
    except (ValueError, NotConverged):
        return dict[str, float | None].fromkeys(names)
    return {
        "most_numerous": top.energy,
        "deepest": bottom.energy,
        "complexity_most_numerous": top.complexity,
        "stability": stability,
    }
