"""Small changes of a flow at N = ∞: exact cases, a real system, and growth rates in the end."""

from math import inf

import numpy as np
import pytest
from scipy.special import iv

from gapless.theory.spiked import SpikedModel, at_rate, small_change, spiked_flow

SPIKED = SpikedModel(3, 1.0, 0.45)


def moment(t: np.ndarray, sigma: float) -> np.ndarray:
    """Return ∫ρ(λ)e^{2λt} of the semicircle of radius 2σ: I₁(4σt)/(2σt)."""
    x = np.where(t > 0, 2 * sigma * t, 1.0)
    return np.where(t > 0, iv(1, 2 * x) / x, 1.0)


def test_a_random_change_of_a_matrix_alone_grows_by_its_eigenvectors():
    sigma, waiting, errors = 2.0, 0.5, []
    for step in (0.02, 0.01):
        change = small_change(spiked_flow(SpikedModel(3, inf, sigma**-2), 2.0, step), waiting)
        exact = moment(change.t - waiting, sigma) * moment(np.array(waiting), sigma)
        exact = 0.5 * np.log(exact / moment(change.t, sigma))
        errors.append(abs(change.random_norm - exact).max())
    assert errors[1] < 5e-4
    assert np.isclose(np.log2(errors[0] / errors[1]), 2, atol=0.4)


def test_growth_is_that_of_an_overlap_so_small_that_it_changes_nothing():
    differences = []
    for step in (0.04, 0.02):
        finite = spiked_flow(SPIKED, 2.0, step, overlap=1e-6)
        change = small_change(spiked_flow(SPIKED, 2.0, step), 0.0)
        differences.append(abs(np.log(finite.overlap / 1e-6) - change.growth).max())
    # μ is the corrector's in one and the predictor's in the other: a term of second order
    assert differences[1] < 5e-3
    assert differences[1] < differences[0] / 3


def test_steps_are_of_second_order():
    found = []
    for step in (0.04, 0.02, 0.01):
        change = small_change(spiked_flow(SPIKED, 2.0, step), 0.4)
        found.append(np.array([change.growth[-1], change.signal_norm[-1]]))
    ratio = np.log2((found[0] - found[1]) / (found[1] - found[2]))
    assert np.allclose(ratio, 2, atol=0.4)


@pytest.mark.parametrize("root", [0.5, 0.9])
def test_an_overlap_grows_at_the_exact_rate_and_keeps_the_outliers_share(root):
    model = at_rate(3, 1.0, root)
    change = small_change(spiked_flow(model, 20.0, 0.05), 2.0)
    rate = np.gradient(change.growth, change.t)
    late, half = rate[-2], rate[len(rate) - 1 - 200]
    # μ still lies below its limit by about 1/t, and everything grows faster
    assert late > model.growth_rate
    assert abs(2 * late - half - model.growth_rate) < 0.35 * (late - model.growth_rate)
    assert np.isclose(change.alignment[-1], model.outlier_overlap, rtol=0.01)


def test_below_the_transition_the_share_falls():
    model = at_rate(3, 1.0, -0.6)
    change = small_change(spiked_flow(model, 16.0, 0.05), 2.0)
    later = change.t > 4
    assert (np.diff(change.alignment[later]) < 0).all()


def descent(n: int, model: SpikedModel, step: float, rng: np.random.Generator):
    """Return a signal, and the flow of one drawn system at N: (state, time) → state."""
    tensor = rng.normal(size=(n, n, n)) / (n * (3 * model.delta_p) ** 0.5)
    tensor = tensor + tensor.transpose(1, 2, 0) + tensor.transpose(2, 0, 1)
    matrix = rng.normal(size=(n, n)) / (2 * model.delta_2 * n) ** 0.5
    matrix = matrix + matrix.T
    signal = rng.normal(size=n)
    signal *= n**0.5 / np.linalg.norm(signal)

    def velocity(w: np.ndarray) -> np.ndarray:
        pull = model.slope(np.array([w @ signal / n])) * signal
        force = (tensor @ w) @ w + matrix @ w + pull
        return force - (force @ w / n) * w

    def later(w: np.ndarray, t: float) -> np.ndarray:
        for _ in range(round(t / step)):
            w = w + step * velocity(w + step / 2 * velocity(w))
            w *= n**0.5 / np.linalg.norm(w)
        return w

    return signal, later


@pytest.mark.slow
def test_systems_of_a_finite_number_of_spins_have_the_same_overlaps_and_norms():
    n, step, waiting, t_max, size = 96, 0.02, 0.3, 0.8, 1e-5
    model, found, rng = SpikedModel(3, 1.0, 0.4), [], np.random.default_rng(5)
    for _ in range(40):
        signal, later = descent(n, model, step, rng)
        w = rng.normal(size=n)
        w -= (w @ signal) / n * signal
        w = later(w * n**0.5 / np.linalg.norm(w), waiting)
        changes = []
        for direction in (signal, rng.normal(size=n)):
            direction = direction - (direction @ w / n) * w
            direction *= n**0.5 / np.linalg.norm(direction)
            ends = [later(w + s * size * direction, t_max - waiting) for s in (1, -1)]
            changes.append((ends[0] - ends[1]) / (2 * size))
        found.append([changes[0] @ signal / n, *(one @ one / n for one in changes)])
    change = small_change(spiked_flow(model, t_max, step), waiting)
    norms = 2 * change.signal_norm[-1], 2 * change.random_norm[-1]
    exact = np.exp([change.growth[-1], *norms])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / len(found) ** 0.5
    # means of m and of |δw|² tend to N = ∞ like 1/N
    assert (abs(mean - exact) < 4 * error + 10 / n * exact).all()


@pytest.mark.parametrize("waiting", [-0.1, 1.0, 2.0])
def test_a_change_is_made_before_the_end(waiting):
    with pytest.raises(ValueError, match=r"^waiting:"):
        small_change(spiked_flow(SPIKED, 1.0, 0.05), waiting)


def test_a_change_is_made_at_overlap_zero():
    with pytest.raises(ValueError, match=r"^flow:"):
        small_change(spiked_flow(SPIKED, 1.0, 0.05, overlap=0.1), 0.5)
