"""One step: orders of convergence, stability and error constants."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gapless.chebyshev import MAX_STAGES
from gapless.flow import (
    GradientDescent,
    chebyshev_method,
    euler,
    integrate,
)
from gapless.flow.explicit import (
    adams_bashforth_step,
    chebyshev_step,
    error_constant,
    stable_length,
)
from gapless.precision import precision
from gapless.sphere import normalise


@pytest.mark.parametrize(
    "method",
    [
        euler,
        *(pytest.param(chebyshev_method(s), marks=pytest.mark.slow) for s in (2, 5)),
        chebyshev_method(MAX_STAGES),
    ],
)
def test_order_of_convergence(smooth, reference, method):
    problem, start = smooth
    sizes = 0.08 / np.array([64, 128])  # a program for each
    errors = [
        np.linalg.norm(
            np.asarray(integrate(problem, start, 0.08, solver=GradientDescent(h, method)).state.w)
            - reference
        )
        for h in sizes
    ]
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert abs(slope - method.order) < 0.15


def test_adams_bashforth_has_order_two_on_uneven_steps(smooth, reference):
    problem, start = smooth
    errors = []
    with precision("float64"):
        step = jax.jit(adams_bashforth_step)
        field = jax.jit(lambda w: problem.evaluate(w).velocity)
        for steps in (32, 64, 128):
            # lengths alternate 1 : 2; the start is by the Chebyshev method, of the same order
            lengths = 0.08 * np.tile([2 / 3, 4 / 3], steps // 2) / steps
            w, before, h_before = jnp.asarray(start, "float64"), None, None
            for length in lengths:
                h, velocity = jnp.full(2, length), field(w)
                if before is None:
                    moved = chebyshev_step(field, w, velocity, h, 4)
                else:
                    moved = step(w, velocity, h, before, h_before)
                w, before, h_before = normalise(moved), velocity, h
            errors.append(np.linalg.norm(np.asarray(w) - reference))
    slope = np.polyfit(np.log([32, 64, 128]), np.log(errors), 1)[0]
    assert abs(slope + 2) < 0.15


def _one_step(stages: int, z: jax.Array, h_before: float = 1.0) -> jax.Array:
    """Return W after one step of length 1 of Ẇ = −zW from 1; shape (K, 1)."""
    if stages > 1:
        return _chebyshev(stages, z)
    w, h = jnp.ones((len(z), 1)), jnp.ones(len(z))
    before = -z[:, None] * jnp.exp(z * h_before)[:, None]
    return adams_bashforth_step(w, -z[:, None] * w, h, before, h_before * h)


@jax.jit
def _chebyshev(stages: int, z: jax.Array) -> jax.Array:
    w = jnp.ones((len(z), 1))
    return chebyshev_step(lambda w: -z[:, None] * w, w, -z[:, None] * w, jnp.ones(len(z)), stages)


@pytest.mark.parametrize("stages", [2, 3, 7, MAX_STAGES])
def test_chebyshev_stability_on_a_linear_problem(stages):
    """|R(z)| ≤ 1 on all of 0 ≤ −z ≤ β(s), damped where it is stiff; past 1.5 β(s) it is not."""
    with precision("float64"):
        one = jnp.ones(1)
        beta = float(stable_length(jnp.asarray(stages), one, one)[0])
        growth = jnp.abs(_one_step(stages, jnp.linspace(0, beta, 400)))
        assert float(growth.max()) <= 1 + 1e-12
        assert float(growth[200:].max()) < 0.75
        assert float(jnp.abs(_one_step(stages, jnp.array([1.5 * beta])))[0, 0]) > 1
        assert beta == pytest.approx(0.54 * (stages**2 - 1), rel=0.05)


@pytest.mark.parametrize("stages", [1, 2, 3, 7, MAX_STAGES])
def test_error_constants_on_a_linear_problem(stages):
    """W₁ − exp(−z) = C z³ + O(z⁴), also for Adams–Bashforth after a step twice as long."""
    with precision("float64"):
        z, one = jnp.array([1e-2, 1e-3]), jnp.ones(2)
        constant = error_constant(jnp.asarray(stages), one, 2 * one)
        measured = (_one_step(stages, z, 2.0)[:, 0] - jnp.exp(-z)) / z**3
        np.testing.assert_allclose(measured, constant, rtol=2e-2 if stages > 1 else 4e-2)
        assert abs(float(measured[1] / constant[1]) - 1) < 5e-3


def test_jit_sees_one_loop_for_all_stages():
    """The number of stages is traced: a step with another number compiles nothing new."""
    with precision("float32"):
        w, h = jnp.ones((1, 3)), jnp.ones(1)
        traced = []

        @jax.jit
        def step(stages):
            traced.append(stages)
            return chebyshev_step(lambda w: -w, w, -w, h, stages)

        step(3)
        step(9)
        assert len(traced) == 1
