"""Random numbers of a design by the generator threefry, in NumPy or compiled.

Both make the same bits, and the same normal numbers to rounding. `at_once` needs no compilation and
serves a few runs; `compiled` is some twenty times faster and serves sweeps.
"""

from gapless.draws import at_once, compiled

__all__ = ["at_once", "compiled"]
