"""Points of a figure: frozen, validated parameters with a measurement and its expected cost."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, model_serializer

# `run` and the point's address are the key of a record in the store
COMMON_COLUMNS = pa.schema({"run": pa.int64(), "reason": pa.string()})
"""Columns of every table of records: number of the row, and reason of a failed measurement."""
FAILED = "failed"
"""Value of `gapless.flow.Outcome.failed`, since a plan is made without importing the flow."""


@dataclass(frozen=True)
class Cost:
    """Expected cost of a measurement.

    Parameters
    ----------
    flops, bytes
        Floating-point operations and peak memory of the measurement.
    program
        Shapes and switches of the compiled program. A process compiles a program once for all
        points that share it.
    """

    flops: float
    bytes: float
    program: Hashable = None


class Point(BaseModel, ABC):
    """Parameters of one measurement: frozen, validated, and hashed to its address.

    A subclass declares parameters as fields and the columns of its records as `SCHEMA`. Its records
    depend on its parameters alone.
    """

    # frozen, since its hash is its address; a misspelt parameter must not be dropped in silence
    model_config = ConfigDict(frozen=True, extra="forbid")
    SCHEMA: ClassVar[pa.Schema]
    LATER: ClassVar[tuple[str, ...]] = ()
    """Fields added later. At their defaults they are no part of the address, so that older records
    keep theirs."""

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        # left out at their defaults only: another value is another measurement, at another address
        defaults = {name: type(self).model_fields[name].default for name in self.LATER}
        found = handler(self)
        return {k: v for k, v in found.items() if k not in defaults or v != defaults[k]}

    @abstractmethod
    def measure(self) -> pa.Table:
        """Return the records, one row per run; see `table`."""

    @abstractmethod
    def cost(self) -> Cost:
        """Return the expected cost of the measurement."""

    @property
    def rows(self) -> int:
        """Number of records of the point if its measurement fails."""
        return 1

    def identity(self) -> dict[str, Any]:
        """Return the columns known before the measurement: the parameters in `SCHEMA`."""
        # parameters without a column (such as `in_numpy`) are in the address alone
        return {name: value for name, value in self if name in self.SCHEMA.names}

    @classmethod
    def record_schema(cls) -> pa.Schema:
        """Return `SCHEMA` with the columns of `COMMON_COLUMNS` that it lacks."""
        # only what lacks: a figure may have placed `run` and `reason` among its columns itself
        lacking = [field for field in COMMON_COLUMNS if field.name not in cls.SCHEMA.names]
        return pa.unify_schemas([cls.SCHEMA, pa.schema(lacking)])

    def table(self, **columns: Any) -> pa.Table:
        """Return records with these columns, the `identity`, and null elsewhere.

        Parameters
        ----------
        columns
            Arrays of one value per row, or a single value for all rows; `run` counts rows from 0
            unless it is given.

        Raises
        ------
        ValueError
            If `SCHEMA` has no column of a name, or columns differ in length.
        """
        schema = self.record_schema()
        # refused: below they would be left out without a word, and the measurement with them
        if unknown := columns.keys() - set(schema.names):
            raise ValueError(f"columns: {', '.join(sorted(unknown))} not in the schema")
        given = self.identity() | columns
        # single values stand for all rows and have no length to agree on
        sizes = {len(value) for value in given.values() if not _is_single(value)}
        if len(sizes) > 1:
            raise ValueError(f"columns: of {sorted(sizes)} rows")
        size = sizes.pop() if sizes else self.rows
        # first, so that a `run` that is given counts
        given = {"run": np.arange(size)} | given
        # the schema's order and types, whatever was passed: parts of one store must be one table
        arrays = [column(given.get(field.name), field.type, size) for field in schema]
        return pa.Table.from_arrays(arrays, schema=schema)

    def failed(self, reason: str) -> pa.Table:
        """Return the records of a failed measurement."""
        # a figure without outcomes has its `reason` alone
        ended = {"outcome": FAILED} if "outcome" in self.SCHEMA.names else {}
        return self.table(reason=reason, **ended)


def finite(values: Any, present: np.ndarray | None = None) -> pa.Array:
    """Return a column of numbers or of lists of numbers, null where one is not finite.

    Parameters
    ----------
    values : shape (R,) or (R, L)
        Numbers or truth values of R runs.
    present : shape (R,)
        Mask of the runs that have a value; the others are null.
    """
    values = np.asarray(values)
    # not-a-number is no answer: a reader of Parquet averages over NaN, and skips null
    absent = np.zeros(len(values), bool) if present is None else ~np.asarray(present)
    if values.ndim == 1:
        return arrow(values, absent | ~np.isfinite(values))
    # a list with some null numbers is one value; only an absent run has no list
    inner = arrow(values.ravel().astype(float), ~np.isfinite(values).ravel())
    # offsets of equal lengths, in the int32 that lists of Arrow have
    ends = arrow((np.arange(len(values) + 1) * values.shape[1]).astype(np.int32))
    return pa.ListArray.from_arrays(ends, inner, mask=arrow(absent))


def arrow(values: np.ndarray, absent: np.ndarray | None = None) -> pa.Array:
    """Return numbers or truth values as a column, null where they are absent.

    `pa.array` is not used, because it loads pandas, which takes as long as a small simulation.

    Parameters
    ----------
    values, absent : shape (R,)
        NumPy arrays.
    """
    validity = None if absent is None else _bitmap(~absent)
    if values.dtype == bool:
        return pa.Array.from_buffers(pa.bool_(), len(values), [validity, _bitmap(values)])
    # contiguous: a column of a matrix has strides, a buffer has none
    kind, data = pa.from_numpy_dtype(values.dtype), pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [validity, data])


def words(values: Sequence[str]) -> pa.Array:
    """Return a column of text without loading pandas, as in `arrow`."""
    text = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, text)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(text))]
    return pa.Array.from_buffers(pa.string(), len(text), buffers)


def _bitmap(values: np.ndarray) -> pa.Buffer:
    # Arrow's bits run from the least significant one on
    return pa.py_buffer(np.packbits(values, bitorder="little"))


def counts(values: Any) -> pa.Array:
    """Return a column of counts, null where a count is negative (a level that is not reached)."""
    values = np.asarray(values, np.int64)
    # integers have no NaN: −1 stands for "never" in passages
    return arrow(values, values < 0)


def _is_single(value: Any) -> bool:
    return value is None or isinstance(value, (str, bool, int, float, np.generic, pa.Scalar))


def column(value: Any, kind: pa.DataType, size: int) -> pa.Array | pa.ChunkedArray:
    """Return a column of `size` values, or of a single value for all rows, without pandas."""
    if value is None:
        return pa.nulls(size, kind)
    # a scalar holds what looks like a column, such as a list that is one value
    if isinstance(value, pa.Scalar):
        return pa.repeat(value, size)
    # text is a sequence too: asked for before vectors
    if isinstance(value, str):
        return pa.repeat(words([value])[0], size)
    if _is_single(value):
        return _of_kind(np.full(size, value), kind)
    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        return _of_kind(value, kind)
    if _is_vector(value):
        return _of_kind(value, kind)
    if kind == pa.string() and all(isinstance(one, str) for one in value):
        return words([str(one) for one in value])
    # lists of unequal lengths: concatenated, with offsets, without an object a number
    if pa.types.is_list(kind) and all(_is_vector(one) for one in value):
        ends = np.cumsum([0, *map(len, value)], dtype=np.int32)
        rows = np.concatenate(value) if len(value) else np.zeros(0)
        return _of_kind(pa.ListArray.from_arrays(arrow(ends), arrow(rows)), kind)
    # the general way, which loads pandas: for the rare column that is none of these
    return pa.array(list(value), kind)


WIDER = {pa.int64(): np.int64, pa.float64(): np.float64}
"""Types that hold every number of narrower ones, and their names in NumPy."""


def _of_kind(values: Any, kind: pa.DataType) -> Any:
    """Return numbers or a column as a column of another type."""
    if isinstance(values, np.ndarray):
        wider = WIDER.get(kind)
        # widened here: a cast loads Arrow's functions, a tenth of a worker's first point
        if wider is not None and values.itemsize < 8 and np.can_cast(values.dtype, wider):
            values = values.astype(wider)
        values = arrow(values)
    return values if values.type == kind else values.cast(kind)


def _is_vector(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "biuf"
