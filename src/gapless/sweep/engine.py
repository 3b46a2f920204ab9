"""Engines: this process, or a crew of workers any of which may die (`sweep.pool`, `sweep.cluster`).

An engine takes tasks, of one experiment or of several, and a question `stopping` that it asks
before it begins another one: what is running then is finished. What crews promise is written once,
in `drive`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from gapless.sweep.lanes import Lanes
from gapless.sweep.plan import Task
from gapless.sweep.work import Receipt, give_up, work

TRIES = 3
"""How often a point is tried that takes its worker down, before it is stored as failed."""

OnReceipt = Callable[[Receipt], None]
Stopping = Callable[[], bool]


class WorkerLostError(Exception):
    """The worker of a task died, or was ended because the task took too long."""


class Crew(Protocol):
    """Workers that take tasks and hand back receipts."""

    def idle(self) -> Sequence[int]:
        """Return a lane for every task that can be submitted now: a number of a worker.

        Tasks of one lane follow each other in the plan, so whoever takes them can use again what
        was compiled for the one before.
        """
        ...

    def submit(self, task: Task, lane: int) -> None:
        """Have the worker of a lane that is idle do the task."""
        ...

    def busy(self) -> bool:
        """Return whether a task is not back yet."""
        ...

    def finished(self) -> Iterable[tuple[Task, Receipt | WorkerLostError]]:
        """Wait until something happens; return the tasks that are back.

        Raises what a task raised, such as a full disk.
        """
        ...


def never() -> bool:
    """Go on to the end."""
    return False


def run_in_process(
    tasks: Iterable[Task], on_receipt: OnReceipt, *, stopping: Stopping = never
) -> None:
    """Work through the tasks here, one after the other; a point that crashes ends all."""
    for task in tasks:
        if stopping():
            return
        on_receipt(work(task))


def drive(crew: Crew, tasks: Iterable[Task], on_receipt: OnReceipt, stopping: Stopping) -> None:
    """Have the crew do all tasks, whatever becomes of its workers.

    A task whose worker is lost is cut into its points. They are tried again when everything else
    has had its turn, so that a poisoned point delays nothing but itself, and stored as failed
    after `TRIES` tries in all. Any other error is raised; nothing acknowledged is lost by it.
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
