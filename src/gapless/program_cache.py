"""Compiled programs kept on disk, so that each machine compiles a program once.

This is JAX's persistent cache, with a folder for each kind of machine. A program is compiled for
the processor at hand, and another processor may stop at an instruction that it lacks: in a home
folder that several kinds of machine share, the plain cache is unsafe. So the folder is named by the
version of jaxlib and by a hash of this processor's features and of XLA's flags. A program is code:
the folder must belong to this user, and nobody else may write to it.
"""

import hashlib
import os
import platform
import re
import shutil
import stat
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from jaxlib.version import __version__ as jaxlib_version  # the package loads nothing else

SWITCH = "GAPLESS_CACHE"
"""Environment variable that turns the cache off where it is ``off``."""
LARGEST = 256 * 2**20
"""Largest total size of the programs in bytes, some 20,000 programs; older ones are deleted."""
ENTRY = "-cache"
"""End of the name of JAX's entries; there are folders of XLA's beside them on a GPU."""
KEPT = 0.5
"""Share of `LARGEST` that stays when the oldest programs are deleted."""

# the lines of /proc/cpuinfo by which compilers tell processors apart (x86-64, AArch64)
_FEATURES = re.compile(
    r"^(vendor_id|cpu family|model|flags|Features|CPU implementer|CPU part)\s*:\s*(.*)$", re.M
)
_COMPLAINT = re.compile(r"Error (reading|writing) persistent compilation cache entry for '([^']*)'")


class CacheUnusableError(Exception):
    """Error of a cache that cannot be used; the message gives the reason."""


def user_cache() -> Path:
    """Return this user's cache folder of gapless, by the XDG specification.

    Raises
    ------
    CacheUnusableError
        If the user has no home, or the folder's name is not UTF-8.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if os.environ.get("HOME") == "" and not named.is_absolute():
        raise CacheUnusableError("HOME is empty")  # which Python takes for the disk's root
    try:
        # a relative one is to be ignored, says the custom
        folder = named if named.is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        raise CacheUnusableError("there is no home folder") from None
    if not folder.is_absolute():
        raise CacheUnusableError(f"HOME is {os.environ['HOME']!r}, no absolute path")
    try:
        str(folder).encode()  # as XLA takes it
    except UnicodeEncodeError:
        raise CacheUnusableError(f"{str(folder)!a} is no name in UTF-8") from None
    return folder / "gapless"


def is_off() -> bool:
    """Return whether the user has turned the cache off."""
    return os.environ.get(SWITCH, "").lower() == "off"


def all_programs() -> Path:
    """Return the folder of the programs of all machines."""
    return user_cache() / "programs"


def machine_programs() -> Path:
    """Return the folder of the programs of this machine: jaxlib's version and a hash.

    Raises
    ------
    CacheUnusableError
        If this processor's features cannot be read.
    """
    identity = "\n".join([_processor(), os.environ.get("XLA_FLAGS", "")])
    name = hashlib.sha256(identity.encode()).hexdigest()[:16]
    return all_programs() / f"{jaxlib_version}-{name}"


def use() -> Path | None:
    """Enable JAX's persistent cache in this process and in those that it starts.

    Call this before anything is compiled. A fault of the cache is reported in one line on stderr
    and has no other consequence.

    Returns
    -------
    The folder, or None where there is no cache.
    """
    folder = None
    if not is_off():
        try:
            folder = _prepared(machine_programs())
        except CacheUnusableError as error:
            sys.stderr.write(
                f"no compiled programs are kept on disk: {error}; {SWITCH}=off stops this line\n"
            )
    _tell_jax(folder)
    if folder is not None:
        _say_damage_once(folder)
    return folder


def programs() -> tuple[int, int]:
    """Return the number and total size in bytes of the programs of all machines."""
    sizes = [status.st_size for _, status in _entries()]
    return len(sizes), sum(sizes)


def clear() -> tuple[int, int]:
    """Delete the programs of all machines; return their number and total size in bytes.

    Raises
    ------
    CacheUnusableError
        If some cannot be deleted.
    """
    found = programs()
    try:
        shutil.rmtree(all_programs())
    except OSError as error:
        # the rest of them; and another process may have deleted the one at fault
        shutil.rmtree(all_programs(), ignore_errors=True)
        # of a folder that cannot be read nothing can be counted
        if os.path.lexists(all_programs()):
            left = programs()[0] or "some"
            why = f"{error.filename}: {error.strerror or error}"
            raise CacheUnusableError(f"{left} programs cannot be deleted ({why})") from None
    return found


def _prepared(folder: Path) -> Path:
    """Return the folder, after making it if it is missing and deleting the oldest programs."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in (folder.parent, folder):
            _check_owner(each)
        import tempfile  # takes a while to load

        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CacheUnusableError(f"{folder}: {error.strerror}") from None
    make_room()
    return folder


def _check_owner(folder: Path) -> None:
    status = folder.stat()
    own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    if not own or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CacheUnusableError(f"{folder} can be written by others")


def make_room() -> None:
    """Delete entries that are no files, and the oldest if the total size exceeds `LARGEST`."""
    entries = list(_entries())
    for path, status in entries:
        # JAX opens it, and would wait for ever at a FIFO
        if path.name.endswith(ENTRY) and not stat.S_ISREG(status.st_mode):
            _delete(path)
    total = sum(status.st_size for _, status in entries)
    if total <= LARGEST:
        return
    for path, status in sorted(entries, key=lambda entry: entry[1].st_mtime):
        if total <= KEPT * LARGEST:
            return
        _delete(path)
        total -= status.st_size


def _delete(path: Path) -> bool:
    """Delete an entry, of whatever kind; return whether it is gone."""
    with suppress(OSError):  # another process deletes as well
        path.unlink()
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    return not os.path.lexists(path)


def _entries() -> Iterator[tuple[Path, os.stat_result]]:
    for path in all_programs().glob("*/*"):
        with suppress(OSError):
            yield path, path.lstat()


def _tell_jax(folder: Path | None) -> None:
    """Set JAX's options: in the environment, and in a JAX that is loaded already."""
    options = {
        "jax_enable_compilation_cache": folder is not None,
        "jax_compilation_cache_dir": None if folder is None else str(folder),
        # a small program is not worth JAX's default second, but a hundred of them are
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": 0,
        # bounded here: JAX's own bound takes another package
        "jax_compilation_cache_max_size": -1,
        "jax_raise_persistent_cache_errors": False,
    }
    for name, value in options.items():
        if value is None:
            os.environ.pop(name.upper(), None)
        else:
            os.environ[name.upper()] = str(value)
    if jax := sys.modules.get("jax"):
        for name, value in options.items():
            jax.config.update(name, value)


def _say_damage_once(folder: Path) -> None:
    """Replace JAX's warnings about the cache by one line, and delete damaged programs."""
    warnings.filterwarnings("always", message=_COMPLAINT.pattern)
    show, said = warnings.showwarning, False

    def shown(message, *arguments, **options) -> None:
        nonlocal said
        complaint = _COMPLAINT.match(str(message))
        if complaint is None:
            return show(message, *arguments, **options)
        verb, name = complaint.groups()
        what = "written"
        if verb == "reading":
            gone = all([_delete(path) for path in folder.glob(f"{name}-*")])
            what = "read; it is deleted" if gone else "read, nor deleted"
        if not said:
            said = True
            sys.stderr.write(
                f"programs are compiled anew: {folder} has an entry that cannot be {what}\n"
            )
        return None

    warnings.showwarning = shown


def _processor() -> str:
    """Return the processor features that compiled code depends on."""
    found = [platform.system(), platform.machine()]
    if platform.system() == "Linux":
        try:
            text = Path("/proc/cpuinfo").read_text(errors="replace")
        except OSError as error:
            raise CacheUnusableError(f"/proc/cpuinfo: {error.strerror}") from None
        # all cores of a machine, since they may be of two kinds
        found += sorted({f"{name}: {value}" for name, value in _FEATURES.findall(text)})
    else:
        import subprocess

        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        try:
            found.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        except (OSError, subprocess.SubprocessError):
            found.append(platform.processor())
    if not any(found[2:]):
        raise CacheUnusableError("the features of this processor are not known")
    return "\n".join(found)
