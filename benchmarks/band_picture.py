"""The figure `band` with the runs of Figure 4 and the sets of `late` that are kept in docs/results.

`python benchmarks/band_picture.py` computes the states at the desk scale's α, takes the energies of
docs/results/fig4_desk.csv (N = 256, 512), fig4_large.csv (N = 1024, 2048) and dmft_late.csv, and
writes band_desk.png, band_desk.csv and the limits N → ∞, fig4_large_limits.csv, beside them; it
prints where minima at these energies lose stability. What took hours to run is not run again.
"""

from pathlib import Path

from gapless.threads import pin_threads

pin_threads()

import numpy as np
import pandas as pd
from scipy.stats import t

from gapless.analyse.landscape import Band
from gapless.analyse.plateaus import energy_limits
from gapless.figures.band import EXPERIMENT, SIZES, EndOfDescent, Landscape, end_of_descent, tables
from gapless.measure.landscape import LandscapePoint
from gapless.page.image import save

RESULTS = Path(__file__).parent.parent / "docs" / "results"


def kept_runs() -> pd.DataFrame:
    """Return the energies of runs by N and α, of the tables that are kept."""
    desk, large = (pd.read_csv(RESULTS / f"fig4_{scale}.csv") for scale in ("desk", "large"))
    # the designs of desk scale at N = 1024 are some of those of large
    runs = pd.concat([desk[desk.n < 1024], large[large.n >= 1024]])
    runs = runs[runs.quantity == "energy"]
    # the tables hold 95 % intervals, with Student's quantile of the designs
    error = runs.half_width_95 / t.isf(0.025, runs.designs - 1)
    return runs.assign(energy=runs["mean"], error=error, energy_1rsb=runs.theory)


def kept_energies(band: Band, runs: pd.DataFrame, limits: pd.DataFrame) -> list[EndOfDescent]:
    """Return the energies at which descent ends: of runs, their limits, and the sets of `late`."""
    found = [
        end_of_descent(band, f"runs, N = {n}", float(str(n)), int(here.runs.min()), here)
        for n, here in runs[["n", "runs", "alpha", "energy", "error"]].groupby("n")
    ]
    limits = limits[["alpha", "limit", "limit_error"]].set_axis(
        ["alpha", "energy", "error"], axis=1
    )
    found.append(end_of_descent(band, "runs, N → ∞", np.inf, 0, limits))
    late = pd.read_csv(RESULTS / "dmft_late.csv")
    # only sets without a probe are followed to the last time
    ends = late[np.isclose(late.t, late.t.max())]
    sets = ends.groupby("alpha").energy
    energies = pd.DataFrame({"energy": sets.mean(), "error": sets.sem()}).reset_index()
    name = f"N = ∞, t = {late.t.max():g}"
    found.append(end_of_descent(band, name, np.inf, int(sets.size().min()), energies))
    return found


def main() -> None:
    """Write picture and table."""
    size = SIZES["desk"]
    points = [LandscapePoint(alpha=alpha, levels=size.levels) for alpha in size.alphas]
    states = pd.concat([point.measure().to_pandas() for point in points])
    band = Band.of(states)
    runs = kept_runs()
    limits = energy_limits(runs)
    limits.to_csv(RESULTS / "fig4_large_limits.csv", index=False, float_format="%.6f")
    found = Landscape(states, band, kept_energies(band, runs, limits))
    save(EXPERIMENT.picture(found), RESULTS / "band_desk.png")
    (_, table), (_, ends), (_, lost) = tables(found)
    table.to_csv(RESULTS / "band_desk.csv", index=False, float_format="%.9g")
    ends.to_csv(RESULTS / "band_desk_ends.csv", index=False, float_format="%.9g")
    print(lost.to_string(index=False))


if __name__ == "__main__":
    main()
