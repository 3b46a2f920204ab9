"""Energy, gradient, multiplier and Hessian products: identities and the values at random."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gapless.design import Design
from gapless.losses import normalised, quartic
from gapless.precision import precision
from gapless.problem import Problem, draw_problem
from gapless.sphere import normalise, tangent

LOSSES = [quartic, normalised(0.5)]

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


def test_without_the_sphere_the_gradient_is_all_and_the_hessian_has_no_mu(double):
    problem, w = double
    free = Problem(problem.sensing, problem.labels, problem.teacher, problem.loss, sphere=False)
    here, there = problem.evaluate(w), free.evaluate(w)
    np.testing.assert_allclose(there.velocity, -free.gradient(w), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(there.energy, here.energy, rtol=1e-13)
    # its tangent part is the sphere's velocity: with ρ forced to 1 it is Eq. 2
    np.testing.assert_allclose(tangent(there.velocity, w / 24**0.5), here.velocity, atol=1e-11)
    assert not np.asarray(there.mu).any()
    assert not np.asarray(free.multiplier(w)).any()
    v = problem.teacher
    lowered = free.hessian_product(w, v) - here.mu[:, None] * v
    np.testing.assert_allclose(lowered, problem.hessian_product(w, v), rtol=1e-11, atol=1e-11)
    _, product = jax.jvp(free.gradient, (2 * w,), (v,))
    np.testing.assert_allclose(free.hessian_product(2 * w, v), product, rtol=1e-11, atol=1e-11)


def test_every_copy_of_a_problem_has_its_domain():
    free = draw_problem(DESIGN, sphere=False)
    copies = [
        free.of_runs(np.array([0, 2])),
        free.to_numpy(),
        free.in_units_of(2.0),
        free.for_loops(),
    ]
    copies += [pickle.loads(pickle.dumps(free)), jax.tree.map(lambda leaf: leaf, free)]
    assert [copy.sphere for copy in copies] == [False] * 6
    assert draw_problem(DESIGN).of_runs(np.array([0])).sphere


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


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_a_problem_comes_out_of_a_pickle_as_it_went_in(dtype):
    problem = draw_problem(DESIGN, loss=normalised(0.5), dtype=dtype)
    again = pickle.loads(pickle.dumps(problem))
    assert again.loss is problem.loss
    for name in ("sensing", "labels", "teacher"):
        a, b = getattr(again, name), getattr(problem, name)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_a_compiled_function_of_the_users_computes_in_float64_or_says_what_is_missing():
    problem = draw_problem(DESIGN, dtype="float64")
    w = np.asarray(DESIGN.start(), float)
    energy = jax.jit(problem.energy)
    with jax.enable_x64(False), pytest.raises(ValueError, match=r"^dtype: .*enable_x64"):
        energy(w)
    with jax.enable_x64(True):
        np.testing.assert_allclose(energy(w), problem.energy(w), rtol=1e-12)
