"""The generalisation error, in closed form and on fresh samples."""

import numpy as np
import pytest

from gapless.generalisation import generalisation_error
from gapless.losses import normalised, quartic

LOSSES = [quartic, normalised(0.5)]


def test_generalisation_error_of_the_quartic_loss_in_closed_form():
    q = np.linspace(0, 1, 11)
    np.testing.assert_allclose(
        generalisation_error(q, quartic, 7), 2 * 7 * (1 - q**2), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_generalisation_error_is_the_energy_on_fresh_samples(loss):
    rng, q, size = np.random.default_rng(0), 0.6, 400_000
    y, noise = rng.normal(size=(2, size))
    sample = loss.value(q * y + (1 - q**2) ** 0.5 * noise, y) / 2
    error = sample.std() / size**0.5
    assert abs(float(generalisation_error(np.array(q), loss, 1)) - sample.mean()) < 4 * error
