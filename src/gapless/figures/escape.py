"""Figure 5 from the dynamics at N = ∞, without a parameter, beside runs at finite N.

A run starts from the overlap m₀ = z/√N with z ~ N(0, 1). At N = ∞ it comes to e = 1e-4 after a
time t(m₀; α), so within a time T the share

    P(|z| > z*) = erfc(z*/√2),   t(z*/√N; α) = T

of runs reaches this energy. N enters through the start and the budget T = 0.3 log₂ N only. The
level is 1e-4 on both sides, because the time of the last decades depends on N, through the
Hessian's lowest eigenvalue.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import erfc

from gapless.analyse.statistics import Z_95, computed, weighted_line
from gapless.analyse.success import success_table
from gapless.analyse.transition import crossing_alpha, crossing_table
from gapless.analyse.verdict import NOT_MEASURED, Claim, Sample, Statement, judged, verdict
from gapless.figures.experiment import Experiment, Scale, in_numpy
from gapless.flow import paper_budget
from gapless.measure.design_point import sweep_points
from gapless.measure.mean_field import PATH_SET, MeanField
from gapless.measure.simulation import Simulation
from gapless.page.panels import TWO_ERRORS, Axis, Panel, Picture, Series

LEVEL, NAME = 1e-4, "1e-4"
PASSAGE = f"t_{NAME}"
"""Column of the runs' first passages of `LEVEL`."""


@dataclass(frozen=True)
class StartsAndRuns:
    """Starts at N = ∞ and runs at each N, for each α."""

    alphas: tuple[float, ...]
    starts: int
    sets: int
    paths: int
    runs: tuple[tuple[int, int], ...]
    """Pairs of N and the number of runs."""
    runs_per_design: int | None = None


SIZES: dict[Scale, StartsAndRuns] = {
    "smoke": StartsAndRuns((4.5, 6.0, 8.0), 6, 3, 4096, ((64, 128), (128, 128)), 32),
    "desk": StartsAndRuns(
        (5.0, 5.5, 6.0, 6.5, 7.0, 7.5, 8.0, 9.0),
        16,
        4,
        65536,
        ((64, 8192), (128, 8192), (256, 4096), (512, 2048), (1024, 1024)),
    ),
    "paper": StartsAndRuns(
        (5.0, 5.5, 6.0, 6.5, 7.0, 7.5, 8.0, 8.5, 9.0, 10.0),
        24,
        8,
        131072,
        ((64, 100_000), (128, 50_000), (256, 20_000), (512, 5000), (1024, 2048), (2048, 1024)),
    ),
}
SAME_DRIFT = 0.1
"""Reading of "is": the shifts of α at 50 % in a doubling of N agree within 0.1."""
LARGEST = 0.6
"""Largest overlap of a start at N = ∞. The smallest is 1/√P, below which the sampling of P paths
is a larger overlap than the start; they are spaced by a factor."""


def points(scale: Scale, seed: int) -> list[MeanField | Simulation]:
    """Return starts at N = ∞ for each α and set of paths, and the designs of every N."""
    size = SIZES[scale]
    longest = paper_budget(max(n for n, _ in size.runs))
    starts = [
        MeanField(
            alpha=alpha,
            t_max=1.02 * longest,
            step=None,
            paths=size.paths,
            seed=seed,
            path_set=path_set,
            labels="teacher",
            overlap=float(start),
        )
        for alpha in size.alphas
        for path_set in range(size.sets)
        for start in np.geomspace(size.paths**-0.5, LARGEST, size.starts)
    ]
    runs = [
        point
        for n, count in size.runs
        for point in sweep_points(
            Simulation(
                n=n,
                alpha=1.0,
                seed=seed,
                runs=size.runs_per_design,
                in_numpy=in_numpy(scale),
            ),
            size.alphas,
            count,
        )
    ]
    return [*starts, *runs]


def passage_time(t: np.ndarray, energy: np.ndarray, level: float = LEVEL) -> float:
    """Return the time of first passage of a level, by interpolation in log e; NaN without one."""
    below = np.flatnonzero(energy <= level)
    if not below.size:
        return np.nan
    k = int(below[0])
    if k == 0:
        return float(t[0])
    logs = np.log(np.maximum(energy[k - 1 : k + 1], 1e-12))
    return float(np.interp(-np.log(level), -logs, t[k - 1 : k + 1]))


def share_in_time(starts: np.ndarray, times: np.ndarray, n: float, budget: float) -> float:
    """Return the share erfc(z*/√2) of runs at N that reach `LEVEL` within a time.

    Parameters
    ----------
    starts, times : shape (S,)
        Overlaps m₀ in increasing order and t(m₀), NaN where the level was not reached. ln m₀ is
        interpolated in t; where the next smaller start does not reach the level, half-way to it is
        taken.
    n, budget
        N and the time T.

    Returns
    -------
    The share; 0 if no start reaches the level in time, NaN if all of them do, since z* then lies
    below the smallest start.
    """
    in_time = np.flatnonzero(times <= budget)
    if in_time.size == 0:
        return 0.0
    first = int(in_time[0])
    if first == 0:
        return np.nan
    logs = np.log(starts)
    start = (logs[first - 1] + logs[first]) / 2
    if np.isfinite(times[first - 1]):
        start = np.interp(-budget, [-times[first - 1], -times[first]], logs[first - 1 : first + 1])
    return float(erfc(np.exp(start) * n**0.5 / 2**0.5))


@dataclass(frozen=True)
class Escapes:
    """Times at N = ∞ and their predictions, with those of runs.

    Parameters
    ----------
    passages, shares, halves
        Results of `passage_table`, `share_table` and `half_table`.
    """

    passages: pd.DataFrame
    shares: pd.DataFrame
    halves: pd.DataFrame


def reduce(table: pd.DataFrame) -> Escapes:
    """Return times at N = ∞, and shares and α at 50 %, predicted and of the runs."""
    passages, runs = passage_table(table), table[table.paths.isna()]
    runs = computed(runs)
    if passages.empty or runs.empty:
        return Escapes(passages, pd.DataFrame(), pd.DataFrame())
    return Escapes(passages, share_table(passages, runs), half_table(passages, runs))


def passage_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return t(m₀; α) at N = ∞: columns alpha, path_set, start, time."""
    sets = table[table.paths.notna() & (table.outcome == "followed")]
    rows = [
        {
            "alpha": row["alpha"],
            "path_set": int(row[PATH_SET]),
            "start": row["overlap_start"],
            "time": passage_time(np.array(row["t"]), np.array(row["energy_t"])),
        }
        for row in sets.to_dict("records")
    ]
    columns = pd.Index(["alpha", "path_set", "start", "time"])
    return pd.DataFrame(rows, columns=columns).sort_values(["alpha", "path_set", "start"])


def _predicted(passages: pd.DataFrame, n: int, budget: float) -> pd.DataFrame:
    """Return the share of each set of paths (row) at each α (column)."""
    found = {
        key: share_in_time(one.start.to_numpy(), one.time.to_numpy(), n, budget)
        for key, one in passages.groupby(["path_set", "alpha"])
    }
    return pd.Series(found).unstack()


def share_table(passages: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return, for each N and α, the share at N = ∞ with its error and that of the runs."""
    found = success_table(runs, tolerance=LEVEL).to_dict("records")
    measured = {(int(row["n"]), float(row["alpha"])): row for row in found}
    rows = []
    for n in sorted(int(n) for n in runs.n.unique()):
        for alpha, shares in _predicted(passages, n, paper_budget(n)).items():
            run, count = measured.get((n, float(str(alpha)))), len(shares)
            if run is None:
                continue
            rows.append(
                {
                    "n": n,
                    "alpha": alpha,
                    "predicted": shares.mean(skipna=False),
                    "predicted_error": shares.std(ddof=1) / count**0.5 if count > 1 else np.nan,
                    **{name: run[name] for name in ("fraction", "low", "high", "runs")},
                }
            )
    return pd.DataFrame(rows)


def half_table(passages: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return α at 50 % at N = ∞ and of the runs, for each share of the budget and N."""
    measured = crossing_table(runs, PASSAGE)
    rows = []
    for row in measured[measured.level == 0.5].sort_values(["budget", "n"]).to_dict("records"):
        n = int(row["n"])
        shares = _predicted(passages, n, row["budget"] * paper_budget(n))
        halves = np.array([_half(one) for _, one in shares.iterrows()])
        count = len(halves)
        rows.append(
            {
                "budget": row["budget"],
                "n": n,
                "predicted": halves.mean(),
                "predicted_error": halves.std(ddof=1) / count**0.5 if count > 1 else np.nan,
                "runs": row["alpha"],
                "runs_error": row["error"],
            }
        )
    return pd.DataFrame(rows)


def _half(shares: pd.Series) -> float:
    """Return α at which a curve of shares rises through one half; NaN where it does not."""
    inside = shares[(shares > 0) & (shares < 1)]
    if len(inside) < 2:
        return np.nan
    alpha, share = inside.index.to_numpy(float), inside.to_numpy(float)
    return float(crossing_alpha(alpha, share[None], 0.5)[0])


def claims(reduced: Escapes) -> list[Claim]:
    """Return the verdict on whether the start explains the drift of Figure 5 with N."""
    statement = (
        "The curves of Figure 5 move with N as starts of an overlap of order 1/√N alone move them"
    )
    halves = reduced.halves
    known = halves[halves.budget == 1.0].dropna() if len(halves) else halves
    n = known.n.to_numpy(float) if len(known) else np.zeros(0)
    if len(n) < 2 or not (known[["predicted_error", "runs_error"]] > 0).all(axis=None):
        ours = "too few sizes whose curves cross 50 % with an error, at N = ∞ and of the runs"
        return [judged(statement, ours, NOT_MEASURED)]
    drifts = {
        name: weighted_line(np.log2(n), known[name].to_numpy(), known[f"{name}_error"].to_numpy())
        for name in ("predicted", "runs")
    }
    (predicted, error), (runs, runs_error) = (
        (line.parameters[1], Z_95 * line.errors[1]) for line in drifts.values()
    )
    gap, half = predicted - runs, float(np.hypot(error, runs_error))
    return [
        judged(
            statement,
            f"N = {n.min():g} to {n.max():g}, level e = {NAME}: α at 50 % moves by "
            f"{predicted:.2f} ± {error:.2f} a doubling of N at N = ∞ and by {runs:.2f} ± "
            f"{runs_error:.2f} in the runs (95 %), a difference of {gap:+.2f} ± {half:.2f}; “as” "
            "is "
            f"read as within {SAME_DRIFT:g}",
            verdict(
                Statement(low=-SAME_DRIFT, high=SAME_DRIFT),
                gap,
                (gap - half, gap + half),
                Sample(float(n.max()), int(reduced.shares.runs.sum())),
            ),
        )
    ]


def picture(reduced: Escapes) -> Picture:
    """Return shares at N = ∞ with two standard errors, and those of runs with 95 % intervals."""
    shares = reduced.shares
    title = f"fraction of the runs at e ≤ {NAME} by t = 0.3 log₂ N; left: nothing is fitted"
    if shares.empty:
        return Picture(title, ())
    predicted, measured = [], []
    for colour, (n, curve) in enumerate(shares.groupby("n")):
        half = 2 * curve.predicted_error
        low, high = curve.predicted - half, curve.predicted + half
        name = f"N = {n}"
        line = (f"{name}, N = ∞", curve.alpha, curve.predicted, low, high, TWO_ERRORS)
        predicted.append(Series(*line, style="lines", colour=colour, legend=name, band=True))
        ends = curve.low, curve.high
        note = [f"{count} runs" for count in curve.runs]
        line = (f"{name}, runs", curve.alpha, curve.fraction, *ends)
        measured.append(Series(*line, colour=colour, legend=name, note=note, width=1.0))
    axes = Axis("α = M/N"), Axis("fraction of the runs", range=(-0.02, 1.02))
    return Picture(
        title,
        (
            (
                Panel("Flow at N = ∞ from m₀ = z/√N", *axes, predicted),
                Panel("Runs", *axes, measured),
            ),
        ),
    )


def tables(reduced: Escapes) -> list[tuple[str, pd.DataFrame]]:
    """Return shares, α at 50 % for three budgets, and the times from each start."""
    return [
        ("α at 50 %, by share of the time budget", reduced.halves),
        (f"Shares of runs at e ≤ {NAME} within the budget", reduced.shares),
        (f"Time to e = {NAME} at N = ∞, by start", reduced.passages),
    ]


READS = (
    *("n", "m", "alpha", "seed", "design", "run", "outcome", "t_max", "steps", "gradients"),
    *("overlap", PASSAGE, PATH_SET, "paths", "overlap_start", "t", "energy_t"),
)
"""Columns that `reduce` reads."""

EXPERIMENT = Experiment(
    name="escape",
    title="Figure 5 from the dynamics at N = ∞, without a parameter",
    version=1,
    points=points,
    reduce=reduce,
    picture=picture,
    claims=claims,
    tables=tables,
    reads=READS,
    caption=(
        "Fraction of the runs whose energy falls to e = 1e-4 by t = 0.3 log₂ N, against α, the "
        "number of samples for each unknown ({sizes}): on the left by the dynamics at N = ∞, "
        "started at the overlaps of order 1/√N that random starts have, with no parameter "
        "fitted; on the right measured on runs. Where both sides agree, N matters through the "
        "overlap of the start and the time budget alone."
    ),
)
