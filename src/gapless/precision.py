"""The precision of a computation, set for its length whatever the user's global flags say."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal, get_args

import numpy as np

from gapless.arrays import jax, jnp, on_cpu
from gapless.flags import GENERATOR, as_ever

Dtype = Literal["float32", "float64", "float16"]
"""Precision of the computation. ``float16`` stores X in float16 and computes in float32: X takes
half the memory. Rounding to 11 bits leaves its entries i.i.d., of variance (1 − 4.4e-8)/N.
(bfloat16 rounds eight times coarser, and XLA widens it ten times slower on a CPU with F16C.)"""


def precision(dtype: Dtype) -> AbstractContextManager:
    """Return a context in which JAX computes in `dtype`; the user's global flags are restored.

    Off the CPU products of float32 are made in full: by default recent GPUs keep ten bits (TF32).
    """
    if dtype not in get_args(Dtype):
        raise ValueError(f"dtype: {dtype!r} is not one of {', '.join(get_args(Dtype))}")
    return _computing_in(dtype)


def precision_of(*arrays: Any) -> AbstractContextManager:
    """Return the `precision` of the widest of some arrays: float64 if one is, else float32."""
    wide = any(getattr(array, "dtype", None) == "float64" for array in arrays)
    return _computing_in("float64" if wide else "float32")


def checked_key(name: str, key: Any) -> Any:
    """Return a key of JAX's random numbers, of either style; ``ValueError`` for anything else."""
    if isinstance(key, np.ndarray) and key.dtype == "uint32" and key.shape == (2,):
        # of a design that is drawn in NumPy
        with as_ever():
            return jax.random.wrap_key_data(jnp.asarray(key), impl=GENERATOR)
    if isinstance(key, jax.Array):
        typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        raw = key.dtype == "uint32" and key.shape in ((2,), (4,))
        if raw or (typed and key.shape == ()):
            return key
    raise ValueError(f"{name}: must be one key of jax.random, such as jax.random.key(0)")


@contextmanager
def _computing_in(dtype: Dtype) -> Iterator[None]:
    # on the CPU products are made in full anyway
    full = None if on_cpu() else "highest"
    with as_ever(), jax.enable_x64(dtype == "float64"), jax.default_matmul_precision(full):
        yield
