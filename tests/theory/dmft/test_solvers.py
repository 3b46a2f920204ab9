"""Solvers of the N → ∞ dynamics: the error of a step, and steps that are refused."""

import numpy as np
import pytest

from dmft_laws import descent, images, linear_flow, square
from gapless.losses import quartic
from gapless.theory.dmft import (
    Dynamics,
    GradientDescent,
    GradientFlow,
    PathDraws,
    Run,
    Unstable,
    solve,
)


@pytest.mark.parametrize("paths", [72, 1024])
def test_a_step_of_the_flow_errs_by_its_accuracy_at_most(paths):
    """A quadratic loss: the flow on the matrix that a run draws is known by its eigenvectors.

    Errors of steps are of third order in their length and lengths go like accuracy^(1/3), so there
    are accuracy^(−1/3) steps and the flow errs by accuracy^(2/3): 4.6 times less a decade, once
    the first steps, which double from 1e-4 on, are few. 72 paths are N = 24: all of a matrix.
    """
    alpha, times, global_errors = 3.0, np.array([0.0, 0.1, 0.4, 1.0, 3.0]), []
    for accuracy in (1e-2, 1e-3, 1e-4):
        dynamics, solver = Dynamics(square, alpha), GradientFlow(accuracy)
        states = [Run.begin(dynamics, PathDraws(paths, 0), solver, times, 0.0)]
        while not states[-1].is_finished:
            states.append(states[-1].advanced())
        sensing = states[-1].state.system.sensing[0]
        t = [one.state.t for one in states]
        w = np.array([sensing.rebased(one.state.here.vectors[0]).components for one in states])
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        x = images(sensing)
        matrix = x @ x.T * alpha / paths
        steps = zip(w, w[1:], np.diff(t), strict=False)
        errors = [float(np.linalg.norm(linear_flow(matrix, a, h) - b)) for a, b, h in steps]
        # none errs by more, and none is much shorter than it may be
        assert 0.2 * accuracy < max(errors) < accuracy
        end = linear_flow(matrix, w[0], times[-1])
        global_errors.append(float(np.linalg.norm(end - w[-1])))
    assert global_errors[0] > 2 * global_errors[1] > 4 * global_errors[2]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GradientDescent(0.0), ["rate", "positive"]),
        (lambda: GradientDescent(float("nan")), ["rate", "positive"]),
        (lambda: GradientFlow(0.0), ["accuracy", "between"]),
        (lambda: PathDraws(64, 0, 0, "matched"), ["sampling", "sobol, random"]),
        (lambda: PathDraws(64, -1), ["seed", "2**32"]),
    ],
)
def test_wrong_solvers_and_draws_are_refused(make, words):
    with pytest.raises(ValueError, match=words[0]) as caught:
        make()
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("step", [0.2, 1e300])
def test_a_step_beyond_stability_is_told(step):
    with pytest.raises(Unstable, match=r"step: .* halve it"):
        descent(10.0, step, 30, paths=512)


def test_an_accuracy_beyond_float32_is_told():
    with pytest.raises(Unstable, match=r"accuracy: .* raise --accuracy"):
        solve(Dynamics(quartic, 4.0), PathDraws(256, 0), GradientFlow(1e-30), [0, 0.1])
