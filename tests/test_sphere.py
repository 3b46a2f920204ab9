"""The sphere and the space without it: states put there, vectors tangent there."""

import jax
import numpy as np

from gapless.sphere import SPACE, SPHERE, normalise, tangent


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


def test_a_domain_retracts_its_own_states_to_themselves_and_its_multiplier_leaves_a_tangent():
    """∇L − μW is its own tangent part, which is the one property of μ that the flow needs."""
    rng = np.random.default_rng(2)
    gradient, start = rng.normal(size=(2, 3, 40))
    for domain in (SPHERE, SPACE):
        w = domain.retract(start)
        np.testing.assert_allclose(domain.retract(w), w, rtol=1e-14)
        np.testing.assert_allclose(domain.mean_square(w), (w**2).mean(axis=1), rtol=1e-14)
        radial, square = ((a * w).sum(axis=1) for a in (gradient, w))
        found = gradient - domain.multiplier(radial, square)[:, None] * w
        np.testing.assert_allclose(domain.tangent(found, w / 40**0.5), found, atol=1e-13)
        np.testing.assert_allclose(domain.tangent(gradient, w / 40**0.5), found, atol=1e-13)
