"""Parts of a store: Parquet files named by the SHA-256 of their bytes, marked with their spec.

Parquet's page checksums do not cover the footer: of 1,500 single flipped bits 5 changed the table
without an error, and 1,301 did without those checksums. A name that is the checksum of the whole
file leaves none, and `sha256sum` checks it without this package. The mark distinguishes a part of
this store from any other table in the folder.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gapless.files import read_whole, reason, write_durably


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


FOREIGN = "is no part of this store"
MARK = b"gapless.spec"
"""Key of the Parquet metadata that holds the hash of a part's spec."""

KEY_TYPES = {"address": _is_text, "run": pa.types.is_integer}
"""Columns of every part, each with the predicate of its type."""
WRITTEN = {"version": _is_text, "written_at": pa.types.is_floating}
"""Columns that a sweep adds."""
_CHECKSUM = re.compile(r"[0-9a-f]{64}")
_OLD_NAME = re.compile(r"[0-9a-f]{16}-\d+-[0-9a-f]{8}")
"""Names of parts in stores of schema version 1, before they were checksums."""


@dataclass(frozen=True)
class Origin:
    """Marks by which the parts of a store are recognised.

    Parameters
    ----------
    mark
        Hash of the spec, in the metadata of each part.
    everywhere
        Whether every part has the mark and is named by its checksum: from schema version 2 on. In
        older stores a part without a mark is accepted if it has the columns of a sweep.
    """

    mark: str
    everywhere: bool

    @classmethod
    def of(cls, spec: dict[str, Any], everywhere: bool) -> "Origin":
        """Return the origin of the records of a spec."""
        text = json.dumps(spec, sort_keys=True, default=str)
        return cls(sha256(text.encode()).hexdigest(), everywhere)


class DamagedPartError(Exception):
    """Error of a file with other content than this store wrote; the message gives the reason."""


def write_part(folder: Path, table: pa.Table, origin: Origin | None) -> Path:
    """Write records as a part, flushed to disk on return; return its path.

    Raises ``OSError`` that names the folder, after removing what was written so far.
    """
    sink = pa.BufferOutputStream()
    mark = None if origin is None else {MARK: origin.mark}
    pq.write_table(table.replace_schema_metadata(mark), sink, compression="zstd")
    content = sink.getvalue()
    try:
        return write_durably(folder / f"{sha256(content).hexdigest()}.parquet", content)
    except OSError as error:
        words = f"cannot store records: {error.strerror}"
        raise OSError(error.errno, words, str(folder)) from error


def read_part(
    path: Path, columns: list[str] | None = None, origin: Origin | None = None
) -> tuple[pa.Table, pa.Schema]:
    """Return the records of a part, of `columns` or of all, and its whole schema.

    Raises
    ------
    DamagedPartError
        If its bytes are not those of its name, or it is no Parquet, or not of this `origin`.
    FileNotFoundError
        If a compaction has replaced it.
    """
    try:
        content = read_whole(path)
        named = _CHECKSUM.fullmatch(path.stem) is not None
        if named and sha256(content).hexdigest() != path.stem:
            raise DamagedPartError("is damaged: its bytes do not have the checksum in its name")
        file = pq.ParquetFile(pa.BufferReader(pa.py_buffer(content)))
        schema = file.schema_arrow
        if not (named or (_OLD_NAME.fullmatch(path.stem) and not (origin and origin.everywhere))):
            raise DamagedPartError(f"{FOREIGN}: its name is not the SHA-256 of its bytes")
        marked = _is_marked((schema.metadata or {}).get(MARK), origin)
        schema = schema.remove_metadata()
        _check_columns(schema, KEY_TYPES if marked or origin is None else KEY_TYPES | WRITTEN)
        table = file.read(columns=columns, use_threads=False).replace_schema_metadata(None)
    except DamagedPartError:
        raise
    except FileNotFoundError as error:
        if os.path.lexists(path):
            raise DamagedPartError("is a link to nowhere") from error
        raise
    except Exception as error:  # what a file of anybody's makes a reader raise is beyond listing
        raise DamagedPartError(f"cannot be read: {reason(error)}") from error
    for key in KEY_TYPES.keys() & set(table.column_names):
        if table[key].null_count:
            raise DamagedPartError(f"{FOREIGN}: {key} is missing in some rows")
    return table, schema


def _is_marked(mark: bytes | None, origin: Origin | None) -> bool:
    """Return whether a part is marked; raise if its mark is that of another spec."""
    if mark is None and origin is not None and origin.everywhere:
        raise DamagedPartError(f"{FOREIGN}: another program wrote it")
    if mark is not None and origin is not None and mark != origin.mark.encode():
        raise DamagedPartError(f"{FOREIGN}: it belongs to records of another spec")
    return mark is not None


def _check_columns(schema: pa.Schema, kinds: dict[str, Callable[[pa.DataType], bool]]) -> None:
    for name, fits in kinds.items():
        if schema.get_field_index(name) < 0 or not fits(schema.field(name).type):
            raise DamagedPartError(f"{FOREIGN}: it has no column {name} of our kind")
