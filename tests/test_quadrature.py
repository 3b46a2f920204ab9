"""Laws of the Gaussian and label rules."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erfcx

from gapless.losses import quartic
from gapless.quadrature import (
    LEVELS,
    bivariate_gaussian,
    dyadic,
    error_of,
    half_gaussian,
    half_gaussian_pair,
    half_line,
    half_modulus,
)

EPS = np.finfo(float).eps


@pytest.mark.parametrize("breaks", [(), (0.3,), (1.7, 4.0), (0.01, 9.5)])
@pytest.mark.parametrize("level", LEVELS[1:])
def test_gaussian_moments_are_double_factorials(breaks, level):
    y, weight = half_gaussian(breaks, level)
    # A few hundred terms of one sign: 100 ulp. The 12-point panels of the coarsest result level
    # leave 1e-11 where a substitution y = y_c + t² stretches a panel.
    tolerance = 1e-10 if level is LEVELS[1] else 100 * EPS
    for power, exact in ((0, 1), (2, 1), (4, 3), (6, 15), (8, 105)):
        assert weight @ y**power == pytest.approx(exact, rel=tolerance)
    assert weight @ y == pytest.approx(np.sqrt(2 / np.pi), rel=tolerance)


@pytest.mark.parametrize("breaks", [(), (0.3,), (1.2, 2.8)])
def test_moments_of_a_complex_modulus_are_factorials(breaks):
    s, weight = half_modulus(breaks, LEVELS[2])
    for power, exact in ((0, 1), (2, 1), (4, 2), (6, 6), (8, 24)):
        assert weight @ s**power == pytest.approx(exact, rel=100 * EPS)


@pytest.mark.parametrize("corner", [0.4, 1.3, 2.8])
def test_a_square_root_singularity_is_integrated_to_round_off(corner):
    y, weight = half_gaussian((corner,), LEVELS[2])
    ours = weight @ np.abs(y - corner) ** -0.5

    def density(y):
        return np.sqrt(2 / np.pi) * np.exp(-(y**2) / 2)

    left = quad(density, 0, corner, weight="alg", wvar=(0, -0.5), epsrel=1e-13)[0]
    right = quad(density, corner, 10, weight="alg", wvar=(-0.5, 0), epsrel=1e-13)[0]
    # Nodes sit 1e-8 from the corner at the closest, where y − y_c has lost 8 digits, with a
    # weight of 1e-4 in t: 1e-12.
    assert ours == pytest.approx(left + right, rel=1e-11)


@pytest.mark.parametrize("width", [1.0, 1e-2, 1e-5, 1e-8])
def test_a_lorentzian_of_any_width_is_resolved_alike(width):
    h, weight = half_line(np.zeros(1), np.full(1, 6.5), LEVELS[2])
    ours = (weight * np.exp(-(h**2)) / (width**2 + h**2)).sum()
    # ∫₀^∞ e^{−h²}/(u² + h²) dh = (π/2u) e^{u²} erfc u. The error is e^{−π²/step} = 5e-16 from
    # the poles, and e^lowest/u = 1e-14/u from what is cut off next to zero.
    exact = np.pi / (2 * width) * erfcx(width)
    assert ours == pytest.approx(exact, rel=1e-13 + 2e-14 / width)


def test_dyadic_edges_halve_toward_zero():
    edges = dyadic(3.0, 4)
    assert edges[0] == 0
    assert edges[-1] == 3
    np.testing.assert_allclose(edges[2:] / edges[1:-1], 2)


@pytest.mark.parametrize("overlap", [0.0, 0.3, -0.8, 1.0])
def test_generalisation_error_of_the_quartic_loss(overlap):
    value, error = bivariate_gaussian(quartic.value, overlap)
    # E(ŷ² − y²)² = 4(1 − q²), so that (α/2) E ℓ = 2α(1 − q²).
    exact = 4 * (1 - overlap**2)
    assert abs(value - exact) <= max(error, 200 * EPS)
    assert error < 1e-11


def test_a_bivariate_expectation_knows_the_correlation():
    value, _ = bivariate_gaussian(lambda yhat, y: yhat * y**3, 0.4)
    assert value == pytest.approx(3 * 0.4, rel=1e-13)


@pytest.mark.parametrize("overlap", [1.01, -2, np.nan])
def test_an_impossible_overlap_is_an_error(overlap):
    with pytest.raises(ValueError, match="overlap"):
        bivariate_gaussian(quartic.value, overlap)


def test_independent_pairs_factorise():
    h, y, weight = half_gaussian_pair(LEVELS[2])
    assert weight @ (h**4 * y**2) == pytest.approx(3, rel=1e-13)


def test_an_error_is_never_below_round_off():
    assert error_of(1.0, 1.0) >= 10 * EPS
    assert error_of(1.0, 1.5) >= 0.5
    assert error_of(1e-20, 1e-20, magnitude=1.0) >= 10 * EPS
