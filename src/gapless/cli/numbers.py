"""Lists and ranges of numbers in the text of an option."""

import math
from decimal import Decimal

MOST_NUMBERS = 10_000


def numbers(text: str, option: str) -> list[float]:
    """Return the numbers of ``6,7.5,8`` or of ``6:14:0.5`` (both ends included).

    Raises ``ValueError`` that names the option.
    """
    try:
        if ":" in text:
            # in decimals, as written: in binary 0.1 + 2 × 0.1 is not 0.3, but another point
            first, last, step = (Decimal(part) for part in text.split(":"))
            if not (step > 0 and last >= first and (last - first) / step < MOST_NUMBERS):
                raise ValueError
            values = [float(first + i * step) for i in range(int((last - first) / step) + 1)]
        else:
            values = [float(part) for part in text.split(",")]
            if len(set(values)) < len(values):
                raise ValueError
    except (ValueError, OverflowError, ArithmeticError):
        raise ValueError(
            f"{option}: {text!r} is not a list like 6,7,8 or 6:14:0.5 "
            f"(each number once, at most {MOST_NUMBERS})"
        ) from None
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"{option}: {text!r} holds a number that is not finite")
    return values
