"""How all pictures look: one size, one palette, figures made without global state."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gapless.files import write_durably

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's colours, told apart by colour-blind readers."""

STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "font.size": 9.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.2,
    "mathtext.fontset": "cm",
    "svg.fonttype": "path",
    "svg.hashsalt": "gapless",
}


@contextmanager
def default_style() -> Iterator[None]:
    """Draw and save by matplotlib's defaults, whatever style a user's `matplotlibrc` asks for."""
    with mpl.rc_context():
        mpl.rcdefaults()
        yield


def panels(columns: int, width: float = 4.6, height: float = 3.5) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with a row of panels of `width` × `height` inches."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width * columns, height), layout="constrained")
        axes = figure.subplots(1, columns, squeeze=False)[0]
    return figure, list(axes)


def colour(index: int) -> str:
    """Return the colour of the index-th curve."""
    return PALETTE[index % len(PALETTE)]


def save(figure: Figure, path: Path, **how: Any) -> None:
    """Save a picture in the format of its ending, whole or not at all; `how` is for `savefig`."""
    sink = io.BytesIO()
    figure.savefig(sink, format=path.suffix.lower().removeprefix("."), **how)
    write_durably(path, sink.getbuffer())
