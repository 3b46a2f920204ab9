"""The type checker of the tests: beartype, with int accepted where float is meant.

A function inside another is made anew whenever the other is called, and making its check takes
beartype a millisecond. A check depends on names and annotations alone, so the first one is kept.

A check takes some 50 µs a call. Functions of numbers, which name no array, are called by the
million in theory, and took a third of its tests: their types are checked statically alone
(`make types`).
"""

from collections.abc import Callable
from typing import Any, get_args

import jaxtyping
from beartype import BeartypeConf, beartype

_made = beartype(conf=BeartypeConf(is_pep484_tower=True))
_kept: dict[Any, Callable[..., Any]] = {}
_jaxtyped = jaxtyping.jaxtyped


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the check of a function with the signature of `function`, which jaxtyping makes."""
    key = (function.__module__, function.__qualname__, *function.__annotations__.items())
    if key not in _kept:
        _kept[key] = _made(function)
    return _kept[key]


def check_shapes_alone() -> None:
    """Have jaxtyping's import hook leave functions and classes alone that name no shape."""

    def decorator(*, typechecker: Any) -> Callable[[Any], Any]:
        return lambda it: _jaxtyped(it, typechecker=typechecker) if _names_a_shape(it) else it

    jaxtyping.jaxtyped = decorator


def _names_a_shape(it: Any) -> bool:
    kinds = it.__mro__ if isinstance(it, type) else [it]
    return any(_has_shape(hint) for kind in kinds for hint in _annotations(kind))


def _annotations(kind: Any) -> Any:
    # of a static or class method those of its function
    return getattr(getattr(kind, "__func__", kind), "__annotations__", {}).values()


def _has_shape(hint: Any) -> bool:
    if isinstance(hint, str):
        return "[" in hint
    if isinstance(hint, list):
        return any(map(_has_shape, hint))
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return any(map(_has_shape, get_args(hint)))
