"""`gapless spectrum`: the lowest eigenpairs of the Hessian, and theory's edge and outlier."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gapless.cli.shared import (
    Json,
    PrintSize,
    Whole,
    check_memory,
    check_writable,
    meter,
    print_json,
    save_picture,
    table_text,
)
from gapless.page.panels import PLAIN

DENSITIES = ("bin_edges", "density", "grid", "density_theory")
"""Columns of the picture alone: the answer is the same whether or not there is one."""


def spectrum(
    *,
    n: Whole,
    alpha: float,
    at: str = "threshold",
    labels: str = "teacher",
    sensing: str = "gaussian",
    runs: Whole = 8,
    seed: Whole = 0,
    loss: str = "quartic",
    lowest: Whole = 3,
    threshold_energy: float | None = None,
    deflate_radial: Annotated[bool, Parameter(negative="")] = False,
    sphere: bool = True,
    runs_per_design: Whole | None = None,
    plot: Path | None = None,
    size: PrintSize = PLAIN,
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
    at
        random (the start), time:0.5, energy:7, or threshold, where the energy falls to that of the
        run's own shuffled twin, or without a teacher the end of the run itself. Twin or run is
        followed until it is at rest (|∇L − μW|²/N < 1e-10) or t = 20; `at_rest` distinguishes them.
    labels
        teacher, shuffled or gaussian.
    sensing
        Ensemble of X: gaussian, signs (±1/√N entries), unit-norm (rows), fast (singular values of a
        Gaussian X, products by transforms: N may be a million), orthogonal (fast, equal ones).
    runs
        Number of runs.
    seed
        The same seed gives the same numbers.
    loss
        quartic, amplitude, normalised:a=1, or module:name of your own (a function value(yhat, y)).
    lowest
        Number of eigenpairs.
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
    as_json
        Print one JSON object.
    """
    from gapless.flow import numpy_is_sooner
    from gapless.hessian import DENSE_BELOW
    from gapless.losses import parse_loss
    from gapless.measure.crossing import CrossingPoint
    from gapless.measure.design_point import check_runs, points_of_few
    from gapless.measure.spectrum import Moment, parse_moment, spectrum_table

    check_runs(runs, runs_per_design)
    if labels not in ("teacher", "shuffled", "gaussian"):
        raise ValueError(f"labels: {labels!r} is not one of teacher, shuffled, gaussian")
    if plot is not None:
        check_writable(plot, "plot")
    moment = parse_moment(at)
    if threshold_energy is not None:
        if moment.kind != "threshold":
            raise ValueError("threshold_energy: goes with --at threshold; or use --at energy:7")
        moment = Moment("energy", threshold_energy)
    point = CrossingPoint.model_validate(
        dict(n=n, alpha=alpha, seed=seed, runs=runs_per_design, loss=loss, sensing=sensing)
    )
    if not 1 <= lowest <= n:
        raise ValueError(f"lowest: must lie between 1 and n={n}, not {lowest}")
    points = points_of_few(point, runs)
    point = points[0]
    check_memory(point.cost().bytes)
    chosen, design = parse_loss(loss), point.design
    in_numpy = n <= DENSE_BELOW and numpy_is_sooner(
        chosen, "float32", design.k, design.m, moment.gradients * len(points)
    )
    points = [here.model_copy(update={"in_numpy": in_numpy}) for here in points]
    records = []
    with meter("spectrum", len(points)) as progress:
        for here in points:
            records += spectrum_table(
                here.design,
                moment,
                labels,
                chosen,
                lowest=lowest,
                deflate_radial=deflate_radial,
                sphere=sphere,
                densities=plot is not None and not any(one["reached"] for one in records),
            ).to_pylist()
            progress.advance(1)
    records = records[:runs]
    if plot is not None:
        from gapless.figures.spectrum import picture

        save_picture(plot, size, picture, records, point, str(moment), labels)
    if as_json:
        print_json(_answer(point, str(moment), labels, records, deflate_radial, sphere))
    else:
        sys.stdout.write(_summary(records, labels, point.loss))


def _answer(point, at: str, labels: str, records, deflate_radial: bool, sphere: bool) -> dict:
    names = {"overlap": "state_overlap", "vector_overlap": "overlap"}
    return {
        "n": point.n,
        "m": point.design.m,
        "alpha": point.alpha,
        "at": at,
        "labels": labels,
        "sensing": point.sensing,
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
