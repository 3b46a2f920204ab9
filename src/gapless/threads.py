"""One thread for each process, before any array library starts."""

import os

from threadpoolctl import threadpool_limits

THREADS = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables with the number of threads: NPROC for XLA's CPU client, the others for BLAS."""
OWN = "GAPLESS_THREADS"
"""Variable in which a user sets the number of threads."""


def pin_threads() -> None:
    """Set the number of threads of XLA and BLAS to one, or to `GAPLESS_THREADS`.

    Two processes of one thread are faster than one process of two at small N, and rounding depends
    on the number of threads: with one everywhere, the same seed gives the same numbers on any
    engine. Values that clusters and shell profiles set for other programs are therefore replaced.
    The call must precede any computation in JAX; BLAS may be loaded before.

    Raises ``ValueError`` if `GAPLESS_THREADS` is not a positive integer.
    """
    text = os.environ.get(OWN, "1")
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ValueError(f"the variable {OWN} must be a positive integer, not {text!r}")
    for name in THREADS:
        os.environ[name] = text
    threadpool_limits(int(text))
