"""`gapless reproduce` and `gapless report`: the paper's figures, measured and drawn."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gapless import machine
from gapless.amounts import duration, memory
from gapless.cli.answer import print_json, print_text
from gapless.cli.failing import failures_json, tell_failures_in
from gapless.cli.memory import has_room, most_that_fit
from gapless.cli.options import Json, PrintSize, Whole
from gapless.cli.running import HERE, Engine, Sweep, run_sweeps
from gapless.cli.slurm import check_shares, job_array
from gapless.cli.tables import table_text
from gapless.files import shown, tell
from gapless.page.panels import PLAIN

if TYPE_CHECKING:
    from gapless.figures import Experiment


def reproduce(
    *figures: str,
    scale: str = "smoke",
    seed: Whole = 0,
    loss: str | None = None,
    out: Path | None = None,
    engine: Engine = HERE,
    size: PrintSize = PLAIN,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    print_slurm: Whole | None = None,
    as_json: Json = False,
) -> None:
    """Measure the missing points of the paper's figures, draw them and write report.html.

    After an interruption the same command resumes. The first interrupt gives the running tasks
    three seconds to end; a second stops at once.

    Example: gapless reproduce fig5 --scale smoke --workers 2 --out results/smoke

    Parameters
    ----------
    figures
        One or more of fig1 … fig5, bbp, baselines, late, escape, border, band, calibration and
        reach, or all, the default; or module:NAME of an Experiment of yours, in the current folder
        or installed.
    scale
        smoke (minutes), desk (an evening), large (nights: the paper's N with fewer runs, of Figures
        1, 3, 4, 5 and reach) or paper.
    seed
        The same seed gives the same numbers, whatever the workers.
    loss
        Another loss for fig1 … fig5 and bbp, as in gapless flow: normalised:a=0.5, module:name. The
        pictures name it, and statements about the figure's own loss are not judged.
    out
        Folder of records, pictures and report, results/SCALE by default. All figures in it are
        drawn; a folder of its own is drawn sooner, and another loss needs one.
    dry_run
        Print only points, expected time and memory, from a calibration of some ten seconds for
        each figure.
    print_slurm
        Print only a SLURM script that distributes the points over a job array of this size.
    as_json
        Print one JSON object.
    """
    from gapless.figures import load
    from gapless.figures.experiment import SCALES
    from gapless.report import write_report
    from gapless.store import Store
    from gapless.sweep import plan, shard

    if scale not in SCALES:
        raise ValueError(f"scale: {scale!r} is not one of {', '.join(SCALES)}")
    given = figures or ("all",)
    names = tuple(dict.fromkeys(f for n in given for f in _named(n)))
    folder = Path("results") / scale if out is None else out
    if print_slurm is not None:
        check_shares(print_slurm, engine, names, folder)
    experiments = [load(name) for name in names]
    _check_names(experiments)
    if loss is not None and "all" in given:
        experiments = [e for e in experiments if e.takes_loss]
        names = tuple(experiment.name for experiment in experiments)
    if without := [e.name for e in experiments if scale not in e.scales]:
        if "all" not in given:
            known = next(", ".join(e.scales) for e in experiments if e.name in without)
            raise ValueError(
                f"figures, scale: {', '.join(without)} has no points at this scale; choose from "
                f"{known}"
            )
        experiments = [e for e in experiments if e.name not in without]
        names = tuple(experiment.name for experiment in experiments)
    planned = {e.name: e.points_of(scale, seed, loss) for e in experiments}
    if empty := [name for name, points in planned.items() if not points]:
        raise ValueError(f"figures, scale: {', '.join(empty)} has no points at this scale")
    if dry_run and print_slurm is not None:
        raise ValueError("dry_run, print_slurm: print different things; give one of the two")
    if dry_run or print_slurm is not None:
        stores = {name: Store(folder / name) for name in planned}
        points = {name: shard(planned[name], *engine.part) for name in planned}
        retry = engine.retry_failed
        plans = [plan(e, points[e.name], stores[e.name], retry_failed=retry) for e in experiments]
        if print_slurm is None:
            return _print_plans(plans, engine, as_json)
        command = ["reproduce", *names, "--scale", scale, "--seed", str(seed)]
        command += [] if loss is None else ["--loss", loss]
        estimates = _estimates(plans, engine, print_slurm)
        text = job_array(command, folder, engine, print_slurm, estimates)
        if as_json:
            return print_json({"script": text})
        print_text(text)
        return None
    sweeps = []
    for experiment in experiments:
        name, points = experiment.name, planned[experiment.name]
        needed = engine.processes * max(point.cost().bytes for point in points)
        if lacking := _lacking(name, needed, engine):
            raise ValueError(f"scale, workers: {lacking}")
        spec = {"experiment": name, "version": experiment.version, "scale": scale, "seed": seed}
        other = experiment.other_loss(scale, seed, loss)
        spec |= {} if other is None else {"loss": other}
        sweeps.append(Sweep(experiment, points, folder / name, spec))
    measured = run_sweeps(sweeps, engine)
    page = None
    # parts of a job array would draw over each other: `gapless report` does it when all are there
    if engine.shard is None:
        _tell_what_is_drawn(folder)
        page = write_report(folder, _own(experiments), size=size, workers=engine.processes)
    for one in measured:
        one.check()
    failures = {one.name: failures_json(one.failures) for one in measured}
    if as_json:
        print_json({"report": page and str(page), "figures": list(planned), "failures": failures})
    else:
        print_text(f"{shown(page or folder)}\n")
    return None


def _lacking(name: str, needed: float, engine: Engine) -> str | None:
    """Return the error, with remedy, of a plan that exceeds this machine's memory, else None."""
    if engine.scheduler is not None or has_room(needed):
        return None
    each = needed / engine.processes
    fewer = most_that_fit(each)
    remedy = (
        f"--workers {fewer} ({memory(fewer * each)})"
        if fewer
        else "a smaller --scale, or machines with more memory by --scheduler or --print-slurm"
    )
    return (
        f"{name} on {engine.processes} processes needs {memory(needed)}, and this machine has "
        f"{memory(machine.memory_limit())}; give {remedy}"
    )


def _named(name: str) -> tuple[str, ...]:
    from gapless.figures import NAMES

    return NAMES if name == "all" else (name,)


def _own(experiments: "Sequence[Experiment]") -> "list[Experiment]":
    from gapless.figures import NAMES

    return [experiment for experiment in experiments if experiment.name not in NAMES]


def _check_names(experiments: "Sequence[Experiment]") -> None:
    """Raise ``ValueError`` if two experiments would share a folder."""
    names = [experiment.name for experiment in experiments]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"figures: two experiments are called {', '.join(sorted(twice))}")


def report(
    dir: Path,
    /,
    *,
    trust: tuple[str, ...] = (),
    experiment: tuple[str, ...] = (),
    size: PrintSize = PLAIN,
    as_json: Json = False,
) -> None:
    """Draw the figures and write report.html from the records of a folder, without measuring.

    Example: gapless report results/smoke

    Parameters
    ----------
    dir
        Folder given as --out to reproduce; the sweep may be unfinished.
    experiment
        module:NAME of an Experiment of yours whose records the folder holds: its module is imported
        to draw them. Without it they are shown as a table. Repeat the option for more.
    trust
        module:name of a loss of yours that the records name: its code is run to draw the curves of
        theory, if it is the code that made the records. Without it no module that a record names is
        loaded. Repeat the option for more.
    as_json
        Print one JSON object.
    """
    from gapless.figures import load
    from gapless.losses import parse_loss
    from gapless.report import write_report

    for name in trust:
        try:
            parse_loss(name)
        except ValueError as error:
            raise ValueError(f"trust: {str(error).removeprefix('loss: ')}") from None
    try:
        own = [load(name) for name in experiment]
    except ValueError as error:
        raise ValueError(f"experiment: {str(error).removeprefix('figures: ')}") from None
    _check_names(own)
    _tell_what_is_drawn(dir)
    page = write_report(dir, _own(own), size=size)
    failures = tell_failures_in(dir)
    if as_json:
        print_json({"report": str(page), "failures": failures})
    else:
        print_text(f"{shown(page)}\n")


def _tell_what_is_drawn(folder: Path) -> None:
    """Report on stderr the figures of a folder of several, which are all drawn."""
    from gapless.store import StoreError, stores_in

    with suppress(StoreError):
        if len(stores := stores_in(folder)) > 1:
            tell(f"drawing the {len(stores)} figures of {shown(folder)}")


def _estimates(plans, engine: Engine, shares: int = 1) -> list[tuple[float, float]]:
    """Return the expected wall time in seconds and memory in bytes of each plan, per job."""
    from gapless.sweep import Plan, calibrate

    found = []
    for plan in plans:
        if not plan.missing:
            found.append((0.0, 0.0))
            continue
        sys.stderr.write(f"{plan.experiment.name}: calibrating\n")
        here = calibrate(plan)
        share = Plan(plan.experiment, plan.total, plan.missing[::shares])
        found.append((here.seconds(share, engine.processes), here.memory(share, engine.processes)))
    return found


def _print_plans(plans, engine: Engine, as_json: bool) -> None:
    rows = [
        {
            "figure": plan.experiment.name,
            "points": plan.total,
            "missing": len(plan.missing),
            "seconds": seconds,
            "bytes": bytes,
            "fits": _lacking(plan.experiment.name, bytes, engine) is None,
        }
        for plan, (seconds, bytes) in zip(plans, _estimates(plans, engine), strict=True)
    ]
    if as_json:
        return print_json({"workers": engine.processes, "plans": rows})
    shown = [
        [
            *(row[name] for name in ("figure", "points", "missing")),
            *(duration(row["seconds"]), memory(row["bytes"])),
        ]
        for row in rows
    ]
    if len(rows) > 1:
        points, missing, seconds = (
            sum(r[k] for r in rows) for k in ("points", "missing", "seconds")
        )
        largest = max(row["bytes"] for row in rows)
        shown.append(["all", points, missing, duration(seconds), memory(largest)])
    print_text(table_text(("figure", "points", "missing", "time", "memory"), shown))
    tell(
        lacking
        for row in rows
        if (lacking := _lacking(row["figure"], row["bytes"], engine)) is not None
    )
    return None
