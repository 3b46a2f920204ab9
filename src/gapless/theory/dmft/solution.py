"""Solution of a dynamics: energy, μ, C, R, label laws, bulk edge, growth of a small overlap."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gapless.labels import LabelLaw
from gapless.shapes import Float, Float32
from gapless.theory import bulk
from gapless.theory.bbp import bulk_edge, curvatures
from gapless.theory.dmft.paths import PathDraws
from gapless.theory.dmft.state import Dynamics


@dataclass(frozen=True, eq=False)
class Snapshot:
    """State of a dynamics at one saved time.

    Parameters
    ----------
    t, energy, mu, speed2, signed_overlap
        Time; e, μ, |dw/dt|² and m.
    labels
        ŷ of the paths.
    components
        Components of the student along the directions drawn.
    probes
        Each probe's component along its initial direction, divided by its length, and ln |δw|.
    """

    t: float
    energy: float
    mu: float
    speed2: float
    signed_overlap: float
    labels: Float32[np.ndarray, " P"]
    components: Float[np.ndarray, " J"]
    probes: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, eq=False)
class Solution:
    """A dynamics on one set of paths, at S saved times; curves have shape (S,).

    Parameters
    ----------
    dynamics, draws
        The dynamics and its paths.
    y
        Labels of the paths.
    saved
        The saved states.
    directions
        Number of directions drawn for the student and for each probe.
    gradients
        Number of gradient evaluations.
    """

    dynamics: Dynamics
    draws: PathDraws
    y: Float32[np.ndarray, " P"]
    saved: tuple[Snapshot, ...]
    directions: tuple[int, ...]
    gradients: int

    def _curve(self, name: str) -> Float[np.ndarray, " S"]:
        return np.array([getattr(one, name) for one in self.saved])

    @property
    def t(self) -> Float[np.ndarray, " S"]:
        """Saved times."""
        return self._curve("t")

    @property
    def energy(self) -> Float[np.ndarray, " S"]:
        """e = (α/2)⟨ℓ⟩."""
        return self._curve("energy")

    @property
    def mu(self) -> Float[np.ndarray, " S"]:
        """μ of Eq. 3, (α/2)⟨h ℓ′⟩."""
        return self._curve("mu")

    @property
    def speed2(self) -> Float[np.ndarray, " S"]:
        """|dw/dt|² = |g_tan|²/N, which is −de/dt of the flow."""
        return self._curve("speed2")

    @property
    def signed_overlap(self) -> Float[np.ndarray, " S"]:
        """m, the signed overlap with the signal."""
        return self._curve("signed_overlap")

    @property
    def correlation(self) -> Float[np.ndarray, "S S"]:
        """C(t, t′) = ⟨W, W′⟩/N, positive semidefinite; its diagonal is 1 up to residuals²."""
        rows = [one.components for one in self.saved]
        # directions are drawn on the way: earlier states have fewer components
        width = max(row.size for row in rows)
        padded = np.array([np.pad(row, (0, width - row.size)) for row in rows])
        # a Gram matrix, so C is positive whatever was sampled (dmft.md §2); residuals, at most ε of
        # the length, enter it by their squares and are left out
        return padded @ padded.T

    @property
    def correlation_0(self) -> Float[np.ndarray, " S"]:
        """C(t, 0), the correlation with the start."""
        first = self.saved[0].components
        # w_0 lies along the first directions; later ones are orthogonal to it
        return np.array([one.components[: first.size] @ first for one in self.saved])

    @cached_property
    def _probes(self) -> Float[np.ndarray, "S W D 2"]:
        """Component and ln |δw| of each waiting time and direction; NaN before they start."""
        waiting, directions = len(self.dynamics.waiting), len(self.dynamics.probes)
        # probes of later waiting times are not in the earlier snapshots
        found = np.full((len(self.saved), waiting * directions, 2), np.nan)
        for row, one in zip(found, self.saved, strict=True):
            row[: len(one.probes)] = np.reshape(one.probes, (-1, 2))
        return found.reshape(len(self.saved), waiting, directions, 2)

    @property
    def response(self) -> Float[np.ndarray, "W S"]:
        """Response R(t, t_w) for each waiting time, shape (W, S).

        A change of one coordinate of w by η at t_w changes the same coordinate by η R at t. The
        response is NaN before t_w.
        """
        # of each waiting time probe 0 is the random direction and probe 1 the signal
        along, log = self._probes[:, :, 0, 0], self._probes[:, :, 0, 1]
        # `along` is of the vector at length one; its own length grows by decades and is a logarithm
        return (along * np.exp(log)).T

    @property
    def perturbation_growth(self) -> Float[np.ndarray, "W S"]:
        """ln |δw(t)|/|δw(t_w)| of a random change at each waiting time, shape (W, S)."""
        return self._probes[:, :, 0, 1].T

    @property
    def growth(self) -> Float[np.ndarray, "W S"]:
        """ln m(t)/m(t_w) of an infinitesimal overlap added at each waiting time, shape (W, S).

        It is NaN before t_w, where m differs in sign from m(t_w), and with a teacher.
        """
        along, log = self._signal
        # m/m(t_w) = (m/|δw|) |δw|, both 1 at t_w; sums of logarithms cannot overflow
        return np.log(np.where(along > 0, along, np.nan)) + log

    @property
    def growth_rate(self) -> Float[np.ndarray, "W S"]:
        """d ln m/dt, shape (W, S), by differences between the saved times."""
        return np.gradient(self.growth, self.t, axis=1)

    @property
    def alignment(self) -> Float[np.ndarray, "W S"]:
        """Signed overlap m/|δw| of a probe along the signal with the signal, shape (W, S).

        At late times δw lies along the Hessian's lowest eigenvectors: the overlap vanishes below
        the BBP transition and tends to the outlier's overlap (Eq. 5) above it.
        """
        return self._signal[0]

    @property
    def _signal(self) -> tuple[Float[np.ndarray, "W S"], Float[np.ndarray, "W S"]]:
        if "signal" not in self.dynamics.probes:
            none = np.full((len(self.dynamics.waiting), len(self.t)), np.nan)
            return none, none
        return self._probes[:, :, 1, 0].T, self._probes[:, :, 1, 1].T

    def law(self, k: int) -> LabelLaw:
        """Return the law P(ŷ, y) of state k."""
        return LabelLaw.from_run(self.saved[k].labels, self.y)

    def spectrum(self, k: int) -> tuple[float, float | None, bool]:
        """Return bulk edge and outlier at state k, before μ, and whether one atom sets the edge.

        Eqs. 5 and 6 are evaluated on the label law, which is correct without overlap (m = 0). Where
        ∂²ℓ is unbounded below there is no edge as N → ∞, and that of P paths is set by one path.
        """
        law = self.law(k)
        edge = bulk_edge(law, self.dynamics.loss, self.dynamics.alpha)
        # γ̄ is searched: a law of finitely many atoms has its root below the pole (bbp.md §1)
        found = bulk.outlier(curvatures(law, self.dynamics.loss, self.dynamics.alpha))
        return edge.value, found.value, edge.edge_from_one_atom
