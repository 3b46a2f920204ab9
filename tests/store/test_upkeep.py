"""Status, compaction and export change nothing that is read."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from gapless.store import Status, Store, StoreError, compact, export, status
from toy_records import table


def test_the_status_counts_what_is_there(store):
    assert status(store) == Status(None, 0, 0, 0, 0, 0, 0, (), 0, 0.0)
    store.note_plan(["a", "b", "c", "d", "e"])
    store.append(table("a", runs=3))
    store.append(table("b", value=float("nan")))
    store.append(table("b", value=float("nan"), wall=0.7))
    store.append(table("a", value=2.0, wall=0.5))
    found = status(store)
    assert (found.planned, found.points, found.missing, found.records) == (5, 2, 3, 5)
    assert (found.duplicates, found.conflicts, found.parts) == (4, 2, 4)
    assert found.size == sum(path.stat().st_size for path in store.part_files())


def test_compaction_changes_nothing_that_is_read(store):
    for i in range(20):
        store.append(table(f"{i % 15:02}", runs=1 + i % 3, value=float(i // 19), wall=i))
    before, disputed = store.read(), store.conflicts()
    assert disputed
    assert compact(store) == 20
    assert len(store.part_files()) == 1
    assert store.read().equals(before)
    assert store.conflicts() == disputed  # what disagrees is evidence
    assert compact(store) == 0


def test_a_reader_beside_a_compaction_misses_nothing(store, monkeypatch):
    for i in range(6):
        store.append(table(f"{i}"))
    listing = Store.part_files
    compacted = []

    def compact_after_the_first_listing(self):
        files = listing(self)
        if not compacted:
            compacted.append(True)
            compact(self)
        return files

    monkeypatch.setattr("gapless.store.upkeep.PAUSE_S", 0.0)
    monkeypatch.setattr(Store, "part_files", compact_after_the_first_listing)
    assert store.read().num_rows == 12
    assert compacted
    assert len(listing(store)) == 1


def test_two_compactions_at_a_time_lose_nothing(store, monkeypatch):
    monkeypatch.setattr("gapless.store.upkeep.PAUSE_S", 0.2)
    for i in range(6):
        store.append(table(f"{i}"))
    before = store.read()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compact, [store, store]))
    assert store.read().equals(before)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".CSV"])
def test_an_export_is_the_table_that_is_read(store, tmp_path, suffix):
    both = pa.concat_tables([table("b"), table("a"), table("b")])
    # JSON has no NaN: duckdb and pandas read null
    lists = [[0.1, 0.2, float("nan"), float("inf")]] * 6
    store.append(both.append_column("t", pa.array(lists)))
    file = tmp_path / f"all{suffix}"
    assert export(store, file) == 4
    read = pd.read_parquet(file) if suffix == ".parquet" else pd.read_csv(file)
    assert read.address.tolist() == ["a", "a", "b", "b"]
    if suffix.lower() == ".csv":
        assert json.loads(read.t[0], parse_constant=pytest.fail) == [0.1, 0.2, None, None]
    else:
        np.testing.assert_array_equal(read.t[0], lists[0])
    with pytest.raises(StoreError, match="must end in"):
        export(store, tmp_path / "all.xls")


def test_an_export_of_damaged_parts_leaves_the_earlier_one(store, tmp_path):
    file = tmp_path / "all.csv"
    store.append(table("a"))
    export(store, file)
    before = file.read_bytes()
    for part in store.part_files():
        part.write_bytes(b"damaged")
    with pytest.raises(StoreError, match="can be read"):
        export(store, file)
    assert file.read_bytes() == before
