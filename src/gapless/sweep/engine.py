"""Engines: this process, or a pool of spawned workers that outlives the death of any of them."""

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

from pebble import ProcessExpired, ProcessPool

from gapless.sweep.plan import Task
from gapless.sweep.work import Receipt, give_up, work
from gapless.threads import pin_threads

TRIES = 3
"""How often a task that killed its worker is tried before its points are stored as failed."""

OnReceipt = Callable[[Receipt], None]


def run_in_process(tasks: Iterable[Task], store: Path, on_receipt: OnReceipt) -> None:
    """Work through the tasks here, one after the other."""
    for task in tasks:
        on_receipt(work(task, store))


def run_on_workers(tasks: Iterable[Task], store: Path, workers: int, on_receipt: OnReceipt) -> None:
    """Work through the tasks on spawned processes of one thread each.

    A worker's death costs the task that it had: the task is cut into its points, each is tried
    up to three times, and what still kills its worker is stored as failed. An interrupt stops
    the workers; what they have acknowledged is on disk.
    """
    queue = [(task, 1) for task in tasks]
    queue.reverse()
    running: dict[Future, tuple[Task, int]] = {}
    pool = ProcessPool(
        max_workers=workers,
        context=multiprocessing.get_context("spawn"),  # type: ignore[arg-type]
        initializer=pin_threads,
    )
    try:
        while queue or running:
            while queue and len(running) < 2 * workers:
                task, attempt = queue.pop()
                running[pool.submit(work, None, task, store)] = (task, attempt)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                task, attempt = running.pop(future)
                try:
                    on_receipt(future.result())
                except ProcessExpired as death:
                    queue.extend(_again(task, attempt, death, store, on_receipt))
        pool.close()
    except BaseException:
        pool.stop()
        raise
    finally:
        pool.join()


def _again(
    task: Task, attempt: int, death: ProcessExpired, store: Path, on_receipt: OnReceipt
) -> list[tuple[Task, int]]:
    if len(task.points) > 1:
        share = task.flops / len(task.points)
        return [(Task(task.experiment, (point,), share), 1) for point in task.points]
    if attempt < TRIES:
        return [(task, attempt + 1)]
    on_receipt(give_up(task, store, f"the worker died {TRIES} times, exit code {death.exitcode}"))
    return []
