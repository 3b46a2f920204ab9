"""`gapless border`: the fraction of minima that a signal with their labels destabilises."""

from pathlib import Path
from statistics import median

from gapless.cli.answer import print_json, print_text
from gapless.cli.failing import failures_json
from gapless.cli.memory import check_memory
from gapless.cli.numbers import numbers
from gapless.cli.options import Json, Whole
from gapless.cli.own import about, check_alone, check_drawn, own_problem, sentence
from gapless.cli.running import HERE, Engine, Sweep, run_sweeps
from gapless.cli.tables import table_text
from gapless.interrupts import scratch_folder

ROWS = ("n", "alpha", "minima", "designs", "unstable", "low", "high", "median_s", "energy")
"""Columns of the table."""
RUNS = 192
"""Number of runs at each α by default."""
RUNS_PER_DESIGN = 16
"""K, the runs on one X: few, for intervals are computed from the spread between designs."""


def border(
    *,
    n: Whole | None = None,
    alpha: str | None = None,
    data: Path | None = None,
    runs: Whole | None = None,
    seed: Whole = 0,
    loss: str = "quartic",
    runs_per_design: Whole | None = None,
    out: Path | None = None,
    engine: Engine = HERE,
    as_json: Json = False,
) -> None:
    """Print the fraction of minima that a signal with their labels destabilises.

    Runs on shuffled labels are followed to rest. A signal is then planted beside each, as dimension
    N + 1, with sixteen draws of the labels' signs. It opens a descent direction if and only if
    s < 0, where s is the Schur complement of the bordered Hessian. `unstable` is the share of
    minima and draws with s < 0, `low` and `high` its 95 % interval, clustered by design. As N → ∞
    the share jumps from 0 to 1 at α_BBP: curves of several N cross there.

    With --data the runs are on your own labels, and each minimum has a row: whether a signal with
    these labels would destabilise it. This needs no teacher.

    Example: gapless border --n 64 --alpha 10,12,14 --runs 96 --seed 0

    Parameters
    ----------
    n
        Input dimension N.
    alpha
        Samples per dimension: a list 10,12,14 or a range 10:14:1.
    data
        File of your own X and y2 or y instead of N and α, as in `gapless flow --help`.
    runs
        Runs at each α, 192 by default; those that are not at rest at t = 1500/s are left out, where
        s is the scale of the loss, 1 for quartic. With --data 16 by default, or as many as its file
        has.
    seed
        The same seed gives the same numbers, whatever the workers.
    loss
        quartic, amplitude, normalised:a=1, or module:name of your own (a function value(yhat, y)).
    runs_per_design
        K, the number of runs that share one sensing matrix; 16 by default.
    out
        Folder of the records; the same command resumes the computation.
    as_json
        Print one JSON object.
    """
    from gapless.analyse.border import border_table
    from gapless.figures.border import EXPERIMENT
    from gapless.losses import parse_loss
    from gapless.measure.border import BorderPoint
    from gapless.measure.design_point import check_runs, sweep_points
    from gapless.measure.own_hessians import OwnBorder

    check_runs(RUNS if runs is None else runs, runs_per_design)
    if engine.shard is not None and out is None:
        raise ValueError("shard, out: a part needs a folder to meet the others in; give --out")
    if data is not None:
        # one X in this process: it does not travel to workers
        check_alone(
            n=n,
            alpha=alpha,
            workers=engine.workers,
            scheduler=engine.scheduler,
            shard=engine.shard,
            runs_per_design=runs_per_design,
        )
        own = own_problem(data, parse_loss(loss), runs, seed, default_runs=RUNS_PER_DESIGN)
        point = OwnBorder.of(own)
        records, measured = _records(EXPERIMENT, [point], _spec(point), out, engine)
        _print_minima(own, data, EXPERIMENT.address(point), records, measured, as_json=as_json)
        return
    check_drawn(n, alpha)
    runs = RUNS if runs is None else runs
    alphas = numbers(alpha or "", "alpha")
    k = min(runs, RUNS_PER_DESIGN if runs_per_design is None else runs_per_design)
    template = BorderPoint.model_validate(
        dict(n=n, alpha=max(alphas), seed=seed, runs=k, loss=loss)
    )
    check_memory(int(template.cost().bytes) * engine.processes)
    points = sweep_points(template, alphas, runs)
    records, measured = _records(EXPERIMENT, points, _spec(template), out, engine)
    records = records[records.groupby("alpha").cumcount() < runs]
    table = border_table(records).reindex(columns=[*ROWS, "rest", "failed"])
    if as_json:
        answer = {"loss": template.loss, "seed": seed, "runs_per_design": k}
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        print_json(answer | {"rows": rows, "failures": failures_json(measured.failures)})
    else:
        print_text(table_text(list(table.columns), table.to_numpy().tolist()))


def _spec(point) -> dict:
    """Return the spec of a folder: all parameters that its records share."""
    from gapless.figures.border import EXPERIMENT

    spec = point.model_dump(exclude={"alpha", "index"}, mode="json")
    return {"experiment": EXPERIMENT.name, "version": EXPERIMENT.version, **spec}


def _records(experiment, points, spec: dict, out: Path | None, engine: Engine):
    """Measure the points that a folder lacks; return the records of all, and the store."""
    with scratch_folder() as scratch:
        folder = scratch / "border" if out is None else out
        sweep = Sweep(experiment, points, folder, spec)
        (measured,) = run_sweeps([sweep], engine, scratch=out is None)
        measured.check()
        records = measured.store.read().to_pandas()
    addresses = {experiment.address(point) for point in points}
    records = records[records.address.isin(addresses)]
    return records.sort_values(["alpha", "design", "run"]), measured


def _print_minima(own, data: Path, address: str, records, measured, *, as_json: bool) -> None:
    """Print one row for each run on measurements, with the stability of its minimum."""
    rows = []
    for record in records.to_dict("records"):
        schur = record["schur"]
        there = schur is not None
        shares = {
            "unstable": float((schur < 0).mean()) if there else None,
            "median_s": float(median(schur)) if there else None,
            "limit_s": record["limit"] if there else None,
        }
        known = {name: record[name] for name in ("run", "outcome", "time", "energy", "mu")}
        rows.append(known | {"lambda_1": record["lambda_1"]} | shares)
    if as_json:
        answer = {"n": own.problem.n, "m": own.problem.m, "alpha": own.problem.alpha}
        answer |= {"loss": own.problem.loss.name, "seed": own.design.seed, "address": address}
        answer |= about(own, data) | {"runs": rows}
        print_json(answer | {"failures": failures_json(measured.failures)})
    else:
        cells = [[None if value != value else value for value in row.values()] for row in rows]
        print_text(table_text(list(rows[0]), cells) + sentence(own))
