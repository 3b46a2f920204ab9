"""The Hessian's spectrum at N = ∞ is that of matrices with the history of the paths."""

import numpy as np
import pytest

from gapless.losses import normalised
from gapless.theory.dmft import Dynamics, GradientDescent, PathDraws, Run
from gapless.theory.dmft.hessian import hessian_spectrum
from sampling import SIGMAS
from spectra import completions


@pytest.mark.parametrize(("overlap", "time"), [(0.1, 0.2), (0.5, 0.06)])
def test_matrices_with_the_history_of_the_paths_have_the_outlier(overlap, time):
    alpha, paths = 8.0, 2048
    dynamics = Dynamics(normalised(1.0), alpha, "teacher", overlap)
    run = Run.begin(dynamics, PathDraws(paths, 3), GradientDescent(0.02), [0.0, time])
    while not run.is_finished:
        run = run.advanced()
    found = hessian_spectrum(run.state)
    x = run.state.system.sensing[0]
    n = int(x.dimension)
    images = x.images.array().astype(float).T / np.sqrt(n)
    basis = x.basis.array().astype(float).T[:, np.array(x.lengths) > 0]
    values, along = completions(-run.state.here.slope.astype(float), images, basis, n, 12)
    value, share = found.lowest()
    bias = x.count / n
    for measured, theory in ((values, value), (np.abs(along[:, 0]), share)):
        error = measured.std(ddof=1) / np.sqrt(len(measured))
        assert abs(measured.mean() - theory) < SIGMAS * error + bias
    assert found.edge.value - value > 10 * bias
