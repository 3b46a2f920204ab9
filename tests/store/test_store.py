"""The store: nothing acknowledged is lost, nothing wrong is read, foreign folders are refused."""

import errno
import os
import shutil
import subprocess
from contextlib import contextmanager
from hashlib import sha256

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from gapless.store import Store, StoreError, compact, status, stores_in
from gapless.store.store import SCHEMA_VERSION
from places import OLD_STORE
from toy_records import SPEC, table


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


@pytest.mark.parametrize("damage", ["truncate", "empty"])
def test_damaged_parts_are_named_and_the_others_are_read(store, damage):
    store.append(table("a"))
    path = store.append(table("b"))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "truncate" else b"")
    assert store.damaged() == [path]
    assert status(store).damaged == (path,)
    assert store.present() == {"a"}
    assert store.read().num_rows == 2
    store.append(table("b", wall=0.2))  # what a resumed sweep does
    assert store.present() == {"a", "b"}
    assert compact(store) == 2
    assert store.damaged() == [path]  # never removed, never merged


def test_any_flipped_bit_is_noticed(store):
    path = store.append(table("a", runs=20))
    content = path.read_bytes()
    for bit in np.random.default_rng(0).integers(8 * len(content), size=300):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(flipped)
        assert store.damaged() == [path]
    path.write_bytes(content)
    assert store.damaged() == []


def test_a_store_of_version_0_1_is_read_and_continued(tmp_path):
    old = tmp_path / "old"
    shutil.copytree(OLD_STORE, old)
    before = Store.at(old).read()
    assert before.num_rows == 4
    energies = [
        6.999462493695319e-05,
        2.455932140350342,
        0.0004076346813235432,
        2.012391632888466e-05,
    ]
    assert before["energy"].to_pylist() == energies
    spec = Store.at(old).spec()
    assert spec.pop("schema_version") == 1
    store = Store.open(old, spec, {})
    store.append(before.set_column(0, "address", pa.array(["new0", "new0", "new1", "new1"])))
    assert store.read().num_rows == 8
    assert compact(store) == 2
    assert store.read().filter(pa.array([True] * 4 + [False] * 4)).equals(before)
    assert store.read().num_rows == 8


def test_a_store_of_a_later_version_is_refused(store):
    text = store.spec_file.read_text()
    later = text.replace(f"version = {SCHEMA_VERSION}", f"version = {SCHEMA_VERSION + 1}")
    store.spec_file.write_text(later)
    with pytest.raises(StoreError, match="update gapless"):
        Store.at(store.path)
    with pytest.raises(StoreError, match="update gapless"):
        Store.open(store.path, SPEC, {})


def test_a_record_that_succeeded_is_kept_before_one_that_failed(store):
    failure = table("a").append_column("reason", pa.array(["the worker died"] * 2))
    store.append(failure.set_column(2, "value", pa.array([None] * 2, pa.float64())))
    assert status(store).failed == 1
    store.append(table("a", value=3.0).append_column("reason", pa.array([None] * 2, pa.string())))
    assert store.read()["value"].to_pylist() == [3.0, 3.0]
    assert store.conflicts() == []
    assert (status(store).failed, status(store).duplicates) == (0, 2)


def test_an_interrupted_write_leaves_nothing_that_is_read(store, monkeypatch):
    def power_cut(*paths):
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", power_cut)
        with pytest.raises(OSError, match="cannot store records: no space left"):
            store.append(table("a"))
    assert store.read().num_rows == 0
    assert list(store.parts.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 6 MB that can be made read-only; needs the right to mount."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no right to mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_named_and_loses_nothing_acknowledged(small_disk):
    store = Store.open(small_disk / "s", SPEC, {})
    noise = np.random.default_rng(0).normal(size=(100, 20_000))
    stored = []

    def fill():
        for i, values in enumerate(noise):
            wide = table(f"{i:02}", runs=len(values))
            store.append(wide.set_column(2, "value", pa.array(values)))
            stored.append(f"{i:02}")

    with pytest.raises(OSError, match=r"cannot store records: No space left on device.*s/parts"):
        fill()
    assert 10 < len(stored) < 100
    assert store.present() == set(stored)
    assert store.damaged() == []
    assert list(store.parts.glob(".*")) == []  # nothing half-written is left behind
    subprocess.run(["mount", "-o", "remount,size=60m", str(small_disk)], check=True)
    store.append(table("more"))
    assert store.present() == {*stored, "more"}


def test_a_read_only_store_is_named_and_can_be_read(small_disk):
    store = Store.open(small_disk / "s", SPEC, {})
    store.append(table("a"))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError, match=r"^out: cannot write .*Read-only"):
        Store.open(small_disk / "s", SPEC, {})
    with pytest.raises(OSError, match="cannot store records: Read-only file system"):
        store.append(table("b"))
    assert Store.at(store.path).read().num_rows == 2
    assert status(store).points == 1


def test_two_first_writers_of_different_specs_do_not_both_succeed(tmp_path, monkeypatch):
    # both saw no spec; the other one was quicker
    Store.open(tmp_path / "s", SPEC, {})
    monkeypatch.setattr("gapless.store.store.lexists", lambda path: False)
    with pytest.raises(StoreError, match="differs in seed"):
        Store.open(tmp_path / "s", SPEC | {"seed": 2}, {})


def test_folders_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"^out: cannot write"):
        Store.open(tmp_path / "file", SPEC, {})


def test_other_programs_read_the_parts(store):
    store.append(table("a"))
    store.append(table("b"))
    assert pd.read_parquet(store.parts).value.tolist() == [1.0] * 4
    query = f"select count(*), sum(value) from '{store.parts}/*.parquet'"
    assert duckdb.execute(query).fetchall() == [(4, 4.0)]
    for path in store.part_files():
        assert sha256(path.read_bytes()).hexdigest() == path.stem


@contextmanager
def unprivileged():
    """Read as somebody whom permissions bind, as they do not bind root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(user)


@pytest.mark.parametrize("look", [Store.at, lambda path: stores_in(path)[path.name].read()])
def test_a_folder_that_may_not_be_read_is_not_called_empty(store, look):
    store.append(table("a"))
    store.path.chmod(0)
    try:
        with unprivileged(), pytest.raises(StoreError, match=r"Permission denied.*chmod"):
            look(store.path)
    finally:
        store.path.chmod(0o755)
    assert look(store.path)
