"""How long a start at overlap m₀ takes to the signal at N = ∞, against α: Figure 5 without N.

    python benchmarks/dmft_escape.py OUT.csv PATHS REPLICAS ALPHA [ALPHA ...]

Teacher labels, quartic loss, the flow, until t = 3.05. One row a start: first times at which the
energy falls to 1e-4 and 1e-6, NaN if it does not.
"""

import sys
from pathlib import Path

from gapless.threads import pin_threads

pin_threads()

import numpy as np
import pandas as pd

from gapless.losses import quartic
from gapless.theory.dmft import Dynamics, Ensemble, GradientFlow, solve

OUT, PATHS, REPLICAS = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
STARTS = np.geomspace(0.004, 0.6, 16)
TIMES = np.concatenate([[0], np.geomspace(0.02, 3.05, 60)])


def passage(t: np.ndarray, energy: np.ndarray, level: float) -> float:
    """Return when the energy first falls to a level, by interpolation of its logarithm."""
    below = np.flatnonzero(energy <= level)
    if not below.size:
        return np.nan
    k = below[0]
    logs = np.log(np.maximum(energy[k - 1 : k + 1], 1e-12))
    return float(np.interp(-np.log(level), -logs, t[k - 1 : k + 1]))


for alpha in map(float, sys.argv[4:]):
    rows = []
    for replica in range(REPLICAS):
        for m0 in STARTS:
            dynamics = Dynamics(quartic, alpha, "teacher", float(m0))
            found = solve(dynamics, Ensemble(PATHS, 0, replica), GradientFlow(), TIMES)
            times = {
                f"t_{level:g}": passage(found.t, found.energy, level) for level in (1e-4, 1e-6)
            }
            row = {"alpha": alpha, "paths": PATHS, "replica": replica, "overlap": m0}
            rows.append(row | times | {"last": found.signed_overlap[-1]})
    table = pd.DataFrame(rows)
    table.to_csv(OUT, mode="a", header=not OUT.exists(), index=False, float_format="%.5g")
    print(f"α = {alpha:g}", flush=True)
