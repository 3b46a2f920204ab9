"""Laws of the bulk, the outlier and the BBP transition; theory against matrices."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.linalg import eigh
from scipy.optimize import brentq

from gapless.losses import Loss, amplitude, loss_from_value, normalised, quartic
from gapless.quadrature import LEVELS
from gapless.theory import (
    Curvatures,
    bbp_at_random_start,
    bbp_threshold,
    bulk,
    bulk_edge,
    outlier,
    threshold_state,
)
from gapless.theory.bbp import curvatures, random_law
from spectra import gaussian_law, planted, second_derivative


@pytest.fixture(scope="module")
def quartic_threshold():
    return bbp_threshold(quartic)


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


@pytest.mark.parametrize("a", [0.1, 1.0, 5.0])
def test_a_complex_random_start_is_where_the_outlier_of_the_law_of_moduli_appears(a):
    start = bbp_at_random_start(normalised(a), "complex")
    assert start.error < 1e-8
    law = random_law(LEVELS[3], "complex")
    atoms = curvatures(law, normalised(a), start.alpha)
    assert atoms.phi(start.gamma) == pytest.approx(atoms.psi(start.gamma), abs=1e-8)
    # two curvatures a sample, both of which begin at −2y²/(a + y²)
    assert atoms.marginality(start.gamma) == pytest.approx(1, abs=1e-8) or start.gamma == 0.5
    assert start.square_root == (start.gamma < 0.5)


def test_complex_losses_without_a_bulk_edge_are_refused_by_their_reason():
    for loss, reason in ((quartic, "unbounded below"), (amplitude, "cone")):
        with pytest.raises(ValueError, match=reason):
            bbp_at_random_start(loss, "complex")


def log_cosh(h, y):
    """Return log cosh(h² − y²), whose curvature comes to its infimum −2 at h = 0 and large y."""
    off = jnp.abs(h**2 - y**2)
    near = jnp.minimum(off, 20.0)  # beyond, a straight line
    return jnp.log1p(2 * jnp.sinh(near / 2) ** 2) + off - near


@pytest.mark.parametrize(
    "loss", [normalised(0.1), normalised(1.0), loss_from_value(log_cosh, "log cosh")], ids=str
)
def test_random_start_is_where_the_outlier_of_the_gaussian_law_appears(loss):
    start = bbp_at_random_start(loss)
    assert start.square_root
    assert start.error < 1e-8
    law = gaussian_law()
    below = outlier(law, loss, start.alpha * 0.999)
    above = outlier(law, loss, start.alpha * 1.001)
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


TRACY_WIDOM_MEAN, SIGMAS = -1.2065335745820, 4.0


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
