"""Arrays that were measured, judged by name: X, labels, and vectors in the units of the data.

What is returned is what a problem is made of (`own`); the messages name the array and the remedy.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from gapless.inputs import Field, real_array, real_kind, shaped

RANK_UP_TO = 1024
"""N up to which the rank of X is computed, from XᵀX in float64: M N² operations, as many as N/2K
gradients take."""
ENTRIES_PER_LOOK = 2**22
LARGEST_NORM = 1e15
"""Largest row norm, and one over the smallest: float32 then holds all sums over samples."""
LARGEST_LENGTH = 1e100
"""Largest label and length of a vector, and one over the smallest: float64 then holds squares."""
KINDS_OF_X = "float64, float32 or float16"


class Rows(NamedTuple):
    """Sums over the rows of A, from one pass."""

    norm: float
    """Root mean squared norm c."""
    empty: np.ndarray
    """Whether a column vanishes, (N,)."""
    gram: np.ndarray | None
    """AᵀA/Mc², up to as many columns as `RANK_UP_TO`."""


def matrix_and_field(x: Any) -> tuple[np.ndarray, Field]:
    """Return X as an array of a floating type, without a copy if it is real, and its field."""
    # a DataFrame has no one dtype
    x = x if hasattr(x, "dtype") else np.asarray(x)
    if np.dtype(x.dtype).kind == "c":
        if isinstance(x, np.ma.MaskedArray):
            raise ValueError("X: is masked; give plain numbers, without masked samples")
        whole = np.asarray(x)
        if whole.dtype.itemsize > 16 or not whole.dtype.isnative:
            raise ValueError(f"X: holds numbers of {whole.dtype}; save it as complex128")
        # ŷ = A w is ⟨ā, w⟩: the problem's rows are those of the conjugate
        return np.concatenate([np.real(whole), -np.imag(whole)], axis=1), "complex"
    found = np.asarray(real_kind("X", x))
    # a mask of bytes would be widened to four or eight times its size, block by block, at each step
    if found.dtype.kind != "f" or found.dtype.itemsize > 8 or not found.dtype.isnative:
        raise ValueError(
            f"X: holds numbers of {found.dtype}; save it as {KINDS_OF_X}, such as "
            "X.astype('float32')"
        )
    return found, "real"


def amplitudes(y2: Any, y: Any, m: int, n: int) -> np.ndarray:
    """Return |y| in float64, (M,) or (K, M), from intensities or amplitudes."""
    if (y2 is None) == (y is None):
        what = "both are there" if y is not None else "neither is there"
        raise ValueError(f"y2, y: {what}; name the intensities y2, or the amplitudes y")
    name, given = ("y2", y2) if y is None else ("y", y)
    found = real_kind(name, given)
    if found.ndim not in (1, 2) or found.shape[-1] != m or not found.size:
        turned = "; X has one row for each sample: transpose it" if found.shape[-1:] == (n,) else ""
        raise ValueError(
            f"{name}: the shape must be (M,) = ({m},) or (K, M), not {tuple(found.shape)}{turned}"
        )
    values = np.asarray(real_array(name, found), float)
    if name == "y2":
        if (values < 0).any():
            place = ", ".join(map(str, np.argwhere(values < 0)[0]))
            raise ValueError(
                f"y2: entry [{place}] is negative, and intensities are not; give amplitudes as y, "
                "or leave such samples out"
            )
        values = np.sqrt(values)
    # losses are even in y: a sign that was measured along says nothing
    values = np.abs(values)
    # their mean square is the estimate of ρ²
    if not np.atleast_2d(values).any(axis=1).all():
        raise ValueError(f"{name}: all labels of a run vanish; they must come from a signal")
    said = f"{name}: has labels of up to {{:.3g}}"
    check_within(LARGEST_LENGTH, np.atleast_2d(values).max(axis=1), said)
    return values


def look_at(name: str, matrix: np.ndarray) -> Rows:
    """Return the sums over the rows of A; raise ``ValueError`` for entries that are not finite."""
    m, n = matrix.shape
    total, columns = 0.0, np.zeros(n)
    # N² numbers, and N³ operations for the rank
    gram = np.zeros((n, n)) if n <= RANK_UP_TO else None
    first = 0
    for stored in blocks(matrix):
        # squares of float16 overflow above 256
        block = stored.astype(float)
        squares = np.einsum("mn,mn->n", block, block)
        # sums of squares are finite where all entries are, up to 1e154
        if not np.isfinite(squares).all():
            bad = np.argwhere(~np.isfinite(block))
            if not len(bad):
                raise ValueError(f"{name}: entries are too large for float64; rescale X")
            row, column = bad[0]
            raise ValueError(
                f"{name}: entry [{first + row}, {column}] is not finite; every entry must be"
            )
        columns += squares
        if gram is not None:
            gram += block.T @ block
        first += len(block)
    total = float(columns.sum())
    norm = (total / m) ** 0.5
    if norm == 0:
        raise ValueError(f"{name}: all entries vanish, or their squares do; rescale X")
    if not 1 / LARGEST_NORM < norm < LARGEST_NORM:
        raise ValueError(f"{name}: the rows have norms of {norm:.3g}; rescale X")
    # of order one, whatever the units of X
    return Rows(norm, columns == 0, None if gram is None else gram / total)


def check_rank(rows: Rows, m: int, n: int, dtype: Any) -> None:
    """Raise ``ValueError`` for an X whose rank is below N: labels then leave signals open."""
    remedy = "the data leave directions of the signal open; measure more, or reduce N"
    if n < 2:
        raise ValueError(f"X: N must be at least 2, not {n}")
    if m < n:
        raise ValueError(f"X: has M = {m} rows, fewer than N = {n}; {remedy}")
    # a complex column vanishes where both of its parts do
    empty = rows.empty.reshape(-1, n).all(axis=0)
    if empty.any():
        column = int(np.flatnonzero(empty)[0])
        raise ValueError(f"X: column {column} vanishes; drop it, or measure that component")
    # an X too large for that is refused for columns that vanish alone
    if rows.gram is None:
        return
    values = np.linalg.eigvalsh(_gram(rows.gram, n))
    # singular values below the rounding of X are zero; eigenvalues below that of XᵀX are, too
    bound = max((10 * float(np.finfo(dtype).eps)) ** 2, n * float(np.finfo(float).eps))
    rank = int((values > bound * values[-1]).sum())
    if rank < n:
        raise ValueError(f"X: has rank {rank}, less than N = {n}; {remedy}")


def _gram(gram: np.ndarray, n: int) -> np.ndarray:
    """Return AᵀA, or A†A of a complex A from the products of its rows (Re a, −Im a)."""
    if len(gram) == n:
        return gram
    # ⟨a_i, a_j⟩: Re from the squares of the parts, Im from the mixed products
    mixed = gram[:n, n:]
    return gram[:n, :n] + gram[n:, n:] + 1j * (mixed - mixed.T)


def given_vectors(name: str, given: Any, n: int, field: Field) -> np.ndarray:
    """Return vectors as rows, (K, N) in float64 or (K, 2N) if complex, none of which vanishes."""
    if field == "complex":
        whole = np.atleast_2d(np.asarray(given))
        shaped(name, whole, (None, n), "(K, N)")
        given, n = np.concatenate([np.real(whole), np.imag(whole)], axis=1), 2 * n
    found = real_kind(name, given)
    # one vector is that of one run
    if found.ndim == 1:
        found = found[None]
    found = np.asarray(real_array(name, shaped(name, found, (None, n), "(K, N)")), float)
    if not found.any(axis=1).all():
        raise ValueError(f"{name}: a row vanishes; it must be a direction")
    said = f"{name}: has entries of up to {{:.3g}}"
    check_within(LARGEST_LENGTH, np.abs(found).max(axis=1), said)
    return found


def check_within(bound: float, largest: np.ndarray, said: str) -> None:
    """Raise ``ValueError``, `said` of the first, for numbers not between 1/bound and the bound."""
    # NaN is not within either
    wrong = ~((largest < bound) & (largest > 1 / bound))
    if wrong.any():
        raise ValueError(f"{said.format(largest[wrong][0])}; change its unit")


def blocks(matrix: np.ndarray) -> Iterator[np.ndarray]:
    """Yield blocks of rows of a matrix."""
    size = max(1, ENTRIES_PER_LOOK // max(1, matrix[:1].size))
    for first in range(0, len(matrix), size):
        yield matrix[first : first + size]
