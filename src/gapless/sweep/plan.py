"""The plan of a sweep: the missing points, cut into tasks of seconds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

from gapless.figures.experiment import Experiment
from gapless.figures.load import look_here
from gapless.measure import Cost, Point
from gapless.store import Store, passes

TASK_FLOPS = 1e11
"""Floating-point operations of a task: seconds of one core, so that little is lost by a kill."""
LEAST_TIME_LIMIT = 600.0
"""Shortest time limit of a task in seconds: many compilations, on a busy machine."""
LEAST_SPEED = 5e8
"""Floating-point operations a second of the slowest machine; a hundredth of a usual one."""


@dataclass(frozen=True)
class Task:
    """Points that one worker measures one after the other and stores as one part.

    It holds only the `name` of the experiment: a worker loads no figure. `store` is the folder of
    the records, `addresses` are those of the points, and `attempt` is the number of the try, from
    1.
    """

    name: str
    store: Path
    points: tuple[Point, ...]
    addresses: tuple[str, ...]
    flops: float
    attempt: int = 1

    def __reduce__(self) -> tuple:
        """Reduce to a form whose unpickling first adds the current folder to the search path."""
        return _unpickled, (_Here(), *(getattr(self, field.name) for field in fields(self)))

    @property
    def time_limit(self) -> float:
        """Seconds after which the task is taken for an endless loop, by default."""
        return LEAST_TIME_LIMIT + self.flops / LEAST_SPEED

    def again(self) -> "list[Task]":
        """Return the tasks of the next try after a lost worker: each point alone."""
        share = self.flops / len(self.points)
        single = replace(self, flops=share, attempt=self.attempt + 1)
        return [
            replace(single, points=(point,), addresses=(address,))
            for point, address in zip(self.points, self.addresses, strict=True)
        ]


class _Here:
    """Placeholder for the current folder of the process that unpickles it."""

    def __reduce__(self) -> tuple:
        return look_here, ()


def _unpickled(_: None, *parts) -> Task:
    return Task(*parts)


@dataclass(frozen=True)
class Plan:
    """The points of an experiment that its store lacks, and the folder of that store."""

    experiment: Experiment
    total: int
    missing: tuple[Point, ...]
    store: Path

    @cached_property
    def costs(self) -> tuple[Cost, ...]:
        """Expected cost of each missing point."""
        return tuple(point.cost() for point in self.missing)

    @property
    def flops(self) -> float:
        """Expected floating-point operations of the missing points."""
        return sum(cost.flops for cost in self.costs)

    @property
    def bytes(self) -> float:
        """Expected memory of the largest missing point."""
        return max((cost.bytes for cost in self.costs), default=0.0)

    def tasks(self) -> Iterator[Task]:
        """Yield the missing points in order, in tasks of about `TASK_FLOPS`."""
        bundle: list[Point] = []
        flops = 0.0
        for point, cost in zip(self.missing, self.costs, strict=True):
            bundle.append(point)
            flops += cost.flops
            if flops >= TASK_FLOPS:
                yield self._task(bundle, flops)
                bundle, flops = [], 0.0
        if bundle:
            yield self._task(bundle, flops)

    def _task(self, points: Sequence[Point], flops: float) -> Task:
        addresses = tuple(self.experiment.address(point) for point in points)
        return Task(self.experiment.name, self.store, tuple(points), addresses, flops)


def plan(
    experiment: Experiment,
    points: Sequence[Point],
    store: Store,
    *,
    retry_failed: bool = False,
) -> Plan:
    """Return the plan of those of `points` that the store lacks.

    Points that failed for a temporary cause (`gapless.store.passes`) count as missing; with
    `retry_failed`, all that failed do.
    """
    found = store.outcomes()

    def lacking(address: str) -> bool:
        why = found.get(address)
        return address not in found or (why is not None and (retry_failed or passes(why)))

    missing = tuple(point for point in points if lacking(experiment.address(point)))
    # resolved here: a relative path means another folder to a worker elsewhere
    return Plan(experiment, len(points), missing, store.path.resolve())


def shard(points: Sequence[Point], index: int, count: int) -> Sequence[Point]:
    """Return part `index` (from 1) of `count` of the points: every `count`-th of them.

    The split depends on the list alone, so that processes need no communication; neighbours, which
    have similar costs, go to different parts.

    Raises
    ------
    ValueError
        Unless 1 ≤ index ≤ count.
    """
    if not 1 <= index <= count:
        raise ValueError(f"shard: {index}/{count} is not one of 1/{count} … {count}/{count}")
    return points[index - 1 :: count]
