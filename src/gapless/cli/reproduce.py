"""`gapless reproduce` and `gapless report`: the paper's figures from what the store lacks."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gapless.cli._shared import Json, Whole, check_memory, print_json, table_text


def reproduce(
    *figures: str,
    scale: str = "smoke",
    seed: Whole = 0,
    workers: Whole = 1,
    out: Path | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    as_json: Json = False,
) -> None:
    """Measure what is missing of the paper's figures, draw them and write report.html.

    Stopped at any time, the same command goes on where it was.

    Example: gapless reproduce fig5 --scale smoke --workers 2 --out results/smoke

    Parameters
    ----------
    figures
        One or more of fig1 … fig5; all of them when none is named, or by the word all.
    scale
        smoke (minutes), desk (an evening) or paper.
    seed
        The same seed gives the same numbers, whatever the workers.
    workers
        Processes to compute on.
    out
        Folder of records, pictures and report; results/SCALE by default.
    dry_run
        Only print points, expected time and memory.
    as_json
        Print one JSON object.
    """
    from gapless.cli.running import run_plan
    from gapless.experiments import NAMES, load
    from gapless.report import write_report
    from gapless.store import Store
    from gapless.sweep import plan

    if scale not in ("smoke", "desk", "paper"):
        raise ValueError(f"scale: {scale!r} is not one of smoke, desk, paper")
    if workers < 1:
        raise ValueError(f"workers: must be at least 1, not {workers}")
    names = NAMES if not figures or figures == ("all",) else tuple(dict.fromkeys(figures))
    experiments = [load(name) for name in names]
    folder = Path("results") / scale if out is None else out
    planned = {experiment.name: experiment.points(scale, seed) for experiment in experiments}
    if dry_run:
        stores = {name: Store(folder / name) for name in planned}
        plans = [plan(e, planned[e.name], stores[e.name]) for e in experiments]
        return _print_plans(plans, workers, as_json)
    for experiment in experiments:
        points = planned[experiment.name]
        check_memory(workers * max(experiment.cost(point).bytes for point in points))
        spec = {"experiment": experiment.name, "version": experiment.version}
        spec |= {"scale": scale, "seed": seed}
        run_plan(experiment, points, folder / experiment.name, spec, workers)
    page = write_report(folder)
    if as_json:
        print_json({"report": str(page), "figures": list(planned)})
    else:
        sys.stdout.write(f"{page}\n")
    return None


def report(
    dir: Path,
    /,
    *,
    as_json: Json = False,
) -> None:
    """Draw the figures and write report.html from what a folder holds, measuring nothing.

    Example: gapless report results/smoke

    Parameters
    ----------
    dir
        Folder given as --out to reproduce; half-way through a sweep will do.
    as_json
        Print one JSON object.
    """
    from gapless.report import write_report

    page = write_report(dir)
    if as_json:
        print_json({"report": str(page)})
    else:
        sys.stdout.write(f"{page}\n")


def _print_plans(plans, workers: Whole, as_json: bool) -> None:
    from gapless.experiments.simulation import measured_speed

    speed = measured_speed() * workers
    rows = [
        {
            "figure": plan.experiment.name,
            "points": plan.total,
            "missing": len(plan.missing),
            "seconds": plan.flops / speed,
            "bytes": workers * plan.bytes,
        }
        for plan in plans
    ]
    if as_json:
        print_json({"workers": workers, "plans": rows})
    else:
        sys.stdout.write(table_text(list(rows[0]), [list(row.values()) for row in rows]))
