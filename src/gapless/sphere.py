"""The sphere of radius √N: states put on it, vectors made tangent to it, overlaps."""

from jaxtyping import Float

from gapless.arrays import Array, compiled, library


def normalise(w: Float[Array, "K N"]) -> Float[Array, "K N"]:
    """Return W scaled back to the sphere of radius √N."""
    # the factor first, one a run: W is multiplied once, not divided and multiplied
    return w * (w.shape[1] ** 0.5 / library(w).linalg.norm(w, axis=1, keepdims=True))


def tangent(v: Float[Array, "K N"], unit: Float[Array, "K N"]) -> Float[Array, "K N"]:
    """Return P v, v without its part along the unit vectors W/√N."""
    return v - (v * unit).sum(axis=1, keepdims=True) * unit


@compiled()
def cosine(a: Float[Array, "K N"], b: Float[Array, "K N"]) -> Float[Array, " K"]:
    """Return ⟨a, b⟩/(|a||b|), run by run, between −1 and 1."""
    xp = library(a)
    # both norms: W is on the sphere only up to rounding
    norms = xp.sqrt(dot(a, a) * dot(b, b))
    # rounding may pass 1 near the signal, where 1 − |q| is what is asked for
    return xp.clip(dot(a, b) / norms, -1, 1)


def dot(a: Float[Array, "K N"], b: Float[Array, "K N"]) -> Float[Array, " K"]:
    """Return ⟨a, b⟩, run by run."""
    # as a matrix product it would make K² numbers of which K are wanted
    return (a * b).sum(axis=1)
