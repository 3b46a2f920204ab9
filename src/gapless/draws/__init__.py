"""Random numbers of a design by the generator threefry, in NumPy or compiled.

Both make the same bits, and the same normal numbers to rounding. `by_numpy` needs no compilation
and serves a few runs; `by_jax` is some twenty times faster and serves sweeps.
"""

from gapless.draws import by_jax, by_numpy

__all__ = ["by_jax", "by_numpy"]
