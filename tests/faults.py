"""What may lie in a folder of records that somebody sent: a function for each kind of fault.

Every kind plants one file and returns it; parts of ours beside it are whole, so nothing that was
stored may be missing from what a verb reads.
"""

import io
import os
import socket
import struct
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gapless.store import Store

Plant = Callable[[Store], Path]


def whole_part(store: Store) -> Path:
    """Return a part of ours."""
    return next(path for path, table, _ in store.scan() if table is not None)


def a_fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def a_socket(path: Path) -> Path:
    here = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)
    return path


def a_folder(path: Path) -> Path:
    path.mkdir()
    return path


def a_link(target: str) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        path.symlink_to(target.format(name=path.name))
        return path

    return make


def bytes_of(content: bytes) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return make


def a_sparse_file(path: Path) -> Path:
    with path.open("wb") as file:
        file.truncate(2**40)
    return path


NO_FILES: dict[str, Callable[[Path], Path]] = {
    "FIFO": a_fifo,
    "socket": a_socket,
    "folder": a_folder,
    "link to a device": a_link("/dev/zero"),
    "link to a terminal": a_link("/dev/tty"),
    "link to nowhere": a_link("/no/such/file"),
    "link to itself": a_link("{name}"),
    "empty": bytes_of(b""),
    "text": bytes_of(b"not what it should be\n" * 9),
    "2^40 bytes": a_sparse_file,
}
"""Kinds that any file of a store may be of."""


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def named_by_checksum(store: Store, content: bytes) -> Path:
    path = store.parts / f"{sha256(content).hexdigest()}.parquet"
    path.write_bytes(content)
    return path


def foreign(store: Store) -> Path:
    return bytes_of(parquet(pa.table({"x": [1.0, 2.0]})))(store.parts / "sales.parquet")


def foreign_by_checksum(store: Store) -> Path:
    return named_by_checksum(store, parquet(pa.table({"x": [1.0, 2.0]})))


def foreign_with_our_key(store: Store) -> Path:
    table = pa.table({"address": ["a", "b"], "run": [0, 1], "energy": ["low", "high"]})
    return named_by_checksum(store, parquet(table))


def forged_with_another_key(store: Store) -> Path:
    mark = pq.ParquetFile(whole_part(store)).schema_arrow.metadata
    table = pa.table({"address": [1, 2], "run": ["x", None]}).replace_schema_metadata(mark)
    return named_by_checksum(store, parquet(table))


def of_another_spec(store: Store) -> Path:
    other = Store.open(store.path.parent / "other", {"experiment": "another"}, {})
    content = other.append(pq.read_table(whole_part(store))).read_bytes()
    return named_by_checksum(store, content)


def rewritten_by_pandas(store: Store) -> Path:
    path = store.append(store.read().slice(0, 1))
    pd.read_parquet(path).to_parquet(path)
    return path


def rewritten_as_large_strings(store: Store) -> Path:
    table = pq.read_table(whole_part(store))
    fields = [
        pa.field(f.name, pa.large_string() if pa.types.is_string(f.type) else f.type)
        for f in table.schema
    ]
    return bytes_of(parquet(table.cast(pa.schema(fields))))(store.parts / "polars.parquet")


def a_copy(store: Store) -> Path:
    return bytes_of(whole_part(store).read_bytes())(store.parts / "copy of a part.parquet")


def truncated(store: Store) -> Path:
    path = store.append(store.read().slice(1, 1))  # a part is named by its content
    path.write_bytes(path.read_bytes()[:-200])
    return path


def flipped(store: Store) -> Path:
    path = store.append(store.read().slice(2, 1))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    return path


def with_a_huge_footer(store: Store) -> Path:
    return named_by_checksum(store, b"PAR1" + bytes(64) + struct.pack("<I", 2**31 - 9) + b"PAR1")


def with_a_line_break(store: Store) -> Path:
    return bytes_of(b"PAR1")(store.parts / "a\n\x1b[31mb.parquet")


def in_parts(kind: str, make: Callable[[Path], Path]) -> Plant:
    return lambda store: make(store.parts / f"{sha256(kind.encode()).hexdigest()}.parquet")


PARTS: dict[str, Plant] = {
    **{name: in_parts(name, make) for name, make in NO_FILES.items()},
    "foreign table": foreign,
    "foreign table named by its checksum": foreign_by_checksum,
    "foreign table with address and run": foreign_with_our_key,
    "forged part with another key": forged_with_another_key,
    "part of another spec": of_another_spec,
    "part rewritten by pandas": rewritten_by_pandas,
    "part with large strings": rewritten_as_large_strings,
    "copy of a part": a_copy,
    "truncated part": truncated,
    "part with a flipped bit": flipped,
    "huge footer": with_a_huge_footer,
    "name with a line break": with_a_line_break,
}
"""Kinds of faulty parts."""


def in_place_of(name: str, make: Callable[[Path], Path]) -> Plant:
    def plant(store: Store) -> Path:
        path = store.path / name
        path.unlink(missing_ok=True)
        return make(path)

    return plant


DEEP = b"[" * 100_000
PROVENANCE: dict[str, Plant] = {
    f"provenance: {kind}": in_place_of("provenance.json", make)
    for kind, make in (
        NO_FILES
        | {
            "cut short": bytes_of(b'{"version": "0.1'),
            "a list": bytes_of(b"[1, 2]"),
            "deep": bytes_of(DEEP),
        }
    ).items()
}
PLANS: dict[str, Plant] = {
    f"plan: {kind}": in_place_of("plan.json", make)
    for kind, make in (
        NO_FILES
        | {
            "cut short": bytes_of(b'{"poi'),
            "infinite": bytes_of(b'{"points": 1e999}'),
            "negative": bytes_of(b'{"points": -3}'),
            "deep": bytes_of(DEEP),
        }
    ).items()
}
SPECS: dict[str, Plant] = {
    f"spec: {kind}": in_place_of("spec.toml", make)
    for kind, make in (
        NO_FILES
        | {
            "cut short": bytes_of(b'experiment = "fi'),
            "not UTF-8": bytes_of(b'experiment = "\xff"'),
            "later version": bytes_of(b"schema_version = 99\n"),
            "deep": bytes_of(b"x = " + DEEP),
        }
    ).items()
}


def state_of(path: Path) -> tuple[int, int, bytes]:
    """Return what must not change about a planted file."""
    found = path.lstat()
    small = path.is_file() and found.st_size < 2**20
    return found.st_mode, found.st_size, path.read_bytes() if small else b""
