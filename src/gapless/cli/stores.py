"""`gapless status`, `compact` and `export`: what a folder of records holds, without computing."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gapless.cli._shared import Json, print_json, table_text
from gapless.files import shown, tell

if TYPE_CHECKING:
    from gapless.store import Store

Answer = TypeVar("Answer")


def status(dir: Path, /, *, as_json: Json = False) -> None:
    """Print what a folder of records holds, also in the middle of a sweep.

    Points (of how many planned), records, failed points, duplicates and conflicts among them,
    parts, their bytes, computing time; by name what is damaged or foreign, and why.

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
        {"store": name, **asdict(state), "missing": state.missing}
        | {key: [str(one) for one in getattr(state, key)] for key in ("damaged", "faults")}
        for name, state in states
    ]
    if as_json:
        return print_json({"stores": rows, "refused": refused})
    _print_rows([row | {"damaged": len(row["damaged"])} for row in rows], hide="faults")
    for row in rows:
        tell(f"{fault}; left out" for fault in row["faults"])
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


def _print_rows(rows: list[dict[str, Any]], hide: str = "") -> None:
    kept = [{key: value for key, value in row.items() if key != hide} for row in rows]
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
    from gapless.store import Store, export

    records = export(Store.at(dir), file)
    if as_json:
        return print_json({"file": str(file), "records": records})
    sys.stdout.write(f"{file}: {records} records\n")
    return None
