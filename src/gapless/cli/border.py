"""`gapless border`: the fraction of minima that a signal with their labels destabilises."""

import sys
from pathlib import Path

from gapless.cli.failing import failures_json
from gapless.cli.running import HERE, Engine, Sweep, run_sweeps
from gapless.cli.shared import Json, Whole, check_memory, numbers, print_json, table_text
from gapless.interrupts import scratch_folder

ROWS = ("n", "alpha", "minima", "designs", "unstable", "low", "high", "median_s", "energy")
"""Columns of the table."""
RUNS_PER_DESIGN = 16
"""Smallest number of designs: intervals are computed from the spread between designs."""


def border(
    *,
    n: Whole,
    alpha: str,
    runs: Whole = 192,
    seed: Whole = 0,
    loss: str = "quartic",
    runs_per_design: Whole = RUNS_PER_DESIGN,
    out: Path | None = None,
    engine: Engine = HERE,
    as_json: Json = False,
) -> None:
    """Print the fraction of minima that a signal with their labels destabilises.

    Runs on shuffled labels are followed to rest. A signal is then planted beside each, as dimension
    N + 1, with sixteen draws of the labels' signs; s < 0, s the Schur complement of the Hessian's
    border, if and only if it opens a descent direction. `unstable` is the share of minima and draws
    with s < 0, `low` and `high` its 95 % interval, clustered by design. As N → ∞ the share jumps
    from 0 to 1 at α_BBP: curves of several N cross there.

    Example: gapless border --n 64 --alpha 10,12,14 --runs 96 --seed 0

    Parameters
    ----------
    n
        Input dimension N.
    alpha
        Samples per dimension: a list 10,12,14 or a range 10:14:1.
    runs
        Runs at each α; those that are not at rest at t = 400 are left out.
    seed
        The same seed gives the same numbers, whatever the workers.
    loss
        quartic, amplitude, normalised:a=1, or module:name of your own (a function value(yhat, y)).
    runs_per_design
        K, the number of runs that share one sensing matrix.
    out
        Folder of the records; the same command resumes the computation.
    as_json
        Print one JSON object.
    """
    from gapless.analyse.border import border_table
    from gapless.figures.border import EXPERIMENT
    from gapless.measure.border import BorderPoint
    from gapless.measure.design_point import check_runs, sweep_points

    check_runs(runs, runs_per_design)
    alphas = numbers(alpha, "alpha")
    k = min(runs, runs_per_design)
    template = BorderPoint.model_validate(
        dict(n=n, alpha=max(alphas), seed=seed, runs=k, loss=loss)
    )
    check_memory(int(template.cost().bytes) * engine.processes)
    if engine.shard is not None and out is None:
        raise ValueError("shard, out: a part needs a folder to meet the others in; give --out")
    points = sweep_points(template, alphas, runs)
    spec = template.model_dump(exclude={"alpha", "index"}, mode="json")
    spec = {"experiment": EXPERIMENT.name, "version": EXPERIMENT.version, **spec}
    with scratch_folder() as scratch:
        folder = scratch / "border" if out is None else out
        sweep = Sweep(EXPERIMENT, points, folder, spec)
        (measured,) = run_sweeps([sweep], engine, scratch=out is None)
        measured.check()
        records = measured.store.read().to_pandas()
    addresses = {EXPERIMENT.address(point) for point in points}
    records = records[records.address.isin(addresses)].sort_values(["alpha", "design", "run"])
    records = records[records.groupby("alpha").cumcount() < runs]
    table = border_table(records).reindex(columns=[*ROWS, "rest", "failed"])
    if as_json:
        answer = {"loss": template.loss, "seed": seed, "runs_per_design": k}
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        print_json(answer | {"rows": rows, "failures": failures_json(measured.failures)})
    else:
        sys.stdout.write(table_text(list(table.columns), table.to_numpy().tolist()))
