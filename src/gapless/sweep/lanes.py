"""Assignment of tasks to workers: neighbours in the plan, which share programs, go to one."""

from collections.abc import Iterable
from itertools import accumulate

from gapless.sweep.plan import Task


class Lanes:
    """Tasks in their order, cut into one stretch for each worker.

    A lane takes the tasks of its stretch one after the other. When none is left, it takes the
    second half, by operations, of the longest stretch of another. So two workers begin at different
    points of the plan, seldom compile the same programs, and end at about the same time.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._unclaimed: list[Task] | None = list(tasks)
        self._stretches: dict[int, list[Task]] = {}

    def take(self, lane: int) -> Task | None:
        """Return the next task of a lane, None when no lane has one left."""
        mine = self._stretches.setdefault(lane, [])
        if not mine:
            mine += self._share()
        return mine.pop(0) if mine else None

    def _share(self) -> list[Task]:
        """Return the stretch of a lane without tasks: all at first, then half of another's."""
        if self._unclaimed is not None:
            found, self._unclaimed = self._unclaimed, None
            return found
        longest = max(self._stretches.values(), key=lambda tasks: (_flops(tasks), len(tasks)))
        sums = list(accumulate(task.flops for task in longest))
        kept = sum(before < _flops(longest) / 2 for before in (0.0, *sums[:-1]))
        kept = min(kept, len(longest) - 1) if longest else 0
        found = longest[kept:]
        del longest[kept:]
        return found


def _flops(tasks: list[Task]) -> float:
    return sum(task.flops for task in tasks)
