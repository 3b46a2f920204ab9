"""Arrays of a user's file: .npz, .npy, .parquet or .mat, read without running code of the file.

====================  ============================================================================
``FILE.npz``          members ``X``, ``y2`` or ``y``, and optional ones (`NAMES`)
``FOLDER/X.npy``      X, mapped into memory; the others are NAME.npy in the same folder
``FILE.parquet``      one row for each sample: ``X``, a list of N numbers, and ``y2`` or ``y``
``FILE.mat``          the same names, saved by MATLAB with ``-v7`` or older
====================  ============================================================================

Arrays of Python objects are refused, since to unpickle them would run code.
"""

import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from stat import S_ISREG
from tokenize import TokenError
from typing import Any

import numpy as np
import pyarrow as pa

from gapless.files import reason, shown

NAMES = ("X", "y2", "y", "teacher", "start", "norm")
"""Arrays of a problem: X (M, N); intensities y2 or amplitudes y, (M,) or (K, M); optional: teacher
(N,) or (K, N), start (K, N), the norm of the signal."""
NEWER_MAT = b"MATLAB 7.3"
HDF5 = b"\x89HDF\r\n\x1a\n"
ROWS_PER_BATCH = 4096
_DAMAGED = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, OverflowError, SyntaxError),
    *(TokenError, zipfile.BadZipFile),
)
"""Errors that a damaged file makes a reader raise."""


def read_arrays(path: Path, names: Iterable[str] = NAMES) -> dict[str, np.ndarray]:
    """Return the arrays of a file that have one of the names.

    Raises ``ValueError`` in one line for a file that is missing, no regular file, of another kind,
    damaged, or holds objects.
    """
    readers: dict[str, Callable[[Path, tuple[str, ...]], dict[str, np.ndarray]]] = {
        ".npz": _read_npz,
        ".npy": _read_npy,
        ".parquet": _read_parquet,
        ".mat": _read_mat,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ValueError(
            f"{shown(path)} is of no known kind; give a file .npz, .npy, .parquet or .mat"
        )
    _check_regular(path)
    try:
        return reader(path, tuple(names))
    except _Refusal as error:
        raise ValueError(f"{shown(path)} {error}") from None
    # none of it may be more than a line
    except _DAMAGED as error:
        raise ValueError(f"{shown(path)} cannot be read ({reason(error)}); write it anew") from None
    except (MemoryError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{shown(path)} cannot be read ({reason(error)})") from None


class _Refusal(ValueError):
    """Reason for which a readable file is not accepted."""


def _check_regular(path: Path) -> None:
    """Raise ``ValueError`` unless a path is a regular file: a FIFO would block its reader."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise ValueError(f"{shown(path)} cannot be opened ({reason(error)})") from None
    if not S_ISREG(mode):
        what = "a folder; give FOLDER/X.npy" if path.is_dir() else "no regular file"
        raise ValueError(f"{shown(path)} is {what}")


def _read_npz(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise _Refusal("is no .npz file, or is cut off; write it anew by numpy.savez")
    with np.load(path, allow_pickle=False) as file:
        return {name: _plain(name, lambda n=name: file[n]) for name in names if name in file.files}


def _read_npy(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    # X is mapped: pages are read as products need them, and memory holds them once
    found = {names[0]: _plain(names[0], lambda: np.load(path, "r", allow_pickle=False))}
    for name in names[1:]:
        beside = path.with_name(f"{name}.npy")
        if beside.exists():
            _check_regular(beside)
            found[name] = _beside(name, beside)
    return found


def _beside(name: str, path: Path) -> np.ndarray:
    try:
        return _plain(name, lambda: np.load(path, allow_pickle=False))
    except _Refusal:
        raise
    except _DAMAGED as error:
        raise _Refusal(f"stands beside {shown(path)}, which is damaged ({reason(error)})") from None


def _plain(name: str, load: Callable[[], np.ndarray]) -> np.ndarray:
    try:
        found = load()
        if not isinstance(found, np.ndarray):
            raise _Refusal(f"holds no array in {name}; write it anew by numpy.savez")
        return found
    except ValueError as error:
        # numpy takes every file without its magic string for a pickle
        if "pickled" in str(error):
            raise _Refusal("is no .npy file; write it anew by numpy.save") from None
        if "Object arrays" in str(error) or "Python objects" in str(error):
            raise _Refusal(
                f"holds Python objects in {name}, which are not read: they could run code; save "
                "arrays of numbers"
            ) from None
        raise


def _read_parquet(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, memory_map=True) as file:
        known = [name for name in names if name in file.schema_arrow.names]
        arrays: dict[str, np.ndarray] = {}
        first, rows = 0, file.metadata.num_rows
        # batch by batch into arrays that are made once
        for batch in file.iter_batches(ROWS_PER_BATCH, columns=known):
            for name in known:
                block = _numbers(name, batch.column(name))
                if name not in arrays:
                    arrays[name] = np.empty((rows, *block.shape[1:]), block.dtype)
                if block.shape[1:] != arrays[name].shape[1:]:
                    raise _Refusal(f"has rows of several lengths in {name}")
                arrays[name][first : first + len(block)] = block
            first += batch.num_rows
        return arrays


def _numbers(name: str, column: Any) -> np.ndarray:
    """Return a column of numbers, or of lists of as many numbers each, (rows, …)."""
    rows, inner = len(column), column
    if nested := _is_list(column.type):
        inner = column.flatten()
    if not (pa.types.is_integer(inner.type) or pa.types.is_floating(inner.type)):
        raise _Refusal(f"holds {column.type} in {name}; save numbers, in X lists of N numbers")
    if column.null_count or inner.null_count:
        raise _Refusal(f"has null in {name}; leave such samples out")
    values = inner.to_numpy(zero_copy_only=False)
    if not nested:
        return values
    lengths = np.unique(column.value_lengths().to_numpy(zero_copy_only=False)) if rows else [0]
    if len(lengths) != 1:
        raise _Refusal(f"has rows of several lengths in {name}")
    return values.reshape(rows, int(lengths[0]))


def _is_list(kind: pa.DataType) -> bool:
    return (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _read_mat(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        head = file.read(128)
    if head.startswith(NEWER_MAT) or HDF5 in head:
        raise _Refusal("is of MATLAB's version 7.3 (HDF5); save it by save(…, '-v7')")
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        given = loadmat(path, variable_names=list(names))
    except MatReadError as error:
        raise _Refusal(f"is damaged ({reason(error)}); write it anew") from None
    found = {}
    for name in names:
        if name not in given:
            continue
        array = given[name]
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufc":
            raise _Refusal(f"holds no full matrix of numbers in {name}; save it by full({name})")
        # MATLAB has no vectors, but matrices of one row or column
        found[name] = array.ravel() if name != "X" and 1 in array.shape else array
    return found
