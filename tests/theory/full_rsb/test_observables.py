"""What follows from a maximum: the law of labels, conditions on a continuous z."""

import numpy as np
import pytest

from full_rsb_laws import LOSSES, maximum
from gapless.losses import normalised
from gapless.theory.full_rsb.mesh import Resolution
from gapless.theory.full_rsb.observables import label_values, profile


@pytest.mark.parametrize(("loss", "alpha"), LOSSES)
def test_densities_and_the_law_of_labels_are_of_the_same_f(loss, alpha):
    # f is homogeneous, so at its maximum it is the energy of the law of labels, which is computed
    # from densities going up in q, and f from φ going down.
    found = maximum(loss, alpha, Resolution(3, 1, 0.1, 140, 8))
    of = found.of
    for log_p in of.densities(found.action, found.z):
        assert of.mesh.rule @ np.exp(log_p) == pytest.approx(np.ones(of.y.size), abs=1e-5)
    law = label_values(found).law
    assert law.energy(loss, alpha) == pytest.approx(found.action.value, abs=3e-6)


def test_conditions_of_a_continuous_z_are_met_to_second_order_in_the_steps():
    # D vanishes on average over each step, and at its ends up to its curvature; its derivative is
    # 1 at the ends, and −αE∫Pφ″ − 1/λ is the multiplier of the labels, at every q.
    errors = []
    for uniform, per_halving in ((3, 1), (6, 2)):
        found = maximum(normalised(1.0), 6.0, Resolution(uniform, per_halving, 0.05, 90, 6))
        at = profile(found)
        seen = (at["q"] > 0.15) & (at["q"] < 0.95)
        mu = label_values(found).values["mu"]
        ends = {"d": 0.0, "replicon": 1.0, "multiplier": mu}
        errors.append([np.abs(at[name][seen] - end).max() for name, end in ends.items()])
    coarse, fine = np.array(errors)
    assert (fine < coarse / 2.5).all()
    assert (fine[1:] < 0.02).all()
