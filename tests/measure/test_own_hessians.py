"""Spectra and minima of measurements: thresholds of permuted labels, addresses by content."""

import numpy as np
import pytest

from gapless.measure.moment_spectra import parse_moment
from gapless.measure.own_hessians import OwnBorder, own_spectra
from gapless.problem import OwnProblem, problem_from_arrays

M, N = 64, 8
RNG = np.random.default_rng(4)
X = RNG.standard_normal((M, N))
SIGNAL = RNG.standard_normal(N)


def own_with(**options) -> OwnProblem:
    return problem_from_arrays(X, (X @ SIGNAL) ** 2, runs=2, seed=0, **options)


def test_the_address_of_minima_is_that_of_the_data():
    assert OwnBorder.of(own_with()).digest == own_with().digest


def test_the_threshold_is_the_energy_of_permuted_labels():
    """Without a teacher as with one: the flow and the twins do not depend on it."""
    energies = []
    for teacher in (None, SIGNAL):
        own = own_with(teacher=teacher, norm=np.linalg.norm(SIGNAL))
        found = own_spectra(own, parse_moment("threshold")).table.to_pylist()
        energies.append([one["threshold_energy"] for one in found])
        for one in found:
            if one["reached"]:
                assert one["energy"] == pytest.approx(one["threshold_energy"], abs=1e-3)
                assert (one["vector_overlap"][0] is None) == (teacher is None)
    np.testing.assert_allclose(energies[0], energies[1])
