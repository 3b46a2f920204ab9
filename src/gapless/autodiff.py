"""Derivatives of a loss given by its value alone, by automatic differentiation.

For JAX arrays (simulation), traced or not, they are ordinary JAX functions. For NumPy arrays
(theory) they compute in float64, are compiled for a few sizes, and return NumPy arrays; the user's
global precision is unchanged.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from gapless.arrays import Pointwise
from gapless.flags import as_ever

CHUNKS = (64, 1024, 16384)
"""Sizes of array for which float64 functions are compiled; larger arrays are split into chunks."""


def derivatives(value: Pointwise) -> tuple[Pointwise, Pointwise, Pointwise]:
    """Return ℓ, ∂ℓ/∂ŷ and ∂²ℓ/∂ŷ² of an elementwise ``value(yhat, y)``, for NumPy and JAX."""

    def d1(yhat: Any, y: Any) -> Any:
        return _slope(value, yhat, y)

    def d2(yhat: Any, y: Any) -> Any:
        return _slope(d1, yhat, y)

    found = in_both_worlds(value), in_both_worlds(d1), in_both_worlds(d2)
    for function in found:
        function.derived_from = value  # type: ignore[attr-defined]
    return found


def _slope(function: Pointwise, yhat: Any, y: Any) -> Any:
    yhat = jnp.asarray(yhat)
    # a directional derivative along ones: elementwise functions have a diagonal Jacobian
    return jax.jvp(lambda h: function(h, y), (yhat,), (jnp.ones_like(yhat),))[1]


def in_both_worlds(function: Pointwise) -> Pointwise:
    """Return ``function`` for JAX arrays, and its compiled float64 version for all others."""
    if getattr(function, "in_both_worlds", False):
        return function
    # theory calls with a few hundred to some 10⁵ labels, thousands of times
    compiled = jax.jit(function)

    def call(yhat: Any, y: Any) -> Any:
        if isinstance(yhat, jax.Array) or isinstance(y, jax.Array):
            return function(yhat, y)
        # float64 whatever comes: theory's quadratures are to agree to 1e-9
        yhat, y = np.broadcast_arrays(np.asarray(yhat, float), np.asarray(y, float))
        flat, found = (yhat.ravel(), y.ravel()), np.empty(yhat.size)
        # few sizes, each compiled once: labels are padded to them
        chunk = next((one for one in CHUNKS if one >= yhat.size), CHUNKS[-1])
        with as_ever(), jax.enable_x64(True):
            for first in range(0, yhat.size, chunk):
                part = [a[first : first + chunk] for a in flat]
                image = np.asarray(compiled(*(_filled(a, chunk) for a in part)))
                if image.dtype.kind == "c":
                    raise ValueError("a loss is a real number, this one is complex")
                if image.shape != (chunk,):
                    # a loss may return a constant curvature
                    image = np.broadcast_to(image, (chunk,))
                found[first : first + chunk] = image[: part[0].size]
        return found.reshape(yhat.shape)

    call.in_both_worlds = True  # type: ignore[attr-defined]
    call.__wrapped__ = function  # type: ignore[attr-defined]
    return call


def _filled(labels: np.ndarray, size: int) -> np.ndarray:
    """Return the labels, padded to ``size`` with copies of the last one."""
    if labels.size == size:
        return labels
    padded = np.empty(size)
    padded[: labels.size], padded[labels.size :] = labels, labels[-1]
    return padded


def curvature_infimum(d2: Pointwise) -> float:
    """Estimate inf ∂²ℓ/∂ŷ² over labels up to 1000; −∞ where it decreases there like a power.

    The differences of the lowest values within 10, 100 and 1000 decrease if the curvature is
    bounded, and the values are then extrapolated as a geometric sequence; otherwise they increase.
    The lowest point is refined.
    """
    # by factors: an infimum may be a limit at 0 or ∞
    magnitudes = np.concatenate([[0.0], np.geomspace(1e-4, 1e3, 211)])
    yhat, y = (a.ravel() for a in np.meshgrid(magnitudes, magnitudes, indexing="ij"))
    # a well about ŷ = y that gets narrower like 1/y would fall between these
    close = magnitudes[1:, None] + np.linspace(-3, 3, 25) / np.maximum(magnitudes[1:, None], 1)
    yhat = np.concatenate([yhat, np.abs(close).ravel()])
    y = np.concatenate([y, np.repeat(magnitudes[1:], close.shape[1])])
    found = d2(yhat, y)
    reach = np.maximum(yhat, y)
    near, middle, far = (float(found[reach <= r * (1 + 1e-9)].min()) for r in (10, 100, 1000))
    fall, last = near - middle, middle - far
    scale = float(np.median(np.abs(found)))
    small = 1e-12 * (scale + abs(far))
    # from 100 to 1000 half as much as from 10 to 100, or more: a power or a logarithm
    if last > max(0.5 * fall, small):
        return -np.inf
    if last > small:
        # the sum of the geometric sequence that goes on
        return far - last * last / (fall - last)
    k = int(found.argmin())
    # its tolerances are absolute: in the loss's own unit
    scale = max(scale, abs(far))
    best = minimize(
        lambda p: float(d2(p[:1], p[1:])[0]) / scale, [yhat[k], y[k]], method="Nelder-Mead"
    )
    return min(far, float(best.fun) * scale)
