"""The place of descent in the band of minima, and the α_BBP of minima of its energy.

The band at one α is Σ and φ(γ̄) − μ as functions of the energy, from the most numerous minima down
to the deepest ones (docs/derivations/landscape.md §6). An energy with an error becomes a value of
φ(γ̄) − μ with an error; where that changes sign in α is α_BBP of minima at these energies.
"""

from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline, PchipInterpolator

from gapless.measure.landscape import MINIMA
from gapless.shapes import Float
from gapless.theory.roots import root_between


@dataclass(frozen=True, eq=False)
class Band:
    """Minima by energy at A values of α, at the same L shares of the way down at each.

    Parameters
    ----------
    alpha : shape (A,)
        Ascending.
    share : shape (L,)
        From 0, the most numerous minima, to 1, the deepest.
    energy, complexity, border : shape (A, L)
        e, Σ and φ(γ̄) − μ.
    """

    alpha: Float[np.ndarray, " A"]
    share: Float[np.ndarray, " L"]
    energy: Float[np.ndarray, "A L"]
    complexity: Float[np.ndarray, "A L"]
    border: Float[np.ndarray, "A L"]

    @classmethod
    def of(cls, states: pd.DataFrame) -> "Band":
        """Return the band of records of `gapless.measure.landscape`, of one loss."""
        minima = states[states.state == MINIMA]
        columns = [
            minima.pivot(index="alpha", columns="share", values=name).sort_index()
            for name in ("energy", "complexity", "border")
        ]
        first = columns[0]
        values = (column.to_numpy(float) for column in columns)
        return cls(first.index.to_numpy(float), first.columns.to_numpy(float), *values)

    def along(self, name: str, alpha: Float[np.ndarray, " B"]) -> Float[np.ndarray, "B L"]:
        """Return one of the three at other α within the range, by a cubic spline."""
        return CubicSpline(self.alpha, getattr(self, name), axis=0)(alpha)

    def at_energy(self, name: str, alpha: float, energy: float) -> float:
        """Return Σ or φ − μ of the minima of one energy; NaN outside of the band, or its α."""
        if not self.alpha[0] <= alpha <= self.alpha[-1]:
            return nan
        here = np.array([alpha])
        energies, values = (self.along(one, here)[0][::-1] for one in ("energy", name))
        if not energies[0] <= energy <= energies[-1]:
            return nan
        return float(PchipInterpolator(energies, values)(energy))

    def marginal_share(self, alpha: float) -> float:
        """Return the share of the way down at which φ(γ̄) = μ; NaN where all lie on one side."""
        border = PchipInterpolator(self.share, self.along("border", np.array([alpha]))[0])
        if border(0.0) * border(1.0) > 0:
            return nan
        return root_between(lambda share: float(border(share)), 0.0, 1.0)


def in_the_band(band: Band, energies: pd.DataFrame) -> pd.DataFrame:
    """Return columns added to energies of one source: the place of each within the band.

    Parameters
    ----------
    energies
        Columns ``alpha``, ``energy`` and ``error``, its standard error.

    Returns
    -------
    The same with ``below``: e(most numerous) − e; ``complexity``: Σ there; ``border``: φ(γ̄) − μ
    there, and ``border_error``, half of what it changes by over e ± its error (NaN where an end
    lies outside of the band).
    """
    rows = []
    for one in energies.to_dict("records"):
        alpha, energy, error = (float(one[name]) for name in ("alpha", "energy", "error"))
        inside = band.alpha[0] <= alpha <= band.alpha[-1]
        top = float(band.along("energy", np.array([alpha]))[0, 0]) if inside else nan
        ends = [band.at_energy("border", alpha, energy + sign * error) for sign in (1, -1)]
        rows.append(
            one
            | {
                "below": top - energy,
                "complexity": band.at_energy("complexity", alpha, energy),
                "border": band.at_energy("border", alpha, energy),
                "border_error": abs(ends[1] - ends[0]) / 2,
            }
        )
    return pd.DataFrame(rows)


def loses_stability(band: Band, placed: pd.DataFrame) -> tuple[float, float]:
    """Return the α where minima at the energies of `in_the_band` have φ(γ̄) = μ, and its error.

    Between their α `below` is a straight line (it varies slowly, φ − μ does not). The error is that
    of the energies, each moved up and down by its own. NaN where φ − μ does not fall through zero.
    """
    good = placed[np.isfinite(placed.border)].sort_values("alpha")
    alpha, below, error = (good[name].to_numpy(float) for name in ("alpha", "below", "error"))

    def crossing(depths: np.ndarray) -> float:
        def border(here: float) -> float:
            top = float(band.along("energy", np.array([here]))[0, 0])
            return band.at_energy("border", here, top - float(np.interp(here, alpha, depths)))

        values = np.array([border(one) for one in alpha])
        falls = np.flatnonzero((values[:-1] > 0) & (values[1:] <= 0))
        # of several the last, from where on it stays below zero
        return root_between(border, *alpha[falls[-1] :][:2]) if falls.size else nan

    found = crossing(below)
    if np.isnan(found):
        return nan, nan
    steps = [step for step in np.diag(error) if step.any()]
    moved = [(crossing(below + step) - crossing(below - step)) / 2 for step in steps]
    return found, float(np.linalg.norm(moved))
