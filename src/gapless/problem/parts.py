"""Problems made of parts that need no look: by compiled functions, by pickles, of some runs."""

from collections.abc import Iterable
from typing import Any, TypeVar

from gapless.arrays import jax, jnp, when_loaded
from gapless.losses import Loss
from gapless.precision import precision_of
from gapless.sensing import converted

P = TypeVar("P")


def made(
    kind: type[P],
    sensing: Any,
    labels: Any,
    teacher: Any,
    loss: Loss,
    across: Any = None,
    *,
    has_signal: bool = True,
    in_loop: bool = False,
) -> P:
    """Return a problem of parts that are right already, or stand in for arrays.

    Compiled functions take problems apart and put them together again with tracers, and with
    anything else: nothing is looked at, nor X read again where some of the runs are chosen.
    """
    problem = object.__new__(kind)
    parts = {"sensing": sensing, "labels": labels, "teacher": teacher, "_across": across}
    known = {"loss": loss, "has_signal": has_signal, "in_loop": in_loop}
    for name, part in (parts | known).items():
        object.__setattr__(problem, name, part)
    return problem


def unpickled(kind: type[P], *parts: Any) -> P:
    """Return the problem of NumPy arrays, a loss and ``has_signal`` as JAX arrays."""
    *given, loss, has_signal = parts
    with precision_of(given[1]):
        sensing, labels, teacher = (None if a is None else converted(a, jnp.asarray) for a in given)
    return made(kind, sensing, labels, teacher, loss, has_signal=has_signal)


def registered(kind: type[P]) -> type[P]:
    """Register a kind of problem as an argument of compiled functions, and return it."""

    def flat(problem: Any) -> tuple[tuple[Any, ...], Loss]:
        # without `has_signal`: compiled code serves labels of every kind
        return (problem.sensing, problem.labels, problem.teacher, problem._across), problem.loss

    def whole(loss: Loss, parts: Iterable[Any]) -> P:
        sensing, labels, teacher, across = parts
        return made(kind, sensing, labels, teacher, loss, across)

    when_loaded(lambda: jax.tree_util.register_pytree_node(kind, flat, whole))
    return kind
