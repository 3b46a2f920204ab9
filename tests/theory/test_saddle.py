"""The outer stability of 1RSB states: its value, its derivation, its limit."""

import numpy as np
import pytest

from gapless.losses import normalised, quartic
from gapless.quadrature import LEVELS, half_gaussian_pair
from gapless.theory import ground_state, threshold_state
from gapless.theory.label_measure import evaluate, label_measure
from gapless.theory.saddle import outer_replicon


def test_the_marginal_state_is_unstable_outside_above_alpha_2_32():
    flags = threshold_state(quartic, 10.0).flags
    assert flags["outer_replicon"] == pytest.approx(1.614, abs=5e-4)
    assert flags["outer_unstable"]
    assert not threshold_state(quartic, 2.3).flags["outer_unstable"]
    assert threshold_state(quartic, 2.34).flags["outer_unstable"]


@pytest.mark.parametrize("alpha", [2.0, 10.0])
def test_the_ground_state_is_unstable_outside(alpha):
    ground = ground_state(quartic, alpha)
    measure = label_measure(quartic, ground.chi, ground.z, LEVELS[2])
    assert alpha * outer_replicon(measure) > 1.2


@pytest.mark.parametrize(("loss", "chi", "z"), [(quartic, 0.08, 0.12), (normalised(1.0), 0.3, 0.5)])
def test_it_is_the_curvature_of_the_free_energy_in_an_outer_field(loss, chi, z):
    # (χ+z)² E_y φ″(0)² with φ(b) = (1/z) log ∫Dr e^{−zV(r+b)/2}: a field b shifts the weight of
    # the label h of field r by e^{br − b²/2}, and even r leave cosh(br).
    measure = label_measure(loss, chi, z, LEVELS[2])
    r = measure.h + chi / 2 * measure.d1

    def phi(b):
        moved = np.einsum("ab,ab->a", measure.weight, np.cosh(b * r))
        return (np.log(moved) - b**2 / 2) / z

    step = 1e-2
    second = (-2 * phi(2 * step) + 32 * phi(step)) / (12 * step**2)  # even, φ(0) taken off
    expected = (chi + z) ** 2 * float(measure.y_weight @ second**2)
    assert outer_replicon(measure) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", [quartic, normalised(2.0)])
def test_large_alpha_has_a_closed_limit(loss):
    # V → ℓ and φ″ → −E_r ℓ″/2, so α(χ+z)²E_y(E_r ℓ″)²/4 → E ℓ″² E_y(E_r ℓ″)²/(E ℓ′²)²: 1 for the
    # quartic loss. Corrections of order 1/√α.
    h, y, weight = half_gaussian_pair(LEVELS[1])
    square = float(weight @ evaluate(loss.d1, h, y) ** 2)
    curvature = evaluate(loss.d2, h, y)
    labels, group = np.unique(y, return_inverse=True)
    mass = np.bincount(group, weight, labels.size)
    given = np.bincount(group, weight * curvature, labels.size) / mass
    limit = float(weight @ curvature**2) * float(mass @ given**2) / square**2
    found = threshold_state(loss, 1e8).flags["outer_replicon"]
    assert found == pytest.approx(limit, rel=3e-3)
    if loss is quartic:
        assert limit == pytest.approx(1, rel=1e-9)
