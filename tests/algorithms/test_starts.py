"""Starts: warm, spectral, and how they are named."""

import numpy as np
import pytest

from gapless.algorithms import (
    Start,
    parse_start,
    start_states,
    warm_states,
)
from gapless.channels import (
    preprocessing,
    weak_optimal,
)
from gapless.design import Design
from gapless.measure.simulation import Simulation
from gapless.problem import draw_problem

DESIGN = Design(n=48, alpha=5, seed=3, runs=4)


@pytest.mark.parametrize("m", [-0.3, 0.0, 0.3, 1.0])
def test_a_warm_start_has_its_overlap_exactly(m):
    problem = draw_problem(DESIGN)
    w = warm_states(DESIGN.teacher(), DESIGN.start(), m)
    np.testing.assert_allclose((np.asarray(w) ** 2).sum(axis=1), 48, rtol=1e-5)
    np.testing.assert_allclose(problem.signed_overlap(w), m, atol=1e-6)


def test_a_spectral_start_is_the_top_eigenvector():
    problem = draw_problem(DESIGN)
    w = np.asarray(start_states(DESIGN, problem, parse_start("spectral")), float)
    weight = np.asarray(weak_optimal(problem.alpha).transform(problem.labels), float)
    x = np.asarray(problem.sensing, float)
    for run in range(4):
        top = np.linalg.eigh((x.T * weight[run]) @ x)[1][:, -1]
        assert abs(w[run] @ top) / 48**0.5 == pytest.approx(1, abs=1e-4)


def test_starts_read_back_and_wrong_ones_are_named():
    for text in ("random", "spectral", "spectral:best", "overlap:0.25"):
        assert str(parse_start(text)) == text
    for text in ("", "hot", "overlap", "overlap:2", "overlap:x", "spectral:x", "random:1"):
        with pytest.raises(ValueError, match=r"^start: "):
            parse_start(text)
    for name in ("", "y"):
        with pytest.raises(ValueError, match=r"^preprocessing: "):
            preprocessing(name, 2.0)
    with pytest.raises(ValueError, match="no teacher"):
        Simulation(n=16, alpha=4, seed=0, labels="gaussian", start="overlap:0.1")


def test_a_start_of_no_kind_is_refused():
    with pytest.raises(ValueError, match=r"^kind: 'hot' is not one of random, spectral, overlap"):
        Start("hot")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"^overlap: "):
        Start("overlap", 2.0)
