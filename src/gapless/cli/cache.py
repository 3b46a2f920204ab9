"""`gapless cache`: compiled programs kept on disk."""

from gapless.amounts import memory
from gapless.cli.answer import print_json, print_text
from gapless.cli.options import Json


def cache(*, where: bool = False, clear: bool = False, as_json: Json = False) -> None:
    """Print the folder, number and size of the cached programs, or delete them.

    Compiled programs are cached in the user's cache folder, separately for each kind of processor
    and version of jaxlib, up to 256 MiB. GAPLESS_CACHE=off disables the cache.

    Example: gapless cache --clear

    Parameters
    ----------
    where
        Print only the folder.
    clear
        Delete the programs of all machines.
    as_json
        Print one JSON object.
    """
    from gapless import program_cache

    if where and clear:
        raise ValueError("where, clear: give one of them")
    try:
        folder = program_cache.machine_programs()
        if where and not as_json:
            print_text(f"{folder}\n")
            return
        count, size = program_cache.clear() if clear else program_cache.programs()
    except program_cache.CacheUnusableError as error:
        raise ValueError(f"{'clear' if clear else 'where'}: {error}") from None
    if as_json:
        print_json({"folder": str(folder), "programs": count, "bytes": size, "cleared": clear})
        return
    done = "deleted" if clear else "kept"
    print_text(f"{count} programs, {memory(size)}, {done}: {folder.parent}\n")
