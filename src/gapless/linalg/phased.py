"""Products with complex sensing vectors, in real numbers (docs/derivations/complex.md §1).

A complex vector is its real and imaginary parts, one after the other: v = (Re v, Im v), 2N real
numbers. One row u = (Re x, Im x) of X has then two readings of a vector,

    Re⟨x, v⟩ = u · v,   Im⟨x, v⟩ = u · (−iv),

so X is stored once, (M, 2N), and a product with a complex vector is one with two real ones.
"""

from dataclasses import dataclass

import numpy as np

from gapless.arrays import Array, library, pytree
from gapless.linalg.products import times, times_transpose
from gapless.shapes import Float


def times_i(v: Float[Array, "... N"]) -> Float[Array, "... N"]:
    """Return iv = (−Im v, Re v)."""
    half = v.shape[-1] // 2
    return library(v).concatenate([-v[..., half:], v[..., :half]], axis=-1)


def both_readings(v: Float[Array, "K N"]) -> Float[Array, "K 2 N"]:
    """Return the vectors v and −iv, whose products with u are both readings of v."""
    return library(v).stack([v, -times_i(v)], axis=1)


def readings(v: Float[Array, "K N"], x: Float[Array, "M N"]) -> Float[Array, "K 2 M"]:
    """Return Re⟨x_m, v⟩ and Im⟨x_m, v⟩ of K vectors."""
    runs, n = v.shape
    return times_transpose(both_readings(v).reshape(2 * runs, n), x).reshape(runs, 2, x.shape[0])


@pytree(data=["sensing", "weight", "shift"])
@dataclass(frozen=True, eq=False)
class PhasedGram:
    """The K operators Σ_m (u, iu) B (u, iu)ᵀ + s 1, B a symmetric 2 × 2 matrix for each sample.

    Parameters
    ----------
    sensing : (M, 2N)
        Rows u = (Re x, Im x).
    weight : (K, 3, M)
        B₁₁, B₁₂ and B₂₂: weights of the readings Re⟨x, v⟩ and Im⟨x, v⟩.
    shift : (K,)
        s.
    """

    sensing: Float[Array, "M N"]
    weight: Float[Array, "K 3 M"]
    shift: Float[Array, " K"]

    def __call__(self, v: Float[Array, "K p N"]) -> Float[Array, "K p N"]:
        """Return Σ_m (u, iu) B (u, iu)ᵀ v + s v."""
        (runs, p, n), m = v.shape, self.weight.shape[2]
        both = readings(v.reshape(runs * p, n), self.sensing).reshape(runs, p, 2, m)
        first, mixed, second = (self.weight[:, None, j] for j in range(3))
        re, im = both[:, :, 0], both[:, :, 1]
        xp = library(v)
        forces = xp.stack([first * re + mixed * im, mixed * re + second * im], axis=2)
        total = times(forces.reshape(2 * runs * p, m), self.sensing).reshape(runs, p, 2, n)
        return total[:, :, 0] + times_i(total[:, :, 1]) + self.shift[:, None, None] * v

    @property
    def moments(self) -> tuple[Float[Array, " K"], Float[Array, " K"]]:
        """Mean and variance of the bulk before the shift: αE of tr B/2 and tr B²/2."""
        first, mixed, second = (self.weight[:, j] for j in range(3))
        square = first**2 + 2 * mixed**2 + second**2
        n = self.sensing.shape[1]
        return (first + second).sum(axis=1) / n, square.sum(axis=1) / n

    def of_run(self, run: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rows r and weights w with Σ w r rᵀ + s 1 one run's matrix: 2M of them.

        The rows of a sample are u and iu, turned by the angle that makes B diagonal.
        """
        u = np.asarray(self.sensing)
        first, mixed, second = np.asarray(self.weight[run])
        u = u.astype(first.dtype, copy=False)
        angle = np.arctan2(2 * mixed, first - second) / 2
        cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
        rows = np.concatenate([cosine * u + sine * times_i(u), cosine * times_i(u) - sine * u])
        half, spread = (first + second) / 2, np.hypot((first - second) / 2, mixed)
        return rows, np.concatenate([half + spread, half - spread])
