"""Estimators of late times at N = ∞, on curves whose answer is known."""

import numpy as np
import pytest

from gapless.analyse.late_times import (
    alignment_exponent,
    at_time,
    corner,
    energy_limit,
    median_error,
    vanishing_excess,
)

T = np.concatenate([[0], np.geomspace(0.05, 30, 64)])
ALPHAS = (10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0)


@pytest.mark.parametrize("gamma", [0.7, 1.5])
def test_a_power_law_tends_to_its_limit(gamma: float) -> None:
    curve = 7 + (1 + T) ** -gamma
    shifts = np.linspace(-0.01, 0.01, 5)
    value, error, window = energy_limit(T, [curve + shift for shift in shifts])
    # the curve is a power of 1 + t: of t beyond T/8 to a tenth of what is left there
    left = (1 + T[-1] / 8) ** -gamma
    assert abs(value - 7) < left
    assert window < left
    # jackknife of a statistic that shifts with the curve: the error of a mean
    assert np.isclose(error, shifts.std(ddof=1) / 5**0.5, rtol=0.02)


def test_an_exponent_is_that_of_a_power_law() -> None:
    found = alignment_exponent(T, -0.3 * np.maximum(T, 1e-9) ** -0.8, (3, 20))
    assert np.isclose(found, -0.8, rtol=1e-9)
    assert np.isnan(alignment_exponent(T, T, (31, 40)))
    assert np.isnan(at_time(T, T, 31.0))


def exponents(place: float, noise: float, rng: np.random.Generator) -> dict[float, np.ndarray]:
    """Return a corner at `place` with slope 0.3 and a level of −0.1, in nine noisy sets."""
    return {
        alpha: -0.1 - 0.3 * max(place - alpha, 0) + noise * rng.normal(size=9) for alpha in ALPHAS
    }


@pytest.mark.parametrize("place", [12.3, 13.9])
def test_a_corner_is_found_within_its_error(place: float) -> None:
    value, error = corner(exponents(place, 0.05, np.random.default_rng(0)))
    assert error < 1
    assert abs(value - place) < 4 * error


def test_no_corner_is_read_at_an_end_of_the_range() -> None:
    rng = np.random.default_rng(1)
    for place in (8.0, 20.0):
        assert np.isnan(corner(exponents(place, 0.0, rng))[0])
    few = {alpha: np.zeros(3) for alpha in ALPHAS[:3]}
    assert np.isnan(corner(few)).all()


def test_an_excess_vanishes_where_its_line_does_and_is_not_extrapolated() -> None:
    rng = np.random.default_rng(2)
    noise = 0.1
    excess = {alpha: 0.5 * (alpha - 12.7) + noise * rng.normal(size=9) for alpha in ALPHAS}
    value, error = vanishing_excess(excess)
    assert abs(value - 12.7) < 4 * error
    assert np.isnan(vanishing_excess({a: 0.5 * (a - 9) + np.zeros(9) for a in ALPHAS})[0])


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20])
def test_the_error_of_a_median_is_the_spread_of_medians_of_few_values(count: int) -> None:
    rng = np.random.default_rng(count)
    found = np.array([median_error(rng.normal(size=count)) for _ in range(4000)])
    spread, errors = found[:, 0].std(), found[:, 1]
    # four standard errors of both, and 1.5 % of the formula from eight values on
    noise = np.hypot(1 / np.sqrt(8000), errors.std() / errors.mean() / np.sqrt(4000))
    assert abs(errors.mean() / spread - 1) < 4 * noise + 0.015
