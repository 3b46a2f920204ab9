"""Lowest three eigenpairs of the Hessian: block Lanczos against LAPACK on the formed matrix.

    python benchmarks/eigenpairs.py --n 4096 --alpha 12 --energy 9.4
    python benchmarks/eigenpairs.py --n 8192 --alpha 12 --energy 9.4 --routes cold,warm
    python benchmarks/eigenpairs.py --crossover

One run is followed to the energy given (that of the threshold at this α), and its Hessian there is
diagonalised by each route. Forming the matrix is part of the dense routes. Times are the best of
`--repeats` after one call that compiles; memory is the peak of the resident set during a route
beyond what the problem itself holds. Threads: NPROC for XLA, OPENBLAS_NUM_THREADS for LAPACK.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np
import scipy.linalg

from gapless.design import Design
from gapless.flow import AtEnergy, integrate
from gapless.hessian import hessian_matrix, hessian_operator, lowest_eigenpairs
from gapless.linalg import WeightedGram
from gapless.problem import draw_problem

T = TypeVar("T")

SPACING = 0.005
"""Flow time between the snapshots of a warm-started trajectory."""
SNAPSHOTS = 5


def resident(name: str) -> float:
    """Return VmRSS or VmHWM of this process in GiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 2**20
    return float("nan")


def measured(route: Callable[[], T], repeats: int) -> tuple[float, float, T]:
    """Return the best time in seconds, the peak memory beyond the start's in GiB, the result."""
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    result = route()
    best = np.inf
    for _ in range(repeats):
        begun = time.perf_counter()
        result = route()
        best = min(best, time.perf_counter() - begun)
    return best, resident("VmHWM") - before, result


def formed(problem, w, dtype) -> np.ndarray:
    """Return H by one general product in the precision given, as a user of SciPy would."""
    operator = hessian_operator(problem, w)
    assert isinstance(operator, WeightedGram)
    x = np.asarray(problem.sensing, dtype)
    h = (x * np.asarray(operator.weight[0], dtype)[:, None]).T @ x
    h[np.diag_indices_from(h)] += float(operator.shift[0])
    return h


def write(*cells: object) -> None:
    sys.stdout.write(
        "  ".join(f"{c:.4g}" if isinstance(c, float) else str(c) for c in cells) + "\n"
    )
    sys.stdout.flush()


def compare(n: int, alpha: float, energy: float, routes: set[str], repeats: int) -> None:
    """Print time, memory and eigenvalues of every route at one state."""
    design = Design(n, alpha, seed=0, runs=1)
    problem = draw_problem(design)
    crossing = integrate(problem, design.start(), 20.0, stop=AtEnergy(energy))
    w, t = crossing.state.w, float(crossing.stopped_at[0])
    key = jax.random.key(1)
    write(f"N={n} alpha={alpha:g} e={float(crossing.state.energy[0]):.4f} t={t:.4f}")
    write(f"q={float(problem.overlap(w)[0]):.3f}, problem resident {resident('VmRSS'):.2f} GiB")
    for tolerance in (1e-4, 1e-5):
        name = f"lanczos cold, residual {tolerance:g}"
        if "cold" in routes:
            seconds, memory, pairs = measured(
                lambda tolerance=tolerance: lowest_eigenpairs(
                    problem, w, key=key, tolerance=tolerance, method="lanczos"
                ),
                repeats,
            )
            write(name, seconds, "s", memory, "GiB", pairs.products, "products", pairs.values[0])
        if "warm" in routes:
            warm(problem, design, t, tolerance)
    dense = {
        "f32": lambda: scipy.linalg.eigh(formed(problem, w, np.float32), subset_by_index=[0, 2]),
        "syrk": lambda: scipy.linalg.eigh(hessian_matrix(problem, w, 0), subset_by_index=[0, 2]),
        "f64": lambda: scipy.linalg.eigh(formed(problem, w, np.float64)),
    }
    titles = {
        "f32": "scipy.linalg.eigh float32, subset 0..2, formed by a product",
        "syrk": "the same, formed by two symmetric updates",
        "f64": "scipy.linalg.eigh float64, all pairs, formed by a product",
    }
    for name, route in dense.items():
        if name in routes:
            seconds, memory, pairs = measured(route, 1 if name == "f64" else repeats)
            write(titles[name], seconds, "s", memory, "GiB", np.asarray(pairs[0][:3], float))


def warm(problem, design, t: float, tolerance: float) -> None:
    """Print the mean time of a snapshot, each started from the eigenvectors of the one before."""
    times = [t + SPACING * i for i in range(SNAPSHOTS + 1)]
    states = integrate(
        problem, design.start(), times[-1], save_at=times, observe=lambda _, state: state.w
    ).observed
    key, previous, seconds, products = jax.random.key(1), None, [], []
    for w in states:
        begun = time.perf_counter()
        pairs = lowest_eigenpairs(
            problem, w, key=key, previous=previous, tolerance=tolerance, method="lanczos"
        )
        seconds.append(time.perf_counter() - begun)
        products.append(pairs.products)
        previous = pairs.vectors
    write(f"lanczos warm, residual {tolerance:g}", float(np.mean(seconds[1:])), "s a snapshot,")
    write("   products", products, "flow time between snapshots", SPACING)


def crossover(repeats: int) -> None:
    """Print seconds a run of both routes, for one run and for a batch on one X, against N."""
    write("N", "K", "dense s/run", "lanczos s/run")
    for n, batch in ((256, 32), (512, 32), (1024, 16), (2048, 8)):
        for runs in (1, batch):
            design = Design(n, 10, seed=0, runs=runs)
            problem = draw_problem(design)
            w = integrate(problem, design.start(), 0.2).state.w
            key, cells = jax.random.key(1), []
            for method in ("dense", "lanczos"):
                seconds, _, _ = measured(
                    lambda method=method, problem=problem, w=w, key=key: lowest_eigenpairs(
                        problem, w, key=key, method=method
                    ),
                    repeats,
                )
                cells.append(seconds / runs)
            write(n, runs, *cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--n", type=int, default=4096)
    parser.add_argument("--alpha", type=float, default=12.0)
    parser.add_argument("--energy", type=float, default=9.4)
    parser.add_argument("--routes", default="cold,warm,f32,syrk,f64")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--crossover", action="store_true")
    arguments = parser.parse_args()
    threads = {name: os.environ.get(name) for name in ("NPROC", "OPENBLAS_NUM_THREADS")}
    write("threads", threads)
    if arguments.crossover:
        crossover(arguments.repeats)
    else:
        routes = set(arguments.routes.split(","))
        compare(arguments.n, arguments.alpha, arguments.energy, routes, arguments.repeats)


if __name__ == "__main__":
    main()
