"""Estimates of the time and memory of a plan on this machine, from points measured here.

Points are timed in CPU seconds, so that an estimate is for idle cores and does not depend on what
else the machine does meanwhile.
"""

import resource
import time
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from gapless.measure import Cost, Point
from gapless.sweep.plan import Plan

CALIBRATION_FLOPS = 3e11
"""Largest cost of a point that is measured for calibration: a second or two."""


@dataclass(frozen=True)
class Calibration:
    """Speed, compilation time, start-up time and memory of this machine for an experiment.

    Parameters
    ----------
    start
        Seconds before the first point of a process is done, beyond compiling and measuring it.
    compilation
        Seconds to compile one program.
    speed
        Floating-point operations a second of a measurement.
    bytes
        Memory of a process that has measured small points.
    """

    start: float
    compilation: float
    speed: float
    bytes: float

    def seconds(self, plan: Plan, workers: int = 1) -> float:
        """Return the expected wall time of a plan; each worker compiles for itself."""
        if not plan.missing:
            return 0.0
        programs = Counter(cost.program for cost in plan.costs)
        compiled = sum(min(workers, points) for points in programs.values())
        work = plan.flops / self.speed + compiled * self.compilation
        return self.start + work / min(workers, len(plan.missing))

    def memory(self, plan: Plan, workers: int = 1) -> float:
        """Return the expected memory of all workers of a plan."""
        return workers * (self.bytes + plan.bytes) if plan.missing else 0.0


def calibrate(plan: Plan) -> Calibration:
    """Measure two points of different programs, the second of them twice.

    The first is a warm-up. The second has the program with the largest share of the plan among
    those with a point of a second or two; if there is none, a point of smoke scale. Its first run
    compiles, and its second does not.
    """
    warm, typical = _probes(plan)
    first = _seconds(warm)
    compiled = _seconds(typical)
    again = _seconds(typical)
    compilation = max(0.0, compiled - again)
    speed = typical.cost().flops / again
    start = max(0.0, first - compilation - warm.cost().flops / speed)
    peak = 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Calibration(start, compilation, speed, peak)


def _probes(plan: Plan) -> tuple[Point, Point]:
    share: Counter[Hashable] = Counter()
    for cost in plan.costs:
        share[cost.program] += cost.flops  # type: ignore[assignment]
    cheap = _affordable(plan.missing, plan.costs)
    smoke = plan.experiment.points("smoke", 0)
    if len(cheap) < 2:
        cheap = _affordable(smoke, [point.cost() for point in smoke]) | cheap
    if not cheap:
        # none is done in a second: the cheapest two at smoke scale
        points = sorted(smoke, key=lambda point: point.cost().flops)
        return points[0], points[min(1, len(points) - 1)]
    by_share = sorted(cheap, key=lambda program: share[program])
    return cheap[by_share[0]], cheap[by_share[-1]]


def _affordable(points: Sequence[Point], costs: Sequence[Cost]) -> dict[Hashable, Point]:
    """Return a cheap point of each program, if it has one."""
    found: dict[Hashable, Point] = {}
    for point, cost in zip(points, costs, strict=True):
        if cost.flops <= CALIBRATION_FLOPS:
            found.setdefault(cost.program, point)
    return found


def _seconds(point: Point) -> float:
    begun = time.process_time()
    point.measure()
    return max(time.process_time() - begun, 1e-6)
