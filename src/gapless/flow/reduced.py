"""The flow projected on a few directions, ċ = g − Pc + n(c), solved over a step by collocation.

Its linear part is solved exactly, in terms of φ functions; n(c(s)), which begins like s², is a
polynomial through its values at `NODES` of the step, found by iteration.

Source: M. Hochbruck, A. Ostermann, "Exponential integrators", Acta Numerica 19 (2010) 209–286,
§2.2 (exponential collocation).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

NODES = np.array([1.0, 2.0, 3.0]) / 3
"""Where the nonlinear force is evaluated, in units of the step."""
POWERS = 2 + np.arange(len(NODES))
SWEEPS = 6
"""Iterations of the collocation equations, at most."""
_LARGEST = 50.0
"""Exponents are cut here: no step goes so far along an unstable direction."""
_BEYOND = 1e30
"""A force that is not finite is this: no step is then short enough to be kept."""
_VALUES = NODES[:, None] ** POWERS
_FIT, _COARSE_FIT = np.linalg.inv(_VALUES), np.linalg.pinv(_VALUES[:, :-1])
_GAUSS = np.polynomial.legendre.leggauss(16)

Force = Callable[[np.ndarray], np.ndarray]


class Solution(NamedTuple):
    """The end of a step."""

    c: Float[np.ndarray, "K B"]
    remainder: Float[np.ndarray, "K q B"]
    """n at the nodes: what the next iteration starts from."""
    change: np.ndarray
    """How much the last iteration moved c, (K,)."""
    roughness: np.ndarray
    """How much c moves when n is a polynomial of one degree less, (K,)."""


@dataclass(frozen=True)
class Reduced:
    """K projected flows: P = U diag(θ) Uᵀ and g."""

    nodes: Float[np.ndarray, "K B"]
    vectors: Float[np.ndarray, "K B B"]
    start: Float[np.ndarray, "K B"]

    @classmethod
    def of(cls, hessian: Float[np.ndarray, "K B B"], start: Float[np.ndarray, "K B"]) -> "Reduced":
        """Return the flows of P (of which the lower triangle is read) and g."""
        theta, vectors = np.linalg.eigh(hessian)
        return cls(theta, vectors, start)

    def solve(
        self, h: np.ndarray, remainder: Float[np.ndarray, "K q B"], force: Force, close: np.ndarray
    ) -> Solution:
        """Return c(h).

        Parameters
        ----------
        h
            Lengths of the steps, (K,).
        remainder
            A guess of n at the nodes.
        force
            c, (K, q, B) → ċ.
        close
            Change of c below which the iteration ends, (K,), run by run.
        """
        a = np.clip(h[:, None] * self.nodes, -_LARGEST, None)
        moments = np.stack([_moments(a, x) for x in NODES], axis=1)  # (K, q, powers + 1, B)
        amplitude = self._to_eigen(self.start[:, None])
        linear = moments[:, :, 0] * amplitude
        weights = moments[:, :, 1:]

        def path(remainder: np.ndarray, fit: np.ndarray) -> np.ndarray:
            powers = np.einsum("pq,kqb->kpb", fit, self._to_eigen(remainder))
            bent = np.einsum("kqpb,kpb->kqb", weights[:, :, : len(fit)], powers)
            return self._from_eigen(h[:, None, None] * (linear + bent))

        c = path(remainder, _FIT)
        change = np.full(len(h), np.inf)
        for _ in range(SWEEPS):
            # a run that is done is left alone, so that it does not depend on its company
            moves = (change > close)[:, None, None]
            if not moves.any():
                break
            bent = force(c) - (self.start[:, None] - self._applied(c))
            bent = np.nan_to_num(bent, posinf=_BEYOND, neginf=-_BEYOND)
            remainder = np.where(moves, bent, remainder)
            before, c = c, np.where(moves, path(remainder, _FIT), c)
            moved = np.linalg.norm((c - before)[:, -1], axis=1)
            change = np.where(moves[:, 0, 0], moved, change)
        rough = np.linalg.norm((path(remainder, _COARSE_FIT) - c)[:, -1], axis=1)
        return Solution(c[:, -1], remainder, change, rough)

    def rest(self, speed2: float) -> np.ndarray:
        """Return when |ċ|² of the linear flow falls to `speed2`, (K,); infinite if it rises."""
        weights = self._to_eigen(self.start[:, None])[:, 0] ** 2
        bound = self.nodes.min(axis=1)
        sure = bound > 0
        ratio = np.maximum(weights.sum(axis=1) / max(speed2, 1e-300), 1)
        high = np.where(sure, np.log(ratio) / (2 * np.where(sure, bound, 1)), 0)
        low = np.zeros_like(high)
        for _ in range(40):
            middle = (low + high) / 2
            decay = np.exp(-2 * np.maximum(self.nodes, 0) * middle[:, None])
            fast = (weights * decay).sum(axis=1) > speed2
            low, high = np.where(fast, middle, low), np.where(fast, high, middle)
        return np.where(sure, high, np.inf)

    def _applied(self, c: Float[np.ndarray, "K q B"]) -> np.ndarray:
        """Return P c."""
        return self._from_eigen(self.nodes[:, None] * self._to_eigen(c))

    def _to_eigen(self, v: Float[np.ndarray, "K q B"]) -> np.ndarray:
        return v @ self.vectors

    def _from_eigen(self, v: Float[np.ndarray, "K q B"]) -> np.ndarray:
        return v @ self.vectors.swapaxes(1, 2)


def phi1(rate: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Return h φ₁(−h rate) = (1 − exp(−h rate))/rate: what a steady force does until h."""
    a = np.clip(rate * h, -_LARGEST, None)
    small = np.abs(a) < 1e-6
    return h * np.where(small, 1 - a / 2, -np.expm1(-a) / np.where(small, 1, a))


def _moments(a: np.ndarray, x: float) -> np.ndarray:
    """Return ∫₀ˣ exp(−(x − v) a) v^p dv for p = 0 and `POWERS`, (K, 1 + len(POWERS), B).

    By Gauss's rule where a x is below 10, and by parts, J_p = (x^p − p J_{p−1})/a, above.
    """
    points, weights = (1 + _GAUSS[0]) * x / 2, _GAUSS[1] * x / 2
    most = int(POWERS[-1])
    slow = a * x < 10
    decay = np.exp(-np.where(slow, a, 0)[..., None] * (x - points))
    smooth = np.stack([(decay * points**p) @ weights for p in range(most + 1)], axis=1)
    fast = np.where(slow, 10 / x, a)
    parts = [-np.expm1(-fast * x) / fast]
    for p in range(1, most + 1):
        parts.append((x**p - p * parts[-1]) / fast)
    found = np.where(slow[:, None], smooth, np.stack(parts, axis=1))
    return found[:, [0, *POWERS]]
