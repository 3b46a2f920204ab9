"""Extreme eigenpairs and spectral densities of symmetric operators that share one X.

An operator acts on a batch of blocks: it maps (K, p, N) to (K, p, N), K symmetric operators at
once on p vectors each. Both tools here are the same block Lanczos process with full
orthogonalisation: the lowest (or largest) Ritz pairs, and the spectral density that the process
sees from a random start. Products run in the operator's precision (float32 keeps eigenvalues to
1e-6 of the spectral width); the small projected matrices are diagonalised in float64.

Sources: G. H. Golub and R. Underwood, "The block Lanczos method for computing eigenvalues" (1977);
K. Wu and H. Simon, "Thick-restart Lanczos method", SIAM J. Matrix Anal. Appl. 22 (2000) 602-616;
S. Ubaru, J. Chen, Y. Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos quadrature",
SIAM J. Matrix Anal. Appl. 38 (2017) 1075-1099.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

Scalar = float | Float[Array, ""]
Operator = Callable[[Float[Array, "K p N"]], Float[Array, "K p N"]]
"""K symmetric operators on p vectors each; a pytree (`jax.tree_util.Partial`), so that a compiled
process serves every operator of the same shape."""

ENTRIES_PER_BLOCK = 2**19
"""Entries of X held in a CPU's cache while both products with a block of its rows are made: one
pass over X instead of two. Measured (N=2048, one thread, 1 MB of second-level cache): 1.2 times
faster for one vector, 1.7 to 2 for four to sixteen; flat from 2¹⁷ to 2²⁰."""
CHECK_EVERY = 8
"""Blocks between two looks at the residuals."""


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["sensing", "weight", "shift"],
    meta_fields=[],
)
@dataclass(frozen=True, eq=False)
class WeightedGram:
    """The K operators Xᵀ diag(d) X + s 1, one (d, s) for each run, on a shared X.

    Parameters
    ----------
    sensing : (M, N)
        X, row-major.
    weight : (K, M)
        d.
    shift : (K,)
        s.
    """

    sensing: Float[Array, "M N"]
    weight: Float[Array, "K M"]
    shift: Float[Array, " K"]

    def __call__(self, v: Float[Array, "K p N"]) -> Float[Array, "K p N"]:
        """Return Xᵀ(d · (X v)) + s v in one pass over X."""
        k, p, n = v.shape
        flat = v.reshape(k * p, n)

        def gram(x: Array, d: Array) -> Array:
            image = times_transpose(flat, x).reshape(k, p, -1) * d[:, None, :]
            return image.reshape(k * p, -1) @ x

        total = sum_over_rows(gram, self.sensing, self.weight, k * p)
        return total.reshape(v.shape) + self.shift[:, None, None] * v


def times_transpose(v: Float[Array, "p N"], x: Float[Array, "M N"]) -> Float[Array, "p M"]:
    """Return v xᵀ in the precision of v. A single row goes by a matrix-vector product.

    XLA's CPU dot would transpose a copy of x for it: measured 13 times slower at N=4096, α=12.
    An x that is stored in less than v's precision is widened block by block.
    """
    if x.dtype != v.dtype:
        return _times_narrow(v, x)
    return (x @ v[0])[None] if v.shape[0] == 1 else v @ x.T


@jax.jit
def _times_narrow(v: Float[Array, "p N"], x: Float[Array, "M N"]) -> Float[Array, "p M"]:
    m, n = x.shape
    rows = min(m, max(1, ENTRIES_PER_BLOCK // n))

    def place(i: Array, image: Array) -> Array:
        # the last block reaches back, so that all are of one size
        first = jnp.minimum(i * rows, m - rows)
        block = lax.dynamic_slice_in_dim(x, first, rows).astype(v.dtype)
        return lax.dynamic_update_slice_in_dim(image, times_transpose(v, block), first, 1)

    return lax.fori_loop(0, -(-m // rows), place, jnp.zeros((len(v), m), v.dtype))


def sum_over_rows(
    part: Callable[[Array, Array], Any],
    x: Float[Array, "M N"],
    samples: Float[Array, "K M"],
    vectors: int,
) -> Any:
    """Return Σ part(rows of x, their columns of `samples`) over blocks of rows of x.

    Whatever `part` does with a block of X, it does while the block is in cache, and in the
    precision of `samples`. All rows at once off the CPU, and for one vector, where cutting blocks
    out costs what it saves; not where x is stored in less precision.
    """
    m, n = x.shape
    rows = max(1, ENTRIES_PER_BLOCK // n)
    whole_at_once = vectors == 1 or jax.default_backend() != "cpu"
    if m <= rows or (whole_at_once and x.dtype == samples.dtype):
        return part(x.astype(samples.dtype), samples)

    def add(i: Array, total: Any) -> Any:
        block = lax.dynamic_slice_in_dim(x, i * rows, rows).astype(samples.dtype)
        more = part(block, lax.dynamic_slice_in_dim(samples, i * rows, rows, 1))
        return jax.tree.map(jnp.add, total, more)

    whole = m // rows
    like = jax.ShapeDtypeStruct((rows, n), samples.dtype)
    shapes = jax.eval_shape(part, like, samples[:, :rows])
    nothing = jax.tree.map(lambda one: jnp.zeros(one.shape, one.dtype), shapes)
    total = lax.fori_loop(0, whole, add, nothing)
    if whole * rows < m:
        rest = part(x[whole * rows :].astype(samples.dtype), samples[:, whole * rows :])
        total = jax.tree.map(jnp.add, total, rest)
    return total


class Eigenpairs(NamedTuple):
    """The extreme eigenpairs of K operators, the most extreme first."""

    values: np.ndarray
    """λ, (K, k), float64."""
    vectors: Float[Array, "K k N"]
    """Unit eigenvectors; their signs mean nothing."""
    residuals: np.ndarray
    """|Hv − λv| over the spectral width, (K, k); measured with a product of its own."""
    width: np.ndarray
    """Spectral width λ_max − λ_min as the Ritz values see it (from inside), (K,)."""
    products: int
    """Products of each operator with one vector."""
    converged: np.ndarray
    """Whether every residual is within tolerance, (K,)."""


class Quadrature(NamedTuple):
    """A spectral density as K sets of weighted points (a Gauss rule of the true density)."""

    nodes: np.ndarray
    """(K, S), float64, increasing."""
    weights: np.ndarray
    """(K, S), nonnegative, of sum one."""


class Krylov(NamedTuple):
    """What S Lanczos steps from K vectors v tell of their operators.

    f(H) v ≈ |v| Σ_i f(θ_i) c_i u_i and ⟨v, f(H) v⟩ ≈ |v|² Σ_i f(θ_i) c_i², exact for polynomials
    of degree below S and 2S.
    """

    nodes: np.ndarray
    """Ritz values θ, (K, S), float64."""
    overlaps: np.ndarray
    """c_i = ⟨u_i, v⟩/|v|, (K, S), float64."""
    vectors: Float[Array, "K S N"]
    """Ritz vectors u, of unit norm."""


class _Process(NamedTuple):
    """A block Lanczos process that has filled `size` rows of its basis."""

    basis: Float[Array, "K B N"]
    """Orthonormal rows; those not filled yet are zero."""
    projection: Float[Array, "K B B"]
    """Columns of Q H Qᵀ as the process met them; only the upper triangle is meant."""
    coupling: Float[Array, "K p p"]
    """What the last block's image had outside the basis, in the newest block."""
    size: Array
    """Rows processed; the newest block stands behind them."""


def extreme_eigenpairs(
    operator: Operator,
    start: Float[Array, "K p N"],
    count: int = 3,
    *,
    which: Literal["lowest", "largest"] = "lowest",
    tolerance: float = 1e-5,
    basis: int | None = None,
    max_products: int = 4000,
) -> Eigenpairs:
    """Return the `count` lowest (or largest) eigenpairs of each of K symmetric operators.

    Thick-restarted block Lanczos. All K run until the slowest has converged: products are then
    matrix-matrix.

    Parameters
    ----------
    operator
        K symmetric operators.
    start : (K, p, N)
        The start block, random or, along a trajectory, the previous eigenvectors with a few
        random vectors. p is the block size: larger p needs more products in all, but p products
        in one pass over X cost little more than one. Eigenvalues of multiplicity above p are
        found p times only.
    tolerance
        On the residual |Hv − λv| over the spectral width. It bounds the eigenvalue's error; the
        vector's is the residual over the gap. Below 2e-6 float32 cannot go.
    basis
        Vectors kept before a restart.
    max_products
        Budget per operator; what has not converged by then is returned as it is.

    Raises
    ------
    ValueError
        When N is too small for the counts asked for (form the matrix then), or count < 1.
    """
    runs, block, n = start.shape
    size = _basis_size(basis, count, block, n)
    sign = 1.0 if which == "lowest" else -1.0
    signed = jax.tree_util.Partial(_signed, operator, sign)
    process = _begin(start, size)
    keep = min(size - 2 * block, max(2 * count + block, size // 2))
    products, filled, width = 0, 0, np.full(runs, np.finfo(np.float64).tiny)
    while True:
        steps = min(CHECK_EVERY, (size - filled) // block)
        process = _extend(signed, process, steps)
        products, filled = products + steps * block, filled + steps * block
        theta, ritz = _ritz(process, filled)
        # the other end of the spectrum is known best before it is dropped at the first restart
        width = np.maximum(width, theta[:, -1] - theta[:, 0])
        bottom = ritz[:, filled - block :, :count]
        estimate = np.linalg.norm(np.asarray(process.coupling, float) @ bottom, axis=1)
        done = (estimate <= tolerance * width[:, None]).all()
        if done or products >= max_products or not np.isfinite(theta).all():
            break
        if size - filled < block:
            process = _restart(process, theta, ritz, keep)
            filled = keep
    vectors = _combined(process.basis, ritz[:, :, :count].astype(start.dtype))
    return _measured(signed, vectors, sign, width, products, tolerance)


def lanczos_quadrature(operator: Operator, start: Float[Array, "K p N"], steps: int) -> Quadrature:
    """Return the spectral density that `steps` block Lanczos steps see from a random block.

    For an orthonormal Haar-random block V of p vectors, E V f(H) Vᵀ = (tr f/N) 1, and the Gauss
    rule from T = Q H Qᵀ is exact for the block's own spectral measure up to degree 2·steps − 1.
    Its sampling error falls like 1/√(pN) per moment.

    Parameters
    ----------
    start : (K, p, N)
        Gaussian vectors (they are orthonormalised).
    steps
        Blocks; the resolution is about width/steps. p·steps must not exceed N.

    Raises
    ------
    ValueError
        When p·steps exceeds N.
    """
    _, block, n = start.shape
    if not 1 <= steps * block <= n:
        raise ValueError(f"steps: {steps} blocks of {block} exceed the dimension {n}")
    process = _extend(operator, _begin(start, steps * block), steps)
    theta, ritz = _ritz(process, steps * block)
    weights = (ritz[:, :block] ** 2).sum(axis=1) / block
    return Quadrature(theta, weights)


def krylov(operator: Operator, start: Float[Array, "K N"], steps: int) -> Krylov:
    """Return what `steps` Lanczos steps from each start tell of its operator.

    Raises ``ValueError`` when `steps` exceeds N.
    """
    _, n = start.shape
    if not 1 <= steps <= n:
        raise ValueError(f"steps: {steps} Lanczos steps exceed the dimension {n}")
    process = _extend(operator, _begin(start[:, None, :], steps), steps)
    theta, ritz = _ritz(process, steps)
    return Krylov(theta, ritz[:, 0, :], _combined(process.basis, ritz.astype(start.dtype)))


def _signed(operator: Operator, sign: Scalar, v: Float[Array, "K p N"]) -> Array:
    return sign * operator(v)


def _basis_size(basis: int | None, count: int, block: int, n: int) -> int:
    """Return how many basis vectors to keep: whole blocks, never more than fit in N."""
    if count < 1:
        raise ValueError(f"count: at least one eigenpair must be asked for, not {count}")
    wanted = max(96, 12 * block, 6 * count) if basis is None else basis
    size = min(wanted, n - block) // block * block
    if size < 2 * count + 4 * block:
        raise ValueError(
            f"count: {count} eigenpairs with blocks of {block} need a basis of "
            f"{2 * count + 4 * block} vectors; N={n} allows {size}: diagonalise the matrix instead"
        )
    return size


@partial(jax.jit, static_argnums=1)
def _begin(start: Float[Array, "K p N"], size: int) -> _Process:
    runs, block, n = start.shape
    first, _ = _orthonormal(start)
    basis = jnp.zeros((runs, size + block, n), start.dtype).at[:, :block].set(first)
    projection = jnp.zeros((runs, size + block, size + block), start.dtype)
    return _Process(basis, projection, jnp.zeros((runs, block, block), start.dtype), jnp.array(0))


@partial(jax.jit, static_argnums=2)
def _extend(operator: Operator, process: _Process, steps: int) -> _Process:
    """Process `steps` more blocks: multiply the newest, orthogonalise against all before it.

    Every image is projected on the whole basis, twice: in exact arithmetic three blocks would
    do, in float32 the rest is what keeps the basis orthonormal, and after a restart it is what
    couples the newest block to the kept Ritz vectors.
    """
    block = process.coupling.shape[1]

    def step(_: Array, process: _Process) -> _Process:
        basis, size = process.basis, process.size
        newest = lax.dynamic_slice_in_dim(basis, size, block, 1)
        image, inside = _outside(operator(newest), basis)
        fresh, first = _orthonormal(image)
        fresh, _ = _outside(fresh, basis)
        fresh, second = _orthonormal(fresh)
        return _Process(
            lax.dynamic_update_slice_in_dim(basis, fresh, size + block, 1),
            lax.dynamic_update_slice_in_dim(process.projection, inside, size, 2),
            second @ first,
            size + block,
        )

    return lax.fori_loop(0, steps, step, process)


def _outside(
    v: Float[Array, "K p N"], basis: Float[Array, "K B N"]
) -> tuple[Float[Array, "K p N"], Float[Array, "K B p"]]:
    """Return v less its projection on the basis, and that projection's coefficients."""
    first = jnp.einsum("kbn,kpn->kbp", basis, v)
    v = v - jnp.einsum("kbn,kbp->kpn", basis, first)
    second = jnp.einsum("kbn,kpn->kbp", basis, v)
    return v - jnp.einsum("kbn,kbp->kpn", basis, second), first + second


def _orthonormal(v: Float[Array, "K p N"]) -> tuple[Float[Array, "K p N"], Float[Array, "K p p"]]:
    """Return orthonormal rows q and the triangle r with v = rᵀ q."""
    if v.shape[1] == 1:
        norm = jnp.linalg.norm(v, axis=2, keepdims=True)
        return v / jnp.maximum(norm, jnp.finfo(v.dtype).tiny), norm
    q, r = jnp.linalg.qr(v.swapaxes(1, 2))
    return q.swapaxes(1, 2), r


def _ritz(process: _Process, filled: int) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues (K, B) and eigenvectors (K, B, B) of the projected operators."""
    upper = np.triu(np.asarray(process.projection, np.float64)[:, :filled, :filled])
    diagonal = np.einsum("kbb->kb", upper)
    full = upper + upper.swapaxes(1, 2)
    np.einsum("kbb->kb", full)[...] = diagonal
    theta, ritz = np.linalg.eigh(full)
    return theta, ritz


def _restart(process: _Process, theta: np.ndarray, ritz: np.ndarray, keep: int) -> _Process:
    """Keep the lowest Ritz vectors and the newest block; the process goes on from there."""
    dtype = process.basis.dtype
    return _rebase(process, jnp.asarray(ritz[:, :, :keep], dtype), jnp.asarray(theta, dtype))


@jax.jit
def _rebase(process: _Process, chosen: Float[Array, "K B j"], theta: Array) -> _Process:
    _, filled, keep = chosen.shape
    block = process.coupling.shape[1]
    kept = jnp.einsum("kbn,kbj->kjn", process.basis[:, :filled], chosen)
    rows = jnp.concatenate([kept, process.basis[:, filled : filled + block]], axis=1)
    basis = jnp.zeros_like(process.basis).at[:, : keep + block].set(rows)
    diagonal = jnp.arange(keep)
    projection = jnp.zeros_like(process.projection)
    projection = projection.at[:, diagonal, diagonal].set(theta[:, :keep])
    return _Process(basis, projection, process.coupling, jnp.array(keep))


def _measured(
    signed: Operator,
    vectors: Float[Array, "K k N"],
    sign: Scalar,
    width: np.ndarray,
    products: int,
    tolerance: Scalar,
) -> Eigenpairs:
    """Return the pairs with Rayleigh quotients and residuals from one more product."""
    vectors = vectors / jnp.linalg.norm(vectors, axis=2, keepdims=True)
    image = np.asarray(_apply(signed, vectors), float)
    v = np.asarray(vectors, float)
    values = (v * image).sum(axis=2)
    residuals = np.linalg.norm(image - values[:, :, None] * v, axis=2) / width[:, None]
    # the estimate that ended the process and the measured residual differ by rounding
    rounding = 16 * float(jnp.finfo(vectors.dtype).eps)
    return Eigenpairs(
        values=sign * values,
        vectors=vectors,
        residuals=residuals,
        width=width,
        products=products + vectors.shape[1],
        converged=(residuals <= 1.1 * tolerance + rounding).all(axis=1),
    )


@jax.jit
def _combined(basis: Float[Array, "K B N"], ritz: Float[Array, "K S j"]) -> Float[Array, "K j N"]:
    return jnp.einsum("kbn,kbj->kjn", basis[:, : ritz.shape[1]], ritz)


@jax.jit
def _apply(operator: Operator, v: Float[Array, "K p N"]) -> Float[Array, "K p N"]:
    return operator(v)
