"""Estimators of late times at N = ∞: energies at rest, and the growth of a small overlap.

Each estimator takes one curve for every independent set of paths; errors are those over the sets.
"""

from collections.abc import Callable, Mapping, Sequence
from math import nan, sqrt

import numpy as np

from gapless.analyse.statistics import copies, half_of_middle, resampled_error
from gapless.theory.dmft import power_law_limit

RESAMPLES = 400
"""Number of resamples of the sets for an error."""
MEDIAN_ERROR = {2: 1.843, 3: 1.164, 4: 0.806, 5: 0.728, 6: 0.604, 7: 0.587}
"""Standard deviation of the median of few normal numbers over the mean of their `half_of_middle`.

Both are integrals over order statistics, by quadrature: of x² for the median, and of x for the 16 %
and 84 % that NumPy interpolates.
"""
CORNER_ALPHAS = 4
"""Values of α that a corner needs."""
EXCESS_ALPHAS = 2
"""Number of values of α that a straight line needs."""


def at_time(t: np.ndarray, curve: np.ndarray, when: float) -> float:
    """Return a curve at one time, by interpolation in ln t; NaN outside its range."""
    # a probe has no values before its waiting time, and ln t none at 0
    known = (t > 0) & np.isfinite(curve)
    # 1e-9: saved times are whole steps, off by rounding; no extrapolation otherwise
    if not known.any() or not t[known][0] <= when <= t[known][-1] * (1 + 1e-9):
        return nan
    return float(np.interp(np.log(when), np.log(t[known]), curve[known]))


def energy_limit(
    t: np.ndarray, energies: Sequence[np.ndarray] | np.ndarray
) -> tuple[float, float, float]:
    """Return e∞ of the mean energy, its jackknife error over sets, and its error from windows.

    The fit is e(t) = e∞ + c t^(−γ), see `gapless.theory.dmft.power_law_limit`. The jackknife error
    is NaN with one set.
    """
    curves = np.asarray(energies)
    # of the mean: the fit is not linear, and single sets are too noisy for it
    value, window = power_law_limit(t, curves.mean(axis=0))
    count = len(curves)
    # one set says nothing of how sets differ
    if count < 2:
        return value, nan, window
    without = [
        power_law_limit(t, np.delete(curves, k, axis=0).mean(axis=0))[0] for k in range(count)
    ]
    # of the jackknife: √((S−1)/S Σ(·)²) = std √(S − 1)
    return value, float(np.std(without)) * sqrt(count - 1), window


def alignment_exponent(t: np.ndarray, alignment: np.ndarray, window: tuple[float, float]) -> float:
    """Return d ln(m/|δw|)/d ln t by least squares over a window of times; NaN without two.

    The exponent is zero where the direction of the change keeps a finite overlap with the signal
    (an outlier along the signal), and negative where the overlap vanishes.
    """
    inside = (t >= window[0]) & (t <= window[1] * (1 + 1e-9)) & np.isfinite(alignment)
    if inside.sum() < 2:
        return nan
    # |m/δw|: the sign of an overlap is arbitrary
    return float(np.polyfit(np.log(t[inside]), np.log(abs(alignment[inside])), 1)[0])


def median_error(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Return median and standard error, which are insensitive to one outlying set.

    The error of n values is half of their central 68 % times `MEDIAN_ERROR`; of 8 or more it is
    1.260 (1 + c/n)/√n, with 1.260 = √(π/2)/Φ⁻¹(0.84), and c = 1 for even n and 3/2 for odd n (to
    1.5 % at n = 8, 0.3 % from 10 on). It is right in the mean; from three values it is uncertain by
    half of itself.
    """
    found = np.asarray(values, float)
    count = len(found)
    if count < 2:
        return float(np.median(found)), nan
    # even n: the median is a mean of two values, which varies less
    large = 1.260 * (1 + (1.5 if count % 2 else 1.0) / count) / sqrt(count)
    # of normal values: the central 68 % of few values is narrower than that of many
    return float(np.median(found)), MEDIAN_ERROR.get(count, large) * half_of_middle(found)


def corner(exponents: Mapping[float, np.ndarray]) -> tuple[float, float]:
    """Return the corner α_c of exponent = b − k max(α_c − α, 0), and its standard error (D7).

    The fit is least squares on the medians over sets; its error comes from resampled sets of each
    α.

    Parameters
    ----------
    exponents
        α → one exponent per set, at four α or more.

    Returns
    -------
    α_c and its error; NaN where the least misfit lies at an end of the range of α or k ≤ 0, which
    is no corner, or where a tenth of the resampled sets have none.
    """
    alphas = np.array(sorted(exponents))
    fitted = _corner_fit(alphas)

    def of(choose: Callable[[np.ndarray], np.ndarray]) -> float:
        return fitted(np.array([np.median(choose(exponents[alpha])) for alpha in alphas]))

    value = of(lambda values: values)
    return value, _resampled(of) if len(alphas) >= CORNER_ALPHAS else nan


def corner_of_curve(alphas: np.ndarray, exponents: np.ndarray) -> float:
    """Return the corner of `corner` for one exponent at each α: a curve without noise."""
    return _corner_fit(alphas)(exponents)


def _corner_fit(alphas: np.ndarray) -> Callable[[np.ndarray], float]:
    """Return the map from exponents at these α to their corner, NaN where there is none."""
    enough = len(alphas) >= CORNER_ALPHAS
    places = np.linspace(alphas[1], alphas[-2], 200) if enough else np.zeros(200)
    designs = np.stack([np.ones((200, len(alphas))), -np.maximum(places[:, None] - alphas, 0)], -1)
    solve = np.linalg.pinv(designs)

    def fitted(exponents: np.ndarray) -> float:
        if not enough:
            return nan
        best = solve @ exponents
        misfit = (((designs @ best[..., None])[..., 0] - exponents) ** 2).sum(axis=1)
        least = int(np.argmin(misfit))
        # a curve that is flat to rounding has its corner anywhere
        bends = best[least, 1] > 1e-9 * abs(exponents).max()
        return float(places[least]) if bends and 0 < least < len(places) - 1 else nan

    return fitted


def vanishing_excess(excess: Mapping[float, np.ndarray]) -> tuple[float, float]:
    """Return α where a line through an excess over a random perturbation is zero, and its error.

    Parameters
    ----------
    excess
        α → one value a set: the growth of ln m minus that of ln |δw| of a random perturbation,
        over one stretch of time.

    Returns
    -------
    α and its error; NaN where the line has no zero within the range of α: it would be an
    extrapolation.
    """
    alphas = np.array(sorted(excess))
    if len(alphas) < EXCESS_ALPHAS:
        return nan, nan

    def of(choose: Callable[[np.ndarray], np.ndarray]) -> float:
        means = np.array([choose(excess[alpha]).mean() for alpha in alphas])
        root = zero_of_line(alphas, means)
        return root if alphas[0] <= root <= alphas[-1] else nan

    return of(lambda values: values), _resampled(of)


def zero_of_line(x: np.ndarray, y: np.ndarray) -> float:
    """Return the zero of the least-squares line through points, also outside their range."""
    slope, constant = np.polyfit(x, y, 1)
    return float(-constant / slope) if slope else nan


def _resampled(estimate: Callable[[Callable[[np.ndarray], np.ndarray]], float]) -> float:
    """Return the error of an estimate from resampled sets, see `resampled_error`."""
    # a seed of its own: the same records give the same error
    rng = np.random.default_rng(0)

    def redrawn(values: np.ndarray) -> np.ndarray:
        # one set says nothing of how sets differ
        if len(values) < 2:
            return np.array([nan])
        return np.repeat(values, copies(len(values), 1, rng)[0])

    return resampled_error([estimate(redrawn) for _ in range(RESAMPLES)])
