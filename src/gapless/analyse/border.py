"""Stability of minima toward a signal: curves of P(s < 0) against α, and their crossings.

s is the Schur complement of a planted signal (`gapless.measure.border`). As N → ∞ it is one number
for each α, and P(s < 0) is a step at α_BBP. At finite N the lowest eigenvalues of a minimum are
positive and fluctuate, which broadens the step to a width N^(−1/3) and shifts its middle. The
curves of two N are therefore compared with each other:

    probit P = p + g (α − α_c) N^(1/3),

whose curves cross at α_c for any p. The law holds near the middle of the step only; χ² says how
well it fits, with errors of P that are clustered by design.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from math import nan
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from gapless.analyse.statistics import (
    clustered_mean,
    computed,
    copies,
    designs_of,
    resampled_error,
    weighted_line,
)

RESAMPLES = 200
"""Bootstrap resamples; their central 68 % has a relative error of 7 %."""
LEAST_DESIGNS = 4
"""Fewest designs whose spread alone gives the error of a share."""


def minima_table(records: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each minimum.

    Columns: n, alpha, seed, design; `unstable`: share of the draws of signs with s < 0, and `draws`
    their number; `median`: median of s over the draws; energy, limit, lambda_1, time.
    """
    minima = records[records.outcome == "minimum"]
    # share over draws of signs: which sign the signal has at each sample is not known
    draws = [np.asarray(values, float) for values in minima.schur]
    # what a minimum is compared by; its draws of signs are reduced to a few numbers
    known = minima[["n", "alpha", "seed", "design", "energy", "limit", "lambda_1", "time"]]
    return known.assign(
        unstable=[float((s < 0).mean()) for s in draws],
        draws=[len(s) for s in draws],
        median=[float(np.median(s)) for s in draws],
    )


def border_table(records: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each (N, α): P(s < 0) with its interval, the median of s, the energy.

    Columns: n, alpha, minima, designs; `unstable`: mean over minima of the share of draws with
    s < 0, `error` its standard error and `low`, `high` its 95 % interval, clustered by design;
    `median_s` over minima; `limit_s`: median of φ(γ̄) − μ of the runs' own labels; `energy` and
    `energy_error`; medians `lambda_1` of the lowest eigenvalue and `time_median` of the time of
    rest; `rest`: share of the runs that came to rest; `failed`.
    """
    rows: list[dict[str, Any]] = []
    minima = minima_table(records)
    for (n, alpha), all_of_them in records.groupby(["n", "alpha"]):
        here = minima[(minima.n == n) & (minima.alpha == alpha)]
        # a share at rest of the runs that were computed
        ran = computed(all_of_them)
        row: dict[str, Any] = {"n": int(str(n)), "alpha": float(str(alpha)), "minima": len(here)}
        design = designs_of(here)
        row |= {"designs": len(np.unique(design))}
        if len(here):
            unstable = clustered_mean(here.unstable.to_numpy(), design)
            low, high = unstable.interval()
            energy = clustered_mean(here.energy.to_numpy(), design)
            row |= {
                "unstable": unstable.mean,
                "error": unstable.standard_error,
                # a Student interval of a share may leave [0, 1]
                "low": max(low, 0.0),
                "high": min(high, 1.0),
                # medians: s divides by λ₁, so a few nearly flat minima would decide its mean
                "median_s": float(here["median"].median()),
                "limit_s": float(here.limit.median()),
                "energy": energy.mean,
                "energy_error": energy.standard_error,
                "lambda_1": float(here.lambda_1.median()),
                "time_median": float(here.time.median()),
            }
        # saddles are at rest as well, in no minimum
        at_rest = ran.outcome.isin(("minimum", "saddle")).mean() if len(ran) else nan
        row |= {"rest": float(at_rest), "failed": len(all_of_them) - len(ran)}
        rows.append(row)
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Transition:
    """α_c of a law with its bootstrap error, resampled by design.

    Parameters
    ----------
    sizes
        Sizes N: two for a crossing of curves, more for a joint fit.
    alpha
        α_c; NaN where curves do not cross with the steeper slope at the larger N.
    error
        Standard error; NaN where more than a tenth of the resampled curves have no crossing. That
        of a joint fit is larger by √(χ²/dof) where this exceeds 1: the law then fits roughly only.
    level
        P(s < 0) at α_c.
    chi2, dof
        Weighted sum of squared residuals of the law, and degrees of freedom.
    """

    sizes: tuple[int, ...]
    alpha: float
    error: float
    level: float
    chi2: float = nan
    dof: int = 0


def transitions(minima: pd.DataFrame, *, seed: int = 0) -> list[Transition]:
    """Return the crossings of neighbouring sizes' curves, and the joint fit of all sizes.

    Parameters
    ----------
    minima
        Rows of `minima_table`, of one loss.
    seed
        Seed of the resampling.
    """
    # a single α is no curve: a sweep may be half-way
    curves = [_Curve.of(n, here) for n, here in minima.groupby("n") if here.alpha.nunique() > 1]
    if len(curves) < 2:
        return []
    # one seed: the same records give the same error
    rng = np.random.default_rng(seed)
    # a single design says nothing of how designs differ
    alone = any(len(one) < 2 for curve in curves for one in curve.shares)
    count = 0 if alone else RESAMPLES
    # one set of resampled curves for all pairs: a size enters two crossings with the same draws
    drawn = [[curve.resampled(rng) for curve in curves] for _ in range(count)]
    found = []
    for i, (small, large) in enumerate(pairwise(curves)):
        alpha, level = _crossing(small, large)
        spread = [_crossing(one[i], one[i + 1])[0] for one in drawn]
        found.append(Transition((small.n, large.n), alpha, resampled_error(spread), level))
    if len(curves) > 2:
        found.append(_joint(curves, drawn))
    return found


@dataclass(frozen=True, eq=False)
class _Curve:
    """Curve of P(s < 0) against α at one N: shares by design, and the error of their mean."""

    n: int
    alpha: np.ndarray
    shares: list[np.ndarray]
    """Share of unstable draws of each design, at each α."""
    weights: list[np.ndarray]
    """Number of minima of each design, at each α."""
    error: np.ndarray
    """Standard error of P at each α; resampled curves keep it, as their weight in a fit."""
    end: np.ndarray
    """Half a draw of signs, at each α: where probit P is finite although all draws agree."""

    @classmethod
    def of(cls, n: Any, minima: pd.DataFrame) -> "_Curve":
        parts = [here for _, here in minima.groupby("alpha")]
        groups = [here.groupby(["seed", "design"]).unstable.agg(["mean", "size"]) for here in parts]
        return cls(
            int(n),
            np.sort(minima.alpha.unique()).astype(float),
            [group["mean"].to_numpy(float) for group in groups],
            [group["size"].to_numpy(float) for group in groups],
            np.array([_error(here) for here in parts]),
            np.array([0.5 / here.draws.sum() for here in parts]),
        )

    def resampled(self, rng: np.random.Generator) -> "_Curve":
        """Return the curve of designs drawn with replacement."""
        # at each α by itself: its designs are other matrices
        drawn = [w * copies(len(w), 1, rng)[0] for w in self.weights]
        return replace(self, weights=drawn)

    @property
    def mean(self) -> np.ndarray:
        pairs = zip(self.shares, self.weights, strict=True)
        return np.array([np.average(s, weights=w) for s, w in pairs])

    @property
    def probit(self) -> tuple[np.ndarray, np.ndarray]:
        """Φ⁻¹(P) with its standard error at each α, P kept half a draw away from 0 and 1."""
        value = ndtri(np.clip(self.mean, self.end, 1 - self.end))
        # dΦ⁻¹/dP = 1/φ(Φ⁻¹)
        return value, self.error * np.sqrt(2 * np.pi) * np.exp(value**2 / 2)


def _error(minima: pd.DataFrame) -> float:
    """Return the standard error of P(s < 0) at one (N, α), clustered by design.

    It is not binomial: the share of unstable draws of one minimum is a mean over its draws of
    signs, and varies by less than a 0/1 value. With fewer than `LEAST_DESIGNS` designs it is no
    less than that of independent minima, √(Var(share)/minima): few designs can agree by chance.
    """
    unstable = minima.unstable.to_numpy(float)
    found = clustered_mean(unstable, designs_of(minima))
    # where all draws agree, half a draw
    floor = 0.5 / minima.draws.sum()
    if found.clusters < LEAST_DESIGNS:
        floor = max(floor, np.std(unstable) / np.sqrt(len(unstable)))
    # fmax: a single design has no error of its own
    return float(np.fmax(found.standard_error, floor))


def _line(curve: _Curve) -> tuple[float, float]:
    """Return intercept and slope of probit P against α."""
    return weighted_line(curve.alpha, *curve.probit).parameters


def _crossing(small: _Curve, large: _Curve) -> tuple[float, float]:
    """Return the α at which two lines cross, and P there; NaN if the larger N is flatter."""
    (a, b), (c, d) = _line(small), _line(large)
    if d <= b:
        return nan, nan
    # steeper at the larger N, as the law has it: else the lines meet for no reason of its
    alpha = (a - c) / (d - b)
    return alpha, float(ndtr(a + b * alpha))


def _joint(curves: list[_Curve], drawn: list[list[_Curve]]) -> Transition:
    (alpha, offset), chi2, dof = _fit(curves)
    spread = resampled_error([_fit(one)[0][0] for one in drawn])
    sizes = tuple(curve.n for curve in curves)
    # residuals beyond the errors are no noise of the runs, and resampling does not contain them
    error = spread * max(1.0, np.sqrt(chi2 / dof)) if dof else spread
    return Transition(sizes, alpha, float(error), float(ndtr(offset)), chi2, dof)


def _fit(curves: list[_Curve]) -> tuple[tuple[float, float], float, int]:
    """Return (α_c, p) of the law at the head of this file, χ², and degrees of freedom.

    The law is linear in p, g and g α_c: probit P = p + N^(1/3) (g α − g α_c).
    """
    # N^(1/3): the step's width in α shrinks as the law says
    scale = np.concatenate([np.full(len(curve.alpha), curve.n ** (1 / 3)) for curve in curves])
    alpha = np.concatenate([curve.alpha for curve in curves])
    # all sizes share p, g and α_c
    value, error = (np.concatenate(part) for part in zip(*(c.probit for c in curves), strict=True))
    design = np.stack([np.ones_like(scale), scale * alpha, -scale], axis=1) / error[:, None]
    # linear in (p, g, g α_c), so no search and no start
    found, *_ = np.linalg.lstsq(design, value / error, rcond=None)
    offset, slope, product = (float(one) for one in found)
    chi2 = float(((design @ found - value / error) ** 2).sum())
    return (product / slope if slope > 0 else nan, offset), chi2, len(value) - 3
