"""An experiment of milliseconds, with points that fail in the ways that points fail."""

import os
import resource
import signal
import time
from pathlib import Path

import pyarrow as pa

from gapless.experiments import Cost, Experiment, Point, Row, Scale


class Toy(Point):
    """Squares a number, unless told to end otherwise."""

    number: int
    ending: str = "well"
    group: int = 0


def points(scale: Scale, seed: int) -> list[Toy]:
    return [Toy(number=i) for i in range(8)]


def raises() -> None:
    raise ArithmeticError("no square today")


def segfaults() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def never_ends() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # deaf, as a loop in C would be
    while True:
        time.sleep(1e-3)


def takes_all_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, before[1]))
    try:
        bytearray(2**28)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


ENDINGS = {
    "raises": raises,
    "segfaults": segfaults,
    "never ends": never_ends,
    "takes all memory": takes_all_memory,
}


def measure(point: Toy) -> list[Row]:
    if point.ending in ENDINGS:
        ENDINGS[point.ending]()
    time.sleep(float(os.environ.get("TOY_SLEEP", "0")))
    square = float("nan") if point.ending == "NaN" else float(point.number**2)
    return [{"number": point.number, "run": run, "square": square} for run in range(2)]


def failed(point: Toy, reason: str) -> list[Row]:
    return [{"number": point.number, "run": 0, "reason": reason}]


def picture(table):
    from gapless.page.panels import Axis, Panel, Picture, Series  # workers do without

    squares = Series("squares", table.number, table.square)
    return Picture("Squares", [[Panel("", Axis("number"), Axis("square"), [squares])]])


EXPERIMENT = Experiment(
    name="toy_experiment:EXPERIMENT",
    title="Squares",
    version=1,
    schema=pa.schema(
        {"number": pa.int64(), "run": pa.int64(), "square": pa.float64(), "reason": pa.string()}
    ),
    points=points,
    measure=measure,
    failed=failed,
    cost=lambda point: Cost(flops=4e10, bytes=1e3, program=point.group),
    picture=picture,
    claims=lambda table: [],
)
