"""LabelLaw: an expectation over weighted atoms."""

import numpy as np
import pytest

from gapless.labels import LabelLaw
from gapless.losses import quartic


def test_weights_are_normalised_and_duplicates_add():
    law = LabelLaw(np.array([1.0, 2.0]), np.array([0.5, 0.5]), np.array([1.0, 3.0]))
    split = LabelLaw(np.array([1.0, 2, 2, 2]), np.full(4, 0.5), np.ones(4))
    for one, other in zip(law.moments().values(), split.moments().values(), strict=True):
        assert one == pytest.approx(other, rel=1e-15)
    assert law.moments()["2"] == pytest.approx((1 + 3 * 4) / 4, rel=1e-15)


def test_energy_and_multiplier_are_those_of_equations_1_and_3():
    yhat, y = np.random.default_rng(0).normal(size=(2, 50))
    law = LabelLaw.from_run(yhat, y)
    n = 10  # α = 5
    assert law.energy(quartic, 5) == pytest.approx(((yhat**2 - y**2) ** 2).sum() / (2 * n))
    mu = (4 * yhat * (yhat**2 - y**2) * yhat).sum() / (2 * n)
    assert law.multiplier(quartic, 5) == pytest.approx(mu)


@pytest.mark.parametrize(
    ("student", "teacher", "weight"),
    [([], [], []), ([1.0], [1.0, 2.0], [1.0]), ([1.0], [1.0], [-1.0]), ([np.nan], [1.0], [1.0])],
)
def test_a_law_without_atoms_or_with_bad_ones_is_refused(student, teacher, weight):
    with pytest.raises(ValueError, match="label law needs"):
        LabelLaw(np.array(student), np.array(teacher), np.array(weight))


def test_a_law_keeps_its_atoms_whatever_becomes_of_the_arrays():
    labels = np.array([1.0, 2.0, 3.0])
    law = LabelLaw.from_run(labels, labels)
    labels[0] = 99
    assert law.student[0] == 1
