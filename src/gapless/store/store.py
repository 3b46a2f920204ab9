"""The store: immutable Parquet parts, one writer per file, renamed into place once on disk.

    DIR/spec.toml        spec of the records; a directory accepts one spec
    DIR/provenance.json  versions and machine that created it
    DIR/plan.json        addresses of the points of the last plan
    DIR/parts/*.parquet  records; a name is never written twice

A sweep resumes from the store alone: it computes the planned points without the present ones.
Duplicates are allowed and must agree; `read` keeps one, and `conflicts` reports disagreement.
"""

import json
import os
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os.path import lexists
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import tomli_w

from gapless.files import read_whole, reason, shown, tell, write_durably
from gapless.store.failures import outcomes
from gapless.store.parts import DamagedPartError, Origin, read_part, write_part
from gapless.store.records import KEY, REASON, Conflict, find_conflicts, sort_records, together

SCHEMA_VERSION = 2
"""Version of the files' meaning, raised by hand; older stores remain readable.

From version 2 on every part is marked with its spec.
"""
MOST_NOTE = 2**20
"""Largest size in bytes of a spec or a provenance; usual ones have some hundred."""
MOST_PLAN = 2**28
"""Largest size in bytes of a plan, which holds an address of twenty bytes for each point."""
MOST_TOLD = 50
"""Number of faults that a reader names one by one."""
CLAIM_S = 2.0
"""Seconds for which an empty spec may belong to a writer that is about to fill it."""


class StoreError(ValueError):
    """Error of a directory that is not writable, holds no store, or one of another spec."""


@dataclass(frozen=True)
class Fault:
    """A file of a store that is left out, and the reason."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{shown(self.path)} {self.reason}"


def tell_faults(faults: Sequence[Fault], what: str) -> None:
    """Report on stderr the files that are left out, with reasons; of very many only the first."""
    tell(f"{fault}; {what}" for fault in faults[:MOST_TOLD])
    if len(faults) > MOST_TOLD:
        tell(f"and {len(faults) - MOST_TOLD} more, which gapless status names; {what}")


class Part(NamedTuple):
    """A part with its records, or with None for them and a fault."""

    path: Path
    table: pa.Table | None
    fault: Fault | None


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
            if not lexists(store.spec_file):
                # a spec that was lost: what is there may be older than the marks of parts
                version = 1 if store.part_files() else SCHEMA_VERSION
                origin = json.dumps(provenance, indent=1).encode()
                content = tomli_w.dumps({"schema_version": version, **spec}).encode()
                # where another writer was first, its files stay; its spec is compared below
                with suppress(FileExistsError):
                    write_durably(store.path / "provenance.json", origin, exclusive=True)
                with suppress(FileExistsError):
                    write_durably(store.spec_file, content, exclusive=True)
        except OSError as error:
            raise StoreError(f"out: cannot write to {shown(path)}: {error.strerror}") from None
        present = store.spec()
        present.pop("schema_version", None)
        if present != spec:
            names = sorted(k for k in present | spec if present.get(k) != spec.get(k))
            raise StoreError(
                f"out: {shown(path)} holds records of another spec (it differs in "
                f"{shown(', '.join(names))}); give another folder"
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
        if not holds_spec(store.path):
            raise StoreError(f"dir: {shown(path)} holds no records; give a folder that --out made")
        store.spec()
        return store

    @property
    def parts(self) -> Path:
        """The folder of the parts."""
        return self.path / "parts"

    @property
    def spec_file(self) -> Path:
        """The file of the records' spec."""
        return self.path / "spec.toml"

    def spec(self) -> dict[str, Any]:
        """Return the spec of the directory, with its schema version."""
        try:
            until = time.monotonic() + CLAIM_S
            while not (content := read_whole(self.spec_file, MOST_NOTE)):
                if time.monotonic() > until:
                    raise ValueError("is empty")
                time.sleep(0.01)
            spec = tomllib.loads(content.decode())
        except PermissionError as error:
            raise StoreError(
                f"dir: {shown(self.spec_file)} cannot be read ({reason(error)}); ask the owner "
                f"of {shown(self.path)} for access (chmod -R u+rwX)"
            ) from None
        except (ValueError, OSError, RecursionError) as error:
            raise StoreError(
                f"dir: {shown(self.spec_file)} cannot be read ({reason(error)}); move it away, and "
                "the command that made the folder writes it anew"
            ) from None
        version = spec.get("schema_version", 1)
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise StoreError(
                f"dir: {shown(self.spec_file)} has schema version {shown(version)} and this "
                f"gapless reads up to {SCHEMA_VERSION}; update gapless"
            )
        return spec

    def origin(self) -> Origin | None:
        """Return the marks of this store's parts; None without a spec."""
        if not holds_spec(self.path):
            return None
        spec = self.spec()
        version = spec.pop("schema_version", 1)
        return Origin.of(spec, everywhere=version >= 2)

    def provenance(self) -> dict[str, Any]:
        """Return the versions and the machine that created the store.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        return self._note("provenance.json")

    def note_plan(self, addresses: Sequence[str]) -> None:
        """Store the addresses of the planned points, for `status`; report a failure on stderr."""
        path = self.path / "plan.json"
        noted = {"points": len(addresses), "addresses": list(addresses)}
        try:
            write_durably(path, json.dumps(noted).encode())
        except OSError as error:
            tell(f"{shown(path)} cannot be written: {reason(error)}")

    def planned_addresses(self) -> frozenset[str] | None:
        """Return the addresses of the points of the last plan; None if they are not known.

        Stores of version 0.1 hold their number only.
        """
        try:
            found = self._note("plan.json", MOST_PLAN).get("addresses")
        except StoreError:
            return None
        if not isinstance(found, list) or not all(isinstance(address, str) for address in found):
            return None
        return frozenset(found)

    def planned(self) -> int | None:
        """Return the number of points of the last plan; None if it is not known."""
        try:
            points = self._note("plan.json", MOST_PLAN).get("points")
        except StoreError:
            return None
        return points if type(points) is int and points >= 0 else None

    def _note(self, name: str, most: int = MOST_NOTE) -> dict[str, Any]:
        path = self.path / name
        try:
            found = json.loads(read_whole(path, most))
            if not isinstance(found, dict):
                raise ValueError("holds no JSON object")
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"dir: {shown(path)} cannot be read: {reason(error)}") from None
        return found

    def damaged_notes(self) -> list[Fault]:
        """Return the faults of provenance and plan, on which no record depends."""
        found = []
        provenance, plan = self.path / "provenance.json", self.path / "plan.json"
        try:
            self.provenance()
        except StoreError as error:
            found.append(Fault(provenance, str(error).partition(f"{shown(provenance)} ")[2]))
        if lexists(plan) and self.planned() is None:
            found.append(Fault(plan, "has no number of planned points"))
        return found

    def append(self, table: pa.Table) -> Path:
        """Write records as a new part, flushed to disk on return; return its path."""
        return write_part(self.parts, table, self.origin())

    def part_files(self) -> list[Path]:
        """Return the sorted paths of all parts, faulty ones included.

        Raises
        ------
        StoreError
            If their folder cannot be listed.
        """
        try:
            names = os.listdir(self.parts)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not lexists(self.parts):
                return []
            raise StoreError(f"dir: cannot list {shown(self.parts)}: {error.strerror}") from None
        return sorted(self.parts / name for name in names if name.endswith(".parquet"))

    def scan(self, columns: list[str] | None = None) -> Iterator[Part]:
        """Yield every part once, with its records or the fault for which it is left out.

        The scan is complete also during a compaction, which puts the new part in place before it
        removes those that it replaces: the content of parts that vanish is in the next listing, and
        listings are made until one shows nothing new.
        """
        origin, schema = self.origin(), pa.schema([])
        seen: set[Path] = set()
        while fresh := [path for path in self.part_files() if path not in seen]:
            seen.update(fresh)
            for path in fresh:
                try:
                    table, its = read_part(path, columns, origin)
                    schema = together(schema, its)
                    yield Part(path, table, None)
                except DamagedPartError as error:
                    yield Part(path, None, Fault(path, str(error)))
                except FileNotFoundError:
                    continue

    def collect(self, columns: list[str] | None = None) -> tuple[list[pa.Table], list[Fault]]:
        """Return the records of each part, and the faults of the parts that are left out."""
        tables, faults = [], []
        for _, table, fault in self.scan(columns):
            if fault is not None:
                faults.append(fault)
            else:
                tables.append(table)
        return tables, faults

    def present(self) -> set[str]:
        """Return the addresses that have records; report parts that are left out on stderr."""
        return set(self.outcomes())

    def outcomes(self) -> dict[str, str | None]:
        """Return the addresses that have records, each with its reason of failure or None.

        Parts that are left out are reported on stderr.
        """
        tables, faults = self.collect(["address", REASON])
        tell_faults(faults, "left out, and missing points are measured anew")
        return outcomes(tables)

    def faults(self) -> list[Fault]:
        """Return the faults of the parts that are left out, damaged or not of this store."""
        return self.collect(["address"])[1]

    def damaged(self) -> list[Path]:
        """Return the paths of the parts that are left out."""
        return [fault.path for fault in self.faults()]

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return all records, one for each key, sorted by key.

        Parts that are damaged, or not of this store, are left out and reported on stderr. Of
        several records of a key the earliest is returned that did not fail, or else the earliest.

        Parameters
        ----------
        columns
            Columns to read, beside those that order the records; all of them when None.
        """
        wanted = None
        if columns is not None:
            wanted = list(dict.fromkeys([*KEY, REASON, "written_at", *columns]))
        tables, faults = self.collect(wanted)
        tell_faults(faults, "left out")
        table, repeats = sort_records(tables)
        return table.filter(pa.array(~repeats))

    def conflicts(self) -> list[Conflict]:
        """Return the keys whose records disagree in more than their provenance.

        Records of failures are ignored: they hold no measured values.
        """
        table, repeats = sort_records(self.collect()[0])
        return find_conflicts(table, repeats)


def holds_spec(folder: Path) -> bool:
    """Return whether a folder is a store, or unreadable, so that reading it raises the error."""
    try:
        os.lstat(folder / "spec.toml")
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def stores_in(folder: Path) -> dict[str, Store]:
    """Return the stores of a folder by name: itself, or those one level below, sorted.

    The stores are not read here.

    Raises
    ------
    StoreError
        If there is none.
    """
    folder = Path(folder)
    if holds_spec(folder):
        return {folder.resolve().name: Store(folder)}
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        names = []
    found = {name: Store(folder / name) for name in names if holds_spec(folder / name)}
    if not found:
        raise StoreError(
            f"dir: {shown(folder)} holds no records; give one that reproduce --out made"
        )
    return found
