"""Extreme eigenpairs and spectral densities of symmetric operators that share one X.

An operator acts on a batch of blocks: it maps (K, p, N) to (K, p, N), K symmetric operators at
once on p vectors each. All tools here are the same block Lanczos process with full
orthogonalisation (`lanczos`): the lowest (or largest) Ritz pairs, f(H) v, and the spectral density
estimated from a random start. Products run in the operator's precision (float32 keeps
eigenvalues to 1e-6 of the spectral width).
"""

from gapless.linalg.eigenpairs import Eigenpairs, extreme_eigenpairs
from gapless.linalg.krylov import Krylov, Quadrature, krylov, lanczos_quadrature
from gapless.linalg.lanczos import block_size
from gapless.linalg.phased import PhasedGram, both_readings, readings, times_i
from gapless.linalg.products import (
    ENTRIES_PER_BLOCK,
    Operator,
    WeightedGram,
    through_rows,
    times,
    times_transpose,
)

Gram = WeightedGram | PhasedGram
"""K operators of rank-one terms on a shared X, plus a multiple of 1."""

__all__ = [
    "ENTRIES_PER_BLOCK",
    "Eigenpairs",
    "Gram",
    "Krylov",
    "Operator",
    "PhasedGram",
    "Quadrature",
    "WeightedGram",
    "block_size",
    "both_readings",
    "extreme_eigenpairs",
    "krylov",
    "lanczos_quadrature",
    "readings",
    "through_rows",
    "times",
    "times_i",
    "times_transpose",
]
