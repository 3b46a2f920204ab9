"""Engines of a sweep: this process, or workers that are replaced where they end.

The workers are those of `sweep.pool` or `sweep.cluster`. An engine takes tasks, of one experiment
or of several, and a predicate `stopping` that it evaluates before each task; running tasks are
finished. `drive` defines the guarantees of all crews.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from gapless.sweep.lanes import Lanes
from gapless.sweep.plan import Task
from gapless.sweep.work import Receipt, give_up, work

TRIES = 3
"""Number of tries of a point that ends its worker, before it is stored as failed."""

OnReceipt = Callable[[Receipt], None]
Stopping = Callable[[], bool]


class WorkerLostError(Exception):
    """Error of a task whose worker died, or was ended because the task took too long."""


class Crew(Protocol):
    """Workers that take tasks and hand back receipts."""

    def idle(self) -> Sequence[int]:
        """Return the lanes (numbers of workers) that can take a task, one for each task.

        Tasks of one lane follow each other in the plan, so that a worker reuses the programs of the
        previous task.
        """
        ...

    def submit(self, task: Task, lane: int) -> None:
        """Submit the task to the idle worker of a lane."""
        ...

    def busy(self) -> bool:
        """Return whether a task has not returned."""
        ...

    def finished(self) -> Iterable[tuple[Task, Receipt | WorkerLostError]]:
        """Wait for an event; return the tasks that have returned.

        Raises the error of a task, such as that of a full disk.
        """
        ...


def never() -> bool:
    """Return False: do not stop."""
    return False


def run_in_process(
    tasks: Iterable[Task], on_receipt: OnReceipt, *, stopping: Stopping = never
) -> None:
    """Run the tasks in this process, one after the other; a point that crashes ends it."""
    for task in tasks:
        if stopping():
            return
        on_receipt(work(task))


def drive(crew: Crew, tasks: Iterable[Task], on_receipt: OnReceipt, stopping: Stopping) -> None:
    """Run all tasks on a crew, and again those of workers that are lost.

    A task whose worker is lost is cut into its points. They are tried again after all other tasks,
    so that a point that crashes delays no other, and stored as failed after `TRIES` tries in all.
    Any other error is raised; records that were acknowledged are on disk.
    """
    fresh, again = Lanes(tasks), []
    while True:
        idle = False
        for lane in () if stopping() else crew.idle():
            task = fresh.take(lane) or (again.pop() if again else None)
            if task is None:
                idle = True
                break
            crew.submit(task, lane)
        if not crew.busy() and (idle or stopping()):
            return
        for task, outcome in crew.finished():
            if isinstance(outcome, Receipt):
                on_receipt(outcome)
            elif len(task.points) > 1 or task.attempt < TRIES:
                again += task.again()
            else:
                on_receipt(give_up(task, f"{outcome}, in {task.attempt} tries"))
