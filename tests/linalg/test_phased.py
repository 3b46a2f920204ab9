"""Products with complex sensing vectors are those of complex arithmetic."""

import numpy as np
import pytest

from gapless.arrays import jnp
from gapless.linalg import PhasedGram, both_readings, readings, times_i

RNG = np.random.default_rng(0)
N, M = 7, 30
EPSILON = float(np.finfo(float).eps)


def pieces():
    u, v = RNG.standard_normal((M, 2 * N)), RNG.standard_normal((3, 2 * N))
    return u, v, u[:, :N] + 1j * u[:, N:], v[:, :N] + 1j * v[:, N:]


def test_the_readings_are_both_parts_of_the_complex_product():
    u, v, x, z = pieces()
    product = z @ x.conj().T
    found = readings(v, u)
    np.testing.assert_allclose(found[:, 0], product.real, atol=1e2 * EPSILON)
    np.testing.assert_allclose(found[:, 1], product.imag, atol=1e2 * EPSILON)
    np.testing.assert_array_equal(both_readings(v)[:, 0], v)


def test_times_i_is_a_quarter_turn():
    _, v, _, z = pieces()
    turned = times_i(v)
    np.testing.assert_array_equal(turned[:, :N] + 1j * turned[:, N:], 1j * z)
    np.testing.assert_array_equal(times_i(turned), -v)


@pytest.mark.parametrize("library", [np, jnp], ids=["numpy", "jax"])
def test_the_operator_is_the_sum_of_its_two_by_two_blocks(library):
    u, _, _, _ = pieces()
    weight, shift = RNG.standard_normal((2, 3, M)), RNG.standard_normal(2)
    v = RNG.standard_normal((2, 4, 2 * N))
    parts = [np.asarray(a, "float32") for a in (u, weight, shift)]
    gram, host = PhasedGram(*map(library.asarray, parts)), PhasedGram(*parts)
    image = gram(library.asarray(v, "float32"))
    other = times_i(u)
    for run in range(2):
        first, mixed, second = weight[run]
        dense = (u.T * first) @ u + (other.T * second) @ other + shift[run] * np.eye(2 * N)
        dense += (u.T * mixed) @ other + (other.T * mixed) @ u
        scale = 64 * float(np.finfo("float32").eps) * np.abs(dense).max() * N
        np.testing.assert_allclose(image[run], v[run] @ dense, atol=scale)
        rows, weights = host.of_run(run)
        rebuilt = (rows.T * weights) @ rows + shift[run] * np.eye(2 * N)
        np.testing.assert_allclose(rebuilt, dense, atol=scale)
        # rows of norm one on average: the moments are those of the trace
        mean, square = (float(part[run]) for part in gram.moments)
        assert mean == pytest.approx(weights.sum() / (2 * N), rel=1e-4)
        assert square == pytest.approx((weights**2).sum() / (2 * N), rel=1e-4)
