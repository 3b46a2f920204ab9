"""Shared by the verbs: lists of numbers, JSON, progress, the check of memory."""

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any, TextIO

from cyclopts import Parameter, Token

from gapless import machine
from gapless.amounts import duration, memory
from gapless.files import jsonable, reason
from gapless.page.panels import Print

if TYPE_CHECKING:
    from gapless.cli.bar import Bar
    from gapless.page.panels import Picture

MOST_NUMBERS = 10_000
LINE_EVERY_S = 5.0
"""Seconds between two lines of progress if stderr is no terminal."""
USABLE = 0.9
"""Largest fraction of the memory that a command may use."""


def numbers(text: str, option: str) -> list[float]:
    """Return the numbers of ``6,7.5,8`` or of ``6:14:0.5`` (both ends included).

    Raises ``ValueError`` that names the option.
    """
    try:
        if ":" in text:
            # in decimals, as written: in binary 0.1 + 2 × 0.1 is not 0.3, but another point
            first, last, step = (Decimal(part) for part in text.split(":"))
            if not (step > 0 and last >= first and (last - first) / step < MOST_NUMBERS):
                raise ValueError
            values = [float(first + i * step) for i in range(int((last - first) / step) + 1)]
        else:
            values = [float(part) for part in text.split(",")]
            if len(set(values)) < len(values):
                raise ValueError
    except (ValueError, OverflowError, ArithmeticError):
        raise ValueError(
            f"{option}: {text!r} is not a list like 6,7,8 or 6:14:0.5 "
            f"(each number once, at most {MOST_NUMBERS})"
        ) from None
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"{option}: {text!r} holds a number that is not finite")
    return values


def _whole(_: type, tokens: Sequence[Token]) -> int:
    """Convert a token to an integer, without rounding 6.5 to 6."""
    text = tokens[0].value
    try:
        return int(text)
    except ValueError:
        raise ValueError(f'unable to convert "{text}" into int') from None


Whole = Annotated[int, Parameter(converter=_whole)]
"""An integer option."""
SensingOption = Annotated[
    str,
    Parameter(
        help="Ensemble of X: gaussian, signs (±1/√N entries), unit-norm (rows), fast (singular "
        "values of a Gaussian X, products by transforms: N may be a million), orthogonal (fast, "
        "equal ones)."
    ),
]
"""The option ``--sensing`` of a command that takes every ensemble of `gapless.sensing`."""
Json = Annotated[bool, Parameter(name="--json", negative="")]
"""The switch for JSON on stdout."""


_answers: list[TextIO] = []
"""The stdout of the running verb, if it is run by `answers_alone`."""


@contextmanager
def answers_alone() -> Iterator[None]:
    """Keep stdout for `print_text` in the block; other text goes to stderr.

    Code of the user's may print, when a module is loaded or a loss is called.
    """
    _answers.append(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _answers.pop()


def print_text(text: str, *, flush: bool = False) -> None:
    """Print text of the answer on stdout."""
    stream = _answers[-1] if _answers else sys.stdout
    stream.write(text)
    if flush:
        stream.flush()


def print_json(answer: dict[str, Any]) -> None:
    """Print one JSON object on stdout; numbers that are not finite become null."""
    print_text(json.dumps(jsonable(answer), allow_nan=False) + "\n")


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


PICTURES = (".png", ".pdf", ".svg")
STATES = (".npz",)
"""Suffixes of files that commands write."""


def check_writable(path: Path, option: str, kinds: Sequence[str] = PICTURES) -> None:
    """Raise ``ValueError`` if a file of one of the kinds cannot be made at `path`."""
    folder = path.parent
    if not folder.is_dir():
        raise ValueError(f"{option}: the folder {folder} does not exist; make it first")
    if path.is_dir() or not os.access(folder, os.W_OK):
        raise ValueError(f"{option}: cannot write {path}; give another file")
    if path.suffix.lower() not in kinds:
        *others, last = kinds
        names = f"{', '.join(others)} or {last}" if others else last
        raise ValueError(f"{option}: {path.name} must end in {names}")


PrintSize = Annotated[Print, Parameter(name="*")]
"""The options ``--width`` and ``--font-size`` of a command that draws."""


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


def load_meanwhile(*modules: str) -> None:
    """Import modules in a thread, while this process waits or is in a product of matrices."""

    def load() -> None:
        # what cannot be imported is reported where it is used
        with suppress(ImportError):
            for module in modules:
                import_module(module)

    Thread(target=load, daemon=True).start()


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
        """Return the remaining seconds at the rate since the first advance; None before it.

        The time before the first advance is that of compilation, which is done once.
        """
        begun, there = self._paced or (now, share)
        return (now - begun) * (1 - share) / (share - there) if share > there else None

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


def table_text(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a plain table with aligned columns."""
    cells = [list(map(str, headings)), *[[_cell(value) for value in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    return "\n".join(lines) + "\n"


def outcome_table(records: Sequence[dict[str, Any]], shown: Sequence[str]) -> str:
    """Return a table of runs with their outcomes, and the rule of each outcome among them."""
    from gapless.flow import Outcome

    # as in JSON, where the overlap with its sign has another name
    sized = [r | {"overlap": r["overlap"] and abs(r["overlap"])} for r in records]
    names = (*shown, "outcome")
    rows = [[i, *(record[name] for name in names)] for i, record in enumerate(sized)]
    ended = [outcome for outcome in Outcome if outcome in {r["outcome"] for r in records}]
    # each outcome is said once, with its rule
    rules = "".join(f"{outcome}: {outcome.sentence}\n" for outcome in ended)
    return table_text(("run", *names), rows) + rules


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
