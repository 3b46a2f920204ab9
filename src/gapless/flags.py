"""Flags of JAX and NumPy that could stop a computation or change a number, held at their defaults.

A notebook or a profile may have set them for work of its own. What chooses a device, and x64,
which `gapless.problem.precision` chooses by problem, are not among them.
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
    """Compute as in a session in which nobody has set a flag; also a decorator.

    NaN is a placeholder here, so neither JAX (`jax_debug_nans`) nor NumPy (`np.seterr`) may stop
    at one; programs that are not compiled, or promote types by other rules, round differently.

    Parameters
    ----------
    loading
        Load JAX. Where it is only used if it has been loaded already, leave it alone.
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
