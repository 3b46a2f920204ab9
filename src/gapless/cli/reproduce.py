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
from gapless.page.panels import PLAIN, Print

if TYPE_CHECKING:
    from gapless.figures import Experiment
    from gapless.figures.experiment import Scale
    from gapless.measure.point import Point
    from gapless.sweep import Plan


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
        Print only points, expected time on idle cores, and memory, from a calibration of some ten
        seconds for each figure.
    print_slurm
        Print only a SLURM script that distributes the points over a job array of this size.
    as_json
        Print one JSON object.
    """
    from gapless.figures.experiment import SCALES

    if scale not in SCALES:
        raise ValueError(f"scale: {scale!r} is not one of {', '.join(SCALES)}")
    given = figures or ("all",)
    names = tuple(dict.fromkeys(f for n in given for f in _named(n)))
    folder = Path("results") / scale if out is None else out
    if print_slurm is not None:
        check_shares(print_slurm, engine, names, folder)
    chosen = _chosen(names, scale, loss, of_all="all" in given)
    experiments = list(chosen.values())
    planned = {e.name: e.points_of(scale, seed, loss) for e in experiments}
    if empty := [name for name, points in planned.items() if not points]:
        raise ValueError(f"figures, scale: {', '.join(empty)} has no points at this scale")
    if dry_run and print_slurm is not None:
        raise ValueError("dry_run, print_slurm: print different things; give one of the two")
    if dry_run:
        return _print_plans(_plans(experiments, planned, folder, engine), engine, as_json)
    if print_slurm is not None:
        command = ["reproduce", *chosen, "--scale", scale, "--seed", str(seed)]
        command += [] if loss is None else ["--loss", loss]
        plans = _plans(experiments, planned, folder, engine)
        return _print_job_array(command, plans, folder, engine, print_slurm, as_json)
    sweeps = [_sweep(e, planned[e.name], folder, engine, (scale, seed, loss)) for e in experiments]
    return _measure_and_draw(sweeps, folder, engine, size, as_json)


def _chosen(
    names: Sequence[str], scale: str, loss: str | None, *, of_all: bool
) -> "dict[str, Experiment]":
    """Return the experiments by the names given; of all figures, those with such points.

    Raises ``ValueError`` for an experiment that was named and has no points at the scale.
    """
    from gapless.figures import load

    found = {name: load(name) for name in names}
    _check_names(list(found.values()))
    if of_all:
        found = {name: e for name, e in found.items() if loss is None or e.takes_loss}
    without = [e for e in found.values() if scale not in e.scales]
    if without and not of_all:
        raise ValueError(
            f"figures, scale: {', '.join(e.name for e in without)} has no points at this scale; "
            f"choose from {', '.join(without[0].scales)}"
        )
    return {name: e for name, e in found.items() if scale in e.scales}


def _plans(
    experiments: "Sequence[Experiment]",
    planned: "dict[str, Sequence[Point]]",
    folder: Path,
    engine: Engine,
) -> "list[Plan]":
    """Return the plans of the missing points, of the engine's part of them."""
    from gapless.store import Store
    from gapless.sweep import plan, shard

    retry = engine.retry_failed
    return [
        plan(e, shard(planned[e.name], *engine.part), Store(folder / e.name), retry_failed=retry)
        for e in experiments
    ]


def _print_job_array(
    command: Sequence[str], plans, folder: Path, engine: Engine, shares: int, as_json: bool
) -> None:
    text = job_array(command, folder, engine, shares, _estimates(plans, engine, shares))
    if as_json:
        print_json({"script": text})
    else:
        print_text(text)


def _sweep(
    experiment: "Experiment",
    points: "Sequence[Point]",
    folder: Path,
    engine: Engine,
    asked: "tuple[Scale, int, str | None]",
) -> Sweep:
    """Return the sweep of an experiment at a scale, seed and loss; ``ValueError`` beyond memory."""
    needed = engine.processes * max(point.cost().bytes for point in points)
    if lacking := _lacking(experiment.name, needed, engine):
        raise ValueError(f"scale, workers: {lacking}")
    scale, seed, _ = asked
    spec = {"experiment": experiment.name, "version": experiment.version}
    spec |= {"scale": scale, "seed": seed}
    other = experiment.other_loss(*asked)
    spec |= {} if other is None else {"loss": other}
    return Sweep(experiment, points, folder / experiment.name, spec)


def _measure_and_draw(
    sweeps: Sequence[Sweep], folder: Path, engine: Engine, size: Print, as_json: bool
) -> None:
    """Measure the missing points of sweeps, draw the figures of their folder, print the page."""
    from gapless.report import write_report

    measured = run_sweeps(sweeps, engine)
    page = None
    # parts of a job array would draw over each other: `gapless report` does it when all are there
    if engine.shard is None:
        _tell_what_is_drawn(folder)
        own = _own([sweep.experiment for sweep in sweeps])
        page = write_report(folder, own, size=size, workers=engine.processes)
    for one in measured:
        one.check()
    failures = {one.name: failures_json(one.failures) for one in measured}
    if as_json:
        names = [sweep.experiment.name for sweep in sweeps]
        print_json({"report": page and str(page), "figures": names, "failures": failures})
    else:
        print_text(f"{shown(page or folder)}\n")


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
        share = Plan(plan.experiment, plan.total, plan.missing[::shares], plan.store)
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
