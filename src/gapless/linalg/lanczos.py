"""Block Lanczos with full orthogonalisation, for eigenpairs and for functions of operators.

It acts on a batch of blocks. Products run in the operator's precision; the small projected
matrices are diagonalised in float64.

Sources: G. H. Golub and R. Underwood, "The block Lanczos method for computing eigenvalues" (1977);
K. Wu and H. Simon, "Thick-restart Lanczos method", SIAM J. Matrix Anal. Appl. 22 (2000) 602-616.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from gapless.arrays import Array, compiled, jnp, lax
from gapless.inputs import real_array
from gapless.linalg.products import Operator
from gapless.precision import precision_of
from gapless.shapes import Float

BATCH = 4
"""From this many runs on products are matrix-matrix without blocks of vectors."""
BLOCK = 4
"""Vectors in the start block of fewer runs: four cost little more than one in a pass over X."""


class Process(NamedTuple):
    """A block Lanczos process that has filled `size` rows of its basis."""

    basis: Float[Array, "K B N"]
    """Orthonormal rows; those not filled yet are zero."""
    projection: Float[Array, "K B B"]
    """Columns of Q H Qᵀ in the order of the process; only the upper triangle is valid."""
    coupling: Float[Array, "K p p"]
    """Coefficients of the last block's image in the newest block, outside the basis."""
    size: Array
    """Rows processed; the newest block stands behind them."""


def block_size(runs: int, at_least: int = 0) -> int:
    """Return the number of vectors in a start block: one in a batch, `BLOCK` for few runs."""
    return 1 if runs >= BATCH else max(BLOCK, at_least)


def start_block(start: Any) -> Float[Array, "K p N"]:
    """Return a checked start block, in float64 if it has that precision and else in float32.

    Raises ``ValueError`` unless it is (K, p, N) of finite real numbers.
    """
    start = real_array("start", start, (None, None, None))
    wide = start.dtype == "float64"
    with precision_of(start):
        return jnp.asarray(start, "float64" if wide else "float32")


@contextmanager
def operator_errors(start: Float[Array, "K p N"]) -> Iterator[None]:
    """Raise ``ValueError`` that names both where an operator cannot multiply a start block."""
    try:
        yield
    except TypeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"operator: takes no block of shape {start.shape} in {start.dtype}, or returns "
            f"another: {reason}"
        ) from None


def check_finite(projection: Array) -> None:
    """Raise ``ValueError`` where an operator's products were not finite."""
    if not np.isfinite(np.asarray(projection)).all():
        raise ValueError("operator: its products are not finite; look at its weights and shift")


@compiled(static_argnums=1)
def begin(start: Float[Array, "K p N"], size: int) -> Process:
    """Return the process whose first block spans `start`, with room for `size` vectors more."""
    runs, block, n = start.shape
    first, _ = _orthonormal(start)
    # Room for the block that stands behind the basis. Memory is K (size + p) N numbers, all of them
    # allocated now: shapes that do not grow let one compiled step serve all.
    basis = jnp.zeros((runs, size + block, n), start.dtype).at[:, :block].set(first)
    projection = jnp.zeros((runs, size + block, size + block), start.dtype)
    return Process(basis, projection, jnp.zeros((runs, block, block), start.dtype), jnp.array(0))


@compiled()
def extend(operator: Operator, process: Process, steps: Array | int) -> Process:
    """Process `steps` more blocks: multiply the newest, orthogonalise against all before it.

    Every image is projected on the whole basis twice, and once more when normalised: in exact
    arithmetic three blocks would suffice. In float32 the other projections keep the basis
    orthonormal, and after a restart they couple the newest block to the kept Ritz vectors.
    """
    block = process.coupling.shape[1]

    def step(_: Array, process: Process) -> Process:
        basis, size = process.basis, process.size
        newest = lax.dynamic_slice_in_dim(basis, size, block, 1)
        # rows that are not filled are zero, so projections may run over all of them
        image, inside = _outside(operator(newest), basis)
        fresh, first = _orthonormal(image)
        # normalising what little may be left of an image magnifies its rounding: once more
        fresh, _ = _outside_once(fresh, basis)
        fresh, second = _orthonormal(fresh)
        return Process(
            lax.dynamic_update_slice_in_dim(basis, fresh, size + block, 1),
            # a column block: coefficients of the newest block's image on all before it and itself;
            # what is below the diagonal is its mirror image, and is made by `ritz`
            lax.dynamic_update_slice_in_dim(process.projection, inside, size, 2),
            # v = r₁ᵀ q₁ and q₁ = r₂ᵀ q₂, so that v = (r₂ r₁)ᵀ q₂
            second @ first,
            size + block,
        )

    return lax.fori_loop(0, steps, step, process)


def _outside(
    v: Float[Array, "K p N"], basis: Float[Array, "K B N"]
) -> tuple[Float[Array, "K p N"], Float[Array, "K B p"]]:
    """Return v minus its projection on the basis, and the coefficients of the projection."""
    v, first = _outside_once(v, basis)
    # twice: the first pass leaves rounding relative to v, the second to what is left of v
    v, second = _outside_once(v, basis)
    # both passes count: the sum is what was taken off, the column of Q H Qᵀ
    return v, first + second


def _outside_once(
    v: Float[Array, "K p N"], basis: Float[Array, "K B N"]
) -> tuple[Float[Array, "K p N"], Float[Array, "K B p"]]:
    """Return one projection as in `_outside`: rounding is relative to v, not to the remainder."""
    inside = jnp.einsum("kbn,kpn->kbp", basis, v)
    return v - jnp.einsum("kbn,kbp->kpn", basis, inside), inside


def _orthonormal(v: Float[Array, "K p N"]) -> tuple[Float[Array, "K p N"], Float[Array, "K p p"]]:
    """Return orthonormal rows q and the triangle r with v = rᵀ q."""
    if v.shape[1] == 1:
        norm = jnp.linalg.norm(v, axis=2, keepdims=True)
        # an exact invariant subspace leaves nothing: zero, not NaN
        return v / jnp.maximum(norm, jnp.finfo(v.dtype).tiny), norm
    # vectors are rows here and columns there: v = rᵀ q
    q, r = jnp.linalg.qr(v.swapaxes(1, 2))
    return q.swapaxes(1, 2), r


def ritz(process: Process, filled: int) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues (K, B) and eigenvectors (K, B, B) of the projected operators."""
    # only the upper triangle is meant (see `Process`)
    upper = np.triu(np.asarray(process.projection, np.float64)[:, :filled, :filled])
    diagonal = np.einsum("kbb->kb", upper)
    full = upper + upper.swapaxes(1, 2)
    np.einsum("kbb->kb", full)[...] = diagonal
    # float64 for a matrix of some hundred rows costs little, and adds no error to the products'
    theta, ritz = np.linalg.eigh(full)
    return theta, ritz


def restart(process: Process, theta: np.ndarray, ritz: np.ndarray, keep: int) -> Process:
    """Return the process restarted from its lowest Ritz vectors and its newest block."""
    dtype = process.basis.dtype
    return _rebase(process, jnp.asarray(ritz[:, :, :keep], dtype), jnp.asarray(theta, dtype))


@compiled()
def _rebase(process: Process, chosen: Float[Array, "K B j"], theta: Array) -> Process:
    _, filled, keep = chosen.shape
    block = process.coupling.shape[1]
    kept = jnp.einsum("kbn,kbj->kjn", process.basis[:, :filled], chosen)
    rows = jnp.concatenate([kept, process.basis[:, filled : filled + block]], axis=1)
    basis = jnp.zeros_like(process.basis).at[:, : keep + block].set(rows)
    # on the span of the Ritz vectors that are kept H is diagonal; their coupling to the newest
    # block is in the column that `extend` makes next
    diagonal = jnp.arange(keep)
    projection = jnp.zeros_like(process.projection)
    projection = projection.at[:, diagonal, diagonal].set(theta[:, :keep])
    return Process(basis, projection, process.coupling, jnp.array(keep))


@compiled()
def combined(basis: Float[Array, "K B N"], ritz: Float[Array, "K S j"]) -> Float[Array, "K j N"]:
    """Return the Ritz vectors: combinations of the first S vectors of the basis."""
    return jnp.einsum("kbn,kbj->kjn", basis[:, : ritz.shape[1]], ritz)
