"""What an interactive picture is drawn from: panels of plain series, without a drawing library.

An experiment fills them from the same reduction that its picture is drawn from; the report draws
them and offers their numbers as one long table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

Numbers = Sequence[float] | np.ndarray | pd.Series
TWO_ERRORS = "± 2 standard errors"
Style = Literal["lines", "markers", "lines+markers"]


@dataclass(frozen=True, eq=False)
class Series:
    """One curve.

    Parameters
    ----------
    name
        What the legend says; one that an earlier curve of the figure has is not said again.
    x, y : shape (P,)
        Points; not-a-number where there is none.
    low, high : shape (P,)
        Ends of the interval of y, where there is one.
    interval
        What the interval is.
    style, dash
        How it is drawn; dash is ``solid``, ``dot``, ``dash`` or ``dashdot``.
    colour
        Index into the palette.
    note : shape (P,)
        What is said of a point beside its numbers.
    """

    name: str
    x: Numbers
    y: Numbers
    low: Numbers | None = None
    high: Numbers | None = None
    interval: str = "95 %"
    style: Style = "lines+markers"
    dash: str = "solid"
    colour: int = 0
    note: Sequence[str] | None = None


@dataclass(frozen=True)
class Mark:
    """A line across a panel at one value of x or of y."""

    axis: Literal["x", "y"]
    value: float
    name: str
    dash: str = "dash"
    colour: int | None = None


@dataclass(frozen=True, eq=False)
class Panel:
    """One pair of axes with its curves; x and y name the axes."""

    title: str
    x: str
    y: str
    series: Sequence[Series]
    marks: Sequence[Mark] = ()
    x_scale: Literal["linear", "log"] = "linear"
    y_scale: Literal["linear", "log"] = "linear"
    y_range: tuple[float, float] | None = None

    def record(self) -> dict[str, Any]:
        """Return plain lists and names, ready for JSON: None where a number is not finite."""
        return {
            **{k: getattr(self, k) for k in ("title", "x", "y", "x_scale", "y_scale", "y_range")},
            "marks": [vars(mark) for mark in self.marks],
            "series": [
                vars(series) | {k: plain(getattr(series, k)) for k in ("x", "y", "low", "high")}
                for series in self.series
            ],
        }


def plain(values: Numbers | None, digits: int = 6) -> list[float | None] | None:
    """Return floats of so many significant digits, None where they are not finite."""
    if values is None:
        return None
    numbers = np.asarray(values, float)
    return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in numbers.tolist()]


def long_table(panels: Iterable[Panel]) -> pd.DataFrame:
    """Return all points of all panels: panel, series, x, y and the interval's ends."""
    parts = [
        pd.DataFrame(
            {
                "panel": panel.title,
                "series": series.name,
                "x": np.asarray(series.x, float),
                "y": np.asarray(series.y, float),
                "low": np.nan if series.low is None else np.asarray(series.low, float),
                "high": np.nan if series.high is None else np.asarray(series.high, float),
            }
        )
        for panel in panels
        for series in panel.series
    ]
    names = ["panel", "series", "x", "y", "low", "high"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=pd.Index(names))
