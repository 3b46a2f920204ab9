"""A smooth problem and its flow, which two files of this folder compare with."""

import numpy as np
import pytest

from gapless.design import Design
from gapless.flow import (
    GradientDescent,
    chebyshev_method,
    integrate,
)
from gapless.problem import draw_problem


@pytest.fixture(scope="module")
def smooth():
    """A small problem in float64 whose flow is far from its ends up to t = 0.08."""
    design = Design(n=32, alpha=5, seed=0, runs=2)
    return draw_problem(design, "shuffled", dtype="float64"), design.start()


@pytest.fixture(scope="module")
def reference(smooth):
    problem, start = smooth
    exact = integrate(problem, start, 0.08, solver=GradientDescent(1e-4, chebyshev_method(4)))
    return np.asarray(exact.state.w)
