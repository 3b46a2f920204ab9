"""States at which Hessians are compared."""

import jax
import numpy as np
import pytest

from gapless.design import Design
from gapless.losses import normalised
from gapless.problem import Problem, draw_problem
from hessians import before_the_crossing


@pytest.fixture(scope="module")
def at_half() -> tuple[Problem, jax.Array]:
    """Return 4 runs of N=256, α=10 just before the crossing, where λ₁ to λ₃ differ."""
    return before_the_crossing(256)


@pytest.fixture(scope="module")
def of_phases() -> tuple[Problem, np.ndarray]:
    """Return a complex problem, α = 12, of a loss that is bounded, and its random start."""
    design = Design(150, 12, seed=3, runs=1, field="complex", in_numpy=True)
    return draw_problem(design, "teacher", normalised(1.0), "float64"), design.start()
