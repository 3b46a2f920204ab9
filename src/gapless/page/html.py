"""Self-contained pages with embedded style, script, plotting library and tables as CSV.

The plotting library is plotly.js 4.1.1, the "basic" bundle (MIT licence). It is stored beside this
file because a page must draw without a network, and the Python package plotly is 20 times as large.
The pages draw lines, points and bars only.
"""

import base64
import html
import json
import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from gapless.files import harmless, shown_lines
from gapless.page.panels import Picture

if TYPE_CHECKING:  # a page without tables is made sooner than pandas is loaded
    import pandas as pd


@cache
def asset(name: str) -> str:
    """Return the text of a file of this package."""
    return files("gapless.page").joinpath(name).read_text("utf-8")


def assemble(template: str, **parts: str) -> str:
    """Return a template with its ``$parts`` and the shared ``$style``, ``$charts``, ``$plotly``."""
    shared = {
        "style": asset("style.css"),
        "charts": asset("charts.js"),
        "plotly": asset("plotly-basic.min.js"),
    }
    return Template(template).substitute(shared | parts)


def escaped(text: str) -> str:
    """Return text for markup; characters that are not printable are escaped as well."""
    return html.escape(shown_lines(text))


def slug(name: str) -> str:
    """Return an identifier of a page for any name: itself, if it has only A–Z, a–z, 0–9, _ and -.

    Others are told apart by a hash.
    """
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", name)
    digest = sha256(name.encode(errors="backslashreplace")).hexdigest()[:8]
    return name if kept == name else f"{kept}-{digest}"


def as_json(value: Any) -> str:
    """Return JSON that is safe inside a script element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


@dataclass(frozen=True)
class Download:
    """A file inside the page: its name and its content."""

    name: str
    content: str

    def link(self, text: str) -> str:
        """Return a link that saves the file."""
        data = base64.b64encode(self.content.encode()).decode()
        return (
            f'<a class="download" download="{escaped(self.name)}" '
            f'href="data:text/csv;charset=utf-8;base64,{data}">{escaped(text)}</a>'
        )


def csv_download(name: str, table: "pd.DataFrame") -> Download:
    """Return a table as CSV, with numbers of ten digits and no text that is a formula."""
    safe = table.rename(columns=lambda name: harmless(str(name)))
    for column in safe.select_dtypes(exclude="number"):
        safe[column] = [harmless(v) if isinstance(v, str) else v for v in safe[column]]
    return Download(name, safe.to_csv(index=False, float_format="%.10g"))


def points_table(picture: Picture) -> "pd.DataFrame":
    """Return all points of all curves: panel, series, x, y, the interval's ends and its kind."""
    import pandas as pd

    parts = [
        pd.DataFrame(
            {
                "panel": panel.title,
                "series": series.name,
                "x": np.asarray(series.x, float),
                "y": np.asarray(series.y, float),
                "low": np.nan if series.low is None else np.asarray(series.low, float),
                "high": np.nan if series.high is None else np.asarray(series.high, float),
                "interval": "" if series.low is None else series.interval,
            }
        )
        for panel in picture.panels
        for series in panel.series
    ]
    names = ["panel", "series", "x", "y", "low", "high", "interval"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=pd.Index(names))
