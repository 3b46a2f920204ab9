"""The type checker of the tests: beartype, with int accepted where float is meant.

A function inside another is made anew whenever the other is called, and making its check takes
beartype a millisecond. A check depends on names and annotations alone, so the first one is kept.
"""

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

_made = beartype(conf=BeartypeConf(is_pep484_tower=True))
_kept: dict[Any, Callable[..., Any]] = {}


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the check of a function with the signature of `function`, which jaxtyping makes."""
    key = (function.__module__, function.__qualname__, *function.__annotations__.items())
    if key not in _kept:
        _kept[key] = _made(function)
    return _kept[key]
