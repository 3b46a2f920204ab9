"""The law of labels at minima, as quadrature nodes (docs/derivations/landscape.md §2, §5)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gapless.labels import LabelLaw
from gapless.losses import Loss
from gapless.quadrature import Level, half_gaussian, half_line
from gapless.theory.measure import SCAN, evaluate, onsets, support_end

_HALVINGS = 46
"""Of a panel of the scan, ratio 1.5: the last zero of 1 + γd is then known to round-off."""


class Multipliers(NamedTuple):
    """Lagrange multipliers of the law, Eq. (L5), and α.

    Parameters
    ----------
    gamma
        γ, where ψ(γ) = μ.
    force
        A = 1/(2α E ℓ′²), of the squared gradient.
    omega
        ω ≥ 0, of the bulk edge; 0 where the edge lies above zero.
    kappa
        κ = dΣ/de, of the energy.
    signal
        c, of the gradient along the signal; 0 at overlap 0.
    alpha
        Samples per dimension.
    """

    gamma: float
    force: float
    omega: float
    kappa: float
    signal: float
    alpha: float


@dataclass(frozen=True, eq=False)
class MinimaMeasure:
    """Nodes of ν(ŷ, y), Eq. (L5), on y ≥ 0 and, at overlap 0, on ŷ ≥ 0.

    Parameters
    ----------
    loss, at, overlap, annealed
        What the measure belongs to; `at` holds the multipliers.
    y, y_weight : shape (A,)
        Teacher's labels and their weights (sum 1): Gaussian, or with annealed labels tilted.
    h, weight : shape (A, B)
        Student's labels and ν(ŷ|y): each row sums to 1.
    value, d1, response : shape (A, B)
        ℓ, ℓ′ and d/(1+γd) at the nodes, d = ℓ″/2.
    log_norm
        E_y log Z_y, or log E_y Z_y with annealed labels.
    """

    loss: Loss
    at: Multipliers
    overlap: float
    annealed: bool
    y: np.ndarray
    y_weight: np.ndarray
    h: np.ndarray
    weight: np.ndarray
    value: np.ndarray
    d1: np.ndarray
    response: np.ndarray
    log_norm: float

    def rows(self, g: np.ndarray) -> np.ndarray:
        """Return E[g|y], shape (A,), for g given at the nodes, shape (A, B)."""
        return np.einsum("ab,ab->a", self.weight, g)

    def mean(self, g: np.ndarray) -> float:
        """Return E g for g given at the nodes, shape (A, B)."""
        return float(self.y_weight @ self.rows(g))

    def law(self) -> LabelLaw:
        """Return P(ŷ, y), folded to y ≥ 0 and, at overlap 0, to ŷ ≥ 0."""
        teacher = np.broadcast_to(self.y[:, None], self.h.shape)
        weight = self.y_weight[:, None] * self.weight
        keep = weight > 1e-40
        return LabelLaw(self.h[keep], teacher[keep], weight[keep])


def support_start(loss: Loss, gamma: float, y: np.ndarray) -> np.ndarray:
    """Return h₀(y) ≥ 0, the largest root of 1 + γd(h, y), 0 where there is none.

    Raises ``ValueError`` if 1 + γd is positive on both sides of a stretch where it is negative:
    the support of the law would have a hole.
    """
    negative = 1 + gamma / 2 * evaluate(loss.d2, SCAN[None, :], y[:, None]) < 0
    start = np.zeros_like(y)
    rows = np.flatnonzero(negative.any(axis=1))
    if rows.size == 0:
        return start
    negative = negative[rows]
    last = negative.shape[1] - 1 - np.argmax(negative[:, ::-1], axis=1)
    if (np.cumsum(~negative, axis=1)[np.arange(rows.size), last] > 0).any():
        raise ValueError(
            f"loss: the curvature of {loss.name} falls again as |ŷ| grows, so that minima have "
            f"labels on both sides of a gap (at γ={gamma:.4g}); such a loss is not covered"
        )
    if (last == negative.shape[1] - 1).any():
        raise ValueError(
            f"loss: the curvature of {loss.name} is still below −1/γ at |ŷ| = {SCAN[-1]:g} "
            f"(γ={gamma:.4g}); such a loss is not covered"
        )
    low, high, y = SCAN[last], SCAN[last + 1], y[rows]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = 1 + gamma / 2 * evaluate(loss.d2, middle, y) < 0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    start[rows] = high
    return start


def _corners(loss: Loss, gamma: float) -> list[float]:
    """Return the y at which the boundary of the support, 1 + γd = 0, appears or disappears."""

    def bounded(y: np.ndarray) -> np.ndarray:
        return np.any(1 + gamma / 2 * evaluate(loss.d2, SCAN[:, None], y[None, :]) < 0, axis=0)

    return onsets(loss, gamma, bounded)


def minima_measure(
    loss: Loss, at: Multipliers, level: Level, overlap: float = 0.0, annealed: bool = False
) -> MinimaMeasure:
    """Return the law of labels at the minima with these multipliers, Eq. (L5), normalised."""
    y, y_weight = half_gaussian(_corners(loss, at.gamma), level)
    keep = y_weight > 1e-22
    y, y_weight = y[keep], y_weight[keep]
    start = support_start(loss, at.gamma, y)
    spread = 1 - overlap**2
    column = y[:, None]

    def exponent(
        h: np.ndarray, value: np.ndarray, d1: np.ndarray, d2: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return −log of the weight, ∞ outside the support, and d/(1+γd)."""
        d = d2 / 2
        jacobian = 1 + at.gamma * d
        inside = jacobian > 0
        # Beyond the support any finite value will do: the weight vanishes there.
        jacobian = np.where(inside, jacobian, 1.0)
        response = d / jacobian
        cost = d1 * d1
        cost *= at.force
        cost += (at.gamma + at.omega) / 2 * (h * d1)
        cost += at.kappa / 2 * value
        cost -= at.omega * response
        cost -= np.log(jacobian)
        if overlap:
            cost += (h - overlap * column) ** 2 / (2 * spread)
            cost -= at.signal * (d1 * (column - overlap * h))
        else:
            cost += h * h / 2
        return np.where(inside, cost, np.inf), response

    def look(h: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(evaluate(f, h, column) for f in loss.functions)

    parts = []
    for sign in (-1, 1) if overlap else (1,):
        stop = support_end(start, lambda h, s=sign: exponent(s * h, *look(s * h))[0])
        h, h_weight = half_line(start, stop, level)
        parts.append((sign * h, h_weight))
    h, h_weight = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    value, d1, d2 = look(h)
    cost, response = exponent(h, value, d1, d2)
    lowest = cost.min(axis=1, keepdims=True)
    weight = np.exp(np.subtract(lowest, cost, out=cost), out=cost)
    weight *= h_weight
    norm = weight.sum(axis=1, keepdims=True)
    weight /= norm
    folded = 1 if overlap else 2
    log_norm = (np.log(folded * norm / np.sqrt(2 * np.pi * spread)) - lowest)[:, 0]
    if annealed:
        tilted = np.log(y_weight) + log_norm
        top = tilted.max()
        total = float(np.log(np.exp(tilted - top).sum()) + top)
        y_weight, log_mean = np.exp(tilted - total), total
    else:
        log_mean = float(y_weight @ log_norm)
    return MinimaMeasure(
        loss=loss,
        at=at,
        overlap=overlap,
        annealed=annealed,
        y=y,
        y_weight=y_weight,
        h=h,
        weight=weight,
        value=value,
        d1=d1,
        response=response,
        log_norm=log_mean,
    )
