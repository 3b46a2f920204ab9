"""The Hessian's spectrum at a state of the dynamics, its overlap with the signal included."""

import numpy as np

from gapless.theory.dmft.state import State
from gapless.theory.joint import JointSpectrum, joint_spectrum


def hessian_spectrum(state: State) -> JointSpectrum:
    """Return bulk edge and outliers, before μ, of the student's Hessian at a state.

    From all that the student has seen of X: images X e_j of the directions drawn, and the q_j
    whose Xᵀq_j they are (docs/derivations/joint.md §4). With a teacher direction 0 is W*. Right at
    any overlap, to the order J/N of J directions in N = P/α dimensions.
    """
    x = state.system.sensing[0]
    # entries of variance one there, 1/N here
    images = x.images.array().astype(float).T / np.sqrt(x.dimension)
    basis = x.basis.array().astype(float).T
    # a direction that is no product Xᵀq has q = 0: W* and the start
    forces = basis[:, np.array(x.lengths) > 0]
    return joint_spectrum(-state.here.slope.astype(float), images, forces, x.alpha)
