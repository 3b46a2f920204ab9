"""Running of sweeps with progress on stderr, for `success`, `border` and `reproduce`."""

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
from gapless.cli.meter import meter
from gapless.cli.options import Whole
from gapless.files import shown
from gapless.inputs import number, whole
from gapless.interrupts import note_kept

if TYPE_CHECKING:
    from gapless.figures import Experiment
    from gapless.measure import Point
    from gapless.store import Failure, Store
    from gapless.sweep import Receipt


@Parameter(name="*")
@dataclass(frozen=True)
class Engine:
    """Options of the engine that runs a sweep.

    Parameters
    ----------
    workers
        Number of worker processes, which survive the crash of a point; this process by default.
    scheduler
        Address of a Dask scheduler to compute on, such as tcp://node1:8786.
    shard
        Compute only part I of N of the points, as I/N, for job arrays.
    task_timeout
        Seconds after which a task times out; a generous multiple of its estimate by default. Its
        points are tried three times, then stored as failed.
    retry_failed
        Measure again all points that failed. Without it, only those with a temporary cause: memory,
        descriptors, disk, a lost worker, a task that timed out.
    """

    workers: Whole | None = None
    scheduler: str | None = None
    shard: str | None = None
    task_timeout: float | None = None
    retry_failed: Annotated[bool, Parameter(negative="")] = False

    def __post_init__(self) -> None:
        if self.workers is not None:
            whole("workers", self.workers, 1, 1024)
        if self.workers is not None and self.scheduler is not None:
            raise ValueError("workers, scheduler: give one of the two")
        if self.task_timeout is not None:
            number("task_timeout", self.task_timeout, above=0)
        _ = self.part

    @property
    def processes(self) -> int:
        """Number of processes that compute at a time, as far as it is known."""
        return self.workers or 1

    @property
    def part(self) -> tuple[int, int]:
        """The part (from 1) and the number of parts."""
        match = re.fullmatch(r"([1-9]\d{0,8})/([1-9]\d{0,8})", self.shard or "1/1", re.ASCII)
        part = (int(match[1]), int(match[2])) if match else (1, 0)
        if part[0] > part[1]:
            raise ValueError(f"shard: {self.shard!r} is not I/N with I from 1 to N, such as 3/8")
        return part


HERE = Engine()
"""The engine of this process."""


@dataclass(frozen=True)
class Sweep:
    """Points of an experiment, with the store of their records.

    Parameters
    ----------
    experiment, points
        The experiment and its points.
    folder, spec
        Folder and spec of the store.
    """

    experiment: "Experiment"
    points: "Sequence[Point]"
    folder: Path
    spec: dict


class Measured(NamedTuple):
    """A store with the points of a plan, and the failures among them.

    `points` is their number in the plan.
    """

    name: str
    store: "Store"
    points: int
    failures: "Sequence[Failure]"

    def check(self) -> None:
        """Raise ``RuntimeError`` if no point could be computed."""
        if self.failures and sum(failure.points for failure in self.failures) == self.points:
            raise RuntimeError(f"all {self.points} points of {self.name} failed")


def run_sweeps(sweeps: Sequence[Sweep], engine: Engine, *, scratch: bool = False) -> list[Measured]:
    """Measure the points that the stores of several sweeps lack, on the same workers.

    Failed points are reported on stderr. After an interrupt the content of the folders is reported,
    unless they are `scratch`.

    Raises
    ------
    KeyboardInterrupt
        After an interrupt, once the tasks in hand are stored.
    """
    from gapless.store import Store, failures
    from gapless.sweep import orderly_interrupt, plan, provenance, shard

    with _runner(engine) as run:
        stores, plans = {}, {}
        for sweep in sweeps:
            experiment, name = sweep.experiment, sweep.experiment.name
            origin = {**provenance(), "created_at": time.time()}
            stores[name] = store = Store.open(sweep.folder, sweep.spec, origin)
            store.note_plan([experiment.address(point) for point in sweep.points])
            mine = shard(sweep.points, *engine.part)
            plans[name] = plan(experiment, mine, store, retry_failed=engine.retry_failed)
        there = {name: todo.total - len(todo.missing) for name, todo in plans.items()}
        for name, todo in plans.items():
            if todo.missing and there[name]:
                sys.stderr.write(
                    f"{name}: {there[name]} of {todo.total} points are there already\n"
                )

        def note(name: str) -> None:
            if there[name] and not scratch:
                parts = f"{there[name]} of {plans[name].total} points of {name}"
                note_kept(name, f"{parts} are in {shown(stores[name].path)}")

        begun: list[str] = []

        def title() -> str:
            """Return the names of the running experiments, with the progress of each."""
            if len(plans) == 1:
                return next(iter(plans))
            counts = [(name, there[name], plans[name].total) for name in begun]
            going = [f"{name} {done}/{total}" for name, done, total in counts if done < total]
            return ", ".join(going) or "all figures"

        flops = sum(todo.flops for todo in plans.values())
        with meter(title(), flops) as progress, orderly_interrupt() as stopping:

            def on_receipt(receipt: "Receipt") -> None:
                there[receipt.name] += receipt.points
                note(receipt.name)
                if receipt.name not in begun:
                    begun.append(receipt.name)
                progress.title = title()
                progress.advance(receipt.flops)

            for name in plans:
                note(name)
            tasks = (task for todo in plans.values() for task in todo.tasks())
            run(tasks, on_receipt=on_receipt, stopping=stopping)
            if stopping():
                raise KeyboardInterrupt
    found = []
    for sweep in sweeps:
        name, store = sweep.experiment.name, stores[sweep.experiment.name]
        mine = shard(sweep.points, *engine.part)
        why = failures(store.outcomes(), map(sweep.experiment.address, mine))
        tell_failures(name, len(mine), why)
        found.append(Measured(name, store, len(mine), why))
    return found


@contextmanager
def _runner(engine: Engine) -> Iterator[Callable[..., None]]:
    """Yield the engine as (tasks, on_receipt, stopping) → None."""
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
