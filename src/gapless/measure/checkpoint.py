"""Checkpoints of long simulations: a killed one resumes from a minute before.

    DIR/checkpoints/ADDRESS.checkpoint    state and values recorded so far; removed when the point's
                                          records are stored

A checkpoint is written at most once a minute, so short simulations write none. Only the user may
read the file. It holds a digest of its parameters, a SHA-256, and arrays as plain bytes, so that
reading it runs no code. A damaged checkpoint, or one of another command, version or set of
parameters, is reported and ignored; the simulation then starts from t = 0. No checkpoint makes a
simulation fail.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from gapless.files import read_whole, reason, shown, tell, write_durably
from gapless.interrupts import note_kept
from gapless.measure.point import Point

EVERY_S = 60.0
MAGIC = b"gapless checkpoint 2\n".ljust(32, b"-")
# what a sparse file may claim: a state of N = 10⁶ with K = 8 is far below
MOST_BYTES = 2**40
# how far the end of the header is looked for: names and shapes take a few thousand bytes
MOST_HEADER = 2**20
ALIGNMENT = 32
"""Alignment of the arrays in the file, in bytes; the part before the header is a multiple of it."""
# a context, no argument: a point's numbers must not depend on where it is measured
_folder: ContextVar[Path | None] = ContextVar("checkpoint folder", default=None)


@contextmanager
def checkpoints_in(folder: Path | None) -> Iterator[None]:
    """Keep checkpoints of the simulations in the block in `folder`; None: keep none."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


@cache
def _version() -> str:
    # read from a file, and asked for by every point; its import takes 20 ms, which a
    # flow without checkpoints does not need
    from importlib.metadata import version

    return version("gapless")


class Checkpoint:
    """The checkpoint of one point, in the folder of the context."""

    def __init__(self, point: Point) -> None:
        self.path, self.start = None, MAGIC
        if (folder := _folder.get()) is not None:
            kind = f"{type(point).__module__}.{type(point).__qualname__}"
            # the version too: the arrays of another one may mean something else
            name = sha256(f"{_version()} {kind} {point.model_dump_json(by_alias=True)}".encode())
            self.path = folder / f"{name.hexdigest()[:16]}.checkpoint"
            # in the file as well, since whoever renames a file changes its name alone
            self.start += name.digest()
        # monotonic: a wall clock that is set back would stop checkpoints
        self.written = time.monotonic()
        self.told = False

    def read(self) -> dict[str, np.ndarray] | None:
        """Return the arrays of the checkpoint, None without a valid one."""
        if self.path is None:
            return None
        try:
            _refuse_link(self.path.parent)
            content = read_whole(self.path, MOST_BYTES, start=self.start, links=False)
            return unpacked(content, len(self.start))
        except FileNotFoundError:
            return None
        except Exception as error:  # what a file of anybody's makes a reader raise
            self.ignore(reason(error))
            return None

    def ignore(self, why: str) -> None:
        """Report the reason for which the checkpoint is ignored."""
        if self.path is not None:
            tell(f"{shown(self.path)} {why}: ignored, the computation starts from t = 0")

    @property
    def due(self) -> bool:
        """Whether checkpoints are kept and the last one is at least a minute old."""
        return self.path is not None and time.monotonic() - self.written >= EVERY_S

    def write(self, arrays: dict[str, np.ndarray]) -> None:
        """Write the checkpoint, whole or not at all; a failure is reported."""
        if self.path is None:
            return
        try:
            # 0700: whoever can write a checkpoint decides what the user's run resumes from
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_link(self.path.parent)
            write_durably(self.path, [self.start, *packed(arrays)], private=True)
            # an interrupt names the folder, since nothing of this point is in the store yet
            kept = f"checkpoints of what was in hand are in {shown(self.path.parent)}"
            note_kept(self.path.name, kept)
        except OSError as error:
            # once: a full disk would say the same every minute
            if not self.told:
                tell(f"{shown(self.path)} cannot be written, nothing else is lost: {reason(error)}")
            self.told = True
        # after a failure too: the next try waits as long as after a success
        self.written = time.monotonic()

    def discard(self) -> None:
        """Remove the checkpoint after its point's records are stored."""
        if self.path is not None:
            with suppress(OSError):  # nothing there, or no file of ours
                if not self.path.parent.is_symlink():
                    self.path.unlink()
            note_kept(self.path.name, None)


def _refuse_link(folder: Path) -> None:
    """Raise ``OSError`` if a folder is a link, since records from elsewhere may contain one."""
    if folder.is_symlink():
        raise OSError(f"lies behind a link, {shown(folder)}, which is not followed")


def packed(arrays: dict[str, np.ndarray]) -> list[bytes | memoryview]:
    """Return a SHA-256, a header and the arrays as pieces of a file."""
    # a column of an array or a JAX buffer has no flat view of its bytes
    columns = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    # dtype.str has the byte order, so that a machine of the other one reads the same numbers
    header = json.dumps([[n, a.dtype.str, list(arrays[n].shape)] for n, a in columns.items()])
    pieces: list[bytes | memoryview] = [f"{header}\n".encode()]
    size = len(pieces[0])
    for array in columns.values():
        # padding, so that `unpacked` gives aligned views of the file's bytes and copies nothing
        pieces += [bytes(-size % ALIGNMENT), array.reshape(-1).view(np.uint8).data]
        size += -size % ALIGNMENT + array.nbytes
    digest = sha256()
    for piece in pieces:
        # over header and padding as well: a flipped bit of a shape is as bad as one of a number
        digest.update(piece)
    return [digest.digest(), *pieces]


def unpacked(content: bytearray, first: int = 0) -> dict[str, np.ndarray]:
    """Return the arrays that `packed` wrote from byte `first` on.

    Raises ``ValueError`` if a bit of them has changed.
    """
    # past the digest, 32 bytes
    body = memoryview(content)[first + 32 :]
    if sha256(body).digest() != content[first : first + 32]:
        raise ValueError("is damaged")
    # a file without a line's end must not be searched through to its end
    position = bytes(body[:MOST_HEADER]).index(b"\n") + 1
    arrays = {}
    for name, kind, shape in json.loads(bytes(body[:position])):
        position += -position % ALIGNMENT
        # object: Python's integers, for in int64 a forged shape could wrap to a small size
        dtype, count = np.dtype(kind), int(np.prod(shape, dtype=object))
        arrays[name] = np.frombuffer(body, dtype, count, position).reshape(shape)
        position += arrays[name].nbytes
    return arrays
