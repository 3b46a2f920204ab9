"""`gapless status`, `compact` and `export`: what a folder of records holds, without computing."""

import sys
from dataclasses import asdict
from pathlib import Path

from gapless.cli._shared import Json, print_json, table_text


def status(dir: Path, /, *, as_json: Json = False) -> None:
    """Print what a folder of records holds, also in the middle of a sweep.

    Points (of how many planned), records, failed points, duplicates and conflicts among them,
    parts, their bytes, computing time; damaged parts by name.

    Example: gapless status results/desk

    Parameters
    ----------
    dir
        Folder given as --out to reproduce or success.
    as_json
        Print one JSON object.
    """
    from gapless.store import status, stores_in

    rows = [
        {"store": name, **asdict(state), "missing": state.missing}
        for name, store in stores_in(dir).items()
        for state in [status(store)]
    ]
    for row in rows:
        row["damaged"] = [str(path) for path in row["damaged"]]
    if as_json:
        return print_json({"stores": rows})
    shown = [row | {"damaged": len(row["damaged"])} for row in rows]
    sys.stdout.write(table_text(list(shown[0]), [list(row.values()) for row in shown]))
    for path in (path for row in rows for path in row["damaged"]):
        sys.stderr.write(f"{path} is damaged; the next run measures its points anew\n")
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
    from gapless.store import Store, export

    records = export(Store.at(dir), file)
    if as_json:
        return print_json({"file": str(file), "records": records})
    sys.stdout.write(f"{file}: {records} records\n")
    return None
