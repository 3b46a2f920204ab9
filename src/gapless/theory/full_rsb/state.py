"""Ground states of full replica symmetry breaking at T = 0 (docs/derivations/full-rsb.md).

The floor of the landscape: f is at its maximum over all non-decreasing z(q) and χ.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import numpy as np

from gapless.flags import as_ever
from gapless.inputs import ratio
from gapless.labels import LabelLaw
from gapless.losses import Loss
from gapless.quadrature import LEVELS, half_line
from gapless.theory import bulk
from gapless.theory.full_rsb.maximum import Maximum, maximise
from gapless.theory.full_rsb.mesh import FARTHEST, Resolution
from gapless.theory.full_rsb.recursion import label_at, recursion
from gapless.theory.measure import corners, evaluate, largest_root, refuse_other_jumps
from gapless.theory.replica import ground_state
from gapless.theory.roots import NotConverged

SKETCH = Resolution(6, 1, 1e-2, 80, 5)
COARSE_STEPS = Resolution(6, 1, 2.5e-4, 160, 10)
WIDE_LAST_STEP = Resolution(12, 2, 1e-3, 200, 10)
FINEST = Resolution(12, 2, 2.5e-4, 240, 10)
REMAINDER = 0.25
"""Share of an extrapolation in the last step that is taken as its error; one step further on the
extrapolated values move by 3 % of it (full-rsb.md §6)."""

Progress = Callable[[float], object]


@dataclass(frozen=True, eq=False)
class FullRSBState:
    """The ground state of full replica symmetry breaking.

    Parameters
    ----------
    alpha
        Sensing vectors per dimension, M/N.
    energy
        e = L/N of the deepest minima, the maximum of f.
    chi
        χ = lim β(1 − q_EA).
    q, z : shape (K,)
        z(q) = lim βx(q) is z_k between q_k and q_{k+1}, the last step ends at q = 1.
    mu
        The multiplier of Eq. 3, (α/2) E[ŷ ∂ℓ].
    bulk_edge
        λ₋ of ½Σℓ″xxᵀ, before μ is subtracted; it is μ where the loss has a corner.
    outlier, outlier_overlap
        Eigenvalue below λ₋ along the signal, before μ is subtracted, and |⟨v, W*⟩|/√N of its
        unit vector; None where there is none.
    margin
        ψ(γ̄) − φ(γ̄): the outlier exists where it is positive, and α_BBP is its zero.
    moments
        E|ŷ|^k, named ``abs``, ``2``, ``3``, ``4``.
    law
        P(ŷ, y) as quadrature atoms, folded to ŷ, y ≥ 0, at the last step used.
    flags
        ``kink_mass`` (left of the kink by the last step), ``marginality`` (F(χ) = αE[(χd/J)²] of
        the labels; what it lacks of 1 are labels about to cross zero) and ``discontinuity``
        (largest |αλ²E∫Pφ″² − 1| over the q between 0.05 and 0.95).
    error
        Estimated absolute error of each value, under the same keys; that of z is a list.
    """

    alpha: float
    energy: float
    chi: float
    q: np.ndarray
    z: np.ndarray
    mu: float
    bulk_edge: float
    outlier: float | None
    outlier_overlap: float | None
    margin: float
    moments: dict[str, float]
    law: LabelLaw = field(repr=False)
    flags: dict[str, float]
    error: dict[str, Any]

    def record(self) -> dict[str, Any]:
        """Return all but the law, ready for JSON."""
        plain = {name: value for name, value in vars(self).items() if name != "law"}
        return plain | {"q": self.q.tolist(), "z": self.z.tolist()}


@dataclass(frozen=True)
class FullRSBThreshold:
    """α above which the Hessian of the full-RSB ground states has an outlier along the signal.

    Parameters
    ----------
    alpha
        α_BBP, where `FullRSBState.margin` vanishes.
    slope
        d margin/dα there.
    error
        Estimated absolute error of alpha.
    """

    alpha: float
    slope: float
    error: float


@dataclass(frozen=True, eq=False)
class Labels:
    """P(ŷ, y) of a maximum, and what follows from it at its own last step."""

    law: LabelLaw
    kink: float
    values: dict[str, Any]
    marginality: float


@as_ever()
def full_rsb_state(
    loss: Loss, alpha: float, progress: Progress = lambda _: None
) -> FullRSBState:
    """Return the ground state of full replica symmetry breaking at ``alpha``.

    About 20 s on one core. Values are those of steps z_k that are halved from one mesh to the next;
    what depends on the last step is extrapolated to where the kink of the inner minimisation has
    healed (docs/derivations/full-rsb.md §6).

    Parameters
    ----------
    loss
        Even in ŷ and y. A jump of the minimiser of V at field zero is dealt with, elsewhere not.
    alpha
        M/N, where the 1RSB scheme has a ground state (above 1.05 for the quartic loss).
    progress
        Called with the share of the work that has been done since the last call.

    Raises
    ------
    ValueError
        As `gapless.theory.threshold_state` does.
    NotConverged
        With the last iterate.
    """
    return _state(loss, ratio(alpha), _first_sketch(loss, ratio(alpha)), progress)[0]


@as_ever()
def full_rsb_threshold(
    loss: Loss, near: float | None = None, progress: Progress = lambda _: None
) -> FullRSBThreshold:
    """Return α_BBP of the full-RSB ground states: the zero of `FullRSBState.margin`.

    Parameters
    ----------
    near
        Where the search begins; by default the largest α_BBP of the 1RSB threshold states.
    progress
        Called with a share of the work, as by `full_rsb_state`; four states are reckoned with.

    Raises
    ------
    ValueError
        Where the 1RSB states have no α_BBP to begin at.
    NotConverged
        If six states do not suffice.
    """
    if near is None:
        from gapless.theory.bbp import bbp_threshold

        found = bbp_threshold(loss)
        readings = [a for a in (found.edge, found.multiplier, found.unstable) if a is not None]
        if not readings:
            raise ValueError(
                f"loss: the threshold states of {loss.name} have no BBP transition to begin at; "
                "give near"
            )
        near = max(readings)
    alpha, before = ratio(near), None
    sketch = _first_sketch(loss, alpha)
    for _ in range(6):
        state, sketch = _state(loss, alpha, sketch, lambda share: progress(share / 4))
        margin, error = state.margin, state.error["margin"]
        if before is None:
            ahead = 0.97 * alpha
        else:
            slope = (margin - before[1]) / (alpha - before[0])
            ahead = alpha - margin / slope
            if abs(margin) <= error:
                return FullRSBThreshold(ahead, slope, error / abs(slope))
        before = (alpha, margin)
        alpha = float(np.clip(ahead, 0.8 * alpha, 1.2 * alpha))
    raise NotConverged("α_BBP of the ground states", {"alpha": alpha}, np.array([before[1]]))


def _first_sketch(loss: Loss, alpha: float) -> Maximum:
    """Return a coarse maximum, from the 1RSB ground state's χ and z."""
    one_step = ground_state(loss, alpha)
    of = recursion(loss, alpha, SKETCH, one_step.chi)
    middle = of.mesh.middle
    z = np.maximum.accumulate(1.2 * one_step.z * middle / np.sqrt(1 - middle))
    return maximise(of, z, 0.9 * one_step.chi, one_step.z)


def _coarse(resolution: Resolution) -> Resolution:
    """Return the mesh with the same overlaps on which the Hessian is made."""
    fields, order = round(0.6 * resolution.fields), round(0.7 * resolution.order)
    return replace(resolution, fields=fields, order=order)


def _refined(start: Maximum, resolution: Resolution, progress: Progress) -> Iterator[Maximum]:
    """Yield the maxima at the coarse and the full version of a resolution."""
    hessian = None
    found = start
    for mesh in (_coarse(resolution), resolution):
        of = recursion(start.of.loss, start.of.alpha, mesh, found.chi, progress)
        z = carried(found, of.mesh.middle)
        found = maximise(of, z, found.chi, found.unit, hessian)
        hessian = found.hessian
        yield found


def carried(found: Maximum, middle: np.ndarray) -> np.ndarray:
    """Return z of a maximum on other steps: z √(1 − q) is interpolated in ln(1 − q)."""
    old = found.of.mesh.middle
    scaled = found.z * np.sqrt(1 - old)
    new = np.interp(-np.log(1 - middle), -np.log(1 - old), scaled) / np.sqrt(1 - middle)
    return np.maximum.accumulate(new)


def _state(
    loss: Loss, alpha: float, sketch: Maximum, progress: Progress
) -> tuple[FullRSBState, Maximum]:
    """Return the state at ``alpha`` from a coarse maximum nearby, and its own coarse maximum."""
    if sketch.of.alpha != alpha:
        of = recursion(loss, alpha, SKETCH, sketch.chi)
        sketch = maximise(of, sketch.z, sketch.chi, sketch.unit, sketch.hessian)
    told = _Shares(progress, sketch)
    steps = list(_refined(sketch, COARSE_STEPS, told))[-1]
    wide = list(_refined(steps, WIDE_LAST_STEP, told))[-1]
    coarse, fine = _refined(wide, FINEST, told)
    told.done()
    at = {
        name: label_values(found)
        for name, found in (("steps", steps), ("wide", wide), ("mesh", coarse), ("fine", fine))
    }
    values, error = _with_errors(at)
    change = np.abs(fine.action.value - np.array([m.action.value for m in (steps, wide, coarse)]))
    values["energy"], error["energy"] = fine.action.value, float(change.sum())
    middle = fine.of.mesh.middle
    error["z"] = sum(np.abs(fine.z - carried(m, middle)) for m in (steps, wide, coarse)).tolist()
    if values["margin"] <= 0:
        values["outlier"] = values["outlier_overlap"] = None
        error["outlier"] = error["outlier_overlap"] = None
    flags = {
        "kink_mass": at["fine"].kink,
        "marginality": at["fine"].marginality,
        "discontinuity": _discontinuity(fine),
    }
    state = FullRSBState(
        alpha=alpha,
        q=fine.of.mesh.q[:-1],
        z=fine.z,
        law=at["fine"].law,
        flags=flags,
        error=error,
        **values,
    )
    return state, sketch


class _Shares:
    """Turns costs of evaluations into shares of the whole."""

    def __init__(self, progress: Progress, sketch: Maximum) -> None:
        labels = sketch.of.y.size / SKETCH.order
        self.total, self.told, self.progress = 0.0, 0.0, progress
        for resolution in (COARSE_STEPS, WIDE_LAST_STEP, FINEST):
            steps = resolution.overlaps().size - 1
            for mesh, count in ((_coarse(resolution), steps + 8), (resolution, 5)):
                self.total += count * steps * mesh.fields * mesh.order * labels

    def __call__(self, cost: float) -> None:
        share = min(cost / self.total, 1 - self.told)
        self.told += share
        self.progress(share)

    def done(self) -> None:
        self.progress(1 - self.told)
        self.told = 1.0


def _with_errors(at: dict[str, Labels]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return values and errors from maxima with coarse steps, a wide last step, a coarse mesh.

    χ and what depends on γ̄ = χ are extrapolated to a kink of zero, linearly.
    """
    kink, wide = at["fine"].kink, at["wide"].kink
    reach = kink / (wide - kink) if wide > kink > 0 else 0.0

    def one(pick: Callable[[dict[str, Any]], Any], extrapolated: bool) -> tuple[Any, Any]:
        found = {name: pick(labels.values) for name, labels in at.items()}
        fine = found["fine"]
        if any(value is None for value in found.values()):
            return fine, None
        error = abs(fine - found["steps"]) + abs(fine - found["mesh"])
        last = fine - found["wide"]
        if not extrapolated:
            return fine, error + abs(last)
        return fine + reach * last, error + REMAINDER * reach * abs(last) + (not reach) * abs(last)

    values: dict[str, Any] = {}
    error: dict[str, Any] = {}
    for name in ("chi", "bulk_edge", "outlier", "outlier_overlap", "margin"):
        values[name], error[name] = one(lambda v, name=name: v[name], True)
    values["mu"], error["mu"] = one(lambda v: v["mu"], False)
    values["moments"], error["moments"] = {}, {}
    for k in at["fine"].values["moments"]:
        values["moments"][k], error["moments"][k] = one(lambda v, k=k: v["moments"][k], False)
    return values, error


def label_values(found: Maximum) -> Labels:
    """Return the law of the labels of a maximum, and its values.

    P(h|y) ∝ J e^{z φ_K(r(h))} E[(P_{K−1} e^{−z φ_{K−1}})(r(h) + √Δq x)] on h > h_min(y), z and Δq
    those of the last step.
    """
    of, chi, z = found.of, found.chi, found.z[-1]
    loss, mesh, y = of.loss, of.mesh, of.y
    column = y[:, None]
    h_min = largest_root(loss, chi, y)
    stop = label_at(loss, chi, np.array([[FARTHEST]]), y, h_min)[0]
    h, weight = half_line(h_min, stop, LEVELS[1])
    value, d1 = evaluate(loss.value, h, column), evaluate(loss.d1, h, column)
    d = evaluate(loss.d2, h, column) / 2
    refuse_other_jumps(loss, chi, d)
    flow = of.densities(found.action, found.z)[-1] - z * found.action.phi[-1]
    x, gaussian = mesh.gaussian
    width = np.sqrt(mesh.step[-1])

    def density(row: int, place: np.ndarray, v: np.ndarray) -> np.ndarray:
        ahead = mesh.at(flow[:, row], place[:, None] + width * x)
        top = ahead.max(1)
        return np.exp(top - z * v / 2) * (np.exp(ahead - top[:, None]) @ gaussian)

    v = value + chi / 4 * d1**2
    place = h + chi / 2 * d1
    at_place = np.stack([density(k, place[k], v[k]) for k in range(y.size)])
    weight = 2 * weight * (1 + chi * d) * at_place
    norm = weight.sum(1)
    weight *= (of.weight / norm)[:, None]
    v_zero = evaluate(loss.value, h_min, y) + chi / 4 * evaluate(loss.d1, h_min, y) ** 2
    at_zero = [density(k, np.zeros(1), v_zero[k : k + 1])[0] for k in range(y.size)]
    kink = of.alpha * float(of.weight @ (np.array(at_zero) / norm * 2 * h_min / chi))
    keep = weight > 1e-40
    teacher = np.broadcast_to(column, h.shape)
    law = LabelLaw(h[keep], teacher[keep], weight[keep])
    return _labels(found, law, kink)


def _labels(found: Maximum, law: LabelLaw, kink: float) -> Labels:
    """Return what follows from a law of labels."""
    loss, alpha, chi = found.of.loss, found.of.alpha, found.chi
    d = evaluate(loss.d2, law.student, law.teacher) / 2
    atoms = bulk.Curvatures(d, law.teacher**2, law.weight, alpha)
    # At a corner J = 1 + χd vanishes inside the support of the labels: χ is the pole.
    corner = any(
        abs(1 + chi * float(evaluate(loss.d2, np.zeros(1), np.full(1, y))[0]) / 2) < 1e-6
        for y in corners(loss, chi)
    )
    gamma_bar = chi if corner else bulk.edge(atoms).gamma
    if gamma_bar == inf:
        raise ValueError(
            f"alpha: at {alpha:g} the spectrum of {loss.name} has zero modes and no edge; raise it"
        )
    spike = bulk.outlier(atoms, gamma_bar)
    psi = atoms.psi(gamma_bar)
    values = {
        "chi": chi,
        "mu": law.multiplier(loss, alpha),
        "bulk_edge": psi,
        "outlier": spike.value,
        "outlier_overlap": spike.overlap,
        "margin": psi - atoms.phi(gamma_bar),
        "moments": law.moments(),
    }
    return Labels(law, kink, values, atoms.marginality(chi))


def profile(found: Maximum) -> dict[str, np.ndarray]:
    """Return λ, D and αλ²E∫Pφ″² at the overlaps q_1 … q_{K−1} of a maximum.

    D(q) = ½∫₀^q dq/λ² − (α/2) E∫Pφ′² is δf/δz(q); on the support of dz it vanishes, and
    αλ²E∫Pφ″² = 1. Each shape (K − 1,), in ``q``, ``lambda``, ``d``, ``replicon``.
    """
    of, action = found.of, found.action
    mesh = of.mesh
    rise = found.z * mesh.step
    level = found.chi + np.cumsum(rise[::-1])[::-1]
    squares = mesh.step / (level * (level - rise))
    first, second = _derivatives(mesh)
    slope, bend = [], []
    for log_p, phi in zip(of.densities(action, found.z), action.phi[1:], strict=True):
        weight = mesh.rule[:, None] * np.exp(log_p)
        slope.append(of.weight @ (weight * first(phi) ** 2).sum(0))
        bend.append(of.weight @ (weight * second(phi) ** 2).sum(0))
    inner = level[1:]
    return {
        "q": mesh.q[1:-1],
        "lambda": inner,
        "d": np.cumsum(squares)[:-1] / 2 - of.alpha / 2 * np.array(slope),
        "replicon": of.alpha * inner**2 * np.array(bend),
    }


def _derivatives(mesh):
    """Return ∂/∂h and ∂²/∂h² of even functions at the nodes, by differences of order six in u."""
    slope = mesh.scale * np.cosh(mesh.spacing * np.arange(mesh.fields))[:, None]

    def padded(g: np.ndarray) -> np.ndarray:
        tail = np.repeat(g[-1:], 3, axis=0)
        return np.concatenate([g[3:0:-1], g, tail])

    def by_u(g: np.ndarray, weights: tuple[float, ...], power: int) -> np.ndarray:
        wide, n = padded(g), g.shape[0]
        total = sum(c * wide[k : k + n] for k, c in enumerate(weights))
        return total / mesh.spacing**power

    one = tuple(c / 60 for c in (-1, 9, -45, 0, 45, -9, 1))
    two = tuple(c / 180 for c in (2, -27, 270, -490, 270, -27, 2))

    def first(g: np.ndarray) -> np.ndarray:
        return by_u(g, one, 1) / slope

    def second(g: np.ndarray) -> np.ndarray:
        return (by_u(g, two, 2) - mesh.h[:, None] * first(g)) / slope**2

    return first, second


def _discontinuity(found: Maximum) -> float:
    """Return the largest |αλ²E∫Pφ″² − 1| for q between 0.05 and 0.95."""
    at = profile(found)
    seen = (at["q"] > 0.05) & (at["q"] < 0.95)
    return float(np.abs(at["replicon"][seen] - 1).max())
