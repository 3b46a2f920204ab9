"""What a worker does with a task: measure, store, hand back a receipt."""

import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa

from gapless.experiments import Experiment, Point, Row
from gapless.experiments.checkpoint import Checkpoint, checkpoints_in
from gapless.store import Store, reason_of
from gapless.sweep.plan import Task

PROVENANCE_SCHEMA = pa.schema(
    {"address": pa.string(), "version": pa.string(), "commit": pa.string()}
    | {"device": pa.string(), "wall_s": pa.float64(), "written_at": pa.float64()}
)


KEY_SCHEMA = pa.schema({"run": pa.int64(), "reason": pa.string()})
"""Columns that a store cannot do without, for experiments that have no such columns."""


@dataclass(frozen=True)
class Receipt:
    """What became of a task: its records are on disk."""

    points: int
    failed: int
    flops: float
    seconds: float


def work(task: Task, store: Path) -> Receipt:
    """Measure the points of a task and store their records as one part."""
    started = time.perf_counter()
    experiment = task.experiment
    tables, failed = [], 0
    with checkpoints_in(store / "checkpoints"):
        for point in task.points:
            begun = time.perf_counter()
            try:
                rows = experiment.measure(point)
                if not rows:
                    raise ValueError("the measurement returned no rows")
                table = _table(experiment, point, rows, time.perf_counter() - begun)
            except Exception as error:  # a failed point is a record, never the end of a sweep
                failed += 1
                table = _failed(experiment, point, reason_of(error), time.perf_counter() - begun)
            tables.append(table)
        Store(store).append(pa.concat_tables(tables))
        for point in task.points:
            Checkpoint(point).discard()
    return Receipt(len(task.points), failed, task.flops, time.perf_counter() - started)


def give_up(task: Task, store: Path, reason: str) -> Receipt:
    """Store the points of a task as failed, with the reason."""
    tables = [_failed(task.experiment, point, reason, 0.0) for point in task.points]
    Store(store).append(pa.concat_tables(tables))
    return Receipt(len(task.points), len(task.points), task.flops, 0.0)


def _failed(experiment: Experiment, point: Point, reason: str, seconds: float) -> pa.Table:
    rows = [{"reason": reason} | row for row in experiment.failed(point, reason)]
    return _table(experiment, point, rows or [{"reason": reason}], seconds)


def _table(experiment: Experiment, point: Point, rows: list[Row], seconds: float) -> pa.Table:
    common = {
        "address": experiment.address(point),
        **provenance(),
        "wall_s": seconds / max(1, len(rows)),
        "written_at": time.time(),
    }
    given = experiment.schema
    lacking = pa.schema([field for field in KEY_SCHEMA if field.name not in given.names])
    schema = pa.unify_schemas([PROVENANCE_SCHEMA, given, lacking])
    rows = [common | {"run": run} | row for run, row in enumerate(rows)]
    return pa.Table.from_pylist(rows, schema=schema)


@cache
def provenance() -> dict[str, str | None]:
    """Return version, commit (of a source checkout) and device of this process."""
    # a process whose experiment has not loaded JAX computes without it
    jax = sys.modules.get("jax")
    device = f"{jax.devices()[0].platform} {jax.devices()[0].device_kind}" if jax else "cpu"
    return {
        "version": version("gapless"),
        "commit": _commit(),
        "device": f"{device} {platform.machine()}",
    }


def _commit() -> str | None:
    """Return the commit of the checkout that this package is the source of.

    An installed package may lie in a checkout as well, that of whatever project its virtual
    environment is for; and variables GIT_… may name any other.
    """
    package = Path(__file__).parents[1]
    root = package.parents[1]
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=True, env=surroundings
        )
        return answer.stdout.strip()

    try:
        if (
            git("ls-files", "--full-name", str(package / "__init__.py"))
            != "src/gapless/__init__.py"
        ):
            return None
        return git("describe", "--always", "--dirty", "--abbrev=12")
    except (OSError, subprocess.SubprocessError):
        return None
