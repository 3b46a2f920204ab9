"""The store: immutable Parquet parts, one writer per file, renamed into place once on disk.

    DIR/spec.toml        what the records are of; another spec refuses the directory
    DIR/provenance.json  versions and machine of whoever created it
    DIR/plan.json        how many points were planned last
    DIR/parts/*.parquet  records; a name is never written twice

The store, never the engine, is the truth for resume: what is planned minus what is present.
Duplicates are legal and must agree; `read` keeps one and `conflicts` reports the others.
"""

import json
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tomli_w

from gapless.store.parts import DamagedPartError, read_part, write_durably, write_part

SCHEMA_VERSION = 1
"""Raised by hand when the meaning of a file changes; older ones are read for ever."""
KEY = ("address", "run")
REASON = "reason"
"""Why a record could not be computed; null in one that was."""
PROVENANCE = ("version", "commit", "device", "wall_s", "written_at")
"""Columns that two computations of one record may differ in: who made it, where and when."""


class StoreError(ValueError):
    """The directory cannot be used: not writable, no store, or one of another spec."""


@dataclass(frozen=True)
class Conflict:
    """Records of one key that disagree: a defect of whoever wrote them."""

    address: str
    run: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Store:
    """A directory of records.

    Use `Store.open` to create or continue one, `Store.at` to read one.
    """

    path: Path

    @classmethod
    def open(cls, path: Path, spec: dict[str, Any], provenance: dict[str, Any]) -> "Store":
        """Create the directory, or continue it if it was made for the same spec.

        Raises
        ------
        StoreError
            If it cannot be written, or holds records of another spec.
        """
        store = cls(Path(path))
        try:
            store.parts.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=store.parts):
                pass
            if not store.spec_file.exists():
                origin = json.dumps(provenance, indent=1).encode()
                content = tomli_w.dumps({"schema_version": SCHEMA_VERSION, **spec}).encode()
                try:
                    write_durably(store.path / "provenance.json", origin)
                    write_durably(store.spec_file, content, exclusive=True)
                except FileExistsError:
                    pass  # another writer was first; whether its spec is ours is seen below
        except OSError as error:
            raise StoreError(f"out: cannot write to {path}: {error.strerror}") from None
        present = store.spec()
        present.pop("schema_version", None)
        if present != spec:
            names = sorted(k for k in present | spec if present.get(k) != spec.get(k))
            raise StoreError(
                f"out: {path} holds records of another spec (it differs in "
                f"{', '.join(names)}); give another folder"
            )
        return store

    @classmethod
    def at(cls, path: Path) -> "Store":
        """Return the store in a directory, to read it.

        Raises
        ------
        StoreError
            If there is none, or a newer version of this package made it.
        """
        store = cls(Path(path))
        if not store.spec_file.exists():
            raise StoreError(f"dir: {path} holds no records; give a folder that --out made")
        store.spec()
        return store

    @property
    def parts(self) -> Path:
        """The folder of the parts."""
        return self.path / "parts"

    @property
    def spec_file(self) -> Path:
        """The file that says what the records are of."""
        return self.path / "spec.toml"

    def spec(self) -> dict[str, Any]:
        """Return the spec that the directory was made for, with its schema version."""
        try:
            spec = tomllib.loads(self.spec_file.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise StoreError(f"out: {self.spec_file} cannot be read: {error}") from None
        version = spec.get("schema_version", SCHEMA_VERSION)
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise StoreError(
                f"out: {self.path} has schema version {version} and this gapless reads up to "
                f"{SCHEMA_VERSION}; update gapless"
            )
        return spec

    def note_plan(self, points: int) -> None:
        """Keep how many points are planned, for `status`."""
        write_durably(self.path / "plan.json", json.dumps({"points": points}).encode())

    def planned(self) -> int | None:
        """Return how many points were planned last, if that is known."""
        try:
            return int(json.loads((self.path / "plan.json").read_text())["points"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def append(self, table: pa.Table) -> Path:
        """Write records as a new part; on return they are on disk. Return its path."""
        return write_part(self.parts, table)

    def part_files(self) -> list[Path]:
        """Return the paths of all parts, sorted."""
        return sorted(self.parts.glob("*.parquet"))

    def scan(self, columns: list[str] | None = None) -> Iterator[tuple[Path, pa.Table | None]]:
        """Yield every part once with its records, or with None where it is damaged.

        Complete beside a compaction, which puts the new part in place before it removes those
        that it replaces: parts that vanish are in what the next listing shows, and listings are
        made until one shows nothing new.
        """
        seen: set[Path] = set()
        while fresh := [path for path in self.part_files() if path not in seen]:
            seen.update(fresh)
            for path in fresh:
                try:
                    yield path, read_part(path, columns)
                except DamagedPartError:
                    yield path, None
                except FileNotFoundError:
                    continue

    def present(self) -> set[str]:
        """Return the addresses that have records."""
        return {
            address
            for _, table in self.scan(["address"])
            if table is not None
            for address in table["address"].unique().to_pylist()
        }

    def damaged(self) -> list[Path]:
        """Return the parts that cannot be read."""
        return [path for path, table in self.scan(["address"]) if table is None]

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return all records, one for each key, sorted by key; damaged parts are left out.

        Of several records of a key it is the one that did not fail, then the earliest.

        Parameters
        ----------
        columns
            Read only these and what orders the records; all of them when None.
        """
        wanted = None
        if columns is not None:
            wanted = list(dict.fromkeys([*KEY, REASON, "written_at", *columns]))
        parts = [table for _, table in self.scan(wanted) if table is not None]
        table, repeats = sort_records(parts)
        return table.filter(pa.array(~repeats))

    def conflicts(self) -> list[Conflict]:
        """Return keys whose records disagree in more than their timing.

        A failure is no opinion: it disagrees with nothing.
        """
        table, repeats = sort_records([table for _, table in self.scan() if table is not None])
        return find_conflicts(table, repeats)


def stores_in(folder: Path) -> dict[str, Store]:
    """Return the stores of a folder by name: itself, or those one level below, sorted.

    Raises
    ------
    StoreError
        If there is none.
    """
    folder = Path(folder)
    found = [folder] if (folder / "spec.toml").exists() else sorted(folder.glob("*/spec.toml"))
    if not found:
        raise StoreError(f"dir: {folder} holds no records; give a folder that --out made")
    paths = [path.parent if path.name == "spec.toml" else path for path in found]
    return {path.resolve().name: Store.at(path) for path in paths}


def sort_records(tables: list[pa.Table]) -> tuple[pa.Table, np.ndarray]:
    """Return all records sorted by key, and for each whether the one before has its key.

    Within a key, records that failed come last, and earlier ones before later ones.
    """
    tables = [table for table in tables if table.num_rows]
    if not tables:
        return pa.table({"address": pa.array([], pa.string()), "run": pa.array([], pa.int64())}), (
            np.zeros(0, bool)
        )
    table = pa.concat_tables(tables, promote_options="default").combine_chunks()
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
    """Return the keys of sorted records that do not agree; `repeats` is from `sort_records`."""
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
