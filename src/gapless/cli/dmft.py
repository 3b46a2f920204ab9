"""`gapless dmft`: gradient descent at N = ∞."""

import sys
import time
from pathlib import Path

import numpy as np

from gapless.cli._shared import (
    Json,
    Whole,
    check_memory,
    check_writable,
    meter,
    print_json,
    table_text,
)


def dmft(
    *,
    alpha: float,
    t_max: float = 1.0,
    step: float | None = None,
    paths: Whole = 20_000,
    replicas: Whole = 2,
    labels: str = "shuffled",
    overlap: float = 0.0,
    seed: Whole = 0,
    loss: str = "quartic",
    plot: Path | None = None,
    checkpoint: Path | None = None,
    as_json: Json = False,
) -> None:
    """Follow gradient descent at N = ∞ by dynamical mean-field theory.

    Prints energy, μ, the correlation with the start and how fast a small overlap with the signal
    grows, with errors from paths (independent sets) and from the step (against twice the step;
    none where that is unstable).

    Example: gapless dmft --alpha 10 --t-max 2 --step 0.01 --paths 20000 --labels shuffled --json

    Parameters
    ----------
    alpha
        Samples per dimension, α = M/N.
    t_max
        Time to follow, in units of Eq. 2. Cost grows like its cube.
    step
        Step of gradient descent; 0.1/α by default. The quartic loss is stable to about 0.12/α
        with 10⁴ paths, to less with more.
    paths
        Sampled paths of each set; errors fall like their root.
    replicas
        Independent sets of paths, whose spread is the error.
    labels
        shuffled or gaussian (one and the same at N = ∞), or teacher.
    overlap
        Signed overlap with the teacher at t = 0, for --labels teacher.
    seed
        The same seed gives the same numbers.
    loss
        quartic, normalised:a=1, or module:name of your own; its slope must not jump at ŷ = 0.
    plot
        File (.png, .pdf, .svg) for a picture.
    checkpoint
        Folder in which the computation leaves, once a minute, how far it has come; the same
        command goes on from there.
    as_json
        Print one JSON object.
    """
    from gapless.experiments.checkpoint import Checkpoint, checkpoints_in
    from gapless.experiments.dmft import MeanField, answer, draw, solve
    from gapless.theory.dmft import Unstable, combine, stable_step

    if plot is not None:
        check_writable(plot, "plot")
    if not 1 <= replicas <= 1000:
        raise ValueError(f"replicas: must be from 1 to 1000, not {replicas}")
    point = MeanField.model_validate(
        dict(alpha=alpha, t_max=t_max, paths=paths, seed=seed, labels=labels, overlap=overlap)
        | dict(loss=loss, step=stable_step(alpha) if step is None else step)
    )
    points = [point.model_copy(update={"replica": index}) for index in range(replicas)]
    doubled = [one.coarse() for one in points if one.steps >= 8]
    # every set stays in memory until the curves are combined
    check_memory(point.bytes * replicas * 1.5, "paths, step, replicas", "--paths or --t-max")
    flops = sum(one.flops for one in (*points, *doubled))
    sys.stderr.write(
        f"dmft: {replicas} × {paths} paths, {point.steps} steps; about "
        f"{point.bytes * replicas * 1.5 / 2**20:,.0f} MiB and "
        f"{flops / _speed():,.0f} s on one core\n"
    )
    notes = []
    if point.loss == "quartic" and point.step > 2 * stable_step(alpha):
        notes.append(
            f"a step of {point.step:g} is far above 0.12/α: this is gradient descent that does not "
            f"follow the flow; give --step {stable_step(alpha):g}"
        )
        sys.stderr.write(f"dmft: {notes[-1]}\n")
    with meter("dmft", flops) as progress, checkpoints_in(checkpoint):
        fine = [solve(one, progress.advance) for one in points]
        coarse = []
        try:
            coarse = [solve(one, progress.advance) for one in doubled]
        except Unstable as error:
            notes.append(f"no error from steps: twice the step is unstable at t = {error.t:.3g}")
            sys.stderr.write(f"dmft: {notes[-1]}\n")
        for one in (*points, *doubled):
            Checkpoint(one).discard()
    estimate = combine(fine, coarse)
    if plot is not None:
        draw(point, estimate).savefig(plot, dpi=150)
    if as_json:
        print_json(answer(point, estimate, fine, notes))
    else:
        sys.stdout.write(_summary(point.labels, estimate))


def _speed() -> float:
    """Return floating-point operations a second, of a product like those of a sweep."""
    a = np.ones((2048, 64), np.float32)
    b = np.ones((64, 64), np.float32)
    np.matmul(a, b)
    begun = time.perf_counter()
    for _ in range(20):
        np.matmul(a, b)
    # the rest of a sweep (vectors, the sequential blocks) is slower: half, as measured
    return 20 * 2 * 2048 * 64 * 64 / (time.perf_counter() - begun) / 2


def _summary(labels: str, estimate) -> str:
    last = "signed_overlap" if labels == "teacher" else "growth_rate"
    names = ("energy", "mu", "correlation_0", last)
    rows = [
        [
            estimate.t[k],
            *(x for name in names for x in (estimate.value[name][k], estimate.paths[name][k])),
        ]
        for k in np.unique(np.linspace(0, estimate.t.size - 1, 21).astype(int))
    ]
    cells = [[None if isinstance(x, float) and np.isnan(x) else x for x in row] for row in rows]
    headings = ("t", *(word for name in names for word in (name, "±")))
    return table_text(headings, cells)
