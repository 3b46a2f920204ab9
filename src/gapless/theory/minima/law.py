"""The law of labels at minima, as quadrature nodes (docs/derivations/landscape.md §2, §5)."""

from dataclasses import dataclass
from math import ceil, log
from typing import NamedTuple

import numpy as np

from gapless.inputs import Field
from gapless.labels import ComplexLabelLaw, LabelLaw
from gapless.losses import Loss
from gapless.quadrature import Level, half_line
from gapless.theory.label_measure import SCAN, evaluate, onsets, support_end
from gapless.theory.minima import samples

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
        A = 1/(2α E ℓ′²), or 1/(α E ℓ′²) of complex labels, the multiplier of the squared gradient.
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
    value, d1 : shape (A, B)
        ℓ and ℓ′ at the nodes.
    responses : shape (C, A, B)
        d/(1+γd) of each curvature of a sample: d = ℓ″/2, and ℓ′/2r of complex labels.
    log_norm
        E_y log Z_y, or log E_y Z_y with annealed labels.
    field
        ``real`` or ``complex`` labels; the latter are moduli.
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
    responses: np.ndarray
    log_norm: float
    field: Field = "real"

    @property
    def copies(self) -> int:
        """Curvatures of a sample: 1, or 2 of complex labels."""
        return samples.COPIES[self.field]

    @property
    def response(self) -> np.ndarray:
        """Mean of d/(1+γd) over the curvatures of a sample, shape (A, B)."""
        return self.responses_to_the(1)

    def responses_to_the(self, power: int) -> np.ndarray:
        """Return the mean of (d/(1+γd))^power over the curvatures of a sample, shape (A, B)."""
        # by products: NumPy's third power takes five times longer and more
        found = self.responses
        for _ in range(power - 1):
            found = found * self.responses
        return found.mean(axis=0)

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
        kind = LabelLaw if self.field == "real" else ComplexLabelLaw
        return kind(self.h[keep], teacher[keep], weight[keep])


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


def _scan(loss: Loss, gamma: float, y: np.ndarray, field: Field) -> tuple[np.ndarray, np.ndarray]:
    """Return increasing labels, shape (A, G), and whether 1 + γd > 0 there."""
    # wells about ŷ = y may be narrower than the scan's panels
    both = [np.broadcast_to(SCAN, (y.size, SCAN.size)), y[:, None] * _ABOUT]
    # in order, as stretches are read off as changes of sign between neighbours
    grid = np.sort(np.concatenate(both, axis=1), axis=1)
    return grid, samples.inside(loss, field, gamma, grid, y[:, None])


def support(
    loss: Loss, gamma: float, y: np.ndarray, field: Field = "real", halvings: int = _HALVINGS
) -> Support:
    """Return the intervals of ŷ ≥ 0 with 1 + γd(ŷ, y) > 0, at each y.

    Of complex labels it is so for both curvatures. A panel of the scan is halved `halvings` times.

    Raises ``ValueError`` where the curvature is below −1/γ at the largest labels, or there are more
    than four intervals.
    """
    grid, positive = _scan(loss, gamma, y, field)
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
    for _ in range(halvings if rows.size else 0):
        middle = (low + high) / 2
        above = samples.inside(loss, field, gamma, middle, y[rows]) == upward
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


def stretches(loss: Loss, gamma: float, y: np.ndarray, field: Field = "real") -> np.ndarray:
    """Return the number of sign changes of 1 + γd in |ŷ| at each y; 0 without a boundary."""
    # counted, not located: where the count changes with y, an average over y has a corner
    positive = _scan(loss, gamma, y, field)[1]
    return np.count_nonzero(positive[:, 1:] != positive[:, :-1], axis=1)


def _within(low: np.ndarray, high: np.ndarray, level: Level) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights on [low, high], refined toward both ends, shape (A, B)."""
    # uniform in logit: the weight's last drop e^{−(ω/γ)/(1+γd)} is smooth in log(h − low)
    s = np.arange(level.lowest, -level.lowest, level.step)
    share = 1 / (1 + np.exp(-s))
    width = (high - low)[:, None]
    return low[:, None] + width * share, width * (level.step * share * (1 - share))


class _Weight(NamedTuple):
    """The weight of Eq. (L5) on labels (ŷ, y), given y as a column, before its norm."""

    loss: Loss
    at: Multipliers
    overlap: float
    field: Field
    y: np.ndarray

    def at_labels(self, h: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return ℓ, ℓ′ and the curvatures 2d of a sample at labels ŷ."""
        curvatures = samples.curvature_functions(self.loss, self.field)
        return tuple(evaluate(f, h, self.y) for f in (self.loss.value, self.loss.d1, *curvatures))

    def exponent(
        self, h: np.ndarray, value: np.ndarray, d1: np.ndarray, *curvatures: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return −log of the weight, ∞ outside the support, and d/(1+γd) of each curvature."""
        at, copies = self.at, samples.COPIES[self.field]
        # in place: a step of Newton is one evaluation of this
        cost = d1 * d1
        cost *= at.force
        cost += (copies * at.gamma + at.omega) / 2 * (h * d1)
        cost += at.kappa / 2 * value
        responses = []
        for d2 in curvatures:
            d = d2 / 2
            jacobian = 1 + at.gamma * d
            cost[jacobian <= 0] = np.inf
            # Beyond the support any finite value will do: the weight vanishes there.
            jacobian[jacobian <= 0] = 1.0
            responses.append(d / jacobian)
            cost -= at.omega / copies * responses[-1]
            # the factor 1 + γd of Eq. (L5): what a sample gives to |det H|
            cost -= np.log(jacobian)
        if self.overlap:
            # variance of ŷ given y, of N_q in Eq. (L3)
            spread = 1 - self.overlap**2
            cost += (h - self.overlap * self.y) ** 2 / (2 * spread) + np.log(2 * np.pi * spread) / 2
            cost -= at.signal * (d1 * (self.y - self.overlap * h))
        else:
            cost -= samples.log_base(self.field, h)
        return cost, np.stack(responses)


def _nodes(weight: _Weight, inside: Support, level: Level) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes ŷ on all intervals of the support, and their weights, shape (A, B)."""
    parts = []
    # at overlap 0 the law is even in ŷ: one half line stands for both
    for sign in (-1, 1) if weight.overlap else (1,):
        # where the weight has fallen below rounding
        stop = support_end(
            inside.outer, lambda h, s=sign: weight.exponent(s * h, *weight.at_labels(s * h))[0]
        )
        pieces = [half_line(inside.outer, stop, level)]
        pieces += [
            _within(low, high, level) for low, high in zip(inside.low.T, inside.high.T, strict=True)
        ]
        parts += [(sign * h, h_weight) for h, h_weight in pieces]
    h, h_weight = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    return h, h_weight


def _with_norm(cost: np.ndarray, h_weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return e^(−cost) times the weights of the nodes, rows of sum 1, in `cost`; and log Z_y."""
    # nodes of stretches without length must not set the lowest cost
    cost[h_weight == 0] = np.inf
    # taken out before the exponential: the largest weight is 1, whatever A, κ and y
    lowest = cost.min(axis=1, keepdims=True)
    weight = np.exp(np.subtract(lowest, cost, out=cost), out=cost)
    weight *= h_weight
    norm = weight.sum(axis=1, keepdims=True)
    weight /= norm
    return weight, (np.log(norm) - lowest)[:, 0]


def _over_labels(
    y_weight: np.ndarray, log_norm: np.ndarray, annealed: bool
) -> tuple[np.ndarray, float]:
    """Return the weights of y, and E_y log Z_y, or log E_y Z_y with annealed labels."""
    if not annealed:
        # quenched: each y has a norm of its own, and Σ has the mean of their logarithms
        return y_weight, float(y_weight @ log_norm)
    tilted = np.log(y_weight) + log_norm
    # log E_y Z_y by its largest term first: Z_y spans many orders in y
    top = tilted.max()
    total = float(np.log(np.exp(tilted - top).sum()) + top)
    return np.exp(tilted - total), total


def minima_measure(
    loss: Loss,
    at: Multipliers,
    level: Level,
    overlap: float = 0.0,
    annealed: bool = False,
    field: Field = "real",
) -> MinimaMeasure:
    """Return the law of labels at the minima with these multipliers, Eq. (L5), normalised."""
    # panels in y shrink toward the y at which a stretch appears or ends (landscape.md §5)
    corners = onsets(loss, at.gamma, lambda y: stretches(loss, at.gamma, y, field))
    y, y_weight = samples.teacher_labels(field, corners, level)
    # labels so large that no average in float64 has them
    keep = y_weight > 1e-22
    y, y_weight = y[keep], y_weight[keep]
    # an end to within the share of a scale that the rule leaves out next to it, e^lowest
    inside = support(loss, at.gamma, y, field, min(_HALVINGS, ceil(-level.lowest / log(2))))
    given_y = _Weight(loss, at, overlap, field, y[:, None])
    h, h_weight = _nodes(given_y, inside, level)
    value, d1, *curvatures = given_y.at_labels(h)
    cost, responses = given_y.exponent(h, value, d1, *curvatures)
    weight, log_norm = _with_norm(cost, h_weight)
    y_weight, log_mean = _over_labels(y_weight, log_norm, annealed)
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
        responses=responses,
        log_norm=log_mean,
        field=field,
    )
