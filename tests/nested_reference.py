"""Eqs. 11–13 as printed, by nested adaptive quadrature over field and label.

For ℓ = (ŷ² − y²)² and, given a, ℓ = (ŷ² − y²)²/(a + y²).

Nothing is shared with `gapless.theory`: the integration variable is the field r, the minimiser of
V is found at every point, and no corner is substituted away (QUADPACK only gets y_c as an end).
"""

from dataclasses import dataclass
from math import exp, log, nan, pi, sqrt

from scipy.integrate import quad

UPPER = 9.0


def minimiser(r: float, y: float, chi: float) -> float:
    """Return argmin_h (r−h)²/χ + (h²−y²)² for r > 0: the largest root of its derivative.

    Newton from h = |y| + r, where r(h) ≥ r; right of the largest root r(h) is convex.
    """
    h = abs(y) + r
    for _ in range(200):
        slope = 1 + 2 * chi * (3 * h * h - y * y)
        step = (h + 2 * chi * h * (h * h - y * y) - r) / slope
        if abs(step) < 1e-15 * h:
            break
        h -= step
    return h


def potential(r: float, y: float, chi: float, a: float | None) -> tuple[float, float, float]:
    """Return V, ∂V and ∂²V in the field r > 0."""
    factor = 1.0 if a is None else 1 / (a + y * y)
    h = minimiser(r, y, chi * factor)
    curvature = factor * (12 * h * h - 4 * y * y)
    value = (r - h) ** 2 / chi + factor * (h * h - y * y) ** 2
    return value, 2 * (r - h) / chi, curvature / (1 + chi * curvature / 2)


@dataclass(frozen=True)
class Nested:
    """Right-hand sides at given χ and z, per unit of α.

    ``stationarity`` is χ(χ+z)/4 E(∂V)², ``marginality`` χ²/4 E(∂²V)², ``log_norm`` the E log of
    Eq. 11, ``psi`` = E ∂²V/2 (of ψ(χ), without −1/χ), ``phi`` = E y²∂²V/2 (of φ(χ)). The last three
    are NaN unless ``readings``.
    """

    stationarity: float
    marginality: float
    log_norm: float
    psi: float
    phi: float


def nested(
    chi: float, z: float, tolerance: float, readings: bool = True, a: float | None = None
) -> Nested:
    """Evaluate the integrals to a relative ``tolerance`` asked of both quadratures."""
    corner = 1 / sqrt(2 * chi)
    if a is not None:
        # 1 + χℓ″(0, y)/2 = 0; below χ = 1/2 there is no corner and the split does nothing.
        corner = min(sqrt(a / (2 * chi - 1)), UPPER / 2) if chi > 0.5 else 1.0

    def inner(y: float, g) -> float:
        def integrand(r: float) -> float:
            value, first, second = potential(r, y, chi, a)
            return exp(-r * r / 2 - z / 2 * value) * g(first, second)

        # log r resolves whatever scale the corner brings; below e^-45 nothing is left.
        return quad(
            lambda s: integrand(exp(s)) * exp(s),
            -45,
            log(12.0),
            epsabs=0,
            epsrel=tolerance,
            limit=500,
        )[0]

    def outer(g) -> float:
        pieces = [
            quad(
                lambda y: sqrt(2 / pi) * exp(-y * y / 2) * g(y),
                low,
                high,
                epsabs=1e-3 * tolerance,
                epsrel=tolerance,
                limit=500,
            )[0]
            for low, high in ((0.0, corner), (corner, UPPER))
        ]
        return sum(pieces)

    def ratio(g):
        return lambda y: inner(y, g) / inner(y, lambda *_: 1.0)

    first = outer(ratio(lambda first, _: first**2))
    second = outer(ratio(lambda _, second: second**2))
    norm = psi = phi = nan
    if readings:
        norm = outer(lambda y: log(2 * inner(y, lambda *_: 1.0) / sqrt(2 * pi)))
        curvature = ratio(lambda _, second: second / 2)
        psi, phi = outer(curvature), outer(lambda y: y * y * curvature(y))
    return Nested(chi * (chi + z) / 4 * first, chi**2 / 4 * second, norm, psi, phi)
