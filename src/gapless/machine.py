"""Memory available to a process: that of the machine, or the limit of its container."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def memory_limit(root: Path = Path("/")) -> int:
    """Return the bytes that all processes of a command may use together.

    This is the smaller of the physical memory and of the limits of the control groups (Linux,
    versions 1 and 2) of this process, which containers and batch systems set.

    Parameters
    ----------
    root
        Folder that holds ``proc`` and ``sys``.
    """
    present = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([present, *_group_limits(root)])


def _group_limits(root: Path) -> Iterator[int]:
    """Yield the limits of the groups of this process and of all groups around them."""
    try:
        lines = (root / "proc/self/cgroup").read_text(errors="replace").splitlines()
    except OSError:
        return
    groups = root / "sys/fs/cgroup"
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            mounts, file = (groups, groups / "unified"), "memory.max"
        elif "memory" in controllers.split(","):
            mounts, file = (groups / "memory",), "memory.limit_in_bytes"
        else:
            continue
        inside = Path(path.lstrip("/"))
        for mount in mounts:
            # a container sees its own group as the root, whatever path it is told
            for group in (inside, *inside.parents):
                with suppress(OSError, ValueError):  # "max", or no such group
                    yield int((mount / group / file).read_text())
