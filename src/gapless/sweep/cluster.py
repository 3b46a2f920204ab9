"""The engine beyond one machine: any Dask client (extra ``[cluster]``)."""

import signal
import uuid
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from distributed import Client, Event, get_worker
from distributed.scheduler import KilledWorker

from gapless.sweep.engine import OnReceipt, Stopping, WorkerLostError, drive, never
from gapless.sweep.plan import Task
from gapless.sweep.work import Receipt, work
from gapless.threads import pin_threads


def connect(address: str) -> Client:
    """Return a client of the scheduler at `address`.

    Raises ``ValueError`` if none answers.
    """
    try:
        return Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"scheduler: no Dask scheduler answers at {address!r} ({type(error).__name__}); give "
            "the address that `dask scheduler` prints"
        ) from None


def run_on_cluster(
    tasks: Iterable[Task],
    store: Path,
    client: Client,
    on_receipt: OnReceipt,
    *,
    stopping: Stopping = never,
    time_limit: float | None = None,
) -> None:
    """Work through the tasks on the workers of a Dask client; see `engine.drive`.

    Workers must have one thread each, import this package and see `store` under the same path.
    Two tasks for each worker are submitted at a time, and each is released when its receipt is
    here. A task that takes too long ends its worker, which its nanny starts again.

    Raises
    ------
    ValueError
        If a worker has several threads: rounding depends on their number.
    """
    if max(_threads(client).values(), default=1) > 1:
        raise ValueError("scheduler: workers must have one thread each (--nthreads 1)")
    executor = client.get_executor(pure=False)
    # resolved here: a relative path means another folder to a worker
    folder = Path(store).resolve()
    tokens: dict[Future[Receipt], str] = {}

    def submit(task: Task) -> "Future[Receipt]":
        token = f"gapless-{uuid.uuid4().hex}"
        future = executor.submit(_work_once, task, folder, token, time_limit or task.time_limit)
        tokens[future] = token
        return future

    def result(future: "Future[Receipt]") -> Receipt:
        try:
            return future.result()
        except (KilledWorker, CancelledError) as lost:
            raise WorkerLostError(f"the worker was lost ({type(lost).__name__})") from None
        finally:
            Event(tokens.pop(future), client).clear()

    def window() -> int:
        return 2 * max(1, len(_threads(client)))

    drive(tasks, submit, result, window, folder, on_receipt, stopping)


def _threads(client: Client) -> dict[str, int]:
    """Return the threads of each worker by its address."""
    return cast("dict[str, int]", client.nthreads())


def _work_once(task: Task, store: Path, token: str, time_limit: float) -> Receipt:
    """Do the task unless it has been begun before.

    Dask gives the task of a dead worker to the next one by itself; counting tries and cutting
    bundles is for `drive` to do.
    """
    begun = Event(token)
    if begun.is_set():
        raise WorkerLostError("the worker died or took too long")
    begun.set()
    pin_threads()
    # without a nanny to start it again, the worker must live on
    with _ends_process_after(time_limit if get_worker().nanny else 0.0):
        return work(task, store)


@contextmanager
def _ends_process_after(seconds: float):
    """Let the system end this process if the block takes longer; an endless loop hears no more.

    The default action of the alarm needs no cooperation of the interpreter.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
