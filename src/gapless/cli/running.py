"""Run what a store lacks, with progress on stderr: behind `success` and `reproduce`."""

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from cyclopts import Parameter

from gapless.cli.failing import tell_failures
from gapless.cli.shared import Whole, meter
from gapless.interrupts import note_kept

if TYPE_CHECKING:
    from gapless.figures import Experiment
    from gapless.measure import Point
    from gapless.store import Failure, Store


@Parameter(name="*")
@dataclass(frozen=True)
class Engine:
    """What a sweep runs on.

    Parameters
    ----------
    workers
        Processes to compute on, which survive a crash of a point; this process by default.
    scheduler
        Address of a Dask scheduler to compute on, such as tcp://node1:8786.
    shard
        Compute part I of N of the points only, as I/N: for job arrays.
    task_timeout
        Seconds after which a task is taken for an endless loop; a generous multiple of its
        estimate by default. Its points are tried three times, then stored as failed.
    retry_failed
        Measure again all points that failed. Without it those whose cause passes: memory,
        descriptors, disk, a lost worker, a task that took too long.
    """

    workers: Whole | None = None
    scheduler: str | None = None
    shard: str | None = None
    task_timeout: float | None = None
    retry_failed: Annotated[bool, Parameter(negative="")] = False

    def __post_init__(self) -> None:
        if self.workers is not None and not 1 <= self.workers <= 1024:
            raise ValueError(f"workers: must be at least 1 and at most 1024, not {self.workers}")
        if self.workers is not None and self.scheduler is not None:
            raise ValueError("workers, scheduler: give one of the two")
        if self.task_timeout is not None and not self.task_timeout > 0:
            raise ValueError(f"task_timeout: must be positive, not {self.task_timeout:g}")
        _ = self.part

    @property
    def processes(self) -> int:
        """Processes that compute at a time, as far as that is known here."""
        return self.workers or 1

    @property
    def part(self) -> tuple[int, int]:
        """Which part of how many, from 1."""
        match = re.fullmatch(r"([1-9]\d{0,8})/([1-9]\d{0,8})", self.shard or "1/1", re.ASCII)
        part = (int(match[1]), int(match[2])) if match else (1, 0)
        if part[0] > part[1]:
            raise ValueError(f"shard: {self.shard!r} is not I/N with I from 1 to N, such as 3/8")
        return part


HERE = Engine()
"""This process."""


class Measured(NamedTuple):
    """A store with the points of a plan, and why some of them could not be measured."""

    store: "Store"
    failures: "Sequence[Failure]"


def run_plan(
    experiment: "Experiment",
    points: "Sequence[Point]",
    folder: Path,
    spec: dict,
    engine: Engine,
    *,
    scratch: bool = False,
) -> Measured:
    """Measure the points that the store in `folder` lacks.

    Points that failed are told on stderr. After an interrupt it is told what the folder holds,
    unless it is `scratch`.

    Raises
    ------
    KeyboardInterrupt
        After an interrupt, once the tasks in hand are stored.
    RuntimeError
        If nothing could be computed.
    """
    from gapless.store import Store, failures
    from gapless.sweep import orderly_interrupt, plan, provenance, shard

    with _runner(engine) as run:
        store = Store.open(folder, spec, {**provenance(), "created_at": time.time()})
        store.note_plan([experiment.address(point) for point in points])
        mine = shard(points, *engine.part)
        todo = plan(experiment, mine, store, retry_failed=engine.retry_failed)
        name = experiment.name
        there = todo.total - len(todo.missing)
        if todo.missing and there:
            sys.stderr.write(f"{name}: {there} of {todo.total} points are there already\n")

        def tell_what_is_there() -> None:
            if there and not scratch:
                note_kept(name, f"{there} of {todo.total} points of {name} are in {folder}")

        with meter(name, todo.flops) as progress, orderly_interrupt() as stopping:

            def on_receipt(receipt) -> None:
                nonlocal there
                there += receipt.points
                tell_what_is_there()
                progress.advance(receipt.flops)

            tell_what_is_there()

            run(todo.tasks(), store.path, on_receipt=on_receipt, stopping=stopping)
            if stopping():
                raise KeyboardInterrupt
    why = failures(store.outcomes(), map(experiment.address, mine))
    tell_failures(name, todo.total, why)
    if why and sum(failure.points for failure in why) == todo.total:
        raise RuntimeError(f"all {todo.total} points of {name} failed")
    return Measured(store, why)


@contextmanager
def _runner(engine: Engine) -> Iterator[Callable[..., None]]:
    """Yield the engine as (tasks, store, on_receipt, stopping) → None."""
    from gapless.sweep import run_in_process, run_on_workers

    limit = engine.task_timeout
    if engine.scheduler is not None:
        try:
            from gapless.sweep.cluster import connect, run_on_cluster
        except ImportError:
            raise ValueError(
                "scheduler: Dask is not installed; `pip install gapless[cluster]`"
            ) from None
        with connect(engine.scheduler) as client:
            yield partial(run_on_cluster, client=client, time_limit=limit)
    elif engine.workers is not None:
        yield partial(run_on_workers, workers=engine.workers, time_limit=limit)
    else:
        yield run_in_process
