"""The 1RSB measure over labels at given χ and z, as quadrature nodes (replica.md §3–§5).

The inner minimisation of V is removed by integrating over the minimiser h itself. At fixed y the
field is r(h) = h + χ ℓ′(h, y)/2, so dr = J dh with J = 1 + χ ℓ″/2, and V = χ ℓ′²/4 + ℓ,
∂V/∂r = ℓ′, ∂²V/∂r² = ℓ″/J. The minimisers are h ≥ h_min(y), the largest root of r(h) = 0, and
their mirror images.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gapless.arrays import Pointwise
from gapless.labels import LabelLaw
from gapless.losses import Loss
from gapless.quadrature import UPPER, Level, half_gaussian, half_line
from gapless.theory.roots import root_between

# Geometric scan of h: fine enough to find the last sign change of r(h) and the end of the support
# of P(h|y), both of which are then made exact (the root) or need not be (the end).
SCAN = np.geomspace(1e-7, 1e3, 61)
_NEGLIGIBLE = 42.0
"""The support of P(h|y) ends where the weight has fallen by e^{−42} = 6e-19."""


@dataclass(frozen=True, eq=False)
class LabelMeasure:
    """Nodes of P(h, y) on the quadrant h, y ≥ 0 (docs/derivations/replica.md §5).

    Parameters
    ----------
    loss, chi, z
        The loss and the parameters of the measure.
    y, y_weight : shape (A,)
        Teacher's labels and their Gaussian weights (sum 1).
    h, weight : shape (A, B)
        Student's labels (minimisers of V) and P(h|y): each row sums to 1.
    value, d1, d, jacobian : shape (A, B)
        ℓ, ℓ′, d = ℓ″/2 and J = 1 + χ d at the nodes.
    h_min : shape (A,)
        Minimiser at field 0⁺; at field zero it jumps from −h_min to h_min (0: no jump).
    log_norm : shape (A,)
        log ∫ Dr e^{−(z/2) V(r, y)}.
    log_zero : shape (A,)
        log of e^{−(z/2) V(0, y)}, the weight of field zero before normalisation.
    """

    loss: Loss
    chi: float
    z: float
    y: np.ndarray
    y_weight: np.ndarray
    h: np.ndarray
    weight: np.ndarray
    value: np.ndarray
    d1: np.ndarray
    d: np.ndarray
    jacobian: np.ndarray
    h_min: np.ndarray
    log_norm: np.ndarray
    log_zero: np.ndarray

    def mean(self, g: np.ndarray) -> float:
        """Return E g for g given at the nodes, shape (A, B)."""
        # first over h at given y, then over y: einsum stores no third (A, B) array
        return float(self.y_weight @ np.einsum("ab,ab->a", self.weight, g))

    def multiplier(self, alpha: float) -> float:
        """Return μ = (α/2) E[ŷ ∂ℓ/∂ŷ], Eq. 3: (1/2N) Σ over M samples is (α/2) E."""
        return alpha / 2 * self.mean(self.h * self.d1)

    def kink(self) -> float:
        """Return E_y[p(r=0|y) |V′(0⁺) − V′(0⁻)|]/2, the mass of the delta in ½∂²V/∂r² (B8).

        V′(0⁺) = ℓ′(h_min) = −2 h_min/χ because r(h_min) = 0.
        """
        # p(r = 0|y) of a standard normal field
        density = np.exp(self.log_zero - self.log_norm) / np.sqrt(2 * np.pi)
        # |V′(0⁺) − V′(0⁻)| = 4 h_min/χ by symmetry, halved as in ½∂²V (bbp.md §4)
        return float(self.y_weight @ (density * 2 * self.h_min / self.chi))

    def law(self) -> LabelLaw:
        """Return P(ŷ, y) of the corrected Eq. 17, folded to ŷ, y ≥ 0: both signs are as likely."""
        teacher = np.broadcast_to(self.y[:, None], self.h.shape)
        weight = self.y_weight[:, None] * self.weight
        # lighter atoms lie so far in both tails that no average sees them
        keep = weight > 1e-40
        return LabelLaw(self.h[keep], teacher[keep], weight[keep])


def evaluate(function: Pointwise, h: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return ℓ or a derivative as a float64 array, for a loss in any array library."""
    found = np.asarray(function(h, y), float)
    # A loss that leaves out ŷ or y returns a smaller array; elsewhere broadcasting costs as much
    # as the arithmetic on short arrays.
    shape = h.shape if h.shape == y.shape else np.broadcast_shapes(h.shape, y.shape)
    return found if found.shape == shape else np.broadcast_to(found, shape)


def has_kink(loss: Loss) -> bool:
    """Return whether the slope of a loss jumps at ŷ = 0, which its curvature omits."""
    y = np.array([0.3, 1.0, 3.0])
    # beside zero: at a kink itself a loss may well answer 0
    slope = evaluate(loss.d1, np.full(3, 1e-9), y)
    return bool((np.abs(slope) > 1e-6 * np.abs(evaluate(loss.d1, np.ones(3), y)).max()).any())


def _field(loss: Loss, chi: float, h: np.ndarray, y: np.ndarray) -> np.ndarray:
    # stationarity of (r − h)²/χ + ℓ(h, y) in h gives r, the ½ being that of 2(r − h)/χ = ℓ′
    return h + chi / 2 * evaluate(loss.d1, h, y)


def onsets(loss: Loss, chi: float, state: Callable[[np.ndarray], np.ndarray]) -> list[float]:
    """Return the y in (0, `UPPER`) at which ``state``, true or false at each y, changes.

    A change where 1 + χ ℓ″(0, y)/2 vanishes is accurate to round-off; any other is bisected.
    """

    def jacobian_at_zero(y: float) -> float:
        return float(1 + chi / 2 * evaluate(loss.d2, np.zeros(1), np.full(1, y))[0])

    # from y = 10⁻⁴: corners of large χ lie close to zero
    grid = np.concatenate([np.geomspace(1e-4, 0.05, 12), np.linspace(0.1, UPPER, 100)])
    states = state(grid)
    found = []
    for k in np.flatnonzero(states[1:] != states[:-1]):
        low, high = grid[k], grid[k + 1]
        # A continuous onset is a root of J(0, y), known to round-off; any other is bisected.
        if jacobian_at_zero(low) * jacobian_at_zero(high) < 0:
            root = root_between(jacobian_at_zero, low, high)
            # J(0, y) may vanish where nothing sets in: the state on both sides tells
            below, above = state(root * np.array([1 - 1e-7, 1 + 1e-7]))
            if below != above:
                found.append(root)
                continue
        for _ in range(50):
            middle = (low + high) / 2
            if state(np.array([middle]))[0] == states[k]:
                low = middle
            else:
                high = middle
        found.append((low + high) / 2)
    return found


def corners(loss: Loss, chi: float) -> list[float]:
    """Return the y in (0, `UPPER`) at which the jump of the minimiser sets in or ends.

    For the quartic loss that is y_c = 1/√(2χ), where J(h=0) = 1 + χ ℓ″(0, y)/2 vanishes and the
    integrand of Eq. 13 is singular.
    """

    def jumps(y: np.ndarray) -> np.ndarray:
        # r < 0 at some h > 0: the minimiser at field 0⁺ lies beyond, at a finite h_min
        return np.any(_field(loss, chi, SCAN[:, None], y[None, :]) < 0, axis=0)

    return onsets(loss, chi, jumps)


def support_end(start: np.ndarray, exponent: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the ends of [start, ∞) where the weight e^(−exponent) is negligible, shape (A,).

    Parameters
    ----------
    exponent
        Maps labels, shape (A, B), to exponents.
    """
    scan = start[:, None] + SCAN[None, 15:]
    reach = exponent(scan)
    # the end need not be exact: the rule in h is uniform there, and what follows is below e^{−42}
    alive = reach < reach.min(axis=1, keepdims=True) + _NEGLIGIBLE
    last = alive.shape[1] - 1 - np.argmax(alive[:, ::-1], axis=1)
    return scan[np.arange(start.size), np.minimum(last + 1, scan.shape[1] - 1)]


def largest_root(loss: Loss, chi: float, y: np.ndarray) -> np.ndarray:
    """Return h_min(y) ≥ 0, the largest root of r(h) = h + χ ℓ′(h, y)/2 (R6)."""
    negative = _field(loss, chi, SCAN[None, :], y[:, None]) < 0
    if negative[:, -1].any():
        raise ValueError(
            f"loss: {loss.name} is not bounded below at χ={chi:.6g}, the field r(h) = h + χ ℓ′/2 "
            f"is still negative at h={SCAN[-1]:g}"
        )
    # A cusp of ℓ at ŷ = 0 that points down would hold a whole range of fields at h = 0.
    smooth = SCAN[0] * (2 + chi * np.abs(evaluate(loss.d2, SCAN[:1], y)))
    if (_field(loss, chi, SCAN[:1], y) > smooth).any():
        raise ValueError(f"loss: {loss.name} has a cusp at ŷ = 0, which is not covered")
    h_min = np.zeros_like(y)
    rows = np.flatnonzero(negative.any(axis=1))
    if rows.size == 0:
        return h_min
    # the last node with r < 0 and the one after it bracket the largest root
    last = negative.shape[1] - 1 - np.argmax(negative[rows, ::-1], axis=1)
    low, high, y = SCAN[last], SCAN[last + 1], y[rows]
    h = high.copy()
    for _ in range(100):
        field = _field(loss, chi, h, y)
        low, high = np.where(field < 0, h, low), np.where(field < 0, high, h)
        jacobian = 1 + chi / 2 * evaluate(loss.d2, h, y)
        newton = h - field / np.where(jacobian > 0, jacobian, np.inf)
        inside = (newton >= low) & (newton <= high)
        step = np.where(inside, newton, (low + high) / 2)
        # Newton doubles the digits: a step of 1e-9 leaves nothing to be seen.
        done = inside & (np.abs(step - h) <= 1e-9 * h)
        h = step
        if done.all():
            break
    h_min[rows] = h
    return h_min


def refuse_other_jumps(loss: Loss, chi: float, d: np.ndarray) -> None:
    """Raise ``ValueError`` where J = 1 + χ d is negative: the minimiser of V jumps there."""
    # J < 0 means that r(h) turns back, so that some fields have two candidates; 1e-9 is rounding
    # at the corner, where J → 0 without changing sign
    if (1 + chi * d < -1e-9 * np.maximum(1, np.abs(chi * d))).any():
        raise ValueError(
            f"loss: for {loss.name} at χ={chi:.6g} the minimiser of (r−h)²/χ + ℓ(h, y) jumps at a "
            "field other than zero; only a jump at r=0 is covered"
        )


def label_measure(loss: Loss, chi: float, z: float, level: Level) -> LabelMeasure:
    """Return the 1RSB measure e^{−r²/2 − (z/2) V(r, y)} Dy at (χ, z), normalised at each y.

    Raises ``ValueError`` if the minimiser of V jumps anywhere but at field zero, which the
    change of variable does not cover, or if the loss is not bounded below.
    """
    # split at the corners, where the integral over h is singular like |y − y_c|^(−1/2)
    y, y_weight = half_gaussian(corners(loss, chi), level)
    h_min = largest_root(loss, chi, y)

    def exponent(h: np.ndarray, value: np.ndarray, d1: np.ndarray) -> np.ndarray:
        # In place: the arrays do not fit the cache, and fresh memory costs more than arithmetic.
        # It returns r²/2 + (z/2) V, with r = h + χℓ′/2 and V = χℓ′²/4 + ℓ (replica.md §3).
        r = chi / 2 * d1
        r += h
        r *= r
        r /= 2
        cost = d1 * d1
        cost *= chi / 4
        cost += value
        cost *= z / 2
        r += cost
        return r

    column = y[:, None]
    stop = support_end(
        h_min,
        lambda h: exponent(h, evaluate(loss.value, h, column), evaluate(loss.d1, h, column)),
    )
    h, h_weight = half_line(h_min, stop, level)
    value, d1 = evaluate(loss.value, h, column), evaluate(loss.d1, h, column)
    d = evaluate(loss.d2, h, column) / 2
    jacobian = 1 + chi * d
    refuse_other_jumps(loss, chi, d)
    energy = exponent(h, value, d1)
    # the least exponent, at most y²/2 = 50 (h = y costs no loss), is taken out of the exponential:
    # the largest weight is then of order one at every y
    lowest = energy.min(axis=1, keepdims=True)
    weight = np.exp(np.subtract(lowest, energy, out=energy), out=energy)
    # dr = J dh turns the field's law into that of the minimiser (replica.md §4)
    weight *= jacobian
    weight *= h_weight
    norm = weight.sum(axis=1, keepdims=True)
    weight /= norm
    # 2: h ≥ h_min is half of the fields, the other is its mirror image
    log_norm = (np.log(2 * norm / np.sqrt(2 * np.pi)) - lowest)[:, 0]
    edge_value, edge_d1 = evaluate(loss.value, h_min, y), evaluate(loss.d1, h_min, y)
    return LabelMeasure(
        loss=loss,
        chi=chi,
        z=z,
        y=y,
        y_weight=y_weight,
        h=h,
        weight=weight,
        value=value,
        d1=d1,
        d=d,
        jacobian=jacobian,
        h_min=h_min,
        log_norm=log_norm,
        # r = 0 at h_min, so the Gaussian factor is 1 and V(0, y) = χℓ′²/4 + ℓ there
        log_zero=-z / 2 * (chi / 4 * edge_d1**2 + edge_value),
    )
