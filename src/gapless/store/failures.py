"""Failed points of a store: their reasons, and whether another try may succeed."""

import builtins
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

ENVIRONMENT = (MemoryError, OSError)
"""Exceptions of the environment of a measurement: memory, descriptors, disks, networks."""

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


def reason_of(error: BaseException) -> str:
    """Return the text of an exception that a record stores as its reason.

    Exceptions of `ENVIRONMENT` begin with their class's name in Python, which `passes` reads.
    """
    kind = type(error)
    if isinstance(error, ENVIRONMENT):
        kind = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    return f"{kind.__name__}: {error}"


def passes(reason: str) -> bool:
    """Return whether a failure has a temporary cause, such as memory in use by other processes.

    Any other cause lies in the measurement: the next try would fail in the same way.
    """
    return _PASSING.match(reason) is not None


@dataclass(frozen=True)
class Failure:
    """A reason, the number of points that failed for it, and whether it is temporary (`passes`)."""

    reason: str
    points: int
    passing: bool


def outcomes(tables: Iterable[pa.Table]) -> dict[str, str | None]:
    """Return the reason of failure of each address; None for an address with a measured record.

    The records have a column ``address`` and, where points may fail, ``reason``.
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
        Result of `outcomes`.
    addresses
        Count only these points; all of them when None.
    """
    wanted = found if addresses is None else addresses
    counts = Counter(why for address in wanted if (why := found.get(address)) is not None)
    return [Failure(why, points, passes(why)) for why, points in counts.most_common()]
