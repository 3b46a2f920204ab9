"""Algorithms beside gradient flow: spectral estimator, message passing, SGD, Langevin, noise."""

import jax
import numpy as np
import pytest

from gapless.algorithms import (
    langevin,
    sgd,
)
from gapless.design import Design
from gapless.problem import draw_problem

DESIGN = Design(n=48, alpha=5, seed=3, runs=4)


def test_whole_batches_are_gradient_descent():
    problem, key = draw_problem(DESIGN), jax.random.key(0)
    x, y, w = (np.asarray(a, float) for a in (problem.sensing, problem.labels, DESIGN.start()))
    for _ in range(5):
        gradient = problem.loss.d1(w @ x.T, y) / 2 @ x
        tangent = gradient - (gradient * w).sum(axis=1, keepdims=True) / 48 * w
        w = w - 1e-3 * tangent
        w *= 48**0.5 / np.linalg.norm(w, axis=1, keepdims=True)
    whole = sgd(problem, DESIGN.start(), key=key, rate=1e-3, batch=problem.m, steps=5)
    # sums of 240 terms in another order, 5 times
    np.testing.assert_allclose(whole, w, atol=1e-4)
    cold, _ = langevin(problem, DESIGN.start(), key=key, temperature=0.0, rate=1e-3, steps=5)
    np.testing.assert_allclose(cold, w, atol=1e-4)


@pytest.mark.slow
def test_a_pass_without_replacement_sees_every_sample_once():
    problem, start, rate = draw_problem(DESIGN), DESIGN.start(), 1e-5
    moved = {
        replacement: np.asarray(
            sgd(
                problem,
                start,
                key=jax.random.key(1),
                rate=rate,
                batch=problem.m // 4,
                steps=4,
                replacement=replacement,
            )
            - start
        )
        for replacement in (False, True)
    }
    # four batches, each weighed M/B = 4: to first order in the rate four steps of descent
    descent = 4 * rate * np.asarray(problem.evaluate(start).velocity)
    size = np.abs(descent).max()
    assert np.abs(moved[False] - descent).max() < 0.05 * size
    assert np.abs(moved[True] - descent).max() > 0.2 * size


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": 0.0}, "rate"),
        ({"batch": 0}, "batch"),
        ({"batch": 241}, "240"),
        ({"steps": -1}, "steps"),
    ],
)
def test_sgd_refuses_what_makes_no_sense(changes, words):
    arguments = {"rate": 1e-3, "batch": 8, "steps": 1} | changes
    with pytest.raises(ValueError, match=words):
        sgd(draw_problem(DESIGN), DESIGN.start(), key=jax.random.key(0), **arguments)
