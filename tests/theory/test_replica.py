"""Laws of the 1RSB threshold states: identities, independent routes, refinement, bad input."""

from functools import cache
from math import nan

import numpy as np
import pytest

from gapless.losses import Loss, normalised, quartic
from gapless.quadrature import LEVELS
from gapless.theory import (
    NotConverged,
    bulk_edge,
    ground_state,
    replica,
    roots,
    saddle,
)
from gapless.theory import threshold_state as solved
from gapless.theory.label_measure import label_measure
from nested_reference import nested

amplitude = Loss(
    name="amplitude",
    value=lambda yhat, y: (abs(yhat) - abs(y)) ** 2,
    d1=lambda yhat, y: 2 * (abs(yhat) - abs(y)) * np.where(yhat < 0, -1.0, 1.0),
    d2=lambda yhat, y: 2.0 + 0 * yhat * y,
    curvature_infimum=2.0,
)
"""ℓ = (|ŷ| − |y|)²: constant curvature, a jump at field zero for every y, no corner."""

threshold_state = cache(solved)
"""States are solved once, whichever tests ask for them."""

STATES = [
    (quartic, 1.5),
    (quartic, 4.0),
    (quartic, 14.0),
    (normalised(1.0), 3.0),
    (normalised(1.0), 10.0),
    (normalised(0.1), 2.0),
    (normalised(5.0), 6.0),
    (amplitude, 5.0),
]
FEW = [
    one if k in (1, 4, 5, 7) else pytest.param(*one, marks=pytest.mark.slow)
    for k, one in enumerate(STATES)
]
"""Half of the states in the fast tests: each loss once, with a corner and without."""
MEASURES = [(quartic, 0.08, 0.12), (quartic, 0.7, 0.5), (normalised(0.1), 0.6, 2.0)]


def free_energy(loss, alpha, chi, z):
    return replica.free_energy(label_measure(loss, chi, z, LEVELS[2]), alpha)


def central_difference(function, x):
    """Five-point derivative: error x⁴ step⁴/30 of the fifth, about 1e-9 here, noise 1e-13/step."""
    step = 2e-3 * x
    far = function(x - 2 * step) - function(x + 2 * step)
    return (far + 8 * (function(x + step) - function(x - step))) / (12 * step)


@pytest.mark.parametrize(("loss", "chi", "z"), MEASURES)
def test_eq_12_is_the_stationarity_of_eq_11_in_chi(loss, chi, z):
    # ∂f/∂χ = [1 − α (χ(χ+z)/4) E(∂V)²] / (2χ(χ+z)) at any χ and z, saddle or not.
    alpha = 3.0
    measure = label_measure(loss, chi, z, LEVELS[2])
    expected = (1 - alpha * saddle.stationarity(measure)) / (2 * chi * (chi + z))
    slope = central_difference(lambda x: free_energy(loss, alpha, x, z), chi)
    assert slope == pytest.approx(expected, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize(("loss", "alpha"), FEW)
def test_energy_is_the_z_derivative_of_zf(loss, alpha):
    # f is stationary in χ at the state, so χ may be held.
    state = threshold_state(loss, alpha)
    slope = central_difference(lambda z: z * free_energy(loss, alpha, state.chi, z), state.z)
    assert slope == pytest.approx(state.energy, rel=1e-8)


@pytest.mark.parametrize(("loss", "alpha"), STATES)
def test_edge_minus_multiplier_is_the_mass_of_the_kink(loss, alpha):
    # Integration by parts in the field plus Eq. 12: docs/derivations/bbp.md §4.
    state = threshold_state(loss, alpha)
    assert state.bulk_edge - state.mu == pytest.approx(state.flags["kink_mass"], abs=1e-9)
    assert state.flags["multiplier_mismatch"] == state.bulk_edge - state.mu


@pytest.mark.parametrize(("a", "alpha"), [(1.0, 4.0), (1.0, 18.0), (0.1, 3.0), (5.0, 30.0)])
def test_without_a_kink_the_edge_is_the_multiplier(a, alpha):
    # Kink-free iff 1 + χℓ″(0, y)/2 ≥ 0 for every y: χ ≤ 1/2 for the normalised loss.
    state = threshold_state(normalised(a), alpha)
    assert state.chi <= 0.5
    assert state.flags["kink_mass"] == 0
    assert state.bulk_edge == pytest.approx(state.mu, abs=1e-10)


@pytest.mark.parametrize(("loss", "alpha"), STATES)
def test_gamma_bar_is_chi(loss, alpha):
    # Eq. 13 is Eq. 6 at γ = χ. Searched on the atoms, root and pole (nearly) coincide for a
    # loss with a corner, which costs digits; for the amplitude loss they are far apart.
    state = threshold_state(loss, alpha)
    searched = bulk_edge(state.law, loss, alpha)
    assert searched.gamma == pytest.approx(state.chi, rel=1e-6)
    assert searched.value == pytest.approx(state.bulk_edge, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("loss", "alpha"), STATES)
def test_the_law_carries_energy_multiplier_and_moments(loss, alpha):
    state = threshold_state(loss, alpha)
    assert state.law.energy(loss, alpha) == pytest.approx(state.energy, rel=1e-12)
    assert state.law.multiplier(loss, alpha) == pytest.approx(state.mu, rel=1e-12, abs=1e-12)
    assert state.law.moments() == pytest.approx(state.moments, rel=1e-12)
    assert state.complexity == pytest.approx(state.z * (state.energy - state.free_energy))


def test_the_amplitude_loss_has_a_closed_chi():
    # ∂²V = 2/(1+χ) whatever the label: Eq. 13 reads α (χ/(1+χ))² = 1.
    for alpha in (2.0, 5.0, 40.0):
        state = threshold_state(amplitude, alpha)
        assert state.chi == pytest.approx(1 / (np.sqrt(alpha) - 1), rel=1e-12)


def test_large_alpha_decouples_the_labels():
    # χ = 2/√(α E ℓ″²) with E ℓ″² = 384 and z = χ as E ℓ′² = 192, up to O(1/√α).
    state = threshold_state(quartic, 1e8)
    assert state.chi == pytest.approx(2 / np.sqrt(384e8), rel=1e-3)
    assert state.z == pytest.approx(state.chi, rel=1e-3)
    assert state.moments["2"] == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
def test_the_printed_equations_by_nested_adaptive_quadrature():
    # Another variable (the field), explicit minimisation, QUADPACK; its own accuracy at this
    # tolerance is 3e-9, seen by asking it for more.
    state = threshold_state(quartic, 10.0)
    reference = nested(state.chi, state.z, 1e-4)
    assert 10 * reference.stationarity == pytest.approx(1, rel=1e-8)
    assert 10 * reference.marginality == pytest.approx(1, rel=1e-8)
    entropy = np.log1p(state.z / state.chi) / 2
    printed = -(entropy + 10 * reference.log_norm) / state.z
    assert printed == pytest.approx(state.free_energy, rel=1e-8)
    # λ₋ = (α/2) E ∂²V − 1/χ without the kink's delta.
    edge = 10 * reference.psi - 1 / state.chi
    assert edge == pytest.approx(state.bulk_edge, abs=1e-8 / state.chi)


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [2.0, 14.0])
def test_the_printed_equations_elsewhere(alpha):
    state = threshold_state(quartic, alpha)
    # At this tolerance QUADPACK is right to 3e-11 (2e-13 at 1e-9, where the two agree too).
    reference = nested(state.chi, state.z, 1e-7, readings=False)
    assert alpha * reference.stationarity == pytest.approx(1, rel=1e-9)
    assert alpha * reference.marginality == pytest.approx(1, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("a", "alpha"), [(0.1, 1.78), (1.0, 10.0)])
def test_the_printed_equations_for_another_loss(a, alpha):
    # With a corner and folded (χ = 0.62), and without a kink (χ = 0.22).
    state = threshold_state(normalised(a), alpha)
    reference = nested(state.chi, state.z, 1e-6, a=a)
    assert alpha * reference.stationarity == pytest.approx(1, rel=3e-9)
    assert alpha * reference.marginality == pytest.approx(1, rel=3e-9)
    psi = alpha * reference.psi - 1 / state.chi
    assert psi == pytest.approx(state.bulk_edge, abs=3e-9 / state.chi)


def flat(values):
    named = {k: v for k, v in values.items() if isinstance(v, float)}
    return named | {f"moment {k}": v for k, v in values.get("moments", {}).items()}


@pytest.mark.parametrize(
    ("loss", "alpha"),
    [*FEW, *(pytest.param(quartic, a, marks=pytest.mark.slow) for a in (2.0, 10.0, 24.0))],
)
def test_errors_are_honest_under_further_refinement(loss, alpha):
    state = threshold_state(loss, alpha)
    guess = np.log([state.chi, state.z])
    solution = saddle.solve_saddle(loss, saddle.marginal_state(alpha), guess, LEVELS[3])
    chi, z = np.exp(solution.x)
    measure = label_measure(loss, chi, z, LEVELS[3])
    finest, error = flat(replica.state_values(measure, alpha)), flat(state.error)
    for name, value in flat(state.record()).items():
        if name == "alpha":
            continue
        assert abs(value - finest[name]) <= error[name], name
        assert error[name] <= 1e-9 * max(abs(value), 1 / state.chi, state.z), name


def test_refinement_converges_geometrically():
    # Eq. 13 at fixed χ, z: each level gains digits until round-off at 1e-12.
    chi, z = 0.0732, 0.0986
    values = [saddle.marginality(label_measure(quartic, chi, z, level)) for level in LEVELS]
    errors = np.abs(np.array(values) / values[3] - 1)
    assert errors[0] < 1e-5
    assert errors[1] < 1e-10
    assert errors[2] < 1e-11


def test_a_folded_branch_lists_its_other_states():
    loss = normalised(0.1)
    folded = threshold_state(loss, 1.78)
    z = [folded.z, *(other["z"] for other in folded.flags["other_branches"])]
    assert z == pytest.approx([8.7, 2.14, 1.15], rel=0.01)
    # Beyond the folds one state is left: the large-z one above, the small-z one below.
    above, below = threshold_state(loss, 1.85), threshold_state(loss, 1.7)
    assert above.flags["other_branches"] == below.flags["other_branches"] == []
    assert above.z == pytest.approx(8, rel=0.1)
    assert below.z == pytest.approx(1.2, rel=0.05)


@pytest.mark.parametrize(
    "alpha", [2.0, 10.0, *(pytest.param(a, marks=pytest.mark.slow) for a in (3.0, 4.0))]
)
def test_below_the_ground_state_means_negative_complexity(alpha):
    state, ground = threshold_state(quartic, alpha), ground_state(quartic, alpha)
    assert state.flags["below_ground_state"] == (state.energy < ground.energy)
    assert state.flags["negative_complexity"] == (state.complexity < 0)


def test_published_magnitudes():
    # Not a tuned reference: the digits that the literature and earlier estimates agree on.
    ten, four = threshold_state(quartic, 10.0), threshold_state(quartic, 4.0)
    assert ten.energy == pytest.approx(6.967, abs=1e-3)
    assert ten.moments["4"] == pytest.approx(1.796, abs=1e-3)
    assert four.energy == pytest.approx(1.164, abs=1e-3)
    assert threshold_state(normalised(1.0), 3.0).flags["kink_mass"] == pytest.approx(
        2.1e-3, rel=0.05
    )


@pytest.mark.parametrize("alpha", [0, -1, nan, float("inf")])
def test_alpha_must_be_a_positive_number(alpha):
    with pytest.raises(ValueError, match="positive number"):
        threshold_state(quartic, alpha)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.01])
def test_below_the_branch_the_error_names_its_range(alpha):
    with pytest.raises(ValueError, match=r"no marginal 1RSB state.*down to 1\.0"):
        threshold_state(quartic, alpha)


def test_a_loss_that_is_not_even_is_refused():
    square = Loss(
        "square", lambda h, y: (h - y) ** 2, lambda h, y: 2 * (h - y), lambda h, y: 2 + 0 * h, 2
    )
    with pytest.raises(ValueError, match="even"):
        threshold_state(square, 5.0)


def test_a_cusp_at_zero_is_refused():
    cusp = Loss(
        "cusp",
        lambda h, y: h**2 + 3 * abs(h) + 0 * y,
        lambda h, y: 2 * h + 3 * np.sign(h) + 0 * y,
        lambda h, y: 2 + 0 * h * y,
        2.0,
    )
    with pytest.raises(ValueError, match="cusp"):
        label_measure(cusp, 1.0, 1.0, LEVELS[0])


def test_a_jump_at_a_finite_field_is_refused():
    # Wells at ŷ = ±1 and ±3: for large χ the minimiser jumps from one to the other.
    wells = Loss(
        "wells",
        lambda h, y: ((h**2 - 1) * (h**2 - 9)) ** 2 / 64 + 0 * y,
        lambda h, y: h * (h**2 - 1) * (h**2 - 9) * (h**2 - 5) / 8 + 0 * y,
        lambda h, y: (7 * h**6 - 75 * h**4 + 177 * h**2 - 45) / 8 + 0 * y,
        -np.inf,
    )
    with pytest.raises(ValueError, match="field other than zero"):
        label_measure(wells, 5.0, 1.0, LEVELS[0])


def test_a_loss_may_return_constants_or_foreign_arrays():
    plain = Loss("plain", amplitude.value, amplitude.d1, lambda h, y: 2.0, 2.0)
    state, same = threshold_state(plain, 5.0), threshold_state(amplitude, 5.0)
    assert (state.chi, state.energy) == (same.chi, same.energy)


def test_a_solver_that_gives_up_carries_its_last_iterate():
    with pytest.raises(NotConverged) as caught:
        roots.solve_system(lambda x: np.array([1 + x[0] ** 2, x[1]]), np.array([1.0, 1.0]))
    assert set(caught.value.iterate) == {"chi", "z"}
    assert caught.value.residual.shape == (2,)
