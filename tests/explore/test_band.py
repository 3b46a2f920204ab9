"""The band that the α slider shows is that of the counted minima."""

from gapless.explore.band import band_along
from gapless.losses import amplitude, normalised
from gapless.theory.minima import minima


def test_the_band_is_that_of_the_minima_and_stability_is_lost_within_it():
    loss = normalised(1.0)
    # of its most numerous minima α_BBP is 5.866, of its deepest 6.896
    alphas = (5.0, 6.4, 6.8, 8.0)
    for alpha, band in zip(alphas, band_along(loss, alphas), strict=True):
        inside = alpha in (6.4, 6.8)
        top = minima(loss, alpha)
        assert band["most_numerous"] == top.energy
        assert band["complexity_most_numerous"] == top.complexity
        assert band["deepest"] == minima(loss, alpha, deepest=True).energy
        assert (band["stability"] is not None) == inside
        if band["stability"] is not None:
            assert band["deepest"] is not None
            depth = top.energy - band["deepest"]
            above, below = (
                minima(loss, alpha, energy=band["stability"] + sign * 1e-3 * depth).flags["border"]
                for sign in (1, -1)
            )
            assert above < 0 < below


def test_a_loss_whose_minima_are_not_counted_has_none():
    assert set(band_along(amplitude, [6.0])[0].values()) == {None}
