"""Names of losses: of the families, of a user's module, in records, and in pickles."""

import copyreg
import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from gapless import loss_checks, user_code
from gapless.losses.loss import Loss, amplitude, loss_from_value, normalised, quartic

_FAMILIES: dict[str, Callable[..., Loss]] = {
    "quartic": lambda: quartic,
    "normalised": normalised,
    "amplitude": lambda: amplitude,
}
_OWN = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<attribute>[A-Za-z_]\w*)(?:@(?P<digest>\w+))?")


def is_built_in(loss: Loss) -> bool:
    """Return whether a loss is one of the families of `_FAMILIES`, whose precision is tested."""
    return loss.name.partition(":")[0] in _FAMILIES and parse_loss(loss.name) is loss


def parse_loss(text: str) -> Loss:
    """Return the loss that ``text`` names.

    ``quartic``, ``amplitude``, ``normalised``, ``normalised:a=0.1``; or ``module:name`` of a
    module of the user's (in the current folder, or installed), where ``name`` is a `Loss` or a
    function ``value(yhat, y)``. The name of the latter ends in ``@`` and a hash of the source
    text of the module, and of the user's other modules that it imports. Exactly this text is run,
    also if a file was edited since the session began: records made with another text have other
    names, and a hash that does not match is refused.

    Raises ``ValueError`` that lists the known names.
    """
    if not isinstance(text, str):
        raise ValueError(f"loss: must be text such as quartic or normalised:a=1, not {text!r}")
    family, _, arguments = text.partition(":")
    if family not in _FAMILIES:
        if own := _OWN.fullmatch(text):
            return _own_loss(own["module"], own["attribute"], own["digest"])
        known = ", ".join(_FAMILIES)
        raise ValueError(
            f"loss: {text!r} is unknown; choose one of {known} (as in normalised:a=1), or give "
            "your own as module:name"
        )
    try:
        parameters = [item.split("=") for item in arguments.split(",") if item]
        given = {key: float(number) for key, number in parameters}
        if len(given) < len(parameters):
            raise ValueError("a parameter is given twice")
        return _FAMILIES[family](**given)
    except TypeError:
        raise ValueError(f"loss: {text!r} is wrong, {family} has no such parameter") from None
    except ValueError as error:
        if "must be" in str(error):
            raise
        raise ValueError(f"loss: {text!r} is wrong, write parameters as normalised:a=1") from None


_GIVEN: dict[str, Loss] = {}
"""Losses of the modules that the user has named to this process, by their full names."""


def recorded_loss(name: str) -> Loss | None:
    """Return the loss that a record names, without importing a module that the record names.

    It is a built-in loss, or one of a module that the user passed to `parse_loss` and whose source
    has the hash in the record's name; None for all others, whose records can be shown only.
    """
    # a name in a file is data: it must not make this process import a module
    if name.partition(":")[0] not in _FAMILIES:
        return _GIVEN.get(name)
    try:
        return parse_loss(name)
    except ValueError:
        return None


def _own_loss(module: str, attribute: str, digest: str | None) -> Loss:
    """Return a user's loss, named by its module, its name in it, and its source text."""
    home = None if digest is None else user_code.loaded(module, digest)
    if home is None:
        program = user_code.read_program(module)
        if digest not in (None, program.digest):
            raise ValueError(
                f"loss: the source of {module} is not the one that {module}:{attribute}@{digest} "
                f"names (now @{program.digest}); restore it, or leave the @… out"
            )
        digest = program.digest
        try:
            home = user_code.load(program)
        # what a user's module does on import is the user's: it may raise anything, or exit
        except (Exception, SystemExit) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"loss: cannot import {module}: {reason}") from None
    if not hasattr(home, attribute):
        raise ValueError(f"loss: the module {module} has no {attribute}")
    name = f"{module}:{attribute}@{digest}"
    _GIVEN[name] = _named(getattr(home, attribute), name)
    return _GIVEN[name]


@lru_cache(maxsize=128)  # one object per text, so that theory and compiled code may cache by loss
def _named(own: Any, name: str) -> Loss:
    if isinstance(own, Loss):
        loss_checks.check_law(name, own.functions)
        return replace(own, name=name)
    if not callable(own):
        raise ValueError(f"loss: {name} is neither a Loss nor a function value(yhat, y)")
    return loss_from_value(own, name)


def _pickled(loss: Loss) -> tuple:
    """Return the reduction of a loss for pickle: by name, from its value, or field by field.

    A named loss is one object in each process, so that compiled programs and cached theory are used
    again; derived functions and lambdas cannot be pickled themselves.
    """
    try:
        if parse_loss(loss.name) is loss:
            return parse_loss, (loss.name,)
    except ValueError:
        pass  # a name of the user's own
    functions = loss.value, loss.d1, loss.d2
    value, *others = (getattr(function, "derived_from", None) for function in functions)
    # derivatives of one and the same value: that value is all that has to travel
    if value is not None and all(other is value for other in others):
        return loss_from_value, (value, loss.name, loss.curvature_infimum)
    # without the float64 twins, which the other process makes for itself
    plain = (
        getattr(function, "__wrapped__", function)
        if hasattr(function, "in_both_worlds")
        else function
        for function in functions
    )
    return Loss, (loss.name, *plain, loss.curvature_infimum)


copyreg.pickle(Loss, _pickled)
