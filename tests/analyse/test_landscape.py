"""Energies placed within the band of minima."""

import numpy as np
import pandas as pd
import pytest

from gapless.analyse.landscape import Band, in_the_band, loses_stability


def synthetic():
    """A band of depth 2 below e = α, φ − μ = 3 (12 − α) + 4 share, Σ = 1 − share."""
    alpha, share = np.linspace(8.0, 16.0, 9), np.linspace(0, 1, 5)
    energy = alpha[:, None] - 2 * share
    complexity = np.broadcast_to(1 - share, energy.shape)
    return Band(alpha, share, energy, complexity, 3 * (12 - alpha[:, None]) + 4 * share)


def test_an_energy_has_its_place_within_the_band():
    band = synthetic()
    assert band.at_energy("complexity", 10.5, 9.5) == pytest.approx(0.5, abs=1e-12)
    assert band.at_energy("border", 10.5, 9.5) == pytest.approx(4.5 + 2, abs=1e-12)
    assert np.isnan(band.at_energy("border", 10.5, 11.0))
    assert np.isnan(band.at_energy("border", 7.0, 6.0))
    # φ = μ: 4 share = 3 (α − 12), within the band from α = 12 to 13⅓
    assert band.marginal_share(12.5) == pytest.approx(3 / 8, abs=1e-12)
    assert np.isnan(band.marginal_share(11.0))
    assert np.isnan(band.marginal_share(14.0))


def test_stability_is_lost_where_the_energies_cross_the_line_and_errors_are_carried():
    band = synthetic()
    # half-way down: 3 (12 − α) + 2 = 0
    alpha = np.array([9.0, 11.0, 14.0, 15.0])
    energies = pd.DataFrame({"alpha": alpha, "energy": alpha - 1, "error": 1e-3})
    placed = in_the_band(band, energies)
    np.testing.assert_allclose(placed.below, 1)
    np.testing.assert_allclose(placed.border_error, 2e-3)
    found, error = loses_stability(band, placed)
    assert found == pytest.approx(12 + 2 / 3, abs=1e-9)
    # dα/d below = 2/3; below is a line between α = 11 and 14
    share = (found - 11) / 3
    assert error == pytest.approx(2e-3 / 3 * np.hypot(share, 1 - share), rel=1e-4)
    assert np.isnan(loses_stability(band, placed[placed.alpha < 12])[0])


def test_a_band_is_read_from_records():
    band = synthetic()
    rows = [
        {"state": "minima", "alpha": a, "share": s, "energy": e, "complexity": 1 - s, "border": b}
        for a, energies, borders in zip(band.alpha, band.energy, band.border, strict=True)
        for s, e, b in zip(band.share, energies, borders, strict=True)
    ]
    other = {"state": "full RSB", "alpha": 8.0, "energy": 5.0}
    read = Band.of(pd.DataFrame([*rows[::-1], other]))
    for name in ("alpha", "share", "energy", "complexity", "border"):
        np.testing.assert_array_equal(getattr(read, name), getattr(band, name))
