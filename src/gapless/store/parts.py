"""Files of a store: whole or absent on disk, and parts named by the SHA-256 of their bytes.

Parquet's own page checksums leave the footer open: of 1,500 single flipped bits 5 changed what
was read without an error, and 1,301 without those checksums. A name that is the checksum of the
whole file leaves none, and `sha256sum` checks it without this package.
"""

import os
import re
import tempfile
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

TEMPORARY = ".writing-"
"""Prefix of files in the making; a killed writer leaves one behind."""

_CHECKSUM = re.compile(r"[0-9a-f]{64}")


class DamagedPartError(Exception):
    """The file does not hold what was written."""


def write_part(folder: Path, table: pa.Table) -> Path:
    """Write records as a part; on return they are on disk. Return its path.

    Raises ``OSError`` that names the folder, after removing what was written so far.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content = sink.getvalue()
    try:
        return write_durably(folder / f"{sha256(content).hexdigest()}.parquet", content)
    except OSError as error:
        reason = f"cannot store records: {error.strerror}"
        raise OSError(error.errno, reason, str(folder)) from error


def read_part(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Return the records of a part, or those of `columns` that it has.

    Raises
    ------
    DamagedPartError
        If its bytes are not those of its name, or no Parquet. (Parts of version 0.1 are not
        named by their bytes: of those only what Parquet notices is known.)
    FileNotFoundError
        If a compaction has replaced it.
    """
    try:
        content = path.read_bytes()
        if _CHECKSUM.fullmatch(path.stem) and sha256(content).hexdigest() != path.stem:
            raise DamagedPartError(path)
        return pq.ParquetFile(pa.BufferReader(content)).read(columns=columns, use_threads=False)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DamagedPartError(path) from error


def write_durably(path: Path, content: bytes | pa.Buffer, *, exclusive: bool = False) -> Path:
    """Write to a temporary name, flush to disk, rename: a reader sees all of it or nothing.

    `exclusive` raises ``FileExistsError`` where `path` exists already, even if another process
    made it a moment ago.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        if exclusive:
            os.link(temporary, path)
            os.unlink(temporary)
        else:
            os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    flush_folder(path.parent)
    return path


def flush_folder(folder: Path) -> None:
    """Flush a folder's list of names to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
