"""Plain tables of the answer."""

from collections.abc import Sequence
from typing import Any


def table_text(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a plain table with aligned columns."""
    cells = [list(map(str, headings)), *[[_cell(value) for value in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    return "\n".join(lines) + "\n"


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
