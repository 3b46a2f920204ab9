"""Pictures: panels of curves, marks and densities, as plain numbers and plain Unicode.

A figure fills one record, from which both `gapless.page.image` and charts.js draw. This module
imports neither a drawing library nor pandas, because workers that measure need neither.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log10
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

TWO_ERRORS = "± 2 standard errors"
INK, GREY = 6, 7
"""Indices into the palette of ink and grey, for marks and other parts that are no curves."""
DARKEST = 0.9
"""Opacity of a fully shaded cell."""

Dash = Literal["solid", "dot", "dash", "dashdot"]
Style = Literal["lines", "markers", "lines+markers"]
Marker = Literal[
    "circle",
    "square",
    "triangle-up",
    "triangle-down",
    "diamond",
    "triangle-left",
    "triangle-right",
    "pentagon",
    "hexagon",
    "circle-open",
    "x-thin-open",
]


@dataclass(frozen=True)
class Axis:
    """One axis of a panel.

    Parameters
    ----------
    name
        Label of the axis.
    scale
        ``symlog`` is linear between −`linear` and `linear` and logarithmic beyond.
    range
        Ends of the axis; None: from the data.
    ticks
        Values of the ticks; None: chosen by the renderer.
    """

    name: str
    scale: Literal["linear", "log", "symlog"] = "linear"
    range: tuple[float | None, float | None] = (None, None)
    ticks: Sequence[float] | None = None
    linear: float = 0.1

    def __post_init__(self) -> None:
        """Set the ticks of a symlog axis, zero and powers of ten, since plotly has no such axis."""
        if self.scale == "symlog" and self.ticks is None:
            powers = [10.0**k for k in range(ceil(log10(self.linear) - 1e-9), 10)]
            object.__setattr__(self, "ticks", [-p for p in reversed(powers)] + [0.0, *powers])


@dataclass(frozen=True, eq=False)
class Series:
    """One curve.

    Parameters
    ----------
    name
        Name of the curve in tables and in the text of its points.
    x, y : shape (P,)
        Points; not-a-number where there is none.
    low, high : shape (P,)
        Ends of the interval of y; not-a-number or infinite where there is none.
    interval
        Name of the interval.
    style, dash, marker, width
        Style of the curve; the width of the line is in points.
    colour
        Index into the palette.
    note : shape (P,)
        Text of each point beside its numbers.
    legend
        Entry of the legend: `name` when None, nothing when empty. An entry that an earlier curve of
        the picture has in this colour is not repeated, so that many runs share one entry.
    band
        Whether the interval is a band along the curve; bars otherwise.
    steps
        Whether y holds from each x to the next, as in a histogram.
    fill
        Whether the area down to zero is shaded.

    Raises ``ValueError`` if the columns differ in length.
    """

    name: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    interval: str = "95 %"
    style: Style = "lines+markers"
    dash: Dash = "solid"
    colour: int = 0
    note: Sequence[str] | None = None
    legend: str | None = None
    marker: Marker = "circle"
    width: float = 1.2
    band: bool = False
    steps: bool = False
    fill: bool = False

    def __post_init__(self) -> None:
        """Check the lengths."""
        if (self.low is None) != (self.high is None):
            raise ValueError(f"series: {self.name!r} has one end of an interval without the other")
        columns = (self.x, self.y, self.low, self.high, self.note)
        sizes = {len(np.asarray(column)) for column in columns if column is not None}
        if len(sizes) > 1:
            raise ValueError(f"series: {self.name!r} has columns of {sorted(sizes)} points")


@dataclass(frozen=True)
class Mark:
    """A line across a panel at one value of x or of y, or the stretch between two.

    Parameters
    ----------
    name
        Label of the mark, at the fraction `at` of the panel's height or width.
    until
        Other end of a stretch, which is shaded.
    side
        Side of the line on which the label is; None: left of a line at x, above a line at y.
    """

    axis: Literal["x", "y"]
    value: float
    name: str = ""
    dash: Dash = "dash"
    colour: int = INK
    width: float = 0.9
    until: float | None = None
    at: float = 1.0
    side: Literal["left", "right", "above", "below"] | None = None


@dataclass(frozen=True, eq=False)
class Heat:
    """Values on equal cells behind the curves, as shades of one colour, with a colour bar.

    Parameters
    ----------
    name
        Label of the colour bar.
    x, y
        Outer ends of the cells.
    values : shape (rows, columns)
        The first row is that of the lowest y; cells of not-a-number are transparent.
    range
        Values of transparent and of fully shaded cells.
    """

    name: str
    x: tuple[float, float]
    y: tuple[float, float]
    values: np.ndarray
    range: tuple[float, float]
    colour: int = 0

    @property
    def shades(self) -> np.ndarray:
        """Opacity of each cell, from 0 to `DARKEST`."""
        low, high = self.range
        return DARKEST * np.nan_to_num(np.clip((self.values - low) / (high - low), 0, 1))


@dataclass(frozen=True, eq=False)
class Panel:
    """One pair of axes with its curves.

    Parameters
    ----------
    marks
        Marks of the panel; one at not-a-number is left out.
    size
        Width and height in inches in a printed picture; a page keeps the proportions.
    inset
        Left, bottom, width and height, as fractions of the panel before it, of the place where a
        printed picture has this one; a page shows it as a panel of its own.
    legend
        Where a printed picture has the legend; a page has it above the panel.
    own_legend
        Whether its legend names again what the legend of an earlier panel has named.
    upper
        Name and factor of a second scale of x along the upper edge, whose numbers are the factor
        times those below; None for no second scale.

    Raises ``ValueError`` if a density is to stand on an axis that is not linear.
    """

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    marks: Sequence[Mark] = ()
    heat: Heat | None = None
    size: tuple[float, float] = (4.6, 3.5)
    inset: tuple[float, float, float, float] | None = None
    legend: Literal["best", "lower right", "outside", "above"] = "best"
    own_legend: bool = False
    upper: tuple[str, float] | None = None

    def __post_init__(self) -> None:
        """Check that a density has linear axes, and keep the marks at finite values."""
        if self.upper is not None and self.x.scale == "symlog":
            raise ValueError(f"panel: {self.title!r} has an upper scale on a symlog axis")
        marks = tuple(mark for mark in self.marks if np.isfinite(mark.value))
        object.__setattr__(self, "marks", marks)
        if self.heat is not None and {self.x.scale, self.y.scale} != {"linear"}:
            raise ValueError(f"panel: {self.title!r} has a density on an axis that is not linear")

    def record(self) -> dict[str, Any]:
        """Return plain lists and names, ready for JSON: None where a number is not finite."""
        columns = ("x", "y", "low", "high")
        return vars(self) | {
            "x": vars(self.x),
            "y": vars(self.y),
            "marks": [vars(mark) for mark in self.marks],
            "heat": self.heat
            and vars(self.heat) | {"values": [plain(row, 2) for row in self.heat.shades]},
            "series": [
                vars(series) | {name: plain(getattr(series, name)) for name in columns}
                for series in self.series
            ],
        }


@dataclass(frozen=True, eq=False)
class Picture:
    """Panels in rows.

    Parameters
    ----------
    title
        Title above the panels.
    source
        Loss, N and seed of the data (`source_of`), printed below the panels.
    """

    title: str
    rows: Sequence[Sequence[Panel]]
    source: str = ""

    @property
    def panels(self) -> list[Panel]:
        """All panels, row by row."""
        return [panel for row in self.rows for panel in row]

    @property
    def intervals(self) -> list[str]:
        """The kinds of interval of its curves, each once."""
        known = [s for panel in self.panels for s in panel.series if s.low is not None]
        return list(dict.fromkeys(series.interval for series in known))

    def record(self) -> list[dict[str, Any]]:
        """Return the records of its panels."""
        return [panel.record() for panel in self.panels]


@dataclass(frozen=True)
class Print:
    """Size of a picture and of its type.

    Parameters
    ----------
    width
        Width of pictures in inches, 2 to 40, of which the height follows; by default that of
        their panels together.
    font_size
        Type of labels and titles in points, 4 to 30; legends, ticks and notes have 0.9, insets
        0.8 of it.

    Raises
    ------
    ValueError
        If one of them is out of its range.
    """

    width: float | None = None
    font_size: float = 9.5

    def __post_init__(self) -> None:
        if self.width is not None and not 2 <= self.width <= 40:
            raise ValueError(f"width: must lie between 2 and 40 inches, not {self.width:g}")
        if not 4 <= self.font_size <= 30:
            raise ValueError(f"font_size: must lie between 4 and 30 points, not {self.font_size:g}")


PLAIN = Print()
"""Panels of their own size, in type of 9.5 points."""
FILES = (".png", ".pdf", ".svg")
"""Suffixes of pictures."""


def source_of(columns: Mapping[str, Iterable[Any]]) -> str:
    """Return loss, N and seed of records in words, as "quartic loss, N = 64 and 128, seed 0".

    Parameters
    ----------
    columns
        ``loss``, ``n`` and ``seed`` of every record; a column that is missing is not named. Records
        with ``paths`` and without ``n`` are of N = ∞.
    """
    if "n" not in columns and "paths" in columns:
        columns = {name: columns[name] for name in ("loss", "seed") if name in columns}
        columns |= {"n": [np.inf]}
    known = {
        name: sorted({value for value in columns[name] if value is not None and value == value})
        for name in ("loss", "n", "seed")
        if name in columns
    }
    # the hash of a user's source text is in the records, and too long for a picture
    losses = [str(loss).partition("@")[0] for loss in known.get("loss", ())]
    sizes = ["∞" if n == np.inf else f"{n:.0f}" for n in known.get("n", ())]
    seeds = [f"{seed:g}" for seed in known.get("seed", ())]
    parts = (
        f"{_listed(losses)} {'loss' if len(losses) == 1 else 'losses'}" if losses else "",
        f"N = {_listed(sizes)}" if sizes else "",
        f"{'seed' if len(seeds) == 1 else 'seeds'} {_listed(seeds)}" if seeds else "",
    )
    return ", ".join(part for part in parts if part)


def _listed(words: Sequence[str], most: int = 6) -> str:
    """Return "a, b and c"; of more than `most` words the first and the last."""
    if len(words) > most:
        return f"{words[0]} to {words[-1]}"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def plain(values: ArrayLike | None, digits: int = 6) -> list[float | None] | None:
    """Return floats rounded to ``digits`` significant digits, None where they are not finite."""
    if values is None:
        return None
    numbers = np.asarray(values, float)
    return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in numbers.tolist()]
