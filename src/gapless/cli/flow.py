"""`gapless flow`: follow runs, and print observables and outcomes."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from gapless.cli.answer import print_json, print_text
from gapless.cli.loading import load_meanwhile
from gapless.cli.memory import check_memory
from gapless.cli.meter import meter
from gapless.cli.numbers import numbers
from gapless.cli.options import Json, PrintSize, SensingOption, Whole
from gapless.cli.own import (
    about,
    check_alone,
    check_drawn,
    check_states,
    own_problem,
    saved,
    sentence,
    start_file,
    states_in,
)
from gapless.cli.saved import STATES, check_writable, save_picture
from gapless.cli.tables import outcome_table
from gapless.page.panels import PLAIN


def flow(
    *,
    n: Whole | None = None,
    alpha: float | None = None,
    data: Path | None = None,
    labels: str = "teacher",
    sensing: SensingOption = "gaussian",
    field: str = "real",
    runs: Whole | None = None,
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
    save_state: Path | None = None,
    as_json: Json = False,
) -> None:
    """Follow gradient flow (Eq. 2) and print energy, overlap, μ and outcome of each run.

    Without the sphere ρ = |W|²/N is printed in place of μ.

    Outcomes: recovered (q > 1 − 1e-6), interpolated (zero energy elsewhere), trapped (at rest at
    positive energy, |∇L − μW|²/N < 1e-10 s², s = 1 for the quartic loss), time_out, not_finite.
    docs/conventions.md defines them.

    Example: gapless flow --n 512 --alpha 10 --labels shuffled --runs 8 --t-max 4 --seed 0

    Complex signals: gapless flow --n 128 --alpha 8 --field complex --runs 8 --seed 0

    Parameters
    ----------
    n
        Input dimension N.
    alpha
        Samples per dimension, α = M/N.
    data
        Instead of N and α: FILE.npz or .mat (-v7) with measurements of your own, in arrays X (M, N)
        and y2 (intensities y², (M,)) or y (amplitudes |y|), optionally teacher (N,), start (K, N)
        and norm (of the signal); FILE.parquet with a row for each sample (X a list of N numbers);
        or FOLDER/X.npy with y2.npy … beside it, X mapped into memory. X is float64 or
        float32, or complex with --field complex.
        X is divided by its row norm and the signal by its norm over √N, which is fitted where it is
        not given: energies, times, μ are those of the scaled problem; norm, energy_data and the
        arrays of --save-state are in the units of the data.
    labels
        teacher, shuffled (a permutation of a teacher's) or gaussian (fresh noise); with --data,
        teacher are its labels.
    field
        real or complex: signals, starts and sensing vectors of complex numbers (docs, Complex
        signals); --n is then the complex dimension N.
    runs
        Number of runs, each with its own teacher and start; K of them share sensing vectors. 1 by
        default, or as many as the file of --data or --start has.
    t_max
        Time budget in units of Eq. 2; 0.3 log2 N by default.
    seed
        The same seed gives the same numbers.
    loss
        quartic, amplitude, normalised:a=1, or module:name of your own (a function value(yhat, y)).
    start
        random, spectral (top eigenvector of Σ T(y) x xᵀ), overlap:0.3 with the teacher, or a file
        that --save-state wrote.
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
        Follow times of first passage to 0.03 % for nine runs in ten, saddles included, for three
        times the gradients during the descent.
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
    save_state
        File (.npz) for the states at the end: w (K, N), y_hat (K, M), energy, time.
    as_json
        Print one JSON object.
    """
    from gapless.losses import parse_loss
    from gapless.measure.checkpoint import Checkpoint, checkpoints_in
    from gapless.measure.design_point import check_runs

    check_runs(1 if runs is None else runs, runs_per_design)
    if plot is not None:
        check_writable(plot, "plot")
    if save_state is not None:
        check_writable(save_state, "save_state", STATES)
    file = start_file(start)
    states = None if file is None else states_in(file)
    kept = dict(seed=seed, labels=labels, loss=loss, protocol=protocol, t_max=t_max)
    kept |= dict(start="random" if file else start, accurate=accurate)
    if data is not None:
        drawn = dict(n=n, alpha=alpha, dtype=dtype, noise=noise or None)
        drawn |= dict(sensing=sensing != "gaussian", runs_per_design=runs_per_design)
        check_alone(labels, **drawn, no_sphere=not sphere)
        own = own_problem(data, parse_loss(loss), runs, seed, states, field=field)
        points, runs = [_own_point(own, save_at, kept)], own.problem.k
        origin = about(own, data)
    else:
        own, origin = None, {}
        check_drawn(n, alpha)
        drawn = dict(n=n, alpha=alpha, dtype=dtype, noise=noise, sensing=sensing)
        drawn |= dict(sphere=sphere, field=field)
        runs = runs or (1 if states is None else len(states.w))
        points = _drawn_points(runs, runs_per_design, states, save_at, kept | drawn)
    records, ends = [], []
    if plot is not None:
        load_meanwhile("gapless.page.image", "gapless.figures.trajectories")
    with meter("flow", len(points)) as progress, checkpoints_in(checkpoint):
        for here in points:
            found, state = _measured(here, progress.advance, keep=save_state is not None)
            records += found
            ends.append(state)
        for here in points:
            Checkpoint(here).discard()
    records = records[:runs]
    if as_json:
        print_json(_answer(points[0], records, str(file or points[0].start)) | origin)
    else:
        # on the sphere ρ is 1, and off it μ is 0
        units = () if own is None else ("norm", "misfit")
        shown = ("energy", "overlap", "mu" if sphere else "rho", *units, "stopped_at", "gradients")
        text = outcome_table(records, shown)
        print_text(text + ("" if own is None else sentence(own)))
    # files last: a full disk costs no number
    if save_state is not None:
        saved(save_state, ends, runs)
    if plot is not None:
        from gapless.figures.trajectories import picture

        save_picture(plot, size, picture, records, field)


def _own_point(own, save_at: str | None, kept: dict):
    """Return the point of runs on measurements."""
    from gapless.measure.own import OwnSimulation

    point = OwnSimulation.of(own, **kept)
    return point.model_copy(update={"save_at": _save_times(save_at, point.budget)})


def _drawn_points(runs: int, k: int | None, states, save_at: str | None, parameters: dict) -> list:
    """Return the points of runs on drawn problems, from random or given states."""
    from gapless.flow import numpy_is_sooner
    from gapless.losses import parse_loss
    from gapless.measure.design_point import points_of_few
    from gapless.measure.own import ContinuedSimulation
    from gapless.measure.simulation import Simulation

    parameters = parameters | {"runs": k}
    if states is None:
        point = Simulation.model_validate(parameters)
    else:
        point = ContinuedSimulation.of(states.w, runs, parameters)
        check_states(states, runs, point.design.dimension, k)
    times = _save_times(save_at, point.budget)
    points = points_of_few(point.model_copy(update={"save_at": times}), runs)
    point = points[0]
    check_memory(point.bytes)
    gradients = point.gradients * len(points)
    in_numpy = numpy_is_sooner(
        parse_loss(point.loss), point.precision, point.design.k, point.design.m, gradients
    )
    return [here.model_copy(update={"in_numpy": in_numpy}) for here in points]


def _measured(point, on_share, *, keep: bool):
    """Return the records of a point and, with `keep`, the states at its end."""
    from gapless.measure.own import OwnSimulation, SavedState

    if isinstance(point, OwnSimulation):
        own, run = point.fitted(on_share)
        table, end = point.own_records(own, run), run.state.w
        state = (own.signal(end), own.labels(end)) if keep else None
    else:
        problem, run = point.followed(on_share)
        table, end = point.records(problem, run), run.state.w
        state = (np.asarray(end), np.asarray(problem.student_labels(end))) if keep else None
    kept = None if state is None else SavedState(*state, run.end.energy, run.stopped_at)
    return table.to_pylist(), kept


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


def _answer(point, records, start: str) -> dict:
    own = "norm" in records[0]
    units = ("norm", "misfit", "energy_data") if own else ()
    # measurements have a teacher or none; a drawn run has one unless its labels are noise
    has_teacher = records[0]["overlap_start"] is not None if own else point.labels != "gaussian"
    return {
        "n": point.n,
        "m": point.design.m,
        "alpha": point.alpha,
        "labels": point.labels,
        "sensing": point.sensing,
        "field": point.field,
        "loss": point.loss,
        "start": start,
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
            for name in ("outcome", "stopped_at", "steps", "gradients", "design", "run", *units)
        },
    }
