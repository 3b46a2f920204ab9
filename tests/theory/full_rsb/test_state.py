"""Ground states of full replica symmetry breaking: values, errors, ends of q, bad input."""

from math import nan

import numpy as np
import pytest

from full_rsb_laws import maximum
from gapless.losses import Loss, amplitude, normalised, quartic
from gapless.theory import (
    full_rsb_energy,
    full_rsb_state,
    full_rsb_threshold,
    ground_state,
    threshold_state,
)
from gapless.theory.full_rsb import state as states
from gapless.theory.full_rsb.maximum import maximise
from gapless.theory.full_rsb.mesh import Resolution
from gapless.theory.full_rsb.observables import label_values
from gapless.theory.full_rsb.recursion import recursion
from gapless.theory.roots import root_between

COARSE = {
    "SKETCH": Resolution(2, 1, 0.1, 40, 4),
    "COARSE_STEPS": Resolution(3, 1, 0.01, 80, 7),
    "WIDE_LAST_STEP": Resolution(6, 2, 0.04, 90, 7),
    "FINEST": Resolution(6, 2, 0.01, 90, 7),
    "FEWER_STEPS": Resolution(1, 1, 0.2, 60, 5),
    "ENERGY": Resolution(2, 1, 0.1, 60, 5),
    "MORE_NODES": Resolution(2, 1, 0.1, 90, 7),
}


@pytest.fixture
def coarse(monkeypatch):
    for name, resolution in COARSE.items():
        monkeypatch.setattr(states, name, resolution)


@pytest.mark.usefixtures("coarse")
def test_errors_of_coarse_meshes_cover_the_truth_and_progress_is_told_in_shares_of_the_whole():
    # The values of the finest meshes, tested below.
    told = []
    state = full_rsb_state(quartic, 10.0, told.append)
    assert abs(state.energy - 7.07058) <= state.error["energy"] + 4e-6
    assert abs(state.mu - 1.91735) <= state.error["mu"] + 1e-5
    assert abs(state.moments["4"] - 1.777618) <= state.error["moments"]["4"] + 2e-6
    assert abs(state.bulk_edge - state.mu) <= state.error["bulk_edge"]
    assert abs(state.margin + 8.701) <= state.error["margin"] + 0.03
    assert sum(told) == pytest.approx(1)
    assert min(told) >= 0
    assert len(told) > 10


@pytest.mark.usefixtures("coarse")
def test_the_energy_alone_is_that_of_the_finest_meshes_within_the_error_of_coarse_ones():
    # Of the table of full-rsb.md §7, to 3e-6.
    energy, error = full_rsb_energy(quartic, 10.0)
    assert abs(energy - 7.07058) <= error + 3e-6
    assert error < 5e-3


@pytest.mark.slow
def test_the_energy_alone_is_that_of_the_finest_meshes_within_its_error():
    energy, error = full_rsb_energy(quartic, 10.0)
    assert abs(energy - 7.07058) <= error + 3e-6
    assert error < 1e-4


@pytest.mark.parametrize("solve", [full_rsb_energy, full_rsb_state])
def test_where_every_label_is_met_the_error_gives_the_energy_zero(solve):
    with pytest.raises(ValueError, match="energy is 0; raise it above 1"):
        solve(amplitude, 0.7)


@pytest.mark.parametrize("alpha", [1.2, 2.0, 4.0])
@pytest.mark.usefixtures("coarse")
def test_floors_lie_above_the_first_moment_bound(alpha):
    # Signs s of the labels with |P⊥ s|y||² < Mε are none on average below the root (F14).
    def count(share):
        return (
            2 * alpha * np.log(2)
            + (alpha - 1) * np.log(share * alpha / (alpha - 1))
            + np.log(alpha * (1 - share))
        )

    bound = alpha / 2 * root_between(count, 1e-12, 1 - 1 / alpha)
    energy, error = full_rsb_energy(amplitude, alpha)
    assert energy - error > bound
    # (|ŷ| − |y|)⁴ ≤ (ŷ² − y²)², averaged by Jensen's inequality
    energy, error = full_rsb_energy(quartic, alpha)
    assert energy - error > 2 / alpha * bound**2


@pytest.mark.parametrize("alpha", [0, -1, nan, 1.0])
def test_alpha_must_be_where_a_state_exists(alpha):
    with pytest.raises(ValueError, match="alpha"):
        full_rsb_state(quartic, alpha)


def test_a_loss_that_is_not_even_is_refused():
    odd = Loss(
        "odd", lambda h, y: (h - y) ** 2, lambda h, y: 2 * (h - y), lambda h, y: 2 + 0 * h, 2
    )
    with pytest.raises(ValueError, match="even"):
        full_rsb_state(odd, 5.0)


@pytest.fixture(scope="module")
def ten():
    return full_rsb_state(quartic, 10.0)


@pytest.mark.slow
def test_the_floor_at_ten(ten):
    assert ten.energy == pytest.approx(7.07058, abs=1e-5)
    assert ten.error["energy"] < 1e-5
    assert ten.flags["discontinuity"] < 5e-3
    # above 1RSB's ground state, whose f is a maximum over fewer functions, and its marginal state
    assert ten.energy > ground_state(quartic, 10.0).energy > threshold_state(quartic, 10.0).energy


@pytest.mark.slow
def test_the_edge_is_the_multiplier_and_labels_about_to_jump_make_up_marginality(ten):
    assert abs(ten.bulk_edge - ten.mu) < ten.error["bulk_edge"] < 0.005
    assert ten.flags["kink_mass"] < 0.012
    assert 0.75 < ten.flags["marginality"] < 0.85


@pytest.mark.slow
def test_z_at_both_ends_of_q(ten):
    middle = np.append(ten.q[1:], 1.0) / 2 + ten.q / 2
    # proportional to q at small q: a parabola through the first three steps passes zero at q = 0
    slope, at_zero = np.polynomial.polynomial.polyfit(middle[:3], ten.z[:3], [0, 1, 3])[[1, 0]]
    assert abs(at_zero) < 0.01 * slope * 0.1
    # (1 − q)^(−5/8) toward q = 1, short of the last steps
    seen = (1 - middle < 2e-3) & (1 - middle > 2e-4)
    power = np.polyfit(np.log(1 - middle[seen]), np.log(ten.z[seen]), 1)[0]
    assert power == pytest.approx(-5 / 8, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "alpha"),
    [(quartic, 1.5), (quartic, 2.0), (quartic, 2.5), (amplitude, 2.0), (amplitude, 10.0)],
)
def test_a_narrow_last_step_converges_at_small_alpha_and_for_the_amplitude_loss(loss, alpha):
    state = full_rsb_state(loss, alpha)
    # on fewer steps f is a maximum over fewer functions
    assert ground_state(loss, alpha).energy < state.energy < 1.05 * ground_state(loss, alpha).energy
    assert state.error["energy"] < 1e-4 * state.energy
    # αλ²E∫Pφ″² = 1 up to the square of the steps
    assert state.flags["discontinuity"] < 0.01
    assert (np.diff(state.z) > 0).all()


@pytest.mark.slow
def test_z_of_the_amplitude_loss_and_its_edge():
    alpha = 10.0
    state = full_rsb_state(amplitude, alpha)
    middle = np.append(state.q[1:], 1.0) / 2 + state.q / 2
    # (1 − q)^(−2/3), which the local exponent approaches from above: past −5/8 of the quartic loss
    seen = (1 - middle < 1e-3) & (1 - middle > 3e-4)
    power = np.polyfit(np.log(1 - middle[seen]), np.log(state.z[seen]), 1)[0]
    assert -2 / 3 < power < -5 / 8
    # every ℓ″ is 2: the Marchenko–Pastur edge, above μ
    assert state.bulk_edge == pytest.approx((np.sqrt(alpha) - 1) ** 2, rel=1e-9)
    assert state.bulk_edge > state.mu


@pytest.mark.slow
def test_without_a_corner_z_stays_finite_and_labels_are_marginal():
    state = full_rsb_state(normalised(1.0), 6.0)
    assert state.flags["kink_mass"] == 0
    # up to the steps, as αλ²E∫Pφ″² = 1 elsewhere
    assert state.flags["discontinuity"] < 3e-3
    assert state.flags["marginality"] == pytest.approx(1, abs=state.flags["discontinuity"])
    assert state.bulk_edge == pytest.approx(state.mu, abs=1e-5)
    seen = (state.q > 0.99) & (state.q < 0.999)
    assert np.ptp(state.z[seen]) < 0.05 * state.z[seen].mean()


@pytest.mark.slow
def test_errors_are_honest_under_further_refinement(ten):
    found = maximum(quartic, 10.0, Resolution(6, 1, 1e-2, 80, 5))
    finer = []
    for steps in ((6, 1, 1e-3), (12, 2, 2.5e-4), (16, 3, 2.5e-4), (16, 3, 6.25e-5)):
        meshes = [Resolution(*steps, 150, 7)]
        if steps[0] == 16:
            meshes.append(Resolution(*steps, 320, 12))
        for mesh in meshes:
            of = recursion(quartic, 10.0, mesh, found.chi)
            z = states.carried(found, of.mesh.middle)
            hessian = found.hessian if found.z.size == z.size else None
            found = maximise(of, z, found.chi, found.unit, hessian)
        finer.append(label_values(found))
    finer = finer[-2:]
    assert abs(ten.energy - found.action.value) <= ten.error["energy"]
    assert abs(ten.mu - finer[1].values["mu"]) <= ten.error["mu"]
    for k, value in ten.moments.items():
        assert abs(value - finer[1].values["moments"][k]) <= ten.error["moments"][k]
    # linear in the kink, to none
    reach = finer[1].kink / (finer[0].kink - finer[1].kink)
    for name in ("chi", "bulk_edge", "margin"):
        before, after = (labels.values[name] for labels in finer)
        healed = after + reach * (after - before)
        assert abs(getattr(ten, name) - healed) <= ten.error[name], name


@pytest.mark.slow
def test_the_floor_loses_stability_above_fourteen():
    threshold = full_rsb_threshold(quartic, near=14.5)
    assert threshold.alpha == pytest.approx(14.51, abs=0.03)
    assert threshold.error < 0.05
    assert threshold.slope > 0
