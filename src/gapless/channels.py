"""Output functions of the channel y = |⟨x, W*⟩ + √Δ n|, for algorithms and their asymptotics.

The functions take NumPy or JAX arrays. Labels enter through y² or |y| only.

Sources: J. Barbier, F. Krzakala, N. Macris, L. Miolane, L. Zdeborová, "Optimal errors and phase
transitions in high-dimensional generalized linear models", PNAS 116 (2019) 5451, arXiv
1708.03395; M. Mondelli and A. Montanari, "Fundamental limits of weak recovery with applications
to phase retrieval", arXiv 1708.05932; Y. Lu and G. Li, arXiv 1702.06435; W. Luo, W. Alghamdi and
Y. Lu, "Optimal spectral initialization for signal recovery with applications to phase retrieval",
arXiv 1811.04420. Derivations: docs/derivations/baselines.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from gapless.arrays import Array, jax, library
from gapless.inputs import Field, number, ratio

WEAK_RECOVERY: dict[Field, float] = {"real": 0.5, "complex": 1.0}
"""α above which labels tell anything about the signal, 1/E(y² − 1)²."""


def posterior_score(omega: Array, y: Array, variance: Array) -> Array:
    """Return g = (E[z | y, ω] − ω)/V for z ~ N(ω, V), y = |z|: AMP's output function.

    g = (|y| tanh(ω|y|/V) − ω)/V (A6). With label noise of variance Δ, V is replaced by V + Δ: g is
    the derivative of log p(y | ω) in ω, and z + √Δ n ~ N(ω, V + Δ).
    """
    # the array's own library: one text serves NumPy in theory and JAX in runs
    tanh = omega.__array_namespace__().tanh
    # tanh(ω|y|/V) = P(z > 0) − P(z < 0) given ω and |z|: the sign that the label hides, on average
    return (y * tanh(omega * y / variance) - omega) / variance


def posterior_score_slope(omega: Array, y: Array, variance: Array) -> Array:
    """Return the slope ∂g/∂ω = (y² (1 − tanh²(ω y/V))/V − 1)/V of `posterior_score` (A6)."""
    tanh = omega.__array_namespace__().tanh
    # positive where the sign of z is in doubt and y² > V, negative where it is known
    return (y**2 * (1 - tanh(omega * y / variance) ** 2) / variance - 1) / variance


def complex_score(omega: Array, s: Array, variance: Array) -> Array:
    """Return g e^{−i arg ω}, the score of complex z ~ CN(ω, V) known by s = |z|, at ω > 0.

    g = (E[z | s, ω] − ω)/V = (s ρ(2s|ω|/V) − |ω|)/V along the phase of ω (C7), ρ = I₁/I₀ of
    Bessel's functions: the mean of cos(arg z − arg ω). With complex noise V is replaced by V + Δ.
    """
    return (s * mean_cosine(2 * omega * s / variance) - omega) / variance


def mean_cosine(kappa: Array) -> Array:
    """Return I₁(κ)/I₀(κ), the mean cosine of a von Mises angle."""
    if library(kappa) is np:
        from scipy.special import i0e, i1e  # takes a while to load
    else:
        i0e, i1e = jax.scipy.special.i0e, jax.scipy.special.i1e
    # scaled: both grow like e^κ
    return i1e(kappa) / i0e(kappa)


@dataclass(frozen=True)
class Preprocessing:
    """A map T of labels; the spectral estimator is the top eigenvector of Σ T(y) x xᵀ.

    Parameters
    ----------
    name
        Name on the command line.
    transform
        T(y), elementwise.
    breaks
        Points y > 0 at which T jumps and quadrature is split.

    T must be bounded above; otherwise the matrix has no right edge.
    """

    name: str
    transform: Callable[[Array], Array]
    breaks: tuple[float, ...]


def trimmed(cut: float = 3.0) -> Preprocessing:
    """Return T(y) = y² where |y| < cut, 0 elsewhere (Chen and Candès; Lu and Li 2017).

    Raises ``ValueError`` unless cut > 0.
    """
    try:
        cut = number("cut", cut, above=0)
    except ValueError as error:
        raise ValueError(f"preprocessing: {error}") from None
    return Preprocessing("trimmed", partial(_trimmed, cut=cut), (cut,))


def weak_optimal(alpha: float, field: Field = "real") -> Preprocessing:
    """Return T(y) = (y² − 1)/(y² + √(α/δ_u) − 1), which recovers weakly at every α > δ_u.

    It is (A5), the T of Mondelli and Montanari (2017) with T* = 1 − 1/y², δ_u = 1/2 for real
    signals and 1 for complex ones. It is bounded, T < 1, and its matrix is well conditioned. At α <
    δ_u, where nothing is recovered, α/δ_u is replaced by 1 and T is that of `best`.
    """
    relative = ratio(alpha) / WEAK_RECOVERY[field]
    return Preprocessing("weak", partial(_weak, shift=max(relative, 1.0) ** 0.5 - 1), ())


# functions with a name, and parts of them, can be pickled


def _trimmed(y: Array, cut: float) -> Array:
    return y**2 * (abs(y) < cut)


def _weak(y: Array, shift: float) -> Array:
    # at shift 0 the pole at y = 0 is left out: a label of exactly 0 is an event of probability 0
    return (y**2 - 1) / (y**2 + shift + 1e-30)


def _best(y: Array) -> Array:
    # 1e-30 keeps y = 0 finite, as above
    return 1 - 1 / (y**2 + 1e-30)


best = Preprocessing("best", _best, ())
"""T = 1 − 1/y² (A4), which has the largest overlap of all T at every α (Luo, Alghamdi, Lu 2018).

T is unbounded below as y → 0, so its matrix is ill conditioned at finite N.
"""


def preprocessing(name: str, alpha: float, field: Field = "real") -> Preprocessing:
    """Return the preprocessing of a name: ``weak``, ``best`` or ``trimmed``.

    Raises ``ValueError`` with these names for any other.
    """
    if not isinstance(name, str):
        raise ValueError(f"preprocessing: must be a name, not {name!r}")
    # only `weak` depends on α and on the field (Mondelli and Montanari; baselines.md §1)
    known = {"weak": weak_optimal(alpha, field), "best": best, "trimmed": trimmed()}
    if name not in known:
        raise ValueError(f"preprocessing: {name!r} is not one of {', '.join(known)}")
    return known[name]
