"""Progress of a long computation."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gapless.amounts import duration

if TYPE_CHECKING:
    from gapless.cli.bar import Bar

LINE_EVERY_S = 5.0
"""Seconds between two lines of progress if stderr is no terminal."""


class Meter:
    """Progress of a long computation on stderr: a bar on a terminal, lines elsewhere."""

    def __init__(self, title: str, total: float) -> None:
        self.title, self.total, self.done = title, max(total, 1e-300), 0.0
        self._begun = self._told = time.monotonic()
        self._paced: tuple[float, float] | None = None
        self._bar: Bar | None = None
        if sys.stderr.isatty():
            from gapless.cli import bar  # rich takes a while to load

            self._bar = bar.Bar(title)

    def advance(self, amount: float) -> None:
        """Add `amount` to the part of the total that is done."""
        self.done += amount
        share = min(1.0, self.done / self.total)
        now = time.monotonic()
        if self._bar is not None:
            self._bar.show(share, self.title)
        elif now - self._told >= LINE_EVERY_S and share > 0:
            self._told = now
            spent, left = now - self._begun, self._left(now, share)
            eta = "" if left is None else f", {duration(left)} left"
            sys.stderr.write(f"{self.title}: {share:.0%}, {duration(spent)}{eta}\n")
            sys.stderr.flush()
        if self._paced is None:
            self._paced = now, share

    def _left(self, now: float, share: float) -> float | None:
        """Return the remaining seconds at the rate since the first advance; None soon after it.

        The time before the first advance is that of compilation, which is done once. A rate of
        less than a few seconds is that of the first steps, which may be many times shorter.
        """
        begun, there = self._paced or (now, share)
        if now - begun < LINE_EVERY_S or share <= there:
            return None
        return (now - begun) * (1 - share) / (share - there)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def meter(title: str, total: float) -> Iterator[Meter]:
    """Open a `Meter`, and close it on return or error."""
    it = Meter(title, total)
    try:
        yield it
    finally:
        it.close()
