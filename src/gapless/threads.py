"""One thread for each process, before any array library starts."""

import os
from collections.abc import MutableMapping

THREADS = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""NPROC is what XLA's CPU client reads; the others are those of BLAS libraries."""


def pin_threads(environment: MutableMapping[str, str] = os.environ) -> None:
    """Give XLA and BLAS one thread each, unless the user has said otherwise.

    Two processes of one thread beat one of two at small N, and rounding depends on the number
    of threads: with one everywhere, the same seed gives the same numbers in any engine.
    """
    for name in THREADS:
        environment.setdefault(name, "1")
