"""`gapless success`: fractions of solved and of recovered runs, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from gapless.cli.answer import print_json, print_text
from gapless.cli.failing import failures_json
from gapless.cli.loading import load_meanwhile
from gapless.cli.memory import check_memory
from gapless.cli.numbers import numbers
from gapless.cli.options import Json, PrintSize, SensingOption, Whole
from gapless.cli.running import HERE, Engine, Sweep, run_sweeps
from gapless.cli.saved import check_writable, save_picture
from gapless.cli.tables import table_text
from gapless.files import tell
from gapless.interrupts import scratch_folder
from gapless.page.panels import PLAIN, source_of


def success(
    *,
    n: Whole,
    alpha: str,
    runs: Whole = 1000,
    seed: Whole = 0,
    sensing: SensingOption = "gaussian",
    field: str = "real",
    protocol: str = "flow",
    sphere: bool = True,
    loss: str = "quartic",
    dtype: str | None = None,
    t_max: float | None = None,
    tolerance: float = 1e-8,
    runs_per_design: Whole | None = None,
    by_time: Annotated[bool, Parameter(negative="")] = False,
    plot: Path | None = None,
    size: PrintSize = PLAIN,
    out: Path | None = None,
    engine: Engine = HERE,
    as_json: Json = False,
) -> None:
    """Print the fractions of runs that are solved and that recover within the time budget.

    A run is solved when its energy L/N falls to the tolerance, and has recovered when its last
    overlap is q > 1 − 1e-6. A run that recovered and is not solved is near the signal, and the last
    decades of its energy need more time; one that is solved and has not recovered interpolates its
    labels (M < N). In JSON `successes`, `fraction`, `low` and `high` are of solved runs, and
    `recovered`, `recovered_fraction`, `recovered_low` and `recovered_high` of recovered ones. The
    95 % intervals include the correlation of K runs on one sensing matrix.

    Example: gapless success --n 64 --alpha 6,7,8 --runs 4000 --seed 0 --by-time --plot times.png

    Parameters
    ----------
    n
        Input dimension N.
    alpha
        Samples per dimension: a list 6,7,8 or a range 4:14:0.5.
    runs
        Runs at each α. Whole designs of K runs are computed, of which these are the first: few
        runs are sooner there with --runs-per-design of as many.
    seed
        The same seed gives the same numbers, whatever the workers.
    field
        real or complex: signals, starts and sensing vectors of complex numbers (docs, Complex
        signals); --n is then the complex dimension N.
    protocol
        flow (step control), paper (gradient descent at rate 2e-4 for 1500 log2 N steps),
        heavy-ball:rate=2e-4,momentum=0.9 (time is steps × rate/(1 − momentum)), or
        normalised-descent:rate=1e-3 (steps of this length times √N; time is the length of the path
        in √N, 10 by default).
    sphere
        Keep W on the sphere of radius √N, as Eq. 2 does. With --no-sphere the flow is Ẇ = −∇L: no μ
        and no division, and the norm of W is free.
    loss
        quartic, amplitude, normalised:a=1, or module:name of your own (a function value(yhat, y)).
    dtype
        float32, float64 or float16 (X in half the memory, everything else in float32); by default
        float32 for the flow and float64 for fixed steps.
    t_max
        Time budget in units of Eq. 2; 0.3 log2 N by default.
    tolerance
        Energy L/N of a solved run: 1e-4, 1e-6, 1e-8 or 1e-10. All four are recorded.
    runs_per_design
        K, the number of runs on one sensing matrix; by default 128 up to N = 2048, fewer beyond.
    by_time
        Print times instead: when 50 and 90 % of all runs are solved, with 95 % intervals; the
        shares that are solved and at rest by the end of the budget, as competing events; and how
        the time to solution falls with ln √N q(0).
    plot
        File (.png, .pdf, .svg) for a picture of the fractions against α; with --by-time, of the
        shares against time.
    out
        Folder of the records; the same command resumes the computation.
    as_json
        Print one JSON object.
    """
    from gapless.analyse.success import first_runs, success_column
    from gapless.figures import success as figure
    from gapless.measure.design_point import check_runs, sweep_points
    from gapless.measure.simulation import Simulation

    check_runs(runs, runs_per_design)
    if plot is not None:
        check_writable(plot, "plot")
    success_column(tolerance)
    alphas = numbers(alpha, "alpha")
    template = Simulation.model_validate(
        dict(n=n, alpha=max(alphas), seed=seed, runs=runs_per_design, loss=loss)
        | dict(protocol=protocol, dtype=dtype, t_max=t_max, sensing=sensing, sphere=sphere)
        | dict(field=field)
    )
    largest = sweep_points(template, [template.alpha], 1)[0]
    check_memory(largest.bytes * engine.processes)
    if engine.shard is not None and out is None:
        raise ValueError("shard, out: a part needs a folder to meet the others in; give --out")
    points = sweep_points(template, alphas, runs)
    experiment = figure.EXPERIMENT
    spec = template.model_dump(exclude={"alpha", "index"}, exclude_none=True, mode="json")
    spec = {"experiment": experiment.name, "version": experiment.version, **spec}
    if engine.workers is not None:
        # this process waits while its workers compute
        load_meanwhile("pandas", "scipy.special")
    with scratch_folder() as scratch:
        folder = scratch / "success" if out is None else out
        sweep = Sweep(experiment, points, folder, spec)
        (measured,) = run_sweeps([sweep], engine, scratch=out is None)
        measured.check()
        records = measured.store.read().to_pandas()
    answer = template.model_dump(exclude={"alpha", "index", "save_at"}, mode="json")
    answer |= {"runs": runs, "runs_per_design": largest.design.k}
    answer |= {"tolerance": tolerance, "rows": [], "failures": failures_json(measured.failures)}
    if records.empty:
        # a part of a job array that has more parts than there are points
        return print_json(answer) if as_json else tell("no points in this part")
    addresses = {experiment.address(point) for point in points}
    records = records[records.address.isin(addresses)]
    fractions = figure.reduce(records, runs, tolerance)
    rows = fractions.rows()
    # loaded after the runs, as pandas is by their table
    from gapless.figures import by_time as incidence

    timed = incidence.incidence_curves(first_runs(records, runs), tolerance) if by_time else None
    if as_json:
        times = {} if timed is None else {"times": timed.times.to_dict("records")}
        print_json(answer | {"rows": rows} | times)
    elif timed is not None:
        print_text(table_text(list(incidence.SHOWN.values()), incidence.cells(timed.times)))
    else:
        print_text(_summary(rows))
    if plot is not None:
        drawn = figure.picture(fractions) if timed is None else incidence.picture(timed)
        # reduced tables keep neither loss nor seed
        save_picture(plot, size, lambda: replace(drawn, source=source_of(records)))
    return None


SHOWN = {
    "n": "n",
    "alpha": "alpha",
    "runs": "runs",
    "designs": "designs",
    "successes": "solved",
    "fraction": "fraction",
    "low": "low",
    "high": "high",
    "recovered": "recovered",
    "recovered_fraction": "fraction",
    "recovered_low": "low",
    "recovered_high": "high",
    "interpolated": "interpolated",
    "gradients_per_run": "gradients_per_run",
}
"""Columns of the table and their headings."""


def _summary(rows: Sequence[Mapping[Any, Any]]) -> str:
    shown = {name: heading for name, heading in SHOWN.items() if name in rows[0]}
    if any(row["failed"] for row in rows):
        shown["failed"] = "failed"
    cells = [[_short(row[name]) for name in shown] for row in rows]
    return table_text(list(shown.values()), cells)


def _short(value: Any) -> Any:
    """Return a number with the four digits that the intervals have."""
    return f"{value:.4g}" if isinstance(value, float) else value
