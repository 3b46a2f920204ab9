"""Durations and memory as text: "6 h 30 min", "12.7 GiB"."""

import math
from itertools import pairwise

_UNITS = ("d", 86400), ("h", 3600), ("min", 60), ("s", 1)
_BYTES = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: "0.4 s", "45 s", "6 min 5 s", "6 h 30 min".

    Tenths are given below ten seconds. A time that is not finite is "unknown".
    """
    if not math.isfinite(seconds):
        return "unknown"
    if abs(seconds) < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    # rounded to the smaller unit first: 59.7 s are 1 min, and 3599.9 s are 1 h
    for (large, size), (small, part) in pairwise(_UNITS):
        count = round(seconds / part)
        if count * part >= size:
            whole, rest = divmod(count, size // part)
            return f"{whole} {large}" + (f" {rest} {small}" if rest else "")
    return f"{round(seconds)} s"


def memory(size: float) -> str:
    """Return a number of bytes in the largest unit below it: "640 MiB", "12.7 GiB"."""
    if not math.isfinite(size):
        return "unknown"
    power = 0
    # rounded first: 1023.97 MiB are 1.0 GiB
    while power < len(_BYTES) - 1 and round(size, 1 if power else 0) >= 1024:
        size, power = size / 1024, power + 1
    digits = 1 if power and size < 99.95 else 0
    return f"{size:,.{digits}f} {_BYTES[power]}"
