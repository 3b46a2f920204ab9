"""One thread for each process, before any array library starts."""

import os

from threadpoolctl import threadpool_limits

THREADS = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""NPROC is what XLA's CPU client reads; the others are those of BLAS libraries."""
OWN = "GAPLESS_THREADS"
"""The variable with which a user asks for more threads."""


def pin_threads() -> None:
    """Give XLA and BLAS one thread each, or as many as `GAPLESS_THREADS` says.

    Two processes of one thread beat one of two at small N, and rounding depends on the number
    of threads: with one everywhere, the same seed gives the same numbers in any engine. So what
    clusters and shell profiles set for other programs is overruled. Must run before JAX computes
    anything; BLAS may have been loaded already.

    Raises ``ValueError`` if `GAPLESS_THREADS` is no positive integer.
    """
    text = os.environ.get(OWN, "1")
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ValueError(f"the variable {OWN} must be a positive integer, not {text!r}")
    for name in THREADS:
        os.environ[name] = text
    threadpool_limits(int(text))
