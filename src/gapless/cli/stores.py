"""`gapless status`, `compact` and `export`: what a folder of records holds, without computing."""

import sys
from dataclasses import asdict
from pathlib import Path

from gapless.cli._shared import Json, print_json, table_text
from gapless.cli.failing import failures_json, tell_failures


def status(dir: Path, /, *, as_json: Json = False) -> None:
    """Print what a folder of records holds, also in the middle of a sweep.

    Points, records, duplicates and conflicts among them, parts, their bytes, computing time, and
    what the last plan lacks; points that failed with the reasons, damaged parts by name.

    Example: gapless status results/desk

    Parameters
    ----------
    dir
        Folder given as --out to reproduce or success.
    as_json
        Print one JSON object.
    """
    from gapless.store import status, stores_in

    states = {name: status(store) for name, store in stores_in(dir).items()}
    rows = [{"store": name, **asdict(state)} for name, state in states.items()]
    for row in rows:
        row["damaged"] = [str(path) for path in row["damaged"]]
    if as_json:
        return print_json({"stores": rows})
    shown = [row | {"damaged": len(row["damaged"])} for row in rows]
    for row in shown:
        del row["failures"]
    sys.stdout.write(table_text(list(shown[0]), [list(row.values()) for row in shown]))
    for path in (path for row in rows for path in row["damaged"]):
        sys.stderr.write(f"{path} is damaged; the next run measures its points anew\n")
    for name, state in states.items():
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
    from gapless.store import compact, stores_in

    rows = [
        {"store": name, "merged": compact(store), "parts": len(store.part_files())}
        for name, store in stores_in(dir).items()
    ]
    if as_json:
        return print_json({"stores": rows})
    sys.stdout.write(table_text(list(rows[0]), [list(row.values()) for row in rows]))
    return None


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
