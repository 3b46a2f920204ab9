"""Parts of the report common to all stores: origin of the records, faults, plain tables."""

import time
from contextlib import suppress

import pandas as pd
import pyarrow as pa

from gapless.amounts import duration, memory
from gapless.files import shown, tell
from gapless.page.html import escaped
from gapless.report.tables import html_table
from gapless.store import Store, StoreError, status

SHOWN_ROWS = 50
"""Largest number of records shown of an experiment that cannot be drawn."""
COST = ("gradients", "wall_s")
"""Columns of the computing time of records."""


def plain_records(name: str, store: Store) -> str:
    """Return the table of records that the page shows of a store without a known experiment."""
    store.spec()  # of a later version nothing can be read
    tables = (part.table for part in store.scan() if part.table is not None)
    records = next((table for table in tables if table.num_rows), None)
    if records is None:
        return f"{faults(store)}<p>No records yet.</p>"
    lists = [field.name for field in records.schema if pa.types.is_nested(field.type)]
    few = records.slice(0, SHOWN_ROWS).drop_columns(lists).to_pandas()
    return (
        f"{faults(store)}<p>No figure of gapless. If the records are of an experiment of yours, "
        "<code>gapless report DIR --experiment module:NAME</code> imports it and draws them. The "
        f"first {len(few)} are:</p>{html_table(few, shown(name))}"
        f"{origin(store, store.read(COST).to_pandas())}"
    )


def faults(store: Store) -> str:
    """Return the list of parts that are left out, with reasons, as HTML."""
    found = [*store.faults(), *store.damaged_notes()]
    tell(str(fault) for fault in store.damaged_notes())  # of parts `read` has told
    lines = "".join(f"<li>{escaped(str(fault))}</li>" for fault in found)
    return f'<p class="fault">Left out:</p><ul class="fault">{lines}</ul>' if found else ""


def origin(store: Store, table: pd.DataFrame) -> str:
    """Return the provenance and the computing time of the records, as HTML."""
    try:
        origin = store.provenance()
    except StoreError:  # told with the other faults
        origin = {"provenance": "cannot be read"}
    spec = {key: value for key, value in store.spec().items() if key != "schema_version"}
    with suppress(TypeError, ValueError, OverflowError, OSError):  # no time that there can be
        if "created_at" in origin:
            created = time.gmtime(float(origin["created_at"]))
            origin["created"] = time.strftime("%d %B %Y, %H:%M UTC", created)
            del origin["created_at"]
    # of the measurement and of the package: two versions
    if "version" in origin:
        origin["gapless"] = origin.pop("version")
    # parts that are left out may be links to nowhere, or claim 2^40 bytes
    read = set(store.part_files()) - set(store.damaged())
    size = memory(sum(part.stat().st_size for part in read))
    known = {"records": f"{len(table)} records, {size}, in {store.path.name}/parts/*.parquet"}
    state = status(store)
    if state.planned is not None and state.missing is not None:
        known["points"] = f"{state.planned - state.missing} of {state.planned} planned"
    known |= {
        key: "unknown" if value is None else str(value) for key, value in (spec | origin).items()
    }
    if "wall_s" in table:
        known["computing time"] = duration(float(table.wall_s.sum()))
    if "gradients" in table and table.gradients.notna().any():
        total = float(table.gradients.sum())
        known["gradients"] = f"{total:.4g}, {total / len(table):.4g} a run"
    if state.failures:
        known["failed points"] = "; ".join(f"{f.points}: {shown(f.reason)}" for f in state.failures)
    items = "".join(
        f"<dt>{escaped(key)}</dt><dd>{escaped(value)}</dd>" for key, value in known.items()
    )
    return f"<details><summary>Origin and cost</summary><dl>{items}</dl></details>"
