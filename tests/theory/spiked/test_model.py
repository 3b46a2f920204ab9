"""The spiked matrix–tensor model: derivatives of its covariance, and closed forms against roots."""

from math import inf, isclose, sqrt

import numpy as np
import pytest

from gapless.theory.spiked import SpikedModel, at_rate, transition

ORDERS = [(3, 1.0), (3, 4.0), (4, 0.3), (7, 25.0)]


def test_slope_and_curvature_are_derivatives():
    model, x, h = SpikedModel(4, 0.7, 1.3), np.linspace(-0.9, 1, 7), 1e-5
    # central differences err by h²/6 of the third derivative, and by rounding over h
    for function, derivative in (
        (model.covariance, model.slope),
        (model.slope, model.curvature),
    ):
        found = (function(x + h) - function(x - h)) / (2 * h)
        assert np.allclose(found, derivative(x), rtol=0, atol=1e-8)
    assert np.allclose(model.curvature(np.array([0.0, 1.0])), [model.spike, model.noise])


@pytest.mark.parametrize(("p", "delta_p"), ORDERS)
def test_the_closed_form_is_where_the_curvature_meets_the_bulk(p, delta_p):
    found = transition(p, delta_p)
    printed = (-delta_p + sqrt(delta_p**2 + 4 * (p - 1) * delta_p)) / (2 * (p - 1))
    assert isclose(found, printed, rel_tol=1e-13)
    at = SpikedModel(p, delta_p, found)
    assert isclose(at.spike, sqrt(at.noise), rel_tol=1e-14)
    assert SpikedModel(p, delta_p, 0.99 * found).distance > 0
    assert SpikedModel(p, delta_p, 1.01 * found).growth_rate == 0


def test_known_transitions():
    assert transition(3, 1.0) == 0.5
    assert transition(3, inf) == 1.0


@pytest.mark.parametrize(("p", "delta_p"), [*ORDERS, (3, inf)])
@pytest.mark.parametrize("root", [-0.9, -0.1, 0.0, 0.05, 3.0])
def test_a_model_is_found_by_its_rate(p, delta_p, root):
    model = at_rate(p, delta_p, root)
    found = model.distance / sqrt(model.spike)
    # of a difference of two numbers of order √Q″
    assert isclose(found, root, abs_tol=1e-13 * sqrt(model.noise))
    assert isclose(model.growth_rate, max(root, 0) ** 2, rel_tol=1e-9, abs_tol=1e-20)


def test_rate_and_overlap_are_those_of_a_spiked_random_matrix():
    model = at_rate(3, 1.0, 0.4)
    n, rng = 600, np.random.default_rng(3)
    noise = rng.normal(size=(n, n)) * sqrt(model.noise / (2 * n))
    matrix = noise + noise.T
    matrix[0, 0] += model.spike
    value, vector = np.linalg.eigh(matrix)
    # fluctuations of order N^(−1/2) of outlier and squared overlap, 4 of them
    atol = 4 * 2 * sqrt(model.noise / n)
    rate = value[-1] - model.threshold_multiplier
    assert isclose(rate, model.growth_rate, abs_tol=atol)
    assert isclose(abs(vector[0, -1]), model.outlier_overlap, abs_tol=atol)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"p": 2}, "p"),
        ({"delta_p": 0.0}, "delta_p"),
        ({"delta_2": -1.0}, "delta_2"),
        ({"delta_p": inf, "delta_2": inf}, "delta_2"),
    ],
)
def test_what_is_no_model_is_refused_by_name(given, named):
    with pytest.raises(ValueError, match=rf"^{named}:"):
        SpikedModel(**given)


@pytest.mark.parametrize(
    ("p", "delta_p", "root", "named"),
    [
        *((p, 1.0, 0.5, "p") for p in (0, 2, 3.5, "a")),
        *((3, delta, 0.5, "delta_p") for delta in (0, -1, float("nan"), "a")),
        *((3, 1.0, root, "root") for root in (1e200, float("nan"), "a")),
        (3, inf, -1.0, "root"),
    ],
)
def test_a_rate_of_no_model_is_refused_by_name(p, delta_p, root, named):
    with pytest.raises(ValueError, match=rf"^{named}:"):
        at_rate(p, delta_p, root)


def test_the_transition_has_its_limits():
    """Δ₂ → 1 without the tensor, and √(Δ_p/(p − 1)) where it is all."""
    assert transition(3, inf) == transition(3, 1e300) == 1
    assert isclose(transition(3, 1e-60), sqrt(1e-60 / 2), rel_tol=1e-12)
