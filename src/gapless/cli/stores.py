"""`gapless status`, `compact` and `export`: operations on a folder of records."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gapless.amounts import duration, memory
from gapless.cli.answer import print_json, print_text
from gapless.cli.failing import failures_json, tell_failures
from gapless.cli.options import Json
from gapless.cli.tables import table_text
from gapless.files import shown, tell

if TYPE_CHECKING:
    from gapless.store import Store

Answer = TypeVar("Answer")


def status(dir: Path, /, *, as_json: Json = False) -> None:
    """Print the content of a folder of records, also during a sweep.

    The table has points, records, duplicates and conflicts among them, parts, their size in bytes,
    computing time, and the missing points of the last plan. Failed points follow with reasons, and
    damaged or foreign files by name with the reason.

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
    read = [
        row
        | {"damaged": len(row["damaged"])}
        | {"size": memory(state.size), "time": duration(state.seconds)}
        for row, (_, state) in zip(rows, states, strict=True)
    ]
    _print_rows(read, hide=("faults", "failures", "seconds"))
    for row in rows:
        tell(f"{fault}; left out" for fault in row["faults"])
    for name, state in states:
        tell_failures(name, state.planned or state.points, state.failures)
    return None


def compact(dir: Path, /, *, as_json: Json = False) -> None:
    """Merge small parts into few; sweeps and readers may run at the same time.

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
    """Return the result of a verb for every store of a folder, and the errors of refused ones.

    Raises the ``ValueError`` of the last one if all were refused.
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
    print_text(table_text(list(kept[0]), cells))


def export(dir: Path, file: Path, /, *, as_json: Json = False) -> None:
    """Write the records of one store to one file, one for each key, sorted by key.

    Example: gapless export results/desk/fig5 fig5.parquet

    Parameters
    ----------
    dir
        Folder of one store.
    file
        Output file: a .parquet, or a .csv in which lists are JSON.
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
    print_text(f"{shown(file)}: {records} records\n")
    return None
