"""What is missing, cut into tasks of seconds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gapless.experiments import Experiment, Point
from gapless.store import Store

TASK_FLOPS = 1e11
"""Floating-point operations of a task: seconds of one core, so that little is lost by a kill."""


@dataclass(frozen=True)
class Task:
    """Points that one worker measures one after the other and stores as one part."""

    experiment: str
    points: tuple[Point, ...]
    flops: float


@dataclass(frozen=True)
class Plan:
    """The points of an experiment that its store lacks."""

    experiment: Experiment
    total: int
    missing: tuple[Point, ...]

    @property
    def flops(self) -> float:
        """Expected floating-point operations of what is missing."""
        return sum(self.experiment.cost(point).flops for point in self.missing)

    @property
    def bytes(self) -> float:
        """Expected memory of the largest point that is missing."""
        return max((self.experiment.cost(point).bytes for point in self.missing), default=0.0)

    def tasks(self) -> Iterator[Task]:
        """Yield the missing points in order, in tasks of about `TASK_FLOPS`."""
        bundle: list[Point] = []
        flops = 0.0
        for point in self.missing:
            bundle.append(point)
            flops += self.experiment.cost(point).flops
            if flops >= TASK_FLOPS:
                yield Task(self.experiment.name, tuple(bundle), flops)
                bundle, flops = [], 0.0
        if bundle:
            yield Task(self.experiment.name, tuple(bundle), flops)


def plan(experiment: Experiment, points: Sequence[Point], store: Store | None) -> Plan:
    """Return which of `points` the store lacks; all of them without a store."""
    present = store.present() if store is not None else set()
    missing = tuple(point for point in points if experiment.address(point) not in present)
    return Plan(experiment, len(points), missing)
