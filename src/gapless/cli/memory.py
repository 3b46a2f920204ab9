"""Computations that fit into this machine's memory."""

from gapless import machine
from gapless.amounts import memory

USABLE = 0.9
"""Largest fraction of the memory that a command may use."""


def check_memory(
    needed: float,
    options: str = "n, alpha",
    remedy: str = "--n, --alpha or --runs-per-design",
) -> None:
    """Raise ``ValueError`` if a number of bytes exceeds this machine's memory; see `has_room`."""
    if not has_room(needed):
        raise ValueError(
            f"{options}: these sizes need {memory(needed)} and this machine has "
            f"{memory(machine.memory_limit())}; lower {remedy}"
        )


def has_room(needed: float) -> bool:
    """Return whether a number of bytes fits into nine tenths of this machine's memory."""
    return needed <= USABLE * machine.memory_limit()


def most_that_fit(each: float) -> int:
    """Return the number of processes of a given memory that fit into this machine's memory."""
    return int(USABLE * machine.memory_limit() / each)
