"""Problems made of parts that need no look: by compiled functions, by pickles, in float64."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from gapless.arrays import jax, jnp, on_cpu, when_loaded
from gapless.losses import Loss, computes_in_numpy
from gapless.precision import precision_of
from gapless.sensing import converted

P = TypeVar("P")


def made(kind: type[P], sensing: Any, labels: Any, teacher: Any, loss: Loss, **others: Any) -> P:
    """Return a problem of parts that are right already, or stand in for arrays.

    Compiled functions take problems apart and put them together again with tracers, and with
    anything else: nothing is looked at, nor X read again where some of the runs are chosen.
    """
    parts = {"sensing": sensing, "labels": labels, "teacher": teacher, "loss": loss, **others}
    # past `__post_init__`, which would look at the arrays
    problem: Any = object.__new__(kind)
    for one in fields(problem):
        object.__setattr__(problem, one.name, parts.get(one.name, one.default))
    return problem


def unpickled(kind: type[P], *parts: Any) -> P:
    """Return the problem of NumPy arrays, loss, ``has_signal`` and ``sphere`` as JAX arrays."""
    *given, loss, has_signal, sphere = parts
    with precision_of(given[1]):
        sensing, labels, teacher = (None if a is None else converted(a, jnp.asarray) for a in given)
    return made(kind, sensing, labels, teacher, loss, has_signal=has_signal, sphere=sphere)


def can_be_widened(problem: Any) -> bool:
    """Return whether the runs of a problem can be continued by `widened`.

    That is so on a CPU, for an X in float32 or float64, and a loss that computes in NumPy.
    """
    # an accelerator is slow in float64, and X would leave it; NumPy widens float16 slowly
    here = problem.in_numpy or on_cpu()
    return here and problem.sensing.dtype != np.float16 and computes_in_numpy(problem.loss)


def widened(problem: P) -> P:
    """Return a problem in float64, in NumPy; X stays as it is stored, and is widened by blocks."""
    given: Any = problem
    found = given.to_numpy()
    labels, teacher = (
        None if a is None else np.asarray(a, np.float64) for a in (found.labels, found.teacher)
    )
    others = {"has_signal": found.has_signal, "sphere": found.sphere}
    return made(type(given), found.sensing, labels, teacher, found.loss, **others)


def registered(kind: type[P]) -> type[P]:
    """Register a kind of problem as an argument of compiled functions, and return it."""

    def flat(problem: Any) -> tuple[tuple[Any, ...], tuple[Loss, bool]]:
        # without `has_signal`: compiled code serves labels of every kind
        arrays = (problem.sensing, problem.labels, problem.teacher)
        return arrays, (problem.loss, problem.sphere)

    def whole(known: tuple[Loss, bool], parts: Iterable[Any]) -> P:
        sensing, labels, teacher = parts
        return made(kind, sensing, labels, teacher, known[0], sphere=known[1])

    when_loaded(lambda: jax.tree_util.register_pytree_node(kind, flat, whole))
    return kind
