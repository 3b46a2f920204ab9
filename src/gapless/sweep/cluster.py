"""The engine for several machines, on any Dask client (extra ``[cluster]``)."""

import asyncio
import signal
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import contextmanager
from typing import cast

from distributed import Client, Event, get_worker
from distributed.comm.core import connect as open_comm
from distributed.scheduler import KilledWorker
from distributed.security import Security

from gapless.sweep.engine import OnReceipt, Stopping, WorkerLostError, drive, never
from gapless.sweep.plan import Task
from gapless.sweep.work import Receipt, work
from gapless.threads import pin_threads

PULSE = 5.0
"""Seconds between two checks for workers."""
RESTART = 60.0
"""Seconds that a nanny may take to start a worker again."""


def connect(address: str) -> Client:
    """Return a client of the scheduler at `address`.

    Raises ``ValueError`` if it does not answer.
    """
    try:
        # told here: a client that failed complains once more when it is collected
        asyncio.run(_reach(address))
        return Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"scheduler: no Dask scheduler answers at {address!r} ({type(error).__name__}); give "
            "the address that `dask scheduler` prints"
        ) from None


async def _reach(address: str) -> None:
    """Open and close a connection; a port, a protocol or a certificate may be missing."""
    security = Security().get_connection_args("client")
    comm = await open_comm(address, timeout=10, **security)
    await comm.close()


def run_on_cluster(
    tasks: Iterable[Task],
    client: Client,
    on_receipt: OnReceipt,
    *,
    stopping: Stopping = never,
    time_limit: float | None = None,
) -> None:
    """Run the tasks on the workers of a Dask client; see `engine.drive`.

    Workers must have one thread each, import this package and see the stores under the same path.
    Two tasks for each worker are submitted at a time, and each is released when its receipt has
    arrived. A task that takes too long ends its worker, which its nanny starts again.

    Raises
    ------
    ValueError
        If a worker has several threads: rounding depends on their number.
    """
    if max(_threads(client).values(), default=1) > 1:
        raise ValueError("scheduler: workers must have one thread each (--nthreads 1)")
    drive(Cluster(client, time_limit), tasks, on_receipt, stopping)


class Cluster:
    """A `Crew` of the workers of a Dask client."""

    def __init__(self, client: Client, time_limit: float | None) -> None:
        self.client, self.time_limit = client, time_limit
        self.executor = client.get_executor(pure=False)
        self.running: dict[Future[Receipt], tuple[Task, str]] = {}

    def idle(self) -> list[int]:
        """Return a lane for every task that is missing from two at each worker.

        There is one lane, because the scheduler chooses the worker of a task.
        """
        return [0] * (2 * max(1, len(_threads(self.client))) - len(self.running))

    def submit(self, task: Task, lane: int = 0) -> None:
        """Submit the task to the scheduler."""
        del lane
        token = f"gapless-{uuid.uuid4().hex}"
        limit = self.time_limit or task.time_limit
        future = self.executor.submit(_work_once, task, token, limit)
        self.running[future] = task, token

    def busy(self) -> bool:
        """Return whether a submitted task has not returned."""
        return bool(self.running)

    def finished(self) -> Iterator[tuple[Task, Receipt | WorkerLostError]]:
        """Wait for a receipt or for the loss of a worker; return the finished tasks.

        Every worker ends a task that takes too long. If nothing arrives for much longer than that,
        although there are workers, the submitted tasks are lost and are submitted again. This is
        rare: Dask has lost the task that it was about to give to a dying worker.
        """
        limit = max(self.time_limit or task.time_limit for task, _ in self.running.values())
        deadline, done = None, set()
        while not done:
            done, _ = wait(self.running, timeout=PULSE, return_when=FIRST_COMPLETED)
            if deadline is None or not _threads(self.client):
                deadline = time.monotonic() + 2 * limit + RESTART
            if not done and time.monotonic() > deadline:
                yield from self._given_up()
                return
        for future in done:
            task, token = self.running.pop(future)
            Event(token, self.client).clear()
            try:
                yield task, future.result()
            except WorkerLostError as lost:
                yield task, lost
            except (KilledWorker, CancelledError) as lost:
                yield task, WorkerLostError(f"the worker was lost ({type(lost).__name__})")

    def _given_up(self) -> Iterator[tuple[Task, WorkerLostError]]:
        """Take back all submitted tasks; their events stay set, so a late worker skips them."""
        for future in list(self.running):
            task, _ = self.running.pop(future)
            future.cancel()
            yield task, WorkerLostError("no word came from the workers")


def _threads(client: Client) -> dict[str, int]:
    """Return the threads of each worker by its address."""
    return cast("dict[str, int]", client.nthreads())


def _work_once(task: Task, token: str, time_limit: float) -> Receipt:
    """Do the task unless another worker has begun it.

    Dask resubmits the task of a dead worker by itself, but `drive` has to count the tries and to
    cut the bundles.
    """
    begun = Event(token)
    if begun.is_set():
        raise WorkerLostError("the worker died or took too long")
    begun.set()
    pin_threads()
    # without a nanny to start it again, the worker must live on
    with _ends_process_after(time_limit if get_worker().nanny else 0.0):
        return work(task)


@contextmanager
def _ends_process_after(seconds: float):
    """Have the system end this process if the block takes longer, also in an endless loop.

    The default action of the alarm needs no cooperation of the interpreter.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
