"""The baseline: the paper's protocol as a straightforward NumPy script, one run at a time.

Gradient descent on the sphere in float64 with learning rate 2e-4, 1500 log2 N steps at most, a
fresh sensing matrix for each run. Written as one would write it, without waste: three passes over
vectors of M, two matrix-vector products a step, and it stops when the loss is below 1e-8.

    python benchmarks/textbook.py --n 64 --alpha 8 --runs 4000
"""

import argparse
import json
import os
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np

RATE = 2e-4


def textbook_run(n: int, alpha: float, rng: np.random.Generator) -> tuple[bool, int]:
    """Return whether one run is solved (L/N < 1e-8) and after how many steps."""
    m = round(alpha * n)
    x = rng.standard_normal((m, n)) / np.sqrt(n)
    teacher, w = rng.standard_normal((2, n))
    teacher *= np.sqrt(n) / np.linalg.norm(teacher)
    w *= np.sqrt(n) / np.linalg.norm(w)
    y2 = (x @ teacher) ** 2
    budget = round(1500 * np.log2(n))
    for step in range(budget):
        yhat = x @ w
        difference = yhat * yhat - y2
        if difference @ difference / (2 * n) < 1e-8:
            return True, step
        gradient = 2 * (difference * yhat) @ x
        w -= RATE * (gradient - (gradient @ w) / n * w)
        w *= np.sqrt(n) / np.linalg.norm(w)
    return False, budget


def main() -> None:
    """Print how many of so many runs are solved, and the CPU seconds of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--alpha", type=float, default=8)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    begun = time.process_time()
    results = [textbook_run(options.n, options.alpha, rng) for _ in range(options.runs)]
    seconds = (time.process_time() - begun) / options.runs
    solved, steps = zip(*results, strict=True)
    answer = vars(options) | {"successes": sum(solved), "steps_per_run": float(np.mean(steps))}
    print(json.dumps(answer | {"cpu_seconds_per_run": seconds}))


if __name__ == "__main__":
    main()
