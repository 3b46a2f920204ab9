"""Flags of JAX and NumPy that could stop a computation or change a number, held at their defaults.

A notebook or a profile may have set them for other work. Flags of the device are not among them,
nor is x64, which `gapless.precision.precision` sets by problem.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from gapless.arrays import jax

GENERATOR = "threefry2x32"
"""JAX's random bit generator, by name: another default draws other instances from one seed."""


@contextmanager
def as_ever(*, loading: bool = True) -> Iterator[None]:
    """Compute with all flags at their defaults, as a context or as a decorator.

    NaN is a placeholder here, so neither JAX (`jax_debug_nans`) nor NumPy (`np.seterr`) may raise
    an error at one. Programs that are not compiled, or that promote types by other rules, round
    differently.

    Parameters
    ----------
    loading
        Whether JAX is imported; if not, only a JAX that is imported already has its flags set.
    """
    with ExitStack() as stack:
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        if loading or "jax" in sys.modules:
            for held in (
                jax.threefry_partitionable(True),
                jax.default_prng_impl(GENERATOR),
                jax.debug_nans(False),
                jax.debug_infs(False),
                jax.debug_key_reuse(False),
                jax.check_tracer_leaks(False),
                jax.disable_jit(False),
                jax.numpy_dtype_promotion("standard"),
                jax.transfer_guard("allow"),
            ):
                stack.enter_context(held)
        yield
