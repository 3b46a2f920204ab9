"""Checks of numbers and arrays from the user, with errors that name the argument.

Functions return their argument as plain Python or NumPy, or raise ``ValueError`` that begins
with the argument's name and states the condition. Nothing is rounded, wrapped or cut:
6.5 is no count, True no number, and a complex array is not real.
"""

import operator
import sys
from math import inf, isfinite
from typing import Any, Literal, get_args

import numpy as np

HIGHEST_RATIO = 1e8
"""The largest α that theory accepts. There a threshold state differs from its limit α → ∞ by
1/√α = 1e-4, and its complexity, a difference of terms that grow like α, keeps three digits; at
1e12 it keeps none."""

FALSE_ALARM = 1e-9
"""Probability that an X of N(0, 1/N) entries is refused as one of another scale."""
ROWS_PER_LOOK = 4096


Field = Literal["real", "complex"]
"""Numbers that signals and sensing vectors consist of."""
LabelKind = Literal["teacher", "shuffled", "gaussian"]
"""Kinds of labels (docs/conventions.md)."""


class NoSuchRun(IndexError, ValueError):
    """Error for the index of a run that a problem does not have."""


def whole(name: str, value: Any, lowest: float = -inf, highest: float = inf) -> int:
    """Return an integer between two bounds, both included; ``ValueError`` for anything else."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        found = operator.index(value)
    except TypeError:
        raise ValueError(f"{name}: must be an integer, not {_shown(value)}") from None
    if not lowest <= found <= highest:
        raise ValueError(f"{name}: must be an integer {_range(lowest, highest)}, not {found}")
    return found


def number(
    name: str, value: Any, lowest: float = -inf, highest: float = inf, *, above: float = -inf
) -> float:
    """Return a finite real number, ``lowest`` ≤ it ≤ ``highest`` and ``above`` < it.

    Raises ``ValueError`` for anything else: text, True, complex numbers, arrays of rank 1 and up.
    """
    real = np.ndim(value) == 0 and np.asarray(value).dtype.kind in "iuf"
    if not real and not _is_real(value):
        raise ValueError(f"{name}: must be a number, not {_shown(value)}")
    try:
        found = float(value)
    except OverflowError:
        found = inf
    if not (isfinite(found) and lowest <= found <= highest and found > above):
        if above == 0 and highest == inf:
            raise ValueError(f"{name}: must be a positive number, not {value}")
        kind = "a positive number" if lowest > 0 else "a finite number"
        bounds = f"above {above:g}" if above > -inf else _range(lowest, highest)
        raise ValueError(f"{name}: must be {kind} {bounds}".rstrip() + f", not {value}")
    return found


def flag(name: str, value: Any) -> bool:
    """Return True or False; ``ValueError`` for anything else, such as the text ``no``."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name}: must be True or False, not {_shown(value)}")
    return bool(value)


def check_field(field: Any) -> None:
    """Raise ``ValueError`` unless a field is ``real`` or ``complex``."""
    if not (isinstance(field, str) and field in get_args(Field)):
        raise ValueError(f"field: {field!r} is not one of {', '.join(get_args(Field))}")


def check_labels(labels: Any) -> None:
    """Raise ``ValueError`` unless labels are ``teacher``, ``shuffled`` or ``gaussian``."""
    if not (isinstance(labels, str) and labels in get_args(LabelKind)):
        raise ValueError(f"labels: {labels!r} is not one of {', '.join(get_args(LabelKind))}")


def ratio(value: Any) -> float:
    """Return α for theory, a positive number up to `HIGHEST_RATIO`."""
    found = number("alpha", value, above=0)
    if found > HIGHEST_RATIO:
        raise ValueError(
            f"alpha: theory answers up to {HIGHEST_RATIO:g}, not at {value}: beyond it the "
            "difference from the limit α → ∞ is below rounding; lower it"
        )
    return found


def real_array(name: str, value: Any, shape: tuple[int | None, ...] | None = None) -> Any:
    """Return an array after checking that its entries are finite real numbers.

    Parameters
    ----------
    shape
        Required shape; None stands for any length ≥ 1, and in place of the tuple for any shape.

    Raises ``ValueError`` that names the array, its shape or the first bad entry.
    """
    found = shaped(name, real_kind(name, value), shape)
    bad = ~np.isfinite(np.asarray(found, float) if found.dtype.kind == "V" else np.asarray(found))
    if bad.any():
        place = ", ".join(map(str, np.argwhere(bad)[0]))
        raise ValueError(f"{name}: entry [{place}] is not finite; every entry must be")
    return found


def shaped(name: str, value: Any, shape: tuple[int | None, ...] | None, letters: str = "") -> Any:
    """Return ``value`` after checking its shape; raise ``ValueError`` for another."""
    found = tuple(value.shape)
    if shape is None:
        return value
    fits = len(found) == len(shape) and all(
        n >= 1 if meant is None else n == meant for n, meant in zip(found, shape, strict=True)
    )
    if not fits:
        meant = ", ".join("any" if length is None else str(length) for length in shape)
        meant += "," * (len(shape) == 1)
        what = f" {letters} =" if letters else ""
        raise ValueError(f"{name}: the shape must be{what} ({meant}), not {found}")
    return value


def real_kind(name: str, value: Any) -> Any:
    """Return ``value`` as an array of a real type, without checking its entries."""
    # not loaded for the question alone
    if "numpy.ma" in sys.modules and isinstance(value, np.ma.MaskedArray):
        raise ValueError(f"{name}: is a masked array; fill or drop the masked entries")
    try:
        found = value if hasattr(value, "dtype") and hasattr(value, "shape") else np.asarray(value)
        kind = np.dtype(found.dtype).kind
        if not isinstance(found, np.ndarray) and not hasattr(found, "__array_namespace__"):
            found = np.asarray(found)
            kind = found.dtype.kind
    except (TypeError, ValueError):
        raise ValueError(f"{name}: must be an array of numbers, not {_shown(value)}") from None
    if kind == "c":
        raise ValueError(f"{name}: is complex; only real numbers are covered, give its real part")
    # kind V: the narrow floats that JAX adds, such as bfloat16
    if kind not in "iufV" or np.dtype(found.dtype).names:
        raise ValueError(f"{name}: must be an array of numbers, not of {found.dtype}")
    return found


def check_row_norms(name: str, x: Any) -> None:
    """Raise ``ValueError`` unless the mean squared norm of X's rows is 1 within sampling error.

    For N(0, 1/N) entries M times that mean is χ²/N of MN degrees of freedom: it must lie between
    quantiles that one X in a billion misses. Entries of heavier tails scatter more, and rows may
    be of several lengths: six standard errors of the rows' own scatter are allowed as well, but
    no more than a quarter. Rows of norm 1, entries ±1/√N and orthogonal columns of length √(M/N)
    hit 1 exactly.
    """
    from scipy.special import gammainccinv, gammaincinv  # takes a while to load

    m, n = x.shape
    squares = []
    for first in range(0, m, ROWS_PER_LOOK):
        rows = real_array(name, np.asarray(x[first : first + ROWS_PER_LOOK]).astype(float))
        size = max(float(np.abs(rows).max()), 1e-300)
        squares.append((np.einsum("mn,mn->m", rows / size, rows / size), size))
    largest = max(size for _, size in squares)
    norms = np.concatenate([square * (size / largest) ** 2 for square, size in squares])
    scale = largest * float(norms.mean()) ** 0.5
    with np.errstate(over="ignore"):
        mean, scatter = scale * scale, float(norms.std()) / m**0.5 * largest * largest
    half = m * n / 2
    low, high = gammaincinv(half, FALSE_ALARM) / half, gammainccinv(half, FALSE_ALARM) / half
    rounding = 2.0**-10  # of float16, the narrowest that X is stored in
    allowed = rounding + min(6 * scatter, 0.25)
    if not min(low, 1 - allowed) <= mean <= max(high, 1 + allowed):
        remedy = f"divide X by {scale:.6g}" if scale > 1e-290 else "it vanishes"
        raise ValueError(
            f"{name}: the rows of X have a mean squared norm of {mean:.6g} and must have 1 "
            f"(entries of variance 1/N = {1 / n:.4g}); {remedy}"
        )


def _is_real(value: Any) -> bool:
    """Return whether a scalar that NumPy does not hold, such as a ``Fraction``, is real."""
    from numbers import Real

    return isinstance(value, Real) and not isinstance(value, bool)


def _range(lowest: float, highest: float) -> str:
    if lowest == -inf and highest == inf:
        return ""
    if highest == inf:
        return f"of at least {lowest:g}"
    if lowest == -inf:
        return f"of at most {highest:g}"
    most = {2**31 - 1: "2**31 - 1", 2**32 - 1: "2**32 - 1"}.get(int(highest), f"{highest:g}")
    return f"of at least {lowest:g} and at most {most}"


def _shown(value: Any) -> str:
    shape = getattr(value, "shape", ())
    if shape:
        return f"an array of shape {tuple(shape)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
