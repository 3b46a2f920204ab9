"""The store: immutable Parquet parts, one writer per file, renamed into place once on disk.

    DIR/spec.toml        what the records are of; another spec refuses the directory
    DIR/provenance.json  versions and machine of whoever created it
    DIR/parts/*.parquet  records; a name is never written twice

The store, never the engine, is the truth for resume: what is planned minus what is present.
Duplicates are legal and must agree; `read` keeps one and `conflicts` reports the others.
"""

import json
import os
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tomli_w

SCHEMA_VERSION = 1
KEY = ("address", "run")
TIMING = ("wall_s", "written_at")
"""Columns that two computations of one record may differ in."""


class StoreError(ValueError):
    """The directory cannot be used: not writable, or it holds records of another spec."""


@dataclass(frozen=True)
class Conflict:
    """Records of one key that disagree: a defect of whoever wrote them."""

    address: str
    run: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Store:
    """A directory of records.

    Use `Store.open` to create or continue one.
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
        spec = {"schema_version": SCHEMA_VERSION, **spec}
        store = cls(Path(path))
        try:
            store.parts.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=store.parts):
                pass
        except OSError as error:
            raise StoreError(f"out: cannot write to {path}: {error.strerror}") from None
        if store.spec_file.exists():
            present = store.spec()
            if present != spec:
                names = sorted(k for k in present | spec if present.get(k) != spec.get(k))
                raise StoreError(
                    f"out: {path} holds records of another spec (it differs in "
                    f"{', '.join(names)}); give another folder"
                )
        else:
            _write_durably(
                store.path / "provenance.json", json.dumps(provenance, indent=1).encode()
            )
            _write_durably(store.spec_file, tomli_w.dumps(spec).encode())
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
        """Return the spec that the directory was made for."""
        try:
            return tomllib.loads(self.spec_file.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise StoreError(f"out: {self.spec_file} cannot be read: {error}") from None

    def append(self, table: pa.Table) -> Path:
        """Write records as a new part; on return they are on disk. Return its path."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        name = f"{table['address'][0].as_py()}-{os.getpid()}-{os.urandom(4).hex()}.parquet"
        return _write_durably(self.parts / name, sink.getvalue())

    def part_files(self) -> list[Path]:
        """Return the paths of all parts, sorted."""
        return sorted(self.parts.glob("*.parquet"))

    def present(self) -> set[str]:
        """Return the addresses that have records."""
        return {
            address.as_py()
            for table in self._tables(columns=["address"])
            for address in table["address"].unique()
        }

    def damaged(self) -> list[Path]:
        """Return the parts that cannot be read."""
        return [path for path in self.part_files() if _read(path, ["address"]) is None]

    def read(self) -> pa.Table:
        """Return all records, one for each key, sorted by key; damaged parts are left out."""
        tables = self._tables()
        if not tables:
            return pa.table({name: [] for name in KEY})
        table = pa.concat_tables(tables, promote_options="default")
        table = table.sort_by([(name, "ascending") for name in KEY])
        keys = table.select(list(KEY)).to_pylist()
        first = [i for i, key in enumerate(keys) if i == 0 or keys[i - 1] != key]
        return table.take(first)

    def conflicts(self) -> list[Conflict]:
        """Return keys whose records disagree in more than their timing."""
        seen: dict[tuple[str, int], dict[str, Any]] = {}
        found = []
        for table in self._tables():
            for row in table.drop_columns(
                [c for c in TIMING if c in table.column_names]
            ).to_pylist():
                key = (row["address"], row["run"])
                other = seen.setdefault(key, row)
                names = tuple(c for c in row if row[c] != other.get(c))
                if names:
                    found.append(Conflict(*key, names))
        return found

    def _tables(self, columns: list[str] | None = None) -> list[pa.Table]:
        tables = (_read(path, columns) for path in self.part_files())
        return [table for table in tables if table is not None and table.num_rows]


def _read(path: Path, columns: list[str] | None) -> pa.Table | None:
    try:
        return pq.ParquetFile(path).read(columns=columns)
    except (pa.ArrowInvalid, OSError):
        return None


def _write_durably(path: Path, content: bytes | pa.Buffer) -> Path:
    """Write to a temporary name, flush to disk, rename: a reader sees all of it or nothing."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return path
