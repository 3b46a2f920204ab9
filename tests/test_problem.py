"""Energy, gradient, multiplier and Hessian products: identities and the values at random."""

import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gapless.design import Design
from gapless.losses import normalised, quartic
from gapless.problem import Problem, draw_problem, precision
from gapless.sphere import normalise
from sampling import SIGMAS

LOSSES = [quartic, normalised(0.5)]

UNCHECKED = inspect.unwrap(draw_problem)  # as a user without type checks meets it

DESIGN = Design(n=24, alpha=4, seed=1, runs=3)


@pytest.fixture(params=LOSSES, ids=repr)
def double(request):
    """A problem in float64 with a state off the solution."""
    with precision("float64"):
        problem = draw_problem(DESIGN, "teacher", request.param, dtype="float64")
        yield problem, normalise(DESIGN.start().astype("float64"))


def test_gradient_is_that_of_the_energy(double):
    problem, w = double
    gradient = jax.grad(lambda w: problem.energy(w).sum())(w) * problem.n
    np.testing.assert_allclose(problem.gradient(w), gradient, rtol=1e-12, atol=1e-12)


def test_hessian_product_is_that_of_the_gradient_less_mu(double):
    problem, w = double
    v = DESIGN.teacher().astype("float64")
    _, product = jax.jvp(problem.gradient, (w,), (v,))
    expected = product - problem.multiplier(w)[:, None] * v
    np.testing.assert_allclose(problem.hessian_product(w, v), expected, rtol=1e-11, atol=1e-11)


def test_multiplier_of_equation_3_is_the_radial_gradient_and_velocity_is_tangent(double):
    problem, w = double
    here = problem.evaluate(w)
    np.testing.assert_allclose(here.mu, problem.multiplier(w), rtol=1e-12)
    np.testing.assert_allclose((here.velocity * w).sum(axis=1), 0, atol=1e-11)
    np.testing.assert_allclose(here.energy, problem.energy(w), rtol=1e-13)


def test_speed2_is_the_rate_at_which_the_energy_falls(double):
    problem, w = double
    here = problem.evaluate(w)
    _, slope = jax.jvp(problem.energy, (w,), (here.velocity,))
    np.testing.assert_allclose(slope, -here.speed2, rtol=1e-11)


def test_nothing_depends_on_the_axes_or_on_the_sign_of_the_labels(double):
    problem, w = double
    rotation = jnp.asarray(np.linalg.qr(np.random.default_rng(0).normal(size=(24, 24)))[0])
    turned = Problem(
        problem.sensing @ rotation, -problem.labels, problem.teacher @ rotation, problem.loss
    )
    here, there = problem.evaluate(w), turned.evaluate(w @ rotation)
    np.testing.assert_allclose(there.energy, here.energy, rtol=1e-12)
    np.testing.assert_allclose(there.mu, here.mu, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(there.velocity, here.velocity @ rotation, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(turned.overlap(w @ rotation), problem.overlap(w), rtol=1e-11)


def test_the_teacher_and_its_mirror_image_are_solutions(double):
    problem, _ = double
    for w in (problem.teacher, -problem.teacher):
        here = problem.evaluate(w)
        np.testing.assert_allclose(here.energy, 0, atol=1e-24)
        np.testing.assert_allclose(problem.overlap(w), 1, rtol=1e-14)


def test_a_batch_is_its_runs_one_by_one(double):
    problem, w = double
    together = problem.evaluate(w)
    for run in range(3):
        row = slice(run, run + 1)
        one = Problem(problem.sensing, problem.labels[row], problem.teacher[row], problem.loss)
        alone = one.evaluate(w[row])
        np.testing.assert_allclose(alone.velocity[0], together.velocity[run], atol=1e-11)
        law = problem.label_law(w, run)
        assert law.energy(problem.loss, problem.alpha) == pytest.approx(float(together.energy[run]))
        assert law.multiplier(problem.loss, problem.alpha) == pytest.approx(
            float(problem.multiplier(w)[run])
        )


def test_a_random_start_has_energy_2_alpha_and_multiplier_4_alpha():
    alpha, design = 1.0, Design(n=4096, alpha=1.0, seed=5, runs=16)
    problem, w = draw_problem(design), design.start()
    here = problem.evaluate(w)
    m, k = problem.m, 16
    # per sample, with independent normal ŷ and y: sd of ℓ is √128 and that of ℓ′ŷ is √1280
    # (E(ŷ²−y²)⁴ = 144 and E[16 ŷ⁴(ŷ²−y²)²] = 1344); ℓ″ = 12ŷ² − 4y² has sd √320.
    # The runs share X; their labels are independent given X up to O(1/√N).
    error = alpha / 2 / (m * k) ** 0.5
    assert abs(float(here.energy.mean()) - 2 * alpha) < 4 * 128**0.5 * error
    assert abs(float(here.mu.mean()) - 4 * alpha) < 4 * 1280**0.5 * error
    # tr H/N → 4α − μ: the trace is ½ Σ ℓ″|x|² − Nμ, and |x|² → 1
    curvature = quartic.d2(problem.student_labels(w), problem.labels) / 2
    row = (problem.sensing**2).sum(axis=1)
    trace = (curvature * row[None, :]).sum(axis=1) / problem.n - here.mu
    assert abs(float((trace + here.mu).mean()) - 4 * alpha) < 4 * 320**0.5 * error


@pytest.mark.parametrize("kind", ["shuffled", "gaussian"])
def test_labels_without_a_teacher_share_no_information_with_the_sensing_vectors(kind):
    design = Design(n=256, alpha=8, seed=2, runs=8)
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


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_a_problem_comes_out_of_a_pickle_as_it_went_in(dtype):
    problem = draw_problem(DESIGN, loss=normalised(0.5), dtype=dtype)
    again = pickle.loads(pickle.dumps(problem))
    assert again.loss is problem.loss
    for name in ("sensing", "labels", "teacher"):
        a, b = getattr(again, name), getattr(problem, name)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_label_noise_has_its_variance_and_is_shared_by_twins():
    design = Design(n=48, alpha=5, seed=3, runs=4)
    clean, noisy = draw_problem(design), draw_problem(design, noise=0.3)
    added = np.asarray(noisy.labels - clean.labels, float)
    # a variance of 960 Gaussians is known to √(2/960)
    assert added.var() == pytest.approx(0.3, rel=SIGMAS * (2 / added.size) ** 0.5)
    twin = draw_problem(design, "shuffled", noise=0.3)
    np.testing.assert_array_equal(np.sort(twin.labels), np.sort(noisy.labels))
    with pytest.raises(ValueError, match=r"^noise: "):
        draw_problem(design, noise=-0.1)
