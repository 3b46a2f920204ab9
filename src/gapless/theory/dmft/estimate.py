"""Means over independent sets of paths, with errors from paths and from steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from gapless.theory.dmft.solution import Solution

CURVES = (
    *("energy", "mu", "correlation_0", "signed_overlap"),
    *("response", "perturbation_growth", "growth", "growth_rate", "alignment"),
)

ENERGY_BIAS = 9.0
"""Largest relative bias of an energy on P paths, in units of α/P (docs/derivations/dmft.md §6)."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """Curves over time with their errors; each of `CURVES` is a key.

    Arrays have shape (S,); those of the probes, from `response` on, (W, S).

    Parameters
    ----------
    value
        Means over the sets of paths.
    paths
        Standard errors of the means, from the spread over sets; NaN with a single set.
    steps
        |O(δ) − O(2δ)|, averaged over the sets computed at both step sizes; it includes a part of
        their noise. If the error is of first order in δ, this is the distance of O(δ) from the
        flow; if of second order, three times that distance. For the flow the coarser run saves
        every second time, and its curves are interpolated. NaN without a run at 2δ, or if 2δ is
        unstable. Gradient descent of step size δ has no such error.
    bias
        α/P, the order of the relative bias that all sets share, since P paths have the law of
        N = P/α dimensions. The bias of the energy is 1 to 9 times α/P (docs/derivations/dmft.md
        §6).
    """

    t: np.ndarray
    value: dict[str, np.ndarray]
    paths: dict[str, np.ndarray]
    steps: dict[str, np.ndarray]
    bias: float

    @property
    def is_biased(self) -> bool:
        """Whether the energy may have a bias above its last standard error, or 1 % without one.

        This is `ENERGY_BIAS` α/P, the most that was measured.
        """
        error = self.paths["energy"][-1] / self.value["energy"][-1]
        return bool(ENERGY_BIAS * self.bias > (0.01 if np.isnan(error) else error))


def combine(fine: Sequence[Solution], coarse: Sequence[Solution] = ()) -> Estimate:
    """Return the estimate from sets of paths at step δ and, for the same first sets, at 2δ."""
    t = fine[0].t
    value, paths, steps = {}, {}, {}
    for name in CURVES:
        curves = np.array([getattr(one, name) for one in fine])
        value[name] = curves.mean(axis=0)
        none = np.full_like(value[name], np.nan)
        # sets are independent, so their spread holds all that sampling does to a curve
        deviation = curves.std(axis=0, ddof=1) if len(fine) > 1 else none
        paths[name] = deviation / np.sqrt(len(fine))
        # the same sets at both steps: common random numbers cancel most of the noise (dmft.md §6);
        # fewer sets may have been done twice, hence no strict zip
        differences = [
            _on_grid(two, name, t) - getattr(one, name)
            for one, two in zip(fine, coarse, strict=False)
        ]
        steps[name] = abs(np.mean(differences, axis=0)) if differences else none
    # α/P = 1/N: more sets do not lower it, more paths do
    bias = fine[0].dynamics.alpha / fine[0].draws.paths
    return Estimate(t, value, paths, steps, bias)


def _on_grid(solution: Solution, name: str, t: np.ndarray) -> np.ndarray:
    """Return a curve, or one of each probe, at other times; NaN outside its own range."""
    curves = np.atleast_2d(getattr(solution, name))
    found = np.array([_cubic(solution.t, curve, t) for curve in curves])
    return found.reshape(*getattr(solution, name).shape[:-1], t.size)


def _cubic(own: np.ndarray, curve: np.ndarray, t: np.ndarray) -> np.ndarray:
    good = np.isfinite(curve)
    # a cubic through fewer points is none; probes have no values before their waiting time
    if good.sum() < 4:
        return np.full(t.size, np.nan)
    # saved times are sums or multiples of steps, equal between runs to rounding only
    inside = (t >= own[good][0]) & (t <= own[good][-1] * (1 + 1e-12))
    return np.where(inside, CubicSpline(own[good], curve[good])(t), np.nan)


def power_law_limit(t: np.ndarray, energy: np.ndarray) -> tuple[float, float]:
    """Return e∞ of e(t) = e∞ + c t^(−γ), and its error from the window of the fit.

    The fits are least squares on geometrically spaced times from T/8, T/5 and T/3 on. The value is
    the median of the three, and the error is half of their range.
    """
    last = float(t[-1])
    found = [_fitted_limit(t, energy, last / part) for part in (8, 5, 3)]
    return float(np.median(found)), float(np.ptp(found)) / 2


def _fitted_limit(t: np.ndarray, energy: np.ndarray, start: float) -> float:
    """Return e∞ of the γ with the least residual, by linear least squares in (e∞, c)."""
    # times spaced by a factor, since a power law is a law in log t: each stretch counts alike
    times = np.geomspace(start, t[-1], 60)
    e = np.interp(times, t, energy)
    best = (np.inf, np.nan)
    # e∞ is linear only at fixed γ, and one number is cheap to scan
    # a γ at a bound says that e falls as no power within the window (α = 14, dmft.md §8)
    for gamma in np.geomspace(0.1, 6, 240):
        # t/T: both columns are of order one at every γ
        design = np.stack([np.ones_like(times), (times / t[-1]) ** -gamma], axis=1)
        (constant, c), *_ = np.linalg.lstsq(design, e, rcond=None)
        residual = float(((design @ [constant, c] - e) ** 2).sum())
        best = min(best, (residual, float(constant)))
    return best[1]
