"""What the benchmarks against peers share: times of calls, peers that may be absent, tables."""

import importlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")


class Timing(NamedTuple):
    """Seconds of warm calls, and what the first call took beyond their median."""

    cpu: list[float]
    wall: list[float]
    compiling: float


def timed(route: Callable[[], T], repeats: int) -> tuple[T, Timing]:
    """Return the result of a route and its times; of the first call where there is no other."""
    result, first, elapsed = call(route)
    warm = [call(route)[1:] for _ in range(repeats)] or [(first, elapsed)]
    cpu, wall = (list(column) for column in zip(*warm, strict=True))
    return result, Timing(cpu, wall, max(first - float(np.median(cpu)), 0.0))


def call(route: Callable[[], T]) -> tuple[T, float, float]:
    """Return the result of a route, its CPU seconds and its wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = route()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def peer(*names: str) -> Any:
    """Return a list of a peer's modules; None, the reason printed, where one cannot be imported."""
    try:
        return [importlib.import_module(name) for name in names]
    except Exception as error:  # a wheel for another machine fails in ways of its own
        reason = " ".join(str(error).split())[:120]
        print(f"not run: {names[0]}: {type(error).__name__}: {reason}", flush=True)
        return None


def write(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def heading(*cells: str) -> None:
    print()
    write(*cells)
    write(*["---"] * len(cells))


def spread(values: list[float], digits: int = 3) -> str:
    """Return the median with the range."""
    low, middle, high = (f"{x:.{digits}g}" for x in (min(values), np.median(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low} to {high})"


def milliseconds(values: list[float], solved: int) -> str:
    """Return milliseconds a solved run."""
    return spread([1e3 * value / solved for value in values]) if solved else "none solved"
