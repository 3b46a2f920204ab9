"""Message passing follows state evolution."""

import numpy as np
import pytest

from gapless.algorithms import (
    amp,
    parse_start,
    start_states,
    warm_states,
)
from gapless.design import Design
from gapless.problem import draw_problem
from gapless.theory.state_evolution import (
    state_evolution,
)
from sampling import SIGMAS, mean_over_designs

DESIGN = Design(n=48, alpha=5, seed=3, runs=4)


def test_message_passing_refuses_what_makes_no_sense():
    problem, start = draw_problem(DESIGN), DESIGN.start()
    for overlap, iterations, noise, words in (
        (0.0, 1, 0.0, "overlap"),
        (1.0, 1, 0.0, "overlap"),
        (0.1, 0, 0.0, "iter"),
        (0.1, 1, -1.0, "noise"),
    ):
        with pytest.raises(ValueError, match=words):
            amp(problem, start, overlap, iterations=iterations, noise=noise)
    with pytest.raises(ValueError, match="no teacher"):
        amp(draw_problem(DESIGN, "gaussian"), start, 0.1, iterations=1)
    for overlap, alpha in ((0.0, 1.0), (1.0, 1.0), (0.5, -1.0)):
        with pytest.raises(ValueError, match="overlap" if alpha > 0 else "alpha"):
            state_evolution(overlap, alpha, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "noise"), [(1.5, 0.0), (2.0, 0.2)])
def test_message_passing_follows_state_evolution(alpha, noise):
    overlaps = []
    for index in range(8):
        design = Design(n=4000, alpha=alpha, seed=0, index=index, runs=2)
        problem = draw_problem(design, noise=noise)
        start = warm_states(design.teacher(), design.start(), 0.3)
        overlaps.append(amp(problem, start, 0.3, iterations=12, noise=noise).overlap.mean(axis=0))
    mean, error = mean_over_designs(overlaps)
    exact = state_evolution(0.3, alpha, 12, noise)
    assert (np.abs(mean - exact)[1:] < SIGMAS * error[1:]).all()
    assert exact[-1] > 0.6
    assert error.max() < 0.02


def test_complex_message_passing_follows_state_evolution():
    overlaps = []
    for index in range(8):
        design = Design(n=256, alpha=4, seed=0, index=index, runs=8, field="complex")
        problem = draw_problem(design)
        start = start_states(design, problem, parse_start("overlap:0.4"))
        overlaps.append(amp(problem, start, 0.4, iterations=5).overlap.mean(axis=0))
    mean, error = mean_over_designs(overlaps)
    exact = state_evolution(0.4, 4.0, 5, field="complex")
    # state evolution holds to order 1/N; the sphere and the start's own scatter are of that order
    assert (np.abs(mean - exact)[1:] < SIGMAS * error[1:] + 2 / 256).all()
    assert exact[-1] > 0.9
    assert error.max() < 0.02
