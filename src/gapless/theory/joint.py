"""Outliers of Σ d x xᵀ whose weights depend on X through its history: the student's overlap too.

A run has seen X through the images X e of directions e (W*, where it started, every Xᵀf) and
through the products Xᵀq of its forces. With E and Q orthonormal bases of both spans, X_E = XE,
d = ½ℓ″ and γ, ψ, F of `gapless.theory.bulk`, an eigenvalue λ = ψ(γ) below the bulk has
det K(γ) = 0, 0 < γ < γ̄, where

    K(γ) = X_Eᵀ B X_E + γ X_Eᵀ B Q (1 − γ Qᵀ B Q)⁻¹ Qᵀ B X_E − ψ(γ) 1,   B = diag(d/(1+γd)),

which are (J4) and (J5). `gapless.theory.bulk.outlier` is the case of one direction, W*, and no
force (docs/derivations/joint.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np
import scipy.linalg

from gapless.inputs import real_array
from gapless.shapes import Float
from gapless.theory import bulk
from gapless.theory.roots import root_between


@dataclass(frozen=True, eq=False)
class JointOutlier:
    """An eigenvalue below the bulk, before μ is subtracted, and its vector within the history.

    Parameters
    ----------
    value
        λ = ψ(γ).
    gamma
        Where det K(γ) = 0.
    along : (k,)
        Components of its unit eigenvector along the directions of E, up to a common sign; their
        squares, (J7), add up to at most one.
    """

    value: float
    gamma: float
    along: Float[np.ndarray, " k"]


@dataclass(frozen=True, eq=False)
class JointSpectrum:
    """Bulk edge of a run's Hessian before μ, and all outliers below it, ascending."""

    edge: bulk.BulkEdge
    outliers: tuple[JointOutlier, ...]

    def lowest(self, signal: int | None = 0) -> tuple[float, float]:
        """Return the lowest eigenvalue, and the overlap of its vector with one direction of E.

        The edge and overlap 0 where there is no outlier; overlap NaN where `signal` is None.
        """
        if not self.outliers:
            return self.edge.value, np.nan if signal is None else 0.0
        first = self.outliers[0]
        return first.value, np.nan if signal is None else abs(float(first.along[signal]))


def joint_spectrum(
    d: Float[np.ndarray, " M"],
    images: Float[np.ndarray, "M k"],
    forces: Float[np.ndarray, "M J"],
    alpha: float,
) -> JointSpectrum:
    """Return edge and outliers of Σ d x xᵀ, given the history of a run.

    K falls as γ rises, so it has as many zeros below γ̄ as negative eigenvalues at γ̄. The
    components of an eigenvector along E are √(ψ′/(ψ′ + |g|²)) u, with K u = 0, |u| = 1 and

        g = B X_E u − (1+γd)⁻¹ Q (1 − γQᵀBQ)⁻¹ QᵀB X_E u,   −uᵀK′u = ψ′ + |g|²  (J6).

    Parameters
    ----------
    d
        ½ℓ″ of every sample, Eq. 4.
    images
        X_E: X of entries of variance 1/N, times an orthonormal basis of the directions seen.
    forces
        Q: an orthonormal basis of the forces whose Xᵀf is in the span of E.
    alpha
        M/N.

    Raises
    ------
    ValueError
        For arrays of other shapes or not finite, and for forces that are not orthonormal.
    """
    d = np.asarray(real_array("d", d, (None,)), float)
    images = np.asarray(real_array("images", images, (d.size, None)), float)
    # before the first force there is none
    forces = np.reshape(forces, (d.size, 0)) if np.size(forces) == 0 else forces
    if forces.shape[1]:
        forces = np.asarray(real_array("forces", forces, (d.size, None)), float)
    # 1e-5: a basis in float32 is orthonormal to less than that
    if np.abs(forces.T @ forces - np.eye(forces.shape[1])).max(initial=0) > 1e-5:
        raise ValueError("forces: columns must be orthonormal; take their QR factor")
    law = bulk.Curvatures(d, np.ones_like(d), np.full(d.size, 1 / d.size), alpha)
    edge = bulk.edge(law)
    if edge.gamma == inf:
        # nothing can lie below zero modes
        return JointSpectrum(edge, ())
    kernel = _Kernel(d, images, forces, law)
    found = []
    for index in range(int((kernel.eigenvalues(edge.gamma) < 0).sum())):
        gamma = _root(lambda g, i=index: kernel.eigenvalues(g)[i], edge.gamma)
        slope = (1 - law.marginality(gamma)) / gamma**2
        if slope <= 0:
            # at the edge itself ψ′ vanishes and rounding decides on its sign
            continue
        found.append(kernel.outlier(gamma, slope, index))
    return JointSpectrum(edge, tuple(found))


def _root(function: Callable[[float], float], high: float) -> float:
    """Return the zero below `high` of a function that falls from infinity to below zero there."""
    low = high / 2
    while function(low) < 0:
        low /= 4
    return root_between(function, low, high)


@dataclass(frozen=True, eq=False)
class _Kernel:
    """K(γ), on the arrays of `joint_spectrum`."""

    d: np.ndarray
    images: np.ndarray
    forces: np.ndarray
    law: bulk.Curvatures

    def _parts(self, gamma: float) -> tuple[np.ndarray, np.ndarray]:
        """Return B X_E, and (1 − γQᵀBQ)⁻¹ QᵀB X_E."""
        weighted = (self.d / (1 + gamma * self.d))[:, None] * self.images
        # 1 − γB = 1/(1 + γd) > 0 below the pole: positive definite, without cancellation
        inside = self.forces.T @ (self.forces / (1 + gamma * self.d)[:, None])
        return weighted, scipy.linalg.solve(inside, self.forces.T @ weighted, assume_a="pos")

    def _matrix(self, gamma: float) -> np.ndarray:
        weighted, solved = self._parts(gamma)
        return self.images.T @ weighted + gamma * (weighted.T @ self.forces) @ solved

    def eigenvalues(self, gamma: float) -> np.ndarray:
        """Return the eigenvalues of K(γ), ascending."""
        return np.linalg.eigvalsh(self._matrix(gamma)) - self.law.psi(gamma)

    def outlier(self, gamma: float, slope: float, index: int) -> JointOutlier:
        """Return the outlier of the index-th eigenvector of K(γ), given ψ′(γ)."""
        u = np.linalg.eigh(self._matrix(gamma))[1][:, index]
        weighted, solved = self._parts(gamma)
        # −uᵀK′u = ψ′ + |g|², g = (1 + γd)⁻¹ on the complement of Q, times d X_E u
        image = weighted @ u - (self.forces @ (solved @ u)) / (1 + gamma * self.d)
        share = slope / (slope + float(image @ image))
        return JointOutlier(self.law.psi(gamma), gamma, np.sqrt(share) * u)
