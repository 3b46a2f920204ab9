"""Runs at a dozen α, with a teacher's labels and with shuffled ones, for the time slider."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg

from gapless.design import Design
from gapless.explore.kept import kept
from gapless.explore.workers import Each, in_turn
from gapless.flow import State, integrate, paper_budget
from gapless.hessian import hessian_matrix, signal_overlap
from gapless.losses import Loss, is_built_in, parse_loss
from gapless.page.panels import plain
from gapless.problem import Problem, draw_problem
from gapless.problem.parts import made
from gapless.theory import bulk_edge

VERSION = 1
"""Version of the content, raised by hand; cached runs of another version are made anew."""
SIZES = (64, 128)
"""N: all runs cost ten CPU seconds together; N = 256 alone would cost twenty."""
MOST_ALPHAS = 13
RUNS = 4
"""Runs of each kind of labels on one X."""
FRAMES = 21
KINDS = ("teacher", "shuffled")
SEED = 0
EIGENVALUES_A_BIN = 5


def runs_along_alpha(
    loss: Loss,
    alphas: Sequence[float],
    progress: Callable[[float], object] = lambda _: None,
    cache: Path | None = None,
    each: Each = in_turn,
) -> dict[str, Any]:
    """Return runs of the sizes `SIZES` at each α, ready for JSON: a list under the key ``runs``.

    Parameters
    ----------
    progress
        Called with 1 for each α and N.
    cache, each
        As for `theory_grid`.
    """

    def make() -> dict[str, Any]:
        built_in = is_built_in(loss)
        spread, given = (each, loss.name) if built_in else (in_turn, loss)
        # the expensive ones first: the workers then end together
        items = [(given, n, alpha) for n in sorted(SIZES, reverse=True) for alpha in alphas]
        found = spread(runs_at, items, progress)
        return {"runs": sorted((run for pair in found for run in pair), key=lambda run: run["n"])}

    identity = [VERSION, loss.name, list(alphas), SIZES, RUNS, FRAMES, SEED]
    runs, there = kept(cache, "runs", identity, make)
    if there:
        progress(float(len(alphas) * len(SIZES)))
    return runs


def dozen(alphas: Sequence[float]) -> list[float]:
    """Return at most `MOST_ALPHAS` of the values, evenly chosen, with both ends."""
    chosen = np.linspace(0, len(alphas) - 1, min(MOST_ALPHAS, len(alphas))).round().astype(int)
    return [alphas[i] for i in chosen]


def runs_at(loss: Loss | str, n: int, alpha: float) -> list[dict[str, Any]]:
    """Return the runs of each kind of labels at one α, on one X and from the same starts.

    Keys: ``n``, ``alpha`` (M/N as drawn), ``loss``, ``labels``, ``seed``; ``t``; ``energy`` and
    ``overlap`` of each run at each time; ``outcome`` of each run; of the first run ``lambda_1``,
    ``lambda_2``, ``edge`` (theory's, from its labels), ``overlap_1`` (of v₁ with the signal),
    ``negative`` (number of eigenvalues), ``bins`` and ``density`` at each time (Eq. 4, after −μ).
    """
    loss = parse_loss(loss) if isinstance(loss, str) else loss
    design = Design(n=n, alpha=alpha, seed=SEED, runs=RUNS, in_numpy=is_built_in(loss))
    kinds = [draw_problem(design, kind, loss) for kind in KINDS]
    labels = np.concatenate([np.asarray(one.labels) for one in kinds])
    teacher = np.concatenate([np.asarray(design.teacher())] * len(KINDS))
    # both kinds are one batch: X is read once for all runs
    one = kinds[0]
    both = made(Problem, one.sensing, one.array(labels), one.array(teacher), loss)
    start = np.concatenate([np.asarray(design.start())] * len(KINDS))
    # a square: what happens happens early, the sooner the larger α is
    times = paper_budget(n) * np.linspace(0, 1, FRAMES) ** 2
    states: list[State] = []
    flow = integrate(
        both, start, float(times[-1]), save_at=times, observe=lambda _, state: states.append(state)
    )
    found = []
    for kind, name in enumerate(KINDS):
        mine, first = slice(kind * RUNS, (kind + 1) * RUNS), kind * RUNS
        found.append(
            {"n": n, "alpha": design.m / n, "loss": loss.name, "labels": name, "seed": SEED}
            | {"t": plain(times, 4), "outcome": [str(end) for end in flow.outcome[mine]]}
            | {"energy": [plain(row, 4) for row in flow.energy[mine]]}
            | {"overlap": [plain(row, 3) for row in flow.overlap[mine]]}
            | spectra_along(
                both.of_runs(np.array([first])),
                [(np.asarray(at.w)[first : first + 1], float(at.mu[first])) for at in states],
            )
        )
    return found


def spectra_along(problem: Problem, states: Sequence[tuple[np.ndarray, float]]) -> dict[str, Any]:
    """Return the spectral columns of `runs_at` along one run, from W, (1, N), and μ."""
    rows, spectra = [], []
    for w, mu in states:
        values, vectors = scipy.linalg.eigh(hessian_matrix(problem, w, 0), driver="evd")
        spectra.append(values)
        edge = bulk_edge(problem.label_law(w, 0), problem.loss, problem.alpha).value - mu
        overlap = signal_overlap(vectors[:, :1].T[None], problem.teacher)[0, 0]
        rows.append((values[0], values[1], edge, overlap, (values < 0).sum()))
    names = ("lambda_1", "lambda_2", "edge", "overlap_1", "negative")
    # common bins for all frames; the few eigenvalues beyond the last are not drawn
    high = max(np.quantile(values, 0.98) for values in spectra)
    low = min(values[0] for values in spectra)
    count = problem.n // EIGENVALUES_A_BIN
    bins = np.linspace(low - 1e-6 * abs(low), high, count + 1)
    width = problem.n * (bins[1] - bins[0])
    return {
        **{name: plain(column, 4) for name, column in zip(names, np.array(rows).T, strict=True)},
        "bins": plain(bins, 4),
        "density": [plain(np.histogram(values, bins)[0] / width, 3) for values in spectra],
    }
