"""Laws of the bulk, the outlier and the BBP transition; theory against matrices."""

from math import inf, nan

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import eigh
from scipy.optimize import brentq

from gapless.labels import LabelLaw
from gapless.losses import Loss, amplitude, loss_from_value, normalised, quartic
from gapless.quadrature import LEVELS, half_gaussian_pair
from gapless.theory import (
    Curvatures,
    bbp_at_random_start,
    bbp_threshold,
    bulk,
    bulk_density,
    bulk_edge,
    outlier,
    threshold_state,
)
from gapless.theory.bbp import curvatures


def atoms(d, alpha, y2: np.ndarray | float = 1.0, weight=None):
    d = np.atleast_1d(np.asarray(d, float))
    weight = np.full(d.size, 1 / d.size) if weight is None else np.asarray(weight, float)
    return Curvatures(d, np.broadcast_to(np.asarray(y2, float), d.shape), weight, alpha)


def planted(seed=0, size=400, alpha=3.0):
    """A law with negative curvature where y² is large: an outlier on the left."""
    rng = np.random.default_rng(seed)
    y2 = rng.standard_normal(size) ** 2
    return atoms(rng.uniform(0, 2, size) + 2 - 4 * np.tanh(y2 / 2), alpha, y2)


@pytest.fixture(scope="module")
def quartic_threshold():
    return bbp_threshold(quartic)


# --- the bulk ---------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [1.5, 4.0, 30.0])
@pytest.mark.parametrize("c", [2.0, 0.3])
def test_constant_curvature_has_the_marchenko_pastur_edge(c, alpha):
    edge = bulk.edge(atoms(c / 2, alpha))
    assert edge.value == pytest.approx(c / 2 * (np.sqrt(alpha) - 1) ** 2, abs=1e-10)
    assert edge.square_root
    assert edge.pole == inf
    assert not edge.edge_from_one_atom


@pytest.mark.parametrize("alpha", [0.5, 1.0, 4.0])
def test_constant_negative_curvature_has_the_upper_edge_reflected(alpha):
    edge = bulk.edge(atoms(-1.0, alpha))
    assert edge.value == pytest.approx(-((np.sqrt(alpha) + 1) ** 2), rel=1e-12)


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_positive_curvature_at_alpha_below_one_leaves_zero_modes(alpha):
    # M < N: N − M exact zeros, no root of F = 1, the edge is 0 and is no square-root edge.
    edge = bulk.edge(atoms([1.0, 2.0], alpha))
    assert (edge.value, edge.gamma, edge.square_root) == (0.0, inf, False)
    assert bulk.outlier(atoms([1.0, 2.0], alpha)).value is None


@pytest.mark.parametrize(("c", "alpha"), [(3.0, 2.0), (1.0, 0.5), (-2.0, 6.0)])
def test_constant_curvature_has_the_marchenko_pastur_density(c, alpha):
    low, high = sorted(c * (np.sqrt(alpha) + np.array([-1, 1])) ** 2)
    # Chebyshev points and the weight of the semicircle make the mass exact.
    angle = (np.arange(64) + 0.5) * np.pi / 64
    grid = (low + high) / 2 - (high - low) / 2 * np.cos(angle)
    exact = np.sqrt((high - grid) * (grid - low)) / (2 * np.pi * abs(c) * np.abs(grid))
    ours = bulk.density(atoms(c, alpha), grid)
    np.testing.assert_allclose(ours, exact, rtol=1e-6)
    mass = (ours * np.sin(angle)).sum() * (high - low) / 2 * np.pi / 64
    assert mass == pytest.approx(min(1, alpha), rel=1e-6)
    assert (bulk.density(atoms(c, alpha), np.array([low - 0.1, high + 0.1])) == 0).all()


def test_density_integrates_to_one_and_starts_at_the_edge():
    law = planted()
    edge = bulk.edge(law).value
    # Cubic grading at both ends of [edge, top]: the square root becomes smooth.
    top = 20.0
    while bulk.density(law, np.array([top - 1]))[0] == 0:
        top -= 1
    u, weight = np.polynomial.legendre.leggauss(200)
    grid = edge + (top - edge) * ((u + 1) / 2) ** 2
    mass = (bulk.density(law, grid) * (u + 1) / 2 * weight).sum() * (top - edge)
    assert mass == pytest.approx(1, abs=1e-4)
    below, above = bulk.density(law, np.array([edge - 1e-7, edge + 1e-7]))
    assert below == 0
    assert above > 0


@pytest.mark.parametrize(("loss", "alpha"), [(normalised(1.0), 10.0), (quartic, 10.0)])
def test_density_of_a_threshold_state_integrates_to_one(loss, alpha):
    # Top far beyond the support; the tail of the quartic d ~ 6ŷ² is cut where e^{−ŷ²/2} is 1e-9.
    state = threshold_state(loss, alpha)
    top = 600.0
    u, weight = np.polynomial.legendre.leggauss(120)
    share = (u + 1) / 2
    grid = state.bulk_edge + (top - state.bulk_edge) * share**4
    density = bulk_density(state.law, loss, alpha, grid)
    mass = (density * 4 * share**3 * weight / 2).sum() * (top - state.bulk_edge)
    assert mass == pytest.approx(1, abs=1e-3)
    assert (
        bulk_density(state.law, loss, alpha, state.bulk_edge - np.array([1.0, 1e-3])) == 0
    ).all()
    assert bulk_density(state.law, loss, alpha, state.bulk_edge + np.array([1e-2]))[0] > 0


def test_density_near_a_regular_edge_is_a_square_root_with_the_predicted_amplitude():
    law = planted()
    edge = bulk.edge(law)
    distance = 1e-6
    amplitude = np.sqrt(2 / abs(second_derivative(law, edge.gamma))) / np.pi
    ours = bulk.density(law, np.array([edge.value + distance]))[0]
    assert ours == pytest.approx(amplitude * np.sqrt(distance), rel=1e-2)


def test_density_solves_the_stieltjes_equation():
    law = planted()
    grid = np.linspace(bulk.edge(law).value + 0.1, 4.0, 7)
    for value in grid:
        gamma = 1j
        for _ in range(20_000):  # the plain iteration, with a small imaginary part
            gamma = 1 / (3.0 * (law.weight * law.d / (1 + gamma * law.d)).sum() - value - 1e-6j)
        assert bulk.density(law, np.array([value]))[0] == pytest.approx(
            gamma.imag / np.pi, rel=1e-4
        )


@pytest.mark.parametrize("scale", [0.01, 7.0])
def test_the_spectrum_scales_with_the_curvature(scale):
    law = planted()
    scaled = Curvatures(scale * law.d, law.y2, law.weight, law.alpha)
    assert bulk.edge(scaled).value == pytest.approx(scale * bulk.edge(law).value, rel=1e-11)
    before, after = bulk.outlier(law), bulk.outlier(scaled)
    assert after.value == pytest.approx(scale * before.value, rel=1e-11)
    assert after.overlap == pytest.approx(before.overlap, rel=1e-9)


def test_splitting_an_atom_changes_nothing():
    law = planted(size=50)
    d, y2, weight = (np.tile(a, 2) for a in (law.d, law.y2, law.weight / 2))
    split = Curvatures(d, y2, weight, 3.0)
    assert bulk.edge(split).value == pytest.approx(bulk.edge(law).value, rel=1e-12)


# --- the outlier ------------------------------------------------------------------------------


def test_the_outlier_lies_below_the_edge_where_the_two_functions_meet():
    law = planted()
    edge, spike = bulk.edge(law), bulk.outlier(law)
    assert spike.value is not None
    assert spike.value < edge.value
    assert spike.gamma is not None
    assert 0 < spike.gamma < edge.gamma
    assert law.phi(spike.gamma) == pytest.approx(law.psi(spike.gamma), rel=1e-12)
    assert spike.overlap is not None
    assert 0 < spike.overlap < 1


def test_the_overlap_is_the_response_to_a_field_along_the_signal():
    # Adding t W*W*ᵀ/N turns φ into φ + t, and dλ/dt = |⟨v, W*⟩|²/N (Hellmann–Feynman).
    law = planted()
    spike, edge, t = bulk.outlier(law), bulk.edge(law), 1e-4

    def moved(t):
        gamma = brentq(
            lambda g: law.psi(g) - law.phi(g) - t,
            1e-3,
            edge.gamma,
            xtol=1e-15,
            rtol=np.float64(1e-14),
        )
        assert isinstance(gamma, float)
        return law.psi(gamma)

    assert spike.overlap is not None
    # Central difference: t² λ‴/6, about 1e-8, and round-off 1e-15/t.
    assert (moved(t) - moved(-t)) / (2 * t) == pytest.approx(spike.overlap**2, rel=1e-6)


def test_labels_without_information_have_no_outlier():
    # y independent of d: φ = αE[d/(1+γd)] > ψ for every γ.
    law = planted()
    assert bulk.outlier(Curvatures(law.d, np.ones_like(law.d), law.weight, 3.0)).value is None


def test_a_single_negative_sample_is_flagged():
    calm = LabelLaw.from_run(np.ones(500), np.ones(500))
    assert not bulk_edge(calm, quartic, 4.0).edge_from_one_atom
    student, teacher = np.ones(500), np.ones(500)
    student[0], teacher[0] = 0.0, 6.0
    edge = bulk_edge(LabelLaw.from_run(student, teacher), quartic, 4.0)
    assert edge.edge_from_one_atom
    assert edge.gamma > 0.9 * edge.pole


# --- the BBP transition -----------------------------------------------------------------------


def test_the_three_readings_hold_at_their_own_states(quartic_threshold):
    threshold = quartic_threshold
    for name in ("edge", "multiplier", "unstable"):
        assert threshold.error[name] < 1e-8

    def at(alpha):
        state = threshold_state(quartic, alpha)
        return state, curvatures(state.law, quartic, alpha)

    state, law = at(threshold.edge)
    assert law.phi(state.chi) == pytest.approx(law.psi(state.chi), abs=1e-8)
    state, law = at(threshold.multiplier)
    assert law.phi(state.chi) == pytest.approx(state.mu, abs=1e-8)
    state, law = at(threshold.unstable)
    assert state.outlier == pytest.approx(state.mu, abs=1e-8)


def test_the_outlier_appears_at_the_edge_reading(quartic_threshold):
    alpha = quartic_threshold.edge
    assert threshold_state(quartic, alpha - 1e-3).outlier is None
    above = threshold_state(quartic, alpha + 1e-3)
    assert above.outlier is not None
    assert above.outlier < above.bulk_edge
    # Overlap² = ψ′/(ψ′ − φ′) with ψ′ ∝ √(χ − γ) at the corner and χ − γ ∝ α − α_BBP: the overlap
    # grows like the fourth root, here from 0.03 by 10^(1/4).
    further = threshold_state(quartic, alpha + 1e-2)
    assert above.outlier_overlap is not None
    assert further.outlier_overlap is not None
    assert above.outlier_overlap < 0.05
    assert further.outlier_overlap / above.outlier_overlap == pytest.approx(10**0.25, rel=0.15)


def test_the_quartic_threshold_is_the_paper_s(quartic_threshold):
    threshold = quartic_threshold
    assert round(threshold.edge, 1) == 13.8
    assert threshold.multiplier - threshold.edge == pytest.approx(0.05, abs=0.005)
    assert 1 < threshold.unstable - threshold.edge < 1.2


@pytest.mark.parametrize("a", [pytest.param(0.1, marks=pytest.mark.slow), 1.0])
def test_without_a_kink_the_readings_coincide(a):
    threshold = bbp_threshold(normalised(a))
    assert threshold.multiplier == pytest.approx(threshold.edge, abs=1e-9)
    assert threshold.unstable == pytest.approx(threshold.edge, abs=1e-9)


def test_random_start_without_a_root_sits_at_the_pole():
    # a=5: at the pole γ = 1/2, 1/α = 2E[1/(a+3h²)], below the α where F reaches 1 there.
    a = 5.0
    start = bbp_at_random_start(normalised(a))

    def gaussian(g):
        return quad(
            lambda h: g(h) * np.exp(-(h**2) / 2) / np.sqrt(2 * np.pi), -12, 12, epsrel=1e-13
        )[0]

    assert start.alpha == pytest.approx(1 / (2 * gaussian(lambda h: 1 / (a + 3 * h**2))), rel=1e-11)
    assert start.gamma == 0.5
    assert not start.square_root
    root_from = 1 / gaussian(lambda h: (9 * h**4 - 6 * h**2 + 3) / (a + 3 * h**2) ** 2)
    assert root_from == pytest.approx(7.247, abs=1e-3)
    assert start.alpha < root_from
    assert start.alpha == pytest.approx(3.4137, abs=1e-4)


@pytest.mark.parametrize("a", [0.1, 1.0])
def test_random_start_is_where_the_outlier_of_the_gaussian_law_appears(a):
    start = bbp_at_random_start(normalised(a))
    assert start.square_root
    assert start.error < 1e-8
    law = gaussian_law()
    below = outlier(law, normalised(a), start.alpha * 0.999)
    above = outlier(law, normalised(a), start.alpha * 1.001)
    assert below.value is None
    assert above.value is not None
    assert above.overlap is not None
    assert above.overlap < 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("a", "start", "threshold"),
    [
        (0.01, 2.85075199131, 4.43608358425),
        (0.1, 2.16668085127, 5.10325654297),
        (1.0, 1.13485412638, 7.09396188858),
    ],
)
def test_both_transitions_to_their_converged_digits(a, start, threshold):
    # references: these very equations, at two successive refinements that agree to 2e-10; no
    # paper prints them. The kink-free readings coincide.
    at_start, at_threshold = bbp_at_random_start(normalised(a)), bbp_threshold(normalised(a))
    assert at_start.error < 1e-9
    assert at_start.alpha == pytest.approx(start, abs=1e-9)
    for name in ("edge", "multiplier", "unstable"):
        error = at_threshold.error[name]
        assert error is not None
        assert error < 1e-9
        assert getattr(at_threshold, name) == pytest.approx(threshold, abs=1e-9)


def test_constant_curvature_knows_no_signal_whatever_alpha():
    # amplitude: ℓ″ = 2 almost everywhere, so 1 + χ = √α/(√α − 1), and the gap is all kink
    threshold = bbp_threshold(amplitude)
    assert (threshold.edge, threshold.multiplier, threshold.unstable) == (None, None, None)
    state = threshold_state(amplitude, 9.0)
    assert state.chi == pytest.approx(1 / 2, abs=1e-10)
    assert state.bulk_edge == pytest.approx((3 - 1) ** 2, abs=1e-9)
    assert state.outlier is None
    assert state.bulk_edge - state.mu == pytest.approx(state.flags["kink_mass"], abs=1e-9)
    with pytest.raises(ValueError, match="no outlier leaves the bulk"):
        bbp_at_random_start(amplitude)


def test_a_loss_of_value_alone_has_the_transitions_of_the_loss_written_out():
    own = loss_from_value(lambda yhat, y: (yhat**2 - y**2) ** 2 / (1 + y**2), "own")
    start, written = bbp_at_random_start(own), bbp_at_random_start(normalised(1.0))
    assert start.alpha == pytest.approx(written.alpha, abs=1e-9)
    # not a polynomial over anything: the change of variable to the label is general, and without
    # a kink −Ψ = μ to round-off
    robust = loss_from_value(lambda h, y: jnp.sqrt(1 + (h**2 - y**2) ** 2) - 1, "robust")
    state = threshold_state(robust, 12.0)
    assert state.flags["kink_mass"] == 0
    assert state.bulk_edge - state.mu == pytest.approx(0, abs=1e-10)
    assert state.outlier is not None


def test_unbounded_curvature_at_a_random_start_is_an_error_that_says_why():
    with pytest.raises(ValueError, match=r"unbounded below.*no bulk edge"):
        bbp_at_random_start(quartic)


def test_a_wrong_curvature_bound_is_noticed():
    good = normalised(1.0)
    wrong = Loss("wrong", good.value, good.d1, good.d2, curvature_infimum=-1.0)
    with pytest.raises(ValueError, match="curvature_infimum"):
        bbp_at_random_start(wrong)


@pytest.mark.parametrize("alpha", [0, -1, nan, inf])
def test_alpha_of_a_spectrum_must_be_a_positive_number(alpha):
    with pytest.raises(ValueError, match="positive number"):
        bulk_edge(gaussian_law(), normalised(1.0), alpha)


def test_curvatures_must_match_and_exist():
    for d, y2 in ((np.zeros(0), np.zeros(0)), (np.ones(2), np.ones(3))):
        with pytest.raises(ValueError, match="common length"):
            Curvatures(d, y2, np.ones(d.size), 2.0)
    with pytest.raises(ValueError, match="finite"):
        Curvatures(np.array([nan]), np.ones(1), np.ones(1), 2.0)
    with pytest.raises(ValueError, match="grid"):
        bulk_density(gaussian_law(), normalised(1.0), 2.0, np.array([nan]))


# --- theory against matrices ------------------------------------------------------------------

TRACY_WIDOM_MEAN, SIGMAS = -1.2065335745820, 4.0


def gaussian_law():
    h, y, weight = half_gaussian_pair(LEVELS[1])
    return LabelLaw(h, y, weight)


def second_derivative(law, gamma):
    """ψ″ at a root of F = 1, where ψ′ = (1 − F)/γ² vanishes: −F′/γ²."""
    slope = 2 * law.alpha * law.weight @ (gamma * law.d**2 / (1 + gamma * law.d) ** 3)
    return -slope / gamma**2


def mean_shift(law, gamma, n):
    """E λ_min − λ₋ of a square-root edge, N^(−2/3) (|ψ″|/2)^(1/3) times the Tracy–Widom mean."""
    return -TRACY_WIDOM_MEAN * (abs(second_derivative(law, gamma)) / 2 / n**2) ** (1 / 3)


def sample(law, loss, alpha, n, rng):
    """λ₁, λ₂ and |⟨v₁, W*⟩|/√N of ½ Σ ∂²ℓ x xᵀ with labels drawn from ``law``, W* = √N e₁."""
    m = round(alpha * n)
    chosen = rng.choice(law.weight.size, m, p=law.weight)
    yhat, y = law.student[chosen], law.teacher[chosen] * rng.choice([-1.0, 1.0], m)
    x = rng.standard_normal((m, n)) / np.sqrt(n)
    x[:, 0] = y / np.sqrt(n)
    values, vectors = eigh((x * (loss.d2(yhat, y)[:, None] / 2)).T @ x, subset_by_index=[0, 1])
    return *values, abs(vectors[0, 0])


def compare(law, loss, alpha, n, count, seed):
    """Assert edge, outlier and overlap within four standard errors of the mean."""
    rng = np.random.default_rng(seed)
    rows = np.array([sample(law, loss, alpha, n, rng) for _ in range(count)])
    mean, error = rows.mean(axis=0), rows.std(axis=0, ddof=1) / np.sqrt(count)
    edge, spike = bulk_edge(law, loss, alpha), outlier(law, loss, alpha)
    expected = edge.value + mean_shift(curvatures(law, loss, alpha), edge.gamma, n)
    k = 0 if spike.value is None else 1
    assert abs(mean[k] - expected) < SIGMAS * error[k]
    if spike.value is not None:
        assert abs(mean[0] - spike.value) < SIGMAS * error[0]
        assert abs(mean[2] - spike.overlap) < SIGMAS * error[2]
    return mean


@pytest.mark.parametrize(("alpha", "seed"), [(4.0, 1), (14.0, 2)])
def test_threshold_states_against_small_matrices(alpha, seed):
    # normalised a=1: curvature ≥ −4, no kink at these α, BBP at 7.094.
    loss = normalised(1.0)
    compare(threshold_state(loss, alpha).law, loss, alpha, n=200, count=12, seed=seed)


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "seed"), [(4.0, 11), (5.5, 12), (10.0, 13), (14.0, 14)])
def test_threshold_states_against_matrices(alpha, seed):
    loss = normalised(1.0)
    assert (alpha > bbp_threshold(loss).edge) == (alpha > 7)
    mean = compare(threshold_state(loss, alpha).law, loss, alpha, n=2000, count=8, seed=seed)
    # The transition where it is predicted: a vector in 2000 dimensions without signal has an
    # overlap of order N^(−1/2) = 0.02, enhanced by 1/|α − α_BBP| near the transition.
    assert (mean[2] > 0.4) == (alpha > 7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("a", "alpha", "seed"),
    [(0.1, 1.2, 21), (0.1, 1.6, 22), (0.1, 3.5, 23), (0.1, 5.0, 24), (0.01, 5.0, 25), (1, 3.0, 26)],
)
def test_random_starts_against_matrices(a, alpha, seed):
    loss = normalised(a)
    there = bbp_at_random_start(loss).alpha
    assert (alpha > there) == (alpha > 2.9)
    compare(gaussian_law(), loss, alpha, n=2000, count=8, seed=seed)
