"""Parisi's recursion at T = 0 for a step function z(q): f, its gradient, densities of the field.

    f[z, χ] = −½ ∫₀¹ dq/λ − α E_y φ_y(0, 0),   λ(q) = χ + ∫_q^1 z dq,
    φ_k(h) = (1/z_k) ln E exp(z_k φ_{k+1}(h + √Δq_k x)),   φ_K(h) = −½ V_χ(h, y),

which are (F1), (F2) and (F10). The last step is integrated over the label, in which its integrand
is smooth, and not over the field (docs/derivations/full-rsb.md §2, §5).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from gapless.losses import Loss
from gapless.quadrature import Level, gauss_legendre, half_gaussian
from gapless.theory.full_rsb.mesh import REACH, Mesh, Resolution
from gapless.theory.label_measure import corners, evaluate, largest_root, refuse_other_jumps

CHUNK = 12
"""Number of teacher's labels per chunk, whose arrays fit the cache."""
PANEL = 20
"""Gauss–Legendre points on either side of the centre of the last step."""
LARGEST = 600.0
"""Largest exponent of e^{z(g − c)}, so that sums are finite; fields of no weight alone reach it."""
NEGLIGIBLE = 1e-12
"""Gaussian weight below which a teacher's label is left out."""


@dataclass(frozen=True, eq=False)
class Action:
    """f and its derivatives at one (z, χ).

    Parameters
    ----------
    value
        f.
    by_z : shape (K,)
        ∂f/∂z_k = ∫ D(q) dq over step k, (F5).
    by_chi
        ∂f/∂χ = D(1).
    phi
        φ_0 at h = 0, shape (1, A), then φ_1 … φ_{K−1} at the nodes of the field, shape (n, A).
    """

    value: float
    by_z: np.ndarray
    by_chi: float
    phi: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class Recursion:
    """The recursion of one loss at one α.

    Parameters
    ----------
    y, weight : shape (A,)
        Teacher's labels and their weights.
    progress
        Function of the cost of an evaluation, K times nodes times labels, called after each.
    """

    loss: Loss
    alpha: float
    mesh: Mesh
    y: np.ndarray
    weight: np.ndarray
    progress: Callable[[float], object] = field(default=lambda _: None, repr=False)

    @property
    def cost(self) -> float:
        """Cost of an evaluation: K times nodes times labels."""
        return float(self.mesh.step.size * self.mesh.fields * self.y.size)

    def action(self, z: np.ndarray, chi: float) -> Action:
        """Return f and its gradient by the adjoint sweep; z positive, shape (K,)."""
        value, by_z, by_chi = entropy(self.mesh.step, z, chi)
        phi = []
        for first in range(0, self.y.size, CHUNK):
            part = slice(first, first + CHUNK)
            # the sign and α of −α E_y φ_y: all three results of the sweep take it
            weight = -self.alpha * self.weight[part]
            here, slopes, by = self._sweep(self.y[part], z, chi)
            value += float(weight @ here[0][0])
            by_z = by_z + slopes @ weight
            by_chi += float(by @ weight)
            phi.append(here)
        self.progress(self.cost)
        together = [np.concatenate(parts, axis=-1) for parts in zip(*phi, strict=True)]
        return Action(value, by_z, by_chi, together)

    def _sweep(
        self, y: np.ndarray, z: np.ndarray, chi: float
    ) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """Return φ_0 … φ_{K−1}, and the derivatives of φ_0(0) by z (K, A) and by χ (A,)."""
        steps = self.mesh.step.size
        _, gaussian = self.mesh.gaussian
        phi, last_slope, last_by_chi = self._last_step(y, float(z[-1]), chi)
        # kept for the way back: the adjoint needs the shares of every step
        found, moves = [phi], []
        for k in range(steps - 2, -1, -1):
            ahead = (self.mesh.smoothing[k] @ phi).reshape(-1, gaussian.size, y.size)
            phi, slope, share = _log_mean(ahead, gaussian, float(z[k]), 1)
            moves.append((share, slope))
            found.append(phi)
        # ∂φ_0/∂z_k is the mean of its local derivative over the fields reached at step k
        by_z = np.empty((steps, y.size))
        # the chance of each node, as weights under which functions of the field are averaged
        reached = np.ones((1, y.size))
        for k, (share, slope) in enumerate(reversed(moves)):
            by_z[k] = np.einsum("ia,ia->a", reached, slope)
            # in place: these arrays are the memory of the sweep
            share *= reached[:, None]
            reached = self.mesh.smoothing[k].T @ share.reshape(-1, y.size)
        by_z[-1] = np.einsum("ia,ia->a", reached, last_slope)
        return found[::-1], by_z, np.einsum("ia,ia->a", reached, last_by_chi)

    def _last_step(
        self, y: np.ndarray, z: float, chi: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return φ_{K−1} and its derivatives by z and χ, shape (n, A); integrals over the label.

        On the half line the kernel is G(r − h) + G(r + h), dr = J dh; panels end at field zero,
        where φ_K may have a kink.
        """
        loss, h = self.loss, self.mesh.h[:, None]
        # one step alone starts at field zero only
        if self.mesh.step.size == 1:
            h = h[:1]
        width = float(np.sqrt(self.mesh.step[-1]))
        h_min = largest_root(loss, chi, y)
        # the peak of e^{zφ} G over the field is the field of the minimiser of V at λ = χ + zΔq
        wider = chi + z * self.mesh.step[-1]
        peak = label_at(loss, wider, h, y, largest_root(loss, wider, y))
        tilted = peak + chi / 2 * evaluate(loss.d1, peak, y)
        # panels in the label below and above the peak, as far as the Gaussian with and without
        # e^{zφ} extends; a kink, at field zero, lies on an end
        low = np.maximum(np.minimum(h, tilted) - REACH * width, 0)
        high = np.maximum(h, tilted) + REACH * width
        ends = [
            label_at(loss, chi, low, y, h_min),
            np.maximum(peak, h_min),
            label_at(loss, chi, high, y, h_min),
        ]
        unit, rule = (a[:, None, None] for a in gauss_legendre(PANEL))
        label = np.concatenate([low + unit * (high - low) for low, high in pairwise(ends)])
        weight = np.concatenate([rule * (high - low) for low, high in pairwise(ends)])
        value, d1 = evaluate(loss.value, label, y), evaluate(loss.d1, label, y)
        d = evaluate(loss.d2, label, y) / 2
        refuse_other_jumps(loss, chi, d)
        # r(h)/√Δq; both kernels below, since the half line stands for the whole
        place = (label + chi / 2 * d1) / width
        weight *= 1 + chi * d
        weight *= np.exp(-((place - h / width) ** 2) / 2) + np.exp(-((place + h / width) ** 2) / 2)
        # by its own sum: E 1 = 1 whatever the quadrature leaves out
        weight /= weight.sum(0)
        phi, slope, share = _log_mean(-(value + chi / 4 * d1**2) / 2, weight, z, 0)
        return phi, slope, np.einsum("mia,mia->ia", share, d1**2) / 8

    def densities(self, action: Action, z: np.ndarray) -> list[np.ndarray]:
        """Return ln P_k at the nodes of the field, shape (n, A), for k = 1 … K − 1.

        P_{k+1}(h) = e^{z_k φ_{k+1}(h)} E[(P_k e^{−z_k φ_k})(h + √Δq_k x)] from P_0(h) = δ(h), each
        normalised on the whole line (F4).
        """
        mesh, phi = self.mesh, action.phi
        _, gaussian = mesh.gaussian
        variance = mesh.step[0]
        # P_0 is a delta at 0, so P_1's Gaussian is written down, not smoothed
        start = -(mesh.h**2) / (2 * variance) - np.log(2 * np.pi * variance) / 2
        found = [start[:, None] + z[0] * (phi[1] - phi[0])]
        for k in range(1, mesh.step.size - 1):
            # the reverse of the recursion: the same symmetric kernel
            flow = mesh.smoothing[k] @ (found[-1] - z[k] * phi[k])
            ahead = flow.reshape(-1, gaussian.size, self.y.size)
            highest = ahead.max(1)
            mean = np.einsum("m,ima->ia", gaussian, np.exp(ahead - highest[:, None]))
            found.append(z[k] * phi[k + 1] + highest + np.log(mean))
        return found


def recursion(
    loss: Loss,
    alpha: float,
    resolution: Resolution,
    chi: float,
    progress: Callable[[float], object] = lambda _: None,
    q: np.ndarray | None = None,
) -> Recursion:
    """Return the recursion on a mesh, with teacher's labels split at the corners of V at χ.

    The labels do not change with χ, so that the gradient is that of one function f. ``q`` replaces
    the overlaps of the resolution.
    """
    # only the rule in y: the label is integrated by panels of its own
    level = Level(resolution.depth, resolution.order, span=0, step=0, lowest=0)
    # split at y_c, where h_min vanishes like √(y − y_c)
    y, weight = half_gaussian(corners(loss, chi), level)
    seen = weight > NEGLIGIBLE
    mesh = Mesh(resolution.overlaps() if q is None else q, resolution.fields)
    return Recursion(loss, alpha, mesh, y[seen], weight[seen] / weight[seen].sum(), progress)


def entropy(step: np.ndarray, z: np.ndarray, chi: float) -> tuple[float, np.ndarray, float]:
    """Return −½ ∫₀¹ dq/λ of (F2) and its derivatives by z, shape (K,), and by χ."""
    rise = z * step
    # λ at the end of each step; `below` at its beginning, as λ falls with q
    above = chi + np.concatenate([np.cumsum(rise[:0:-1])[::-1], [0.0]])
    below = above + rise
    ratio = rise / above
    # log1p: λ hardly changes over the last steps
    value = -float((np.log1p(ratio) / z).sum()) / 2
    squares = step / (above * below)  # ∫ dq/λ² over each step
    before = np.concatenate([[0.0], np.cumsum(squares)[:-1]])
    # ∫ (q_{k+1} − q) dq/λ² over a step, by its series where the closed form cancels
    safe = np.maximum(ratio, 1e-3)
    within = np.where(
        ratio > 1e-3,
        (np.log1p(safe) - safe / (1 + safe)) / safe**2,
        0.5 - 2 * ratio / 3 + 3 * ratio**2 / 4 - 4 * ratio**3 / 5,
    )
    return value, (step * before + within * (step / above) ** 2) / 2, float(squares.sum()) / 2


def _log_mean(
    values: np.ndarray, weight: np.ndarray, z: float, axis: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (1/z) ln E e^{z g}, its derivative by z, and the normalised shares of e^{z g}.

    ``values`` (overwritten) holds g along ``axis``; ``weight`` sums to 1 along it. The formula is
    the mean of e^{z(g − c)} − 1 with c the mean of g, which is accurate for z → 0 too.
    """
    if weight.ndim == 1:
        weight = weight[:, None]
    # c the mean, not the largest g: e^{z(g − c)} is then at least 1 on average, by Jensen's
    # inequality, and no digit is lost where e^{zg} varies by orders of magnitude
    mean = (weight * values).sum(axis, keepdims=True)
    values -= mean
    share = np.expm1(np.minimum(z * values, LARGEST))
    excess = (weight * share).sum(axis, keepdims=True)
    rise = np.log1p(excess) / z
    share += 1
    share *= weight
    share /= 1 + excess
    # ∂/∂z of (1/z) ln E e^{zg}: (E_z g − (1/z) ln E e^{zg})/z, c dropping out
    slope = ((share * values).sum(axis, keepdims=True) - rise) / z
    return np.squeeze(mean + rise, axis), np.squeeze(slope, axis), share


def label_at(
    loss: Loss, chi: float, place: np.ndarray, y: np.ndarray, h_min: np.ndarray
) -> np.ndarray:
    """Return the label h ≥ h_min whose field r(h) = h + χℓ′(h, y)/2 is ``place`` ≥ 0.

    Newton's method within a bracket.
    """
    shape = np.broadcast_shapes(place.shape, y.shape)
    place, low = np.broadcast_to(place, shape), np.broadcast_to(h_min, shape)

    def excess(h: np.ndarray) -> np.ndarray:
        return h + chi / 2 * evaluate(loss.d1, h, y) - place

    # r(h) − h = χℓ′/2 is not negative far out; where it is, the bracket is widened
    high = np.maximum(low, place) + 1.0
    while (short := excess(high) < 0).any():
        high = np.where(short, 2 * high, high)
    h, before, done = high, np.full(shape, np.inf), np.zeros(shape, bool)
    for _ in range(120):
        value = excess(h)
        low, high = np.where(value < 0, h, low), np.where(value < 0, high, h)
        slope = 1 + chi / 2 * evaluate(loss.d2, h, y)
        newton = h - value / np.where(slope > 0, slope, np.inf)
        inside = (newton >= low) & (newton <= high) & (slope > 0)
        # rounding of h itself: one more step would change nothing
        rounding = 1e-14 * (1 + h)
        done |= (inside & (np.abs(newton - h) <= rounding)) | (high - low <= rounding)
        if done.all():
            break
        # bisection where Newton leaves the bracket, as where r(h) is flat near h_min, and where it
        # leaps to and fro across a bend of r(h)
        inside &= np.abs(value) <= before / 2
        h = np.where(done, h, np.where(inside, newton, (low + high) / 2))
        before = np.abs(value)
    return h
