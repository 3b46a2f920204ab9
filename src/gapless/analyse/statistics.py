"""Fractions and means of runs with cluster-robust errors: K runs share one design."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from gapless.shapes import Int

if TYPE_CHECKING:  # takes a while to load
    import pandas as pd

Z_95 = 1.959964
"""Half of a 95 % interval, in standard errors of a normal number."""
MOST_LOST = 0.1
"""Largest share of bootstrap resamples without a value for which an error is given."""


@dataclass(frozen=True)
class Fraction:
    """A fraction of runs with its interval."""

    runs: int
    designs: int
    successes: int
    fraction: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends of the interval."""
        return self.low, self.high

    @property
    def text(self) -> str:
        """The fraction with its interval, as "38 % of 8 runs (95 %: 14 to 69 %)"."""
        if self.runs == 0:
            return "no run"
        share, low, high = (f"{100 * part:.0f}" for part in (self.fraction, self.low, self.high))
        return f"{share} % of {self.runs} runs (95 %: {low} to {high} %)"


def copies(designs: int, resamples: int, rng: np.random.Generator) -> Int[np.ndarray, "R D"]:
    """Return the numbers of copies of D designs in each bootstrap resample: D − 1 draws of D.

    D − 1, not D: the mean of m draws has the variance (D − 1)/D · s²/m, with s² the designs'
    unbiased variance, and this is the mean's own, s²/D, for m = D − 1. Without it errors from
    D designs would lack the factor √(D/(D − 1)), 1.15 for four.

    Source: Rao and Wu, J. Am. Stat. Assoc. 83 (1988) 231, n* = n − 1.
    """
    return rng.multinomial(designs - 1, np.full(designs, 1 / designs), resamples)


def half_of_middle(values: Sequence[float] | np.ndarray) -> float:
    """Return half of the central 68 %: a standard deviation of normal values, without outliers."""
    return float(np.subtract(*np.percentile(values, [84, 16]))) / 2


def resampled_error(values: Sequence[float] | np.ndarray) -> float:
    """Return half of the central 68 % of a number over bootstrap resamples.

    NaN where more than `MOST_LOST` of the resamples have no such number.
    """
    good = np.asarray(values)[np.isfinite(values)]
    enough = len(good) > 1 and len(good) >= (1 - MOST_LOST) * len(values)
    # no standard deviation: curves that are nearly parallel in one resample cross far away
    return half_of_middle(good) if enough else nan


def intraclass_correlation(successes: np.ndarray, sizes: np.ndarray, group: np.ndarray) -> float:
    """Return ρ of a 0/1 outcome within designs, pooled over groups; at least 0.

    One-way analysis of variance: ρ = (MSB − MSW)/(MSB + (k₀ − 1) MSW), with the designs of one
    group (one N, α) around that group's mean.

    Parameters
    ----------
    successes, sizes, group : (D,)
        Successes and runs of each design, and the group it belongs to; designs without runs are
        left out.

    Source: Fleiss, Statistical Methods for Rates and Proportions, section 15.2.
    """
    # a design without runs has no fraction
    successes, sizes, group = (values[sizes > 0] for values in (successes, sizes, group))
    between = within = 0.0
    between_dof = within_dof = 0
    size_sum = size_square = 0.0
    # pooled over groups: at one α there are too few designs for a ratio of variances
    for name in np.unique(group):
        s, k = successes[group == name].astype(float), sizes[group == name].astype(float)
        mean = s.sum() / k.sum()
        between += float((k * (s / k - mean) ** 2).sum())
        # of 0/1 values: Σ(x − s/k)² = s − s²/k
        within += float((s - s**2 / k).sum())
        between_dof += len(k) - 1
        within_dof += int(k.sum()) - len(k)
        # k₀: designs of unequal size, the last one of a sweep being cut
        size_sum += float(k.sum()) - float((k**2).sum() / k.sum())
        size_square += len(k) - 1
    if between_dof == 0 or within_dof == 0 or between + within == 0:
        return 0.0
    msb, msw, k0 = between / between_dof, within / within_dof, size_sum / size_square
    denominator = msb + (k0 - 1) * msw
    # negative by chance, it would make intervals narrower than those of independent runs
    return max(0.0, (msb - msw) / denominator) if denominator > 0 else 0.0


def design_effect(sizes: np.ndarray, correlation: float) -> float:
    """Return 1 + (k̄ − 1)ρ, k̄ = Σk²/Σk: the runs of designs of sizes k over independent ones."""
    # k̄ weighted by size: a run is in a design of size k with probability k/n
    return 1 + ((sizes.astype(float) ** 2).sum() / sizes.sum() - 1) * correlation


def success_fraction(
    successes: np.ndarray, sizes: np.ndarray, correlation: float, level: float = 0.95
) -> Fraction:
    """Return a fraction with its Wilson interval at the number of runs over their `design_effect`.

    It is Wilson's at ρ = 0, and never of zero width where all runs agree. With an estimated ρ a
    95 % interval covers less from few designs: 0.86, 0.87, 0.90, 0.92 and 0.93 of the time from
    2, 3, 4, 8 and 16 (ρ = 0.1, 16 runs on each).
    """
    runs, designs, total = int(sizes.sum()), len(sizes), int(successes.sum())
    # an empty sample has no fraction, and must not raise in a sweep half-way
    if runs == 0:
        return Fraction(0, 0, 0, nan, nan, nan)
    low, high = wilson(total / runs, runs / design_effect(sizes, correlation), level)
    return Fraction(runs, designs, total, total / runs, low, high)


def computed(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return the records without those of measurements that failed."""
    return table[table.outcome != "failed"]


def share(flags: ArrayLike, cluster: ArrayLike) -> Fraction:
    """Return the fraction of runs with a property, with the interval of `success_fraction`.

    Parameters
    ----------
    flags : (R,)
        Whether each run has it. Without runs the fraction is NaN.
    cluster : (R,)
        The design each run is on; their correlation is that of these runs. A single design shows
        none: its runs count as independent, and the interval is too short (it covers 0.88 of the
        time at N = 32 with 64 runs).
    """
    _, index = np.unique(np.asarray(cluster), return_inverse=True)
    sizes = np.bincount(index)
    # counted by design, since intervals need nothing else
    successes = np.bincount(index, weights=np.asarray(flags, float)).astype(int)
    # one group: the mean is the same for all of these runs
    correlation = intraclass_correlation(successes, sizes, np.zeros(len(sizes)))
    return success_fraction(successes, sizes, correlation)


def wilson(fraction: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a fraction of n (not necessarily whole) trials."""
    from scipy.special import ndtri  # see `student_half_width`

    z = float(ndtri(0.5 + level / 2))
    centre = (fraction + z**2 / (2 * n)) / (1 + z**2 / n)
    # Wilson's, not ± 1.96 standard errors: those vanish at 0 and 1 of n
    half = z / (1 + z**2 / n) * sqrt(fraction * (1 - fraction) / n + z**2 / (4 * n**2))
    # exact where rounding would leave the end 1e-16 inside
    low = 0.0 if fraction == 0 else max(0.0, centre - half)
    return low, 1.0 if fraction == 1 else min(1.0, centre + half)


def student_half_width(error: float, clusters: int, level: float = 0.95) -> float:
    """Return half of the interval from Student's t with clusters − 1 degrees of freedom.

    Infinite with a single cluster, which says nothing of how clusters differ.

    Parameters
    ----------
    error
        Standard error of the mean, from the clusters.
    """
    # loaded when an interval is made, after the runs; scipy.stats takes longer than most answers
    from scipy.special import stdtrit

    if clusters < 2:
        return inf
    return float(stdtrit(clusters - 1, 0.5 + level / 2)) * error


@dataclass(frozen=True)
class ClusteredMean:
    """A mean over runs that fall into clusters.

    Parameters
    ----------
    size, clusters
        How many runs, and on how many designs.
    mean, std
        Over runs, each run of equal weight; std of one run (divisor size − 1).
    standard_error
        Of the mean, from the clusters; NaN with a single one.
    """

    size: int
    clusters: int
    mean: float
    std: float
    standard_error: float

    def half_width(self, level: float = 0.95) -> float:
        """Return half of the interval, see `student_half_width`."""
        return student_half_width(self.standard_error, self.clusters, level)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return both ends of the interval of `half_width`."""
        half = self.half_width(level)
        return self.mean - half, self.mean + half


def designs_of(table: "pd.DataFrame") -> Int[np.ndarray, " R"]:
    """Return the number of the design that each run is on.

    Designs of different seeds, N or α are different X; columns that a table lacks are constant.
    """
    names = [name for name in ("n", "alpha", "seed", "design") if name in table]
    return table.groupby(names).ngroup().to_numpy()


def clustered_mean(values: np.ndarray, cluster: np.ndarray) -> ClusteredMean:
    """Return mean, spread and clustered standard error of runs.

    SE² = G/(G−1) Σ_g (Σ_{i∈g} (x_i − x̄))²/n²: for clusters of one size the variance of their
    means over G, whatever the correlation inside them.

    Parameters
    ----------
    values : (R,)
        One number a run, none missing.
    cluster : (R,)
        The design each run is on.

    Raises ``ValueError`` without runs.

    Source: Cameron and Miller, A practitioner's guide to cluster-robust inference, J. Human
    Resources 50 (2015), Eqs. 11 and 12 for a mean.
    """
    values = np.asarray(values, float)
    if values.size == 0:
        raise ValueError("values: a mean needs at least one run")
    _, index = np.unique(cluster, return_inverse=True)
    mean = float(values.mean())
    # sums, not means: a design with more runs weighs more in the mean, and in its error
    sums = np.bincount(index, weights=values - mean)
    count, size = len(sums), len(values)
    # one design says nothing of how designs differ, so its error is unknown, not zero
    error = sqrt(count / (count - 1) * float((sums**2).sum())) / size if count > 1 else nan
    std = float(values.std(ddof=1)) if size > 1 else nan
    return ClusteredMean(size, count, mean, std, error)


def clustered_std(values: np.ndarray, cluster: np.ndarray) -> tuple[float, float]:
    """Return the standard deviation of values and its standard error by leaving out clusters.

    Jackknife: √((D−1)/D Σ_c (s_(c) − s̄)²); NaN with one cluster or fewer than three values.
    """
    if len(values) < 2:
        return float("nan"), float("nan")
    whole = float(values.std(ddof=1))
    names = np.unique(cluster)
    # a jackknife, since the variance of a standard deviation has no simple clustered form
    parts = [values[cluster != name] for name in names]
    # leaving out a design must leave two values at least
    if len(names) < 2 or min(len(part) for part in parts) < 2:
        return whole, float("nan")
    left = np.array([part.std(ddof=1) for part in parts])
    return whole, sqrt((len(names) - 1) / len(names) * float(((left - left.mean()) ** 2).sum()))


@dataclass(frozen=True)
class ClusteredLine:
    """A straight line through runs that fall into clusters.

    Parameters
    ----------
    slope, slope_error
        Least squares, and its cluster-robust standard error; NaN with fewer than three runs, or
        with one cluster.
    explained
        Share of the variance of y that the line explains, R².
    """

    slope: float
    slope_error: float
    explained: float


def clustered_line(x: np.ndarray, y: np.ndarray, cluster: np.ndarray) -> ClusteredLine:
    """Fit y = a + b x by least squares, each run of equal weight, with a clustered error.

    SE² = G/(G−1) Σ_g (Σ_{i∈g} (x_i − x̄) r_i)²/(Σ (x_i − x̄)²)², r the residuals: `clustered_mean`
    for a slope.

    Parameters
    ----------
    x, y, cluster : (R,)
        Numbers of each run, and the design that it is on.

    Source: Cameron and Miller (2015), Eq. 11.
    """
    if len(x) < 3 or np.ptp(x) == 0:
        return ClusteredLine(nan, nan, nan)
    centred, rise = x - x.mean(), y - y.mean()
    square = float(centred @ centred)
    slope = float(centred @ rise) / square
    residual = rise - slope * centred
    _, index = np.unique(cluster, return_inverse=True)
    sums = np.bincount(index, weights=centred * residual)
    count, total = len(sums), float(rise @ rise)
    error = sqrt(count / (count - 1) * float(sums @ sums)) / square if count > 1 else nan
    explained = 1 - float(residual @ residual) / total if total > 0 else nan
    return ClusteredLine(slope, error, explained)


@dataclass(frozen=True, eq=False)
class Line:
    """A fitted straight line: parameters (a, b) of y = a + b x, their standard errors and χ²."""

    parameters: tuple[float, float]
    errors: tuple[float, float]
    chi2: float


def weighted_line(x: np.ndarray, y: np.ndarray, error: np.ndarray) -> Line:
    """Fit y = a + b x by least squares with the weights 1/error², errors taken as known.

    Parameters
    ----------
    x, y, error : (S,)
        S ≥ 2 points and the standard errors of y.
    """
    # divided by the errors, least squares are weighted ones
    design = np.stack([np.ones_like(x), x], axis=1) / error[:, None]
    found, *_ = np.linalg.lstsq(design, y / error, rcond=None)
    # errors are known, so the covariance is not rescaled by χ²/dof: χ² is left to judge the law
    a_error, b_error = np.sqrt(np.diag(np.linalg.pinv(design.T @ design)))
    left = float(((design @ found - y / error) ** 2).sum())
    return Line((float(found[0]), float(found[1])), (float(a_error), float(b_error)), left)
