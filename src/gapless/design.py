"""A design: one sensing matrix with K runs on it, and the tree of random keys behind it.

The design is the atom of scheduling and of reproducibility: everything drawn depends on
(seed, N, M, design index) and on a name (`sensing`, `teacher`, `start`, `labels`, `noise`), never
on the protocol, the loss, the kind of labels, the precision or what ran before. So a shuffled twin
shares sensing vectors, teacher and start with the run whose twin it is, and two protocols can be
compared on the same instances.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import floor
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, UInt

from gapless.flags import GENERATOR, as_ever
from gapless.inputs import number, whole
from gapless.sphere import normalise

ROWS_PER_BLOCK = 512
"""Sensing vectors are drawn in blocks of this many, each block with a key of its own."""


def default_runs_per_design(n: int) -> int:
    """Return K, how many runs share one sensing matrix by default.

    Larger K is faster per run (one matrix product serves all), and slower for who asks for a few
    runs: sweeps take more (`gapless.measure.design_point.sweep_runs_per_design`). K is a fixed
    function of N because rounding depends on it.
    """
    return 64 if n <= 2048 else 32 if n <= 4096 else 16 if n <= 8192 else 8


@dataclass(frozen=True)
class Design:
    """One draw of M = ⌊αN + ½⌋ sensing vectors with K teachers and starts on it.

    Parameters
    ----------
    n, alpha
        Input dimension N ≥ 2 and ratio α = M/N > 0 of samples to dimension.
    seed, index
        Seed of the experiment, 0 ≤ seed < 2³², and number of this design under it.
    runs
        K, the number of teachers and starts; `default_runs_per_design` when None. Runs are
        prefix-stable: the first ones do not change when more are asked for. N, M, K and index
        are below 2³².

    Raises
    ------
    ValueError
        For a value out of range; the message names the parameter and the remedy.
    """

    n: int
    alpha: float
    seed: int
    index: int = 0
    runs: int | None = None

    def __post_init__(self) -> None:
        # kept as Python's own numbers: NumPy's wrap at 2³² or 2⁶⁴ in silence
        alpha = number("alpha", self.alpha, above=0)
        most = 2**32 - 1  # what a key is made from
        values: dict[str, int | float] = {
            "n": whole("n", self.n, 2, most),
            "alpha": int(alpha) if isinstance(self.alpha, (int, np.integer)) else alpha,
            "seed": whole("seed", self.seed, 0, most),
            "index": whole("index", self.index, 0, most),
        }
        if self.runs is not None:
            values["runs"] = whole("runs", self.runs, 1, most)
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if (samples := self.alpha * self.n) > most:
            size = 4.0 * samples * self.n
            raise ValueError(
                f"n, alpha: M = {samples:.3g} samples of N numbers need {size:.3g} bytes, and "
                "a design has at most 2**32 - 1 samples; lower one of them"
            )
        if self.m < 1:
            raise ValueError(f"alpha: {self.alpha} leaves no sample at n={self.n}; raise it")

    @property
    def m(self) -> int:
        """M = ⌊αN + ½⌋, the number of samples."""
        # rounded half up, so that M is no matter of parity as with round()
        return floor(self.alpha * self.n + 0.5)

    @property
    def k(self) -> int:
        """K, the number of runs on this design."""
        return default_runs_per_design(self.n) if self.runs is None else self.runs

    @as_ever()
    def key(self, name: str) -> jax.Array:
        """Return the key of the child `name`: seed → N → M → design → name."""
        # N and M, not α: designs of one shape are one, however α was written
        children = (self.n, self.m, self.index, crc32(name.encode()))
        return _descend(jnp.uint32(self.seed), jnp.array(children, jnp.uint32))

    @as_ever()
    def run_keys(self, name: str) -> jax.Array:
        """Return the K keys of the child `name`, one a run."""
        return _fold_all(self.key(name), self.k)

    @as_ever()
    def sensing(self, dtype: str = "float32") -> Float[Array, "M N"]:
        """Draw the sensing matrix X, i.i.d. N(0, 1/N): rows of unit norm on average.

        Drawn in float32 and rounded to `dtype` block by block, so that X is in memory once.
        """
        if self.m <= ROWS_PER_BLOCK:
            return next(self.sensing_blocks()).astype(dtype)
        x = jnp.zeros((self.m, self.n), dtype)
        for index, block in enumerate(self.sensing_blocks()):
            x = _place(x, block, jnp.array(index * ROWS_PER_BLOCK))
        return x

    def sensing_blocks(self) -> Iterator[Float32[Array, "B N"]]:
        """Draw X block by block of rows, for matrices that do not fit in memory."""
        key = self.key("sensing")
        for first in range(0, self.m, ROWS_PER_BLOCK):
            yield self._rows(key, first)

    @as_ever()
    def _rows(self, key: jax.Array, first: int) -> Float32[Array, "B N"]:
        key = jax.random.fold_in(key, first // ROWS_PER_BLOCK)
        # whole blocks are drawn and cut, so that rows do not depend on how many are asked for
        return _normal(key, ROWS_PER_BLOCK, self.n)[: self.m - first] / self.n**0.5

    @as_ever()
    def teacher(self) -> Float32[Array, "K N"]:
        """Draw the teachers W*, uniform on the sphere of radius √N."""
        return _sphere(self.run_keys("teacher"), self.n)

    @as_ever()
    def start(self) -> Float32[Array, "K N"]:
        """Draw the random starts W(0), uniform on the sphere of radius √N (Eq. 2)."""
        return _sphere(self.run_keys("start"), self.n)

    @as_ever()
    def gaussian_labels(self) -> Float32[Array, "K M"]:
        """Draw labels y ~ N(0, 1) that share no information with X."""
        return jax.vmap(lambda key: jax.random.normal(key, (self.m,), jnp.float32))(
            self.run_keys("labels")
        )

    @as_ever()
    def label_noise(self) -> Float32[Array, "K M"]:
        """Draw noise n ~ N(0, 1) of the labels; scaled by whoever adds it, so twins share it."""
        return jax.vmap(lambda key: jax.random.normal(key, (self.m,), jnp.float32))(
            self.run_keys("noise")
        )

    @as_ever()
    def shuffle(self, labels: Float[Array, "K M"]) -> Float[Array, "K M"]:
        """Permute each run's labels at random (a permutation of its own for each run)."""
        return jax.vmap(jax.random.permutation)(self.run_keys("labels"), labels)


# compiled, since an operation at a time these few cost more than a small design's X
@jax.jit
def _descend(seed: UInt[Array, ""], children: UInt[Array, " c"]) -> jax.Array:
    # written out, since `jax.random.key` would ask JAX's flags for a generator and an offset
    key = jax.random.wrap_key_data(jnp.stack([jnp.zeros_like(seed), seed]), impl=GENERATOR)
    for child in range(len(children)):
        key = jax.random.fold_in(key, children[child])
    return key


@partial(jax.jit, static_argnums=1)
def _fold_all(key: jax.Array, count: int) -> jax.Array:
    return jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(count))


@partial(jax.jit, donate_argnums=0)
def _place(
    x: Float[Array, "M N"], block: Float[Array, "B N"], first: Int[Array, ""]
) -> Float[Array, "M N"]:
    return jax.lax.dynamic_update_slice_in_dim(x, block.astype(x.dtype), first, 0)


@partial(jax.jit, static_argnums=(1, 2))
def _normal(key: jax.Array, rows: int, n: int) -> Float32[Array, "B N"]:
    return jax.random.normal(key, (rows, n), jnp.float32)


@partial(jax.jit, static_argnums=1)
def _sphere(keys: jax.Array, n: int) -> Float32[Array, "K N"]:
    w = jax.vmap(lambda key: jax.random.normal(key, (n,), jnp.float32))(keys)
    return normalise(w)
