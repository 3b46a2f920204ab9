"""The figure `band` with the runs of Figure 4 and the sets of `late` that are kept in docs/results.

`python benchmarks/band_picture.py` computes the states at the desk scale's α, takes the energies of
docs/results/fig4_desk.csv, fig4_desk_limits.csv and dmft_late.csv, and writes band_desk.png and
band_desk.csv beside them; it prints where minima at these energies lose stability. What took 25 and
75 CPU minutes to run is not run again.
"""

from pathlib import Path

from gapless.threads import pin_threads

pin_threads()

import numpy as np
import pandas as pd
from scipy.stats import t

from gapless.analyse.landscape import Band
from gapless.figures.band import EXPERIMENT, SIZES, Landscape, Source, source_of, tables
from gapless.measure.landscape import LandscapePoint
from gapless.page.image import save

RESULTS = Path(__file__).parent.parent / "docs" / "results"


def kept_energies(band: Band) -> list[Source]:
    """Return the energies at which descent ends, of the tables that are kept."""
    runs = pd.read_csv(RESULTS / "fig4_desk.csv")
    runs = runs[runs.quantity == "energy"]
    # the tables hold 95 % intervals, with Student's quantile of the designs
    error = runs.half_width_95 / t.isf(0.025, runs.designs - 1)
    runs = runs.assign(energy=runs["mean"], error=error)
    found = [
        source_of(band, f"runs, N = {n}", float(str(n)), int(here.runs.min()), here)
        for n, here in runs[["n", "runs", "alpha", "energy", "error"]].groupby("n")
    ]
    limits = pd.read_csv(RESULTS / "fig4_desk_limits.csv")
    limits = limits.assign(energy=limits.limit, error=limits.limit_error)
    columns = ["alpha", "energy", "error"]
    found.append(source_of(band, "runs, N → ∞", np.inf, 0, limits[columns]))
    late = pd.read_csv(RESULTS / "dmft_late.csv")
    # only sets without a probe are followed to the last time
    ends = late[np.isclose(late.t, late.t.max())]
    sets = ends.groupby("alpha").energy
    energies = pd.DataFrame({"energy": sets.mean(), "error": sets.sem()}).reset_index()
    name = f"N = ∞, t = {late.t.max():g}"
    found.append(source_of(band, name, np.inf, int(sets.size().min()), energies))
    return found


def main() -> None:
    """Write picture and table."""
    size = SIZES["desk"]
    points = [LandscapePoint(alpha=alpha, levels=size.levels) for alpha in size.alphas]
    states = pd.concat([point.measure().to_pandas() for point in points])
    band = Band.of(states)
    found = Landscape(states, band, kept_energies(band))
    save(EXPERIMENT.picture(found), RESULTS / "band_desk.png")
    (_, table), (_, ends), (_, lost) = tables(found)
    table.to_csv(RESULTS / "band_desk.csv", index=False, float_format="%.9g")
    ends.to_csv(RESULTS / "band_desk_ends.csv", index=False, float_format="%.9g")
    print(lost.to_string(index=False))


if __name__ == "__main__":
    main()
