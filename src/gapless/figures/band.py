"""The band of marginal minima against α, and where descent ends in it.

The energies of minima on labels without a signal form a band, from the most numerous minima down to
the deepest (docs/derivations/landscape.md). Inside the band runs the line φ(γ̄) = μ, above which a
signal destabilises them. On it stand runs at finite N, the dynamics at N = ∞, the two 1RSB states,
and the floor of full replica symmetry breaking (docs/derivations/full-rsb.md).
"""

from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np
import pandas as pd

from gapless.analyse.landscape import Band, in_the_band, loses_stability
from gapless.analyse.plateaus import plateau_limits, plateaus
from gapless.analyse.statistics import Z_95, computed
from gapless.analyse.verdict import CLOSE, Claim, Sample, judged, near, verdict
from gapless.figures.experiment import PAPER_ALPHA_BBP, THE_PAPER, Experiment, Scale, Size, in_numpy
from gapless.figures.fig4 import simulations
from gapless.figures.late import energy_table
from gapless.measure.landscape import FLOOR, GROUND, MARGINAL, MINIMA, LandscapePoint
from gapless.measure.mean_field import MeanField
from gapless.measure.simulation import Simulation
from gapless.page.panels import GREY, INK, TWO_ERRORS, Axis, Heat, Mark, Panel, Picture, Series


@dataclass(frozen=True)
class Sizes:
    """The states and runs of one scale.

    Parameters
    ----------
    alphas, levels
        Where states are computed, and kinds of minima at each.
    runs
        N, α, designs and runs of descent with shuffled labels.
    paths, sets, t_max, infinite
        P, sets, last time and α of the dynamics at N = ∞.
    """

    alphas: tuple[float, ...]
    levels: int
    runs: tuple[Size, ...]
    paths: int
    sets: int
    t_max: float
    infinite: tuple[float, ...]


_DESK = (4.0, 6.0, 8.0, 10.0, 11.0, 12.0, 13.0, 14.0, 16.0, 18.0, 20.0)
_ENDS = (6.0, 8.0, 10.0, 12.0, 14.0, 18.0)
SIZES: dict[Scale, Sizes] = {
    "smoke": Sizes(
        (8.0, 11.0, 14.0), 5, (Size(128, (8.0, 11.0, 14.0), 2, 4),), 2048, 2, 6.0, (11.0,)
    ),
    "desk": Sizes(
        _DESK,
        9,
        (Size(256, _ENDS, 8, 16), Size(512, _ENDS, 4, 16)),
        32768,
        2,
        20.0,
        (6.0, 10.0, 12.0, 14.0),
    ),
    "paper": Sizes(
        (*np.arange(2.0, 25.0, 1.0).tolist(),),
        17,
        (Size(512, _ENDS, 24, 16), Size(1024, _ENDS, 12, 16), Size(2048, _ENDS, 8, 16)),
        131072,
        8,
        60.0,
        _ENDS,
    ),
}
COLUMNS, ROWS = 120, 90
"""Cells of the shading."""


def points(scale: Scale, seed: int) -> list[LandscapePoint | MeanField | Simulation]:
    """Return the sets of paths, the designs of runs, and the states at each α of a scale."""
    size = SIZES[scale]
    return [
        *(
            MeanField(
                alpha=alpha,
                t_max=size.t_max,
                step=None,
                paths=size.paths,
                seed=seed,
                path_set=path_set,
            )
            for alpha in size.infinite
            for path_set in range(size.sets)
        ),
        *(
            simulation
            for one in size.runs
            for simulation in simulations(one, seed, in_numpy=in_numpy(scale))
        ),
        *(LandscapePoint(alpha=alpha, levels=size.levels) for alpha in size.alphas),
    ]


@dataclass(frozen=True)
class EndOfDescent:
    """Energies at which descent ends, from one source.

    Parameters
    ----------
    name
        Its name in legend and tables.
    n, size
        N, and how many runs or sets of paths there are at each α.
    placed
        See `gapless.analyse.landscape.in_the_band`.
    alpha, error
        Where minima at these energies lose stability toward a signal; NaN where they do not.
    """

    name: str
    n: float
    size: int
    placed: pd.DataFrame
    alpha: float
    error: float


@dataclass(frozen=True)
class Landscape:
    """The band, the states beside it (None before two α are computed), and where descent ends."""

    states: pd.DataFrame
    band: Band | None = None
    sources: list[EndOfDescent] = field(default_factory=list)


def reduce(table: pd.DataFrame) -> Landscape:
    """Return the band and the energies of descent in it, of the records so far."""
    good = computed(table)
    states = good[good.state.notna()] if "state" in good else good[:0]
    if states.empty or states.alpha.nunique() < 2:
        return Landscape(states)
    band = Band.of(states)
    return Landscape(states, band, [end_of_descent(band, *one) for one in _energies(good)])


def end_of_descent(
    band: Band, name: str, n: float, size: int, energies: pd.DataFrame
) -> EndOfDescent:
    """Return a source of energies (columns ``alpha``, ``energy``, ``error``) within the band."""
    placed = in_the_band(band, energies)
    return EndOfDescent(name, n, size, placed, *loses_stability(band, placed))


def _energies(table: pd.DataFrame) -> list[tuple[str, float, int, pd.DataFrame]]:
    """Return name, N, sample size, and columns alpha, energy, error of every source."""
    found: list[tuple[str, float, int, pd.DataFrame]] = []
    runs = table[table.n.notna()] if "n" in table else table[:0]
    ended = plateaus(runs) if len(runs) else []
    for n in sorted({p.n for p in ended}):
        here = [p for p in ended if p.n == n]
        energies = [
            {
                "alpha": p.alpha,
                "energy": p.measured["energy"].mean,
                "error": p.measured["energy"].standard_error,
            }
            for p in here
        ]
        size = min(p.measured["energy"].size for p in here)
        found.append((f"runs, N = {n}", n, size, pd.DataFrame(energies)))
    limits = plateau_limits(ended)
    if len(limits):
        both = limits[["alpha", "limit", "limit_error"]]
        names = {"limit": "energy", "limit_error": "error"}
        found.append(("runs, N → ∞", inf, found[-1][2], both.rename(columns=names)))
    paths = table[table.paths.notna()] if "paths" in table else table[:0]
    if len(paths):
        sets = {float(str(alpha)): here for alpha, here in paths.groupby("alpha")}
        energies = energy_table(sets)
        last, size = float(energies.t.min()), int(energies.sets.min())
        columns = energies[["alpha", "energy", "energy_error"]]
        columns = columns.rename(columns={"energy_error": "error"})
        found.append((f"N = ∞, t = {last:g}", inf, size, columns))
    return found


def picture(found: Landscape) -> Picture:
    """Return the band with everything on it, and φ(γ̄) − μ of its minima, against α."""
    band = found.band
    if band is None:
        return Picture("states at fewer than two values of α so far", ())
    low, high = float(band.alpha[0]), float(band.alpha[-1])
    alpha = Axis("α = M/N", range=(low - 0.03 * (high - low), high + 0.03 * (high - low)))
    fine = np.linspace(band.alpha[0], band.alpha[-1], 2 * COLUMNS + 1)
    heat = _shades(band)
    line: dict[str, Any] = dict(style="lines")
    edge = np.array([band.marginal_share(float(a)) for a in fine])
    depth, border = _depth(band, fine), band.along("border", fine)
    curves = [
        Series("most numerous", fine, 0 * fine, **line, colour=GREY),
        Series("deepest, Σ = 0", fine, -depth, **line, colour=GREY, dash="dash"),
        Series("φ(γ̄) = μ", fine, -edge * depth, **line, colour=3, width=2.0),
        *_states(found, band),
    ]
    dots = [_placed(source, index) for index, source in enumerate(found.sources)]
    ends = [
        Series("most numerous", fine, border[:, 0], **line, colour=GREY),
        Series("deepest, Σ = 0", fine, border[:, -1], **line, colour=GREY, dash="dash"),
    ]
    stable = [_stability(source, index) for index, source in enumerate(found.sources)]
    zero = Mark("y", 0, dash="solid", width=0.5)
    paper = Mark("x", PAPER_ALPHA_BBP, f"the paper's {PAPER_ALPHA_BBP:g}", dash="dot")
    below = float(np.min([np.nanmin(np.asarray(s.y, float)) for s in curves + dots]))
    return Picture(
        f"labels without a signal; shaded: complexity Σ of marginal minima; bars: {TWO_ERRORS}",
        (
            (
                Panel(
                    "Minima by energy, and where descent ends",
                    *(alpha, Axis("e − e(most numerous)", range=(1.08 * below, 0.1))),
                    curves + dots,
                    (paper,),
                    heat,
                    size=(6.0, 4.6),
                    legend="outside",
                ),
                Panel(
                    "Toward a signal: unstable below 0",
                    *(alpha, Axis("φ(γ̄) − μ")),
                    ends + stable,
                    (zero, paper),
                    size=(5.0, 4.6),
                ),
            ),
        ),
    )


def _depth(band: Band, alpha: np.ndarray) -> np.ndarray:
    energy = band.along("energy", alpha)
    return energy[:, 0] - energy[:, -1]


def _shades(band: Band) -> Heat:
    """Return Σ on equal cells of α and e − e(most numerous)."""
    width = (band.alpha[-1] - band.alpha[0]) / COLUMNS
    centres = band.alpha[0] + (np.arange(COLUMNS) + 0.5) * width
    depth, complexity = _depth(band, centres), band.along("complexity", centres)
    low = -float(depth.max())
    y = low + (np.arange(ROWS) + 0.5) * (-low / ROWS)
    values = np.array(
        [
            np.interp(-y / full, band.share, sigma, right=np.nan)
            for full, sigma in zip(depth, complexity, strict=True)
        ]
    ).T
    x = (float(band.alpha[0]), float(band.alpha[-1]))
    return Heat("complexity Σ", x, (low, 0.0), values, (0.0, float(complexity.max())), colour=0)


def _states(found: Landscape, band: Band) -> list[Series]:
    """Return the 1RSB states and the floor, as energies over the most numerous minima's."""
    drawn = []
    kinds = ((MARGINAL, 1, "dash"), (GROUND, 4, "dashdot"), (FLOOR, 2, "solid"))
    for state, colour, dash in kinds:
        here = found.states[found.states.state == state].sort_values("alpha")
        over = here.energy.to_numpy(float) - band.along("energy", here.alpha.to_numpy(float))[:, 0]
        given: dict[str, Any] = dict(style="lines", dash=dash, colour=colour)
        drawn.append(Series(state, here.alpha, over, **given))
    return drawn


def _markers(source: EndOfDescent, index: int) -> dict[str, Any]:
    markers = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon")
    marker = markers[index % len(markers)]
    return dict(style="markers", colour=INK, marker=marker, legend=source.name)


def _placed(source: EndOfDescent, index: int) -> Series:
    rows = source.placed
    over, half = -rows.below.to_numpy(float), 2 * rows.error.to_numpy(float)
    ends = over - half, over + half, TWO_ERRORS
    return Series(source.name, rows.alpha, over, *ends, **_markers(source, index))


def _stability(source: EndOfDescent, index: int) -> Series:
    rows = source.placed
    border, half = rows.border.to_numpy(float), 2 * rows.border_error.to_numpy(float)
    ends = border - half, border + half, TWO_ERRORS
    return Series(source.name, rows.alpha, border, *ends, **_markers(source, index))


def claims(found: Landscape) -> list[Claim]:
    """Judge the paper's α_BBP by minima at the energies where descent ends."""
    judgements = []
    for source in found.sources:
        ends = source.alpha - Z_95 * source.error, source.alpha + Z_95 * source.error
        part = verdict(near(PAPER_ALPHA_BBP), source.alpha, ends, Sample(source.n, source.size))
        read = f"α = {source.alpha:.2f} ± {Z_95 * source.error:.2f} (95 %)"
        if np.isnan(source.error):  # of a single design or set of paths
            read = f"α = {source.alpha:.2f}, without an error"
        none = "φ(γ̄) − μ does not change sign at these α"
        judgements.append(
            judged(
                "The states at the threshold energy lose stability toward the signal at "
                f"α_BBP = {PAPER_ALPHA_BBP:g}",
                f"minima at the energy of {source.name}: "
                f"{none if np.isnan(source.alpha) else read}; “at” is read as within "
                f"{100 * CLOSE:g} %",
                part,
            )
        )
    return judgements


def tables(found: Landscape) -> list[tuple[str, pd.DataFrame]]:
    """Return the states by α, the energies where descent ends, and α_BBP of minima there."""
    if found.band is None:
        return []
    states = found.states[["alpha", "state", "share", "energy", "energy_error"]]
    counted = found.states[["complexity", "border"]]
    ends = [source.placed.assign(source=source.name) for source in found.sources]
    lost = [
        {"source": s.name, "size": s.size, "alpha_bbp": s.alpha, "error": s.error}
        for s in found.sources
    ]
    order = states.join(counted).sort_values(["alpha", "state", "share"])
    return [
        (f"{MINIMA.capitalize()} by energy, 1RSB states and the floor", order),
        ("Where descent ends", pd.concat(ends) if ends else pd.DataFrame()),
        ("Minima at these energies lose stability", pd.DataFrame(lost)),
    ]


EXPERIMENT = Experiment(
    name="band",
    title="The band of marginal minima, and where descent ends in it",
    version=1,
    points=points,
    reduce=reduce,
    picture=picture,
    claims=claims,
    tables=tables,
    caption=(
        "Left: energies of minima without a signal, less that of the most numerous ones, against "
        "α (shaded: complexity Σ, the logarithm of their number for each unknown; points: where "
        "descent ends) ({sizes}); right: φ(γ̄) − μ of the same minima, negative where a signal "
        "opens a direction of descent. Minima above the thick line through the shaded band have "
        "a direction of descent toward a signal; α_BBP is where descent comes to rest on this "
        "line."
    ),
    source=THE_PAPER,
)
