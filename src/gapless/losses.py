"""Losses ℓ(ŷ, y) of Eq. 1, written once for the flow, the Hessian, the replicas and BBP.

A loss is plain arithmetic on arrays: it works alike on NumPy (float64, theory) and on JAX
arrays (float32, simulation). All losses here are even in ŷ and in y, so labels carry no sign.
"""

import inspect
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from importlib import import_module
from math import inf, isfinite
from typing import Any

Array = Any  # NumPy or JAX: a loss does not care
Pointwise = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Loss:
    """A loss per sample ℓ(ŷ, y) with its first two derivatives in ŷ.

    Parameters
    ----------
    name
        What the command line and the records call it; it holds the parameters too
        (``normalised:a=1.0``).
    value, d1, d2
        ℓ, ∂ℓ/∂ŷ and ∂²ℓ/∂ŷ², elementwise in (ŷ, y); no ½ (that stands in Eq. 1).
    curvature_infimum
        inf of ∂²ℓ/∂ŷ² over all (ŷ, y). ``-inf`` says that the Hessian at a random point has
        no bulk edge as N → ∞.
    """

    name: str
    value: Pointwise
    d1: Pointwise
    d2: Pointwise
    curvature_infimum: float

    def __repr__(self) -> str:
        return f"Loss({self.name!r})"


quartic = Loss(
    name="quartic",
    value=lambda yhat, y: (yhat**2 - y**2) ** 2,
    d1=lambda yhat, y: 4 * yhat * (yhat**2 - y**2),
    d2=lambda yhat, y: 12 * yhat**2 - 4 * y**2,
    curvature_infimum=-inf,
)
"""ℓ = (ŷ² − y²)², the loss of Eq. 1."""


@lru_cache(maxsize=128)  # one object per a, so that theory may cache by loss
def normalised(a: float = 1.0) -> Loss:
    """Return ℓ = (ŷ² − y²)²/(a + y²), whose curvature is bounded below by −4.

    Raises ``ValueError`` unless a > 0.
    """
    if not (isfinite(a) and a > 0):
        raise ValueError(f"loss: a must be a positive number, not {a}")
    return Loss(
        name=f"normalised:a={_digits(a)}",
        value=lambda yhat, y: (yhat**2 - y**2) ** 2 / (a + y**2),
        d1=lambda yhat, y: 4 * yhat * (yhat**2 - y**2) / (a + y**2),
        d2=lambda yhat, y: (12 * yhat**2 - 4 * y**2) / (a + y**2),
        curvature_infimum=-4.0,
    )


def _digits(a: float) -> str:
    """Return a number with the fewest digits that read back as itself."""
    return f"{a:g}" if float(f"{a:g}") == a else repr(float(a))


def _sign(yhat: Array) -> Array:
    return (yhat > 0) * 1 - (yhat < 0) * 1


amplitude = Loss(
    name="amplitude",
    value=lambda yhat, y: (abs(yhat) - abs(y)) ** 2,
    d1=lambda yhat, y: 2 * yhat - 2 * abs(y) * _sign(yhat),
    d2=lambda yhat, y: 2 + 0.0 * (yhat + y),
    curvature_infimum=2.0,
)
"""ℓ = (|ŷ| − |y|)², with a kink at ŷ = 0 that points up.

∂²ℓ/∂ŷ² = 2 − 4|y| δ(ŷ); ``d2`` is 2, because no sample of a finite design has ŷ = 0. So almost
everywhere the Hessian of Eq. 4 is Σ x xᵀ − μ 1, a Wishart matrix that knows neither y nor W*: edge
(√α − 1)² before −μ, no outlier and no BBP transition at any α, at the start and at the 1RSB states
alike (docs/derivations/losses.md §2). What the Hessian does not see, the kink does: labels cross
zero along the flow, and its escape is not a matter of eigenvalues.
"""


def loss_from_value(
    value: Pointwise, name: str | None = None, curvature_infimum: float | None = None
) -> Loss:
    """Return the loss ℓ(ŷ, y) = ``value(yhat, y)`` with derivatives by automatic differentiation.

    Parameters
    ----------
    value
        Elementwise arithmetic on arrays: operators and ``jax.numpy`` functions. Even in ŷ and
        in y, zero at ŷ = ±y, nowhere negative; see `gapless.autodiff.check_loss`.
    name
        What records call it; the function's own name by default.
    curvature_infimum
        inf ∂²ℓ/∂ŷ², ``-inf`` if there is none; estimated on labels up to 1000 by default.

    Raises ``ValueError`` that says which condition is violated, and where.
    """
    # jax loads only for a loss without derivatives of its own: theory starts sooner without it
    from gapless import autodiff

    name = str(getattr(value, "__name__", "loss")) if name is None else name
    ell, d1, d2 = autodiff.derivatives(value)
    autodiff.check_loss(name, ell, d1, d2)
    infimum = autodiff.curvature_infimum(d2) if curvature_infimum is None else curvature_infimum
    return Loss(name, ell, d1, d2, infimum)


_FAMILIES: dict[str, Callable[..., Loss]] = {
    "quartic": lambda: quartic,
    "normalised": normalised,
    "amplitude": lambda: amplitude,
}
_OWN = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<attribute>[A-Za-z_]\w*)(?:@(?P<digest>\w+))?")


def parse_loss(text: str) -> Loss:
    """Return the loss that ``text`` names.

    ``quartic``, ``amplitude``, ``normalised``, ``normalised:a=0.1``; or ``module:name`` of a
    module of the user's (in the current folder, or installed), where ``name`` is a `Loss` or a
    function ``value(yhat, y)``. The name of the latter ends in ``@`` and a hash of the module's
    source text: records made with another text are other records, and text with a hash that does
    not match is refused.

    Raises ``ValueError`` that lists the known names.
    """
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
        parameters = {
            key: float(number)
            for key, number in (item.split("=") for item in arguments.split(",") if item)
        }
        return _FAMILIES[family](**parameters)
    except TypeError:
        raise ValueError(f"loss: {text!r} is wrong, {family} has no such parameter") from None
    except ValueError as error:
        if "must be" in str(error):
            raise
        raise ValueError(f"loss: {text!r} is wrong, write parameters as normalised:a=1") from None


_GIVEN: dict[str, Loss] = {}
"""Losses of modules that somebody has named by hand to this process, by their full names."""


def recorded_loss(name: str) -> Loss | None:
    """Return the loss that a record names, without running code that the record chose.

    One of ours, or a module's that `parse_loss` was asked for by hand and whose source is the one
    that the record's name holds a hash of; None for all others, which can be shown but not used.
    """
    if name.partition(":")[0] not in _FAMILIES:
        return _GIVEN.get(name)
    try:
        return parse_loss(name)
    except ValueError:
        return None


def _own_loss(module: str, attribute: str, digest: str | None) -> Loss:
    """Return a user's loss, named by where it stands and by its source text."""
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.append(folder)  # console scripts do not look where the user is
    try:
        home = import_module(module)
    except Exception as error:
        raise ValueError(f"loss: cannot import {module}: {error}") from None
    if not hasattr(home, attribute):
        raise ValueError(f"loss: the module {module} has no {attribute}")
    try:
        source = inspect.getsource(home)
    except (OSError, TypeError):
        raise ValueError(f"loss: {module} has no source text, which records must name") from None
    found = sha256(source.encode()).hexdigest()[:12]
    if digest not in (None, found):
        raise ValueError(
            f"loss: the source of {module} is not the one that {module}:{attribute}@{digest} names "
            f"(now @{found}); restore it, or leave the @… out"
        )
    name = f"{module}:{attribute}@{found}"
    _GIVEN[name] = _named(getattr(home, attribute), name)
    return _GIVEN[name]


@lru_cache(maxsize=128)  # one object per text, so that theory and compiled code may cache by loss
def _named(own: Any, name: str) -> Loss:
    if isinstance(own, Loss):
        return replace(own, name=name)
    if not callable(own):
        raise ValueError(f"loss: {name} is neither a Loss nor a function value(yhat, y)")
    return loss_from_value(own, name)
