"""An experiment of milliseconds, with points that fail in the ways that points fail."""

import os
import resource
import signal
import time
from pathlib import Path

import pyarrow as pa

from gapless.figures import Experiment, Scale
from gapless.measure import Cost, Point


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


class Toy(Point):
    """Squares a number, unless told to end otherwise."""

    SCHEMA = pa.schema({"number": pa.int64(), "run": pa.int64(), "square": pa.float64()})
    number: int
    ending: str = "well"
    group: int = 0

    def measure(self) -> pa.Table:
        if self.ending in ENDINGS:
            ENDINGS[self.ending]()
        time.sleep(float(os.environ.get("TOY_SLEEP", "0")))
        square = float("nan") if self.ending == "NaN" else float(self.number**2)
        return self.table(square=[square, square])

    def cost(self) -> Cost:
        return Cost(flops=4e10, bytes=1e3, program=self.group)


def points(scale: Scale, seed: int) -> list[Toy]:
    return [Toy(number=i) for i in range(8)]


def picture(table):
    from gapless.page.panels import Axis, Panel, Picture, Series  # workers do without

    squares = Series("squares", table.number, table.square)
    return Picture("Squares", [[Panel("", Axis("number"), Axis("square"), [squares])]])


EXPERIMENT = Experiment(
    name="toy_experiment:EXPERIMENT",
    title="Squares",
    version=1,
    points=points,
    reduce=lambda table: table,
    picture=picture,
)
