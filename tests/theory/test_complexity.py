"""The complexity curve and its end: derivatives of Eq. 11 by differences."""

import numpy as np
import pytest

from gapless.losses import amplitude, normalised, quartic
from gapless.quadrature import LEVELS
from gapless.theory import complexity_curve, ground_state, threshold_state
from gapless.theory.bbp import random_law
from gapless.theory.complexity import HIGHEST_GROUND
from gapless.theory.label_measure import label_measure
from gapless.theory.replica import free_energy


def test_the_ground_state_is_where_f_is_largest_in_z():
    ground = ground_state(quartic, 10.0)

    def f(z):
        return free_energy(label_measure(quartic, ground.chi, z, LEVELS[3]), 10.0)

    # f‴ step²/6 is 2e-8, and rounding 1e-13/step a hundredth of it
    step = 1e-4 * ground.z
    slope = (f(ground.z + step) - f(ground.z - step)) / (2 * step)
    assert slope == pytest.approx(0, abs=1e-7)
    assert f(ground.z) == pytest.approx(ground.energy)
    # Σ = 0 at an energy above the marginal one: such a state is not even 1RSB stable.
    assert ground.marginality > 1


def test_complexity_is_a_legendre_transform():
    curve = complexity_curve(quartic, 10.0, z=np.linspace(0.08, 0.1, 9))
    # Trapezoid on dΣ/de = z: error h² e‴/12, a relative 1e-4 of Σ's change.
    change = np.diff(curve.complexity)
    integral = np.diff(curve.energy) * (curve.z[1:] + curve.z[:-1]) / 2
    np.testing.assert_allclose(change, integral, rtol=1e-3)
    assert (np.diff(curve.energy) < 0).all()
    state = threshold_state(quartic, 10.0)
    sigma = np.interp(-state.energy, -curve.energy, curve.complexity)
    assert sigma == pytest.approx(state.complexity, abs=1e-5)


def test_the_default_complexity_curve_spans_ground_state_and_threshold():
    curve = complexity_curve(quartic, 3.0, points=7)
    assert curve.complexity.max() > 0 > curve.complexity.min()
    assert curve.marginality.min() < 1 < curve.marginality.max()


def test_complexity_curve_refuses_bad_z():
    with pytest.raises(ValueError, match="positive"):
        complexity_curve(quartic, 10.0, z=np.array([-1.0]))


@pytest.mark.parametrize("loss", [quartic, amplitude, normalised(1.0)], ids=lambda loss: loss.name)
def test_ground_states_are_found_up_to_their_largest_alpha(loss):
    found = ground_state(loss, HIGHEST_GROUND)
    # Σ = z(e − f) = 0, up to the quadrature of a finer rule
    free = free_energy(label_measure(loss, found.chi, found.z, LEVELS[2]), HIGHEST_GROUND)
    assert free == pytest.approx(found.energy, rel=1e-9)
    # random states have (α/2) E ℓ, and a ground state less
    assert 0 < found.energy < HIGHEST_GROUND / 2 * random_law(LEVELS[0]).mean(loss.value)
    with pytest.raises(ValueError, match=r"^alpha: .* up to 100000"):
        ground_state(loss, 1.01 * HIGHEST_GROUND)
