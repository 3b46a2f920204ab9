"""Pictures as files: panels drawn by matplotlib, in one style and one palette."""

import gapless.page._backend  # noqa: F401  before matplotlib is imported

# isort: split
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import get_registered_canvas_class
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator
from matplotlib.transforms import offset_copy

from gapless.files import check_suffix, shown_lines, write_durably
from gapless.page.html import escaped, slug
from gapless.page.panels import (
    DARKEST,
    FILES,
    GREY,
    PLAIN,
    Axis,
    Heat,
    Mark,
    Panel,
    Picture,
    Print,
    Series,
)

PALETTE = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"),
    *("#777a80", "#882255"),
)
"""Okabe and Ito's colours, told apart by colour-blind readers; ink is 6, grey 7, wine 8."""

INKS = {"#000000": "currentColor"} | {
    colour: f"var(--c{index})" for index, colour in enumerate(PALETTE) if colour != "#000000"
}
"""Colours of a picture → those of the page, which are lighter where the page is dark."""

STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "lines.markersize": 3.75,
    "svg.hashsalt": "gapless",
    # text stays text: TrueType (Type 42) in PDF, which journals ask for, and <text> in SVG
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}
SMALL, SMALLEST = 0.9, 0.8
"""Type of legends, ticks and notes, and of insets, relative to that of labels and titles."""
DASHES: Any = {"solid": "-", "dot": ":", "dash": "--", "dashdot": "-."}
MARKERS = {
    "circle": "o",
    "circle-open": "o",
    "square": "s",
    "triangle-up": "^",
    "triangle-down": "v",
    "diamond": "D",
    "triangle-left": "<",
    "triangle-right": ">",
    "pentagon": "p",
    "hexagon": "h",
    "x-thin-open": "x",
}
UNDATED: Any = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""Metadata without the date, with which the same numbers give the same bytes."""
ROOM = 2.6
"""Inches for a legend beside its panel."""
TEXT_HEIGHT = 1.0
"""Inches of a row of panels that titles, ticks and labels take, in type of 9.5 points."""
BAR, BAR_TYPE = (1.02, 0.0, 0.03, 1.0), 6.0
"""Place of a colour bar, as fractions of its panel; room of bar and ticks, in sizes of type."""
PAGE_WIDTH = 10.4
"""Inches of a page's column: wider pictures are drawn at this width, so that type is one size."""


def _type(size: Print) -> dict[Any, float]:
    """Return the settings of matplotlib that are sizes of type."""
    own = ("font.size", "axes.titlesize", "axes.labelsize", "figure.titlesize")
    small = ("legend.fontsize", "xtick.labelsize", "ytick.labelsize", "figure.labelsize")
    return dict.fromkeys(own, size.font_size) | dict.fromkeys(small, SMALL * size.font_size)


@contextmanager
def _own_style(size: Print, **more: Any) -> Iterator[None]:
    """Draw and save in the package's style, independently of a user's `matplotlibrc`."""
    with mpl.rc_context(), warnings.catch_warnings():
        # a panel may have marks alone, where all runs failed: its axis is then any around them
        warnings.filterwarnings("ignore", "Attempting to set identical", UserWarning)
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE | _type(size) | more)
        yield


def save(picture: Picture, *paths: Path | str, dpi: float = 150, size: Print = PLAIN) -> None:
    """Write a picture to .png, .pdf or .svg files, each whole or not at all.

    Raises ``ValueError`` for another suffix, and where the text leaves no room for the panels.
    """
    files = [Path(path) for path in paths]
    for path in files:
        check_suffix(path, "paths", FILES)
    with _own_style(size):
        warnings.filterwarnings("error", "constrained_layout not applied", UserWarning)
        figure = render(picture, size)
        for path in files:
            sink = io.BytesIO()
            try:
                _write(figure, sink, path.suffix.lower()[1:], dpi)
            except UserWarning:
                raise ValueError(
                    "width, font_size: the text leaves no room for the panels; raise --width or "
                    "lower --font-size"
                ) from None
            with sink.getbuffer() as data:
                write_durably(path, data)
            # panels stay where the first file has them: placing them takes half of the time
            figure.set_layout_engine("none")


def _write(figure: Figure, sink: io.BytesIO, kind: str, dpi: float = 100) -> None:
    """Write a figure as `Figure.savefig` does, with one drawing where that makes two."""
    figure.dpi = dpi  # vector files leave their own behind
    canvas: Any = get_registered_canvas_class(kind)(figure)
    getattr(canvas, f"print_{kind}")(sink, metadata=UNDATED.get(kind))


def inline_svg(picture: Picture, name: str, title: str) -> str:
    """Return a picture as an element of a page, in the ink of the page.

    The `slug` of `name` is put before all its ids, for several inline pictures must not share one.
    Its share of `PAGE_WIDTH` is the variable ``--share`` of its style, by which type is of one size
    on a page.
    """
    sink, size = io.BytesIO(), Print(min(PAGE_WIDTH, _natural_width(picture)))
    # outlines: a browser has its own fonts, whose letters would run into each other
    with _own_style(size, **{"svg.fonttype": "path"}):
        figure = render(picture, size)
        insets = [inset for axes in figure.axes for inset in axes.child_axes]
        for part in (figure, *figure.subfigs, *figure.axes, *insets):
            part.patch.set_facecolor("none")
        _write(figure, sink, "svg")
    svg = sink.getvalue().decode()
    share = figure.get_figwidth() / PAGE_WIDTH
    head = f'<svg role="img" aria-label="{escaped(title)}" style="--share: {share:.4f}"'
    svg = svg[svg.index("<svg") :].replace("<svg", head, 1)
    ref = slug(name)
    svg = svg.replace('id="', f'id="{ref}-')
    svg = svg.replace('"#', f'"#{ref}-').replace("(#", f"(#{ref}-")
    for colour, ink in INKS.items():
        svg = svg.replace(colour, ink)
    return svg


def render(picture: Picture, size: Print = PLAIN) -> Figure:
    """Return the figure of a picture."""
    # settings given by a caller, such as how an SVG has its text, hold when it is saved
    with _own_style(size):
        rows = [[panel for panel in row if panel.inset is None] for row in picture.rows]
        natural = _natural_width(picture)
        width = natural if size.width is None else size.width
        # type does not shrink with a panel: only what is left of its height follows the width
        text = TEXT_HEIGHT * size.font_size / PLAIN.font_size
        tallest = [max(panel.size[1] for panel in row) for row in rows]
        heights = [(height - TEXT_HEIGHT) * width / natural + text for height in tallest]
        figure = Figure(figsize=(width, sum(heights) or 1.0), layout="constrained")
        figure.suptitle(_literal(picture.title))
        if picture.source:
            figure.supxlabel(_literal(picture.source), x=0.99, ha="right", color=PALETTE[GREY])
        said: set[tuple[str, int]] = set()
        places = _axes(figure, rows, heights) if rows else []
        for row, here in zip(picture.rows, places, strict=True):
            _draw_row(row, here, said)
    return figure


def _literal(text: str) -> str:
    """Return text in which matplotlib finds no formula, and no character without a glyph."""
    return shown_lines(text).replace("$", r"\$")


def _natural_width(picture: Picture) -> float:
    """Return the inches of the widest row of panels."""
    rows = [[panel for panel in row if panel.inset is None] for row in picture.rows]
    return max((sum(map(_width, row)) for row in rows), default=4.6)


def _width(panel: Panel) -> float:
    return panel.size[0] + (ROOM if panel.legend == "outside" else 0)


def _axes(
    figure: Figure, rows: Sequence[Sequence[Panel]], heights: Sequence[float]
) -> list[Sequence[Axes]]:
    """Return the axes of every row; columns of equal rows stand below each other."""
    widths = [[_width(panel) for panel in row] for row in rows]
    if widths and all(row == widths[0] for row in widths):
        grid: Any = figure.subplots(
            *(len(rows), len(rows[0])),
            squeeze=False,
            width_ratios=widths[0],
            height_ratios=heights,
        )
        return list(grid)
    parts: Any = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)
    return [
        part.subplots(1, len(row), squeeze=False, width_ratios=row)[0]
        for part, row in zip(parts[:, 0], widths, strict=True)
    ]


def _draw_row(row: Sequence[Panel], places: Sequence[Axes], said: set[tuple[str, int]]) -> None:
    """Draw the panels of a row; `said` are the legend entries that the picture has."""
    free, left, axes = iter(places), None, None
    for panel in row:
        if panel.inset is None:
            axes = next(free)
            _draw_panel(panel, axes, said)
            if left is not None and panel.y == left.y and None not in panel.y.range:
                # the left neighbour's axis, end to end
                axes.set_ylabel("")
                axes.tick_params(labelleft=False)
            left = panel
        else:
            assert axes is not None, "an inset follows its panel"
            _draw_panel(panel, axes.inset_axes(panel.inset), said, small=True)


def _draw_panel(panel: Panel, axes: Axes, said: set[tuple[str, int]], small: bool = False) -> None:
    # before anything is drawn: what asks for the ends of an axis settles them
    _set_scales(panel, axes)
    type_size, here = mpl.rcParams["font.size"], set()
    for series in panel.series:
        legend = series.name if series.legend is None else series.legend
        again = (legend, series.colour) in (here if panel.own_legend else said)
        _draw_series(series, axes, "" if again else legend)
        here.add((legend, series.colour))
        said.add((legend, series.colour))
    for mark in panel.marks:
        _draw_mark(mark, axes)
    if panel.heat is not None:
        _draw_heat(panel.heat, axes)
    _set_axes(panel, axes)
    title = {"fontsize": (SMALLEST if small else 1) * type_size}
    axes.set_title(_literal(panel.title), title, pad=_draw_legend(panel, axes))
    if panel.upper is not None:
        name, factor = panel.upper
        both = (lambda x: np.multiply(x, factor), lambda x: np.divide(x, factor))
        upper = axes.secondary_xaxis("top", functions=both)
        upper.set_xlabel(_literal(name))
    if small:
        axes.set(xlabel="", ylabel="")
        axes.tick_params(labelsize=SMALLEST * type_size)
        axes.spines[["top", "right"]].set_visible(True)


def _draw_legend(panel: Panel, axes: Axes) -> float:
    """Draw the legend of the curves; return the points between panel and title."""
    handles, labels = axes.get_legend_handles_labels()
    pad, type_size = mpl.rcParams["axes.titlepad"], mpl.rcParams["font.size"]
    if not labels:
        return pad
    where: Any = {"loc": panel.legend}
    if panel.legend == "outside":
        where = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
        if panel.heat is not None:
            # a part of a figure serves as one, and matplotlib's types do not say so
            figure: Any = axes.figure
            beside = offset_copy(axes.transAxes, figure, BAR_TYPE * type_size / 72)
            where["bbox_transform"] = beside
    elif panel.legend == "above":
        where = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 2, "borderaxespad": 0}
        where |= {"handlelength": 1.4, "columnspacing": 0.8, "handletextpad": 0.4}
        pad += 1.5 * SMALL * type_size * ceil(len(labels) / 2)
    axes.legend(handles, labels, **where)
    return pad


def _draw_series(series: Series, axes: Axes, legend: str) -> None:
    colour = PALETTE[series.colour % len(PALETTE)]
    x, y = np.asarray(series.x, float), np.asarray(series.y, float)
    axes.plot(
        *(x, y),
        color=colour,
        lw=series.width,
        ls=DASHES[series.dash] if "lines" in series.style else "",
        marker=MARKERS[series.marker] if "markers" in series.style else "",
        mfc="none" if series.marker.endswith("-open") else None,
        drawstyle="steps-post" if series.steps else "default",
        # matplotlib leaves out of a legend what begins with a line
        label=_literal(legend) or "_",
    )
    if series.fill:
        step = "post" if series.steps else None
        axes.fill_between(x, y, color=colour, alpha=0.2, lw=0, step=step)
    if series.low is None or series.high is None:
        return
    low, high = np.asarray(series.low, float), np.asarray(series.high, float)
    known = np.isfinite(low) & np.isfinite(high) & np.isfinite(y)
    if series.band:
        axes.fill_between(x, low, high, where=known, color=colour, alpha=0.25, lw=0)
    else:
        # one line with gaps, not an errorbar: a legend looks for room beside lines
        bars = np.stack([low, high, np.full_like(low, np.nan)], axis=1)[known].ravel()
        axes.plot(np.repeat(x[known], 3), bars, color=colour, lw=1, marker="_", ms=4, label="_")


def _draw_mark(mark: Mark, axes: Axes) -> None:
    colour = PALETTE[mark.colour % len(PALETTE)]
    if mark.until is not None:
        span = axes.axvspan if mark.axis == "x" else axes.axhspan
        span(mark.value, mark.until, color=colour, alpha=0.15, lw=0)
    else:
        line = axes.axvline if mark.axis == "x" else axes.axhline
        line(mark.value, color=colour, ls=DASHES[mark.dash], lw=mark.width)
    if not mark.name:
        return
    if mark.axis == "x":
        sign, side = (1, "left") if mark.side == "right" else (-1, "right")
        place, across = (mark.value, mark.at), axes.get_xaxis_transform()
        where: Any = dict(xytext=(3 * sign, 0), ha=side, va="top")
    else:
        place, across = (mark.at, mark.value), axes.get_yaxis_transform()
        sign, side = (-1, "top") if mark.side == "below" else (1, "bottom")
        where = dict(xytext=(0, 2 * sign), ha="right", va=side)
    axes.annotate(
        *(_literal(mark.name), place),
        xycoords=across,
        textcoords="offset points",
        size=SMALL * mpl.rcParams["font.size"],
        **where,
    )


def _draw_heat(heat: Heat, axes: Axes) -> None:
    colour = PALETTE[heat.colour % len(PALETTE)]
    # one colour of rising opacity stands on any page, light or dark
    shades = LinearSegmentedColormap.from_list("shades", [to_rgba(colour, 0), to_rgba(colour, 1)])
    given: Any = dict(cmap=shades, vmin=0, vmax=1, origin="lower", aspect="auto")
    given |= dict(interpolation="nearest", zorder=0)
    axes.imshow(heat.shades, extent=(*heat.x, *heat.y), **given)
    axes.grid(visible=False)
    # an image, for the cells of a colour bar of matplotlib's would show their seams in vector files
    bar = axes.inset_axes(BAR)
    bar.imshow(DARKEST * np.linspace(0, 1, 256)[:, None], extent=(0, 1, *heat.range), **given)
    bar.set(xticks=(), ylabel=_literal(heat.name))
    bar.yaxis.tick_right()
    bar.yaxis.set_label_position("right")
    bar.grid(visible=False)
    bar.spines[:].set_visible(True)


def _set_scales(panel: Panel, axes: Axes) -> None:
    for name, axis in (("x", panel.x), ("y", panel.y)):
        more = {"linthresh": axis.linear} if axis.scale == "symlog" else {}
        getattr(axes, f"set_{name}scale")(axis.scale, **more)


def _ends(axis: Axis, first: float, last: float) -> tuple[float, float]:
    """Return the ends of an axis whose numbers lie from `first` to `last`."""
    low, high = axis.range
    log = axis.scale == "log"
    # where all numbers lie beyond the one end that is given, the other is a step away from it
    if low is not None and high is None and last <= low:
        last = 10 * low if log else low + 1
    if high is not None and low is None and first >= high:
        first = high / 10 if log else high - 1
    return first if low is None else low, last if high is None else high


def _set_axes(panel: Panel, axes: Axes) -> None:
    for name, axis in (("x", panel.x), ("y", panel.y)):
        axes.set(**{f"{name}label": _literal(axis.name)})
        if axis.range != (None, None):
            axes.set(**{f"{name}lim": _ends(axis, *getattr(axes, f"get_{name}lim")())})
        if axis.ticks is not None:
            one = getattr(axes, f"{name}axis")
            # no locator moves the ends of an axis, as setting ticks would
            one.set_major_locator(FixedLocator(axis.ticks))
            one.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}".replace("-", "−")))
            one.set_minor_locator(NullLocator())
        elif axis.scale == "log":
            first, last = np.log10(getattr(axes, f"get_{name}lim")())
            # with fewer than two powers of ten between the ends 2 and 5 are named too
            if np.floor(last) <= np.ceil(first):
                one = getattr(axes, f"{name}axis")
                one.set_major_locator(LogLocator(subs=(1, 2, 5)))
                one.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
                one.set_minor_formatter(NullFormatter())
