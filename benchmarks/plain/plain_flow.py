"""The flow as one would write it down: NumPy, Heun's method with a fixed step, all runs at once.

Prints energy and overlap of each run at the end, or where its energy falls below 1e-10. Steps of
2e-3 keep e(t) at N = 64 … 512 and α = 3 … 10 within what `gapless flow` does, half a per cent.

    python benchmarks/plain/plain_flow.py --n 512 --alpha 10 --labels shuffled --runs 8 --t-max 4
"""

import argparse
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np

STEP = 2e-3


def draw(n, alpha, runs, rng, labels="teacher", noise=0.0):
    """Return X, the labels of each run, the teachers and random starts."""
    m = round(alpha * n)
    x = (rng.standard_normal((m, n)) / np.sqrt(n)).astype(np.float32)
    teacher, w = (on_sphere(rng.standard_normal((runs, n)).astype(np.float32)) for _ in "ab")
    y = teacher @ x.T + np.float32(noise**0.5) * rng.standard_normal((runs, m)).astype(np.float32)
    if labels == "shuffled":
        y = rng.permuted(y, axis=1)
    return x, y, teacher, w


def on_sphere(w):
    """Return states scaled to the sphere of radius √N."""
    return w * (np.sqrt(w.shape[1]) / np.linalg.norm(w, axis=1, keepdims=True)).astype(w.dtype)


def velocity(x, y, w):
    """Return the velocity of the flow, −∇L + μW, and the energy L/N."""
    yhat = w @ x.T
    difference = yhat * yhat - y * y
    gradient = 2 * (difference * yhat) @ x
    mu = (gradient * w).sum(axis=1, keepdims=True) / w.shape[1]
    return mu * w - gradient, (difference * difference).sum(axis=1) / (2 * w.shape[1])


def follow(x, y, w, t_max, step=STEP, stop=lambda energy, speed2: energy < 1e-10):
    """Return states and energies at `t_max`, or of each run where `stop` says so."""
    for _ in range(round(t_max / step)):
        v, energy = velocity(x, y, w)
        going = ~stop(energy, (v * v).mean(axis=1))
        if not going.any():
            break
        ahead = on_sphere(w + np.float32(step) * v)
        new = on_sphere(w + np.float32(step / 2) * (v + velocity(x, y, ahead)[0]))
        w = np.where(going[:, None], new, w)
    return w, velocity(x, y, w)[1]


def spectral(x, y, alpha):
    """Return the top eigenvectors of Σ T(y) x xᵀ, on the sphere."""
    weight = (y**2 - 1) / (y**2 + np.sqrt(2 * alpha) - 1)
    return on_sphere(np.stack([np.linalg.eigh((x.T * one) @ x)[1][:, -1] for one in weight]))


def main() -> None:
    """Print how each run ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--alpha", type=float, default=10)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--designs", type=int, default=1)
    parser.add_argument("--t-max", type=float)
    parser.add_argument("--step", type=float, default=STEP)
    parser.add_argument("--labels", default="teacher")
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--spectral", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    for _ in range(given.designs):
        x, y, teacher, w = draw(given.n, given.alpha, given.runs, rng, given.labels, given.noise)
        if given.spectral:
            w = spectral(x, y, given.alpha)
        w, energy = follow(x, y, w, given.t_max or 0.3 * np.log2(given.n), given.step)
        for e, q in zip(energy, np.abs((w * teacher).mean(axis=1)), strict=True):
            print(f"energy {e:.6g} overlap {q:.6g}")


if __name__ == "__main__":
    main()
