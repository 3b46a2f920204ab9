"""Operations on a whole store: its status, the merging of its parts, export to one file."""

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from gapless.files import (
    TEMPORARY,
    flush_folder,
    harmless,
    jsonable,
    reason,
    shown,
    tell,
    write_durably,
)
from gapless.store.failures import Failure, failures, outcomes
from gapless.store.parts import read_part
from gapless.store.records import KEY, REASON, find_conflicts, sort_records
from gapless.store.store import Fault, Store, StoreError

PART_ROWS = 50_000
"""Records of a merged part, some ten MB: a damaged one takes minutes to compute again."""
PAUSE_S = 1.0
"""Seconds between writing a merged part and removing those that it replaces: longer than a listing
takes, so that no listing begins before the first and ends after the second."""
ABANDONED_S = 3600.0
"""Age in seconds above which a temporary file belongs to no running writer."""


@dataclass(frozen=True)
class Status:
    """Counts of the points, records, parts and faults of a store.

    Parameters
    ----------
    planned
        Points of the last plan; None if no plan was noted.
    points, records
        Distinct points and records; duplicates are not counted.
    failed
        Points of the last plan (of all, if none was noted) that could not be measured.
    duplicates, conflicts
        Records of a key that has one already, and those among them that disagree with it.
    parts, damaged
        Readable parts, and paths of those that are left out: damaged, or not of this store.
    size
        Bytes of all parts.
    seconds
        Computing time that the records took.
    missing
        Points of the last plan without a record; None if no plan was noted.
    failures
        Reasons of the `failed` points.
    faults
        Reasons why each of `damaged` is left out, and other files of the store that are unreadable.
    """

    planned: int | None
    points: int
    records: int
    failed: int
    duplicates: int
    conflicts: int
    parts: int
    damaged: tuple[Path, ...]
    size: int
    seconds: float
    missing: int | None = None
    failures: tuple[Failure, ...] = ()
    faults: tuple[Fault, ...] = ()


def status(store: Store) -> Status:
    """Return the status of a store, from the few columns that it depends on."""
    tables, faults = store.collect([*KEY, REASON, "wall_s", "written_at"])
    table, repeats = sort_records(tables)
    kept = table.filter(pa.array(~repeats))
    names = kept.column_names
    found, planned, addresses = outcomes([kept]), store.planned(), store.planned_addresses()
    if addresses is not None:
        missing = len(addresses - found.keys())
    else:
        missing = None if planned is None else max(0, planned - len(found))
    why = failures(found, addresses)
    return Status(
        planned=planned,
        points=len(found),
        records=kept.num_rows,
        failed=sum(failure.points for failure in why),
        duplicates=int(repeats.sum()),
        conflicts=len(store.conflicts()) if repeats.any() else 0,
        parts=len(tables),
        damaged=tuple(fault.path for fault in faults),
        size=sum(_size(path) for path in store.part_files()),
        seconds=float(np.sum(kept["wall_s"].to_numpy())) if "wall_s" in names else 0.0,
        missing=missing,
        failures=tuple(why),
        faults=(*faults, *store.damaged_notes()),
    )


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.lstat().st_size
    return 0


def compact(store: Store) -> int:
    """Merge small parts into few; return the number of parts that were replaced.

    Writers and readers may run at the same time, and a kill loses nothing: the records of a part
    are on disk in another before it is removed. Agreeing duplicates are dropped, conflicting ones
    kept for `conflicts`; damaged or foreign parts are reported on stderr and left alone.
    """
    merged: list[Path] = []
    batch: list[tuple[Path, pa.Table]] = []
    for path, table, fault in store.scan():
        if fault is not None:
            tell(f"{fault}; left alone")
        if table is None or table.num_rows >= PART_ROWS:
            continue
        batch.append((path, table))
        if sum(table.num_rows for _, table in batch) >= PART_ROWS:
            merged += _merge(store, batch)
            batch = []
    merged += _merge(store, batch)
    if merged:
        time.sleep(PAUSE_S)
    for path in merged:
        path.unlink(missing_ok=True)
    for folder in (store.path, store.parts, store.path / "checkpoints"):
        for path in folder.glob(f"{TEMPORARY}*"):
            if _is_abandoned(path):
                path.unlink(missing_ok=True)
    if merged:
        flush_folder(store.parts)
    return len(merged)


def _merge(store: Store, batch: list[tuple[Path, pa.Table]]) -> list[Path]:
    """Merge several parts into one; return the paths of those that it replaces."""
    if len(batch) < 2:
        return []
    table, repeats = sort_records([table for _, table in batch])
    disputed = {(c.address, c.run) for c in find_conflicts(table, repeats)}
    for i in np.flatnonzero(repeats):
        repeats[i] &= tuple(table[name][int(i)].as_py() for name in KEY) not in disputed
    kept = table.filter(pa.array(~repeats))
    path = store.append(kept)
    if read_part(path, origin=store.origin())[0].num_rows != kept.num_rows:
        raise OSError(f"{path} does not read back")
    # the same records in the same order have the same name
    return [part for part, _ in batch if part != path]


def _is_abandoned(path: Path) -> bool:
    with suppress(OSError):
        found = path.lstat()
        return S_ISREG(found.st_mode) and time.time() - found.st_mtime > ABANDONED_S
    return False


def export(store: Store, file: Path) -> int:
    """Write all records, one for each key, sorted, to a .parquet or .csv; return their number.

    In a .csv lists become JSON, and a ' precedes a text that a spreadsheet would take for a
    formula.

    Raises
    ------
    StoreError
        If the file's ending is another, no part can be read, or the file cannot be written.
    """
    kind = file.suffix.lower()
    if kind not in (".parquet", ".csv"):
        raise StoreError(f"file: {shown(file.name)} must end in .parquet or .csv")
    table = store.read()
    if not table.num_rows and store.part_files():
        raise StoreError(f"dir: no record of {shown(store.path)} can be read")
    sink = pa.BufferOutputStream()
    if kind == ".parquet":
        pq.write_table(table, sink, compression="zstd")
    else:
        pyarrow.csv.write_csv(_flat(table), sink)
    try:
        write_durably(file, sink.getvalue())
    except OSError as error:
        raise StoreError(f"file: cannot write {shown(file)}: {reason(error)}") from None
    return table.num_rows


def _flat(table: pa.Table) -> pa.Table:
    """Return a table of plain numbers and harmless texts, for CSV."""
    columns = {}
    for name in table.column_names:
        column = table[name]
        kind = column.type
        if not (pa.types.is_primitive(kind) or pa.types.is_null(kind)):
            texts = [_text(value) for value in column.to_pylist()]
            column = pa.chunked_array([pa.array(texts, pa.string())])
        columns[harmless(name)] = column
    return pa.table(columns)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return harmless(value) if isinstance(value, str) else json.dumps(jsonable(value), default=str)
