"""Losses ℓ(ŷ, y) of Eq. 1, written once for the flow, the Hessian, the replicas and BBP.

A loss is plain arithmetic on arrays: it accepts NumPy (float64, theory) and JAX
arrays (float32, simulation). All losses here are even in ŷ and in y, so labels carry no sign.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any

import numpy as np

from gapless import loss_checks
from gapless.arrays import Array, Pointwise, library
from gapless.inputs import number


@dataclass(frozen=True)
class Loss:
    """A loss per sample ℓ(ŷ, y) with its first two derivatives in ŷ.

    Parameters
    ----------
    name
        Name on the command line and in the records, parameters included
        (``normalised:a=1.0``).
    value, d1, d2
        ℓ, ∂ℓ/∂ŷ and ∂²ℓ/∂ŷ², elementwise in (ŷ, y); no ½ (that stands in Eq. 1).
    curvature_infimum
        inf of ∂²ℓ/∂ŷ² over all (ŷ, y). With ``-inf`` the Hessian at a random point has no bulk
        edge as N → ∞.

    Functions of ``jax.numpy``, which return JAX arrays for NumPy arrays, get float64 counterparts
    for NumPy. The derivatives are compared with differences of the value where a loss is first used
    (`check_consistent`).

    Raises ``ValueError`` for a name that is no text, functions that cannot be called, or an
    infimum that is no number.
    """

    name: str
    value: Pointwise
    d1: Pointwise
    d2: Pointwise
    curvature_infimum: float

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ValueError(f"loss: its name must be text, not {self.name!r}")
        for part in ("value", "d1", "d2"):
            function = getattr(self, part)
            if not callable(function):
                raise ValueError(f"loss: {part} of {self.name} must be a function of (yhat, y)")
            object.__setattr__(self, part, _for_numpy(function))
        infimum = self.curvature_infimum
        # −∞ is a statement (no edge at a random start, bbp.md §7), +∞ and NaN are none
        if not (isinstance(infimum, float) and infimum == -inf):
            what = f"loss: curvature_infimum of {self.name} (or -inf)"
            object.__setattr__(self, "curvature_infimum", number(what, infimum))

    @property
    def functions(self) -> loss_checks.Functions:
        """ℓ, ∂ℓ/∂ŷ and ∂²ℓ/∂ŷ²."""
        return self.value, self.d1, self.d2

    def across(self, r: Array, s: Array) -> Array:
        """Return ℓ′(r, s)/r, the curvature of ℓ(|ŷ|, s) across the phase of a complex ŷ.

        At r = 0 it is ℓ″(0, s); a loss with a kink there has no limit, and any number is returned.
        """
        # r below 1e-6 is taken as that: the error is of order r²
        r = library(r).maximum(r, 1e-6)
        return self.d1(r, s) / r

    def __repr__(self) -> str:
        return f"Loss({self.name!r})"


def _for_numpy(function: Pointwise) -> Pointwise:
    """Return a function that computes in float64 when its arguments are NumPy arrays."""
    if getattr(function, "in_both_worlds", False):
        return function
    try:
        # two labels of order one: the type of the answer tells which library it is made of
        found = function(np.full(2, 0.5), np.full(2, 0.25))
    except Exception:  # refused where the loss is used, with the reason
        return function
    if not type(found).__module__.startswith("jax"):
        return function
    from gapless import autodiff

    return autodiff.in_both_worlds(function)


quartic = Loss(
    name="quartic",
    # not expanded: in float32 ŷ⁴ − 2ŷ²y² + y⁴ is off by 44 % at e = 1e-8 (losses.md §1)
    value=lambda yhat, y: (yhat**2 - y**2) ** 2,
    # ℓ′ and ℓ″ are those of ℓ itself: the ½ of Eq. 1 stands where samples are summed
    d1=lambda yhat, y: 4 * yhat * (yhat**2 - y**2),
    d2=lambda yhat, y: 12 * yhat**2 - 4 * y**2,
    # ℓ″ = 12ŷ² − 4y²: −4y² at ŷ = 0, and y is unbounded
    curvature_infimum=-inf,
)
"""ℓ = (ŷ² − y²)², the loss of Eq. 1."""


def normalised(a: float = 1.0) -> Loss:
    """Return ℓ = (ŷ² − y²)²/(a + y²), whose curvature is bounded below by −4.

    Raises ``ValueError`` unless 1e-12 ≤ a ≤ 1e90: smaller a leaves |y| ~ √a unresolved by the
    quadrature,
    and above, ℓ ~ 1/a has no square in floating point.
    """
    try:
        return _normalised(number("a", a, *RANGE_OF_A))
    except ValueError as error:
        raise ValueError(f"loss: {error}") from None


RANGE_OF_A = (1e-12, 1e90)


@lru_cache(maxsize=128)  # one object per a, so that theory may cache by loss
def _normalised(a: float) -> Loss:
    return Loss(
        name=f"normalised:a={_digits(a)}",
        # the denominator holds y only, so that ℓ stays quartic in ŷ and its derivatives simple
        value=lambda yhat, y: (yhat**2 - y**2) ** 2 / (a + y**2),
        d1=lambda yhat, y: 4 * yhat * (yhat**2 - y**2) / (a + y**2),
        d2=lambda yhat, y: (12 * yhat**2 - 4 * y**2) / (a + y**2),
        # at ŷ = 0: −4y²/(a + y²) → −4 for large y
        curvature_infimum=-4.0,
    )


def _digits(a: float) -> str:
    """Return a number with the fewest digits that read back as itself."""
    return f"{a:g}" if float(f"{a:g}") == a else repr(float(a))


def _sign(yhat: Array) -> Array:
    # no library's sign(): the same code serves NumPy and JAX, and is 0 at 0
    return (yhat > 0) * 1 - (yhat < 0) * 1


amplitude = Loss(
    name="amplitude",
    value=lambda yhat, y: (abs(yhat) - abs(y)) ** 2,
    # (|ŷ| − |y|) sign ŷ multiplied out: at ŷ = 0 the slope is 0, between its values on both sides
    d1=lambda yhat, y: 2 * yhat - 2 * abs(y) * _sign(yhat),
    # 0 × labels: the shape and precision of what is given
    d2=lambda yhat, y: 2 + 0.0 * (yhat + y),
    # almost everywhere; the delta of weight −4|y| at ŷ = 0 is met by no sample
    curvature_infimum=2.0,
)
"""ℓ = (|ŷ| − |y|)², with a kink at ŷ = 0 that points up.

∂²ℓ/∂ŷ² = 2 − 4|y| δ(ŷ) (V1); ``d2`` is 2, because no sample of a finite design has ŷ = 0. So almost
everywhere the Hessian of Eq. 4 is Σ x xᵀ − μ 1, a Wishart matrix independent of y and W*. Its edge
is (√α − 1)² before −μ; it has no outlier and no BBP transition at any α, neither at the start nor
at the 1RSB states (docs/derivations/losses.md §2). The flow escapes because labels cross the kink
at zero, not because of an eigenvalue.
"""


def loss_from_value(
    value: Pointwise, name: str | None = None, curvature_infimum: float | None = None
) -> Loss:
    """Return the loss ℓ(ŷ, y) = ``value(yhat, y)`` with derivatives by automatic differentiation.

    Parameters
    ----------
    value
        Elementwise arithmetic on arrays: operators and ``jax.numpy`` functions. Even in ŷ and
        in y, zero at ŷ = ±y, nowhere negative; see `gapless.loss_checks.check_law`.
    name
        Name in the records; the function's own name by default.
    curvature_infimum
        inf ∂²ℓ/∂ŷ², ``-inf`` if it is unbounded; estimated on labels up to 1000 by default.

    Raises ``ValueError`` that says which condition is violated, and where.
    """
    # jax loads only for a loss without derivatives of its own: theory starts sooner without it
    from gapless import autodiff

    name = str(getattr(value, "__name__", "loss")) if name is None else name
    if not callable(value):
        raise ValueError(f"loss: must be a function value(yhat, y), not {value!r}")
    ell, d1, d2 = autodiff.derivatives(value)
    loss_checks.check_law(name, (ell, d1, d2))
    # the lowest values on growing ranges of labels, extrapolated if they settle (losses.md §1)
    infimum = autodiff.curvature_infimum(d2) if curvature_infimum is None else curvature_infimum
    return Loss(name, ell, d1, d2, infimum)


def check_consistent(loss: Loss) -> float:
    """Check that ℓ, ℓ′ and ℓ″ are consistent; return the size of ℓ at labels of order one.

    Raises ``ValueError`` unless they are real, finite, elementwise and derivatives of each other
    (`gapless.loss_checks.check_functions`).
    """
    if not isinstance(loss, Loss):
        raise ValueError(
            f"loss: must be a Loss, such as gapless.quartic or parse_loss('quartic'), not {loss!r}"
        )
    return _checked_size(loss)


@lru_cache(maxsize=256)
def _checked_size(loss: Loss) -> float:
    return loss_checks.check_functions(loss.name, loss.functions)


@lru_cache(maxsize=128)  # one object per loss, so that compiled code is kept by it
def divided(loss: Loss, scale: float) -> Loss:
    """Return ℓ/scale; its flow is that of ℓ, with times longer by the factor `scale`."""
    return Loss(
        name=f"{loss.name}/{scale!r}",
        value=_quotient(loss.value, scale),
        d1=_quotient(loss.d1, scale),
        d2=_quotient(loss.d2, scale),
        curvature_infimum=loss.curvature_infimum / scale,
    )


def _quotient(function: Pointwise, scale: float) -> Pointwise:
    def call(yhat: Any, y: Any) -> Any:
        return function(yhat, y) / scale

    # what is JAX's stays known as such
    call.in_both_worlds = getattr(function, "in_both_worlds", False)  # type: ignore[attr-defined]
    return call


def computes_in_numpy(loss: Loss) -> bool:
    """Return whether ℓ and ℓ′ of NumPy's arrays are NumPy's; derivatives of a user's are JAX's."""
    return not any(getattr(f, "in_both_worlds", False) for f in (loss.value, loss.d1))
