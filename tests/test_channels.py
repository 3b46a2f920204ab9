"""The channel p(y given z): the score and its slope."""

import numpy as np
import pytest

from gapless.channels import (
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
