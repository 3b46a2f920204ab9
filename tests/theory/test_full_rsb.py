"""Laws of full replica symmetry breaking at T = 0: identities, independent routes, refinement."""

import json
from itertools import pairwise
from math import nan
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from gapless.cli import main
from gapless.losses import Loss, amplitude, divided, normalised, quartic
from gapless.quadrature import LEVELS
from gapless.theory import (
    full_rsb_state,
    full_rsb_threshold,
    ground_state,
    replica,
    threshold_state,
)
from gapless.theory.full_rsb import state as states
from gapless.theory.full_rsb.maximum import maximise
from gapless.theory.full_rsb.mesh import Mesh, Resolution
from gapless.theory.full_rsb.observables import label_values, profile
from gapless.theory.full_rsb.recursion import entropy, recursion
from gapless.theory.measure import label_measure

LOSSES = [(quartic, 10.0), (normalised(1.0), 6.0), (amplitude, 6.0)]
SMALL = Resolution(uniform=3, per_halving=1, last=0.05, fields=90, order=7)
FEW = np.array([0.0, 0.3, 0.7, 0.9, 0.97, 1.0])
"""Steps on which meshes of 160 fields are right to 1e-7."""


def rising(of, unit):
    """Return a z that rises, at no maximum of f."""
    return unit * (0.2 + 1.3 * of.mesh.middle**2)


def maximum(loss, alpha, resolution=SMALL, q=None):
    one = ground_state(loss, alpha)
    of = recursion(loss, alpha, resolution, one.chi, q=q)
    return maximise(of, one.z * (0.5 + of.mesh.middle), one.chi, one.z)


def central_difference(function, x, step):
    far = function(x - 2 * step) - function(x + 2 * step)
    return (far + 8 * (function(x + step) - function(x - step))) / (12 * step)


def test_the_entropy_is_the_integral_of_one_over_lambda():
    rng = np.random.default_rng(1)
    step = rng.dirichlet(np.ones(5))
    z, chi = np.cumsum(rng.uniform(0.01, 2, 5)), 0.3
    ends = np.concatenate([[0], np.cumsum(step)])

    def level(p):
        beyond = np.clip(ends[1:] - np.maximum(ends[:-1], p), 0, None)
        return chi + float(z @ beyond)

    value, by_z, by_chi = entropy(step, z, chi)
    pieces = [quad(lambda p: 1 / level(p), a, b)[0] for a, b in pairwise(ends)]
    assert value == pytest.approx(-sum(pieces) / 2, rel=1e-12)
    for k in range(5):
        unit = np.eye(5)[k]
        slope = central_difference(lambda x, u=unit: entropy(step, z + x * u, chi)[0], 0.0, 1e-3)
        assert by_z[k] == pytest.approx(slope, rel=1e-9)
    slope = central_difference(lambda x: entropy(step, z, x)[0], chi, 1e-4)
    assert by_chi == pytest.approx(slope, rel=1e-9)


def test_the_entropy_of_small_z_does_not_cancel():
    step = np.array([0.2, 0.5, 0.3])
    for small in (1e-14, 1e-6):
        value, by_z, _ = entropy(step, np.full(3, small), 1.0)
        assert value == pytest.approx(-0.5, abs=small)
        # z → 0: ∂f/∂z_k = ½ ∫ q dq over step k
        ends = np.cumsum([0, *step])
        assert by_z == pytest.approx(np.diff(ends**2) / 4, rel=3 * small + 1e-12)


@pytest.mark.parametrize(("loss", "alpha"), LOSSES)
def test_the_adjoint_gradient_is_that_of_f(loss, alpha):
    # Nodes are fixed, so by_z is exact; by_chi is to the quadrature of the last step, 1e-8.
    unit = ground_state(loss, alpha)
    of = recursion(loss, alpha, Resolution(2, 1, 0.1, 70, 5), unit.chi)
    z, chi = rising(of, unit.z), 0.9 * unit.chi
    action = of.action(z, chi)
    for k in (0, z.size // 2, z.size - 1):
        step = 1e-3 * z[k]
        slope = central_difference(
            lambda x, k=k: of.action(np.where(np.arange(z.size) == k, x, z), chi).value, z[k], step
        )
        # rounding of f in the difference
        noise = 1e-14 * abs(action.value) / step
        assert action.by_z[k] == pytest.approx(slope, rel=1e-7, abs=10 * noise)
    slope = central_difference(lambda x: of.action(z, x).value, chi, 1e-3 * chi)
    assert action.by_chi == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize(("loss", "alpha"), LOSSES)
def test_a_flat_z_is_one_step_of_breaking(loss, alpha):
    # f does not know where z might rise; at no saddle point either.
    fine = Resolution(1, 1, 0.1, fields=200, order=14)
    one = ground_state(loss, alpha)
    for chi, z in ((one.chi, one.z), (0.8 * one.chi, 1.4 * one.z)):
        of = recursion(loss, alpha, fine, chi, q=FEW)
        exact = replica.free_energy(label_measure(loss, chi, z, LEVELS[3]), alpha)
        assert of.action(np.full(5, z), chi).value == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize(("loss", "alpha"), LOSSES)
def test_one_step_is_the_ground_state_of_1rsb(loss, alpha):
    one = ground_state(loss, alpha)
    found = maximum(loss, alpha, Resolution(1, 1, 0.1, 30, 14), np.array([0.0, 1.0]))
    assert found.action.value == pytest.approx(one.energy, abs=1e-6)
    assert found.chi == pytest.approx(one.chi, rel=1e-4)
    assert found.z[0] == pytest.approx(one.z, rel=1e-4)


def test_f_rises_with_every_step():
    # Steps at nested overlaps: what one may do, the next may.
    fine = Resolution(1, 1, 0.1, 90, 10)
    nested = ([0, 1], [0, 0.6, 1], [0, 0.6, 0.9, 1], [0, 0.3, 0.6, 0.9, 1])
    f = [maximum(quartic, 10.0, fine, np.array(q, float)).action.value for q in nested]
    assert f[0] == pytest.approx(7.06390, abs=1e-5)
    # the mesh is right to 2e-6
    assert (np.diff(f) > 1e-5).all()
    assert f[-1] < 7.0706


@pytest.mark.slow
def test_two_steps_at_their_best_overlap():
    mesh = Resolution(1, 1, 0.1, 90, 9)

    def f(q):
        return -maximum(quartic, 10.0, mesh, np.array([0.0, q, 1.0])).action.value

    best: Any = minimize_scalar(f, bounds=(0.2, 0.7), method="bounded", options={"xatol": 0.03})
    assert f(best.x) == pytest.approx(-7.06977, abs=1e-5)


@pytest.mark.parametrize(("loss", "alpha"), [(quartic, 10.0), (normalised(0.5), 4.0)])
def test_f_scales_with_the_loss(loss, alpha):
    # f of cℓ at (z, χ) is c f of ℓ at (cz, cχ).
    c = 0.25
    one = ground_state(loss, alpha)
    of = recursion(loss, alpha, SMALL, one.chi)
    scaled = recursion(divided(loss, 1 / c), alpha, SMALL, one.chi / c)
    z = rising(of, one.z)
    there = scaled.action(z / c, one.chi / c)
    here = of.action(z, one.chi)
    assert there.value == pytest.approx(c * here.value, rel=1e-9)
    assert there.by_z == pytest.approx(c**2 * here.by_z, rel=1e-6)


@pytest.mark.parametrize(("loss", "alpha"), LOSSES)
def test_densities_and_the_law_of_labels_are_of_the_same_f(loss, alpha):
    # f is homogeneous, so at its maximum it is the energy of the law of labels, which is computed
    # from densities going up in q, and f from φ going down.
    found = maximum(loss, alpha, Resolution(3, 1, 0.1, 140, 8))
    of = found.of
    for log_p in of.densities(found.action, found.z):
        assert of.mesh.rule @ np.exp(log_p) == pytest.approx(np.ones(of.y.size), abs=1e-5)
    law = label_values(found).law
    assert law.energy(loss, alpha) == pytest.approx(found.action.value, abs=3e-6)


def test_the_maximum_is_one_and_its_z_rises():
    one = ground_state(quartic, 10.0)
    of = recursion(quartic, 10.0, Resolution(2, 1, 0.1, 60, 5), one.chi)
    starts = (np.full(of.mesh.middle.size, one.z), 3 * rising(of, one.z))
    first, second = (maximise(of, z, one.chi, one.z) for z in starts)
    assert first.action.value == pytest.approx(second.action.value, rel=1e-11)
    assert first.z == pytest.approx(second.z, rel=1e-3)
    assert (np.diff(first.z) > 0).all()
    # stationary in every rise of z: ∫_q^1 D dq = 0 at every q where z rises
    terms = entropy(of.mesh.step, first.z, first.chi)[1].sum()
    assert np.abs(np.cumsum(first.action.by_z[::-1])).max() < 1e-6 * terms


def test_conditions_of_a_continuous_z_are_met_to_second_order_in_the_steps():
    # D vanishes on average over each step, and at its ends up to its curvature; its derivative is
    # 1 at the ends, and −αE∫Pφ″ − 1/λ is the multiplier of the labels, at every q.
    errors = []
    for uniform, per_halving in ((3, 1), (6, 2)):
        found = maximum(normalised(1.0), 6.0, Resolution(uniform, per_halving, 0.05, 90, 6))
        at = profile(found)
        seen = (at["q"] > 0.15) & (at["q"] < 0.95)
        mu = label_values(found).values["mu"]
        ends = {"d": 0.0, "replicon": 1.0, "multiplier": mu}
        errors.append([np.abs(at[name][seen] - end).max() for name, end in ends.items()])
    coarse, fine = np.array(errors)
    assert (fine < coarse / 2.5).all()
    assert (fine[1:] < 0.02).all()


SKETCHY = {
    "SKETCH": Resolution(2, 1, 0.2, 40, 4),
    "COARSE_STEPS": Resolution(2, 1, 0.05, 44, 5),
    "WIDE_LAST_STEP": Resolution(4, 2, 0.1, 44, 5),
    "FINEST": Resolution(4, 2, 0.05, 50, 5),
}
COARSE = {
    "SKETCH": Resolution(2, 1, 0.1, 40, 4),
    "COARSE_STEPS": Resolution(3, 1, 0.01, 80, 7),
    "WIDE_LAST_STEP": Resolution(6, 2, 0.04, 90, 7),
    "FINEST": Resolution(6, 2, 0.01, 90, 7),
}
KEYS = {
    *("alpha", "energy", "chi", "q", "z", "mu", "bulk_edge", "outlier", "outlier_overlap"),
    *("margin", "moments", "flags", "error"),
}


@pytest.fixture
def coarse(monkeypatch):
    for name, resolution in COARSE.items():
        monkeypatch.setattr(states, name, resolution)


@pytest.fixture
def sketchy(monkeypatch):
    for name, resolution in SKETCHY.items():
        monkeypatch.setattr(states, name, resolution)


@pytest.mark.usefixtures("coarse")
def test_errors_of_coarse_meshes_cover_the_truth():
    # The values of the finest meshes, tested below.
    state = full_rsb_state(quartic, 10.0)
    assert abs(state.energy - 7.07058) <= state.error["energy"] + 4e-6
    assert abs(state.mu - 1.91735) <= state.error["mu"] + 1e-5
    assert abs(state.moments["4"] - 1.777618) <= state.error["moments"]["4"] + 2e-6
    assert abs(state.bulk_edge - state.mu) <= state.error["bulk_edge"]
    assert abs(state.margin + 8.701) <= state.error["margin"] + 0.03


@pytest.mark.usefixtures("sketchy")
def test_ground_prints_every_value_with_its_error_and_draws(capsys, tmp_path):
    picture = tmp_path / "z.png"
    arguments = ["theory", "ground", "--alpha", "10", "--json", "--plot", str(picture)]
    assert main(arguments) == 0
    state = json.loads(capsys.readouterr().out)
    assert set(state) == KEYS
    assert set(state["error"]) == KEYS - {"alpha", "q", "flags", "error"}
    assert len(state["q"]) == len(state["z"])
    assert state["q"][0] == 0
    assert picture.stat().st_size > 0
    assert main(arguments[:4]) == 0
    assert "energy" in capsys.readouterr().out


@pytest.mark.usefixtures("sketchy")
def test_progress_is_told_in_shares_of_the_whole():
    told = []
    full_rsb_state(normalised(1.0), 6.0, told.append)
    assert sum(told) == pytest.approx(1)
    assert min(told) >= 0
    assert len(told) > 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--alpha", "1"], ["--alpha", "raise it"]),
        (["--alpha", "nan"], ["--alpha", "positive number"]),
        (["--alpha", "4", "--loss", "none"], ["--loss", "quartic"]),
        (["--alpha", "4", "--plot", "x.txt"], ["--plot", ".png"]),
    ],
)
def test_a_mistake_is_one_line_that_names_the_option(capsys, arguments, words):
    assert main(["theory", "ground", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    for word in words:
        assert word in err


@pytest.mark.parametrize("alpha", [0, -1, nan, 1.0])
def test_alpha_must_be_where_a_state_exists(alpha):
    with pytest.raises(ValueError, match="alpha"):
        full_rsb_state(quartic, alpha)


def test_losses_that_the_method_does_not_cover_are_refused():
    odd = Loss(
        "odd", lambda h, y: (h - y) ** 2, lambda h, y: 2 * (h - y), lambda h, y: 2 + 0 * h, 2
    )
    with pytest.raises(ValueError, match="even"):
        full_rsb_state(odd, 5.0)
    wells = Loss(
        "wells",
        lambda h, y: ((h**2 - 1) * (h**2 - 9)) ** 2 / 64 + 0 * y,
        lambda h, y: h * (h**2 - 1) * (h**2 - 9) * (h**2 - 5) / 8 + 0 * y,
        lambda h, y: (7 * h**6 - 75 * h**4 + 177 * h**2 - 45) / 8 + 0 * y,
        -np.inf,
    )
    of = recursion(wells, 5.0, SMALL, 0.01)
    with pytest.raises(ValueError, match="field other than zero"):
        of.action(np.ones(of.mesh.step.size), 5.0)


@pytest.mark.parametrize("q", [[0.1, 1.0], [0.0, 0.5], [0.0, 0.7, 0.6, 1.0], [0.0]])
def test_overlaps_rise_from_zero_to_one(q):
    with pytest.raises(ValueError, match="q:"):
        Mesh(np.array(q), 100)


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
    for steps in ((6, 1, 1e-3), (12, 2, 2.5e-4), (16, 3, 6.25e-5), (16, 3, 1.5625e-5)):
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
