"""The work of a task: measure its points, store their records, return a receipt."""

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

from gapless.measure import Point
from gapless.measure.checkpoint import Checkpoint, checkpoints_in
from gapless.measure.point import column
from gapless.store import Store, reason_of
from gapless.sweep.plan import Task

PROVENANCE_SCHEMA = pa.schema(
    {"address": pa.string(), "version": pa.string(), "commit": pa.string()}
    | {"device": pa.string(), "wall_s": pa.float64(), "written_at": pa.float64()}
)


@dataclass(frozen=True)
class Receipt:
    """Receipt of a task of the experiment `name`, whose records are on disk."""

    name: str
    points: int
    flops: float


def work(task: Task) -> Receipt:
    """Measure the points of a task and store their records as one part."""
    tables = []
    with checkpoints_in(task.store / "checkpoints"):
        for point, address in zip(task.points, task.addresses, strict=True):
            begun = time.perf_counter()
            try:
                table = _measured(point)
            # a failed point is a record, never the end of a sweep
            except (Exception, SystemExit) as error:
                table = point.failed(reason_of(error))
            tables.append(_stamped(table, address, time.perf_counter() - begun))
        Store(task.store).append(_together(tables))
        for point in task.points:
            Checkpoint(point).discard()
    return Receipt(task.name, len(task.points), task.flops)


def give_up(task: Task, reason: str) -> Receipt:
    """Store the points of a task as failed, with the reason."""
    tables = [
        _stamped(point.failed(reason), address, 0.0)
        for point, address in zip(task.points, task.addresses, strict=True)
    ]
    Store(task.store).append(_together(tables))
    return Receipt(task.name, len(task.points), task.flops)


def _together(tables: list[pa.Table]) -> pa.Table:
    """Return the records of points, which may be of several kinds, with the columns of all."""
    return pa.concat_tables(tables, promote_options="default")


def _measured(point: Point) -> pa.Table:
    """Return the records of a point; raise ``ValueError`` unless they have its schema."""
    table, schema = point.measure(), point.record_schema()
    if not isinstance(table, pa.Table) or not table.schema.equals(schema):
        raise ValueError("the measurement returned no table of its SCHEMA; make it by self.table()")
    if not table.num_rows:
        raise ValueError("the measurement returned no rows")
    return table


def _stamped(table: pa.Table, address: str, seconds: float) -> pa.Table:
    """Return records with columns for address, provenance and computing time."""
    common = {
        "address": address,
        **provenance(),
        "wall_s": seconds / table.num_rows,
        "written_at": time.time(),
    }
    stamp = [column(common[field.name], field.type, table.num_rows) for field in PROVENANCE_SCHEMA]
    schema = pa.unify_schemas([PROVENANCE_SCHEMA, table.schema])
    return pa.Table.from_arrays([*stamp, *table.columns], schema=schema)


def provenance() -> dict[str, str | None]:
    """Return version, commit (of a source checkout) and device of this process."""
    # looked up at each call: a process whose experiment has not loaded JAX computes without it, and
    # the first measurement may load it
    jax = sys.modules.get("jax")
    device = f"{jax.devices()[0].platform} {jax.devices()[0].device_kind}" if jax else "cpu"
    return {**_source(), "device": f"{device} {platform.machine()}"}


@cache
def _source() -> dict[str, str | None]:
    return {"version": version("gapless"), "commit": commit()}


def commit() -> str | None:
    """Return the commit of the checkout that this package is the source of.

    An installed package may lie in the checkout of another project, that of its virtual
    environment, and variables ``GIT_*`` may name yet another; both are excluded.
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
