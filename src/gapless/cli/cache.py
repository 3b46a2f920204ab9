"""`gapless cache`: compiled programs and grids that are kept for the next command."""

import sys

from gapless.cli.shared import Json, print_json


def cache(*, where: bool = False, clear: bool = False, as_json: Json = False) -> None:
    """Print where compiled programs are kept, how many and how large; or delete them.

    They are kept in the user's cache folder, apart for each kind of processor and version of
    jaxlib, up to 256 MiB. GAPLESS_CACHE=off does without.

    Example: gapless cache --clear

    Parameters
    ----------
    where
        Print the folder alone.
    clear
        Delete the programs of all machines.
    as_json
        Print one JSON object.
    """
    from gapless import program_cache

    if where and clear:
        raise ValueError("where, clear: give one of them")
    folder = program_cache.machine_programs()
    if where and not as_json:
        sys.stdout.write(f"{folder}\n")
        return
    count, size = program_cache.clear() if clear else program_cache.programs()
    if as_json:
        print_json({"folder": str(folder), "programs": count, "bytes": size, "cleared": clear})
        return
    done = "deleted" if clear else "kept"
    sys.stdout.write(f"{count} programs, {size / 2**20:.1f} MiB, {done}: {folder.parent}\n")
