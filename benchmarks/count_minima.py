"""All minima of small instances, counted, against the complexity of Kac and Rice.

`python benchmarks/count_minima.py --alpha 4 --n 6,8,10,12,14,16 --instances 200` adds what it
lacks to docs/results/minima_counted.csv, one line an instance, and prints the table. Labels know
nothing of X: `--labels quantile` takes the same M quantiles of N(0, 1) in every instance (the
typical law that "quenched" means, without the scatter of M labels), `gaussian` draws them.
Minima are sought from random starts by Newton's method, W and −W are one; starts are added, 1000 at
least, until each minimum has been met twice, and the number unseen is estimated (Chao's f₁²/(2f₂)).
"""

import argparse
import csv
import time
from pathlib import Path

from gapless.threads import pin_threads

pin_threads()

import numpy as np
from scipy.special import ndtri

from gapless.losses import Loss, parse_loss
from gapless.theory.minima import Minima, minima

COLUMNS = (
    *("loss", "alpha", "labels", "n", "instance", "starts", "minima", "unseen", "energy_mean"),
    *("energy_lowest", "moment_4", "seconds"),
)
BATCH = 500
SAME = 1e-6
"""Minima closer than this in 1 − q are one."""


def descend(loss: Loss, x: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return minima W (K, N) reached from `w`, energies, lowest curvatures, and which are at rest.

    Steps −|H|⁻¹∇L in the tangent space, cut to a radius that shrinks when the energy would rise.
    """
    k, n = w.shape
    radius = np.full(k, 0.3 * np.sqrt(n))

    def energy(w: np.ndarray) -> np.ndarray:
        return loss.value(w @ x.T, y).sum(axis=1) / (2 * n)

    e, still, lowest = energy(w), np.zeros(k, bool), np.full(k, np.nan)
    for _ in range(400):
        run = np.flatnonzero(~still)
        if run.size == 0:
            break
        here = w[run]
        yhat = here @ x.T
        force = loss.d1(yhat, y) / 2
        gradient = force @ x
        mu = np.einsum("kn,kn->k", gradient, here) / n
        gradient -= mu[:, None] * here
        hessian = np.einsum("km,mi,mj->kij", loss.d2(yhat, y) / 2, x, x, optimize=True)
        hessian -= mu[:, None, None] * np.eye(n)
        unit = here / np.sqrt(n)
        p = np.eye(n) - unit[:, :, None] * unit[:, None, :]
        hessian = p @ hessian @ p + 1e9 * unit[:, :, None] * unit[:, None, :]
        values, vectors = np.linalg.eigh(hessian)
        lowest[run] = values[:, 0]
        at_rest = (gradient**2).sum(axis=1) / n < 1e-22
        still[run[at_rest]] = True
        along = np.einsum("kni,kn->ki", vectors, gradient) / np.maximum(np.abs(values), 1e-3)
        step = -np.einsum("kni,ki->kn", vectors, along)
        length = np.linalg.norm(step, axis=1)
        step *= np.minimum(1, radius[run] / np.maximum(length, 1e-300))[:, None]
        new = here + step
        new *= np.sqrt(n) / np.linalg.norm(new, axis=1, keepdims=True)
        after = energy(new)
        # Near a minimum the energy is flat to rounding; then any step of Newton's is taken.
        good = (after < e[run]) | (length < 1e-5)
        w[run[good]], e[run[good]] = new[good], after[good]
        radius[run] = np.where(good, np.minimum(2 * radius[run], 0.3 * np.sqrt(n)), radius[run] / 4)
    return w, e, lowest, still


def count(
    loss: Loss, n: int, alpha: float, labels: str, instance: int, least: int, most: int
) -> dict:
    """Return the number of minima of one instance, and how sure it is."""
    begun = time.process_time()
    m = int(alpha * n + 0.5)
    rng = np.random.default_rng([20, n, instance, round(1000 * alpha)])
    x = rng.standard_normal((m, n)) / np.sqrt(n)
    y = ndtri((np.arange(m) + 0.5) / m) if labels == "quantile" else rng.standard_normal(m)
    found: list[np.ndarray] = []
    energies: list[float] = []
    met: list[int] = []
    starts = 0
    while starts < most:
        w = rng.standard_normal((BATCH, n))
        w *= np.sqrt(n) / np.linalg.norm(w, axis=1, keepdims=True)
        w, e, lowest, still = descend(loss, x, y, w)
        starts += BATCH
        for k in np.flatnonzero(still & (lowest > 0)):
            if found:
                overlap = np.abs(np.array(found) @ w[k]) / n
                best = int(np.argmax(overlap))
                if overlap[best] > 1 - SAME:
                    met[best] += 1
                    continue
            found.append(w[k])
            energies.append(float(e[k]))
            met.append(1)
        if min(met) > 1 and starts >= least:
            break
    once, twice = met.count(1), met.count(2)
    yhat = np.array(found) @ x.T
    return {
        "loss": loss.name,
        "alpha": alpha,
        "labels": labels,
        "n": n,
        "instance": instance,
        "starts": starts,
        "minima": len(found),
        "unseen": round(once * (once - 1) / (2 * (twice + 1)), 2),
        "energy_mean": round(float(np.mean(energies)), 6),
        "energy_lowest": round(float(np.min(energies)), 6),
        "moment_4": round(float((yhat**4).mean()), 6),
        "seconds": round(time.process_time() - begun, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loss", default="quartic")
    parser.add_argument("--alpha", type=float, default=4.0)
    parser.add_argument("--n", default="8,10,12")
    parser.add_argument("--labels", choices=("quantile", "gaussian"), default="quantile")
    parser.add_argument("--instances", type=int, default=20)
    parser.add_argument("--least", type=int, default=1000, help="starts an instance")
    parser.add_argument("--most", type=int, default=20_000, help="starts an instance")
    parser.add_argument("--out", type=Path, default=Path("docs/results/minima_counted.csv"))
    given = parser.parse_args()
    loss, sizes = parse_loss(given.loss), [int(n) for n in given.n.split(",")]
    rows = []
    if given.out.exists():
        with given.out.open() as file:
            rows = list(csv.DictReader(file))
    key = ("loss", "alpha", "labels", "n", "instance")
    known = {tuple(row[name] for name in key) for row in rows}
    with given.out.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not rows:
            writer.writeheader()
        for instance in range(given.instances):
            for n in sizes:
                name = (loss.name, str(given.alpha), given.labels, str(n), str(instance))
                if name in known:
                    continue
                row = count(loss, n, given.alpha, given.labels, instance, given.least, given.most)
                writer.writerow(row)
                file.flush()
                rows.append({name: str(value) for name, value in row.items()})
    wanted = (loss.name, str(given.alpha), given.labels)
    rows = [row for row in rows if (row["loss"], row["alpha"], row["labels"]) == wanted]
    report(loss, given.alpha, rows)


def report(loss: Loss, alpha: float, rows: list[dict]) -> None:
    """Print the table: ln of the mean number and mean of ln, with errors over instances."""
    state = minima(loss, alpha)
    print(f"Σ = {state.complexity:.5f} at e = {state.energy:.4f} (κ = 0), α = {alpha:g}")
    print("n  instances  ln mean ± error  mean ln ± error  energy  moment 4  unseen  CPU s")
    points = []
    for n in sorted({int(row["n"]) for row in rows}):
        here = [row for row in rows if int(row["n"]) == n]
        number = np.array([float(row["minima"]) for row in here])
        root = np.sqrt(number.size)
        error = number.std(ddof=1) / root / number.mean()
        logs = np.log(number)
        share = number / number.sum()

        def mean(name: str, share=share, here=here) -> float:
            return float(share @ [float(row[name]) for row in here])

        points.append((n, np.log(number.mean()), error))
        print(
            f"{n}  {number.size}  {np.log(number.mean()):.3f} ± {error:.3f}  "
            f"{logs.mean():.3f} ± {logs.std(ddof=1) / root:.3f}  {mean('energy_mean'):.3f}  "
            f"{mean('moment_4'):.3f}  {sum(float(row['unseen']) for row in here):.1f}  "
            f"{sum(float(row['seconds']) for row in here):.0f}"
        )
    if len(points) > 2:
        n, value, error = np.array(points).T
        edge = edge_gain(loss, state)
        fits = {
            "N and 1": (0.0, [n, np.ones_like(n)]),
            f"N and 1, {edge:.4f} √N of the edge taken off": (edge, [n, np.ones_like(n)]),
        }
        for name, (known, columns) in fits.items():
            design = np.stack(columns, axis=1) / error[:, None]
            fit, left, *_ = np.linalg.lstsq(
                design, (value - known * np.sqrt(n)) / error, rcond=None
            )
            spread = np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
            terms = ", ".join(f"{c:.4f} ± {s:.4f}" for c, s in zip(fit, spread, strict=True))
            print(f"ln mean by {name}: {terms}; χ² = {left.sum():.1f} of {n.size - 2}")


def edge_gain(loss: Loss, state: Minima) -> float:
    """Return (4/3)√(ω³|ψ″|), what the edge adds to ln(number)/√N (landscape.md §7)."""
    gamma = state.gamma

    def cube(h: np.ndarray, y: np.ndarray) -> np.ndarray:
        d = loss.d2(h, y) / 2
        return (d / (1 + gamma * d)) ** 3

    bend = 2 * state.alpha * state.law.mean(cube) - 2 / gamma**3
    return 4 / 3 * float(np.sqrt(state.omega**3 * abs(bend)))


if __name__ == "__main__":
    main()
