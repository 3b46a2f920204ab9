"""Minima by energy and overlap: definition, limits, independent routes, refinement, refusals."""

from functools import cache

import numpy as np
import pytest

from gapless.losses import amplitude, divided, loss_from_value, normalised, quartic
from gapless.quadrature import LEVELS
from gapless.theory import bulk_edge, complexity_curve, outlier, threshold_state
from gapless.theory.minima import minima as solved
from gapless.theory.minima.curves import Kind
from gapless.theory.minima.law import Multipliers
from gapless.theory.minima.system import newton
from gapless.theory.minima.values import state_values

minima = cache(solved)
"""States are solved once, whichever tests ask for them."""

STATES = [
    (quartic, 2.0, {}),
    (quartic, 10.0, {}),
    (quartic, 10.0, {"deepest": True}),
    (quartic, 10.0, {"kappa": -0.02, "labels": "annealed"}),
    (quartic, 6.0, {"overlap": 0.3, "energy": 3.2}),
    (normalised(1.0), 4.0, {"kappa": 0.3}),
    (normalised(0.1), 8.0, {}),
]


def test_the_most_numerous_minima_at_alpha_10():
    # Two programs agreed on these digits before this one.
    state = minima(quartic, 10.0)
    assert state.gamma == pytest.approx(0.076599, abs=5e-7)
    assert state.omega == pytest.approx(0.015939, abs=5e-7)
    assert state.energy == pytest.approx(7.850940, abs=5e-7)
    assert state.complexity == pytest.approx(0.038195, abs=5e-7)
    assert state.mu == pytest.approx(2.414153, abs=5e-7)
    assert state.flags["border"] == pytest.approx(2.014224, abs=5e-7)
    assert state.moments["2"] == pytest.approx(0.858147, abs=5e-7)
    assert state.moments["4"] == pytest.approx(1.671227, abs=5e-7)


@pytest.mark.parametrize(
    ("loss", "alpha", "which"),
    [
        *STATES[2:5],
        *(pytest.param(*STATES[k], marks=pytest.mark.slow) for k in (1, 5)),
    ],
)
def test_the_slope_of_the_complexity_is_kappa(loss, alpha, which):
    state = minima(loss, alpha, **which)
    same = {name: which[name] for name in ("overlap", "labels") if name in which}
    step = 1e-3 * state.energy
    # Five points: the error is step⁴ times a fifth derivative.
    energies = [state.energy + k * step for k in (-2, -1, 1, 2)]
    if which.get("deepest"):
        # Below it no minimum is given by energy; κ may go on.
        kappas = [state.kappa * (1 + k * 1e-3) for k in (-1, 1)]
        low, high = (minima(loss, alpha, kappa=kappa, **same) for kappa in kappas)
        slope = (high.complexity - low.complexity) / (high.energy - low.energy)
    else:
        far, near, nearer, farther = (
            minima(loss, alpha, energy=e, **same).complexity for e in energies
        )
        slope = (far - 8 * near + 8 * nearer - farther) / (12 * step)
    assert slope == pytest.approx(state.kappa, abs=1e-6)


@pytest.mark.parametrize(("loss", "alpha", "which"), STATES)
def test_the_law_carries_energy_multiplier_and_edge(loss, alpha, which):
    state = minima(loss, alpha, **which)
    assert state.law.energy(loss, alpha) == pytest.approx(state.energy, rel=1e-12)
    assert state.law.multiplier(loss, alpha) == pytest.approx(state.mu, rel=1e-11)
    assert state.law.moments() == pytest.approx(state.moments, rel=1e-12)
    # Marginal: the edge that any law of labels has is at μ, at γ̄ = γ.
    edge = bulk_edge(state.law, loss, alpha)
    assert edge.value == pytest.approx(state.mu, abs=1e-7 / state.gamma)
    assert edge.gamma == pytest.approx(state.gamma, rel=1e-3)
    assert state.bulk_edge == pytest.approx(state.mu, abs=1e-9 / state.gamma)
    if not state.overlap:
        spike = outlier(state.law, loss, alpha, gamma_bar=state.gamma).value
        assert spike == state.outlier is None or spike == pytest.approx(state.outlier, rel=1e-9)


def test_without_an_edge_minima_are_the_1rsb_states():
    # ω = 0, γ = χ, κ = z: the two laws are one where V has no kink.
    loss = normalised(1.0)
    alpha = 7.0940
    theirs = threshold_state(loss, alpha)
    ours = minima(loss, alpha, kappa=theirs.z)
    assert ours.omega < 1e-5
    assert ours.gamma == pytest.approx(theirs.chi, rel=1e-8)
    assert ours.energy == pytest.approx(theirs.energy, rel=1e-8)
    assert ours.complexity == pytest.approx(theirs.complexity, abs=1e-8)
    assert ours.moments == pytest.approx(theirs.moments, rel=1e-8)
    assert ours.bulk_edge == pytest.approx(theirs.bulk_edge, abs=1e-8)


def test_deeper_than_marginal_the_minima_are_gapped():
    loss, alpha = normalised(1.0), 7.0940
    theirs = complexity_curve(loss, alpha, z=np.array([0.6, 0.7]))
    for k, z in enumerate(theirs.z):
        state = minima(loss, alpha, kappa=float(z))
        assert state.flags["gapped"]
        assert state.omega == 0
        assert state.energy == pytest.approx(theirs.energy[k], rel=1e-8)
        assert state.complexity == pytest.approx(theirs.complexity[k], abs=1e-8)
        assert state.bulk_edge > state.mu
    assert not minima(loss, alpha).flags["gapped"]


def test_overlap_zero_is_a_limit():
    # Two half lines of ŷ instead of one; the dependence on q is even.
    plain, close = minima(quartic, 8.0), minima(quartic, 8.0, overlap=1e-4)
    assert close.energy == pytest.approx(plain.energy, rel=1e-6)
    assert close.complexity == pytest.approx(plain.complexity, abs=1e-7)
    assert close.flags["border"] == pytest.approx(plain.flags["border"], rel=1e-5)


def test_annealed_labels_count_more():
    # Jensen: the mean over y of the number exceeds the number at typical y.
    for alpha in (2.0, 10.0):
        quenched = minima(quartic, alpha)
        annealed = minima(quartic, alpha, labels="annealed")
        assert annealed.complexity > quenched.complexity
        assert annealed.law.mean(lambda h, y: y**2 + 0 * h) < 1
        assert quenched.law.mean(lambda h, y: y**2 + 0 * h) == pytest.approx(1, abs=1e-9)


def test_a_loss_in_other_units_has_the_same_minima():
    twice = divided(quartic, 0.5)
    one, other = minima(quartic, 7.0, deepest=True), minima(twice, 7.0, deepest=True)
    assert other.energy == pytest.approx(2 * one.energy, rel=1e-8)
    assert other.kappa == pytest.approx(one.kappa / 2, rel=1e-8)
    assert other.moments == pytest.approx(one.moments, rel=1e-8)


def test_large_alpha_decouples_the_labels():
    # γ = 1/√(α E d²), ω/γ = 2E d²/(E d² + E ℓ′²/4) − 1 = 1/3 (E d² = 96, E ℓ′² = 192).
    state = minima(quartic, 1e8)
    assert state.gamma == pytest.approx(1 / np.sqrt(96e8), rel=1e-3)
    assert state.omega / state.gamma == pytest.approx(1 / 3, rel=1e-3)
    assert state.moments["2"] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("loss", "alpha"),
    [pytest.param(quartic, 3.0, marks=pytest.mark.slow), (normalised(1.0), 12.0)],
)
def test_minima_lie_between_two_energies_of_zero_complexity(loss, alpha):
    with pytest.raises(ValueError, match=r"energy: .*between .* and ") as refused:
        minima(loss, alpha, energy=1e-6)
    stretch = str(refused.value).partition("between ")[2].partition(", ")[0]
    low, high = (float(word) for word in stretch.split(" and "))
    deepest = minima(loss, alpha, deepest=True)
    assert low == pytest.approx(deepest.energy, rel=1e-5)
    assert deepest.complexity == pytest.approx(0, abs=1e-9)
    middle = minima(loss, alpha).energy
    for inside in (low + 1e-3 * (high - low), (low + middle) / 2, high - 1e-3 * (high - low)):
        state = minima(loss, alpha, energy=inside)
        assert state.energy == pytest.approx(inside, rel=1e-9)
        assert state.complexity > 0
        assert (state.kappa > 0) == (inside < middle)
    with pytest.raises(ValueError, match="between"):
        minima(loss, alpha, energy=1.01 * high)


def finest(loss, state):
    """Return the values of a state, solved on the finest rule."""
    kind = Kind(loss, state.labels == "annealed", state.overlap)
    law = state.law
    force = 1 / (2 * state.alpha * law.mean(lambda h, y: loss.d1(h, y) ** 2))
    at = Multipliers(state.gamma, force, state.omega, state.kappa, 0.0, state.alpha)
    return state_values(newton(kind.refined(at), at, LEVELS[4]).averages)


def check_errors(loss, alpha, which):
    state = minima(loss, alpha, **which)
    fine = finest(loss, state)
    for name, error in state.error.items():
        value = getattr(state, name)
        if name == "moments":
            for k in error:
                assert abs(value[k] - fine[name][k]) <= error[k], (loss, alpha, which, k)
        elif error is not None:
            assert abs(value - fine[name]) <= error, (loss, alpha, which, name)


@pytest.mark.parametrize("which", [{}, {"kappa": 0.03}, {"kappa": -0.02, "labels": "annealed"}])
@pytest.mark.parametrize(
    ("loss", "alpha"), [(quartic, 9.0), pytest.param(normalised(0.3), 5.0, marks=pytest.mark.slow)]
)
def test_errors_are_honest_under_further_refinement(loss, alpha, which):
    check_errors(loss, alpha, which)


@pytest.mark.slow
@pytest.mark.parametrize("k", range(20))
def test_errors_are_honest_at_random(k):
    rng = np.random.default_rng([7, k])
    loss = quartic if rng.random() < 0.4 else normalised(float(10 ** rng.uniform(-1.5, 1)))
    alpha = float(np.exp(rng.uniform(np.log(1.3), np.log(100))))
    gamma = minima(loss, alpha).gamma
    check_errors(loss, alpha, {"kappa": float(rng.uniform(-1, 0.6)) * gamma})


def test_a_loss_of_your_own_is_counted():
    loss = loss_from_value(lambda yhat, y: (yhat**2 - y**2) ** 2 / (1 + yhat**2 + y**2), "own")
    state = minima(loss, 6.0)
    assert state.complexity > 0
    assert state.flags["second_variation"] < 1
    assert state.bulk_edge == pytest.approx(state.mu, abs=1e-9)


@pytest.mark.parametrize(
    ("loss", "alpha", "which", "words"),
    [
        (amplitude, 5.0, {}, r"loss: amplitude has a kink"),
        (quartic, 0.9, {}, r"alpha: .* resolved from 1\.1"),
        (quartic, 10.0, {"energy": 5.0}, r"energy: .*between 7\.0499 and 8\.608"),
        (quartic, 10.0, {"energy": -1.0}, "energy: must be a positive number"),
        (quartic, 10.0, {"overlap": 0.9}, r"overlap: .*up to overlap 0\.3"),
        (quartic, 10.0, {"overlap": 1.0}, "overlap: must lie below 1"),
        (quartic, 10.0, {"overlap": -0.1}, "overlap: must be"),
        (quartic, 10.0, {"kappa": 5.0}, "kappa: .* resolved up to"),
        (quartic, 10.0, {"kappa": 0.1, "deepest": True}, "kappa: give one of"),
        (quartic, 10.0, {"labels": "typical"}, "labels: must be one of quenched, annealed"),
    ],
)
def test_what_does_not_exist_is_refused_with_the_range(loss, alpha, which, words):
    with pytest.raises(ValueError, match=words):
        minima(loss, alpha, **which)
