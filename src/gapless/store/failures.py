"""Failures: which points could not be measured, why, and whether another try may do better."""

import builtins
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

ENVIRONMENT = (MemoryError, OSError)
"""Exceptions of what surrounds a measurement: memory, descriptors, disks, networks."""

_NAMES = [
    name
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, ENVIRONMENT)
]
_PASSING = re.compile(
    rf"({'|'.join(_NAMES)})\b"
    # a worker that was lost with the point, or was ended because it took too long
    r"|the worker (died|was lost)|took longer than|no word came from the workers"
    # what XLA, CUDA and the threads of Python say when there is no room
    r"|[^:]*: .*(RESOURCE_EXHAUSTED|UNAVAILABLE|out of memory|can't start new thread)",
    re.IGNORECASE | re.DOTALL,
)


def reason_of(error: Exception) -> str:
    """Return what a record says of an exception.

    Kinds of `ENVIRONMENT` go by the name that Python has for them, so that `passes` can tell.
    """
    kind = type(error)
    if isinstance(error, ENVIRONMENT):
        kind = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    return f"{kind.__name__}: {error}"


def passes(reason: str) -> bool:
    """Return whether a failure has a cause that passes, such as memory that others held.

    Everything else is the measurement's own: the next try would fail in the same way.
    """
    return _PASSING.match(reason) is not None


@dataclass(frozen=True)
class Failure:
    """A reason, of how many points it is the reason, and whether it passes (see `passes`)."""

    reason: str
    points: int
    passing: bool


def outcomes(tables: Iterable[pa.Table]) -> dict[str, str | None]:
    """Return for each address why it has no measured record; None if it has one.

    Takes records with the columns ``address`` and, where points may fail, ``reason``.
    """
    measured: set[str] = set()
    failed: dict[str, str] = {}
    for table in tables:
        good = table
        if "reason" in table.column_names:
            good = table.filter(table["reason"].is_null())
            bad = table.filter(table["reason"].is_valid())
            columns = bad["address"].to_pylist(), map(str, bad["reason"].to_pylist())
            failed |= zip(*columns, strict=True)
        measured.update(good["address"].unique().to_pylist())
    return {a: why for a, why in failed.items() if a not in measured} | dict.fromkeys(measured)


def failures(found: dict[str, str | None], addresses: Iterable[str] | None = None) -> list[Failure]:
    """Return the reasons of failed points, the most frequent first.

    Parameters
    ----------
    found
        What `outcomes` returned.
    addresses
        Count only these points; all of them when None.
    """
    wanted = found if addresses is None else addresses
    counts = Counter(why for address in wanted if (why := found.get(address)) is not None)
    return [Failure(why, points, passes(why)) for why, points in counts.most_common()]
