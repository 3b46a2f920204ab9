"""The sphere of radius √N: states put on it, and vectors made tangent to it."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def normalise(w: Float[Array, "K N"]) -> Float[Array, "K N"]:
    """Return W scaled back to the sphere of radius √N."""
    return w * (w.shape[1] ** 0.5 / jnp.linalg.norm(w, axis=1, keepdims=True))


def tangent(v: Float[Array, "K N"], unit: Float[Array, "K N"]) -> Float[Array, "K N"]:
    """Return P v, v without its part along the unit vectors W/√N."""
    return v - (v * unit).sum(axis=1, keepdims=True) * unit
