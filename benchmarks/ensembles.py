"""Runs on other sensing matrices beside those on Gaussian ones: curves, times, labels, eigenvalues.

    python benchmarks/ensembles.py --n 1024 --alpha 6,8,10,12 --sensing fast --runs 512

Both ensembles at each α: with a teacher the share of solved runs, the time at which half of them
are solved, and e(t); of `--twins` runs with shuffled labels the energy, the moments E|ŷ|^k and the
three lowest eigenvalues of the Hessian at t = 20. Every mean has its standard
error, from the designs; the last column is their difference in units of the joint error.
"""

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from gapless.analyse.statistics import Z_95, clustered_mean
from gapless.analyse.survival import lifetimes
from gapless.flow import paper_budget
from gapless.hessian import lowest_eigenpairs
from gapless.measure.simulation import MOMENTS, Simulation, label_moments, simulate
from gapless.measure.threshold import T_TWIN

RUNS_PER_DESIGN = {"teacher": 32, "shuffled": 8}
"""Few on a design where few runs must show how designs differ."""
SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
"""Times of e(t), in units of the budget."""


def points(n: int, alpha: float, sensing: str, runs: int, labels: str) -> list[Simulation]:
    """Return the designs of one ensemble and kind of labels."""
    budget, each = paper_budget(n) if labels == "teacher" else T_TWIN, RUNS_PER_DESIGN[labels]
    given: dict[str, Any] = dict(n=n, alpha=alpha, seed=7, sensing=sensing, labels=labels)
    if labels == "teacher":
        given["save_at"] = tuple(share * budget for share in SHARES)
    return [
        Simulation.model_validate(given | {"runs": each, "t_max": budget, "index": index})
        for index in range(runs // each)
    ]


def measured(todo: list[Simulation]) -> pd.DataFrame:
    """Return the records of some points."""
    return pd.concat([point.measure().to_pandas() for point in todo], ignore_index=True)


def means(table: pd.DataFrame, columns: dict[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """Return mean and standard error of each column, by design."""
    cluster = table.design.to_numpy()
    found = {name: clustered_mean(values, cluster) for name, values in columns.items()}
    return {name: (one.mean, one.standard_error) for name, one in found.items()}


def with_teacher(table: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Return the share of solved runs, the time of half of them, and e(t)."""
    energies = np.stack(table.energy_t.to_list()).astype(float)
    columns = {"solved": table["t_1e-8"].notna().to_numpy(float)}
    columns |= {
        f"e at {share:g} of the budget": e for share, e in zip(SHARES, energies.T, strict=True)
    }
    lives = lifetimes(table)
    low, high = lives.time_interval(0.5)
    spread = (high - low) / (2 * Z_95) if np.isfinite(high) else np.nan
    return means(table, columns) | {"t of half": (lives.incidence().time_at(0.5), spread)}


def shuffled(todo: list[Simulation]) -> dict[str, tuple[float, float]]:
    """Return energy, moments of the labels and the three lowest eigenvalues at t = 20."""
    parts, designs = [], []
    for point in todo:
        problem, trajectory = simulate(point)
        w = trajectory.state.w
        found = lowest_eigenpairs(problem, w, 3, key=point.design.key("lanczos"))
        parts.append(
            np.column_stack([trajectory.end.energy, label_moments(problem, w), found.values])
        )
        designs += [point.index] * problem.k
    values, table = np.concatenate(parts), pd.DataFrame({"design": designs})
    names = ("energy", *MOMENTS, "λ₁", "λ₂", "λ₃")
    return means(table, {f"{name}, shuffled": values[:, i] for i, name in enumerate(names)})


def rows(n: int, alpha: float, sensing: str, runs: int, twins: int) -> Iterator[dict]:
    """Yield one row for each number, of both ensembles."""
    found = [
        with_teacher(measured(points(n, alpha, ensemble, runs, "teacher")))
        | shuffled(points(n, alpha, ensemble, twins, "shuffled"))
        for ensemble in ("gaussian", sensing)
    ]
    for name, (value, error) in found[0].items():
        other, its = found[1][name]
        yield {
            **{"n": n, "alpha": alpha, "number": name, "gaussian": value, "error": error},
            **{sensing: other, f"{sensing}_error": its},
            # half of the runs may never be solved
            "difference": (other - value) / np.hypot(error, its) if np.isfinite(value) else np.nan,
        }


def main() -> None:
    """Print the table of each α."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--n", type=int, default=1024)
    parser.add_argument("--alpha", default="6,8,10,12")
    parser.add_argument("--sensing", default="fast")
    parser.add_argument("--runs", type=int, default=512)
    parser.add_argument("--twins", type=int, default=128)
    given = parser.parse_args()
    for i, alpha in enumerate(float(one) for one in given.alpha.split(",")):
        table = pd.DataFrame(rows(given.n, alpha, given.sensing, given.runs, given.twins))
        print(table.to_csv(index=False, header=i == 0, float_format="%.5g"), end="", flush=True)


if __name__ == "__main__":
    main()
