"""What sampling, residuals and common paths do to the spread of N = ∞ results.

    python benchmarks/dmft_sampling.py

Quartic loss, α = 10, descent of step 0.01; standard deviations over 24 independent sets.
"""

from gapless.threads import pin_threads

pin_threads()

import numpy as np

from gapless.losses import quartic
from gapless.theory.dmft import Dynamics, GradientDescent, PathDraws, solve

SETS = 24
NAMES = ("energy", "mu", "correlation_0")


def curves(paths: int, sampling: str = "sobol", step: float = 0.01, residual: float = 1e-3):
    """Return e, μ and C at t = 0, 0.2 and 1 of every set, shape (SETS, 3, 3)."""
    found = []
    for path_set in range(SETS):
        one = solve(
            Dynamics(quartic, 10.0),
            PathDraws(paths, 7, path_set, sampling),
            GradientDescent(step),
            (0.0, 0.2, 1.0),
            residual=residual,
        )
        found.append([getattr(one, name) for name in NAMES])
    return np.array(found)


def row(label: str, values: np.ndarray) -> None:
    """Print standard deviations of e(0), e(0.2), e(1), μ(1), C(1, 0)."""
    spread = values.std(axis=0, ddof=1)
    cells = [*spread[0], spread[1, 2], spread[2, 2]]
    print(f"| {label} | " + " | ".join(f"{x:.3g}" for x in cells) + " |", flush=True)


HEADINGS = "| e(0) | e(0.2) | e(1) | μ(1) | C(1, 0) |\n|---|---|---|---|---|---|"
print(f"| paths, sampling {HEADINGS}")
for paths in (4096, 16384, 65536):
    for sampling in ("random", "sobol"):
        row(f"{paths}, {sampling}", curves(paths, sampling))
print(f"\n| difference, 16384 paths {HEADINGS}")
base, half = curves(16384), curves(16384, step=0.005)
row("steps 0.01 and 0.005, common paths", base - half)
row("the same, independent paths", base - np.roll(half, 1, axis=0))
finer = curves(16384, residual=1e-5)
row("residuals below 1e-3 and 1e-5, common paths", base - finer)
mean, error = (base - finer).mean(axis=0), (base - finer).std(axis=0, ddof=1) / SETS**0.5
print("mean of the last, e, μ, C at t = 1:", mean[:, 2], "±", error[:, 2])
