"""Descent with shuffled labels against the marginal 1RSB state: the table of limits.md §5.

    python benchmarks/threshold_energy.py                       N = 1024, α = 4, 10, 18: minutes
    python benchmarks/threshold_energy.py --n 512 --designs 8

Runs of Figure 4's desk scale, its first designs only. Errors are standard errors clustered by
design.
"""

import argparse
import time

import pandas as pd
import pyarrow as pa

from gapless.analyse.plateaus import plateaus
from gapless.figures import fig4
from gapless.figures.experiment import Size
from gapless.measure.simulation import MOMENTS


def measure(size: Size, seed: int) -> pd.DataFrame:
    """Return the rows of all designs, reporting each on the way."""
    found = []
    for point in fig4.simulations(size, seed):
        start = time.process_time()
        found.append(point.measure())
        seconds = time.process_time() - start
        print(f"alpha={point.alpha:g} design {point.index}: {seconds:.0f} CPU s", flush=True)
    return pa.concat_tables(found).to_pandas()


def report(table: pd.DataFrame) -> None:
    """Print energies, moments and their excess over 1RSB."""
    for plateau in plateaus(table):
        energy = plateau.measured["energy"]
        print(
            f"\nN = {plateau.n}, alpha = {plateau.alpha:g}, {energy.size} runs on "
            f"{energy.clusters} designs, t = {plateau.t_max:g}: {100 * plateau.at_rest:.0f} % at "
            f"rest, energy lost since t/2: {100 * plateau.drift:.2g} %; "
            f"1RSB ground state e0 = {plateau.theory.ground_energy:.4f}"
        )
        print(f"{'':12}{'1RSB':>9}{'runs':>9}{'std':>9}{'error':>9}{'excess %':>10}{'± %':>7}")
        for column in ("energy", *MOMENTS):
            m, theory = plateau.measured[column], plateau.theory.value(column)
            print(
                f"{column:12}{theory:9.4f}{m.mean:9.4f}{m.std:9.4f}{m.standard_error:9.4f}"
                f"{100 * plateau.excess(column):10.2f}{100 * m.standard_error / theory:7.2f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--n", type=int, default=1024)
    parser.add_argument("--alpha", default="4,10,18")
    parser.add_argument("--designs", type=int, default=4)
    parser.add_argument("--runs", type=int, default=8, help="on each design")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="keep the rows in this parquet file")
    given = parser.parse_args()
    alphas = tuple(float(text) for text in given.alpha.split(","))
    table = measure(Size(given.n, alphas, given.designs, given.runs), given.seed)
    if given.out:
        table.to_parquet(given.out)
    report(table)


if __name__ == "__main__":
    main()
