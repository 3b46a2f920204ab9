"""What computes records: points, each of which measures itself and returns an Arrow table.

Loaded by every worker: neither pandas nor a drawing library is imported here. (Of itself pyarrow
loads pandas with the first array that it makes, where that is installed.)
"""

from gapless.measure.point import Cost, Point

__all__ = ["Cost", "Point"]
