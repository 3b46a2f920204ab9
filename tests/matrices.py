"""Matrices of prescribed spectrum, as operators on blocks."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

KEY = jax.random.key(0)

EPSILON = float(jnp.finfo(jnp.float32).eps)


def of_spectrum(spectra: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return symmetric matrices (K, N, N) with the given eigenvalues (K, N)."""
    rng = np.random.default_rng(seed)
    n = spectra.shape[1]
    bases = [np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in spectra]
    return np.stack([(q * values) @ q.T for q, values in zip(bases, spectra, strict=True)])


def _product(matrices: jax.Array, v: jax.Array) -> jax.Array:
    return jnp.einsum("knj,kpj->kpn", matrices, v)


def operator(matrices: np.ndarray) -> Partial:
    """Return K matrices as an operator on blocks."""
    return Partial(_product, jnp.asarray(matrices, jnp.float32))


def block(runs: int, p: int, n: int) -> jax.Array:
    return jax.random.normal(KEY, (runs, p, n))


# two outliers below a bulk, as at a crossing; a gapless edge; a cluster of three
SPECTRA = np.stack(
    [
        np.concatenate([[-12.0, -9.0], np.linspace(-8.0, 100.0, 198)]),
        np.linspace(-1.0, 1.0, 200) ** 3,
        np.concatenate([[-5.0, -4.999, -4.998], np.linspace(0.0, 50.0, 197)]),
    ]
)
