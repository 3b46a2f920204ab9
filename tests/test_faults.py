"""One bad file costs itself alone: every verb names it, ends soon, loses and changes nothing."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pytest

import faults
from gapless.cli import main
from gapless.files import shown
from gapless.store import Store, compact

SPEC = {"experiment": "toy"}
SECONDS = 20


class Hangs(BaseException):
    pass


@contextmanager
def soon(seconds: int = SECONDS) -> Iterator[None]:
    """Raise in what does not end."""

    def ring(*_):
        raise Hangs

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def table(addresses: str) -> pa.Table:
    size = len(addresses)
    return pa.table(
        {
            "address": list(addresses),
            "run": [0] * size,
            "energy": [0.5] * size,
            "loss": ["quartic"] * size,
            "t": [[0.0, 1.0]] * size,
            "wall_s": [0.1] * size,
            "written_at": [1.0] * size,
        }
    )


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr("gapless.store.upkeep.PAUSE_S", 0.0)
    store = Store.open(tmp_path / "fig5", SPEC, {"version": "0"})
    for addresses in ("ab", "cd", "ef"):
        store.append(table(addresses))
    Store.open(tmp_path / "fig1", SPEC, {"version": "0"}).append(table("gh"))
    return store


@pytest.mark.parametrize("kind", faults.PARTS)
def test_a_faulty_part_is_named_and_left_alone(kind, store, tmp_path, capsys):
    before = store.read()
    planted = faults.PARTS[kind](store)
    then = faults.state_of(planted)
    copy = tmp_path / "out.csv"
    for verb in (["status", tmp_path], ["export", store.path, copy], ["compact", tmp_path]):
        capsys.readouterr()
        with soon():
            assert main(list(map(str, verb))) == 0
        told = capsys.readouterr().err
        assert [line for line in told.split("\n") if shown(planted) in line], told
        assert "Traceback" not in told
        assert len(told.split("\n")) == 2, told
    assert store.damaged() == [planted]
    assert len(store.part_files()) == 2  # ours in one, and what is not ours
    assert faults.state_of(planted) == then
    assert store.read().equals(before)
    assert store.present() == set("abcdef")


@pytest.mark.parametrize("kind", faults.PROVENANCE | faults.PLANS)
def test_damaged_notes_cost_no_record(kind, store, tmp_path, capsys):
    plants = faults.PROVENANCE | faults.PLANS
    planted = plants[kind](store)
    with soon():
        assert main(["status", str(tmp_path)]) == 0
    assert shown(planted) in capsys.readouterr().err
    with soon():
        assert Store.open(store.path, SPEC, {}).read().num_rows == 6
        store.note_plan(3)
    assert store.planned() == (3 if planted.is_file() and "plan" in kind else store.planned())


@pytest.mark.parametrize("kind", faults.SPECS)
def test_a_damaged_spec_refuses_its_own_folder_alone(kind, store, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("gapless.store.store.CLAIM_S", 0.05)
    parts = store.part_files()
    planted = faults.SPECS[kind](store)
    for verb in ("status", "compact"):
        with soon():
            assert main([verb, str(tmp_path), "--json"]) == 0
        out, told = capsys.readouterr()
        assert '"store": "fig1"' in out and '"store": "fig5"' not in out
        assert "fig5" in told and told.count("\n") == 1
    for verb in (["status", store.path], ["export", store.path, tmp_path / "x.csv"]):
        with soon():
            assert main(list(map(str, verb))) == 2
        told = capsys.readouterr().err
        assert "fig5" in told and told.count("\n") == 1
    assert store.part_files() == parts
    # moved away, as the line says, it is written anew and no record is lost
    planted.rmdir() if planted.is_dir() and not planted.is_symlink() else planted.unlink()
    assert Store.open(store.path, SPEC, {}).read().num_rows == 6


@pytest.mark.parametrize("kind", ["FIFO", "link to nowhere", "link to itself", "text"])
def test_a_folder_of_parts_that_is_none_is_named(kind, store, tmp_path, capsys):
    store.parts.rename(tmp_path / "elsewhere")
    faults.NO_FILES[kind](store.parts)
    for verb in (["status", store.path], ["export", store.path, tmp_path / "x.csv"]):
        with soon():
            assert main(list(map(str, verb))) == 2
        assert "cannot list" in capsys.readouterr().err


def test_a_foreign_table_in_a_store_of_the_first_version_is_left_alone(store):
    # in a store of the first schema version parts do not say what they are of
    text = store.spec_file.read_text().replace("schema_version = 2", "schema_version = 1")
    store.spec_file.write_text(text)
    foreign = faults.foreign_with_our_key(store)
    assert store.damaged() == [foreign]
    assert store.read().num_rows == 6
    assert compact(store) == 3
    assert foreign in store.part_files()
    assert store.read().num_rows == 6
