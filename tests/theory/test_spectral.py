"""The limit of the spectral estimator's overlap."""

import numpy as np
import pytest

from gapless.channels import (
    Preprocessing,
    best,
    trimmed,
    weak_optimal,
)
from gapless.theory.spectral import best_overlap, spectral_overlap


@pytest.mark.parametrize("alpha", [0.55, 1.0, 4.0])
def test_two_routes_to_the_best_spectral_overlap(alpha):
    q, error = spectral_overlap(best, alpha)
    assert error < 1e-12
    assert q == pytest.approx(best_overlap(alpha), abs=1e-11)


@pytest.mark.parametrize("alpha", [0.6, 1.5, 5.0])
def test_no_preprocessing_beats_the_best(alpha):
    others = [weak_optimal(alpha), trimmed(2.0), trimmed(3.0), weak_optimal(3 * alpha)]
    others.append(Preprocessing("tanh", lambda y: np.tanh(y**2 - 1), ()))
    overlaps = [spectral_overlap(other, alpha)[0] for other in others]
    assert max(overlaps) < best_overlap(alpha)
    assert max(overlaps) > 0.85 * best_overlap(alpha)


def test_spectral_weak_recovery_begins_at_one_half():
    for transform in (weak_optimal(0.495), best):
        assert spectral_overlap(transform, 0.495)[0] == 0
    assert spectral_overlap(weak_optimal(0.505), 0.505)[0] > 0
    assert best_overlap(0.495) == 0 < best_overlap(0.505)


def test_the_best_complex_overlap_is_that_of_the_resolvent():
    for alpha in (1.05, 2.0, 5.0):
        q, error = spectral_overlap(best, alpha, "complex")
        assert q == pytest.approx(best_overlap(alpha, "complex"), abs=1e-11 + error)
        assert 0 < spectral_overlap(weak_optimal(alpha, "complex"), alpha, "complex")[0] < q
    for transform in (weak_optimal(0.99, "complex"), best):
        assert spectral_overlap(transform, 0.99, "complex")[0] == 0
    assert best_overlap(1.0, "complex") == 0
