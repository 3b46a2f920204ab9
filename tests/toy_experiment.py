"""An experiment of milliseconds, with points that fail in the ways that points fail."""

import os

import pandas as pd
import pyarrow as pa
from matplotlib.figure import Figure

from gapless.experiments import Claim, Cost, Experiment, Point, Row, Scale


class Toy(Point):
    """Squares a number, unless told to raise or to die."""

    number: int
    ending: str = "well"


def points(scale: Scale, seed: int) -> list[Toy]:
    return [Toy(number=i) for i in range(8)]


def measure(point: Toy) -> list[Row]:
    if point.ending == "raises":
        raise ArithmeticError("no square today")
    if point.ending == "dies":
        os._exit(9)
    return [{"number": point.number, "run": run, "square": point.number**2} for run in range(2)]


def failed(point: Toy, reason: str) -> list[Row]:
    return [{"number": point.number, "run": 0, "reason": reason}]


def draw(table: pd.DataFrame) -> Figure:
    return Figure()


def claims(table: pd.DataFrame) -> list[Claim]:
    return []


EXPERIMENT = Experiment(
    name="toy_experiment:EXPERIMENT",
    title="Squares",
    version=1,
    schema=pa.schema(
        {"number": pa.int64(), "run": pa.int64(), "square": pa.int64(), "reason": pa.string()}
    ),
    points=points,
    measure=measure,
    failed=failed,
    cost=lambda point: Cost(flops=4e10, bytes=1e3),
    draw=draw,
    claims=claims,
)
