"""Draw the table of benchmarks/dmft_late.py, and print what late times say.

python benchmarks/dmft_late_drawing.py docs/results/dmft_late.csv docs/results/dmft_late.png
"""

import sys

import numpy as np
import pandas as pd

from gapless.experiments import drawing
from gapless.losses import quartic
from gapless.theory import threshold_state

FEWEST = 8192
"""Sets of fewer paths are left out: their bias shows."""
table = pd.read_csv(sys.argv[1])
table = table[table.paths >= FEWEST]
figure, (energies, growth, power) = drawing.panels(3)
for index, (alpha, here) in enumerate(table.groupby("alpha")):
    threshold = threshold_state(quartic, float(str(alpha))).energy
    found = []
    for number, (_, one) in enumerate(here.groupby(["paths", "replica"])):
        label = rf"$\alpha={alpha:g}$" if number == 0 else None
        style = dict(color=drawing.colour(index), lw=0.8, label=label)
        one = one[one.t > 0]
        energies.loglog(one.t, one.energy / threshold - 1, **style)
        growth.plot(one.t, one.growth, **style)
        # the exponent over a factor of two in time: differences over a step show rounding
        ahead = np.interp(np.log(one.t) + np.log(2) / 2, np.log(one.t), one.growth)
        behind = np.interp(np.log(one.t) - np.log(2) / 2, np.log(one.t), one.growth)
        good = (one.t * 2**0.5 < one.t.max()) & (one.t > 0.3)
        power.plot(one.t[good], (ahead - behind)[good] / np.log(2), **style)
        at = {t: np.interp(t, one.t, one.growth) for t in (1.0, 1.5, 2.9)}
        early = (at[1.5] - np.interp(0.75, one.t, one.growth)) / np.log(2)
        late = (at[2.9] - at[1.5]) / np.log(2.9 / 1.5)
        e = [np.interp(t, one.t, one.energy) for t in (1.0, 2.9)]
        found.append([*e, at[1.0], at[2.9], early, late])
    values = np.array(found)
    error = values.std(axis=0, ddof=1) / len(values) ** 0.5
    names = ("e(1)", "e(2.9)", "g(1)", "g(2.9)", "a(1)", "a(2)")
    said = (
        f"{n} = {v:.3f} ± {s:.3f}" for n, v, s in zip(names, values.mean(0), error, strict=True)
    )
    print(f"α = {alpha:g}, {len(values)} sets, 1RSB {threshold:.3f}: " + ", ".join(said))
energies.set(xlabel="time $t$", ylabel="energy over 1RSB marginal, $-1$")
growth.set(xlabel="time $t$", ylabel=r"$\ln\,m(t)/m(0)$ of a small overlap")
power.set(xlabel="time $t$", ylabel=r"$d\ln m/d\ln t$")
power.axhline(0, color="0.6", lw=0.8)
growth.legend()
figure.suptitle(
    r"$N=\infty$, shuffled labels: one line a set of 8192 or 16384 paths, step $0.12/\alpha$",
    fontsize=9.5,
)
figure.savefig(sys.argv[2], dpi=130)
