"""The law of labels at minima: its quadrature where labels lie on several stretches."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from gapless.losses import Loss
from gapless.quadrature import LEVELS
from gapless.theory.minima import minima
from gapless.theory.minima.law import Multipliers, minima_measure

holed = Loss(
    "holed",
    lambda h, y: (h**2 - y**2) ** 2 * (1 + h**2),
    lambda h, y: 4 * h * (h**2 - y**2) * (1 + h**2) + 2 * h * (h**2 - y**2) ** 2,
    lambda h, y: (
        4 * (3 * h**2 - y**2) * (1 + h**2) + 16 * h**2 * (h**2 - y**2) + 2 * (h**2 - y**2) ** 2
    ),
    -np.inf,
)
"""ℓ = (ŷ² − y²)²(1 + ŷ²): for y² > 2 its curvature is positive about ŷ = 0 and about ŷ = y."""


def test_labels_on_several_stretches_against_adaptive_quadrature():
    at = Multipliers(0.04, 5e-4, 0.01, 0.01, 0.0, 5.0)
    measure = minima_measure(holed, at, LEVELS[2])
    for target in (0.5, 1.9, 2.6, 3.5):
        row = int(np.argmin(np.abs(measure.y - target)))
        y = float(measure.y[row])

        def weight(h, y=y):
            d1, d = holed.d1(h, y), holed.d2(h, y) / 2
            inside = 1 + at.gamma * d
            if inside <= 0:
                return 0.0
            cost = h**2 / 2 + at.force * d1**2 + (at.gamma + at.omega) / 2 * h * d1
            cost += at.kappa / 2 * holed.value(h, y) - at.omega * d / inside
            return inside * float(np.exp(-cost))

        grid = np.linspace(0, 8, 4001)
        sign = 1 + at.gamma * holed.d2(grid, y) / 2 > 0
        ends = [float(grid[k]) for k in np.flatnonzero(sign[1:] != sign[:-1])]
        norm, second = (
            sum(
                quad(lambda h, k=k: h**k * weight(h), a, b, epsabs=0, epsrel=1e-10, limit=200)[0]
                for a, b in pairwise([0.0, *ends, y, y + 1, 8.0])
            )
            for k in (0, 2)
        )
        mean = float(measure.rows(measure.h**2)[row])
        assert mean == pytest.approx(second / norm, rel=1e-7)


@pytest.mark.slow
def test_a_loss_whose_labels_lie_on_several_stretches():
    state = minima(holed, 12.0)
    assert state.bulk_edge == pytest.approx(state.mu, abs=1e-9 / state.gamma)
    step = 1e-3 * state.energy
    low, high = (minima(holed, 12.0, energy=state.energy + x) for x in (-step, step))
    assert low.kappa > 0 > high.kappa
    slope = (high.complexity - low.complexity) / (2 * step)
    assert slope == pytest.approx((low.kappa + high.kappa) / 2, abs=1e-6)
    assert state.flags["second_variation"] < 1


def test_a_curvature_that_stays_low_is_refused():
    falling = Loss(
        "falling",
        lambda h, y: h**2 - 0.1 * h**4 + 0 * y,
        lambda h, y: 2 * h - 0.4 * h**3 + 0 * y,
        lambda h, y: 2 - 1.2 * h**2 + 0 * y,
        -np.inf,
    )
    with pytest.raises(ValueError, match="still below"):
        minima_measure(falling, Multipliers(0.2, 0.001, 0.01, 0.0, 0.0, 5.0), LEVELS[0])
