"""The channel p(y given z): the score and its slope."""

import numpy as np
import pytest

from gapless.channels import (
    complex_score,
    posterior_score,
    posterior_score_slope,
)
from gapless.quadrature import bivariate_gaussian
from gapless.theory.state_evolution import (
    score_square,
)


def test_the_score_is_that_of_the_two_preimages_of_a_label():
    omega, y, variance = np.linspace(-2, 2, 9)[:, None], np.array([0.1, 1.0, 2.5]), 0.7

    def log_evidence(omega):
        near, far = (np.exp(-((s * y - omega) ** 2) / (2 * variance)) for s in (1, -1))
        return np.log(near + far)

    step = 1e-5
    slope = (log_evidence(omega + step) - log_evidence(omega - step)) / (2 * step)
    np.testing.assert_allclose(posterior_score(omega, y, variance), slope, atol=1e-9)
    scores = [posterior_score(omega + s * step, y, variance) for s in (1, -1)]
    np.testing.assert_allclose(
        posterior_score_slope(omega, y, variance), (scores[0] - scores[1]) / (2 * step), atol=1e-9
    )


@pytest.mark.parametrize(("s", "noise"), [(0.1, 0.0), (0.6, 0.0), (0.6, 0.3)])
def test_on_the_bayes_optimal_line_the_score_squares_to_minus_its_slope(s, noise):
    # E g² = −E ∂g/∂ω: both are the Fisher information of ω
    scale, variance = np.sqrt(1 + noise), 1 - s + noise
    slope, error = bivariate_gaussian(
        lambda z, omega: posterior_score_slope(np.sqrt(s) * omega, scale * z, variance),
        np.sqrt(s) / scale,
    )
    assert error < 1e-9
    assert score_square(s, noise) == pytest.approx(-slope, abs=1e-9)


def test_the_complex_score_is_that_of_the_circle_of_preimages_of_a_label():
    # p(s|ω) by a sum over 64 phases of z, which is exact to rounding for a periodic integrand
    omega, s, variance = np.linspace(0.05, 2, 9)[:, None], np.array([0.1, 1.0, 2.5]), 0.7
    phases = 2 * np.pi * np.arange(64) / 64

    def log_evidence(omega):
        distance = np.abs(s[..., None] * np.exp(1j * phases) - omega[..., None]) ** 2
        return np.log(np.exp(-distance / variance).mean(axis=-1))

    step = 1e-5
    slope = (log_evidence(omega + step) - log_evidence(omega - step)) / (2 * step)
    # half of the slope along the modulus: g is the derivative in the conjugate of ω
    np.testing.assert_allclose(complex_score(omega, s, variance), slope / 2, atol=1e-9)
