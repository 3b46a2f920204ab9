"""The Hessian's lowest eigenvalue and its overlap through the escape: measured, and predicted.

`python benchmarks/joint_outlier.py` prints the two tables of docs/derivations/joint.md: runs at N
with a random start, each beside what its own labels and history imply; and runs from the overlap
`--overlap`, beside the dynamics at N = ∞ from there.
"""

import argparse
from typing import Any

from gapless.threads import pin_threads

pin_threads()

import numpy as np
import scipy.linalg

from gapless.algorithms.starts import warm_states
from gapless.design import Design
from gapless.flow import State, integrate
from gapless.losses import Loss, parse_loss
from gapless.measure.history import History, snapshot_times
from gapless.measure.spectra import theory_of
from gapless.problem import draw_problem
from gapless.theory.dmft import Dynamics, GradientFlow, PathDraws, Run
from gapless.theory.dmft.hessian import hessian_spectrum


def spread(history: History, d: np.ndarray, draws: int) -> tuple[float, float]:
    """Return how λ₁ and its overlap scatter between matrices with that history."""
    rng, n = np.random.default_rng(0), history.problem.n
    x, q = history.images.T, history.forces.T
    found = []
    for _ in range(draws):
        fresh = rng.standard_normal((d.size, n - x.shape[1])) / np.sqrt(n)
        whole = np.hstack([x, fresh - q @ (q.T @ fresh)])
        value, vector = scipy.linalg.eigh((whole.T * d) @ whole, subset_by_index=[0, 0])
        found.append((value[0], abs(vector[0, 0])))
    first, second = np.std(found, axis=0, ddof=1)
    return float(first), float(second)


def along_a_run(
    loss: Loss, n: int, alpha: float, seed: int, levels: list[float], draws: int, overlap: float
) -> list[dict[str, Any]]:
    """Return a row each time that a run first has one of the overlaps."""
    design = Design(n, alpha, seed, runs=1, in_numpy=True)
    problem, start = draw_problem(design, loss=loss), design.start()
    if overlap:
        start = warm_states(design.teacher(), start, overlap)
    signal = np.asarray(problem.teacher, float)[0]
    left, rows, histories = list(levels), [], [History.begin(problem, 0, start)]

    def look(time: float, state: State) -> None:
        histories[0] = history = histories[0].seen(state.w)
        q = float(problem.overlap(state.w)[0])
        if not left or q < left[0]:
            return
        left.pop(0)
        d = np.asarray(problem.curvature(state.w)[0], float)[0]
        x = np.asarray(problem.sensing, float)
        value, vector = scipy.linalg.eigh((x.T * d) @ x, subset_by_index=[0, 1])
        at_zero = theory_of(problem.label_law(state.w, 0), loss, problem.alpha, "teacher")
        predicted = history.spectrum(state.w)
        scatter = spread(history, d, draws) if draws else (np.nan, np.nan)
        rows.append(
            {
                "t": time,
                "q": q,
                "lambda": value[0],
                "overlap": abs(vector[:, 0] @ signal) / np.linalg.norm(signal),
                "predicted": predicted.lowest()[0],
                "predicted_overlap": predicted.lowest()[1],
                "spread": scatter[0],
                "spread_overlap": scatter[1],
                "edge": predicted.edge.value,
                "at_zero": at_zero["hessian_outlier"] + float(state.mu[0]),
                "at_zero_overlap": at_zero["outlier_overlap"],
                "directions": len(history.directions),
                "missing": history.missing(state.w),
            }
        )

    times = snapshot_times(np.array([0.0, 3.0]), float(problem.multiplier(start)[0]))
    integrate(problem, start, times[-1], save_at=times, observe=look)
    return rows


def at_infinity(
    loss: Loss, alpha: float, overlap: float, paths: int, levels: np.ndarray, path_set: int
) -> np.ndarray:
    """Return q, λ₁ and its overlap at given overlaps of the dynamics at N = ∞, (L, 3).

    Between the states of its steps by straight lines in q.
    """
    dynamics = Dynamics(loss, alpha, "teacher", overlap)
    times = np.linspace(0.0, 1.0, 201)
    run = Run.begin(dynamics, PathDraws(paths, 0, path_set), GradientFlow(), times)
    rows = []
    while not run.is_finished and run.state.signed_overlap < levels[-1]:
        near = np.abs(run.state.signed_overlap - levels).min() < 0.06
        if near:
            rows.append((run.state.signed_overlap, *hessian_spectrum(run.state).lowest()))
        run = run.advanced()
    rows.append((run.state.signed_overlap, *hessian_spectrum(run.state).lowest()))
    q, value, share = np.array(rows).T
    return np.stack([levels, np.interp(levels, q, value), np.interp(levels, q, share)], axis=1)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loss", default="normalised:a=1")
    parser.add_argument("--alpha", type=float, default=10.0)
    parser.add_argument("--n", type=int, default=1200)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--draws", type=int, default=6, help="matrices with each history")
    parser.add_argument("--overlap", type=float, default=0.25)
    parser.add_argument("--paths", type=int, default=65536)
    given = parser.parse_args()
    loss, seeds = parse_loss(given.loss), [int(s) for s in given.seeds.split(",")]
    levels = [0.0, 0.25, 0.5, 0.75, 0.95]
    print("| seed | q | λ₁ | labels and history | ± | overlap | labels and history | ± | ", end="")
    print("labels alone: λ, overlap | k | missing |")
    for seed in seeds:
        for row in along_a_run(loss, given.n, given.alpha, seed, levels, given.draws, 0.0):
            print(
                f"| {seed} | {row['q']:.3f} | {row['lambda']:.3f} | {row['predicted']:.3f} | "
                f"{row['spread']:.3f} | {row['overlap']:.3f} | {row['predicted_overlap']:.3f} | "
                f"{row['spread_overlap']:.3f} | {row['at_zero']:.3f}, {row['at_zero_overlap']:.3f} "
                f"| {row['directions']} | {row['missing']:.3f} |",
                flush=True,
            )
    levels = [given.overlap, 0.5, 0.75, 0.95]
    runs = [
        along_a_run(loss, given.n, given.alpha, 100 + seed, levels, 0, given.overlap)
        for seed in seeds
    ]
    seen = np.array([[[r[key] for key in ("q", "lambda", "overlap")] for r in run] for run in runs])
    sets = np.array(
        [
            at_infinity(loss, given.alpha, given.overlap, given.paths, seen[:, :, 0].mean(0), k)
            for k in range(3)
        ]
    )
    print("| q of the runs | λ₁ | N = ∞ | overlap | N = ∞ |")
    for index in range(len(levels)):
        pairs = [
            (column.mean(), column.std(ddof=1) / len(column) ** 0.5)
            for k in (0, 1, 2)
            for column in (seen[:, index, k], sets[:, index, k])
        ]
        cells = [f"{mean:.3f} ± {error:.3f}" for mean, error in pairs]
        print(f"| {' | '.join([cells[0], *cells[2:]])} |", flush=True)


if __name__ == "__main__":
    main()
