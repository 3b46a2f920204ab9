"""Directions that a slow run has lately moved in, with their images under X.

In the chart δ ⊥ W₀, W = √N (W₀ + δ)/|W₀ + δ|, the flow of Eq. 2 reads

    δ̇ = r [ −∇L + (⟨ŷ₀, F⟩/N) (W₀ + δ) ],   r = |W₀ + δ|/√N,   F = ½ ℓ′(ŷ, y),   ∇L = Xᵀ F.

With δ = Qᵀc in the span of orthonormal rows Q ⊥ W₀ the labels there are (ŷ₀ + (Q Xᵀ)ᵀ c)/r, and the
force along Q needs Q Xᵀ alone: no product with X. The images of old directions stay true wherever
the run goes, for they are linear in them.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from gapless.flow.steppers import normalise
from gapless.linalg import times, times_transpose
from gapless.problem import Evaluation, Problem

CAPACITY = 32
"""Directions kept of each run, at most: 24 take 8 % more products and 48 take 6 % fewer (N = 1024),
and the projected flow costs in proportion."""
ROOM = 10
"""Directions that a step may add; where fewer are free, the oldest make room."""


class Memory(NamedTuple):
    """Directions of K runs, orthonormal and orthogonal to W₀; rows not filled are zero."""

    basis: Float[Array, "K B N"]
    """Q."""
    images: Float[Array, "K B M"]
    """Q Xᵀ."""
    filled: Int[Array, " K"]
    labels: Float[Array, "K M"]
    """ŷ₀, the labels at W₀."""


class Arrival(NamedTuple):
    """Where steps end."""

    w: Float[Array, "K N"]
    labels: Float[Array, "K M"]
    here: Evaluation
    residual: Float[Array, "K N"]
    """δ̇ there, less its projection on the directions."""
    missed: Float[Array, " K"]
    """|residual|."""


@jax.jit
def remember(problem: Problem, w: Float[Array, "K N"]) -> Memory:
    """Return an empty memory at W."""
    (k, n), size = w.shape, min(CAPACITY, w.shape[1] - 1)
    return Memory(
        jnp.zeros((k, size, n), w.dtype),
        jnp.zeros((k, size, problem.m), w.dtype),
        jnp.zeros(k, int),
        problem.student_labels(w),
    )


@partial(jax.jit, donate_argnums=0)
def moved_on(
    memory: Memory, w: Float[Array, "K N"], labels: Float[Array, "K M"], moved: Bool[Array, " K"]
) -> Memory:
    """Return the directions made orthogonal to where the runs that `moved` are now.

    With a = Qu, u = W/√N, the rows Q − a uᵀ have the Gram matrix 1 − a aᵀ, whose inverse root is
    1 + b a aᵀ, b = ((1 − |a|²)^−½ − 1)/|a|².
    """
    unit = w / w.shape[1] ** 0.5
    size = memory.basis.shape[1]
    along = jnp.einsum("kbn,kn->kb", memory.basis, unit)
    squared = jnp.minimum((along**2).sum(axis=1, keepdims=True), 0.9)
    back = along * jnp.where(
        squared > 1e-6, (1 / jnp.sqrt(1 - squared) - 1) / jnp.maximum(squared, 1e-6), 0.5
    )
    full = (memory.filled > size - min(ROOM, size)) & moved
    drop = min(ROOM, size)

    def turned(rows: Array, at: Array) -> Array:
        level = rows - along[:, :, None] * at[:, None, :]
        level += back[:, :, None] * jnp.einsum("kb,kbd->kd", along, level)[:, None, :]
        shifted = jnp.concatenate([level[:, drop:], jnp.zeros_like(level[:, :drop])], axis=1)
        level = jnp.where(full[:, None, None], shifted, level)
        return jnp.where(moved[:, None, None], level, rows)

    at = jnp.where(moved[:, None], labels, memory.labels)
    return Memory(
        turned(memory.basis, unit),
        turned(memory.images, at / w.shape[1] ** 0.5),
        jnp.where(full, memory.filled - drop, memory.filled),
        at,
    )


@partial(jax.jit, donate_argnums=1)
def appended(
    problem: Problem,
    memory: Memory,
    w: Float[Array, "K N"],
    v: Float[Array, "K N"],
    wanted: Bool[Array, " K"],
) -> Memory:
    """Return the memory with what is new in v, for the runs where that is `wanted`."""
    tiny = jnp.finfo(v.dtype).tiny
    for _ in range(3):
        v = _outside(v, memory.basis, w / w.shape[1] ** 0.5)
        v = v / jnp.maximum(jnp.linalg.norm(v, axis=1, keepdims=True), tiny)
    v = jnp.where(wanted[:, None], v, 0)
    image = times_transpose(v, problem.sensing)
    rows = jnp.arange(len(w)), memory.filled
    return memory._replace(
        basis=memory.basis.at[rows].add(v),
        images=memory.images.at[rows].add(image),
        filled=memory.filled + wanted,
    )


@jax.jit
def linear_part(
    problem: Problem, memory: Memory, velocity: Float[Array, "K N"], mu: Float[Array, " K"]
) -> tuple[Float[Array, "K B B"], Float[Array, "K B"], Float[Array, " K"]]:
    """Return Q H Qᵀ (Eq. 4), Q V, and the mean eigenvalue of H, tr H/N for |x|² = 1."""
    curvature = problem.loss.d2(memory.labels, problem.labels) / 2

    def projected(run: tuple[Array, ...]) -> Array:
        images, basis, curvature, mu = run
        return (images * curvature[None]) @ images.T - mu * (basis @ basis.T)

    hessian = jax.lax.map(projected, (memory.images, memory.basis, curvature, mu))
    start = jnp.einsum("kbn,kn->kb", memory.basis, velocity)
    return hessian, start, curvature.sum(axis=1) / problem.n - mu


@jax.jit
def force(problem: Problem, memory: Memory, c: Float[Array, "K q B"]) -> Float[Array, "K q B"]:
    """Return ċ at q points of the span of each run, with no product with X.

    Run after run, whose images are then in cache for both products with them.
    """

    def of_run(run: tuple[Array, ...]) -> Array:
        c, images, labels, targets = run
        r = jnp.sqrt(1 + (c**2).sum(axis=1, keepdims=True) / problem.n)
        f = problem.loss.d1((labels[None] + c @ images) / r, targets[None]) / 2
        along = (f @ labels)[:, None] / problem.n
        return r * (along * c - f @ images.T)

    return jax.lax.map(of_run, (c, memory.images, memory.labels, problem.labels))


@jax.jit
def arrive(
    problem: Problem, memory: Memory, w: Float[Array, "K N"], c: Float[Array, "K B"]
) -> Arrival:
    """Return the ends of steps to δ = Qᵀ c: one product with Xᵀ."""
    n = problem.n
    r = jnp.sqrt(1 + (c**2).sum(axis=1, keepdims=True) / n)
    there = w + jnp.einsum("kb,kbn->kn", c, memory.basis)
    labels = (memory.labels + jnp.einsum("kb,kbm->km", c, memory.images)) / r
    end = normalise(there)
    here, f, gradient = _evaluated(problem, end, labels)
    along = (memory.labels * f).sum(axis=1, keepdims=True) / n
    missed = r * (along * there - gradient)
    for _ in range(2):
        missed = _outside(missed, memory.basis, w / n**0.5)
    return Arrival(end, labels, here, missed, jnp.linalg.norm(missed, axis=1))


@jax.jit
def seen_anew(problem: Problem, moved: Arrival, wanted: Bool[Array, " K"]) -> Arrival:
    """Return the ends of steps, those `wanted` with labels computed from W: one gradient."""
    labels = jnp.where(wanted[:, None], problem.student_labels(moved.w), moved.labels)
    return moved._replace(labels=labels, here=_evaluated(problem, moved.w, labels)[0])


def _evaluated(
    problem: Problem, w: Float[Array, "K N"], labels: Float[Array, "K M"]
) -> tuple[Evaluation, Float[Array, "K M"], Float[Array, "K N"]]:
    """Return what `Problem.evaluate` does from known labels, F and ∇L."""
    n = problem.n
    f = problem.loss.d1(labels, problem.labels) / 2
    gradient = times(f, problem.sensing)
    mu = (gradient * w).sum(axis=1) / n
    velocity = mu[:, None] * w - gradient
    energy = problem.loss.value(labels, problem.labels).sum(axis=1) / (2 * n)
    return Evaluation(energy, mu, velocity, (velocity**2).sum(axis=1) / n), f, gradient


def _outside(
    v: Float[Array, "K N"], basis: Float[Array, "K B N"], unit: Float[Array, "K N"]
) -> Float[Array, "K N"]:
    """Return v less what it has along the basis and the unit vectors."""
    v = v - (v * unit).sum(axis=1, keepdims=True) * unit
    return v - jnp.einsum("kbn,kb->kn", basis, jnp.einsum("kbn,kn->kb", basis, v))
