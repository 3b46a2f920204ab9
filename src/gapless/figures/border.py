"""α_BBP of the minima where descent ends, without any theory: a signal planted beside each.

Runs on labels independent of X come to rest. A signal with these labels is then added as one more
dimension, and it is a descent direction if the Schur complement s of the Hessian's border is
negative (docs/derivations/border.md). Curves of P(s < 0) against α cross at α_BBP for all N. The
control is the normalised loss, whose curvature is bounded and for which 1RSB has no kink.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from gapless.analyse.border import Transition, border_table, minima_table, transitions
from gapless.analyse.statistics import Z_95
from gapless.analyse.verdict import (
    CLOSE,
    NOT_MEASURED,
    Claim,
    Sample,
    judged,
    near,
    verdict,
)
from gapless.figures.experiment import (
    PAPER_ALPHA_BBP,
    THE_PAPER,
    Experiment,
    Scale,
    Size,
    in_numpy,
)
from gapless.losses import normalised, recorded_loss
from gapless.measure.border import BorderPoint
from gapless.page.panels import Axis, Mark, Panel, Picture, Series
from gapless.theory import NotConverged, bbp_threshold

QUARTIC, CONTROL = "quartic", normalised(1.0).name
_QUARTIC = (10.0, 11.0, 12.0, 13.0, 14.0)
_CONTROL = (5.0, 6.0, 7.0, 8.0, 9.0)
SIZES: dict[Scale, dict[str, tuple[Size, ...]]] = {
    "smoke": {QUARTIC: (Size(16, (10.0, 14.0), 4, 16), Size(32, (10.0, 14.0), 4, 16))},
    "desk": {
        loss: (
            Size(128, alphas, 64, 16),
            Size(256, alphas, 32, 16),
            Size(512, alphas, 16, 16),
            Size(1024, alphas, designs, 16),
        )
        # a run of the control may end at a saddle: a design more, for 96 minima
        for loss, alphas, designs in ((QUARTIC, _QUARTIC, 6), (CONTROL, _CONTROL, 7))
    },
    "paper": {
        loss: tuple(
            Size(n, alphas, designs, 16)
            for n, designs in ((128, 256), (256, 128), (512, 64), (1024, 32), (2048, 16), (4096, 8))
        )
        for loss, alphas in ((QUARTIC, _QUARTIC), (CONTROL, _CONTROL))
    },
}
"""For each loss: N, α, designs at each α, and runs on each."""


def points(scale: Scale, seed: int) -> list[BorderPoint]:
    """Return the designs of every loss, N and α of a scale, first designs first."""
    return [
        BorderPoint(
            n=size.n,
            alpha=alpha,
            seed=seed,
            index=index,
            runs=size.runs,
            loss=loss,
            in_numpy=in_numpy(scale),
        )
        for loss, sizes in SIZES[scale].items()
        for size in sizes
        for index in range(size.designs)
        for alpha in size.alphas
    ]


@dataclass(frozen=True)
class Border:
    """Curves and crossings of the minima of one loss.

    Parameters
    ----------
    loss
        Name of the loss.
    rows, transitions
        Results of `border_table` and of `gapless.analyse.border.transitions`.
    """

    loss: str
    rows: pd.DataFrame
    transitions: list[Transition]

    @property
    def best(self) -> Transition | None:
        """The joint fit of all sizes, or the crossing if there are two."""
        return self.transitions[-1] if self.transitions else None


def reduce(table: pd.DataFrame) -> list[Border]:
    """Return curves and crossings of each loss, the quartic first."""
    order = sorted(table.groupby("loss"), key=lambda pair: pair[0] != QUARTIC)
    return [
        Border(str(loss), border_table(records), transitions(minima_table(records)))
        for loss, records in order
    ]


@cache
def marginal_transition(loss: str) -> float:
    """Return α_BBP of the marginal 1RSB states, reading φ(γ̄) = ψ(γ̄); NaN without one.

    A loss of a user's whose code is not run has none.
    """
    known, found = recorded_loss(loss), None
    with suppress(ValueError, NotConverged):
        found = None if known is None else bbp_threshold(known).edge
    return np.nan if found is None else found


def picture(found: list[Border]) -> Picture:
    """Return, for each loss: P(s < 0) against α at every N, and the median of s below it."""
    above, below = [], []
    for border in found:
        rows = border.rows[border.rows.minima > 0]
        best, alpha = border.best, Axis("α = M/N")
        read = np.nan if best is None else best.alpha
        marginal = marginal_transition(border.loss)
        # words on the outer sides: the two places may be close
        outer = marginal < read
        marks = (
            Mark("x", marginal, "1RSB", dash="dot", side="left" if outer else "right"),
            Mark("x", read, "crossing", side="right" if outer else "left"),
        )
        shares, medians = [], []
        dotted: dict[str, Any] = dict(style="lines", dash="dot", legend="")
        for colour, (n, here) in enumerate(rows.groupby("n")):
            ends = here.low.to_numpy(), here.high.to_numpy()
            note = [f"{count} minima" for count in here.minima]
            given: dict[str, Any] = dict(colour=colour, note=note, legend=f"N = {n}")
            shares.append(Series(f"N = {n}", here.alpha, here.unstable, *ends, **given))
            medians.append(Series(f"N = {n}", here.alpha, here.median_s, **given))
            medians.append(
                Series(
                    *(f"φ(γ̄) − μ of the runs' labels, N = {n}", here.alpha, here.limit_s),
                    **dotted,
                    colour=colour,
                )
            )
        unstable = Axis("P(s < 0)", range=(-0.02, 1.02))
        title = f"{border.loss}: minima that a signal destabilises"
        above.append(Panel(title, alpha, unstable, shares, marks))
        title = "median of s; dotted: φ(γ̄) − μ of the runs' labels"
        zero = Mark("y", 0, dash="solid")
        below.append(
            Panel(title, alpha, Axis("curvature s toward a signal"), medians, (zero, *marks))
        )
    return Picture("Planted border at minima of shuffled runs; bars: 95 %", (above, below))


def _read(best: Transition | None) -> str:
    if best is None or np.isnan(best.alpha):
        return "curves of different N do not cross"
    sizes = ", ".join(str(n) for n in best.sizes)
    text = f"α = {best.alpha:.2f} ± {best.error:.2f} (N = {sizes}; P = {best.level:.2f} there)"
    return text if not best.dof else f"{text}; χ² = {best.chi2:.1f} for {best.dof}"


def claims(found: list[Border]) -> list[Claim]:
    """Return verdicts on the paper's α_BBP at the minima where descent ends."""
    quartic = [border for border in found if border.loss == QUARTIC]
    if not quartic:
        return []
    best, rows = quartic[0].best, quartic[0].rows
    part = NOT_MEASURED
    if best is not None and np.isfinite(best.error):
        ends = best.alpha - Z_95 * best.error, best.alpha + Z_95 * best.error
        part = verdict(
            near(PAPER_ALPHA_BBP), best.alpha, ends, Sample(max(best.sizes), int(rows.minima.sum()))
        )
    statement = (
        "The states at the threshold energy lose stability toward the signal at α_BBP = "
        f"{PAPER_ALPHA_BBP:g}"
    )
    ours = f"minima where descent ends: {_read(best)}; “at” is read as within {100 * CLOSE:g} %"
    return [judged(statement, ours, part)]


def tables(found: list[Border]) -> list[tuple[str, pd.DataFrame]]:
    """Return the curves, and the crossings with their errors."""
    crossings = pd.DataFrame(
        [
            {
                "loss": border.loss,
                "sizes": ", ".join(map(str, one.sizes)),
                **{name: getattr(one, name) for name in ("alpha", "error", "level", "chi2", "dof")},
            }
            for border in found
            for one in border.transitions
        ]
    )
    return [
        *((f"{border.loss}: minima by N and α", border.rows) for border in found),
        ("Crossings of the curves, and the joint fit", crossings),
    ]


EXPERIMENT = Experiment(
    name="border",
    title="Planted border: where minima lose stability toward a signal",
    version=2,
    points=points,
    reduce=reduce,
    picture=picture,
    claims=claims,
    tables=tables,
    caption=(
        "Probability that a signal opens a direction of descent at a minimum where a run with "
        "shuffled labels came to rest (above), and median of the curvature s toward it (below: "
        "negative where it does), against α, for each loss ({sizes}). The curves of all N cross "
        "where such minima lose stability toward a signal: this is α_BBP, measured without a "
        "theory of the minima (dotted line: 1RSB's)."
    ),
    source=THE_PAPER,
)
