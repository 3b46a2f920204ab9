"""What a sweep says: energy, μ, C, R, label laws, bulk edge, growth of a small overlap."""

from dataclasses import dataclass

import numpy as np

from gapless.labels import LabelLaw
from gapless.theory import bulk
from gapless.theory.bbp import bulk_edge, curvatures
from gapless.theory.dmft.solver import OBSERVED, Dynamics, Paths


@dataclass(frozen=True, eq=False)
class Solution:
    """A sweep, read at the `states` that were evaluated: arrays over time, shape (S,)."""

    dynamics: Dynamics
    paths: Paths

    @property
    def states(self) -> int:
        """S: T + 1, or fewer where the step became unstable."""
        return self.paths.done

    @property
    def t(self) -> np.ndarray:
        """Times."""
        return self.dynamics.t[: self.states]

    def observed(self, name: str) -> np.ndarray:
        """Return one of `OBSERVED`; those of a step are NaN at the last state."""
        return self.paths.observed[: self.states, OBSERVED.index(name)]

    @property
    def energy(self) -> np.ndarray:
        """e = (α/2)⟨ℓ⟩."""
        return self.observed("energy")

    @property
    def mu(self) -> np.ndarray:
        """μ of Eq. 3, (α/2)⟨h ℓ′⟩."""
        return self.observed("mu")

    @property
    def signed_overlap(self) -> np.ndarray:
        """m."""
        return self.paths.m[: self.states]

    @property
    def correlation(self) -> np.ndarray:
        """C(t, t′) = ⟨W, W′⟩/N, shape (S, S): a Gram matrix with unit diagonal."""
        rows = self.paths.history.coordinates[: self.states, : self.states]
        return rows @ rows.T + np.outer(self.signed_overlap, self.signed_overlap)

    @property
    def correlation_0(self) -> np.ndarray:
        """C(t, 0)."""
        rows, m = self.paths.history.coordinates, self.signed_overlap
        return rows[: self.states, 0] * rows[0, 0] + m * m[0]

    @property
    def response(self) -> np.ndarray:
        """R(t, t′), shape (S, S): of w at t to a push in the step that begins at t′ < t."""
        return self.paths.response[: self.states, : self.states]

    def law(self, k: int) -> LabelLaw:
        """Return P(ŷ, y) at state k."""
        return LabelLaw.from_run(self.paths.student[k], self.paths.y)

    def spectrum(self, k: int) -> tuple[float, float | None, bool]:
        """Return bulk edge and outlier at state k, before μ, and whether one atom made the edge.

        Eqs. 5 and 6 on the label law: right for the dynamics without overlap (m = 0). Where ∂²ℓ
        is unbounded below there is no edge as N → ∞, and that of P paths is one path's.
        """
        law = self.law(k)
        edge = bulk_edge(law, self.dynamics.loss, self.dynamics.alpha)
        found = bulk.outlier(curvatures(law, self.dynamics.loss, self.dynamics.alpha))
        return edge.value, found.value, edge.edge_from_one_atom

    @property
    def growth(self) -> np.ndarray:
        """ln m(t)/m(0) of an infinitesimal overlap, shape (S,); NaN once m changes sign.

        m_{k+1} = c_k {m_k + δ_k [μ_k m_k + Σ_s G(k, s) m_s]} with G(k, s) = α⟨y² ∂F_k/∂ζ_s⟩
        (docs/derivations/dmft.md §4).
        """
        mu, c = self.observed("mu_tangent"), self.observed("norm")
        delta, kernel = self.dynamics.steps, self.paths.memory_y
        m = np.zeros(self.states)
        m[0] = 1.0
        for k in range(self.states - 1):
            force = mu[k] * m[k] + kernel[k, : k + 1] @ m[: k + 1]
            m[k + 1] = c[k] * (m[k] + delta[k] * force)
        sign_kept = np.logical_and.accumulate(m > 0)
        return np.log(np.where(sign_kept, m, np.nan))

    @property
    def growth_rate(self) -> np.ndarray:
        """d ln m/dt, shape (S,), by differences of `growth`; the last is repeated."""
        rate = np.diff(self.growth) / np.diff(self.t)
        return np.append(rate, rate[-1:]) if rate.size else np.full(self.states, np.nan)
