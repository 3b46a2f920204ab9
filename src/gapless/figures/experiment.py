"""Parts of a figure: points, one reduction of their records, a picture, claims and tables."""

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
    """Return whether points of a scale are measured in NumPy, as those of smoke are.

    Smoke has few points of one shape, and the compilation for a shape takes seconds.
    """
    return scale == "smoke"


@dataclass(frozen=True)
class Size:
    """One N: its α, the number of designs at each α, and the number of runs on each design."""

    n: int
    alphas: tuple[float, ...]
    designs: int
    runs: int


@dataclass(frozen=True)
class Source:
    """Source of the statements that a figure judges.

    Parameters
    ----------
    group
        Group in which the statements are counted.
    reference
        Publication of the statements.
    """

    group: Literal["the paper", "other papers", "our own"]
    reference: str


THE_PAPER = Source(
    "the paper",
    'S. Sarao Mannelli, G. Biroli, C. Cammarota, F. Krzakala, P. Urbani, L. Zdeborová, "Complex '
    'Dynamics in Simple Neural Networks: Understanding Gradient Flow in Phase Retrieval", '
    "NeurIPS 2020",
)
PAPER_ALPHA_BBP = 13.8
"""The paper's α_BBP of the 1RSB threshold states, as printed."""
OWN = Source("our own", "this package; no publication states them")


def nothing(reduced: Any) -> list:
    """Return an empty list of claims or tables."""
    del reduced
    return []


@dataclass(frozen=True)
class Experiment(Generic[R]):
    """Figure: its points, and the picture, claims and tables of their records.

    Parameters
    ----------
    name, title
        Name (``fig1``), and title in the report.
    version
        Version of the measurement, raised by hand when the meaning of a record changes: points with
        records of another version are measured again.
    points
        (scale, seed) → the points.
    reduce
        table of all records so far → reduced values for picture, claims and tables, computed once
        per report.
    picture
        reduced → the picture, in files and on the page.
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
    takes_loss
        Whether its points can have another loss (`points_of`), for which the claims are not judged.
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
    takes_loss: bool = False

    def points_of(self, scale: Scale, seed: int, loss: str | None = None) -> Sequence[Point]:
        """Return the points of a scale, with another loss where one is named.

        Raises ``ValueError`` for a figure that has none, and for a loss that does not exist.
        """
        found = self._points(scale, seed)
        if loss is None:
            return found
        if not self.takes_loss:
            raise ValueError(f"loss: {self.name} has a loss of its own; leave --loss out for it")
        # validated again: a loss may not be computed in the precision of a point
        return [type(point).model_validate(dict(point) | {"loss": loss}) for point in found]

    def _points(self, scale: Scale, seed: int) -> list[Point]:
        try:
            found = list(self.points(scale, seed))
        except ValueError:
            raise
        except Exception as error:  # what a function of the user's raises
            why = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise ValueError(f"figures: points of {self.name} cannot be made ({why})") from None
        if wrong := [one for one in found if not isinstance(one, Point)]:
            raise ValueError(f"figures: points of {self.name} must be Points, not {wrong[0]!r}")
        return found

    def other_loss(self, scale: Scale, seed: int, loss: str | None) -> str | None:
        """Return the loss, or None where it is the figure's own, under whichever of its names."""
        own = self._points(scale, seed)
        return None if self.points_of(scale, seed, loss) == own else loss

    def address(self, point: Point) -> str:
        """Return the address of a point: a hash of its parameters and the version."""
        identity = [self.name, self.version, point.model_dump(mode="json", by_alias=True)]
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
