"""Atomic writing of the package's files, and safe reading of files from untrusted sources.

A folder of unknown origin may contain a FIFO or a device, which blocks its reader; a dangling or
circular link; a name with a line break. None of these may block a reader or end it with more than
one line.
"""

import errno
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from math import isfinite
from pathlib import Path
from stat import S_ISREG
from typing import Any

TEMPORARY = ".writing-"
"""Prefix of incomplete files; a killed writer leaves one behind."""
MOST_BYTES = 2**32
"""Largest size of a file that is read, far above the package's own; a sparse file may be larger."""
NOT_SUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def write_durably(
    path: Path, content: Any, *, exclusive: bool = False, private: bool = False
) -> Path:
    """Write a file whole or not at all: to a temporary name, flushed to disk, then renamed.

    The temporary name is new and unpredictable; a link at `path` is replaced, never followed.

    Parameters
    ----------
    path
        Path of the file.
    content
        Object with a buffer (bytes, a memoryview, a `pyarrow.Buffer`), or a list of such pieces.
    exclusive
        Raise ``FileExistsError`` if `path` exists, even if another process has just made it.
    private
        Make the file readable by the user only.

    Raises ``OSError`` after removal of the incomplete file.
    """
    temporary = path.parent / f"{TEMPORARY}{os.urandom(8).hex()}"
    # the system subtracts the user's mask from the permissions
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    handle = os.open(temporary, flags, 0o600 if private else 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in content if isinstance(content, list) else [content]:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        if exclusive:
            _put_where_nothing_is(temporary, path)
        else:
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)
    return path


def _put_where_nothing_is(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # No hard links here (FAT, some network file systems). The empty file is the claim: only
        # one writer can make it, and that one puts its content in place of it.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        os.replace(temporary, path)
    else:
        os.unlink(temporary)


def flush_folder(folder: Path) -> None:
    """Flush a folder's list of names to disk, where the file system supports it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NOT_SUPPORTED:
            raise
    finally:
        os.close(handle)


def read_whole(
    path: Path, most: int = MOST_BYTES, *, start: bytes = b"", links: bool = True
) -> bytearray:
    """Return the content of a regular file.

    Parameters
    ----------
    path
        The file.
    most
        Largest size in bytes.
    start
        First bytes of the file; a file with others is read no further.
    links
        Whether a link to a regular file is accepted.

    Raises ``OSError`` with the cause in ``strerror``: the file does not exist, is not a regular
    file (a FIFO, a device or a folder is not opened), is too large, or begins with other bytes.
    """
    if not S_ISREG(os.stat(path, follow_symlinks=links).st_mode):
        raise _refusal(path, links)
    # not to wait, should it have become a FIFO since
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW)
    with os.fdopen(os.open(path, flags), "rb") as file:
        state = os.fstat(file.fileno())
        if not S_ISREG(state.st_mode):
            raise _refusal(path, links)
        if state.st_size > most:
            raise OSError(errno.EFBIG, f"is larger than {most} bytes", str(path))
        if file.read(len(start)) != start:
            raise OSError(
                errno.EINVAL, "is no file of this kind, or of other parameters", str(path)
            )
        file.seek(0)
        content = bytearray(state.st_size)
        del content[file.readinto(content) :]
        return content


def _refusal(path: Path, links: bool) -> OSError:
    is_link = not links and path.is_symlink()
    return OSError(errno.EINVAL, "is a link" if is_link else "is no regular file", str(path))


def sealed(content: bytes) -> bytes:
    """Return the content preceded by its SHA-256, for `opened`."""
    return sha256(content).digest() + content


def opened(content: bytearray) -> memoryview:
    """Return the content of `sealed`; raise ``ValueError`` if a bit of it has changed."""
    seal, rest = content[:32], memoryview(content)[32:]
    if sha256(rest).digest() != seal:
        raise ValueError("is damaged")
    return rest


def reason(error: Exception) -> str:
    """Return an error's message in one line, without the path that an ``OSError`` repeats."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return shown(" ".join(text.split()) or type(error).__name__)


def shown(text: object) -> str:
    """Return text for one line of a terminal, with characters that are not printable escaped."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)
    )


def shown_lines(text: str) -> str:
    """Return `shown` text with its line breaks."""
    return "\n".join(map(shown, text.split("\n")))


def jsonable(value: Any) -> Any:
    """Return a value with null for the numbers that JSON lacks, NaN and ±∞."""
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def harmless(text: str) -> str:
    """Return text that no spreadsheet evaluates as a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def tell(lines: Iterable[str] | str) -> None:
    """Write lines to stderr; errors of a closed stderr are ignored."""
    for line in [lines] if isinstance(lines, str) else lines:
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(f"{line}\n")


def check_suffix(path: Path, option: str, kinds: Sequence[str]) -> None:
    """Raise ``ValueError`` if a file's name has none of the suffixes, in any case."""
    if path.suffix.lower() not in kinds:
        *others, last = kinds
        names = f"{', '.join(others)} or {last}" if others else last
        raise ValueError(f"{option}: {shown(path.name)} must end in {names}")
