"""The spectral estimator has the overlap that theory gives."""

import jax.numpy as jnp
import numpy as np
import pytest

from gapless.algorithms import (
    spectral_estimate,
)
from gapless.channels import (
    preprocessing,
)
from gapless.design import Design
from gapless.problem import draw_problem
from gapless.theory.spectral import spectral_overlap
from sampling import SIGMAS, mean_over_designs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "alpha"),
    [*(("weak", alpha) for alpha in (0.8, 1.2, 2.0, 3.0, 5.0)), ("best", 1.2)],
)
def test_the_spectral_start_has_its_exact_overlap(name, alpha):
    transform = preprocessing(name, alpha)
    overlaps = []
    for index in range(6):
        design = Design(n=4000, alpha=alpha, seed=0, index=index, runs=4)
        problem = draw_problem(design)
        w, pairs = spectral_estimate(problem, key=design.key("spectral"), transform=transform)
        assert pairs.converged.all()
        assert w.dtype == jnp.float32
        overlaps.append(np.asarray(problem.overlap(w), float).mean())
    mean, error = mean_over_designs(overlaps)
    exact, _ = spectral_overlap(transform, alpha)
    assert abs(mean - exact) < SIGMAS * error
    assert error < 0.03
    assert exact > 0.3
