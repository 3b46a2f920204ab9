"""Values of counted minima: moments, edge and outlier of the Hessian, response to a signal."""

from typing import Any

import numpy as np

from gapless.theory import bulk
from gapless.theory.minima.curves import Kind
from gapless.theory.minima.law import MinimaMeasure
from gapless.theory.minima.system import Averages
from gapless.theory.roots import root_between


def state_values(averages: Averages) -> dict[str, Any]:
    """Return the values of `Minima`, by name."""
    measure = averages.measure
    at = measure.at
    # of either sign at an overlap, where the law is not folded
    size = np.abs(measure.h)
    square = size * size
    edge, gamma_bar = averages.psi, at.gamma
    # gapped: the edge lies above μ, where F(γ̄) = 1, and has to be looked for
    if at.omega == 0 and not Kind(measure.loss, field=measure.field).boundary(at.gamma):
        found = bulk.edge(_curvatures(measure))
        edge, gamma_bar = found.value, found.gamma
    moments = {"abs": size, "2": square, "3": square * size, "4": square * square}
    return {
        "alpha": at.alpha,
        "gamma": at.gamma,
        "omega": at.omega,
        "kappa": at.kappa,
        "energy": averages.energy,
        "complexity": averages.complexity,
        "mu": averages.mu,
        "bulk_edge": edge,
        "outlier": _outlier(measure, gamma_bar),
        "moments": {name: measure.mean(power) for name, power in moments.items()},
    }


def natural_sizes(averages: Averages, values: dict[str, Any]) -> dict[str, float]:
    """Return the scale of the terms of each value, which is their difference."""
    at = averages.measure.at
    # ψ and φ are differences of averages with 1/γ, which is large at large α
    inverse = abs(values["mu"]) + 1 / at.gamma
    # κ and ω live on the scale of γ; Σ is a sum of terms of order one and α log Z
    return {
        "omega": at.gamma,
        "kappa": at.gamma,
        "complexity": 1 + at.alpha * abs(averages.measure.log_norm),
        "mu": inverse,
        "bulk_edge": inverse,
        "outlier": inverse,
    }


def _responses(measure: MinimaMeasure, gamma: float) -> np.ndarray:
    """Return d/(1+γd) of each curvature of each node at another γ, shape (C, A, B)."""
    # from r = d/(1+γd) alone, which holds d = r/(1 − γr): the curvature is not kept
    return measure.responses / (1 - (measure.at.gamma - gamma) * measure.responses)


def _curvatures(measure: MinimaMeasure) -> bulk.Curvatures:
    # r at γ = 0 is d itself
    d = _responses(measure, 0.0)
    y2 = np.broadcast_to(measure.y[:, None] ** 2, d.shape)
    weight = np.broadcast_to(measure.y_weight[:, None] * measure.weight / len(d), d.shape)
    # no average sees them, and an edge that is looked for takes every atom for a pole
    keep = weight > 1e-40
    return bulk.Curvatures(d[keep], y2[keep], weight[keep], measure.at.alpha)


def toward_signal(measure: MinimaMeasure, gamma: float) -> float:
    """Return φ(γ), the counterpart of ψ(γ) along the signal, Eq. (L10).

    At overlap 0 it is α E[dy²/(1+γd)]. At overlap q the label of the tangent direction is
    v = (y − qŷ)/√(1 − q²), and the condition that the gradient vanishes adds a term.
    """
    alpha, q = measure.at.alpha, measure.overlap
    response = _responses(measure, gamma).mean(axis=0)
    if not q:
        return alpha * float(measure.y_weight @ (measure.rows(response) * measure.y**2))
    # the label of the direction of the signal within the tangent space
    v = (measure.y[:, None] - q * measure.h) / np.sqrt(1 - q**2)
    along = response * v
    found = measure.mean(along * v)
    mixed = measure.mean(measure.d1 * along)
    # 1/(1+γd) = 1 − γr
    left = measure.mean(measure.d1**2 * (1 - gamma * response))
    return alpha * (found + gamma * mixed**2 / left)


def _outlier(measure: MinimaMeasure, gamma_bar: float) -> float | None:
    """Return the eigenvalue below the bulk along the signal, where φ(γ) = ψ(γ), γ < γ̄."""

    def psi(gamma: float) -> float:
        return measure.at.alpha * measure.mean(_responses(measure, gamma).mean(axis=0)) - 1 / gamma

    def difference(gamma: float) -> float:
        return psi(gamma) - toward_signal(measure, gamma)

    # φ ≥ ψ at the edge: no eigenvalue leaves the bulk
    if not difference(gamma_bar) > 0:
        return None
    low = gamma_bar / 2
    # ψ → −∞ as γ → 0, so a bracket opens downward
    while difference(low) > 0:
        low /= 4
    return psi(root_between(difference, low, gamma_bar))
