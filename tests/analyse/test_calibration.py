"""Calibration curves: what a reading would say, and α_c matched to measured numbers."""

import numpy as np
import pytest

from gapless.analyse.calibration import Calibration, edge_rate, matched
from gapless.losses import normalised
from gapless.theory import bulk
from gapless.theory.bbp import curvatures
from gapless.theory.minima import minima

X = np.arange(-3.0, 4.1, 0.5)
CURVE = Calibration(X, np.sinh(X / 2))
ALPHAS = (10.0, 11.0, 12.0, 13.0)


def test_the_zero_is_found_once_or_not_at_all():
    assert abs(CURVE.zero()) < 1e-12
    assert np.isnan(Calibration(X, X**2 - 1).zero())
    assert np.isnan(Calibration(X[:3], X[:3]).zero())
    assert np.isnan(CURVE.at(5.0))


def test_a_reading_of_the_true_curve_has_no_bias_and_a_shifted_one_its_shift():
    def zero(alphas: np.ndarray, found: np.ndarray) -> float:
        return float(np.interp(0, found, alphas))

    scale, alpha_c = 0.8, 11.0
    assert np.isclose(CURVE.expected(zero, np.array(ALPHAS), alpha_c, scale), alpha_c, atol=1e-9)
    late = Calibration(X, np.sinh((X - scale) / 2))
    assert np.isclose(late.expected(zero, np.array(ALPHAS), alpha_c, scale), alpha_c + 1, atol=1e-9)


@pytest.mark.parametrize("alpha_c", [10.7, 12.1])
def test_numbers_on_the_curve_are_matched_within_their_error(alpha_c):
    rng, noise, scale = np.random.default_rng(0), 0.05, 0.8
    exact = {alpha: float(np.sinh(scale * (alpha - alpha_c) / 2)) for alpha in ALPHAS}
    clean = matched(CURVE, {alpha: (one, noise) for alpha, one in exact.items()}, scale)
    # a cubic on steps of 0.5 errs by (0.5)⁴/384 of the fourth derivative
    assert abs(clean.alpha - alpha_c) < 2e-3
    noisy = {alpha: (one + noise * rng.normal(), noise) for alpha, one in exact.items()}
    found = matched(CURVE, noisy, scale)
    assert abs(found.alpha - alpha_c) < 4 * found.error
    # dα_c = noise/|slope|, over four values
    slopes = [scale / 2 * np.cosh(scale * (alpha - alpha_c) / 2) for alpha in ALPHAS]
    expected = noise / np.linalg.norm(slopes)
    assert np.isclose(clean.error, expected, rtol=0.02)


def test_numbers_beyond_the_curve_are_matched_nowhere():
    assert np.isnan(matched(CURVE, {10.0: (0.0, 1.0), 60.0: (0.0, 1.0)}, 1.0).alpha)
    far = {alpha: (1e3, 1.0) for alpha in ALPHAS}
    assert np.isnan(matched(CURVE, far, 0.8).alpha)


def test_an_outlier_splits_off_by_the_edge_rate():
    loss, alpha = normalised(1.0), 5.866382  # its most numerous minima are at the transition
    above = 0.05
    state = minima(loss, alpha + above)
    known = curvatures(state.law, loss, alpha + above)
    gap = known.psi(state.gamma) - known.phi(state.gamma)
    outlier = bulk.outlier(known, state.gamma)
    assert outlier.value is not None
    rate = (state.bulk_edge - outlier.value) ** 0.5
    # the next order is the distance itself
    slope = edge_rate(state.law, loss, alpha + above, state.gamma)
    assert np.isclose(rate, slope * gap, rtol=2 * above)
