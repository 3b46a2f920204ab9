"""A gradient with its energy by Gaussian X, compiled, against one by fast X, in NumPy.

    python benchmarks/transforms.py                      N = 128 to 4096 at α = 10
    python benchmarks/transforms.py --large              fast X alone, N = 4096 to 2²⁰ at α = 7.5

One thread, float32, the least wall time of some calls that alternate, after one call of each that
compiles.
"""

import argparse
import time
from collections.abc import Callable

from gapless.threads import pin_threads

pin_threads()

import jax

from gapless.design import Design
from gapless.problem import Problem, draw_problem

SIZES = (128, 256, 512, 1024, 2048, 4096)
LARGE = ((4096, 32), (16_384, 32), (65_536, 16), (262_144, 8), (1_048_576, 4))
SECONDS = 3.0
"""Time for the calls of one table cell."""


def gradient(design: Design) -> Callable[[], object]:
    """Return the evaluation of the problem of a design at its start, to be timed."""
    problem, w = draw_problem(design), design.start()
    if design.in_numpy:
        return lambda: problem.evaluate(w)
    program = jax.jit(Problem.evaluate)
    return lambda: jax.block_until_ready(program(problem, w))


def least_ms(*routes: Callable[[], object]) -> list[float]:
    """Return the least milliseconds of a call of each route, in turns."""
    least = [float("inf")] * len(routes)
    for route in routes:
        route()
    spent, calls = 0.0, 0
    while spent < SECONDS * len(routes) or calls < 3:
        for i, route in enumerate(routes):
            begun = time.perf_counter()
            route()
            taken = time.perf_counter() - begun
            least[i], spent = min(least[i], 1e3 * taken), spent + taken
        calls += 1
    return least


def compared(n: int, k: int) -> str:
    """Return a row of the table of both: ms a run of each, and their ratio."""
    fast = gradient(Design(n, 10, seed=0, runs=k, in_numpy=True, sensing="fast"))
    gaussian = gradient(Design(n, 10, seed=0, runs=k))
    one, other = (taken / k for taken in least_ms(gaussian, fast))
    return f"| {n} | {k} | {one:.3g} | {other:.3g} | {one / other:.2g} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true")
    if parser.parse_args().large:
        print("| N | K | fast, ms a run |\n|---|---|---|")
        for n, k in LARGE:
            design = Design(n, 7.5, seed=0, runs=k, in_numpy=True, sensing="fast")
            print(f"| {n} | {k} | {least_ms(gradient(design))[0] / k:.3g} |", flush=True)
        return
    print("| N | K | Gaussian, ms a run | fast | ratio |\n|---|---|---|---|---|")
    for k in (8, 64):
        for n in SIZES:
            print(compared(n, k), flush=True)


if __name__ == "__main__":
    main()
