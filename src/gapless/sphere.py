"""The sphere of radius √N: states put on it, and vectors made tangent to it."""

from jaxtyping import Float

from gapless.arrays import Array, library


def normalise(w: Float[Array, "K N"]) -> Float[Array, "K N"]:
    """Return W scaled back to the sphere of radius √N."""
    # the factor first, one a run: W is multiplied once, not divided and multiplied
    return w * (w.shape[1] ** 0.5 / library(w).linalg.norm(w, axis=1, keepdims=True))


def tangent(v: Float[Array, "K N"], unit: Float[Array, "K N"]) -> Float[Array, "K N"]:
    """Return P v, v without its part along the unit vectors W/√N."""
    return v - (v * unit).sum(axis=1, keepdims=True) * unit
