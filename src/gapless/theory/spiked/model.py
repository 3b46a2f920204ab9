"""The spiked matrix–tensor model: its covariance, and its transition in closed form.

A signal W* on the sphere of radius √N is seen through a symmetric matrix and a symmetric tensor of
order p, with Gaussian noise. Up to a constant the energy is

    H(W)/N = −Q(m) − noise,   E[noise(W) noise(W′)] = Q(⟨W, W′⟩/N)/N,
    Q(x) = x^p/(pΔ_p) + x²/(2Δ₂)                                              (S1),

with m = ⟨W, W*⟩/N (Sarao Mannelli, Biroli, Cammarota, Krzakala and Zdeborová, "Who is afraid of big
bad minima?", NeurIPS 2019). The phase-retrieval flow meets the same transition, without a formula.
See docs/derivations/spiked.md.
"""

from dataclasses import dataclass
from math import exp, inf, log, sqrt

import numpy as np

from gapless.inputs import number, whole
from gapless.theory.roots import root_between


@dataclass(frozen=True)
class SpikedModel:
    """Spiked matrix–tensor model with noise Δ_p on the tensor and Δ₂ on the matrix.

    Parameters
    ----------
    p
        Order of the tensor, at least 3.
    delta_p, delta_2
        Variances Δ_p and Δ₂ of the noise, positive; ∞ leaves that channel out.

    Raises ``ValueError`` for other values, and where both are infinite.
    """

    p: int = 3
    delta_p: float = 1.0
    delta_2: float = 0.5

    def __post_init__(self) -> None:
        whole("p", self.p, 3)
        for name in ("delta_p", "delta_2"):
            if getattr(self, name) != inf:
                number(name, getattr(self, name), above=0)
        if self.delta_p == self.delta_2 == inf:
            raise ValueError("delta_2: must be finite where delta_p is not: nothing is observed")

    def covariance(self, x: np.ndarray) -> np.ndarray:
        """Return Q(x), (S1)."""
        return x**self.p / (self.p * self.delta_p) + x**2 / (2 * self.delta_2)

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Return Q′(x) = x^(p−1)/Δ_p + x/Δ₂."""
        return x ** (self.p - 1) / self.delta_p + x / self.delta_2

    def curvature(self, x: np.ndarray) -> np.ndarray:
        """Return Q″(x) = (p−1)x^(p−2)/Δ_p + 1/Δ₂."""
        return (self.p - 1) * x ** (self.p - 2) / self.delta_p + 1 / self.delta_2

    @property
    def spike(self) -> float:
        """Q″(0) = 1/Δ₂: the curvature that the signal adds to the Hessian at overlap 0."""
        return 1 / self.delta_2

    @property
    def noise(self) -> float:
        """Q″(1): variance of the Hessian's entries times N, before μ."""
        return (self.p - 1) / self.delta_p + 1 / self.delta_2

    @property
    def threshold_multiplier(self) -> float:
        """μ of marginal states, 2√Q″(1): the lower edge of the Hessian's bulk lies at zero."""
        return 2 * sqrt(self.noise)

    @property
    def distance(self) -> float:
        """Q″(0) − √Q″(1): how far the signal's curvature lies beyond the transition.

        Positive where an eigenvalue leaves the bulk along the signal at every marginal state.
        """
        return self.spike - sqrt(self.noise)

    @property
    def growth_rate(self) -> float:
        """Λ at marginal states, (Q″(0) − √Q″(1))²/Q″(0) above the transition, 0 below.

        A small overlap grows like e^{Λt} in the end.
        """
        return self.distance**2 / self.spike if self.distance > 0 else 0.0

    @property
    def outlier_overlap(self) -> float:
        """Overlap of the outlier's eigenvector with the signal, √(1 − Q″(1)/Q″(0)²), or 0.

        The share m/|δw| of an overlap in the change that it makes tends to it.
        """
        if self.distance <= 0:
            return 0.0
        return sqrt(1 - self.noise / self.spike**2)


def transition(p: int, delta_p: float) -> float:
    """Return Δ₂ of the BBP transition at marginal states, where Q″(0) = √Q″(1).

        Δ₂ = [−Δ_p + √(Δ_p² + 4(p−1)Δ_p)]/(2(p−1))                              (S2).

    Parameters
    ----------
    p, delta_p
        See `SpikedModel`. With Δ_p = ∞ it is 1, of the spiked matrix alone.
    """
    p = whole("p", p, 3)
    delta_p = _variance(delta_p)
    # the root of (p−1)x² + Δ_p x = Δ_p, free of cancellation and of overflow
    return 2 / (1 + sqrt(1 + 4 * (p - 1) / delta_p))


def _variance(delta_p: float) -> float:
    """Return Δ_p, from 1e-100 on: infinite without the tensor."""
    return inf if delta_p == inf else number("delta_p", delta_p, 1e-100)


def at_rate(p: int, delta_p: float, root: float) -> SpikedModel:
    """Return the model with (Q″(0) − √Q″(1))/√Q″(0) = `root`: √Λ above the transition.

    Parameters
    ----------
    p, delta_p
        See `SpikedModel`; Δ₂ is found.
    root
        Between −1000 and 1000, negative below the transition; at Δ_p = ∞ it must lie above −1.

    Raises ``ValueError`` where no Δ₂ has it.
    """
    p, delta_p = whole("p", p, 3), _variance(delta_p)
    tensor = (p - 1) / delta_p

    def excess(log_root: float) -> float:
        # in u = 1/Δ₂ the left side is √u − √(1 + (p−1)/(Δ_p u)), which increases
        u = exp(2 * log_root)
        return sqrt(u) - sqrt(1 + tensor / u) - root

    root = number("root", root, -1e3, 1e3, above=-1.0 if tensor == 0 else -inf)
    scale = 1 + abs(root) + sqrt(tensor)
    low, high = sqrt(tensor) / (2 * scale) if tensor else (1 + root) / 2, 2 * scale
    return SpikedModel(p, delta_p, exp(-2 * root_between(excess, log(low), log(high))))
