"""Success and ρ(t) of the flow without the sphere beside those on it, on the same instances.

`python benchmarks/no_sphere.py` follows 256 runs at each α (N = 256, 16 designs) for the paper's
budget and four times that, and writes no_sphere.csv, no_sphere_rho.csv and no_sphere.png to
docs/results: two CPU minutes. `gapless success --n 256 --alpha 4:12:1 --runs 256 --runs-per-design
16 --seed 0 --no-sphere` gives the same fractions, with and without --no-sphere.
"""

import resource
from pathlib import Path

from gapless.threads import pin_threads

pin_threads()

import numpy as np
import pandas as pd

from gapless.analyse.statistics import clustered_mean, share
from gapless.measure.design_point import sweep_points
from gapless.measure.simulation import Simulation, simulate
from gapless.page.image import save
from gapless.page.panels import TWO_ERRORS, Axis, Mark, Panel, Picture, Series

RESULTS = Path(__file__).parent.parent / "docs" / "results"
N, RUNS, PER_DESIGN, SEED = 256, 256, 16, 0
ALPHAS = tuple(np.arange(4.0, 13.0))
BUDGETS = (2.4, 9.6)
RHO_ALPHAS, TIMES = (6.0, 10.0), (0.0, *np.geomspace(0.003, 2.4, 60).tolist())
NAMES = {True: "sphere", False: "no_sphere"}


def template(sphere: bool, t_max: float) -> Simulation:
    """Return the parameters of all runs but α."""
    return Simulation(n=N, alpha=ALPHAS[0], seed=SEED, runs=PER_DESIGN, t_max=t_max, sphere=sphere)


def success() -> pd.DataFrame:
    """Return the fractions that recover, and their difference on the same instances."""
    rows = []
    for t_max in BUDGETS:
        found = {}
        for sphere in NAMES:
            points = sweep_points(template(sphere, t_max), ALPHAS, RUNS)
            records = pd.concat([point.measure().to_pandas() for point in points])
            records["recovered"] = (records.outcome == "recovered").astype(float)
            found[sphere] = records.set_index(["alpha", "design", "run"]).sort_index()
        for alpha in ALPHAS:
            row = {"n": N, "alpha": alpha, "t_max": t_max, "runs": RUNS}
            designs = found[True].loc[alpha].index.get_level_values("design").to_numpy()
            for sphere, name in NAMES.items():
                here = found[sphere].loc[alpha]
                one = share(here.recovered.to_numpy(bool), designs)
                row |= {name: one.fraction, f"{name}_low": one.low, f"{name}_high": one.high}
                row[f"{name}_gradients"] = here.gradients.mean()
            gain = found[False].loc[alpha].recovered - found[True].loc[alpha].recovered
            mean = clustered_mean(gain.to_numpy(), designs)
            rows.append(row | {"difference": mean.mean, "error": mean.standard_error})
            print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def squares() -> pd.DataFrame:
    """Return mean ρ(t) and energies of the runs that recover and of the others, on and off."""
    rows = []
    for alpha in RHO_ALPHAS:
        for sphere in NAMES:
            base = template(sphere, BUDGETS[0]).model_copy(update={"save_at": TIMES})
            runs = [simulate(p)[1] for p in sweep_points(base, [alpha], RUNS)]
            rho = np.concatenate([run.rho for run in runs])
            energy = np.concatenate([run.energy for run in runs])
            ended = np.array([str(one) for run in runs for one in run.outcome])
            cluster = np.repeat(np.arange(len(runs)), PER_DESIGN)
            for name in ("recovered", "others"):
                chosen = (ended == "recovered") == (name == "recovered")
                if chosen.sum() < 2:
                    continue
                for index, t in enumerate(TIMES):
                    mean = clustered_mean(rho[chosen, index], cluster[chosen])
                    row = {"alpha": alpha, "domain": NAMES[sphere], "ended": name, "t": t}
                    row |= {"runs": int(chosen.sum()), "energy": energy[chosen, index].mean()}
                    rows.append(row | {"rho": mean.mean, "error": mean.standard_error})
    return pd.DataFrame(rows)


def picture(table: pd.DataFrame, rho: pd.DataFrame) -> Picture:
    """Return the fractions against α and ρ against t."""
    curves = [
        Series(
            f"{name.replace('_', ' ')}, t ≤ {t_max:g}",
            *(here.alpha, here[name], here[f"{name}_low"], here[f"{name}_high"]),
            colour=2 * budget + (name == "sphere"),
        )
        for budget, t_max in enumerate(BUDGETS)
        for name in NAMES.values()
        for here in (table[table.t_max == t_max],)
    ]
    free = rho[(rho.domain == "no_sphere") & (rho.t > 0)]
    squares = [
        Series(
            f"α = {alpha:g}, {ended}",
            *(here.t, here.rho, here.rho - 2 * here.error, here.rho + 2 * here.error, TWO_ERRORS),
            style="lines",
            colour=index,
        )
        for index, ((alpha, ended), here) in enumerate(free.groupby(["alpha", "ended"]))
    ]
    marks = (Mark("y", 1.0, "sphere"), Mark("y", 1 / 3, "1/3, no overlap"))
    axes = Axis("time t", "log"), Axis("ρ = |W|²/N", range=(0, 1.1))
    panels = (
        Panel("Runs that recover", Axis("α = M/N"), Axis("fraction"), curves),
        Panel("Norm without the sphere", *axes, squares, marks),
    )
    title = f"{RUNS} runs at each α on the same instances; bars: 95 % and {TWO_ERRORS}"
    return Picture(title, (panels,), f"quartic loss, N = {N}, seed {SEED}")


def main() -> None:
    """Write tables and picture."""
    table, rho = success(), squares()
    table.to_csv(RESULTS / "no_sphere.csv", index=False, float_format="%.5g")
    rho.to_csv(RESULTS / "no_sphere_rho.csv", index=False, float_format="%.5g")
    save(picture(table, rho), RESULTS / "no_sphere.png")
    spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    print(table.to_string(index=False), f"{spent:.0f} CPU s", sep="\n")


if __name__ == "__main__":
    main()
