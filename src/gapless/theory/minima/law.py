"""The law of labels at minima, as quadrature nodes (docs/derivations/landscape.md §2, §5)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gapless.labels import LabelLaw
from gapless.losses import Loss
from gapless.quadrature import Level, half_gaussian, half_line
from gapless.theory.measure import SCAN, evaluate, onsets, support_end

_HALVINGS = 50
"""Bisections of a panel of the scan; the zeros of 1 + γd are then accurate to round-off."""
_ABOUT = np.linspace(0.5, 1.5, 41)
"""Ratios ŷ/y of the scan besides `SCAN`, because every loss has its well at ŷ = y."""
_MOST = 3
"""Largest number of bounded intervals of ŷ ≥ 0 with 1 + γd > 0 at one y."""


class Multipliers(NamedTuple):
    """Lagrange multipliers of the law, Eq. (L5), and α.

    Parameters
    ----------
    gamma
        γ, the solution of ψ(γ) = μ.
    force
        A = 1/(2α E ℓ′²), the multiplier of the squared gradient.
    omega
        ω ≥ 0, the multiplier of the bulk edge; 0 where the edge lies above zero.
    kappa
        κ = dΣ/de, the multiplier of the energy.
    signal
        c, the multiplier of the gradient along the signal; 0 at overlap 0.
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
        Loss, multipliers, overlap, and whether labels are annealed.
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
        # no average sees them, and `bulk` takes every atom for a pole
        keep = weight > 1e-40
        return LabelLaw(self.h[keep], teacher[keep], weight[keep])


@dataclass(frozen=True, eq=False)
class Support:
    """Intervals of ŷ ≥ 0 with 1 + γd > 0, at each y.

    Parameters
    ----------
    outer : shape (A,)
        Lower end of the last interval, which is unbounded; 0 if 1 + γd has no zero.
    low, high : shape (A, S)
        Ends of the others; both equal ``outer`` where there are fewer.
    """

    outer: np.ndarray
    low: np.ndarray
    high: np.ndarray


def _scan(loss: Loss, gamma: float, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return increasing labels, shape (A, G), and whether 1 + γd > 0 there."""
    # wells about ŷ = y may be narrower than the scan's panels
    both = [np.broadcast_to(SCAN, (y.size, SCAN.size)), y[:, None] * _ABOUT]
    # in order, as stretches are read off as changes of sign between neighbours
    grid = np.sort(np.concatenate(both, axis=1), axis=1)
    return grid, 1 + gamma / 2 * evaluate(loss.d2, grid, y[:, None]) > 0


def support(loss: Loss, gamma: float, y: np.ndarray) -> Support:
    """Return the intervals of ŷ ≥ 0 with 1 + γd(ŷ, y) > 0, at each y.

    Raises ``ValueError`` where the curvature is below −1/γ at the largest labels, or there are more
    than four intervals.
    """
    grid, positive = _scan(loss, gamma, y)
    # the law is integrated to infinity along the last stretch
    if not positive[:, -1].all():
        raise ValueError(
            f"loss: the curvature of {loss.name} is still below −1/γ at |ŷ| = {SCAN[-1]:g} "
            f"(γ={gamma:.4g}); such a loss is not covered"
        )
    # of all y at once: rows says of which y a change of sign is
    rows, left = np.nonzero(positive[:, 1:] != positive[:, :-1])
    low, high, upward = grid[rows, left], grid[rows, left + 1], positive[rows, left + 1]
    # bisection, since ℓ‴ is not asked of a loss
    for _ in range(_HALVINGS if rows.size else 0):
        middle = (low + high) / 2
        above = (1 + gamma / 2 * evaluate(loss.d2, middle, y[rows]) > 0) == upward
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    # The end that lies within the support.
    zero = np.where(upward, high, low)
    # a row that is positive at ŷ = 0 has a stretch that begins there, without a change of sign
    ends = np.concatenate([zero, np.zeros(int(positive[:, 0].sum()))])
    rows = np.concatenate([rows, np.flatnonzero(positive[:, 0])])
    order = np.lexsort((ends, rows))
    ends, rows = ends[order], rows[order]
    count = np.bincount(rows, minlength=y.size)
    # two ends for each stretch, one for the outermost
    inner = int((count.max() - 1) // 2)
    if inner > _MOST:
        raise ValueError(
            f"loss: the curvature of {loss.name} crosses −1/γ more than {2 * _MOST + 1} times as "
            f"|ŷ| grows (γ={gamma:.4g}); such a loss is not covered"
        )
    table = np.full((y.size, 2 * inner + 1), np.nan)
    # Right-aligned: the last column is where the outer stretch begins.
    offset = np.cumsum(count) - count
    table[rows, np.arange(rows.size) - offset[rows] + table.shape[1] - count[rows]] = ends
    outer = table[:, -1]
    # stretches of no length: their nodes get no weight, so all rows may have as many
    table = np.where(np.isnan(table), outer[:, None], table)
    return Support(outer, table[:, 0:-1:2], table[:, 1::2])


def stretches(loss: Loss, gamma: float, y: np.ndarray) -> np.ndarray:
    """Return the number of sign changes of 1 + γd in |ŷ| at each y; 0 without a boundary."""
    # counted, not located: where the count changes with y, an average over y has a corner
    positive = _scan(loss, gamma, y)[1]
    return np.count_nonzero(positive[:, 1:] != positive[:, :-1], axis=1)


def _within(low: np.ndarray, high: np.ndarray, level: Level) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights on [low, high], refined toward both ends, shape (A, B)."""
    # uniform in logit: the weight's last drop e^{−(ω/γ)/(1+γd)} is smooth in log(h − low)
    s = np.arange(level.lowest, -level.lowest, level.step)
    share = 1 / (1 + np.exp(-s))
    width = (high - low)[:, None]
    return low[:, None] + width * share, width * (level.step * share * (1 - share))


def minima_measure(
    loss: Loss, at: Multipliers, level: Level, overlap: float = 0.0, annealed: bool = False
) -> MinimaMeasure:
    """Return the law of labels at the minima with these multipliers, Eq. (L5), normalised."""
    # panels in y shrink toward the y at which a stretch appears or ends (landscape.md §5)
    corners = onsets(loss, at.gamma, lambda y: stretches(loss, at.gamma, y))
    y, y_weight = half_gaussian(corners, level)
    # labels so large that no average in float64 has them
    keep = y_weight > 1e-22
    y, y_weight = y[keep], y_weight[keep]
    inside = support(loss, at.gamma, y)
    # variance of ŷ given y, of N_q in Eq. (L3)
    spread = 1 - overlap**2
    column = y[:, None]

    def exponent(
        h: np.ndarray, value: np.ndarray, d1: np.ndarray, d2: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return −log of the weight, ∞ outside the support, and d/(1+γd)."""
        d = d2 / 2
        jacobian = 1 + at.gamma * d
        allowed = jacobian > 0
        # Beyond the support any finite value will do: the weight vanishes there.
        jacobian = np.where(allowed, jacobian, 1.0)
        response = d / jacobian
        # in place from here on: a step of Newton is one evaluation of this
        cost = d1 * d1
        cost *= at.force
        cost += (at.gamma + at.omega) / 2 * (h * d1)
        cost += at.kappa / 2 * value
        cost -= at.omega * response
        # the factor 1 + γd of Eq. (L5): what a sample gives to |det H|
        cost -= np.log(jacobian)
        if overlap:
            cost += (h - overlap * column) ** 2 / (2 * spread)
            cost -= at.signal * (d1 * (column - overlap * h))
        else:
            cost += h * h / 2
        return np.where(allowed, cost, np.inf), response

    def look(h: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(evaluate(f, h, column) for f in loss.functions)

    parts = []
    # at overlap 0 the law is even in ŷ: one half line stands for both
    for sign in (-1, 1) if overlap else (1,):
        # where the weight has fallen below rounding
        stop = support_end(inside.outer, lambda h, s=sign: exponent(s * h, *look(s * h))[0])
        pieces = [half_line(inside.outer, stop, level)]
        pieces += [
            _within(low, high, level) for low, high in zip(inside.low.T, inside.high.T, strict=True)
        ]
        parts += [(sign * h, h_weight) for h, h_weight in pieces]
    h, h_weight = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    value, d1, d2 = look(h)
    cost, response = exponent(h, value, d1, d2)
    # nodes of stretches without length must not set the lowest cost
    cost[h_weight == 0] = np.inf
    # taken out before the exponential: the largest weight is 1, whatever A, κ and y
    lowest = cost.min(axis=1, keepdims=True)
    weight = np.exp(np.subtract(lowest, cost, out=cost), out=cost)
    weight *= h_weight
    norm = weight.sum(axis=1, keepdims=True)
    weight /= norm
    folded = 1 if overlap else 2
    # N_q's norm, and the half line that folding leaves out
    log_norm = (np.log(folded * norm / np.sqrt(2 * np.pi * spread)) - lowest)[:, 0]
    if annealed:
        tilted = np.log(y_weight) + log_norm
        # log E_y Z_y by its largest term first: Z_y spans many orders in y
        top = tilted.max()
        total = float(np.log(np.exp(tilted - top).sum()) + top)
        y_weight, log_mean = np.exp(tilted - total), total
    else:
        # quenched: each y has a norm of its own, and Σ has the mean of their logarithms
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
