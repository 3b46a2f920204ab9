"""The flow of the spiked model: order of the steps, exact cases, and what it tends to."""

from math import inf

import numpy as np
import pytest
from scipy.special import iv

from gapless.theory.spiked import SpikedModel, at_rate, spiked_flow

SPIKED = SpikedModel(3, 1.0, 0.45)


def order(coarse: np.ndarray, middle: np.ndarray, fine: np.ndarray) -> float:
    """Return log₂ of the ratio of differences between steps h, h/2 and h/4."""
    return float(np.log2(np.linalg.norm(coarse - middle) / np.linalg.norm(middle - fine)))


def test_steps_are_of_second_order():
    found = []
    for step in (0.04, 0.02, 0.01):
        flow = spiked_flow(SPIKED, 2.0, step, overlap=0.2)
        half = len(flow.t) // 2
        numbers = (flow.correlation[-1, 0], flow.correlation[-1, half], flow.response[-1, half])
        found.append(np.array([*numbers, flow.overlap[-1], flow.mu[-1], flow.energy[-1]]))
    # the next order is h times as large: 0.04 of rates up to 4√Q″ = 8
    assert np.isclose(order(*found), 2, atol=0.4)


def moment(t: np.ndarray, sigma: float) -> np.ndarray:
    """Return ∫ρ(λ)e^{2λt} of the semicircle of radius 2σ: I₁(4σt)/(2σt)."""
    x = np.where(t > 0, 2 * sigma * t, 1.0)
    return np.where(t > 0, iv(1, 2 * x) / x, 1.0)


def test_a_matrix_alone_is_solved_by_its_eigenvectors():
    sigma, errors = 2.0, []
    for step in (0.02, 0.01):
        flow = spiked_flow(SpikedModel(3, inf, sigma**-2), 2.0, step)
        t, late = flow.t[:, None], np.maximum(flow.t[:, None] - flow.t, 0)
        norm = moment(flow.t, sigma)
        correlation = moment((t + flow.t) / 2, sigma) / np.sqrt(norm[:, None] * norm)
        response = np.tril(np.sqrt(norm / norm[:, None]) * moment(late / 2, sigma))
        errors.append(
            [
                abs(flow.correlation - correlation).max(),
                abs(flow.response - response).max(),
            ]
        )
    assert max(errors[1]) < 5e-4
    assert np.allclose(np.log2(np.divide(*errors)), 2, atol=0.4)


def test_energy_falls_by_the_squared_velocity():
    found, time = [], 1.0
    for step in (0.02, 0.01):
        flow = spiked_flow(SPIKED, 1.2, step, overlap=0.1)
        now = round(time / step)
        # |∂_t W|²/N is the mixed derivative of C on its diagonal, which a step's error of third
        # order changes by first order
        velocity = 2 * (1 - flow.correlation[now - 1, now + 1]) / (2 * step) ** 2
        falls = -(flow.energy[now + 1] - flow.energy[now - 1]) / (2 * step)
        found.append((velocity, falls))
    (coarse, _), (fine, falls) = found
    assert np.isclose(2 * fine - coarse, falls, rtol=0.1 * abs(fine / coarse - 1) + 1e-3)


@pytest.mark.parametrize("model", [at_rate(3, 1.0, -0.3), SpikedModel(3, 1.0, inf), SpikedModel(4)])
def test_marginal_states_are_reached(model):
    flow = spiked_flow(model, 16.0, 0.12 / model.noise**0.5)
    last = len(flow.t) - 1
    gap = model.threshold_multiplier - flow.mu[[last // 4, last // 2, last]]
    # ageing: μ comes from below, by a power of t between −1 and −2/3
    assert (gap > 0).all()
    assert ((gap[1:] / gap[:-1] > 0.45) & (gap[1:] / gap[:-1] < 0.67)).all()
    assert gap[-1] < 0.07 * model.threshold_multiplier


def test_a_signal_is_found_from_a_finite_overlap():
    model = SpikedModel(3, 1.0, 0.2)
    flow = spiked_flow(model, 8.0, 0.03, overlap=0.2)
    assert flow.overlap[-1] > 0.8
    assert np.isclose(flow.mu[-1], -2 * flow.energy[-1], rtol=0.3)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"step": 0.2}, "step"),
        ({"step": 0.0}, "step"),
        ({"t_max": 0.001}, "t_max"),
        ({"overlap": 1.5}, "overlap"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(given, named):
    with pytest.raises(ValueError, match=rf"^{named}:"):
        spiked_flow(SPIKED, **{"t_max": 1.0, "step": 0.02} | given)
