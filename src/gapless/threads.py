"""One thread for each process, before any array library starts."""

import os

from threadpoolctl import threadpool_limits

THREADS = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""NPROC is what XLA's CPU client reads; the others are those of BLAS libraries."""


def pin_threads() -> None:
    """Give XLA and BLAS one thread each, unless the user has said otherwise.

    Two processes of one thread beat one of two at small N, and rounding depends on the number
    of threads: with one everywhere, the same seed gives the same numbers in any engine. Must
    run before JAX computes anything; BLAS may have been loaded already.
    """
    chosen = any(name in os.environ for name in THREADS[1:])
    for name in THREADS:
        os.environ.setdefault(name, "1")
    if not chosen:
        threadpool_limits(1)
