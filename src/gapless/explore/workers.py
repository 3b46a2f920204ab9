"""Calls of one function spread over processes, for the first start of the explorer."""

import multiprocessing
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from gapless.interrupts import deaf_children
from gapless.threads import pin_threads

_SPAWN = multiprocessing.get_context("spawn")

Done = Callable[[float], object]
"""Function that is called with 1 after each item."""
Each = Callable[[Callable[..., Any], Sequence[tuple[Any, ...]], Done], list[Any]]
"""Evaluation of a function on items: `in_turn`, or `Workers`."""


def in_turn(
    function: Callable[..., Any], items: Sequence[tuple[Any, ...]], done: Done
) -> list[Any]:
    """Return ``function(*item)`` for each item, one after the other in this process."""
    results = []
    for item in items:
        results.append(function(*item))
        done(1.0)
    return results


class Workers:
    """Spawned processes that compute items; called like `in_turn`, with the same results.

    They start at the first call. Each has a pipe of its own and no lock, and ends when its pipe
    does, so that none outlives this process. Items of a worker that died are computed here.

    Parameters
    ----------
    count
        Number of processes; with one nothing is spawned.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.started: list[tuple[SpawnProcess, Any]] = []

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        for process, pipe in self.started:
            pipe.close()
            process.join(1.0)
            # within an item still: nobody is left to take its result
            process.kill()
        self.started = []

    def __call__(
        self, function: Callable[..., Any], items: Sequence[tuple[Any, ...]], done: Done
    ) -> list[Any]:
        """Return ``function(*item)`` for each item; `function` is one of a module."""
        if self.count < 2 or len(items) < 2:
            return in_turn(function, items, done)
        self._start()
        found: dict[int, Any] = {}
        left, idle = iter(enumerate(items)), [pipe for _, pipe in self.started]
        busy: list[Any] = []
        while True:
            # one item each, the next when it is done: unequal items end together
            for pipe, (i, item) in zip(idle, left, strict=False):
                with suppress(OSError):
                    pipe.send((function, i, item))
                    busy.append(pipe)
            if not busy:
                break
            idle, ready = [], wait(busy)
            for pipe in [one for one in busy if one in ready]:
                busy.remove(pipe)
                try:
                    i, found[i] = pipe.recv()
                except (EOFError, OSError):
                    continue
                idle.append(pipe)
                done(1.0)
        lost = [i for i in range(len(items)) if i not in found]
        found |= zip(lost, in_turn(function, [items[i] for i in lost], done), strict=True)
        return [found[i] for i in range(len(items))]

    def _start(self) -> None:
        if self.started:
            return
        # the interrupt of a terminal reaches all processes; this one ends the others
        with deaf_children():
            for _ in range(self.count):
                here, there = _SPAWN.Pipe()
                process = _SPAWN.Process(target=_serve, args=(there,), daemon=True)
                process.start()
                # the worker's end is its own: only then its death ends the pipe
                there.close()
                self.started.append((process, here))


def _serve(pipe: Connection) -> None:
    """Compute the items that the pipe brings, until it ends."""
    pin_threads()
    # stdout is for the answer of the command, and code of the user's may print
    sys.stdout = sys.stderr
    with suppress(EOFError, OSError):
        while True:
            function, i, item = pipe.recv()
            pipe.send((i, function(*item)))
