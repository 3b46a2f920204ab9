"""The slow part of a descent, in exponential steps: each solves the flow linearised where it is.

A run that rests, or lingers at a saddle, moves along soft directions, and the stiff ones allow an
explicit method but short steps. In the chart δ ⊥ W₀, W = √N (W₀ + δ)/|W₀ + δ|, the flow is

    δ̇ = G(δ) = V − Aδ + O(|V| |δ| + δ²),   A = P H P at W₀ (Eq. 4),

whose linear part a Krylov space of A and V holds for all times at once: δ(h) = h φ₁(−hA) V with
φ₁(z) = (eᶻ − 1)/z. That is the exponential Rosenbrock–Euler method, of order 2; nothing bounds
its step but what the linear flow leaves out. The velocity where the step ends, which the next
step needs anyway, tells how much that was: d = G(δ) − δ̇, and the error is about
2h φ₃(−hA) d = (1/3 − hA/12 + …) h d. A negative eigenvalue of A, at a saddle, is nothing special.

Source: M. Hochbruck, A. Ostermann, "Exponential integrators", Acta Numerica 19 (2010) 209–286,
§2.4 (method), §4.2 (Krylov approximations of φ functions).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from gapless.flow.steppers import normalise
from gapless.flow.stepping import State, energy_rounding, is_finite, velocity_rounding
from gapless.linalg import WeightedGram
from gapless.linalg.lanczos import begin, extend, ritz
from gapless.problem import Evaluation, Problem

MOST_PRODUCTS = 64
"""Lanczos steps in one step of the flow, at most."""
CHUNKS = (4, 2, 2, 4, 4, 8, 8, 16, 16)
"""Lanczos steps between two looks at how far the space reaches."""
RELATIVE = 0.2
"""Error of a step relative to how far it goes: what is left of the way is never lost in it."""
TRIALS = 12
"""Times that a step is shortened before the run is given back."""


class Moved(NamedTuple):
    """Where steps from a state end."""

    w: Float[Array, "K N"]
    here: Evaluation
    inside: Float[Array, "K B"]
    """The defect d in the Krylov basis."""
    outside: Float[Array, " K"]
    """The norm of what is left of d."""


@dataclass(frozen=True)
class Space:
    """K Krylov spaces of S dimensions, diagonalised; all norms are |·|, not |·|/√N."""

    nodes: np.ndarray
    """θ, (K, S)."""
    vectors: np.ndarray
    """Eigenvectors of the projected operators, (K, S, S)."""
    coupling: np.ndarray
    """What the last product had outside the space, (K,)."""
    speed: np.ndarray
    """|V|, (K,)."""

    @property
    def amplitude(self) -> np.ndarray:
        """Return |V| c, V in terms of the eigenvectors."""
        return self.speed[:, None] * self.vectors[:, 0, :]

    def path(self, h: np.ndarray) -> np.ndarray:
        """Return δ(h) in the Krylov basis, (K, S)."""
        return self._from_eigen(self.amplitude * _phi1(self.nodes, h[:, None]))

    def velocity(self, h: np.ndarray) -> np.ndarray:
        """Return δ̇(h) in the Krylov basis, (K, S)."""
        decay = np.exp(-np.clip(self.nodes * h[:, None], -_LARGEST, None))
        return self._from_eigen(self.amplitude * decay)

    def truncation(self, h: np.ndarray) -> np.ndarray:
        """Return the error of δ(h) because the space ends: its defect is coupling × last row."""
        return np.minimum(h, 3 / np.maximum(self.coupling, 1e-30)) * self.last(h) / 3

    def last(self, h: np.ndarray) -> np.ndarray:
        """Return the defect of δ(h) in the linear flow: coupling × the last component."""
        return self.coupling * np.abs(self.path(h)[:, -1])

    def error(self, h: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
        """Return |2h φ₃(−hA) d|; outside the space A is taken for its mean."""
        within = np.einsum("kij,ki->kj", self.vectors, inside) * _weight(self.nodes, h[:, None])
        beyond = outside * _weight(self.nodes.mean(axis=1), h)
        return np.hypot(np.linalg.norm(within, axis=1), beyond)

    def rest(self, speed2: float) -> np.ndarray:
        """Return when |δ̇|² falls to `speed2`, (K,); infinite where A is not positive."""
        bound = self.nodes.min(axis=1)
        late = np.full(len(bound), np.inf)
        sure = bound > 0
        ratio = np.maximum(self.speed**2 / max(speed2, 1e-300), 1)
        high = np.where(sure, np.log(ratio) / (2 * np.where(sure, bound, 1)), 0)
        low = np.zeros_like(high)
        for _ in range(40):
            middle = (low + high) / 2
            fast = (self.velocity(middle) ** 2).sum(axis=1) > speed2
            low, high = np.where(fast, middle, low), np.where(fast, high, middle)
        late[sure] = high[sure]
        return late

    def _from_eigen(self, values: np.ndarray) -> np.ndarray:
        return np.einsum("kij,kj->ki", self.vectors, values)


_LARGEST = 50.0


def _phi1(theta: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Return h φ₁(−hθ) = (1 − exp(−hθ))/θ."""
    a = np.clip(h * theta, -_LARGEST, None)
    small = np.abs(a) < 1e-6
    return h * np.where(small, 1 - a / 2, -np.expm1(-a) / np.where(small, 1, a))


def _weight(theta: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Return 2h φ₃(−hθ) = 2h (a − 1 + e⁻ᵃ − a²/2)/(−a³), a = hθ: h/3 for slow, 1/θ for fast."""
    a = np.clip(h * theta, -_LARGEST, None)
    small = np.abs(a) < 0.05
    safe = np.where(small, 1, a)
    series = (1 - a / 4 + a**2 / 20) / 3
    return h * np.where(small, series, 2 * (np.exp(-a) - 1 + a - a**2 / 2) / -(safe**3))


class Step(NamedTuple):
    """What a step came to."""

    moved: Moved
    h: np.ndarray
    share: np.ndarray
    """Its error in units of what is allowed."""
    made: np.ndarray
    """Which runs took it."""
    products: int
    """Gradients and Hessian products that it took."""

    bend: np.ndarray
    """Error × |V|/|δ|³, which is nearly the same for the next step."""


def exponential_step(
    problem: Problem,
    state: State,
    going: np.ndarray,
    most: np.ndarray,
    bend: np.ndarray,
    tolerated: np.ndarray,
    rest2: float,
) -> Step:
    """Take one exponential step of every run that is `going`.

    Parameters
    ----------
    most, bend
        Longest steps to take, (K,), and what the step before found. They come out shorter where
        the error, or the energy, or the dimension of the space asks for it.
    tolerated
        Norm that the error may have, (K,); it is kept below `RELATIVE` of the step, too.
    rest2
        |V|² at which a run is at rest: no step goes past it.
    """
    operator, start = _linear(problem, state)
    n = problem.n
    size = min(MOST_PRODUCTS, n - 1)
    process = begin(start[:, None], size)
    speed = np.sqrt(n * np.asarray(state.speed2, float))
    noise = np.asarray(velocity_rounding(problem)) * n**0.5
    filled, best = 0, -np.inf
    while True:
        more = min(CHUNKS[min(_chunk(filled), len(CHUNKS) - 1)], size - filled)
        process, filled = extend(operator, process, more), filled + more
        theta, vectors = ritz(process, filled)
        space = Space(theta, vectors, np.abs(np.asarray(process.coupling, float))[:, 0, 0], speed)
        rest = space.rest(rest2)
        goal = np.where(going, np.minimum(most, rest), 0.0)
        goal = _within(goal, partial(_too_bent, space, bend, tolerated))
        left = np.where(goal < rest, np.inf, 0.5 * rest2**0.5)
        h = _within(goal, partial(_cut_short, space, goal, left, tolerated))
        gain = np.log(np.maximum(h[going], 1e-300)).mean() - np.log(filled + 1)
        if (h[going] >= goal[going]).all() or filled == size or gain < best:
            break
        best = gain
    products = filled
    made, moved = np.zeros_like(going), None
    share = allowed = np.full(len(h), np.inf)
    for _ in range(TRIALS):
        moved = _arrive(problem, state, process.basis, *_padded(space, h, size + 1), filled)
        products += 1
        inside = np.asarray(moved.inside, float)[:, :filled]
        error = space.error(h, inside, np.asarray(moved.outside, float))
        slack = 3 * noise * _weight(np.maximum(space.nodes.min(axis=1), 0), h)
        allowed = np.maximum(_allowed(space, h, tolerated), slack) + np.finfo(float).tiny
        share = error / allowed
        energy = np.asarray(state.energy, float)
        lower = np.asarray(moved.here.energy) <= energy + np.asarray(
            energy_rounding(problem, state.energy)
        )
        fine = np.asarray(is_finite(moved.here)) & np.isfinite(share)
        made = going & fine & (share <= 1) & lower
        if made[going].all():
            break
        shorter = np.clip(0.9 / np.sqrt(np.where(fine, np.maximum(share, 1e-9), 1e9)), 0.1, 0.7)
        h = np.where(made | ~going, h, h * shorter)
    assert moved is not None
    way = np.where(made, np.linalg.norm(space.path(h), axis=1), 1)
    return Step(moved, h, share, made, products, share * allowed * speed / way**3)


def _chunk(filled: int) -> int:
    return int(np.searchsorted(np.cumsum(CHUNKS), filled, side="right"))


def _within(h: np.ndarray, too_far: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return h, shortened by factors of 0.8 where it is too far."""
    for _ in range(60):
        far = too_far(h) & (h > 0)
        if not far.any():
            break
        h = np.where(far, 0.8 * h, h)
    return h


def _allowed(space: Space, h: np.ndarray, tolerated: np.ndarray) -> np.ndarray:
    """Return what the error of a step of length h may be, (K,)."""
    return np.minimum(tolerated, RELATIVE * np.linalg.norm(space.path(h), axis=1))


def _cut_short(
    space: Space, goal: np.ndarray, left: np.ndarray, tolerated: np.ndarray, h: np.ndarray
) -> np.ndarray:
    """Return where the space ends too early for h, or leaves more speed than `left` at a goal."""
    truncated = space.truncation(h) > 0.3 * _allowed(space, h, tolerated)
    return truncated | ((h == goal) & (space.last(h) > left))


def _too_bent(space: Space, bend: np.ndarray, tolerated: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Return where what the linear flow leaves out of a step of length h is likely too much."""
    way = np.linalg.norm(space.path(h), axis=1)
    speed = np.maximum(space.speed, np.finfo(float).tiny)
    return bend * way**3 / speed > 0.7 * _allowed(space, h, tolerated)


def _padded(space: Space, h: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    rest = ((0, 0), (0, size - space.nodes.shape[1]))
    return np.pad(space.path(h), rest), np.pad(space.velocity(h), rest)


@jax.jit
def _linear(problem: Problem, state: State):
    """Return P H P at W and the velocity (or, for a run that has none, any vector)."""
    w = state.w
    curvature = problem.loss.d2(problem.student_labels(w), problem.labels) / 2
    hessian = WeightedGram(problem.sensing, curvature, -state.mu)
    unit = w / problem.n**0.5
    still = (state.speed2 == 0) | ~jnp.isfinite(state.speed2)
    start = tangent(jnp.where(still[:, None], 1, state.velocity), unit)
    return jax.tree_util.Partial(tangent_product, hessian, unit), start


def tangent(v: Float[Array, "K N"], unit: Float[Array, "K N"]) -> Float[Array, "K N"]:
    """Return P v, v without its part along the unit vectors."""
    return v - (v * unit).sum(axis=1, keepdims=True) * unit


def tangent_product(
    hessian: WeightedGram, unit: Float[Array, "K N"], v: Float[Array, "K p N"]
) -> Float[Array, "K p N"]:
    """Return P H P v."""
    project = jax.vmap(partial(tangent, unit=unit), in_axes=1, out_axes=1)
    return project(hessian(project(v)))


@jax.jit
def _arrive(
    problem: Problem,
    state: State,
    basis: Float[Array, "K B N"],
    path: Float[Array, "K B"],
    velocity: Float[Array, "K B"],
    filled: Array | int,
) -> Moved:
    """Return the ends of the steps, with what the linear flow left out there."""
    dtype = state.w.dtype
    used = jnp.arange(basis.shape[1])[None, :, None] < filled
    basis = jnp.where(used, basis, 0)
    delta = jnp.einsum("kb,kbn->kn", path.astype(dtype), basis)
    w = normalise(state.w + delta)
    here = problem.evaluate(w)
    # δ̇ of the chart: W₀ + δ = c W, and its part along W₀ does not change
    stretch = jnp.sqrt(1 + (delta**2).sum(axis=1, keepdims=True) / problem.n)
    along = _dot(state.w, here.velocity) / _dot(state.w, w)
    seen = stretch * (here.velocity - along * w)
    defect = seen - jnp.einsum("kb,kbn->kn", velocity.astype(dtype), basis)
    inside = jnp.einsum("kbn,kn->kb", basis, defect)
    outside = defect - jnp.einsum("kb,kbn->kn", inside, basis)
    return Moved(w, here, inside, jnp.linalg.norm(outside, axis=1))


def _dot(a: Float[Array, "K N"], b: Float[Array, "K N"]) -> Float[Array, "K 1"]:
    return (a * b).sum(axis=1, keepdims=True)
