"""The sphere of radius √N, or no constraint: states put there, vectors made tangent, overlaps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from gapless.arrays import Array, compiled, library
from gapless.shapes import Float


def normalise(w: Float[Array, "K N"]) -> Float[Array, "K N"]:
    """Return W scaled back to the sphere of radius √N."""
    # the factor first, one a run: W is multiplied once, not divided and multiplied
    return w * (w.shape[1] ** 0.5 / library(w).linalg.norm(w, axis=1, keepdims=True))


def tangent(v: Float[Array, "K N"], unit: Float[Array, "K N"]) -> Float[Array, "K N"]:
    """Return P v, v without its part along the unit vectors W/√N."""
    return v - (v * unit).sum(axis=1, keepdims=True) * unit


class Domain(ABC):
    """Set of the states W, with its retraction, tangent space and multiplier."""

    @abstractmethod
    def retract(self, w: Float[Array, "K N"]) -> Float[Array, "K N"]:
        """Return W put back into the domain after a step."""

    @abstractmethod
    def tangent(self, v: Float[Array, "K N"], unit: Float[Array, "K N"]) -> Float[Array, "K N"]:
        """Return v without the part that leaves the domain at W, `unit` being W/√N."""

    @abstractmethod
    def multiplier(
        self, radial: Float[Array, " K"], square: Float[Array, " K"] | float
    ) -> Float[Array, " K"]:
        """Return μ such that ∇L − μW is tangent, for ⟨∇L, W⟩ and |W|²."""

    @abstractmethod
    def mean_square(self, w: Float[Array, "K N"]) -> Float[Array, " K"]:
        """Return ρ = |W|²/N of states in the domain."""


@dataclass(frozen=True)
class Sphere(Domain):
    """The sphere |W|² = N of Eq. 2, whose constraint has the multiplier μ of Eq. 3."""

    def retract(self, w: Float[Array, "K N"]) -> Float[Array, "K N"]:
        """Return W scaled back to the sphere."""
        return normalise(w)

    def tangent(self, v: Float[Array, "K N"], unit: Float[Array, "K N"]) -> Float[Array, "K N"]:
        """Return P v, v without its part along W."""
        return tangent(v, unit)

    def multiplier(
        self, radial: Float[Array, " K"], square: Float[Array, " K"] | float
    ) -> Float[Array, " K"]:
        """Return μ = ⟨∇L, W⟩/|W|²."""
        return radial / square

    def mean_square(self, w: Float[Array, "K N"]) -> Float[Array, " K"]:
        """Return ρ = 1 exactly, the constraint and not its rounding."""
        return library(w).ones(len(w), w.dtype)


@dataclass(frozen=True)
class Space(Domain):
    """All of R^N: Ẇ = −∇L, with no multiplier and no division (Wirtinger flow's dynamics)."""

    def retract(self, w: Float[Array, "K N"]) -> Float[Array, "K N"]:
        """Return W unchanged."""
        return w

    def tangent(self, v: Float[Array, "K N"], unit: Float[Array, "K N"]) -> Float[Array, "K N"]:
        """Return v unchanged."""
        del unit
        return v

    def multiplier(
        self, radial: Float[Array, " K"], square: Float[Array, " K"] | float
    ) -> Float[Array, " K"]:
        """Return μ = 0."""
        del square
        return library(radial).zeros_like(radial)

    def mean_square(self, w: Float[Array, "K N"]) -> Float[Array, " K"]:
        """Return ρ = |W|²/N, which the flow changes."""
        return dot(w, w) / w.shape[1]


SPHERE, SPACE = Sphere(), Space()


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
