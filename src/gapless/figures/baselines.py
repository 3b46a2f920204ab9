"""Gradient flow compared with other algorithms: overlap with the signal against α.

All methods have the same instances (X, teacher, random start) of a design. Lines are exact
limits N → ∞: the spectral estimator's overlap and the uninformed fixed point of state evolution;
vertical lines are thresholds of inference (1/2, 1, 1.128) and of the Hessian (α_BBP, 1RSB).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gapless.analyse.statistics import clustered_mean, designs_of, student_half_width
from gapless.analyse.verdict import Claim, Sample, Statement, Verdict, judged, verdict
from gapless.channels import weak_optimal
from gapless.figures.experiment import Experiment, Scale, Source, in_numpy
from gapless.losses import normalised, quartic
from gapless.measure.baselines import METHODS, BaselinePoint
from gapless.page.panels import TWO_ERRORS, Axis, Mark, Panel, Picture, Series
from gapless.theory import bbp_threshold
from gapless.theory.spectral import spectral_overlap
from gapless.theory.state_evolution import Thresholds, alpha_of_fixed_point, thresholds

HIGH = 0.9
"""Smallest mean overlap that is high in the table."""
MARKERS: Any = (
    *("circle", "square", "triangle-up", "triangle-down", "diamond", "triangle-left"),
    *("triangle-right", "pentagon", "hexagon"),
)

ALPHAS: dict[Scale, tuple[float, ...]] = {
    "smoke": (0.8, 2.5, 8.0),
    "desk": (0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 14.0),
    "paper": tuple(np.geomspace(0.6, 16, 22).round(2).tolist()),
}
SIZES: dict[Scale, tuple[int, int, int]] = {
    "smoke": (96, 2, 16),
    "desk": (512, 4, 32),
    "paper": (4096, 8, 16),
}
"""N, designs, runs on each."""


def _measured(scale: Scale, alpha: float, method: str) -> bool:
    """Return whether a scale has this method at this α; smoke has few, which compile faster."""
    if scale != "smoke":
        return True
    extra = method in ("flow_noise", "flow_amplitude")
    return not extra and (alpha > 1 or method in ("amp", "spectral"))


def points(scale: Scale, seed: int) -> list[BaselinePoint]:
    """Return the points of a scale, α by α, so that successive points share compiled code."""
    n, designs, runs = SIZES[scale]
    return [
        BaselinePoint(
            n=n,
            alpha=alpha,
            seed=seed,
            method=method,
            index=index,
            runs=runs,
            # their noise is drawn by compiled code
            in_numpy=in_numpy(scale) and method not in ("sgd", "langevin"),
        )
        for alpha in ALPHAS[scale]
        for method in METHODS
        if _measured(scale, alpha, method)
        for index in range(designs)
    ]


@dataclass(frozen=True)
class Overlaps:
    """Mean overlaps (see `overlaps`) of all methods, and N."""

    means: pd.DataFrame
    n: int


def reduce(table: pd.DataFrame) -> Overlaps:
    """Return the mean overlaps of all methods."""
    return Overlaps(overlaps(table), int(table.n.max()))


def overlaps(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean overlap and its error (clustered by design) for each method and α.

    A run that became infinite or failed is counted in ``runs`` and has no overlap; ``finished``
    counts the others, whose method ran to its end.
    """
    rows = []
    for (method, alpha), group in table.groupby(["method", "alpha"]):
        good = group[group.outcome == "finished"]
        found = clustered_mean(good.overlap.to_numpy(), designs_of(good)) if len(good) else None
        rows.append(
            {
                "method": method,
                "alpha": alpha,
                "runs": len(group),
                "finished": len(good),
                "designs": len(np.unique(designs_of(good))),
                "overlap": np.nan if found is None else found.mean,
                "error": np.nan if found is None else found.standard_error,
            }
        )
    return pd.DataFrame(rows)


def picture(reduced: Overlaps) -> Picture:
    """Return overlap against α: methods as points, exact limits and thresholds as lines."""
    curves, end = reduced.means, thresholds()
    series = [
        _measured_curve(curve, index, method)
        for index, method in enumerate(METHODS)
        if len(curve := curves[curves.method == method])
    ]
    alphas = np.geomspace(0.4, max(18.0, float(curves.alpha.max())), 120)
    exact = [spectral_overlap(weak_optimal(alpha), alpha)[0] for alpha in alphas]
    squares = np.linspace(1e-4, end.jump_from**2, 60)
    rise = [alpha_of_fixed_point(float(s)) for s in squares]
    at = [alphas[0], end.weak_recovery, *rise, end.algorithmic, alphas[-1]]
    fixed = [0, 0, *np.sqrt(squares), 1, 1]
    line: dict[str, Any] = dict(style="lines", legend="", width=1.0)
    series.append(Series("spectral estimator, N → ∞", alphas, exact, colour=1, **line))
    series.append(Series("state evolution, N → ∞", at, fixed, colour=0, **line))
    axes = (
        Axis("α = M/N", "log", ticks=(0.5, 1, 2, 5, 10)),
        Axis("overlap with the signal", range=(-0.02, 1.16)),
    )
    title, size = "Overlap at the end", (6.2, 4.8)
    return Picture(
        f"N = {reduced.n}, losses as named, time budget 0.3 log₂ N; lines without points: exact "
        "limits; "
        f"bars: {TWO_ERRORS}",
        ((Panel(title, *axes, series, _thresholds(end), size=size, legend="outside"),),),
    )


def _measured_curve(curve: pd.DataFrame, index: int, method: str) -> Series:
    half, mean = 2 * curve.error.to_numpy(float), curve.overlap.to_numpy(float)
    return Series(
        *(METHODS[method][0], curve.alpha, mean, mean - half, mean + half, TWO_ERRORS),
        style="markers" if method in ("amp", "spectral") else "lines+markers",
        colour=index,
        note=[f"{row.finished} of {row.runs} runs" for row in curve.itertuples()],
        marker=MARKERS[index],
        width=0.8,
    )


def _thresholds(end: Thresholds) -> list[Mark]:
    """Return marks at the thresholds of weak, exact and message-passing recovery, and at α_BBP."""
    found = {
        "weak": end.weak_recovery,
        "IT": end.information_theoretic,
        "AMP": end.algorithmic,
        "BBP, a = 0.1": bbp_threshold(normalised(0.1)).edge,
        "BBP, quartic": bbp_threshold(quartic).edge,
    }
    return [
        Mark(
            *("x", alpha, name),
            # names of neighbours stand away from each other, and of the last two at two heights
            side="right" if name in ("AMP", "BBP, a = 0.1") else "left",
            at=0.95 if name == "BBP, quartic" else 1.0,
        )
        for name, alpha in found.items()
        if alpha is not None
    ]


def tables(reduced: Overlaps) -> list[tuple[str, pd.DataFrame]]:
    """Return mean overlaps with clustered standard errors, and the α from which they are high."""
    curves = reduced.means
    first = curves[curves.overlap > HIGH].groupby("method", as_index=False)[["alpha"]].min()
    return [
        ("Mean overlaps and their standard errors", curves),
        (f"Smallest α measured with a mean overlap above {HIGH:g}", first),
    ]


EXACT = 0.05
"""Largest difference of mean overlaps that counts as none."""
SPECTRAL = Statement(low=-EXACT, high=EXACT, least_n=SIZES["desk"][0])
"""Spectral estimator's overlap minus its limit N → ∞; smaller N are far from the limit."""
ALGORITHMIC = Statement(low=1.125, high=1.135)
"""The paper's ≈ 1.13, to the digits that it gives."""


def claims(reduced: Overlaps) -> list[Claim]:
    """Return verdicts on the paper's statements about optimal inference."""
    curves, end, n = reduced.means, thresholds(), reduced.n
    exact = (end.algorithmic, end.algorithmic)
    found = [
        judged(
            "An overlap with the signal is possible from α = 0.5 on, and exact recovery by message "
            "passing from α ≈ 1.13 on",
            f"message passing at N = ∞: {end.weak_recovery:.4f} and {end.algorithmic:.5f}",
            # an exact number of the limit N → ∞: no runs, no error
            verdict(ALGORITHMIC, end.algorithmic, exact, Sample(np.inf, 1)),
        )
    ]
    chosen = curves[(curves.method == "spectral") & curves.overlap.notna()]
    if len(chosen):
        limit = [spectral_overlap(weak_optimal(alpha), alpha)[0] for alpha in chosen.alpha]
        gaps = chosen.overlap.to_numpy(float) - limit
        halves = [
            student_half_width(error, designs)
            for error, designs in zip(chosen.error, chosen.designs, strict=True)
        ]
        parts: list[Verdict] = [
            verdict(SPECTRAL, float(gap), (float(gap - half), float(gap + half)), Sample(n, runs))
            for gap, half, runs in zip(gaps, halves, chosen.finished, strict=True)
        ]
        worst = int(np.abs(gaps).argmax())
        found.append(
            judged(
                "The overlap of the spectral estimator is its exact limit N → ∞",
                f"N = {n}: largest difference {gaps[worst]:+.3f} ± {halves[worst]:.3f} (95 %), at "
                f"α = {chosen.alpha.iloc[worst]:g}; “is” is read as within {EXACT:g} at every α",
                *parts,
            )
        )
    return found


INFERENCE = Source(
    "other papers",
    "W. Luo, W. Alghamdi, Y. M. Lu, arXiv 1811.04420 (spectral estimators); J. Barbier et al., "
    "arXiv 1708.03395 (state evolution of message passing)",
)

EXPERIMENT = Experiment(
    name="baselines",
    title="Baselines: losses, starts and algorithms on one axis",
    version=1,
    points=points,
    reduce=reduce,
    picture=picture,
    claims=claims,
    tables=tables,
    caption=(
        "Overlap with the signal (0: none, 1: found) that each algorithm ends at, against α, the "
        "number of samples for each unknown ({sizes}): gradient flow of two losses from random "
        "and spectral starts, a spectral estimator, message passing (AMP), and descent with "
        "noise (SGD, Langevin); lines without points are exact limits N → ∞. Curves further to "
        "the left need fewer samples; dashed vertical lines are the least α of any estimator "
        "(weak: some overlap, IT: exact), of AMP, and of the Hessian's transition (BBP)."
    ),
    source=INFERENCE,
)
