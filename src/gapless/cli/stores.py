"""`gapless status`, `compact` and `export`: what a folder of records holds, without computing."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gapless.cli.failing import failures_json, tell_failures
from gapless.cli.shared import Json, print_json, table_text
from gapless.files import shown, tell

if TYPE_CHECKING:
    from gapless.store import Store

Answer = TypeVar("Answer")


def status(dir: Path, /, *, as_json: Json = False) -> None:
    """Print what a folder of records holds, also in the middle of a sweep.

    Points, records, duplicates and conflicts among them, parts, their bytes, computing time, and
    what the last plan lacks; points that failed with the reasons; by name what is damaged or
    foreign, and why.

    Example: gapless status results/desk

    Parameters
    ----------
    dir
        Folder given as --out to reproduce or success.
    as_json
        Print one JSON object.
    """
    from gapless.store import status

    states, refused = _of_each(dir, status)
    rows = [
        {"store": name, **asdict(state)}
        | {key: [str(one) for one in getattr(state, key)] for key in ("damaged", "faults")}
        for name, state in states
    ]
    if as_json:
        return print_json({"stores": rows, "refused": refused})
    _print_rows([r | {"damaged": len(r["damaged"])} for r in rows], hide=("faults", "failures"))
    for row in rows:
        tell(f"{fault}; left out" for fault in row["faults"])
    for name, state in states:
        tell_failures(name, state.planned or state.points, state.failures)
    return None


def compact(dir: Path, /, *, as_json: Json = False) -> None:
    """Merge small parts into few; legal beside running sweeps and readers, and safe to kill.

    Example: gapless compact results/desk

    Parameters
    ----------
    dir
        Folder given as --out to reproduce or success.
    as_json
        Print one JSON object.
    """
    from gapless.store import Store, compact

    def merge(store: Store) -> dict[str, int]:
        return {"merged": compact(store), "parts": len(store.part_files())}

    merged, refused = _of_each(dir, merge)
    rows = [{"store": name, **counts} for name, counts in merged]
    if as_json:
        return print_json({"stores": rows, "refused": refused})
    _print_rows(rows)
    return None


def _of_each(
    dir: Path, verb: "Callable[[Store], Answer]"
) -> tuple[list[tuple[str, Answer]], list[str]]:
    """Return what a verb says of every store of a folder, and why some were refused.

    Raises the ``ValueError`` of the last one if all were.
    """
    from gapless.store import StoreError, stores_in

    answers, refused = [], []
    for name, store in stores_in(dir).items():
        try:
            answers.append((name, verb(store)))
        except StoreError as error:
            refused.append(str(error).removeprefix("dir: "))
    if not answers:
        raise ValueError(f"dir: {refused.pop()}")
    tell(refused)
    return answers, refused


def _print_rows(rows: list[dict[str, Any]], hide: Sequence[str] = ()) -> None:
    kept = [{key: value for key, value in row.items() if key not in hide} for row in rows]
    cells = [[shown(v) if isinstance(v, str) else v for v in row.values()] for row in kept]
    sys.stdout.write(table_text(list(kept[0]), cells))


def export(dir: Path, file: Path, /, *, as_json: Json = False) -> None:
    """Write the records of one store as one file: each key once, sorted by key.

    Example: gapless export results/desk/fig5 fig5.parquet

    Parameters
    ----------
    dir
        Folder of one store.
    file
        A .parquet, or a .csv in which lists are JSON.
    as_json
        Print one JSON object.
    """
    from gapless.store import Store, export, failures

    store = Store.at(dir)
    records = export(store, file)
    found = store.outcomes()
    why = failures(found)
    if as_json:
        answer = {"file": str(file), "records": records, "failures": failures_json(why)}
        return print_json(answer)
    tell_failures(str(dir), len(found), why)
    sys.stdout.write(f"{file}: {records} records\n")
    return None
