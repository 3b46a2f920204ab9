"""Measurements: points with a method that returns their records as an Arrow table.

Every worker loads this package, so it imports neither pandas nor a drawing library. (pyarrow loads
an installed pandas with the first array that `pyarrow.array` makes.)
"""

from gapless.measure.point import Cost, Point

__all__ = ["Cost", "Point"]
