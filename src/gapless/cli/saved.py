"""Files that the verbs save: checks of their paths, and pictures."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapless.files import check_suffix, reason
from gapless.page.panels import FILES, Print

if TYPE_CHECKING:
    from gapless.page.panels import Picture

STATES = (".npz",)
"""Suffixes of files of states."""


def check_writable(path: Path, option: str, kinds: Sequence[str] = FILES) -> None:
    """Raise ``ValueError`` if a file of one of the kinds cannot be made at `path`."""
    folder = path.parent
    if not folder.is_dir():
        raise ValueError(f"{option}: the folder {folder} does not exist; make it first")
    if path.is_dir() or not os.access(folder, os.W_OK):
        raise ValueError(f"{option}: cannot write {path}; give another file")
    check_suffix(path, option, kinds)


def save_picture(
    path: Path | None, size: Print, picture: "Callable[..., Picture]", *shown: Any
) -> None:
    """Save the picture that `picture` returns for its arguments, if a path is given."""
    if path is not None:
        from gapless.page.image import save

        with written("plot", path):
            save(picture(*shown), path, size=size)


@contextmanager
def written(option: str, path: Path) -> Iterator[None]:
    """Raise ``ValueError`` that names the option if the file cannot be written in the block."""
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"{option}: cannot write {path} ({reason(error)}); give another file"
        ) from None
