"""The Hessian against automatic differentiation, and its own symmetries."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gapless.design import Design
from gapless.hessian import Deflated, hessian_matrix, hessian_operator, negative_count, spectrum
from gapless.losses import normalised, quartic
from gapless.precision import precision
from gapless.problem import draw_problem
from hessians import KEY


@pytest.mark.parametrize("loss", [quartic, normalised(0.5)], ids=repr)
def test_the_hessian_is_the_second_derivative_of_the_lagrangian(loss) -> None:
    # Eq. 4: second derivative of L(W) − (μ/2)(|W|² − N) at fixed μ
    design = Design(24, 5, seed=2, runs=2)
    problem = draw_problem(design, "teacher", loss, "float64")

    def lagrangian(state: jax.Array, labels: jax.Array, mu: jax.Array) -> jax.Array:
        return loss.value(problem.sensing @ state, labels).sum() / 2 - mu / 2 * state @ state

    with precision("float64"):
        w = jnp.asarray(design.start(), "float64")
        v = jax.random.normal(KEY, (2, 3, 24), "float64")
        image, mu = (
            jax.jit(lambda a, v: a(v))(hessian_operator(problem, w), v),
            problem.multiplier(w),
        )
        second = jax.jit(jax.hessian(lagrangian))
        for run in range(2):
            exact = np.asarray(second(w[run], problem.labels[run], mu[run]))
            scale = np.abs(exact).max()
            np.testing.assert_allclose(hessian_matrix(problem, w, run), exact, atol=1e-12 * scale)
            np.testing.assert_allclose(image[run], v[run] @ exact, atol=1e-12 * scale * 24)


def test_the_trace_is_that_of_the_curvatures(at_half) -> None:
    # E tr H/N = Σ d |x|²/N − μ exactly, with |x|² the actual norms
    problem, w = at_half
    d = problem.loss.d2(problem.student_labels(w), problem.labels) / 2
    exact = (d * (problem.sensing**2).sum(axis=1)[None]).sum(
        axis=1
    ) / problem.n - problem.multiplier(w)
    mean = spectrum(problem, w, 1).mean()
    np.testing.assert_allclose(mean, exact[1], rtol=1e-5)


def test_labels_carry_no_sign(at_half) -> None:
    problem, w = at_half
    flipped = replace(problem, labels=-problem.labels)
    np.testing.assert_array_equal(spectrum(flipped, -w, 0), spectrum(problem, w, 0))


def test_the_phase_of_a_complex_state_is_taken_out_of_the_spectrum(of_phases) -> None:
    problem, w = of_phases
    operator = hessian_operator(problem, w)
    assert isinstance(operator, Deflated)
    matrix, (mode,) = hessian_matrix(problem, w, 0), problem.zero_modes(np.asarray(w))
    unit = mode[0] / np.linalg.norm(mode[0])
    # of float32 draws, in which the unit vector is one
    scale = 4e-7 * np.abs(matrix).max() * problem.dimension**0.5
    np.testing.assert_allclose(matrix @ unit, float(operator.value[0]) * unit, atol=scale)
    # elsewhere it is P H P
    v = np.random.default_rng(0).standard_normal(problem.dimension)
    v -= (v @ unit) * unit
    image = np.asarray(problem.hessian_product(w, v[None]))[0]
    np.testing.assert_allclose(matrix @ v, image - (image @ unit) * unit, atol=10 * scale)
    # in the bulk: neither the lowest nor counted as a direction of descent
    assert float(operator.value[0]) > 0
    assert negative_count(problem, w, 0) == (spectrum(problem, w, 0) < 0).sum()
