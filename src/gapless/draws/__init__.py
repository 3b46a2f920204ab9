"""Random numbers behind a design, by the generator threefry: in NumPy at once, or compiled.

Both make the same bits, and the same normal numbers to rounding. `at_once` needs no compiler, and
`compiled` is some twenty times faster: a few runs are drawn by the one, sweeps by the other.
"""

from gapless.draws import at_once, compiled

__all__ = ["at_once", "compiled"]
