"""Checkpoints of long simulations: a killed one goes on from its last save time.

    DIR/checkpoints/ADDRESS.npz    state, what was recorded so far; removed with the point's records

Written at most once a minute, so short simulations never write one. A file that cannot be read,
or that another version wrote, is ignored: the simulation then starts from t = 0.
"""

import hashlib
import os
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path

import numpy as np

from gapless.experiments._experiment import Point
from gapless.interrupts import note_kept

EVERY_S = 60.0
_folder: ContextVar[Path | None] = ContextVar("checkpoint folder", default=None)


@contextmanager
def checkpoints_in(folder: Path | None) -> Iterator[None]:
    """Keep checkpoints of the simulations within in `folder`; None: keep none."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


class Checkpoint:
    """The checkpoint of one point, in the folder of the context."""

    def __init__(self, point: Point) -> None:
        name = hashlib.sha256(f"{version('gapless')} {point.model_dump_json()}".encode())
        folder = _folder.get()
        self.path = None if folder is None else folder / f"{name.hexdigest()[:16]}.npz"
        self.written = time.monotonic()

    def read(self) -> dict[str, np.ndarray] | None:
        """Return the arrays of the checkpoint, None if nothing usable is there."""
        if self.path is None or not self.path.exists():
            return None
        try:
            with self.path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                return dict(file)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return None

    @property
    def due(self) -> bool:
        """Whether a checkpoint is kept and the last one is a minute old."""
        return self.path is not None and time.monotonic() - self.written >= EVERY_S

    def write(self, arrays: dict[str, np.ndarray]) -> None:
        """Put the checkpoint in place: whole or not at all."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        note_kept(self.path.name, f"checkpoints of what was in hand are in {self.path.parent}")
        self.written = time.monotonic()

    def discard(self) -> None:
        """Remove the checkpoint: its point's records are stored."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            note_kept(self.path.name, None)
