"""Plain tables of the answer."""

from collections.abc import Sequence
from math import ceil, log10
from typing import Any

DIGITS = 10
"""Most digits of a value with an error."""
LEAST = 10.0**-DIGITS


def table_text(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a plain table with aligned columns."""
    cells = [list(map(str, headings)), *[[_cell(value) for value in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    return "\n".join(lines) + "\n"


def value_table(rows: Sequence[tuple[str, Any, float | None]]) -> str:
    """Return a table of names, values and errors, without the digits that the errors cover."""
    return table_text(("", "value", "error"), [[name, *measured(*pair)] for name, *pair in rows])


def measured(value: Any, error: float | None = None) -> tuple[Any, str | None]:
    """Return a value and its error as cells: ten digits at most, down to the error's first."""
    if not isinstance(value, float):
        return value, None if error is None else f"{error:.0e}"
    if error is None:
        return f"{value:.10g}", None
    unseen = max(error, LEAST * abs(value), 1e-300)
    digits = min(max(ceil(log10(max(abs(value), unseen) / unseen)) + 1, 1), DIGITS)
    return f"{value:.{digits}g}", f"{error:.0e}"


def outcome_table(records: Sequence[dict[str, Any]], shown: Sequence[str]) -> str:
    """Return a table of runs with their outcomes, and the rule of each outcome among them."""
    from gapless.flow import Outcome

    # as in JSON, where the overlap with its sign has another name
    sized = [r | {"overlap": r["overlap"] and abs(r["overlap"])} for r in records]
    names = (*shown, "outcome")
    rows = [[i, *(record[name] for name in names)] for i, record in enumerate(sized)]
    ended = [outcome for outcome in Outcome if outcome in {r["outcome"] for r in records}]
    # each outcome is said once, with its rule
    rules = "".join(f"{outcome}: {outcome.sentence}\n" for outcome in ended)
    return table_text(("run", *names), rows) + rules


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
