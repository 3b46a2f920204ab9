"""Products of many vectors with one X, by blocks of its rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gapless.arrays import Array, compiled, jax, jnp, lax, library, on_cpu, pytree
from gapless.inputs import shaped
from gapless.precision import precision_of
from gapless.sensing import ScaledSensing, SensingMatrix, TransformSensing, unscaled
from gapless.shapes import Float

Operator = Callable[[Float[Array, "K p N"]], Float[Array, "K p N"]]
"""K symmetric operators on p vectors each; a pytree (`jax.tree_util.Partial`), so that a compiled
process serves every operator of the same shape."""
Weigh = Callable[[Array, Array], tuple[Array, Array]]

ENTRIES_PER_BLOCK = 2**20
"""Entries of X held in a CPU's cache while both products with a block of its rows are made: one
pass over X instead of two. Flat from 2¹⁹ to 2²¹ at N = 512 … 4096."""
ENTRIES_PER_WIDE_BLOCK = 2**27
"""The same off the CPU, where only an X in float16 is cut into blocks: half a GiB when widened. No
cache is to be filled there, and every block costs launches of kernels."""
FEW = 12
"""Largest number of vectors whose products are made in NumPy by pieces of a block (`_pieces`).
GFLOP/s of a gradient by pieces and by whole blocks (AVX-512, N = 128, 256, 512, 1024): two vectors
24, 24, 24, 15 and 16, 9, 9, 7; eight 41, 51, 53, 37 and 34, 30, 29, 22; sixteen 46, 35, 53, 50 and
53, 34, 44, 42. Below N = 128 pieces are slower."""
PIECES_FROM = 128
SMALL_PRODUCT, SMALL_RESULT = 10**6, 1200
"""Bounds of OpenBLAS on M N K and M N, up to which it multiplies without packing the matrices,
which takes longer than the product where one of them is a few vectors."""
TRANSFORMED = ((8, 2**17), (4, 2**19))
"""Numbers of vectors that SciPy transforms at a time, and the largest M of each; beyond it is one.
A batch that the caches hold is faster; ms a run of a gradient at α = 7.5, all runs, 8, 4 and 1 at a
time (the least of 3 to 40, in turns): N = 1024, K = 32: 0.30, 0.23, 0.24, 0.46; 4096: 1.33, 0.89,
0.97, 1.56; 16,384: 4.9, 4.3, 4.2, 4.6; 65,536, K = 16: 22.5, 21.4, 21.0, 26.4; 262,144, K = 8: 140,
127, 132, 122."""
WEIGHED = 2**16
"""Number of products with an X of transforms in one call of a loss, in NumPy: its intermediate
arrays then stay in the caches, and no new memory is asked for."""
TALL_UNTIL = 4
"""Smallest N/K at which labels ŷ are computed as X Wᵀ, (M, K), and not as W Xᵀ, (K, M).
GFLOP/s of a gradient by the two (AVX-512): N = 256, K = 16: 190, 158; 64: 207, 193; 128: 193, 205;
N = 64, K = 8: 114, 102; 64: 131, 155; N = 1024, K = 16: 121, 95; 128: 212, 206."""


@pytree(data=["sensing", "weight", "shift"])
@dataclass(frozen=True, eq=False)
class WeightedGram:
    """The K operators Xᵀ diag(d) X + s 1, one (d, s) for each run, on a shared X.

    Parameters
    ----------
    sensing : (M, N)
        X, row-major, or by its transforms.
    weight : (K, M)
        d.
    shift : (K,)
        s.
    """

    sensing: SensingMatrix
    weight: Float[Array, "K M"]
    shift: Float[Array, " K"]

    def __post_init__(self) -> None:
        # compiled functions also put it together from what is no array
        parts = (self.sensing, self.weight, self.shift)
        if not all(hasattr(part, "shape") for part in parts):
            return
        m, _ = shaped("sensing", self.sensing, (None, None), "(M, N)").shape
        k, _ = shaped("weight", self.weight, (None, m), "(K, M)").shape
        shaped("shift", self.shift, (k,), "(K,)")
        if self.weight.dtype != self.shift.dtype:
            raise ValueError(
                f"shift: is {self.shift.dtype} and the weights are {self.weight.dtype}; give one "
                "precision"
            )

    def __call__(self, v: Float[Array, "K p N"]) -> Float[Array, "K p N"]:
        """Return Xᵀ(d · (X v)) + s v in one pass over X."""
        _, total = through_rows(lambda image, d: (image, image * d), self.sensing, self.weight, v)
        return total + self.shift[:, None, None] * v

    @property
    def moments(self) -> tuple[Float[Array, " K"], Float[Array, " K"]]:
        """Mean and variance of the bulk before the shift: αE[d] and αE[d²]."""
        n = self.sensing.shape[1]
        return self.weight.sum(axis=1) / n, (self.weight**2).sum(axis=1) / n

    def of_run(self, run: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rows x and weights d with Σ d x xᵀ + s 1 the matrix of one run."""
        # of X = f A the weights take f², so that A is not copied
        stored, factor = unscaled(self.sensing)
        weight = np.asarray(self.weight[run]) * np.square(factor, dtype=self.weight.dtype)
        return np.asarray(stored).astype(weight.dtype, copy=False), weight


def times_transpose(v: Float[Array, "p N"], x: SensingMatrix) -> Float[Array, "p M"]:
    """Return v xᵀ in the precision of v, block of rows by block of rows.

    An x of lower precision than v is widened block by block. A single row is a matrix-vector
    product, because XLA's CPU dot would transpose a copy of x: 13 times slower at N = 4096, α = 12.
    For a few rows it does so as well; blocks make those products twice as fast.

    Raises ``ValueError`` for shapes that do not fit.
    """
    _check_factors(v, x, 1)
    if isinstance(x, ScaledSensing):
        return times_transpose(v * x.factor, x.matrix)
    if isinstance(x, TransformSensing):
        return x.times_transpose(v)
    if library(v) is np is library(x):
        return np.concatenate([v @ block.T for block in _blocks(x, v.dtype)], axis=1)
    with precision_of(v):
        if len(v) == 1 and x.dtype == v.dtype:
            return (x @ v[0])[None]
        return _labels(v, x) if _in_blocks(x, v) else _product(v, x)


@compiled()
def _product(v: Float[Array, "p N"], x: Float[Array, "M N"]) -> Float[Array, "p M"]:
    return v @ x.T


def _blocks(x: np.ndarray, dtype: Any, entries: int = ENTRIES_PER_BLOCK) -> Iterator[np.ndarray]:
    """Yield the rows of x in NumPy, block by block, in a precision.

    A block that is widened is valid until the next one.
    """
    rows = max(1, entries // x.shape[1])
    # one buffer: memory that is new for each block costs as much as the product with a vector
    buffer = None if x.dtype == dtype else np.empty((min(rows, len(x)), x.shape[1]), dtype)
    for first in range(0, len(x), rows):
        block = x[first : first + rows]
        if buffer is not None:
            buffer[: len(block)] = block
            block = buffer[: len(block)]
        yield block


def times(r: Float[Array, "p M"], x: SensingMatrix) -> Float[Array, "p N"]:
    """Return r x in the precision of r, block of rows by block of rows.

    Raises ``ValueError`` for shapes that do not fit.
    """
    _check_factors(r, x, 0)
    if isinstance(x, ScaledSensing):
        return times(r, x.matrix) * x.factor
    if isinstance(x, TransformSensing):
        return x.times(r)
    if library(r) is np is library(x):
        return r @ x if r.dtype == x.dtype else _sum_of_blocks(r, x)
    with precision_of(r):
        return _combination(r, x) if _in_blocks(x, r) else r @ x


def _sum_of_blocks(r: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return r x in NumPy in the precision of r; only a block of x is widened at a time."""
    total, first = np.zeros((len(r), x.shape[1]), r.dtype), 0
    for block in _blocks(x, r.dtype):
        total += r[:, first : first + len(block)] @ block
        first += len(block)
    return total


def _check_factors(v: Array, x: SensingMatrix, axis: int) -> None:
    """Raise ``ValueError`` unless v and x are matrices that fit along an axis of x."""
    shaped("x", x, (None, None), "(M, N)")
    name, letters = ("r", "(p, M)") if axis == 0 else ("v", "(p, N)")
    shaped(name, v, (None, x.shape[axis]), letters)


def _in_blocks(x: Array, v: Array) -> bool:
    # an X to be widened goes by blocks everywhere, or a copy of all of it would be made
    return x.dtype != v.dtype or (x.size > ENTRIES_PER_BLOCK and on_cpu())


def _rows_per_block(x: Array) -> int:
    m, n = x.shape
    return min(m, max(1, (ENTRIES_PER_BLOCK if on_cpu() else ENTRIES_PER_WIDE_BLOCK) // n))


@compiled()
def _labels(v: Float[Array, "p N"], x: Float[Array, "M N"]) -> Float[Array, "p M"]:
    m, _ = x.shape
    rows = _rows_per_block(x)

    def place(i: Array, image: Array) -> Array:
        # the last block reaches back, so that all are of one size
        first = jnp.minimum(i * rows, m - rows)
        block = lax.dynamic_slice_in_dim(x, first, rows).astype(v.dtype)
        # rows that two blocks share are written twice, with the same numbers
        return lax.dynamic_update_slice_in_dim(image, block @ v.T, first, 0)

    # (M, p) inside: a block of X writes whole rows of it
    return lax.fori_loop(0, -(-m // rows), place, jnp.zeros((m, len(v)), v.dtype)).T


@compiled()
def _combination(r: Float[Array, "p M"], x: Float[Array, "M N"]) -> Float[Array, "p N"]:
    m, n = x.shape
    rows = _rows_per_block(x)
    # (M, p), sample by sample as X is, so that blocks of both are whole rows
    across = r.T

    def add(i: Array, total: Array) -> Array:
        first = jnp.minimum(i * rows, m - rows)
        block = lax.dynamic_slice_in_dim(x, first, rows).astype(r.dtype)
        here = lax.dynamic_slice_in_dim(across, first, rows)
        # the last block reaches back: what it shares with the one before counts once
        new = first + jnp.arange(rows) >= i * rows
        here = jnp.where(new[:, None], here, 0)
        # contracts over samples as they lie, without a transposed copy of a block
        return total + lax.dot_general(here, block, (((0,), (0,)), ((), ())))

    return lax.fori_loop(0, -(-m // rows), add, jnp.zeros((len(r), n), r.dtype))


def through_rows(
    weigh: Weigh,
    x: SensingMatrix,
    samples: Float[Array, "K M"],
    v: Float[Array, "K p N"],
) -> tuple[Float[Array, "K p"], Float[Array, "K p N"]]:
    """Return Σ_m c_m and Σ_m r_m x_m for (c, r) = weigh(⟨x_m, v⟩, sample m), in one pass over X.

    `weigh` acts elementwise on products and samples of equal rank, whatever their layout. Both
    products with a block of rows of X are made while it is in cache, in the precision of
    `samples`. Off the CPU all rows are one block, unless x is stored in lower precision.

    Raises ``ValueError`` for shapes or precisions that do not fit.
    """
    m, n = shaped("x", x, (None, None), "(M, N)").shape
    k, _ = shaped("samples", samples, (None, m), "(K, M)").shape
    shaped("v", v, (k, None, n), "(K, p, N)")
    if samples.dtype != v.dtype:
        raise ValueError(f"v: is {v.dtype} and the samples are {samples.dtype}; give one precision")
    if isinstance(x, ScaledSensing):
        sums, totals = through_rows(weigh, x.matrix, samples, v * x.factor)
        return sums, totals * x.factor
    if isinstance(x, TransformSensing):
        if library(v) is not np:
            return _by_transforms(weigh, x, samples, v)
        step = max(1, _transformed_at_once(m) // v.shape[1])
        runs = [slice(first, first + step) for first in range(0, k, step)]
        parts = [_by_transforms(weigh, x, samples[some], v[some]) for some in runs]
        sums, totals = (np.concatenate(part) for part in zip(*parts, strict=True))
        return sums, totals
    if library(v) is np is library(x):
        return _through_blocks(weigh, x, samples, v)
    with precision_of(v):
        return _through_rows(weigh, x, samples, v)


def _by_transforms(
    weigh: Weigh, x: TransformSensing, samples: Array, v: Array
) -> tuple[Array, Array]:
    """Return the sums of `through_rows` for an X by its transforms, all vectors in one batch."""
    images = x.times_transpose(v)
    if library(v) is not np:
        cost, weight = weigh(images, samples[:, None])
        return cost.sum(axis=2), x.times(weight)
    sums, step = np.zeros(v.shape[:2], v.dtype), max(1, WEIGHED // (v.shape[0] * v.shape[1]))
    for first in range(0, samples.shape[1], step):
        some = slice(first, first + step)
        cost, weight = weigh(images[:, :, some], samples[:, None, some])
        sums += cost.sum(axis=2)
        # in the place of the products, and in their precision: losses may answer in float64
        images[:, :, some] = weight
    return sums, x.times(images, ours=True)


def _transformed_at_once(m: int) -> int:
    """Return the number of vectors that are transformed at a time in NumPy."""
    return next((vectors for vectors, largest in TRANSFORMED if m <= largest), 1)


def _through_blocks(
    weigh: Weigh, x: np.ndarray, samples: np.ndarray, v: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of `through_rows`, in NumPy."""
    k, p, n = v.shape
    flat, first = v.reshape(k * p, n), 0
    sums, totals = np.zeros((k, p), v.dtype), np.zeros_like(flat)
    few = 1 < k * p <= FEW and n >= PIECES_FROM
    # 1 MiB: the second-level cache holds it for the second product with each piece
    small = 2**20 // v.dtype.itemsize
    for block in _blocks(x, v.dtype, small if few or k * p == 1 else ENTRIES_PER_BLOCK):
        pieces = _pieces(block, k * p) if few else [block]
        if few:
            images = np.concatenate([flat @ piece.T for piece in pieces], axis=1)
        else:
            # twice as fast as the product with xᵀ, with the copy
            images = np.ascontiguousarray((block @ flat.T).T)
        labels = samples[:, None, first : first + len(block)]
        cost, weight = weigh(images.reshape(k, p, len(block)), labels)
        sums += cost.sum(axis=2)
        weight, done = weight.reshape(k * p, len(block)).astype(v.dtype, copy=False), 0
        for piece in pieces:
            totals += weight[:, done : done + len(piece)] @ piece
            done += len(piece)
        first += len(block)
    return sums, totals.reshape(v.shape)


def _pieces(block: np.ndarray, vectors: int) -> list[np.ndarray]:
    """Return the rows of a block in pieces whose products with some vectors are small."""
    rows = max(1, min(SMALL_RESULT, SMALL_PRODUCT // block.shape[1]) // vectors)
    return [block[i : i + rows] for i in range(0, len(block), rows)]


def _through_rows(weigh: Weigh, x: Array, samples: Array, v: Array) -> tuple[Array, Array]:
    m, n = x.shape
    rows = _rows_per_block(x)
    tall = _is_tall(n, v.shape[0] * v.shape[1])
    if tall:
        # in a compiled loop XLA transposes once, before it
        samples = samples.T
    axis = 0 if tall else 1

    def part(x: Array, samples: Array) -> tuple[Array, Array]:
        return _both_products(weigh, x.astype(v.dtype), samples, v, tall)

    # one block: all of X fits the cache, or this is no CPU
    if m <= rows or (not on_cpu() and x.dtype == v.dtype):
        return part(x, samples)
    # the first block takes what the others, all of one size, leave
    first = m % rows or rows

    def add(i: Array, total: tuple[Array, Array]) -> tuple[Array, Array]:
        block = lax.dynamic_slice_in_dim(x, first + i * rows, rows)
        here = lax.dynamic_slice_in_dim(samples, first + i * rows, rows, axis)
        return jax.tree.map(jnp.add, total, part(block, here))

    total = part(x[:first], lax.slice_in_dim(samples, 0, first, axis=axis))
    return lax.fori_loop(0, (m - first) // rows, add, total)


def _is_tall(n: int, vectors: int) -> bool:
    return n >= TALL_UNTIL * vectors and on_cpu()


def _both_products(
    weigh: Weigh, x: Float[Array, "M N"], samples: Array, v: Float[Array, "K p N"], tall: bool
) -> tuple[Float[Array, "K p"], Float[Array, "K p N"]]:
    """Return the sums of `through_rows` over all rows at once; products are (M, K p) if tall."""
    (m, n), (k, p, _) = x.shape, v.shape
    # K p vectors at once: a product of matrices reads X once for all of them
    flat = v.reshape(k * p, n)
    if tall:
        cost, weight = weigh((x @ flat.T).reshape(m, k, p), samples[:, :, None])
        total = lax.dot_general(weight.reshape(m, k * p), x, (((0,), (0,)), ((), ())))
        return (jnp.ones(m, v.dtype) @ cost.reshape(m, k * p)).reshape(k, p), total.reshape(v.shape)
    # 4 M N K p operations in both products; elementwise work is K p M
    images = times_transpose(flat, x).reshape(k, p, m)
    _, weight = weigh(images, samples[:, None, :])
    # what the sum and the weights share is computed twice: XLA would write it to memory for both,
    # and a gradient with its energy took 1.2 times as long at N = 64
    cost, _ = weigh(lax.optimization_barrier(images), samples[:, None, :])
    return cost.sum(axis=2), (weight.reshape(k * p, m) @ x).reshape(v.shape)
