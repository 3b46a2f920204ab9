"""Late times at N = ∞: energies, and what becomes of small changes, as a table.

    python benchmarks/dmft_late.py OUT.csv PATHS REPLICA T_MAX WAITING ALPHA [ALPHA ...]

Shuffled labels, quartic loss, the flow, seed 0. WAITING: times apart by commas, or none. Appends
one set of paths after the other.
"""

import sys
import time
from pathlib import Path

from gapless.threads import pin_threads

pin_threads()

import numpy as np
import pandas as pd

from gapless.losses import quartic
from gapless.theory.dmft import Dynamics, Ensemble, GradientFlow, solve

OUT, PATHS, REPLICA = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
T_MAX = float(sys.argv[4])
WAITING = () if sys.argv[5] == "none" else tuple(float(t) for t in sys.argv[5].split(","))


def rows(alpha: float) -> pd.DataFrame:
    """Return one row for every saved time."""
    # five times to a factor of two, and whole numbers
    spaced = np.geomspace(0.05, T_MAX, 1 + round(5 * np.log2(T_MAX / 0.05)))
    times = np.concatenate([[0], spaced, np.arange(1, T_MAX + 1e-9), WAITING])
    found = solve(
        Dynamics(quartic, alpha, waiting=WAITING),
        Ensemble(PATHS, 0, REPLICA),
        GradientFlow(),
        np.unique(np.round(times, 6)),
    )
    names = ("energy", "mu", "correlation_0", "speed2")
    table = pd.DataFrame({"t": found.t} | {name: getattr(found, name) for name in names})
    for index, waiting in enumerate(WAITING):
        for name in ("growth", "alignment", "perturbation_growth", "response"):
            table[f"{name}_{waiting:g}"] = getattr(found, name)[index]
    print(f"{found.directions} directions, {found.gradients} gradients", flush=True)
    return table.assign(alpha=alpha, paths=PATHS, replica=REPLICA, waiting=sys.argv[5])


for alpha in map(float, sys.argv[6:]):
    begun = time.monotonic()
    table = rows(alpha)
    table.to_csv(OUT, mode="a", header=not OUT.exists(), index=False, float_format="%.6g")
    last = table.iloc[-1]
    print(
        f"α = {alpha:g}, P = {PATHS}, set {REPLICA}: e({last.t:.3g}) = {last.energy:.4f}, "
        f"{time.monotonic() - begun:.0f} s",
        flush=True,
    )
