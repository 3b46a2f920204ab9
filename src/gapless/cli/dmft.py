"""`gapless dmft`: gradient descent at N = ∞."""

import sys
import time
from pathlib import Path

import numpy as np

from gapless.amounts import duration, memory
from gapless.cli.answer import print_json, print_text
from gapless.cli.memory import check_memory
from gapless.cli.meter import meter
from gapless.cli.numbers import numbers
from gapless.cli.options import Json, PrintSize, Whole
from gapless.cli.saved import check_writable, save_picture
from gapless.cli.tables import table_text
from gapless.page.panels import PLAIN

SHOWN = ("energy", "mu", "correlation_0")
"""Curves of every summary."""


def dmft(
    *,
    alpha: float,
    t_max: float = 1.0,
    step: float | None = None,
    accuracy: float = 3e-3,
    paths: Whole = 65_536,
    sets: Whole = 4,
    labels: str = "shuffled",
    overlap: float = 0.0,
    waiting: str = "0",
    sampling: str = "sobol",
    seed: Whole = 0,
    loss: str = "quartic",
    plot: Path | None = None,
    size: PrintSize = PLAIN,
    checkpoint: Path | None = None,
    as_json: Json = False,
) -> None:
    """Follow the flow, or gradient descent, at N = ∞ by dynamical mean-field theory.

    The table has energy, μ, the correlation with the start and the growth of a small overlap with
    the signal. Errors are from paths (independent sets) and from the step (comparison with twice
    the step; none if that is unstable).

    Example: gapless dmft --alpha 10 --t-max 2 --step 0.01 --paths 20000 --labels shuffled --json

    Parameters
    ----------
    alpha
        Samples per dimension, α = M/N.
    t_max
        Time to follow, in units of Eq. 2. Cost grows like its power 1.6.
    step
        Step size of gradient descent; without it the flow itself, with adaptive steps. For the
        quartic loss steps up to about 0.12/α are stable with 10⁴ paths, and smaller ones with more.
    accuracy
        Largest error of a step of the flow, in units of the sphere's radius.
    paths
        Sampled paths P of each set, at least 10 α. Errors fall like 1/√P; a bias of order α/P is
        common to all sets.
    sets
        Independent sets of paths; errors are computed from their spread.
    labels
        shuffled or gaussian (one and the same at N = ∞), or teacher.
    overlap
        Signed overlap with the teacher at t = 0, for --labels teacher.
    waiting
        Waiting times, such as 0,2. At each, an infinitesimal overlap with the signal and an
        infinitesimal displacement along a random direction are introduced and followed; none
        disables this.
    sampling
        sobol (law of descent at N = paths/α, with less noise) or random (that law itself).
    seed
        The same seed gives the same numbers.
    loss
        quartic, normalised:a=1, amplitude, or module:name of your own; with --waiting times its
        slope must be continuous at ŷ = 0.
    plot
        File (.png, .pdf, .svg) for a picture.
    checkpoint
        Folder of a checkpoint, written once a minute; the same command resumes from it.
    as_json
        Print one JSON object.
    """
    from gapless.figures.mean_field import answer, picture
    from gapless.measure.checkpoint import Checkpoint, checkpoints_in
    from gapless.measure.mean_field import MeanField, solution_of
    from gapless.theory.dmft import ENERGY_BIAS, Unstable, combine

    if plot is not None:
        check_writable(plot, "plot")
    if not 1 <= sets <= 1000:
        raise ValueError(f"sets: must be from 1 to 1000, not {sets}")
    times = () if waiting == "none" else tuple(sorted(numbers(waiting, "waiting")))
    point = MeanField.model_validate(
        dict(alpha=alpha, t_max=t_max, paths=paths, seed=seed, labels=labels, overlap=overlap)
        | dict(loss=loss, step=step, accuracy=accuracy, waiting=times, sampling=sampling)
    )
    points = [point.model_copy(update={"path_set": index}) for index in range(sets)]
    doubled = [one.coarse() for one in points if len(one.save_at) > 8]
    # what every set saved stays in memory until the curves are combined
    needed = point.bytes + point.bytes_kept * (sets + len(doubled) - 1)
    check_memory(needed, "paths, t_max, sets", "--paths, --sets or --t-max")
    traffic = sum(one.traffic for one in (*points, *doubled))
    sys.stderr.write(
        f"dmft: {sets} × {paths} paths (N = {paths / alpha:.0f}) until t = {t_max:g}; about "
        f"{memory(needed)} and {duration(traffic / _speed())} on one core\n"
    )
    notes = []
    if point.loss == "quartic" and step is not None and step > 0.2 / alpha:
        notes.append(
            f"a step of {step:g} is far above 0.12/α: this is gradient descent that does not "
            "follow the flow; leave --step out to follow it"
        )
        sys.stderr.write(f"dmft: {notes[-1]}\n")
    with meter("dmft", traffic) as progress, checkpoints_in(checkpoint):
        fine = [solution_of(one, progress.advance) for one in points]
        coarse = []
        try:
            coarse = [solution_of(one, progress.advance) for one in doubled]
        except Unstable as error:
            notes.append(f"no error from steps: twice the step is unstable at t = {error.t:.3g}")
            sys.stderr.write(f"dmft: {notes[-1]}\n")
        for one in (*points, *doubled):
            Checkpoint(one).discard()
    estimate = combine(fine, coarse)
    if estimate.is_biased:
        notes.append(
            f"{paths} paths at α = {alpha:g} may bias the energy by {ENERGY_BIAS:g} α/P = "
            f"{ENERGY_BIAS * estimate.bias:.1%}, and errors from paths do not cover it; "
            "raise --paths"
        )
        sys.stderr.write(f"dmft: {notes[-1]}\n")
    if as_json:
        print_json(answer(point, estimate, fine, notes))
    else:
        print_text(_summary(point.labels, estimate))
    save_picture(plot, size, picture, point, estimate)


def _speed() -> float:
    """Return the memory bandwidth, in bytes a second, of a block of directions times a vector."""
    block = np.ones((64, 2**16), np.float32)
    force = np.ones(2**16, np.float32)
    np.matmul(block, force)
    begun = time.perf_counter()
    for _ in range(5):
        np.matmul(block, force)
    return 5 * block.nbytes / (time.perf_counter() - begun)


def _summary(labels: str, estimate) -> str:
    curves = {name: (estimate.value[name], estimate.paths[name]) for name in SHOWN}
    if labels == "teacher":
        curves["signed_overlap"] = (
            estimate.value["signed_overlap"],
            estimate.paths["signed_overlap"],
        )
    elif len(estimate.value["growth"]):
        curves["growth"] = (estimate.value["growth"][0], estimate.paths["growth"][0])
    rows = [
        [estimate.t[k], *(x[k] for pair in curves.values() for x in pair)]
        for k in np.unique(np.linspace(0, estimate.t.size - 1, 21).astype(int))
    ]
    cells = [[None if isinstance(x, float) and np.isnan(x) else x for x in row] for row in rows]
    headings = ("t", *(word for name in curves for word in (name, "±")))
    return table_text(headings, cells)
