"""The store: nothing acknowledged is lost, nothing wrong is read, foreign folders are refused."""

import os

import pyarrow as pa
import pytest

from gapless.store import Store, StoreError

SPEC = {"experiment": "toy", "seed": 1}


def table(address: str, runs: int = 2, value: float = 1.0, wall: float = 0.1) -> pa.Table:
    return pa.table(
        {
            "address": [address] * runs,
            "run": list(range(runs)),
            "value": [value] * runs,
            "wall_s": [wall] * runs,
        }
    )


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "s", SPEC, {"version": "0"})


def test_what_was_appended_is_read_sorted_by_key(store):
    store.append(table("b"))
    store.append(table("a", runs=3))
    rows = store.read().to_pylist()
    assert [(r["address"], r["run"]) for r in rows] == [
        ("a", 0),
        ("a", 1),
        ("a", 2),
        ("b", 0),
        ("b", 1),
    ]
    assert store.present() == {"a", "b"}


def test_duplicates_are_read_once_and_conflicts_are_reported(store):
    store.append(table("a", wall=0.1))
    store.append(table("a", wall=0.2))
    assert store.read().num_rows == 2
    assert store.conflicts() == []
    store.append(table("a", value=2.0))
    assert store.read().num_rows == 2
    assert {(c.address, c.run, c.columns) for c in store.conflicts()} == {
        ("a", 0, ("value",)),
        ("a", 1, ("value",)),
    }


def test_the_same_spec_continues_and_another_is_refused(store):
    store.append(table("a"))
    assert Store.open(store.path, SPEC, {}).present() == {"a"}
    with pytest.raises(StoreError, match="differs in seed"):
        Store.open(store.path, SPEC | {"seed": 2}, {})


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
def test_damaged_parts_are_named_and_the_others_are_read(store, damage):
    store.append(table("a"))
    path = store.append(table("b"))
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        content = content[: len(content) // 2]
    elif damage == "flip":
        content[-6] ^= 0xFF  # the length of the footer
    else:
        content = bytearray()
    path.write_bytes(bytes(content))
    assert store.damaged() == [path]
    assert store.present() == {"a"}
    assert store.read().num_rows == 2


def test_an_interrupted_write_leaves_nothing_that_is_read(store, monkeypatch):
    def power_cut(*paths):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", power_cut)
        with pytest.raises(OSError):
            store.append(table("a"))
    assert store.read().num_rows == 0
    assert list(store.parts.iterdir()) == []


def test_folders_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"^out: cannot write"):
        Store.open(tmp_path / "file", SPEC, {})


def test_other_programs_read_the_parts(store):
    import pandas as pd

    store.append(table("a"))
    assert pd.read_parquet(store.parts).value.tolist() == [1.0, 1.0]
