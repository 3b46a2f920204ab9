"""The sphere: what is put on it, and what is tangent to it."""

import jax
import numpy as np

from gapless.sphere import normalise, tangent


def test_a_state_on_the_sphere_stays_and_a_tangent_vector_is_orthogonal():
    w = normalise(jax.random.normal(jax.random.key(0), (3, 40)))
    v = jax.random.normal(jax.random.key(1), (3, 40))
    rounding = 16 * float(np.finfo(np.float32).eps)
    np.testing.assert_allclose((np.asarray(w) ** 2).sum(axis=1), 40, rtol=rounding)
    np.testing.assert_allclose(normalise(w), w, rtol=rounding)
    unit = w / 40**0.5
    np.testing.assert_allclose((tangent(v, unit) * unit).sum(axis=1), 0, atol=40 * rounding)
    # P is a projector
    np.testing.assert_allclose(tangent(tangent(v, unit), unit), tangent(v, unit), atol=rounding)
