"""One source for two array libraries: NumPy, without compilation, and JAX, compiled.

Functions of the flow take their library from their arrays (`library`), so that a few runs need
no compilation. JAX is loaded when it is first used: theory, and runs in NumPy, do not load it.
"""

import os
import sys
from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

Array = Any
"""An array of either library."""
Pointwise = Callable[[Array, Array], Array]
"""An elementwise function of two arrays, such as ℓ(ŷ, y) and its derivatives."""

if TYPE_CHECKING:
    import jax as jax
    from jax import lax as lax
    from jax import numpy

    jnp = numpy

    _F = TypeVar("_F", bound=Callable[..., Any])
    _T = TypeVar("_T")

    def compiled(**options: Any) -> Callable[[_F], _F]:
        """Return a decorator: `jax.jit` with its options, applied when first called."""
        ...
else:

    class _Late:
        """Module that is loaded when one of its attributes is first used."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, part: str) -> Any:
            found = getattr(_loaded(self._name), part)
            setattr(self, part, found)
            return found

    jax, jnp, lax = _Late("jax"), _Late("jax.numpy"), _Late("jax.lax")

    def compiled(**options: Any) -> Callable:
        """Return a decorator: `jax.jit` with its options, applied when first called."""

        def decorate(function: Callable) -> Callable:
            @cache
            def program() -> Callable:
                return jax.jit(function, compiler_options=_compiler_options(), **options)

            @wraps(function)
            def call(*arguments: Any, **named: Any) -> Any:
                # within another program it is a part of that one
                if is_traced(*jax.tree.leaves((arguments, named))):
                    return function(*arguments, **named)
                return program()(*arguments, **named)

            return call

        return decorate


def on_cpu() -> bool:
    """Return whether JAX computes on the CPU and not on an accelerator."""
    return jax.default_backend() == "cpu"


QUICK = {
    "xla_backend_optimization_level": 1,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}
"""Options of XLA on a CPU with which programs are compiled in less than half the time. They run as
fast: their time goes into matrix products, which are no compiled code (docs/benchmarks.md)."""


@cache
def _compiler_options() -> dict[str, Any]:
    """Return the options of `QUICK` that the backend has and XLA_FLAGS does not set."""
    if not on_cpu():
        return {}
    flags = os.environ.get("XLA_FLAGS", "")
    options = {name: value for name, value in QUICK.items() if f"--{name}=" not in flags}
    try:
        jax.jit(lambda: 0, compiler_options=options)()
    except Exception:  # another version has other options
        return {}
    return options


_registrations: list[Callable[[], Any]] = []


def _loaded(name: str) -> Any:
    module = import_module(name)
    while _registrations:
        _registrations.pop()()
    return module


def when_loaded(register: Callable[[], Any]) -> None:
    """Call `register`, which registers a class with JAX, when JAX is loaded."""
    if "jax" in sys.modules:
        register()
    else:
        _registrations.append(register)


def pytree(*, data: list[str], static: list[str] | None = None) -> "Callable[[type[_T]], type[_T]]":
    """Return a decorator that registers a dataclass as an argument of compiled functions.

    Parameters
    ----------
    data, static
        Names of the fields that hold arrays, and of those that programs are compiled for.
    """

    def decorate(kind: "type[_T]") -> "type[_T]":
        when_loaded(
            lambda: jax.tree_util.register_dataclass(
                kind, data_fields=data, meta_fields=static or []
            )
        )
        return kind

    return decorate


def is_traced(*arrays: Any) -> bool:
    """Return whether one of the arrays is a tracer inside a function that JAX compiles."""
    if "jax" not in sys.modules:
        return False
    from jax.core import Tracer

    return any(isinstance(array, Tracer) for array in arrays)


def library(array: Any) -> Any:
    """Return the module of an array's library: NumPy for NumPy arrays, else ``jax.numpy``."""
    return np if isinstance(array, np.ndarray | np.generic) else jnp


def uncompiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the original function of a `compiled` one, for NumPy arrays."""
    return vars(function)["__wrapped__"]


def repeat(like: Any, first: Any, last: Any, body: Callable[[Any, Any], Any], carry: Any) -> Any:
    """Return `carry` after ``body(i, carry)`` for i = first … last − 1, compiled as `like` is."""
    if library(like) is jnp:
        return lax.fori_loop(first, last, body, carry)
    for i in range(int(first), int(last)):
        carry = body(i, carry)
    return carry


def repeat_while(
    like: Any, goes_on: Callable[[Any], Any], body: Callable[[Any], Any], carry: Any
) -> Any:
    """Return `carry` after ``body(carry)`` while it `goes_on`, compiled as `like` is."""
    if library(like) is jnp:
        return lax.while_loop(goes_on, body, carry)
    while goes_on(carry):
        carry = body(carry)
    return carry


def choose(predicate: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
    """Return ``yes()`` where the predicate holds, else ``no()``."""
    if library(predicate) is jnp:
        return lax.cond(predicate, yes, no)
    return yes() if predicate else no()
