"""BBP along the run: what the Hessian's lowest eigenvector knows of the signal, in three regimes.

For a loss of bounded curvature the transition exists at a random start (α_start) and at the 1RSB
threshold states (α_1RSB). Below the first the Hessian never knows the signal; between the two it
does at first and forgets on the way down; above the second it still knows it when the run gets
to the threshold, and the run escapes. T. Bonnaire, G. Biroli and C. Cammarota, "The role of the
time-dependent Hessian in high-dimensional optimization", arXiv 2403.02418, ask this question.

Runs set out at overlap 0 exactly, as they do when N → ∞. Theory's edge and outlier come from the
run's own labels and hold while the overlap vanishes (docs/derivations/limits.md §4): where the
mean overlap exceeds 0.1 the picture is greyed.
"""

from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.figure import Figure

from gapless.algorithms.starts import warm_states
from gapless.experiments import drawing
from gapless.experiments._crossing import CrossingPoint
from gapless.experiments._experiment import Claim, Cost, Experiment, Row, Scale
from gapless.experiments._spectra import spectral_rows
from gapless.experiments.panels import TWO_ERRORS, Panel, Series
from gapless.experiments.simulation import design_columns
from gapless.flow import Outcome, integrate
from gapless.losses import normalised, parse_loss
from gapless.problem import draw_problem
from gapless.theory import bbp_at_random_start, bbp_threshold

LOSS = normalised(1.0)
ALPHAS = (0.8, 3.5, 10.0)
"""One in each regime: for this loss α_start = 1.135 and α_1RSB = 7.094."""
REGIMES = ("no information", "information early, then lost", "escape")
HORIZON = 6.0
SIZES: dict[Scale, tuple[int, int, int, int]] = {
    "smoke": (160, 1, 8, 12),
    "desk": (1024, 4, 8, 25),
    "paper": (4096, 8, 8, 41),
}
"""N, designs, runs on each, frames."""
GREY = 0.1
"""Above this overlap of the state theory's outlier is not to be trusted."""

_FRAMES = {
    "energy_t": "energy",
    "mu_t": "mu",
    "overlap_t": "overlap",
    "hessian_edge_t": "hessian_edge",
    "hessian_outlier_t": "hessian_outlier",
    "outlier_overlap_t": "outlier_overlap",
}
_FIRST = {
    "eigenvalue_1_t": "eigenvalues",
    "vector_overlap_1_t": "vector_overlap",
    "top_sample_share_1_t": "top_sample_share",
}
SCHEMA = pa.schema(
    {name: pa.int64() for name in ("n", "m")}
    | {"alpha": pa.float64()}
    | {name: pa.int64() for name in ("seed", "design", "runs", "run")}
    | {name: pa.string() for name in ("loss", "outcome", "reason")}
    | {name: pa.list_(pa.float64()) for name in ("t", *_FRAMES, *_FIRST)}
)
"""Columns of a run: the point's parameters, and lists over frames.

State: energy, μ, overlap. Hessian (Eq. 4, after −μ): λ₁, its vector's overlap with the signal and
largest share on one sample. Theory from the run's own labels: bulk edge, outlier, its overlap
(NaN without an outlier).
"""


class FramesPoint(CrossingPoint):
    """Parameters of K runs on one design, and how many frames are looked at."""

    frames: int = 25


def points(scale: Scale, seed: int) -> list[FramesPoint]:
    """Return the designs of every α of a scale."""
    n, designs, runs, frames = SIZES[scale]
    common: dict[str, Any] = dict(n=n, seed=seed, runs=runs, loss=LOSS.name, frames=frames)
    return [
        FramesPoint(alpha=alpha, index=index, **common)
        for alpha in ALPHAS
        for index in range(designs)
    ]


def measure(point: FramesPoint) -> list[Row]:
    """Return the rows of `SCHEMA`, one a run."""
    design = point.design
    problem = draw_problem(design, "teacher", parse_loss(point.loss))
    start = warm_states(design.teacher(), design.start(), 0.0)
    # early times matter most: 0, and then growing by a factor
    times = [0.0, *np.geomspace(0.02, HORIZON, point.frames - 1).tolist()]
    key = design.key("lanczos")
    frames = integrate(
        problem,
        start,
        times[-1],
        save_at=times,
        observe=lambda _, state: spectral_rows(problem, state, "teacher", key=key, lowest=1),
    ).observed
    return [
        {
            **design_columns(design, run),
            "loss": point.loss,
            "outcome": "followed",
            "t": times,
            **{
                name: [_or_nan(frame[run][source]) for frame in frames]
                for name, source in _FRAMES.items()
            },
            **{
                name: [_or_nan(frame[run][source][0]) for frame in frames]
                for name, source in _FIRST.items()
            },
        }
        for run in range(design.k)
    ]


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def failed_rows(point: FramesPoint, reason: str) -> list[Row]:
    """Return the rows of runs that could not be computed."""
    return [
        design_columns(point.design, run)
        | {"loss": point.loss, "outcome": str(Outcome.failed), "reason": reason}
        for run in range(point.design.k)
    ]


def cost(point: FramesPoint) -> Cost:
    """Return what a point is expected to take: its flow, and an eigenpair a run and frame."""
    design = point.design
    size = 4.0 * design.k * design.m * design.n
    dense = point.frames * design.k * (design.m + 3 * design.n) * float(design.n) ** 2
    return Cost(size * 600 + dense, 4.0 * (2 * design.m * design.n + 40 * design.k * design.m))


@cache
def transitions() -> tuple[float, float]:
    """Return α_BBP at a random start and at the 1RSB threshold states, for `LOSS`."""
    late = bbp_threshold(LOSS).edge
    assert late is not None
    return bbp_at_random_start(LOSS).alpha, late


def series(group: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard error over runs of a column of lists; NaN is left out."""
    values = np.ma.masked_invalid(np.stack(group[name].to_list()).astype(float))
    count = np.maximum(values.count(axis=0), 1)
    mean, spread = values.mean(axis=0), values.std(axis=0)
    return np.ma.filled(mean, np.nan), np.ma.filled(spread / np.sqrt(count), np.nan)


def _followed(table: pd.DataFrame) -> pd.DataFrame:
    return table[table.outcome == "followed"]


def draw(table: pd.DataFrame) -> Figure:
    """Draw, for each α: above, how far λ₁ lies below the bulk edge; below, overlaps of v₁."""
    early, late = transitions()
    with mpl.rc_context(drawing.STYLE):
        figure = Figure(figsize=(10.5, 5.4), layout="constrained")
        axes = figure.subplots(2, len(ALPHAS), sharex=True, squeeze=False)
    for column, (_, group) in enumerate(_followed(table).groupby("alpha")):
        alpha = float(group.alpha.iloc[0])
        upper, lower = axes[:, column]
        t = np.array(group.t.iloc[0])
        _draw_gap(upper, t, group)
        _draw_overlaps(lower, t, group)
        unsure = t[series(group, "overlap_t")[0] > GREY]
        for panel in (upper, lower):
            panel.set_xscale("symlog", linthresh=0.05)
            panel.set_xticks([0, 0.1, 1], ["0", "0.1", "1"])
            if unsure.size:
                panel.axvspan(unsure[0], t[-1], color="0.5", alpha=0.15, lw=0)
        regime = REGIMES[int(alpha > early) + int(alpha > late)]
        upper.set_title(rf"$\alpha$ = {alpha:g}: {regime}", fontsize=10)
        lower.set(xlabel="time $t$", ylim=(0, 1.02))
    axes[0, 0].set_ylabel(r"bulk edge $-\ \lambda_1$")
    axes[1, 0].set_ylabel("overlap with the signal")
    axes[0, 1].legend(loc="lower left")
    axes[1, 0].legend(loc="upper right")
    figure.suptitle(
        rf"$\ell=(\hat y^2-y^2)^2/(1+y^2)$, N = {table.n.max()}: $\alpha_{{BBP}}$ = {early:.3f} "
        rf"at a random start, {late:.3f} at the 1RSB threshold; grey: state's q above {GREY:g}",
        fontsize=9.5,
    )
    return figure


def _draw_gap(axis: Any, t: np.ndarray, group: pd.DataFrame) -> None:
    gaps = group.assign(
        measured=[
            np.subtract(edge, value)
            for edge, value in zip(group.hessian_edge_t, group.eigenvalue_1_t, strict=True)
        ],
        # where no outlier is predicted, the lowest eigenvalue is the edge
        predicted=[
            np.nan_to_num(np.subtract(edge, value))
            for edge, value in zip(group.hessian_edge_t, group.hessian_outlier_t, strict=True)
        ],
    )
    mean, error = series(gaps, "measured")
    axis.errorbar(t, mean, error, color=drawing.colour(0), marker="o", ms=3, lw=0, elinewidth=1)
    axis.lines[-1].set_label(r"$\lambda_1$, runs")
    axis.plot(t, series(gaps, "predicted")[0], color=drawing.colour(1), label="outlier, theory")
    axis.set_yscale("symlog", linthresh=0.1)


def _draw_overlaps(axis: Any, t: np.ndarray, group: pd.DataFrame) -> None:
    mean, error = series(group, "vector_overlap_1_t")
    axis.errorbar(t, mean, error, color=drawing.colour(0), marker="o", ms=3, lw=0, elinewidth=1)
    axis.lines[-1].set_label(r"$v_1$, runs")
    known = group.assign(known=[np.nan_to_num(values) for values in group.outlier_overlap_t])
    axis.plot(t, series(known, "known")[0], color=drawing.colour(1), label="$v_1$, theory")
    state = series(group, "overlap_t")[0]
    axis.plot(t, state, color=drawing.colour(2), ls="--", label="state $q$")
    # a vector that knows nothing
    axis.axhline((2 / np.pi / group.n.iloc[0]) ** 0.5, color="black", lw=0.7, ls=":")


def panels(table: pd.DataFrame) -> list[Panel]:
    """Return overlaps of v₁ and of the state along time, for each α, with ±2 standard errors."""
    found = []
    for _, group in _followed(table).groupby("alpha"):
        t = np.array(group.t.iloc[0])
        known = group.assign(known=[np.nan_to_num(values) for values in group.outlier_overlap_t])
        mean, error = series(group, "vector_overlap_1_t")
        curves = [
            Series("v₁, runs", t, mean, mean - 2 * error, mean + 2 * error, TWO_ERRORS, "markers"),
            Series("v₁, theory", t, series(known, "known")[0], style="lines", colour=1),
            Series(
                "state q", t, series(group, "overlap_t")[0], style="lines", colour=2, dash="dash"
            ),
        ]
        title = f"α = {float(group.alpha.iloc[0]):g}"
        found.append(Panel(title, "time t", "overlap with the signal", curves, y_range=(0.0, 1.02)))
    return found


def claims(table: pd.DataFrame) -> list[Claim]:
    """Judge the three regimes."""
    early, late = transitions()
    found = []
    for _, group in _followed(table).groupby("alpha"):
        alpha = float(group.alpha.iloc[0])
        start = np.mean([np.isfinite(values[0]) for values in group.hessian_outlier_t])
        overlap = np.array([values[0] for values in group.vector_overlap_1_t])
        calm = np.stack(group.overlap_t.to_list()) < GREY
        outliers = np.isfinite(np.stack(group.hessian_outlier_t.to_list()).astype(float))
        last = [values[row][-1] for values, row in zip(outliers, calm, strict=True) if row.any()]
        kept = float(np.mean(last)) if last else float("nan")
        if alpha < early:
            statement, good = (
                "Below α_BBP of the start the Hessian never knows the signal",
                start < 0.5,
            )
        elif alpha < late:
            statement = "Between the two transitions it knows it at the start and loses it"
            good = start > 0.5 > kept
        else:
            statement = "Above α_BBP of the threshold it still knows it when the run escapes"
            good = start > 0.5 and kept > 0.5
        found.append(
            Claim(
                statement,
                f"α = {alpha:g}: outlier in {start:.0%} of runs at the start (overlap of v₁ "
                f"{overlap.mean():.2f}), in {kept:.0%} at the last frame with q < {GREY:g}",
                # the question ends for a run that finds the signal before it loses the outlier
                "agrees" if good else "cannot tell" if not calm[:, -1].any() else "differs",
            )
        )
    return found


EXPERIMENT = Experiment(
    name="bbp",
    title="BBP along the run: three regimes of α for a loss of bounded curvature",
    version=1,
    schema=SCHEMA,
    points=points,
    measure=measure,
    failed=failed_rows,
    cost=cost,
    draw=draw,
    claims=claims,
    panels=panels,
)
