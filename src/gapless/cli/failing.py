"""Reports of failed points, shared by the verbs."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapless.files import shown

if TYPE_CHECKING:
    from gapless.store import Failure

MOST_REASONS, LONGEST_REASON = 5, 300
"""Number and length of the reasons in a summary; ``--json`` has all of them, whole."""


def tell_failures(name: str, total: int, failures: "Sequence[Failure]") -> None:
    """Report on stderr the failed points of a plan: number, reasons and remedy."""
    if not failures:
        return
    failed = sum(failure.points for failure in failures)
    passing = sum(failure.points for failure in failures if failure.passing)
    again = f"the next run measures {passing} of them again, and " if passing else ""
    remedy = f"{again}with --retry-failed it measures all of them again"
    sys.stderr.write(f"{shown(name)}: {failed} of {total} points failed; {remedy}\n")
    for failure in failures[:MOST_REASONS]:
        # of a folder of unknown origin they are any text
        text = " ".join(failure.reason.split())
        cut = text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"
        sys.stderr.write(f"  {failure.points}: {shown(cut)}\n")
    if len(failures) > MOST_REASONS:
        sys.stderr.write(f"  … and {len(failures) - MOST_REASONS} more reasons (--json)\n")


def failures_json(failures: "Sequence[Failure]") -> list[dict[str, Any]]:
    """Return the failures for ``--json``: `reason`, `points`, and whether it is `passing`."""
    return [asdict(failure) for failure in failures]


def tell_failures_in(folder: Path, only: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """Report the failed points of the last plans on stderr; return them for JSON, by store.

    With `only`, those of the store of that name, if the folder has it.
    """
    from gapless.store import StoreError, status, stores_in

    found: dict[str, list[dict[str, Any]]] = {}
    with suppress(StoreError):
        stores = stores_in(folder)
        for name in stores if only is None else stores.keys() & {only}:
            with suppress(StoreError):  # whoever reads the records says why these could not be
                state = status(stores[name])
                tell_failures(name, state.planned or state.points, state.failures)
                found[name] = failures_json(state.failures)
    return found
