"""Overlaps of vectors with the signal and with samples."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from gapless.design import Design
from gapless.hessian import lowest_eigenpairs, signal_overlap, top_sample_share
from gapless.problem import draw_problem, problem_from_arrays
from hessians import KEY


def test_a_sample_of_huge_negative_curvature_is_called_a_single_sample() -> None:
    design = Design(128, 6, seed=4, runs=1)
    problem = draw_problem(design)
    w = problem.teacher
    assert w is not None
    spiked = replace(problem, labels=problem.labels.at[0, 17].set(40.0))
    pairs = lowest_eigenpairs(spiked, w, 2, key=KEY)
    share = np.asarray(top_sample_share(spiked, pairs.vectors))[0]
    assert share[0] > 0.95
    # a vector that knows no sample: about 2 log M/N
    assert share[1] < 4 * np.log(problem.m) / problem.n


def test_the_overlap_of_the_signal_with_itself_is_one_and_without_teacher_undefined() -> None:
    design = Design(64, 4, seed=0, runs=2)
    teacher = design.teacher()
    vectors = jnp.stack([teacher, -3 * teacher], axis=1)
    np.testing.assert_allclose(signal_overlap(vectors, teacher), 1, atol=1e-6)
    assert np.isnan(signal_overlap(vectors, None)).all()


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_overlaps_of_vectors_have_no_scale(scale):
    design = Design(16, 4, seed=0, runs=2, in_numpy=True)
    problem = draw_problem(design)
    vectors = np.random.default_rng(0).standard_normal((2, 3, 16))
    for overlap in (
        lambda v: signal_overlap(v, problem.teacher),
        lambda v: top_sample_share(problem, v),
    ):
        np.testing.assert_allclose(overlap(scale * vectors), overlap(vectors), rtol=1e-5)


@pytest.mark.parametrize("scale", [300.0, 1e-4])
def test_the_share_of_a_sample_has_no_scale_in_float16_either(scale):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((160, 20)), rng.standard_normal(20)
    own = problem_from_arrays((scale * x).astype("float16"), (x @ w) ** 2, runs=2)
    vectors = np.asarray(own.start, float)[:, None]
    stored = (scale * x).astype("float16").astype(float)
    squares = (vectors[:, 0] @ stored.T) ** 2 / (stored**2).sum(axis=1)
    expected = squares.max(axis=1) / (vectors[:, 0] ** 2).sum(axis=1)
    for problem in (own.problem, own.problem.to_numpy()):
        found = np.asarray(top_sample_share(problem, problem.array(vectors)))[:, 0]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
