"""The answer of a verb on stdout, as text or JSON."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

from gapless.files import jsonable

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
