"""The instances of a design: labels of every kind, noise, and values at a random start."""

import inspect
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from gapless.design import Design
from gapless.losses import quartic
from gapless.precision import precision
from gapless.problem import Problem, draw_problem
from sampling import SIGMAS

UNCHECKED = inspect.unwrap(draw_problem)  # as a user without type checks meets it

DESIGN = Design(n=24, alpha=4, seed=1, runs=3)


def test_a_random_start_has_energy_2_alpha_and_multiplier_4_alpha():
    alpha, design = 8.0, Design(n=256, alpha=8, seed=5, runs=32)
    problem, w = draw_problem(design), design.start()
    here = problem.evaluate(w)
    m, k = problem.m, design.k
    # per sample, with independent normal ŷ and y: sd of ℓ is √128 and that of ℓ′ŷ is √1280
    # (E(ŷ²−y²)⁴ = 144 and E[16 ŷ⁴(ŷ²−y²)²] = 1344); ℓ″ = 12ŷ² − 4y² has sd √320.
    # The runs share X; their labels are independent given X up to O(1/√N).
    error = alpha / 2 / (m * k) ** 0.5
    assert abs(float(here.energy.mean()) - 2 * alpha) < 4 * 128**0.5 * error
    assert abs(float(here.mu.mean()) - 4 * alpha) < 4 * 1280**0.5 * error
    # tr H/N → 4α − μ: the trace is ½ Σ ℓ″|x|² − Nμ, and |x|² → 1
    curvature = quartic.d2(np.asarray(problem.student_labels(w)), np.asarray(problem.labels)) / 2
    row = (np.asarray(problem.sensing) ** 2).sum(axis=1)
    trace = (curvature * row[None, :]).sum(axis=1) / problem.n - np.asarray(here.mu)
    assert abs(float((trace + here.mu).mean()) - 4 * alpha) < 4 * 320**0.5 * error


@pytest.mark.parametrize("kind", ["shuffled", "gaussian"])
def test_labels_without_a_teacher_share_no_information_with_the_sensing_vectors(kind):
    design = Design(n=256, alpha=8, seed=2, runs=32)
    problem = draw_problem(design, kind)
    # Σ_m y_m² ⟨x_m, W*⟩² / M is 1 for independent labels and 3 for the teacher's own
    field = np.asarray(design.teacher() @ problem.sensing.T, float)
    moment = (np.asarray(problem.labels, float) ** 2 * field**2).mean()
    assert abs(moment - 1) < 4 * (8 / field.size) ** 0.5


def test_unknown_labels_and_precisions_are_named():
    with pytest.raises(ValueError, match=r"^labels: "):
        UNCHECKED(DESIGN, "random")
    with pytest.raises(ValueError, match=r"^dtype: "):
        inspect.unwrap(precision)("float8")


def test_half_precision_storage_is_the_same_problem_with_rounded_vectors() -> None:
    """X in float16, everything else in float32: as if the rounded X had been drawn."""
    design = Design(n=512, alpha=3, seed=0, runs=4)
    narrow = draw_problem(design, dtype="float16")
    assert narrow.sensing.dtype == jnp.float16
    assert narrow.dtype == "float32"
    x = narrow.sensing.astype(jnp.float32)
    # i.i.d. of variance 1/N: the draw's own deviation is √(2/MN); rounding adds ε²/12 and less
    variance = float((np.asarray(x, float) ** 2).mean() * 512)
    assert abs(variance - 1) < 4 * (2 / x.size) ** 0.5
    assert narrow.teacher is not None
    wide = Problem(x, narrow.teacher @ x.T, narrow.teacher)
    w = design.start()
    for a, b in zip(narrow.evaluate(w), wide.evaluate(w), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(narrow.student_labels(w), wide.student_labels(w), atol=2e-5)


def test_label_noise_has_its_variance_and_is_shared_by_twins():
    design = Design(n=48, alpha=5, seed=3, runs=4)
    clean, noisy = draw_problem(design), draw_problem(design, noise=0.3)
    added = np.asarray(noisy.labels - clean.labels, float)
    # a variance of 960 Gaussians is known to √(2/960)
    assert added.var() == pytest.approx(0.3, rel=SIGMAS * (2 / added.size) ** 0.5)
    # a number of NumPy's does not set the precision
    in_numpy = replace(design, in_numpy=True)
    assert draw_problem(in_numpy, noise=np.float64(0.3)).dtype == "float32"
    twin = draw_problem(design, "shuffled", noise=0.3)
    np.testing.assert_array_equal(np.sort(twin.labels), np.sort(noisy.labels))
    with pytest.raises(ValueError, match=r"^noise: "):
        draw_problem(design, noise=-0.1)
