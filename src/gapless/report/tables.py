"""Tables of the report: names in words, digits that mean something, blocks that fit a page.

An error or the ends of an interval stand in the cell of their value, whose digits they limit;
what is the same in all rows is a sentence above the table.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, isfinite, log10
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from gapless.page.html import escaped
from gapless.report.columns import in_words

if TYPE_CHECKING:  # a page without tables is made sooner than pandas is loaded
    import pandas as pd

MOST_ROWS = 60
"""Largest number of rows of a table on a page; its CSV has all rows."""
MOST_COLUMNS = 9
"""Largest number of columns that stand on paper in readable type."""
MOST_KEYS = 3
"""Largest number of leading columns that a block repeats."""
ROUNDING = 1e-12
"""Largest residue of rounding: a smaller number is shown as zero."""


@dataclass(frozen=True)
class Column:
    """One column on the page: words for its head, the name in the CSV, and its cells."""

    head: str
    name: str
    cells: Sequence[str]
    numbers: bool


def html_table(table: "pd.DataFrame", caption: str) -> str:
    """Return a table of at most `MOST_ROWS` rows, in blocks that scroll by keyboard.

    Blocks of at most `MOST_COLUMNS` columns stand one below the other, and each begins with the
    columns that tell the rows apart.
    """
    shown = table.head(MOST_ROWS)
    columns = list(_columns(shown))
    keys = _keys(columns, len(shown))
    alike = [] if len(shown) < 3 else [c for c in columns if len(set(c.cells)) == 1]
    keys, rest = ([c for c in part if c not in alike] for part in (keys, columns[len(keys) :]))
    size = max(1, MOST_COLUMNS - len(keys))
    # blocks of nearly equal size
    count = max(1, -(-len(rest) // size))
    ends = [round(len(rest) * k / count) for k in range(count + 1)]
    blocks = [[*keys, *rest[a:b]] for a, b in pairwise(ends)]
    more = len(table) - MOST_ROWS
    note = f"<p>{more} more rows are in the CSV.</p>" if more > 0 else ""
    titles = [caption, *(f"{caption}, continued ({k})" for k in range(2, count + 1))]
    text = "".join(_block(*one) for one in zip(titles, blocks, strict=True))
    return _alike(alike) + text + note


def _alike(columns: Sequence[Column]) -> str:
    """Return the sentence on columns with one value in all rows."""
    known = [f"{c.head}: {c.cells[0]}" for c in columns if c.cells[0] != "–"]
    empty = [c.head for c in columns if c.cells[0] == "–"]
    said = [("In all rows: ", known), ("Without a value in any row: ", empty)]
    text = "".join(f" {start}{'; '.join(parts)}." for start, parts in said if parts)
    return f'<p class="hint">{escaped(text.strip())}</p>' if text else ""


def _block(caption: str, columns: Sequence[Column]) -> str:
    label = escaped(caption)
    head = "".join(
        f'<th scope="col" title="{escaped(c.name)}">{escaped(c.head)}</th>' for c in columns
    )
    kinds = [' class="number"' if column.numbers else "" for column in columns]
    body = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{escaped(c)}</td>" for kind, c in zip(kinds, row, strict=True))
        + "</tr>"
        for row in zip(*(column.cells for column in columns), strict=True)
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        f'<table class="numbers"><caption>{label}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _keys(columns: Sequence[Column], rows: int) -> list[Column]:
    """Return the leading columns that tell the rows apart, one at least."""
    for count in range(1, MOST_KEYS):
        if len(set(zip(*(c.cells for c in columns[:count]), strict=True))) == rows:
            return list(columns[:count])
    return list(columns[:MOST_KEYS])


def _columns(table: "pd.DataFrame") -> Iterator[Column]:
    """Yield the columns in words, each with its error or interval."""
    names = [str(name) for name in table.columns]
    values = {name: table.iloc[:, i].tolist() for i, name in enumerate(names)}
    errors, lows, highs = (_owners(names, end) for end in ("error", "low", "high"))
    taken = {*errors.values(), *lows.values(), *highs.values()}
    for name in names:
        if name in taken:
            continue
        parts = [name, *(of[name] for of in (errors, lows, highs) if name in of)]
        low, high = (values[of[name]] if name in of else None for of in (lows, highs))
        cells = [
            cell(
                value,
                error=values[errors[name]][i] if name in errors else None,
                ends=None if low is None or high is None else (low[i], high[i]),
            )
            for i, value in enumerate(values[name])
        ]
        head = in_words(name) + (" ± standard error" if name in errors else "")
        head += " (95 % interval)" if name in lows else ""
        text = any(isinstance(value, str) for value in values[name])
        yield Column(head, ", ".join(parts), cells, not text)


def _owners(names: Sequence[str], end: str) -> dict[str, str]:
    """Return the columns of errors (or ends of intervals) by the columns that they belong to.

    ``x_error`` belongs to the nearest column before it whose name begins with x.
    """
    found: dict[str, str] = {}
    for i, name in enumerate(names):
        stem, _, last = name.replace("standard_error", "error").rpartition("_")
        if last != end:
            continue
        for owner in reversed(names[:i]):
            if owner.startswith(stem) and owner.rpartition("_")[2] not in ("error", "low", "high"):
                found.setdefault(owner, name)
                break
    return found


def cell(value: Any, error: Any = None, ends: tuple[Any, Any] | None = None) -> str:
    """Return a value in words or digits, with its error or the ends of its interval.

    A value has the decimals of the two leading digits of its error, or of its interval's width;
    four digits without one.
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        return "–" if value is None else in_words(str(value))
    number = float(value)
    known = [float(end) for end in ends or () if _finite(end)]
    if isinstance(value, Integral) and not known and not _finite(error):
        return _signed(str(int(value)))
    if not isfinite(number):
        return "–" if number != number else _signed(f"{number}".replace("inf", "∞"))
    spread = float(error) if _finite(error) else max(known) - min(known) if len(known) == 2 else 0
    if not spread > max(ROUNDING, 1e-6 * abs(number)):
        return _digits(number) + (f" ± {_digits(spread, 2)}" if spread > 0 else "")
    decimals = max(0, 1 - floor(log10(spread)))
    text = _fixed(number, decimals)
    if _finite(error):
        text += f" ± {_fixed(float(error), decimals)}"
    if len(known) == 2:
        text += f" ({_fixed(known[0], decimals)} to {_fixed(known[1], decimals)})"
    return text


def _finite(value: Any) -> bool:
    return isinstance(value, Real) and isfinite(float(value))


def _digits(number: float, digits: int = 4) -> str:
    return _signed(f"{0 if abs(number) < ROUNDING else number:.{digits}g}")


def _fixed(number: float, decimals: int) -> str:
    text = f"{number:.{decimals}f}"
    return _signed(text.removeprefix("-") if float(text) == 0 else text)


def _signed(text: str) -> str:
    return text.replace("-", "−")
