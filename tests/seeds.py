"""Every seed of the tests and of what they call, moved by one number: a law holds for any seed.

`SEED_SHIFT=1000 pytest` adds 1000 to each integer seed of `numpy.random.default_rng` (the first of
a sequence) and of `jax.random.key`, in the process of the tests: all that is drawn there comes from
these two. Not moved: processes that a test starts, and `random.Random` in the fuzzers.
"""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

SHIFT = int(os.environ.get("SEED_SHIFT", "0"))
KEPT = (np.random.Generator, np.random.BitGenerator, np.random.SeedSequence)


def move_seeds() -> None:
    """Replace both generators by ones whose seeds are moved by `SHIFT`."""
    if SHIFT:
        np.random.default_rng = _moved(np.random.default_rng)
        jax.random.key = _moved(jax.random.key)


def _moved(generator: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(generator)
    def from_moved_seed(seed: Any = None, *args: Any, **options: Any) -> Any:
        return generator(_shifted(seed), *args, **options)

    return from_moved_seed


def _shifted(seed: Any) -> Any:
    if seed is None or isinstance(seed, KEPT):
        return seed
    if isinstance(seed, Sequence):
        return [seed[0] + SHIFT, *seed[1:]]
    return seed + SHIFT
