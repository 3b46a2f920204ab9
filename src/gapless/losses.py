"""Losses ℓ(ŷ, y) of Eq. 1, written once for the flow, the Hessian, the replicas and BBP.

A loss is plain arithmetic on arrays: it works alike on NumPy (float64, theory) and on JAX
arrays (float32, simulation). All losses here are even in ŷ and in y, so labels carry no sign.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
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
        name=f"normalised:a={a:g}",
        value=lambda yhat, y: (yhat**2 - y**2) ** 2 / (a + y**2),
        d1=lambda yhat, y: 4 * yhat * (yhat**2 - y**2) / (a + y**2),
        d2=lambda yhat, y: (12 * yhat**2 - 4 * y**2) / (a + y**2),
        curvature_infimum=-4.0,
    )


_FAMILIES: dict[str, Callable[..., Loss]] = {"quartic": lambda: quartic, "normalised": normalised}


def parse_loss(text: str) -> Loss:
    """Return the loss that ``text`` names: ``quartic``, ``normalised``, ``normalised:a=0.1``.

    Raises ``ValueError`` that lists the known names.
    """
    family, _, arguments = text.partition(":")
    if family not in _FAMILIES:
        known = ", ".join(_FAMILIES)
        raise ValueError(f"loss: {text!r} is unknown; choose one of {known} (as in normalised:a=1)")
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
