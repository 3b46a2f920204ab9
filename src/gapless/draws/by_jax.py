"""Draws as compiled programs: blocks of sensing vectors, vectors on the sphere, permutations."""

from functools import partial

import numpy as np

from gapless.arrays import Array, compiled, jax, jnp
from gapless.flags import GENERATOR, as_ever
from gapless.shapes import Float, Float32, Int, UInt32

Key = UInt32[np.ndarray, "... 2"]
"""Keys are made in NumPy, because a few folds are not worth a compilation."""


def wrapped(key: Key) -> Array:
    """Return keys for the functions of `jax.random`."""
    with as_ever():
        return jax.random.wrap_key_data(jnp.asarray(key), impl=GENERATOR)


@as_ever()
def rows(key: Key, block: int, count: int, n: int) -> Float32[Array, "B N"]:
    """Draw a block of `count` sensing vectors, entries N(0, 1/N)."""
    return _rows(key, np.uint32(block), count, n, np.float32(n**0.5))


@as_ever()
def directions(key: Key, k: int, n: int) -> Float32[Array, "K N"]:
    """Draw K vectors uniform on the sphere of radius √N."""
    return _directions(key, k, n)


@as_ever()
def normals(key: Key, k: int, m: int) -> Float32[Array, "K M"]:
    """Draw K vectors of M numbers N(0, 1), from a key for each."""
    return _normals(key, k, m)


@as_ever()
def permuted(key: Key, labels: Float[Array, "K M"]) -> Float[Array, "K M"]:
    """Permute each row at random."""
    return _permuted(key, labels)


@as_ever()
def placed(x: Array | np.ndarray, block: Array, first: int) -> Float[Array, "M N"]:
    """Return x with the rows from `first` on replaced by a block, cut at the end of x.

    The memory of x is used again.
    """
    return _placed(jnp.asarray(x), block, np.int32(first))


def _children(key: Array, count: int) -> Array:
    fold = partial(jax.random.fold_in, jax.random.wrap_key_data(key, impl=GENERATOR))
    # one key a run: the first runs of a design are the same whatever K
    return jax.vmap(fold)(jnp.arange(count))


@compiled(static_argnums=(2, 3))
def _rows(key: Array, block: Array, count: int, n: int, root: Array) -> Array:
    own = jax.random.fold_in(jax.random.wrap_key_data(key, impl=GENERATOR), block)
    # the divisor is an argument: as a constant it would be made a factor, which rounds otherwise
    return jax.random.normal(own, (count, n), jnp.float32) / root


@compiled(static_argnums=(1, 2))
def _directions(key: Array, k: int, n: int) -> Array:
    w = _normals(key, k, n)
    return w * (n**0.5 / jnp.linalg.norm(w, axis=1, keepdims=True))


@compiled(static_argnums=(1, 2))
def _normals(key: Array, k: int, m: int) -> Array:
    return jax.vmap(lambda own: jax.random.normal(own, (m,), jnp.float32))(_children(key, k))


@compiled()
def _permuted(key: Array, labels: Array) -> Array:
    return jax.vmap(jax.random.permutation)(_children(key, len(labels)), labels)


@compiled(donate_argnums=0)
def _placed(x: Array, block: Array, first: Int[Array, ""]) -> Array:
    (m, _), (count, _) = x.shape, block.shape
    # one block holds all of X: no copy into a larger matrix
    if m <= count:
        return block[:m].astype(x.dtype)
    # a block that reaches past the end begins sooner, with rows that are there already
    begin = jnp.minimum(first, m - count)
    there = jnp.arange(count)[:, None] < first - begin
    old = jax.lax.dynamic_slice_in_dim(x, begin, count)
    new = jnp.roll(block.astype(x.dtype), first - begin, axis=0)
    return jax.lax.dynamic_update_slice_in_dim(x, jnp.where(there, old, new), begin, 0)
