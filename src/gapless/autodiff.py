"""A loss of `value` alone: its derivatives by automatic differentiation, and what it must obey.

The derivatives serve both worlds. Inside a simulation (JAX arrays, traced or not) they are JAX
functions like any other. Given NumPy arrays (theory) they compute in float64, compiled for a few
sizes, and return NumPy arrays; the user's global precision is untouched.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from gapless.flags import as_ever

Pointwise = Callable[[Any, Any], Any]

CHUNKS = (64, 1024, 16384)
"""Sizes of array that the float64 functions are compiled for; larger arrays go chunk by chunk."""
FARTHEST_STUDENT, FARTHEST_TEACHER = 1e3, 10.0
"""Labels at which theory evaluates a loss: the scan for the end of the support of P(ŷ | y), and
the last teacher's label of the quadrature."""


def derivatives(value: Pointwise) -> tuple[Pointwise, Pointwise, Pointwise]:
    """Return ℓ, ∂ℓ/∂ŷ and ∂²ℓ/∂ŷ² of an elementwise ``value(yhat, y)``, for NumPy and JAX."""

    def d1(yhat: Any, y: Any) -> Any:
        return _slope(value, yhat, y)

    def d2(yhat: Any, y: Any) -> Any:
        return _slope(d1, yhat, y)

    return _either(value), _either(d1), _either(d2)


def _slope(function: Pointwise, yhat: Any, y: Any) -> Any:
    yhat = jnp.asarray(yhat)
    return jax.jvp(lambda h: function(h, y), (yhat,), (jnp.ones_like(yhat),))[1]


def _either(function: Pointwise) -> Pointwise:
    """Return ``function`` for JAX arrays, its compiled float64 twin for everything else."""
    compiled = jax.jit(function)

    def call(yhat: Any, y: Any) -> Any:
        if isinstance(yhat, jax.Array) or isinstance(y, jax.Array):
            return function(yhat, y)
        yhat, y = np.broadcast_arrays(np.asarray(yhat, float), np.asarray(y, float))
        flat, found = (yhat.ravel(), y.ravel()), np.empty(yhat.size)
        size = next((size for size in CHUNKS if size >= yhat.size), CHUNKS[-1])
        with as_ever(), jax.enable_x64(True):
            for first in range(0, yhat.size, size):
                part = [a[first : first + size] for a in flat]
                image = np.asarray(compiled(*(_filled(a, size) for a in part)))
                found[first : first + size] = image[: part[0].size]
        return found.reshape(yhat.shape)

    return call


def _filled(labels: np.ndarray, size: int) -> np.ndarray:
    """Return the labels and copies of the last one up to ``size``: harmless wherever that is."""
    if labels.size == size:
        return labels
    padded = np.empty(size)
    padded[: labels.size], padded[labels.size :] = labels, labels[-1]
    return padded


def check_loss(name: str, value: Pointwise, d1: Pointwise, d2: Pointwise) -> None:
    """Raise ``ValueError`` where a loss is not one that the laboratory can treat.

    Checked on labels up to |ŷ| = 1000, |y| = 10: it is elementwise; value and derivatives are
    finite; even in ŷ and in y; zero at ŷ = ±y and nowhere negative (a run has recovered when its
    energy vanishes); no cusp at ŷ = 0 that points down (it would hold labels at zero); and no jump
    of ∂ℓ/∂ŷ at ŷ = y (the Hessian at a solution would be infinite). A kink that points up at
    ŷ = 0, like the amplitude loss has, is allowed. Other jumps of the slope are not looked for.
    """
    size = np.concatenate([[0.0], np.geomspace(1e-3, FARTHEST_STUDENT, 61)])
    y = np.concatenate([[0.0], np.geomspace(1e-3, FARTHEST_TEACHER, 40)])
    here, there = size[:, None] + 0 * y, y + 0 * size[:, None]
    try:
        functions = {"value": value, "∂ℓ/∂ŷ": d1, "∂²ℓ/∂ŷ²": d2}
        computed = {what: function(here, there) for what, function in functions.items()}
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"loss: {name} must be elementwise arithmetic on arrays, value(yhat, y), made of "
            f"operators and jax.numpy; evaluating it raised {type(error).__name__}: {reason}"
        ) from None
    for what, found in computed.items():
        if not np.isfinite(found).all():
            i, j = np.argwhere(~np.isfinite(found))[0]
            raise ValueError(
                f"loss: the {what} of {name} is not finite at ŷ={size[i]:g}, y={y[j]:g}; write it "
                "so that large labels do not overflow and square roots stay off zero"
            )
    ell = computed["value"]
    close = 1e-9 * (1 + np.abs(ell))
    for sign, mirrored in (("ŷ", value(-here, there)), ("y", value(here, -there))):
        if (np.abs(mirrored - ell) > close).any():
            raise ValueError(f"loss: {name} must be even in {sign}; labels carry no sign here")
    # the values themselves are sums of terms as large as ℓ(0, y)
    rounding = 1e-12 * (1 + np.abs(ell[0]))
    if (np.abs(value(y, y)) > rounding).any() or (ell < -rounding).any():
        raise ValueError(
            f"loss: {name} must vanish at ŷ = ±y and be nowhere negative: a run has recovered "
            "when its energy is zero"
        )
    near = 1e-6
    curved = 1 + np.abs(computed["∂²ℓ/∂ŷ²"][0])
    if (d1(near + 0 * y, y) > 10 * near * curved).any():
        raise ValueError(f"loss: {name} has a cusp at ŷ = 0 that points down, which is not covered")
    inner = y[y > 0.1]
    ahead, behind = (d1(inner + s * near, inner) for s in (1, -1))
    smooth = 10 * near * (1 + sum(np.abs(d2(inner + s * near, inner)) for s in (1, -1)))
    if (np.abs(ahead - behind) > smooth).any():
        raise ValueError(
            f"loss: the slope of {name} jumps at ŷ = y, so its second derivative is infinite there"
        )


def curvature_infimum(d2: Pointwise) -> float:
    """Estimate inf ∂²ℓ/∂ŷ² over labels up to 1000; −∞ where it still falls there like a power.

    The lowest values within 10, 100 and 1000 either differ ever less (bounded: they are
    extrapolated as a geometric sequence) or ever more. The best point is then polished.
    """
    size = np.concatenate([[0.0], np.geomspace(1e-4, 1e3, 211)])
    yhat, y = (a.ravel() for a in np.meshgrid(size, size, indexing="ij"))
    found = d2(yhat, y)
    reach = np.maximum(yhat, y)
    near, middle, far = (float(found[reach <= r * (1 + 1e-9)].min()) for r in (10, 100, 1000))
    fall, last = near - middle, middle - far
    small = 1e-12 * (1 + abs(far))
    if last > max(0.5 * fall, small):
        return -np.inf
    if last > small:
        return far - last * last / (fall - last)
    k = int(found.argmin())
    best = minimize(lambda p: float(d2(p[:1], p[1:])[0]), [yhat[k], y[k]], method="Nelder-Mead")
    return min(far, float(best.fun))
