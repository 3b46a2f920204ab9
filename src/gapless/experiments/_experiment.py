"""What a figure is made of: points to measure, a measurement, a picture and the paper's claims."""

import hashlib
import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from gapless.experiments.verdict import Claim
from gapless.page.panels import Picture

if TYPE_CHECKING:  # a worker neither draws nor judges
    import pandas as pd

Scale = Literal["smoke", "desk", "paper"]
Row = dict[str, Any]


class Point(BaseModel):
    """Parameters of one measurement: frozen, checked, hashed into its address."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Cost:
    """What a point is expected to take.

    Parameters
    ----------
    flops, bytes
        Floating-point operations and peak memory of the measurement.
    program
        What has to be compiled for it: shapes and switches. A process compiles it once for all
        points that have the same.
    """

    flops: float
    bytes: float
    program: Hashable = None


@dataclass(frozen=True)
class Experiment:
    """A figure: which points, how each is measured, how the rows become a picture and claims.

    Parameters
    ----------
    name, title
        ``fig1`` and what the report calls it.
    version
        Measurement version, raised by hand when the meaning of a row changes: rows of another
        version are measured anew.
    points
        (scale, seed) → the points.
    schema
        Columns of the rows.
    measure
        point → its rows, one per run. Depends on the point alone.
    failed
        (point, reason) → the rows that stand for a measurement that could not be made.
    cost
        point → expected cost, for plans and bundles.
    picture
        table of all rows so far → what is drawn, in files and on the page alike.
    claims
        table of all rows so far → the paper's claims judged.
    tables
        table of all rows so far → (title, numbers) of each table that the report prints.
    reads
        Columns that `picture`, `claims` and `tables` take; all of them when None. Millions
        of rows fit into memory when these are few.
    """

    name: str
    title: str
    version: int
    schema: pa.Schema
    points: Callable[[Scale, int], Sequence[Point]]
    measure: Callable[[Any], list[Row]]
    failed: Callable[[Any, str], list[Row]]
    cost: Callable[[Any], Cost]
    picture: "Callable[[pd.DataFrame], Picture]"
    claims: "Callable[[pd.DataFrame], list[Claim]]"
    tables: "Callable[[pd.DataFrame], list[tuple[str, pd.DataFrame]]] | None" = None
    reads: tuple[str, ...] | None = None

    def address(self, point: Point) -> str:
        """Return the address of a point: a hash of its parameters and the version."""
        identity = [self.name, self.version, point.model_dump(mode="json")]
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
