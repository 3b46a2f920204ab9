"""Complex labels in the count: its definition, its slope, and the loss of stability."""

import numpy as np
import pytest
from scipy.integrate import quad

from gapless.losses import Loss, quartic
from gapless.quadrature import LEVELS
from gapless.theory.minima import minima, minima_threshold
from gapless.theory.minima.law import Multipliers, minima_measure
from gapless.theory.minima.samples import log_base
from gapless.theory.minima.system import Averages


@pytest.mark.parametrize(
    ("loss", "alpha"), [(quartic, 6.0), pytest.param(quartic, 20.0, marks=pytest.mark.slow)]
)
def test_the_complexity_is_the_count_of_its_law_by_definition(loss, alpha):
    state = minima(loss, alpha, field="complex")
    square = state.law.mean(lambda r, s: loss.d1(r, s) ** 2)
    at = Multipliers(state.gamma, 1 / (alpha * square), state.omega, 0.0, 0.0, alpha)
    measure = minima_measure(loss, at, LEVELS[1], field="complex")
    # both curvatures afresh, not by the responses of the measure
    column = np.broadcast_to(measure.y[:, None], measure.h.shape)
    kept = measure.weight > 1e-15
    d = np.stack([loss.d2(measure.h, column), loss.across(measure.h, column)]) / 2
    determinant = np.log(np.where(kept, np.maximum(1 + state.gamma * d, 1e-300), 1)).sum(axis=0)
    w = measure.y_weight[:, None] * measure.weight
    mu = alpha / 2 * float((w * measure.h * measure.d1).sum())
    # KL of the law by its exponent; the base is in both
    tilt = determinant - at.force * measure.d1**2
    tilt -= (state.gamma + state.omega / 2) * measure.h * measure.d1
    responses = np.where(kept, d / np.where(kept, 1 + state.gamma * d, 1), 0)
    tilt += state.omega * responses.mean(axis=0)
    kl = float((w * tilt).sum()) - measure.log_norm
    count = 1 - np.log(alpha / 4 * square) - alpha * kl
    count += alpha * float((w * determinant).sum()) - 2 * np.log(state.gamma) - 2
    count -= 2 * state.gamma * mu
    assert count == pytest.approx(state.complexity, abs=1e-7)
    assert mu == pytest.approx(state.mu, abs=1e-7)
    # marginal: F = 1 and ψ = μ, from both curvatures
    weight = np.where(kept, w, 0) * alpha
    assert state.gamma**2 * float((weight * responses**2).sum()) / 2 == pytest.approx(1, abs=1e-6)
    psi = float((weight * responses).sum()) / 2 - 1 / state.gamma
    assert psi == pytest.approx(state.mu, abs=1e-6)


def test_the_slope_of_the_complexity_is_kappa():
    below, above = (minima(quartic, 8.0, kappa=k, field="complex") for k in (0.019, 0.021))
    slope = (above.complexity - below.complexity) / (above.energy - below.energy)
    # a central difference: the error is of the second order in 0.001/0.02
    assert slope == pytest.approx(0.02, rel=5e-3)
    top = minima(quartic, 8.0, field="complex")
    assert above.energy < below.energy < top.energy
    assert above.complexity < below.complexity < top.complexity


@pytest.mark.slow
def test_complex_minima_lose_stability_where_the_response_to_a_signal_is_mu():
    found = minima_threshold(quartic, field="complex")
    assert found.most_numerous is not None
    assert found.deepest is not None
    for state in (found.most_numerous, found.deepest):
        assert state.flags["border"] == pytest.approx(0, abs=1e-7)
        assert state.error["alpha"] < 1e-6
        assert state.bulk_edge == pytest.approx(state.mu, abs=1e-7)
    assert found.most_numerous.alpha < found.deepest.alpha
    assert found.deepest.complexity == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("field", ["real", "complex"])
def test_the_base_is_a_probability_density_of_moduli(field):
    # E|ŷ|² = 1 in both conventions

    def density(h):
        return float(np.exp(log_base(field, np.full(1, h)))[0])

    moments = [quad(lambda h, k=k: h**k * density(h), 0, 12)[0] for k in (0, 2)]
    np.testing.assert_allclose(moments, 1, rtol=1e-8)


@pytest.mark.parametrize(("field", "copies"), [("real", 1), ("complex", 2)])
@pytest.mark.parametrize("alpha", [2.0, 9.0])
def test_a_quadratic_loss_has_one_minimum(field, copies, alpha):
    """ℓ = |ŷ|²: the minimum is the lowest eigenvector of X†X, whose eigenvalue is (√α − 1)²."""
    square = Loss("square", lambda h, y: h**2 + 0 * y, lambda h, y: 2 * h + 0 * y, _two, 2.0)
    mean, gamma = (alpha**0.5 - 1) ** 2 / alpha, 1 / (alpha**0.5 - 1)
    force = copies / (8 * alpha * mean)
    # the law of ŷ stays Gaussian; κ makes αE|ŷ|² the lowest eigenvalue
    kappa = copies / mean - copies - 8 * force - 2 * copies * gamma
    at = Multipliers(gamma, force, 0.0, kappa, 0.0, alpha)
    found = Averages(minima_measure(square, at, LEVELS[2], field=field))
    lowest = (alpha**0.5 - 1) ** 2
    for value in (found.psi, found.mu, 2 * found.energy):
        assert value == pytest.approx(lowest, rel=1e-9)
    assert found.marginality == pytest.approx(1, rel=1e-9)
    assert found.complexity == pytest.approx(0, abs=1e-9)


def _two(h: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 2 + 0 * (h + y)


def test_complex_minima_are_counted_at_overlap_zero_only():
    with pytest.raises(ValueError, match="overlap: minima of complex"):
        minima(quartic, 10.0, overlap=0.1, field="complex")
