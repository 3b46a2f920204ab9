"""The Hessian where a run's energy falls to that of its shuffled twin, as one would write it down.

python benchmarks/plain/plain_spectrum.py --n 512 --alpha 10 --runs 4
"""

import argparse

import numpy as np
from plain_flow import draw, follow

T_TWIN = 20.0


def main() -> None:
    """Print the three lowest eigenvalues of each run's Hessian and their overlaps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=512)
    parser.add_argument("--alpha", type=float, default=10)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    x, y, teacher, start = draw(given.n, given.alpha, given.runs, rng)
    twin = rng.permuted(y, axis=1)
    _, threshold = follow(x, twin, start, T_TWIN, stop=lambda _, speed2: speed2 < 1e-10)
    w, energy = follow(x, y, start, T_TWIN, stop=lambda energy, _: energy < threshold)
    for run in range(given.runs):
        yhat = x @ w[run]
        curvature = 6 * yhat**2 - 2 * y[run] ** 2
        mu = 2 * ((yhat**2 - y[run] ** 2) * yhat**2).sum() / given.n
        values, vectors = np.linalg.eigh((x.T * curvature) @ x)
        overlap = abs(vectors[:, 0] @ teacher[run]) / np.sqrt(given.n)
        print(f"energy {energy[run]:.6g}", "lambda", values[:3] - mu, f"overlap {overlap:.4g}")


if __name__ == "__main__":
    main()
