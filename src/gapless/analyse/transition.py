"""Crossings of success curves with a level, their errors, and their dependence on N.

α_p(N) is the α at which a fraction p of the runs is solved: logit(fraction) against α, interpolated
by a monotone cubic (PCHIP). Its statistical error is the spread over draws of the fractions: at
each α from the Beta law with s + ½ and f + ½, s and f the solved and the other runs over the design
effect 1 + (k̄ − 1)ρ, with the correlation ρ of runs on one X pooled over all α of an N. (Resampled
designs would need more of them: from four, intervals of ± 1.96 errors cover 0.84 to 0.90 of the
time, and these 0.92 to 0.97 from two to 16.) Its interpolation error is the distance to the
crossing of straight lines: a bound on a bias rather than a standard error.

Two laws are fitted to α_p(N) by weighted least squares:

    logarithm   α_p = a + b ln N             (the transition drifts without limit)
    power       α_p = a + b N^(−k), k > 0    (it saturates at a)

and compared by AIC = χ² + 2p for p parameters; χ² also tests whether a law describes the data. Both
take the errors as standard errors of normal values. As these contain a bound on a bias, a χ² far
below its degrees of freedom (p near 1) confirms no law, and differences of AIC are no
probabilities.

The time budget grows with N by the paper's choice, 0.3 log2 N. The first passages of the same runs
give the crossings at any shorter budget, and so the part of a drift that is due to the budget.

Source: Burnham and Anderson, Model Selection and Multimodel Inference (2002), section 2.2;
Fritsch and Carlson, SIAM J. Numer. Anal. 17 (1980) 238; Brown, Cai and DasGupta, Stat. Sci. 16
(2001) 101, for the Beta law.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import hypot, nan, sqrt

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator
from scipy.optimize import fminbound
from scipy.special import chdtrc, logit

from gapless.analyse.statistics import (
    Line,
    design_effect,
    intraclass_correlation,
    resampled_error,
    weighted_line,
)
from gapless.analyse.success import SOLVED_FRACTIONS, recovered
from gapless.inputs import real_array
from gapless.shapes import Float

DRAWS = 400
"""Draws of the fractions; their central 68 % has a relative error of 5 %."""
EXPONENTS = (0.05, 4.0)
"""Range of k: at its lower end N^(−k) is a logarithm to within 4 % over a factor 16 in N."""


@dataclass(frozen=True)
class Crossing:
    """α at which a fraction `level` of the runs is solved, or has recovered, at one N.

    Parameters
    ----------
    alpha
        α of the crossing; NaN where the measured α do not bracket the level.
    statistical
        Standard error over draws of the fractions; runs on a single design count as independent.
    interpolation
        Distance |PCHIP − straight line| of the crossings.
    """

    n: int
    level: float
    alpha: float
    statistical: float
    interpolation: float

    @property
    def error(self) -> float:
        """Both errors in quadrature."""
        return sqrt(self.statistical**2 + self.interpolation**2)


def crossing_alpha(
    alpha: Float[np.ndarray, " A"], fraction: Float[np.ndarray, "R A"], level: float
) -> Float[np.ndarray, " R"]:
    """Return the first α at which each of R curves of fractions rises through a level.

    It is NaN without such an α. Fractions lie within (0, 1), and α increase.
    """
    # 64 points an interval: a straight line between them errs by (1/64)²/8 of the bend
    fine = np.linspace(alpha[0], alpha[-1], 64 * len(alpha))
    # logit: fractions of an S-shaped curve become nearly a straight line
    return _first_rise(fine, PchipInterpolator(alpha, logit(fraction), axis=1)(fine), logit(level))


def _first_rise(x: np.ndarray, curves: np.ndarray, height: float) -> np.ndarray:
    """Return the first x at which each row, linear between points, rises through `height`."""
    # the first rise: where the fraction is noisy near 0 or 1 it may pass a level more than once
    rises = (curves[:, :-1] < height) & (curves[:, 1:] >= height)
    left = rises.argmax(axis=1)
    low, high = (np.take_along_axis(curves, i[:, None], 1)[:, 0] for i in (left, left + 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = x[left] + (height - low) / (high - low) * (x[left + 1] - x[left])
    return np.where(rises.any(axis=1), found, nan)


def by_design(table: pd.DataFrame, success: pd.Series) -> pd.DataFrame:
    """Return successes and runs of each design; failed rows are left out.

    Columns: n, alpha, seed, design, successes, runs.
    """
    return (
        table[["n", "alpha", "seed", "design"]]
        # a computation that failed is no unsolved run
        .assign(success=success)[table.outcome != "failed"]
        .groupby(["n", "alpha", "seed", "design"])
        .success.agg(successes="sum", runs="size")
        .reset_index()
    )


def crossings(
    designs: pd.DataFrame, levels: Sequence[float] = SOLVED_FRACTIONS, *, seed: int = 0
) -> list[Crossing]:
    """Return the crossings of the curve of each N with each level; a single α is no curve.

    Parameters
    ----------
    designs
        Rows of `by_design`.
    levels
        Fractions p.
    seed
        Seed of the draws.
    """
    # one seed: the same records give the same error
    rng = np.random.default_rng(seed)
    found = []
    for _, here in designs.groupby("n"):
        groups = [group for _, group in here.groupby("alpha")]
        if len(groups) < 2:
            continue  # half-way through a sweep: a single α is no curve
        alpha = np.array([group.alpha.iloc[0] for group in groups])
        fraction = np.array([_inside(group.successes.sum(), group.runs.sum()) for group in groups])
        counts = (here[name].to_numpy() for name in ("successes", "runs", "alpha"))
        correlation = intraclass_correlation(*counts)
        # α by α: the matrices at different α are drawn apart
        drawn = np.stack([_drawn(group, correlation, rng) for group in groups], axis=1)
        for level in levels:
            centre = float(crossing_alpha(alpha, fraction[None], level)[0])
            spread = crossing_alpha(alpha, drawn, level)
            # what the interpolation is worth: the same crossing from straight lines between the α
            straight = float(_first_rise(alpha, logit(fraction)[None], logit(level))[0])
            found.append(
                Crossing(
                    n=int(here.n.iloc[0]),
                    level=level,
                    alpha=centre,
                    statistical=resampled_error(spread),
                    interpolation=abs(centre - straight),
                )
            )
    return found


def _inside(successes, runs):
    """Return the fraction, at least half a run from 0 and 1, where its logit is infinite."""
    return np.clip(successes / runs, 0.5 / runs, 1 - 0.5 / runs)


def _drawn(group: pd.DataFrame, correlation: float, rng: np.random.Generator) -> np.ndarray:
    """Return draws of the fraction at one α, (`DRAWS`,)."""
    effect = design_effect(group.runs.to_numpy(), correlation)
    solved, runs = group.successes.sum() / effect, group.runs.sum() / effect
    drawn = rng.beta(solved + 0.5, runs - solved + 0.5, DRAWS)
    return _inside(drawn * group.runs.sum(), group.runs.sum())


@dataclass(frozen=True)
class Fit:
    """Fit of a law to α_p(N).

    Parameters
    ----------
    law
        ``logarithm`` or ``power``.
    a, b, k
        Parameters of the law; k is NaN for the logarithm.
    a_error
        Standard error of a with the other parameters free, k of the power law included.
    chi2, dof
        Weighted sum of squared residuals, and its degrees of freedom.
    p_value
        Probability of a larger χ² if the law holds; NaN without degrees of freedom.
    aic
        χ² + 2p.
    """

    law: str
    a: float
    b: float
    k: float
    a_error: float
    chi2: float
    dof: int
    p_value: float
    aic: float


def fit_drift(n: np.ndarray, alpha: np.ndarray, error: np.ndarray) -> list[Fit]:
    """Return the fits of both laws to α_p(N); see the head of this file.

    Parameters
    ----------
    n, alpha, error : shape (S,)
        Sizes, α_p and its standard errors.

    Raises ``ValueError`` with fewer than three sizes, for numbers that are not finite, and for
    sizes or errors that are not positive.
    """
    n, alpha, error = (
        real_array(name, np.asarray(values, float), (len(n),))
        for name, values in (("n", n), ("alpha", alpha), ("error", error))
    )
    if (sizes := len(np.unique(n))) < 3:
        raise ValueError(f"n: two laws cannot be told apart by {sizes} sizes; give three or more")
    if not ((n > 0).all() and (error > 0).all()):
        raise ValueError("n, error: sizes and errors must be positive")
    line = weighted_line(np.log(n), alpha, error)
    logarithm = _fit("logarithm", *line.parameters, nan, line.errors[0], line.chi2, len(n), 2)
    # both laws always: the reader sees how little sizes may tell them apart
    return [logarithm, _fit_power(n, alpha, error)]


def _fit_power(n: np.ndarray, alpha: np.ndarray, error: np.ndarray) -> Fit:
    # for given k the law is a line in N^(−k), so only k is searched
    def line(log_k: float) -> Line:
        return weighted_line(_powers(n, np.exp(log_k)), alpha, error)

    # χ² along k can have two valleys: the best of a grid starts the search
    lowest, highest = np.log(EXPONENTS)
    # in ln k: χ² changes by factors of k
    grid = np.linspace(lowest, highest, 60)
    lines = [line(x) for x in grid]
    best = int(np.argmin([found.chi2 for found in lines]))
    # between the neighbours of the best of the grid there is one valley
    around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    # bounded: beyond the range the two laws are the same, or N^(−k) is no correction any more
    k = float(np.exp(fminbound(lambda x: line(x).chi2, *around)))
    least = line(np.log(k))
    a, b = least.parameters
    # a of every k whose χ² is within 1 of the least: its profile interval
    moved = [abs(f.parameters[0] - a) for f in lines if f.chi2 < least.chi2 + 1]
    a_error = hypot(least.errors[0], max(moved, default=0.0))
    # b is that of N^(−k), not of the scaled variable
    return _fit("power", a, b * float(n.min()) ** k, k, a_error, least.chi2, len(n), 3)


def _powers(n: np.ndarray, k: float) -> np.ndarray:
    # in units of the smallest N: a and b would be all but degenerate for large k
    return (n / n.min()) ** -k


def _fit(
    law: str, a: float, b: float, k: float, a_error: float, chi2: float, sizes: int, p: int
) -> Fit:
    # errors are known, so χ² has a scale, and its size says whether the law holds
    dof = sizes - p
    # three sizes and three parameters: the power always fits, which says nothing
    p_value = float(chdtrc(dof, chi2)) if dof > 0 else nan
    return Fit(law, a, b, k, a_error, chi2, dof, p_value, aic=chi2 + 2 * p)


BUDGETS = (0.5, 0.7, 1.0)
"""Shares of the runs' own time budget at which the crossings are read off."""


def crossing_table(
    table: pd.DataFrame, passage: str = "t_1e-8", budgets: Sequence[float] = BUDGETS
) -> pd.DataFrame:
    """Return the α at which 50 % and 90 % of the runs are solved, by N and share of the budget.

    Parameters
    ----------
    table
        Rows of runs with n, alpha, seed, design, outcome, t_max and the column `passage`.
    passage
        Column of first-passage times: the energy of a solved run.
    budgets
        Shares of the runs' time budget, `t_max`.
    """
    # from first passages: a shorter budget is read off the same runs, none is measured again
    events = {share: table[passage] <= share * table.t_max for share in budgets}
    return _crossing_rows(table, events)


def recovered_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the α at which 50 % and 90 % of the runs have recovered the signal, by N.

    The overlap is that at the end of the whole budget; the time at which a run passed q = 1 − 1e-6
    is not recorded.
    """
    return _crossing_rows(table, {1.0: recovered(table)})


def _crossing_rows(table: pd.DataFrame, events: Mapping[float, pd.Series]) -> pd.DataFrame:
    """Return the crossings of curves of fractions; `events` maps shares of the budget to runs."""
    columns = ("budget", "level", "n", "alpha", "error", "statistical", "interpolation")
    rows = [
        {"budget": share} | {name: getattr(found, name) for name in columns[1:]}
        for share, event in events.items()
        for found in crossings(by_design(table, event))
    ]
    # with columns even where there are no rows: tables are asked for them by name
    return pd.DataFrame(rows, columns=pd.Index(columns))


def drift_table(crossing: pd.DataFrame) -> pd.DataFrame:
    """Return both fits for each level and share of the budget with three sizes or more.

    Parameters
    ----------
    crossing
        Rows of `crossing_table`. Sizes without an error are left out.
    """
    rows = []
    # a crossing without an error has no weight in a fit
    for (share, level), here in crossing.dropna().groupby(["budget", "level"]):
        if len(here) < 3:
            continue
        fits = fit_drift(*(here[c].to_numpy(float) for c in ("n", "alpha", "error")))
        # only differences of AIC mean something
        least = min(fit.aic for fit in fits)
        rows += [
            {"budget": share, "level": level, "sizes": len(here), **vars(fit)}
            | {"over_least_aic": fit.aic - least}
            for fit in fits
        ]
    columns = ("budget", "level", "sizes", *(field.name for field in fields(Fit)), "over_least_aic")
    # with columns even where there are no rows
    return pd.DataFrame(rows, columns=pd.Index(columns))
