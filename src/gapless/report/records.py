"""What a report says of any store: where its records come from, and the records as they are."""

import html
import json
import time

import pandas as pd
import pyarrow as pa

from gapless.page import html_table
from gapless.store import Store, status

SHOWN_ROWS = 50
"""Records that are shown of an experiment that cannot be drawn."""
COST = ("gradients", "wall_s")
"""Columns that say what records took."""


def plain_section(name: str, store: Store) -> str:
    """Return the part of the page for a store whose experiment is not at hand: a table."""
    title = html.escape(name)
    head = (
        f'<section id="{title}" aria-labelledby="{title}-title"><h2 id="{title}-title">{title}</h2>'
    )
    tables = (part[1] for part in store.scan() if part[1] is not None)
    records = next((table for table in tables if table.num_rows), None)
    if records is None:
        return f"{head}<p>No records yet.</p></section>"
    lists = [f.name for f in records.schema if pa.types.is_nested(f.type)]
    few = records.slice(0, SHOWN_ROWS).drop_columns(lists).to_pandas()
    return (
        f"{head}<p>An experiment that is not one of gapless's: <code>gapless report DIR "
        f"--experiment module:NAME</code> imports it and draws it. Its first {len(few)} records:"
        f"</p>{html_table(few, name)}"
        f"{origin(store, store.read(COST).to_pandas())}</section>"
    )


def origin(store: Store, table: pd.DataFrame) -> str:
    """Return where the records come from and what they took."""
    origin = json.loads((store.path / "provenance.json").read_text())
    spec = {key: value for key, value in store.spec().items() if key != "schema_version"}
    if "created_at" in origin:
        created = time.gmtime(float(origin.pop("created_at")))
        origin["created"] = time.strftime("%d %B %Y, %H:%M UTC", created)
    # of the measurement and of the package: two versions
    if "version" in origin:
        origin["gapless"] = origin.pop("version")
    known = {"records": f"{len(table)} records in {store.path.name}/parts/*.parquet"}
    state = status(store)
    if state.planned is not None and state.missing is not None:
        known["points"] = f"{state.planned - state.missing} of {state.planned} planned"
    known |= {key: str(value) for key, value in (spec | origin).items()}
    if "wall_s" in table:
        known["computing time"] = f"{table.wall_s.sum():,.4g} s"
    if "gradients" in table and table.gradients.notna().any():
        total = float(table.gradients.sum())
        known["gradients"] = f"{total:.4g}, {total / len(table):.4g} a run"
    if state.failures:
        known["failed points"] = "; ".join(f"{f.points}: {f.reason}" for f in state.failures)
    if state.damaged:
        known["damaged"] = f"{len(state.damaged)} unreadable parts left out"
    items = "".join(
        f"<dt>{html.escape(key)}</dt><dd>{html.escape(value)}</dd>" for key, value in known.items()
    )
    return f"<details open><summary>Origin and cost</summary><dl>{items}</dl></details>"
