"""Numbers of the page, kept on disk, so that the next start reads them."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gapless.files import opened, read_whole, reason, sealed, shown, tell, write_durably


def kept(
    cache: Path | None, kind: str, identity: Any, make: Callable[[], dict[str, Any]]
) -> tuple[dict[str, Any], bool]:
    """Return the content of a cached file and whether it was there; otherwise make and keep it.

    A file that is damaged is reported in one line and made anew; one that cannot be written too.

    Parameters
    ----------
    cache
        Folder of cached files; None: nothing is kept.
    kind, identity
        Begin of the file's name, and all on which the content depends, ready for JSON.
    """
    if cache is None:
        return make(), False
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    path = cache / f"{kind}-{digest}"
    if (found := _read(path)) is not None:
        return found, True
    content = make()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(path, sealed(json.dumps(content).encode()), private=True)
    except OSError as error:
        tell(f"{shown(path)} cannot be kept for the next time: {reason(error)}")
    return content, False


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(bytes(opened(read_whole(path, links=False))))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        tell(f"{shown(path)}: {reason(error)}; made anew")
        return None
