"""Losses, meshes and maxima that tests of full replica symmetry breaking share."""

import numpy as np
import pytest

from gapless.losses import amplitude, normalised, quartic
from gapless.theory import ground_state
from gapless.theory.full_rsb.maximum import maximise
from gapless.theory.full_rsb.mesh import Resolution
from gapless.theory.full_rsb.recursion import recursion

LOSSES = [
    *((quartic, 10.0), (amplitude, 6.0)),
    pytest.param(normalised(1.0), 6.0, marks=pytest.mark.slow),
]
"""With a corner, with a jump, and smooth."""
SMALL = Resolution(uniform=3, per_halving=1, last=0.05, fields=90, order=7)
COARSE_ENERGY = dict.fromkeys(("SKETCH", "ENERGY", "FEWER_STEPS", "MORE_NODES"), SMALL)
"""For `gapless.theory.full_rsb.state`: the floor's energy to 1e-3, in tenths of seconds."""
FEW = np.array([0.0, 0.3, 0.7, 0.9, 0.97, 1.0])
"""Steps on which meshes of 160 fields are right to 1e-7."""


def rising(of, unit):
    """Return a z that rises, at no maximum of f."""
    return unit * (0.2 + 1.3 * of.mesh.middle**2)


def maximum(loss, alpha, resolution=SMALL, q=None):
    one = ground_state(loss, alpha)
    of = recursion(loss, alpha, resolution, one.chi, q=q)
    return maximise(of, one.z * (0.5 + of.mesh.middle), one.chi, one.z)
