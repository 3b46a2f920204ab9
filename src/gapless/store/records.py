"""Records as tables: their columns, their order, and conflicts between them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from gapless.files import reason
from gapless.store.parts import FOREIGN, DamagedPartError

KEY = ("address", "run")
REASON = "reason"
"""Column with the reason why a record could not be computed; null in one that was."""
PROVENANCE = ("version", "commit", "device", "wall_s", "written_at")
"""Columns in which two computations of one record may differ: version, machine and time."""


@dataclass(frozen=True)
class Conflict:
    """Records of one key that disagree, which is a defect of the program that wrote them."""

    address: str
    run: int
    columns: tuple[str, ...]


def together(schema: pa.Schema, other: pa.Schema) -> pa.Schema:
    """Return the columns of two schemas; raise ``DamagedPartError`` for incompatible types."""
    try:
        return pa.unify_schemas([schema, other], promote_options="permissive")
    except (pa.ArrowException, ValueError) as error:
        raise DamagedPartError(
            f"{FOREIGN}: its columns are not those of the others ({reason(error)})"
        ) from None


def sort_records(tables: list[pa.Table]) -> tuple[pa.Table, np.ndarray]:
    """Return all records sorted by key, and for each whether the previous record has the same key.

    Within a key, records that failed come last, and earlier ones before later ones.
    """
    tables = [table for table in tables if table.num_rows]
    if not tables:
        return pa.table({"address": pa.array([], pa.string()), "run": pa.array([], pa.int64())}), (
            np.zeros(0, bool)
        )
    table = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    order = table.select(list(KEY))
    if REASON in table.column_names:
        order = order.append_column("failed", table[REASON].is_valid().cast(pa.int8()))
    if "written_at" in table.column_names:
        order = order.append_column("written_at", table["written_at"])
    by = [(name, "ascending") for name in order.column_names]
    order = order.append_column("position", pa.array(np.arange(table.num_rows))).sort_by(by)
    same = np.zeros(table.num_rows, bool)
    same[1:] = True
    for name in KEY:
        values = order[name].to_numpy()
        same[1:] &= values[1:] == values[:-1]
    return table.take(order["position"]), same


def find_conflicts(table: pa.Table, repeats: np.ndarray) -> list[Conflict]:
    """Return the conflicts between sorted records; `repeats` is from `sort_records`."""
    found: list[Conflict] = []
    first: dict[str, Any] = {}
    several = repeats | np.append(repeats[1:], False)
    rows = table.drop_columns([c for c in PROVENANCE if c in table.column_names])
    rows = rows.filter(pa.array(several)).to_pylist()
    for row, repeat in zip(rows, repeats[several], strict=True):
        if not repeat:
            first = row
        elif row.get(REASON) is None:
            # repr: NaN agrees with NaN, also inside a list
            names = tuple(c for c in row if repr(row[c]) != repr(first[c]))
            if names:
                found.append(Conflict(row["address"], row["run"], names))
    return found
