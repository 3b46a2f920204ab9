"""N = ∞ beside runs of benchmarks/dmft_runs.py: a table of means with errors.

    python benchmarks/dmft_table.py OUT.csv PATHS SETS LABELS RUNS.csv [RUNS.csv ...]

α = 10, step 0.01. LABELS: shuffled, teacher:m, or growth:m (linearised, times m).
"""

import sys
from pathlib import Path

from gapless.threads import pin_threads

pin_threads()

import numpy as np
import pandas as pd

from gapless.losses import quartic
from gapless.theory.dmft import Dynamics, GradientDescent, PathDraws, combine, solve

OUT, PATHS, SETS = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
LABELS, _, START = sys.argv[4].partition(":")
STEPS = np.array([0, 5, 10, 20, 30, 50, 75, 100])
NAMES = {"energy": "energy", "mu": "mu", "correlation_0": "correlation"}
overlap = float(START) if LABELS == "teacher" else 0.0
labels = "teacher" if LABELS == "teacher" else "shuffled"
waiting = (0.0,) if LABELS == "growth" else ()
dynamics = Dynamics(quartic, 10.0, labels, overlap, waiting)
times = 0.01 * np.arange(101)
theory = combine(
    [
        solve(dynamics, PathDraws(PATHS, 1, index), GradientDescent(0.01), times)
        for index in range(SETS)
    ]
)
if LABELS == "teacher":
    NAMES["signed_overlap"] = "overlap"
elif LABELS == "growth":
    NAMES = {"growth": "overlap"}

rows = []
for name in sys.argv[5:]:
    runs = pd.read_csv(name)
    designs = runs.groupby(["design", "t"]).mean()
    mean, count = designs.groupby("t").mean(), runs.design.nunique()
    error = designs.groupby("t").std() / count**0.5
    for ours, theirs in NAMES.items():
        value, spread = theory.value[ours], theory.paths[ours]
        if LABELS == "growth":
            value = float(START) * np.exp(value[0])
            spread = value * spread[0]
        rows.extend(
            {
                "labels": sys.argv[4],
                "runs": Path(name).stem,
                "designs": count,
                "quantity": theirs,
                "t": 0.01 * k,
                "theory": value[k],
                "theory_error": spread[k],
                "simulation": mean[theirs].iloc[k],
                "simulation_error": error[theirs].iloc[k],
            }
            for k in STEPS
        )
table = pd.DataFrame(rows)
table["difference_percent"] = 100 * (table.simulation / table.theory - 1)
table.to_csv(OUT, mode="a", header=not OUT.exists(), index=False, float_format="%.5g")
print(table.to_string())
