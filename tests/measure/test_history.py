"""What a run has seen of X, and the outliers that this implies."""

import numpy as np
import pytest
import scipy.linalg
from scipy import stats

from gapless.design import Design
from gapless.flow import integrate
from gapless.losses import normalised, quartic
from gapless.measure.history import (
    EARLY,
    LATE,
    UNTIL,
    History,
    follow_with_history,
    snapshot_times,
)
from gapless.problem import draw_problem
from spectra import completions


def test_a_history_is_the_products_with_x_that_were_made():
    design = Design(40, 5.0, 0, runs=3, in_numpy=True)
    problem, start = draw_problem(design, loss=quartic), design.start()
    history = History.begin(problem, 1, start)
    assert history.signal == 0
    assert history.missing(start[1:2]) < 1e-6
    moved = start + 0.01 * np.asarray(problem.evaluate(start).velocity)
    assert history.missing(moved[1:2]) > 0.1
    for w in (start, moved, moved):
        history = history.seen(w[1:2])
    # the force at the start is Xᵀq, so the step is seen; the last state brought nothing new
    assert history.missing(moved[1:2]) < 1e-6
    assert (len(history.directions), len(history.forces)) == (4, 2)
    x = np.asarray(problem.sensing, float)
    for basis in (history.directions, history.forces):
        np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-12)
    np.testing.assert_allclose(history.images, history.directions @ x.T, atol=1e-6)
    products = history.forces @ x
    inside = (products @ history.directions.T) @ history.directions
    np.testing.assert_allclose(products, inside, atol=1e-5)


def test_labels_without_a_signal_have_a_history_without_one():
    design = Design(40, 5.0, 0, runs=1, in_numpy=True)
    problem = draw_problem(design, "shuffled", quartic)
    history = History.begin(problem, 0, design.start()).seen(design.start())
    assert history.signal is None
    assert len(history.directions) == 2
    assert np.isnan(history.spectrum(design.start()).lowest(history.signal)[1])


def test_snapshots_lie_close_and_hold_the_times_that_are_asked_for():
    times, rate = np.array([0.0, 0.02, 0.5, 0.51, 3.0]), 40.0
    every = snapshot_times(times, rate)
    gaps = np.diff(every)
    assert set(times) <= set(every)
    assert gaps.min() > 0
    assert gaps.max() < LATE / rate * (1 + 1e-9)
    assert gaps[every[1:] <= UNTIL / rate].max() < EARLY / rate * (1 + 1e-9)


@pytest.mark.parametrize(
    ("n", "draws", "end"), [(160, 8, 0.6), pytest.param(1200, 6, 2.0, marks=pytest.mark.slow)]
)
def test_the_lowest_eigenvalue_and_its_overlap_are_predicted_through_the_escape(n, draws, end):
    # five overlaps from 0 to 0.95, normalised loss a = 1, α = 10
    design = Design(n, 10.0, 0, runs=1, in_numpy=True)
    problem, start = draw_problem(design, loss=normalised(1.0)), design.start()
    x, signal = np.asarray(problem.sensing, float), np.asarray(problem.teacher, float)[0]
    left, histories, found = [0.0, 0.25, 0.5, 0.75, 0.95], [], []

    def look(_, state):
        histories[:] = [(histories or [History.begin(problem, 0, start)])[0].seen(state.w)]
        if not left or float(problem.overlap(state.w)[0]) < left[0]:
            return
        left.pop(0)
        (history,) = histories
        d = np.asarray(problem.curvature(state.w)[0], float)[0]
        value, vector = scipy.linalg.eigh((x.T * d) @ x, subset_by_index=[0, 0])
        share = abs(vector[:, 0] @ signal) / np.linalg.norm(signal)
        of_matrices = completions(d, history.images.T, history.forces.T, n, draws)
        predicted = history.spectrum(state.w).lowest(history.signal)
        found.append(((value[0], share), predicted, of_matrices, len(history.directions)))
        # the gaps between snapshots hide a small part of the state
        assert history.missing(state.w) < 0.03

    rate = float(problem.multiplier(start)[0])
    times = snapshot_times(np.array([0.0, end]), rate)
    integrate(problem, start, times[-1], save_at=times, observe=look)
    assert not left
    for measured, predicted, (values, along), directions in found:
        both = (values, np.abs(along[:, 0]))
        for here, theory, others in zip(measured, predicted, both, strict=True):
            spread = others.std(ddof=1)
            # one run among matrices with its history: Student's quantile, 1e-4 on either side
            wide = stats.t.isf(1e-4, draws - 1) * spread * (1 + 1 / draws) ** 0.5
            assert abs(here - others.mean()) < wide
            # their mean, and what is beyond the leading order in k directions of N
            error = stats.t.isf(1e-4, draws - 1) * spread / draws**0.5
            assert abs(others.mean() - theory) < error + 2 * directions / n


@pytest.mark.parametrize("in_numpy", [pytest.param(True, marks=pytest.mark.slow), False])
def test_runs_are_followed_with_what_they_imply(in_numpy):
    design = Design(60, 6.0, 0, runs=2, in_numpy=in_numpy)
    problem = draw_problem(design, loss=quartic)
    times = [0.0, 0.1, 0.2]
    frames = follow_with_history(
        problem, design.start(), times, lambda state, joint: (state, joint)
    )
    assert len(frames) == len(times)
    for state, joint in frames:
        assert (joint["missing"] < 0.03).all()
        assert ((joint["joint_overlap"] >= 0) & (joint["joint_overlap"] <= 1)).all()
        assert joint["joint_outlier"].shape == np.asarray(state.energy).shape
