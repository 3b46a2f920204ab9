"""`gapless spectrum`: the lowest eigenpairs of the Hessian, and theory's edge and outlier."""

from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from gapless.cli.answer import print_json, print_text
from gapless.cli.memory import check_memory
from gapless.cli.meter import meter
from gapless.cli.options import Json, PrintSize, SensingOption, Whole
from gapless.cli.own import (
    about,
    check_alone,
    check_drawn,
    check_states,
    own_problem,
    saved,
    sentence,
    states_in,
)
from gapless.cli.saved import STATES, check_writable, save_picture
from gapless.cli.tables import table_text
from gapless.inputs import number
from gapless.page.panels import PLAIN

RUNS = 8
"""Number of runs by default."""
DENSITIES = ("bin_edges", "density", "grid", "density_theory")
"""Columns of the picture alone: the answer is the same whether or not there is one."""


def spectrum(
    *,
    n: Whole | None = None,
    alpha: float | None = None,
    data: Path | None = None,
    at: str = "threshold",
    labels: str = "teacher",
    start: Path | None = None,
    sensing: SensingOption = "gaussian",
    field: str = "real",
    runs: Whole | None = None,
    seed: Whole = 0,
    loss: str = "quartic",
    lowest: Whole = 3,
    threshold_energy: float | None = None,
    deflate_radial: Annotated[bool, Parameter(negative="")] = False,
    sphere: bool = True,
    runs_per_design: Whole | None = None,
    plot: Path | None = None,
    size: PrintSize = PLAIN,
    save_state: Path | None = None,
    as_json: Json = False,
) -> None:
    """Print the lowest eigenpairs of the Hessian (Eq. 4) of each run at a moment of its flow.

    Eigenvalues are those of Eq. 4: μ subtracted, the radial direction not projected out. Overlaps
    of eigenvectors with the signal lie between 0 and 1; null for labels without a teacher.

    Example: gapless spectrum --n 256 --alpha 10 --at threshold --runs 8 --seed 0

    Parameters
    ----------
    n
        Input dimension N.
    alpha
        Samples per dimension, α = M/N.
    data
        File of your own X and y2 or y instead of N and α, as in `gapless flow --help`. Eigenvalues
        are those of the scaled problem; the twins have its labels in another order.
    at
        random (the start), time:0.5, energy:7, or threshold, where the energy falls to that of the
        run's own shuffled twin, or without a teacher the end of the run itself. Twin or run is
        followed until it is at rest (|∇L − μW|²/N < 1e-10 s², s = 1 for the quartic loss) or
        t = 20; `at_rest` distinguishes them.
    labels
        teacher, shuffled or gaussian.
    start
        File of states that --save-state wrote, instead of random starts; --at random is then the
        spectrum there.
    field
        real or complex: signals, starts and sensing vectors of complex numbers (docs, Complex
        signals); --n is then the complex dimension N, and the phase iW is
        projected out of the Hessian.
    runs
        Number of runs; 8 by default, or as many as the file of --data or --start has.
    seed
        The same seed gives the same numbers.
    loss
        quartic, amplitude, normalised:a=1, or module:name of your own (a function value(yhat, y)).
    lowest
        Number of eigenpairs, λ₁, λ₂ …
    threshold_energy
        Energy for --at threshold, instead of that of the twins.
    deflate_radial
        Move the eigenvalue of the radial direction W into the bulk.
    sphere
        Keep W on the sphere, as Eq. 2 does. With --no-sphere the flow is Ẇ = −∇L, and the Hessian
        has no −μ.
    runs_per_design
        K, the number of runs on one sensing matrix; by default all, up to 64 (fewer for N > 2048).
        Numbers at another K agree to rounding and to the tolerance of the steps.
    plot
        File (.png, .pdf, .svg) for a picture: the spectrum of the first run that reached the
        moment beside theory's density from its own labels, and eigenvalues, edge and outlier of
        every run.
    save_state
        File (.npz) for the states at the moment and their eigenpairs: w (K, N), y_hat (K, M),
        energy, time, eigenvalues (K, k), eigenvectors (K, k, N).
    as_json
        Print one JSON object.
    """
    from gapless.hessian import DENSE_BELOW
    from gapless.losses import parse_loss
    from gapless.measure.crossing import CrossingPoint
    from gapless.measure.design_point import check_runs
    from gapless.measure.moment_spectra import Moment, check_lowest, design_spectra, parse_moment
    from gapless.measure.own import shape_of
    from gapless.measure.own_hessians import label_law_moments, own_spectra
    from gapless.sensing import LIKE_GAUSSIAN

    check_runs(RUNS if runs is None else runs, runs_per_design)
    if labels not in ("teacher", "shuffled", "gaussian"):
        raise ValueError(f"labels: {labels!r} is not one of teacher, shuffled, gaussian")
    if plot is not None:
        check_writable(plot, "plot")
    if save_state is not None:
        check_writable(save_state, "save_state", STATES)
    moment = parse_moment(at)
    if threshold_energy is not None:
        if moment.kind != "threshold":
            raise ValueError("threshold_energy: goes with --at threshold; or use --at energy:7")
        moment = Moment("energy", number("threshold_energy", threshold_energy, 0))
    states = None if start is None else states_in(start)
    chosen, own, origin = parse_loss(loss), None, {}
    if data is not None:
        drawn = dict(n=n, alpha=alpha, runs_per_design=runs_per_design)
        drawn |= dict(sensing=sensing != "gaussian")
        check_alone(labels, **drawn, no_sphere=not sphere)
        own = own_problem(
            *(data, chosen, runs, seed, states),
            default_runs=RUNS,
            compiled_from=DENSE_BELOW,
            field=field,
        )
        points, runs = [CrossingPoint.model_validate(shape_of(own))], own.problem.k
        check_lowest(lowest, own.problem.dimension)
        origin = about(own, data)
    else:
        check_drawn(n, alpha)
        runs = runs or (RUNS if states is None else len(states.w))
        drawn = dict(n=n, alpha=alpha, seed=seed, runs=runs_per_design, loss=loss, sensing=sensing)
        points = _drawn_points(drawn | {"field": field}, runs, moment, lowest)
    if own is None and states is not None:
        check_states(states, runs, points[0].design.dimension, runs_per_design)
    records, ends, first = [], [], 0
    with meter("spectrum", len(points)) as progress:
        for here in points:
            # the density of the first run that reached the moment, for the picture
            wanted = plot is not None and not any(one["reached"] for one in records)
            options: dict = dict(lowest=lowest, deflate_radial=deflate_radial, densities=wanted)
            if own is not None:
                found = own_spectra(own, moment, labels, **options)
                origin["label_law"] = label_law_moments(found)
            else:
                options["sphere"] = sphere
                given = None if states is None else states.w[first : first + here.design.k]
                found = design_spectra(here.design, moment, labels, chosen, start=given, **options)
            records += found.table.to_pylist()
            if save_state is not None:
                ends.append(_state(found, own))
            first += here.design.k
            progress.advance(1)
    records = records[:runs]
    if as_json:
        answer = _answer(points[0], str(moment), labels, records, deflate_radial, sphere)
        print_json(answer | origin | ({} if start is None else {"start": str(start)}))
    else:
        text = _summary(records, labels, points[0].loss)
        if points[0].sensing not in LIKE_GAUSSIAN:
            text += f"no edge and no outlier: theory does not hold for an {points[0].sensing} X\n"
        print_text(text + ("" if own is None else sentence(own)))
    # files last: a full disk costs no number
    if save_state is not None:
        saved(save_state, ends, runs)
    if plot is not None:
        from gapless.figures.spectrum import picture

        save_picture(plot, size, picture, records, points[0], str(moment), labels)


def _drawn_points(drawn: dict, runs: int, moment, lowest: int) -> list:
    """Return the points of runs on drawn problems."""
    from gapless.flow import numpy_is_sooner
    from gapless.hessian import DENSE_BELOW
    from gapless.losses import parse_loss
    from gapless.measure.crossing import CrossingPoint
    from gapless.measure.design_point import points_of_few
    from gapless.measure.moment_spectra import check_lowest

    point = CrossingPoint.model_validate(drawn)
    check_lowest(lowest, point.design.dimension)
    points = points_of_few(point, runs)
    check_memory(points[0].cost().bytes)
    loss, design = parse_loss(point.loss), points[0].design
    in_numpy = point.design.dimension <= DENSE_BELOW and numpy_is_sooner(
        loss, "float32", design.k, design.m, moment.gradients * len(points)
    )
    return [here.model_copy(update={"in_numpy": in_numpy}) for here in points]


def _state(found, own):
    """Return the states of spectra with their eigenpairs, in the units of the data."""
    from gapless.measure.own import SavedState

    w = found.state.w
    if own is None:
        w, y_hat = np.asarray(w), np.asarray(found.problem.student_labels(w))
    else:
        w, y_hat = own.signal(w), own.labels(w)
    energy = np.asarray(found.state.energy, float)
    return SavedState(w, y_hat, energy, found.time, found.eigenvalues, found.eigenvectors)


def _answer(point, at: str, labels: str, records, deflate_radial: bool, sphere: bool) -> dict:
    names = {"overlap": "state_overlap", "vector_overlap": "overlap"}
    return {
        "n": point.n,
        "m": point.design.m,
        "alpha": point.alpha,
        "at": at,
        "labels": labels,
        "sensing": point.sensing,
        "field": point.field,
        "loss": point.loss,
        "seed": point.seed,
        "runs_per_design": point.design.k,
        "deflate_radial": deflate_radial,
        "sphere": sphere,
        "runs": [
            {names.get(k, k): v for k, v in record.items() if k not in DENSITIES}
            for record in records
        ],
        "reached": sum(record["reached"] for record in records),
        "at_rest": sum(record["at_rest"] for record in records) if _resting(records) else None,
    }


def _resting(records) -> bool:
    """Return whether runs, or their twins, were followed to rest."""
    return records[0]["at_rest"] is not None


def _summary(records, labels: str, loss: str) -> str:
    from gapless.measure.threshold import rest_sentence

    shown = ("time", "energy", "mu", "overlap", "hessian_edge", "hessian_outlier")
    # as in JSON, where `overlap` is that of the eigenvectors
    named = [{"overlap": "state_overlap"}.get(name, name) for name in shown]
    headings = ("run", *named, "lambda_1", "lambda_2", "overlap_1", "residual")
    rows = []
    for i, record in enumerate(records):
        values = record["eigenvalues"] or [None]
        overlaps, residuals = record["vector_overlap"] or [None], record["residual"]
        second = values[1] if len(values) > 1 else None
        worst = max(residuals) if residuals else None
        rows.append([i, *(record[k] for k in shown), values[0], second, overlaps[0], worst])
    text = table_text(headings, rows)
    if _resting(records):
        whose = "twins" if labels == "teacher" else "runs"
        outcomes = [record["outcome"] for record in records]
        text += rest_sentence(outcomes, whose, loss=loss) + "\n"
    loose = [i for i, record in enumerate(records) if record["converged"] is False]
    if loose:
        text += f"eigenpairs not within the tolerance: runs {', '.join(map(str, loose))}\n"
    return text
