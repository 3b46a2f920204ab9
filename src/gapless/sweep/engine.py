"""Engines: this process, or a pool of spawned workers that outlives the death of any of them.

An engine takes tasks, and a question `stopping` that it asks before it begins another one: what
is running then is finished. What it promises is `drive`, which `sweep.cluster` shares.
"""

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from pebble import ProcessExpired, ProcessPool

from gapless.sweep.plan import Task
from gapless.sweep.work import Receipt, give_up, work
from gapless.threads import pin_threads

TRIES = 3
"""How often a point is tried that takes its worker down, before it is stored as failed."""

MOST_BREAKS = 10
"""How often in a row the whole pool may break: by then it is not by chance."""

OnReceipt = Callable[[Receipt], None]
Stopping = Callable[[], bool]


class WorkerLostError(Exception):
    """The worker of a task died, or was ended because the task took too long."""


class NotBegunError(Exception):
    """The task came back untouched."""


def never() -> bool:
    """Go on to the end."""
    return False


def run_in_process(
    tasks: Iterable[Task], store: Path, on_receipt: OnReceipt, *, stopping: Stopping = never
) -> None:
    """Work through the tasks here, one after the other; a point that crashes ends all."""
    for task in tasks:
        if stopping():
            return
        on_receipt(work(task, store))


def run_on_workers(
    tasks: Iterable[Task],
    store: Path,
    workers: int,
    on_receipt: OnReceipt,
    *,
    stopping: Stopping = never,
    time_limit: float | None = None,
) -> None:
    """Work through the tasks on spawned processes of one thread each; see `drive`.

    `time_limit` in seconds is each task's own, generous one by default.
    """
    pool = _Pool(workers)

    def submit(task: Task) -> "Future[Receipt]":
        return pool.submit(task, store, time_limit or task.time_limit)

    try:
        drive(tasks, submit, pool.result, lambda: 2 * workers, store, on_receipt, stopping)
    except BaseException:
        pool.stop()
        raise
    pool.close()


class _Pool:
    """Spawned workers, all replaced when the pool itself breaks.

    Pebble outlives a worker that dies with a task. A worker that dies before any task has begun
    breaks the pool, and one that dies with a lock of its channel, a minute later, does too.
    """

    def __init__(self, workers: int) -> None:
        self.workers, self.breaks = workers, 0
        self.pool = self._new()

    def _new(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self.workers,
            context=multiprocessing.get_context("spawn"),  # type: ignore[arg-type]
            initializer=pin_threads,
        )

    def submit(self, task: Task, store: Path, time_limit: float) -> "Future[Receipt]":
        """Have a worker do the task within `time_limit` seconds."""
        if not self.pool.active:
            self.breaks += 1
            if self.breaks > MOST_BREAKS:
                raise RuntimeError("the workers die as they start; one alone may say why")
            self.stop()
            self.pool = self._new()
        return self.pool.submit(work, time_limit, task, store)

    def result(self, future: "Future[Receipt]") -> Receipt:
        """Return the receipt, or raise what `drive` wants to hear."""
        try:
            receipt = future.result()
        except BrokenProcessPool:
            raise NotBegunError from None
        except ProcessExpired as death:
            raise WorkerLostError(f"the worker died with exit code {death.exitcode}") from None
        except TimeoutError as late:
            raise WorkerLostError(f"took longer than {late.args[-1]} s") from None
        self.breaks = 0
        return receipt

    def close(self) -> None:
        """Let the workers end."""
        self.pool.close()
        self.pool.join()

    def stop(self) -> None:
        """End the workers now."""
        self.pool.stop()
        self.pool.join()


def drive(
    tasks: Iterable[Task],
    submit: Callable[[Task], "Future[Receipt]"],
    result: Callable[["Future[Receipt]"], Receipt],
    window: Callable[[], int],
    store: Path,
    on_receipt: OnReceipt,
    stopping: Stopping,
) -> None:
    """Keep `window` tasks submitted until all are done, whatever becomes of workers.

    A task whose worker is lost (`result` raises `WorkerLostError`) is cut into its points. They
    are tried again when everything else has had its turn, so that a poisoned point delays nothing
    but itself, and stored as failed after `TRIES` tries in all. Any other error, such as a full
    disk, is raised: nothing acknowledged is lost by it.
    """
    fresh, again = iter(tasks), []
    running: dict[Future[Receipt], Task] = {}
    while True:
        room = 0 if stopping() else window() - len(running)
        for _ in range(room):
            task = next(fresh, None) or (again.pop() if again else None)
            if task is None:
                break
            running[submit(task)] = task
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            task = running.pop(future)
            try:
                on_receipt(result(future))
            except NotBegunError:
                again.append(task)
            except WorkerLostError as lost:
                if len(task.points) > 1 or task.attempt < TRIES:
                    again += task.again()
                else:
                    on_receipt(give_up(task, store, f"{lost}, in {task.attempt} tries"))
