"""What a figure is made of: points, one reduction of their records, a picture, claims, tables."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args

from gapless.measure.point import Point

if TYPE_CHECKING:  # workers, which know an experiment by name alone, do without
    import pandas as pd

    from gapless.analyse.verdict import Claim
    from gapless.page.panels import Picture

Scale = Literal["smoke", "desk", "large", "paper"]
SCALES: tuple[Scale, ...] = get_args(Scale)
EVERY: tuple[Scale, ...] = ("smoke", "desk", "paper")
"""Scales that every figure has; ``large``, the paper's N with as many runs as a night on two cores
gives, is of those figures whose statements depend on it."""
R = TypeVar("R")


def in_numpy(scale: Scale) -> bool:
    """Return whether points of a scale are measured in NumPy, without compiling: smoke's.

    There are few of one shape, and to compile for a shape takes seconds.
    """
    return scale == "smoke"


@dataclass(frozen=True)
class Size:
    """One N: its α, and at each α as many designs with as many runs on each."""

    n: int
    alphas: tuple[float, ...]
    designs: int
    runs: int


@dataclass(frozen=True)
class Source:
    """Whose statements a figure judges.

    Parameters
    ----------
    group
        Under which they are counted.
    reference
        Where they stand.
    """

    group: Literal["the paper", "other papers", "our own"]
    reference: str


THE_PAPER = Source(
    "the paper",
    'S. Sarao Mannelli, G. Biroli, C. Cammarota, F. Krzakala, P. Urbani, L. Zdeborová, "Complex '
    'Dynamics in Simple Neural Networks: Understanding Gradient Flow in Phase Retrieval", '
    "NeurIPS 2020",
)
OWN = Source("our own", "this package; no publication states them")


def nothing(reduced: Any) -> list:
    """Return no claims, or no tables."""
    del reduced
    return []


@dataclass(frozen=True)
class Experiment(Generic[R]):
    """A figure: which points, and how their records become a picture, claims and tables.

    Parameters
    ----------
    name, title
        ``fig1`` and what the report calls it.
    version
        Measurement version, raised by hand when the meaning of a record changes: records of
        another version are measured anew.
    points
        (scale, seed) → the points, each of which measures itself.
    reduce
        table of all records so far → what picture, claims and tables are made of: computed once a
        report.
    picture
        reduced → what is drawn, in files and on the page alike.
    claims
        reduced → the claims of `source`, judged.
    tables
        reduced → (title, numbers) of each table that the report prints, unless it is empty.
    scales
        At which it has points.
    reads
        Columns that `reduce` takes; all of them when None. Millions of records fit into memory
        when these are few.
    caption
        Two sentences under the picture: what is plotted, where ``{sizes}`` stands for loss, N and
        seed; and what to see.
    source
        Whose statements the claims are.
    """

    name: str
    title: str
    version: int
    points: Callable[[Scale, int], Sequence[Point]]
    reduce: "Callable[[pd.DataFrame], R]"
    picture: "Callable[[R], Picture]"
    claims: "Callable[[R], list[Claim]]" = nothing
    tables: "Callable[[R], list[tuple[str, pd.DataFrame]]]" = nothing
    reads: tuple[str, ...] | None = None
    caption: str = ""
    source: Source = OWN
    scales: tuple[Scale, ...] = EVERY

    def address(self, point: Point) -> str:
        """Return the address of a point: a hash of its parameters and the version."""
        identity = [self.name, self.version, point.model_dump(mode="json")]
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
