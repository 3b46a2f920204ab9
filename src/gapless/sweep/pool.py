"""The engine of one machine: spawned workers of one thread each, a pipe to every one.

Workers share neither a queue nor a lock, so that the death of one at any moment affects its own
task alone. In a pool whose workers share a channel, a worker that is killed while it starts or
fetches can lose a task or block all others.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from pickle import PicklingError
from typing import Any

from gapless.amounts import duration
from gapless.interrupts import deaf_children
from gapless.sweep.engine import OnReceipt, Stopping, WorkerLostError, drive, never
from gapless.sweep.plan import Task
from gapless.sweep.work import Receipt, work
from gapless.threads import pin_threads

MOST_STILLBORN = 20
"""Number of successive workers that may die before they are ready; more are a systematic fault."""
UNGUARDED = 97
"""Exit code of a worker that would start workers itself while it imports the user's script."""
DEAD = object()
GUARD = (
    "workers: every worker imports the script that starts them; put its statements under "
    'if __name__ == "__main__":'
)

_SPAWN = multiprocessing.get_context("spawn")


def run_on_workers(
    tasks: Iterable[Task],
    workers: int,
    on_receipt: OnReceipt,
    *,
    stopping: Stopping = never,
    time_limit: float | None = None,
) -> None:
    """Run the tasks on spawned processes; see `engine.drive`.

    `time_limit` is in seconds; by default it is a generous multiple of each task's estimate.

    Raises
    ------
    RuntimeError
        If workers cannot start: the script that calls this does so whenever it is imported, or it
        is read from standard input.
    ValueError
        If the points cannot be sent to another process.
    """
    _check_main()
    tasks = list(tasks)
    if not tasks:
        return
    pool = Pool(min(workers, len(tasks)), time_limit)
    try:
        drive(pool, tasks, on_receipt, stopping)
    finally:
        pool.stop()


def _check_main() -> None:
    """Raise, or end the worker if this is one, unless the main module can be imported."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(UNGUARDED)  # the one who has started this worker says why
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if getattr(main, "__spec__", None) is None and file is not None and not Path(file).exists():
        raise RuntimeError(
            f"workers: they cannot import a script that was read as {file}; save it as a file"
        )


class Worker:
    """A process, the pipe to it, and the task that it has."""

    def __init__(self) -> None:
        self.connection, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
        with deaf_children():
            self.process.start()
        theirs.close()
        self.ready = False
        self.task: Task | None = None
        self.time_limit = self.deadline = float("inf")

    def begin(self, task: Task, time_limit: float) -> None:
        """Send the task; a worker that is dead already is detected by `Pool.finished`."""
        self.task, self.time_limit = task, time_limit
        self.deadline = time.monotonic() + time_limit
        try:
            with suppress(OSError):
                self.connection.send(task)
        except (PicklingError, AttributeError, TypeError) as error:
            raise ValueError(
                f"workers: points of {task.name} cannot be sent to another process ({error}); "
                "keep their class in a module, or do without workers"
            ) from None

    def end(self) -> int | None:
        """End the process if it is alive; return its exit code."""
        self.process.kill()
        self.process.join()
        self.connection.close()
        return self.process.exitcode


class Pool:
    """A `Crew` of workers on this machine; each that dies is replaced."""

    def __init__(self, workers: int, time_limit: float | None = None) -> None:
        self.time_limit = time_limit
        self.workers = [Worker() for _ in range(workers)]
        self.stillborn = 0

    def idle(self) -> list[int]:
        """Return the numbers of the idle workers."""
        return [i for i, one in enumerate(self.workers) if one.ready and one.task is None]

    def submit(self, task: Task, lane: int) -> None:
        """Send the task to the idle worker of this number."""
        self.workers[lane].begin(task, self.time_limit or task.time_limit)

    def busy(self) -> bool:
        """Return whether a worker has a task."""
        return any(worker.task is not None for worker in self.workers)

    def finished(self) -> Iterator[tuple[Task, Receipt | WorkerLostError]]:
        """Wait until a worker reports, dies or times out; return the tasks that have returned."""
        deadline = min(worker.deadline for worker in self.workers)
        patience = None if deadline == float("inf") else max(0.0, deadline - time.monotonic())
        reporting = wait([worker.connection for worker in self.workers], patience)
        for index, worker in enumerate(self.workers):
            if worker.connection in reporting:
                message = _received(worker.connection)
                if message is DEAD:
                    yield from self._replace(index, "the worker died with exit code {}")
                    continue
                worker.ready, self.stillborn = True, 0
                task, worker.task, worker.deadline = worker.task, None, float("inf")
                if isinstance(message, Exception):
                    raise message
                if task is not None:
                    yield task, message
            elif time.monotonic() > worker.deadline:
                yield from self._replace(index, f"took longer than {duration(worker.time_limit)}")

    def _replace(self, index: int, reason: str) -> Iterator[tuple[Task, WorkerLostError]]:
        lost = self.workers[index]
        # a worker that died by itself is still given the time to leave its exit code
        lost.process.join(1.0 if "{}" in reason else 0.0)
        code = lost.end()
        if not lost.ready:
            self.stillborn += 1
            if code == UNGUARDED:
                raise RuntimeError(GUARD)
            if self.stillborn > MOST_STILLBORN:
                raise RuntimeError(f"workers die as they start, with exit code {code}. {GUARD}")
        self.workers[index] = Worker()
        if lost.task is not None:
            yield lost.task, WorkerLostError(reason.format(code))

    def stop(self) -> None:
        """End all workers, busy or not."""
        for worker in self.workers:
            worker.end()


def _received(connection: Any) -> Any:
    """Return the message of a worker; `DEAD` if its end of the pipe is closed."""
    try:
        return connection.recv()
    except (EOFError, OSError):
        return DEAD


def _serve(connection: Connection) -> None:
    """Run one task after the other, in a worker, until the pipe is closed."""
    pin_threads()
    # stdout is for the answer of the command, and code of the user's may print
    sys.stdout = sys.stderr
    # the pipe ends when the driver does
    with suppress(EOFError, BrokenPipeError):
        connection.send(None)
        while True:
            try:
                task = connection.recv()
                answer = work(task)
            except (EOFError, BrokenPipeError):
                raise
            except Exception as error:
                answer = error
            connection.send(answer)
