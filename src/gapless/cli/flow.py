"""`gapless flow`: follow runs, and print observables and outcomes."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

from gapless.cli.shared import (
    Json,
    PrintSize,
    Whole,
    check_memory,
    check_writable,
    meter,
    numbers,
    outcome_table,
    print_json,
    save_picture,
)
from gapless.page.panels import PLAIN


def flow(
    *,
    n: Whole,
    alpha: float,
    labels: str = "teacher",
    sensing: str = "gaussian",
    runs: Whole = 1,
    t_max: float | None = None,
    seed: Whole = 0,
    loss: str = "quartic",
    start: str = "random",
    noise: float = 0.0,
    protocol: str = "flow",
    sphere: bool = True,
    dtype: str | None = None,
    accurate: bool = False,
    save_at: str | None = None,
    runs_per_design: Whole | None = None,
    plot: Path | None = None,
    size: PrintSize = PLAIN,
    checkpoint: Path | None = None,
    as_json: Json = False,
) -> None:
    """Follow gradient flow (Eq. 2) and print energy, overlap, μ and outcome of each run.

    Without the sphere ρ = |W|²/N is printed in place of μ.

    Outcomes: recovered (q > 1 − 1e-6), interpolated (zero energy elsewhere), trapped (at rest at
    positive energy, |∇L − μW|²/N < 1e-10), time_out, not_finite. docs/conventions.md defines them.

    Example: gapless flow --n 512 --alpha 10 --labels shuffled --runs 8 --t-max 4 --seed 0

    Parameters
    ----------
    n
        Input dimension N.
    alpha
        Samples per dimension, α = M/N.
    labels
        teacher, shuffled (a permutation of a teacher's) or gaussian (fresh noise).
    sensing
        Ensemble of X: gaussian, signs (±1/√N entries), unit-norm (rows), fast (singular values of a
        Gaussian X, products by transforms: N may be a million), orthogonal (fast, equal ones).
    runs
        Number of runs, each with its own teacher and start; K of them share sensing vectors.
    t_max
        Time budget in units of Eq. 2; 0.3 log2 N by default.
    seed
        The same seed gives the same numbers.
    loss
        quartic, amplitude, normalised:a=1, or module:name of your own (a function value(yhat, y)).
    start
        random, spectral (top eigenvector of Σ T(y) x xᵀ), or overlap:0.3 with the teacher.
    noise
        Variance of noise added to each label.
    protocol
        flow (step control), paper (gradient descent at rate 2e-4 for 1500 log2 N steps),
        heavy-ball:rate=2e-4,momentum=0.9 (time is steps × rate/(1 − momentum)), or
        normalised-descent:rate=1e-3 (steps of this length times √N; time is the length of the path
        in √N, 10 by default).
    sphere
        Keep W on the sphere of radius √N, as Eq. 2 does. With --no-sphere the flow is Ẇ = −∇L: no μ
        and no division, and the norm of W is free.
    dtype
        float32, float64 or float16 (X in half the memory, everything else in float32); by default
        float32 for the flow and float64 for fixed steps.
    accurate
        Follow e(t) to 0.1 %, also past saddles, for three times the gradients during the descent.
    save_at
        Times to record, such as 0.1,0.5,1; by default 0 and 63 geometrically spaced times.
    runs_per_design
        K, the number of runs on one sensing matrix; by default all, up to 64 (fewer for N > 2048).
        Numbers at another K agree to rounding and to the tolerance of the steps.
    plot
        File (.png, .pdf, .svg) for a picture of energy and overlap against time, with the 1RSB
        threshold energy; without the sphere of ρ, too.
    checkpoint
        Folder of a checkpoint of each design, written once a minute; the same command resumes from
        it.
    as_json
        Print one JSON object.
    """
    from gapless.flow import numpy_is_sooner
    from gapless.losses import parse_loss
    from gapless.measure.checkpoint import Checkpoint, checkpoints_in
    from gapless.measure.design_point import check_runs, points_of_few
    from gapless.measure.simulation import Simulation

    check_runs(runs, runs_per_design)
    if plot is not None:
        check_writable(plot, "plot")
    point = Simulation.model_validate(
        dict(n=n, alpha=alpha, seed=seed, runs=runs_per_design, labels=labels, loss=loss)
        | dict(protocol=protocol, dtype=dtype, t_max=t_max, start=start, noise=noise)
        | dict(accurate=accurate, sensing=sensing, sphere=sphere)
    )
    times = _save_times(save_at, point.budget)
    points = points_of_few(point.model_copy(update={"save_at": times}), runs)
    point = points[0]
    check_memory(point.bytes)
    gradients = point.gradients * len(points)
    in_numpy = numpy_is_sooner(
        parse_loss(point.loss), point.precision, point.design.k, point.design.m, gradients
    )
    points = [here.model_copy(update={"in_numpy": in_numpy}) for here in points]
    records = []
    with meter("flow", len(points)) as progress, checkpoints_in(checkpoint):
        for here in points:
            records += here.measure(progress.advance).to_pylist()
        for here in points:
            Checkpoint(here).discard()
    records = records[:runs]
    if plot is not None:
        from gapless.figures.trajectories import picture

        save_picture(plot, size, picture, records)
    if as_json:
        print_json(_answer(point, records))
    else:
        # on the sphere ρ is 1, and off it μ is 0
        free = "mu" if point.sphere else "rho"
        shown = ("energy", "overlap", free, "stopped_at", "gradients")
        sys.stdout.write(outcome_table(records, shown))


def _save_times(text: str | None, budget: float) -> tuple[float, ...]:
    if text is None:
        return (0.0, *np.geomspace(1e-3 * budget, budget, 63).tolist())
    times = numbers(text, "save_at")
    if times[0] < 0 or times[-1] > budget or any(b <= a for a, b in pairwise(times)):
        raise ValueError(
            f"save_at: times must increase from 0 to at most the time budget {budget:g}; "
            "reorder them or raise --t-max"
        )
    return tuple(times)


def _answer(point, records) -> dict:
    has_teacher = point.labels != "gaussian"
    return {
        "n": point.n,
        "m": point.design.m,
        "alpha": point.alpha,
        "labels": point.labels,
        "sensing": point.sensing,
        "loss": point.loss,
        "start": point.start,
        "noise": point.noise,
        "protocol": point.protocol,
        "sphere": point.sphere,
        "dtype": point.precision,
        "accurate": point.accurate,
        "seed": point.seed,
        "runs_per_design": point.design.k,
        "t_max": point.budget,
        "t": records[0]["t"],
        "energy": [record["energy_t"] for record in records],
        "overlap": [[abs(m) for m in record["overlap_t"]] for record in records]
        if has_teacher
        else None,
        "signed_overlap": [record["overlap_t"] for record in records] if has_teacher else None,
        "mu": [record["mu_t"] for record in records],
        "rho": [record["rho_t"] for record in records],
        **{
            name: [record[name] for record in records]
            for name in ("outcome", "stopped_at", "steps", "gradients", "design", "run")
        },
    }
