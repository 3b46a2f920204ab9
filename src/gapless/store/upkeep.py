"""What is done to a store as a whole: its state told, its parts merged, one file made of it."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from gapless.store.failures import Failure, failures, outcomes
from gapless.store.parts import TEMPORARY, flush_folder, read_part, write_durably
from gapless.store.store import (
    KEY,
    REASON,
    Store,
    StoreError,
    find_conflicts,
    sort_records,
)

PART_ROWS = 50_000
"""Records of a merged part: some ten MB, so that a damaged one costs minutes and not a sweep."""
PAUSE_S = 1.0
"""Between a merged part and the removal of what it replaces: longer than a listing takes, so that
no listing begins before the first and ends after the second."""
ABANDONED_S = 3600.0
"""Age at which a temporary file is a dead writer's."""


@dataclass(frozen=True)
class Status:
    """What a store holds.

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
        Readable parts, and paths of the others.
    size
        Bytes of all parts.
    seconds
        Computing time that the records took.
    missing
        Points of the last plan without a record; None if no plan was noted.
    failures
        Why the `failed` points could not be measured.
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


def status(store: Store) -> Status:
    """Return what a store holds; only the few columns that this takes are read."""
    tables, damaged = [], []
    for path, table in store.scan([*KEY, REASON, "wall_s", "written_at"]):
        damaged.append(path) if table is None else tables.append(table)
    table, repeats = sort_records(tables)
    kept = table.filter(pa.array(~repeats))
    names = kept.column_names
    found, planned, addresses = outcomes([kept]), store.planned(), store.planned_addresses()
    if addresses is not None:
        missing = len(addresses - found.keys())
    else:
        missing = None if planned is None else max(0, planned - len(found))
    why = failures(found, addresses)
    files = [path.stat().st_size for path in store.part_files()]
    return Status(
        planned=planned,
        points=len(found),
        records=kept.num_rows,
        failed=sum(failure.points for failure in why),
        duplicates=int(repeats.sum()),
        conflicts=len(store.conflicts()) if repeats.any() else 0,
        parts=len(tables),
        damaged=tuple(damaged),
        size=sum(files),
        seconds=float(np.sum(kept["wall_s"].to_numpy())) if "wall_s" in names else 0.0,
        missing=missing,
        failures=tuple(why),
    )


def compact(store: Store) -> int:
    """Merge small parts into few; return how many parts went.

    Legal beside writers and readers, and safe to kill: what a part holds is on disk in another
    before it is removed. Agreeing duplicates are dropped, conflicting ones kept for `conflicts`;
    damaged parts are left alone.
    """
    merged: list[Path] = []
    batch: list[tuple[Path, pa.Table]] = []
    for path, table in store.scan():
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
    for path in store.parts.glob(f"{TEMPORARY}*"):
        if _age(path) > ABANDONED_S:
            path.unlink(missing_ok=True)
    flush_folder(store.parts)
    return len(merged)


def _merge(store: Store, batch: list[tuple[Path, pa.Table]]) -> list[Path]:
    """Write one part of several; return those that it replaces."""
    if len(batch) < 2:
        return []
    table, repeats = sort_records([table for _, table in batch])
    disputed = {(c.address, c.run) for c in find_conflicts(table, repeats)}
    for i in np.flatnonzero(repeats):
        repeats[i] &= tuple(table[name][int(i)].as_py() for name in KEY) not in disputed
    kept = table.filter(pa.array(~repeats))
    path = store.append(kept)
    if read_part(path).num_rows != kept.num_rows:
        raise OSError(f"{path} does not read back")
    # the same records in the same order have the same name
    return [part for part, _ in batch if part != path]


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def export(store: Store, file: Path) -> int:
    """Write all records, one for each key, sorted, as one .parquet or .csv; return their number.

    Lists become JSON in a .csv.

    Raises
    ------
    StoreError
        If the file's ending is another, or it cannot be written.
    """
    table = store.read()
    sink = pa.BufferOutputStream()
    if file.suffix == ".parquet":
        pq.write_table(table, sink, compression="zstd")
    elif file.suffix == ".csv":
        pyarrow.csv.write_csv(_flat(table), sink)
    else:
        raise StoreError(f"file: {file.name} must end in .parquet or .csv")
    try:
        write_durably(file, sink.getvalue())
    except OSError as error:
        raise StoreError(f"file: cannot write {file}: {error.strerror}") from None
    return table.num_rows


def _flat(table: pa.Table) -> pa.Table:
    for i, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            texts = [None if v is None else json.dumps(v) for v in table[field.name].to_pylist()]
            table = table.set_column(i, field.name, pa.array(texts, pa.string()))
    return table
