"""Late times at N = ∞: energies, growth of a small overlap, bulk edge and outlier, as a table.

    python benchmarks/dmft_late.py OUT.csv PATHS REPLICA ALPHA:T_MAX ...

Shuffled labels, quartic loss, step 0.12/α, seed 0. Appends one set of paths after the other.
"""

import sys
import time
from pathlib import Path

from gapless.threads import pin_threads

pin_threads()

import numpy as np
import pandas as pd

from gapless.losses import quartic
from gapless.theory.dmft import Draws, Dynamics, Unstable, solve

OUT, PATHS, REPLICA = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])


def rows(alpha: float, t_max: float) -> pd.DataFrame:
    """Return one row for every tenth of a unit of time."""
    step = 0.12 / alpha
    dynamics = Dynamics(quartic, alpha, np.full(round(t_max / step), step))
    found = solve(dynamics, Draws(PATHS, 0, REPLICA))
    columns = ("energy", "mu", "correlation_0", "growth", "growth_rate")
    table = pd.DataFrame({"t": found.t} | {name: getattr(found, name) for name in columns})
    table["speed2"] = found.observed("speed2")
    states = np.unique(np.linspace(0, found.states - 1, 13).astype(int))
    spectra = {int(k): found.spectrum(int(k)) for k in states}
    table["bulk_edge"] = [spectra[k][0] if k in spectra else np.nan for k in range(found.states)]
    table["outlier"] = [spectra[k][1] if k in spectra else np.nan for k in range(found.states)]
    shown = sorted(set(np.round(np.arange(0, t_max, 0.1) / step).astype(int)) | set(spectra))
    return table.iloc[shown].assign(alpha=alpha, paths=PATHS, replica=REPLICA)


for item in sys.argv[4:]:
    alpha, t_max = map(float, item.split(":"))
    begun = time.monotonic()
    try:
        table = rows(alpha, t_max)
    except Unstable as error:
        print(f"α = {alpha:g}: {error}", flush=True)
        continue
    table.to_csv(OUT, mode="a", header=not OUT.exists(), index=False, float_format="%.6g")
    last = table.iloc[-1]
    print(
        f"α = {alpha:g}, P = {PATHS}, set {REPLICA}: e({last.t:.3g}) = {last.energy:.4f}, "
        f"{time.monotonic() - begun:.0f} s",
        flush=True,
    )
