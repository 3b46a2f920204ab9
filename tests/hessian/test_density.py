"""The spectral density against the dense spectrum."""

import numpy as np

from gapless.hessian import negative_count, smoothed, spectral_density, spectrum
from hessians import KEY


def test_density_integrates_to_one_and_has_the_moments_of_the_dense_spectrum(at_half) -> None:
    problem, w = at_half
    density = spectral_density(problem, w, key=KEY, steps=40, probes=8)
    np.testing.assert_allclose(density.weights.sum(axis=1), 1, atol=1e-6)
    values = spectrum(problem, w, 2)
    for degree in (1, 2, 3, 4):
        found = (density.weights[2] * density.nodes[2] ** degree).sum()
        # variance of the mean over p Gaussian vectors: (2/pN) var λ^degree; 5 of these
        deviation = np.sqrt(2 / (8 * problem.n)) * np.std(values**degree)
        assert abs(found - (values**degree).mean()) < 5 * deviation
    grid = np.linspace(values[0] - 20, values[-1] + 20, 2000)
    curve = smoothed(density, grid, 2.0)[2]
    np.testing.assert_allclose(np.trapezoid(curve, grid), 1, atol=1e-3)
    estimate = problem.n * density.weights[2][density.nodes[2] < 0].sum()
    count = negative_count(problem, w, 2)
    assert abs(estimate - count) < 5 * np.sqrt(2 * count / 8) + 1
