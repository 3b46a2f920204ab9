"""Quadrature rules of Gaussian and label integrals (docs/derivations/replica.md §5).

Two rules have spectral accuracy for their integrands:

* in the teacher's label y, composite Gauss–Legendre panels that are split where the integrand
  is singular like |y − y_c|^(−1/2) and use y = y_c ± t² there, which makes it analytic in t;
* in the student's label h ≥ h_min, the trapezoidal rule in s with h = h_min + scale·log(1 + eˢ):
  geometric near h_min (a Lorentzian of any width is resolved equally well), uniform further out.

Every integral is evaluated at two successive levels of refinement, whose difference estimates the
error (`error_of`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from gapless.inputs import number

UPPER = 10.0
"""Upper limit of ∫ dy e^{−y²/2}; the tail beyond is below 1e-12 of E y⁸."""


@dataclass(frozen=True)
class Level:
    """Refinement of a rule: panels are halved ``depth`` times toward a singular point.

    Parameters
    ----------
    depth, order
        Dyadic depth and Gauss–Legendre points per panel, in y.
    span, step
        Upper end and step of the trapezoidal rule in s; ``span`` is also the number of cells
        that the support of P(h | y) is cut into, so it bounds the narrowest peak resolved.
    lowest
        Lower end in s: a share e^lowest of the scale is left out next to h_min.
    """

    depth: int
    order: int
    span: float
    step: float
    lowest: float


# `step` sets the error in h, e^{−π²/step}: 3e-9 at 0.50, 5e-16 at 0.28; `lowest` the share of the
# scale left out at h_min, e^−18 = 2e-8 and e^−32 = 1e-14 (docs/derivations/replica.md §5)
LEVELS = (
    Level(2, 8, 24.0, 0.50, -18.0),
    Level(3, 12, 40.0, 0.36, -32.0),
    Level(4, 16, 56.0, 0.28, -32.0),
    Level(4, 22, 84.0, 0.24, -34.0),
    Level(5, 28, 120.0, 0.20, -36.0),
)
"""Levels of refinement. The first (1e-6) is for starting points; results are computed with the
others, whose errors are 1e-11 and below."""


@lru_cache(maxsize=64)
def gauss_legendre(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of the Gauss–Legendre rule on [0, 1]."""
    # from [−1, 1] to [0, 1]; an eigenvalue problem each time, hence the cache
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return (nodes + 1) / 2, weights / 2


def composite(edges: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of the composite rule on panels between increasing ``edges``."""
    unit, weight = gauss_legendre(order)
    width = np.diff(edges)[:, None]
    return (edges[:-1, None] + width * unit).ravel(), (width * weight).ravel()


def dyadic(length: float, depth: int) -> np.ndarray:
    """Return the panel edges 0, length/2^depth, …, length/2, length, refined toward zero."""
    return np.concatenate([[0.0], length * 0.5 ** np.arange(depth, -1.0, -1)])


def _segment(
    start: float, stop: float, singular: bool, level: Level
) -> tuple[np.ndarray, np.ndarray]:
    """Return a rule between ``start`` and ``stop``, in either order, refined toward ``start``."""
    length = abs(stop - start)
    if singular:
        # dy = 2t dt cancels |y − y_c|^(−1/2), and the power series in √|y − y_c| that multiplies it
        # becomes one in t
        t, weight = composite(dyadic(np.sqrt(length), level.depth), level.order)
        offset, weight = t**2, 2 * t * weight
    else:
        offset, weight = composite(dyadic(length, level.depth), level.order)
    return start + np.sign(stop - start) * offset, weight


def half_gaussian(breaks: Iterable[float], level: Level) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes y > 0 and weights of E g(|y|), y ~ N(0, 1).

    Parameters
    ----------
    breaks
        Points in (0, `UPPER`) where g may be singular like |y − y_c|^(−1/2) or jump; the
        substitution y = y_c ± t² on both sides removes either. Panels are refined toward y = 0 as
        well, where losses may have a small scale of their own.
    level
        Refinement.
    """
    points = [0.0, *sorted(b for b in breaks if 0 < b < UPPER), UPPER]
    pieces = []
    for left, right in pairwise(points):
        # No panel may be wider than the Gaussian, whatever lies at its ends.
        reach = min((right - left) / 2, 2.0)
        low, high = left + reach, right - reach
        # y = 0 is no singularity, but panels shrink toward it: a loss may change on the scale √a
        pieces.append(_segment(left, low, left > 0, level))
        if right < UPPER:
            pieces.append(_segment(right, high, True, level))
        else:
            high = right
        if high > low:
            panels = np.linspace(low, high, int(np.ceil((high - low) / 2)) + 1)
            pieces.append(composite(panels, level.order))
    y, weight = (np.concatenate(part) for part in zip(*pieces, strict=True))
    # √(2/π) = 2/√(2π): the negative labels are folded onto the positive ones
    density = weight * np.exp(-(y**2) / 2) * np.sqrt(2 / np.pi)
    return y, density


def half_modulus(breaks: Iterable[float], level: Level) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes s > 0 and weights of E g(|y|), y complex Gaussian with E|y|² = 1.

    The density is 2s e^{−s²}, so that s = u/√2 on the nodes u of `half_gaussian`; `breaks` are
    points s.
    """
    u, weight = half_gaussian([2**0.5 * s for s in breaks], level)
    return u / 2**0.5, weight * u * (np.pi / 2) ** 0.5


def half_line(start: np.ndarray, stop: np.ndarray, level: Level) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights, shape (A, B), of ∫ g dh over [start, ∞), start of shape (A,).

    g must be negligible beyond ``stop``. Near ``start`` it may have any scale, as 1/(u + h²) with
    any small u: the poles at h = ±i√u stay at the distance π/2 in s, so the error is e^{−π²/step}
    for every u.
    """
    s = np.arange(level.lowest, level.span, level.step)
    # log(1 + eˢ) ≈ s at the upper end, so s = span lands on `stop`
    scale = ((stop - start) / level.span)[:, None]
    # logaddexp: eˢ overflows nowhere, and keeps its digits where it is small
    nodes = start[:, None] + scale * np.logaddexp(0.0, s)
    # dh = scale ds/(1 + e^{−s})
    weights = scale * (level.step / (1 + np.exp(-s)))
    return nodes, weights


def half_gaussian_pair(level: Level) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return atoms (h, y) > 0 and weights of E g(|h|, |y|), h and y independent N(0, 1)."""
    # the folded rule twice: g is even in both labels
    return _pairs(*half_gaussian((), level))


def half_modulus_pair(level: Level) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return atoms (r, s) > 0 and weights of E g(|ŷ|, |y|), ŷ and y independent as in the above."""
    return _pairs(*half_modulus((), level))


def _pairs(y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    h, other = np.meshgrid(y, y, indexing="ij")
    return h.ravel(), other.ravel(), np.outer(weight, weight).ravel()


def bivariate_gaussian(
    f: Callable[[np.ndarray, np.ndarray], np.ndarray], overlap: float
) -> tuple[float, float]:
    """Return E f(ŷ, y) for standard normal labels of correlation ``overlap``, and its error.

    The labels are y and ŷ = q y + √(1 − q²) ξ. With f = ℓ and a factor α/2 the mean is the
    generalisation error at overlap q (2α(1 − q²) for the quartic loss). The error is the difference
    of two refinements.

    Raises ``ValueError`` unless |overlap| ≤ 1.
    """
    overlap = number("overlap", overlap, -1, 1)
    # 1 − q² as a product keeps its digits at q → 1
    across = np.sqrt((1 - overlap) * (1 + overlap))

    def at(level: Level) -> float:
        y, weight = half_gaussian((), level)
        # unfolded, since qy + √(1 − q²) ξ mixes the signs; half of the folded weight to each
        y, weight = np.concatenate([-y[::-1], y]), np.concatenate([weight[::-1], weight]) / 2
        xi, teacher = y[:, None], y[None, :]
        # + 0 ξ: both labels as full arrays, for a function that leaves one of them out
        return float(weight @ f(overlap * teacher + across * xi, teacher + 0 * xi) @ weight)

    coarse, fine = at(LEVELS[2]), at(LEVELS[3])
    return fine, error_of(coarse, fine)


def error_of(coarse: float, fine: float, magnitude: float | None = None) -> float:
    """Return an estimate of the error of ``fine`` by one refinement, at least its round-off.

    The difference estimates the error of ``coarse`` and is far above that of ``fine``. Round-off is
    64 ulp of ``magnitude``, the value itself unless it is a difference of larger numbers.
    """
    size = abs(fine) if magnitude is None else magnitude
    return abs(fine - coarse) + 64 * float(np.finfo(float).eps) * size
