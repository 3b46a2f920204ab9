"""Ground states of full replica symmetry breaking at T = 0 (docs/derivations/full-rsb.md).

Their energy is the floor of the landscape, the maximum of f over non-decreasing z(q) and χ.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gapless.flags import as_ever
from gapless.inputs import number, ratio
from gapless.labels import LabelLaw
from gapless.losses import Loss
from gapless.theory.complexity import ground_state
from gapless.theory.full_rsb.maximum import Maximum, maximise
from gapless.theory.full_rsb.mesh import Resolution
from gapless.theory.full_rsb.observables import Labels, label_values, profile
from gapless.theory.full_rsb.recursion import recursion
from gapless.theory.roots import NotConverged

SKETCH = Resolution(6, 1, 1e-2, 80, 5)
ENERGY = Resolution(6, 1, 1e-2, 120, 7)
FEWER_STEPS = Resolution(3, 1, 2e-2, 120, 7)
MORE_NODES = Resolution(6, 1, 1e-2, 160, 10)
COARSE_STEPS = Resolution(6, 1, 6.25e-5, 180, 10)
WIDE_LAST_STEP = Resolution(12, 2, 2.5e-4, 220, 10)
FINEST = Resolution(12, 2, 6.25e-5, 260, 10)
REMAINDER = 0.25
"""Error of an extrapolation in the last step, as a share of it. With one further step the
extrapolated values change by 3 % of it (full-rsb.md §6)."""

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
        ``kink_mass`` (mass of the kink after the last step), ``marginality`` (F(χ) = αE[(χd/J)²]
        of the labels; its distance from 1 is due to labels close to zero) and ``discontinuity``
        (largest |αλ²E∫Pφ″² − 1| over the q between 0.05 and 0.95).
    error
        Estimated absolute error of each value, under the same keys; that of z is the largest for
        0.05 < q < 0.95, of its mean over two steps.
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
        d margin/dα at ``alpha``.
    error
        Estimated absolute error of alpha.
    """

    alpha: float
    slope: float
    error: float


@as_ever(loading=False)
def full_rsb_state(loss: Loss, alpha: float, progress: Progress = lambda _: None) -> FullRSBState:
    """Return the ground state of full replica symmetry breaking at ``alpha``.

    It takes about 20 s on one core. Steps z_k are halved from one mesh to the next; values that
    depend on the last step are extrapolated to a vanishing kink of the inner minimisation
    (docs/derivations/full-rsb.md §6).

    Parameters
    ----------
    loss
        Loss, even in ŷ and y. The minimiser of V may jump at field zero, and nowhere else.
    alpha
        M/N above 1, up to `gapless.theory.complexity.HIGHEST_GROUND`; at 1 and below e = 0
        (docs/derivations/full-rsb.md §7). The search converges for the losses of `gapless.losses`
        at every α tried from 1.2 on.
    progress
        Function of the share of the work done since its last call.

    Raises
    ------
    ValueError
        For α ≤ 1, and for the arguments that `gapless.theory.threshold_state` rejects.
    NotConverged
        With the last iterate.
    """
    return _state(loss, ratio(alpha), _first_sketch(loss, ratio(alpha)), progress)[0]


@as_ever(loading=False)
def full_rsb_energy(loss: Loss, alpha: float) -> tuple[float, float]:
    """Return the energy alone of the full-RSB ground state, and its error: about 2 s on one core.

    f is stationary, so few steps do: nine of them give e to 1e-5. The error is the sum of the
    changes from half the steps and to more nodes (docs/derivations/full-rsb.md §6).

    Parameters
    ----------
    loss, alpha
        As in `full_rsb_state`, which raises as this does.
    """
    sketch = _first_sketch(loss, ratio(alpha))
    found = []
    for resolution in (FEWER_STEPS, ENERGY, MORE_NODES):
        of = recursion(loss, ratio(alpha), resolution, sketch.chi)
        # on the sketch's steps its Hessian serves
        hessian = None if resolution is FEWER_STEPS else sketch.hessian
        z = carried(sketch, of.mesh.middle)
        found.append(maximise(of, z, sketch.chi, sketch.unit, hessian).action.value)
    fewer, energy, more = found
    return energy, abs(energy - fewer) + abs(energy - more)


@as_ever(loading=False)
def full_rsb_threshold(
    loss: Loss, near: float | None = None, progress: Progress = lambda _: None
) -> FullRSBThreshold:
    """Return α_BBP of the full-RSB ground states: the zero of `FullRSBState.margin`.

    Parameters
    ----------
    near
        First α of the search; by default the largest α_BBP of the 1RSB threshold states.
    progress
        Function of a share of the work, as in `full_rsb_state`; the work is that of four states.

    Raises
    ------
    ValueError
        If the 1RSB states have no α_BBP at which the search could begin.
    NotConverged
        If six states do not suffice.
    """
    if near is None:
        # here, since few callers leave `near` open, and `bbp` imports much
        from gapless.theory.bbp import bbp_threshold

        found = bbp_threshold(loss)
        readings = [a for a in (found.edge, found.multiplier, found.unstable) if a is not None]
        if not readings:
            raise ValueError(
                f"loss: the threshold states of {loss.name} have no BBP transition to begin at; "
                "give near"
            )
        # ground states lie deeper than threshold states, and turn unstable at larger α
        near = max(readings)
    alpha = number("near", near, above=1)
    sketch = _first_sketch(loss, alpha)
    seen: list[tuple[float, float]] = []
    for _ in range(6):
        # each state starts at the coarse maximum of the one before, which is near
        state, sketch = _state(loss, alpha, sketch, lambda share: progress(share / 4))
        margin, error = state.margin, state.error["margin"]
        # a second point for the secant, near enough for a straight line
        ahead = 0.97 * alpha
        if seen:
            slope = (margin - seen[-1][1]) / (alpha - seen[-1][0])
            ahead = alpha - margin / slope
            # a zero within its own error: nothing is gained by going on
            if abs(margin) <= error:
                return FullRSBThreshold(ahead, slope, error / abs(slope))
        seen.append((alpha, margin))
        # a secant through two noisy points may point anywhere
        alpha = float(np.clip(ahead, 0.8 * alpha, 1.2 * alpha))
    raise NotConverged("α_BBP of the ground states", {"alpha": seen[-1][0]}, np.array(seen[-1][1:]))


def _first_sketch(loss: Loss, alpha: float) -> Maximum:
    """Return a coarse maximum, from the 1RSB ground state's χ and z."""
    if alpha <= 1:
        raise ValueError(
            f"alpha: at {alpha:g} some states meet every label and the ground state's energy is 0; "
            "raise it above 1"
        )
    one_step = ground_state(loss, alpha)
    of = recursion(loss, alpha, SKETCH, one_step.chi)
    # from near 0 (z ∝ q there) to somewhat above the one value that 1RSB has
    z = one_step.z * (0.1 + 1.2 * of.mesh.middle)
    return maximise(of, z, one_step.chi, one_step.z)


def _coarse(resolution: Resolution) -> Resolution:
    """Return the coarse mesh of the Hessian, with the same overlaps."""
    # curvature is needed to some per cent only, and a gradient there costs 0.4 of one
    fields, order = round(0.6 * resolution.fields), round(0.7 * resolution.order)
    return replace(resolution, fields=fields, order=order)


def _refined(start: Maximum, resolution: Resolution, progress: Progress) -> Iterator[Maximum]:
    """Yield the maxima at the coarse and the full version of a resolution."""
    hessian = None
    found = start
    for mesh in (_coarse(resolution), resolution):
        of = recursion(start.of.loss, start.of.alpha, mesh, found.chi, progress)
        z = carried(found, of.mesh.middle)
        # the same overlaps on both meshes, so the Hessian of the coarse one fits
        found = maximise(of, z, found.chi, found.unit, hessian)
        hessian = found.hessian
        yield found


def carried(found: Maximum, middle: np.ndarray) -> np.ndarray:
    """Return z of a maximum on other steps, by interpolation of z √(1 − q) in ln(1 − q)."""
    old = found.of.mesh.middle
    # z grows like a power of 1 − q near −5/8: divided by √(1 − q) it is nearly straight
    scaled = found.z * np.sqrt(1 - old)
    new = np.interp(-np.log(1 - middle), -np.log(1 - old), scaled) / np.sqrt(1 - middle)
    # interpolation may dent it, and only non-decreasing z are admitted
    return np.maximum.accumulate(new)


def _state(
    loss: Loss, alpha: float, sketch: Maximum, progress: Progress
) -> tuple[FullRSBState, Maximum]:
    """Return the state at ``alpha`` from a coarse maximum nearby, and its own coarse maximum."""
    if sketch.of.alpha != alpha:
        of = recursion(loss, alpha, SKETCH, sketch.chi)
        sketch = maximise(of, sketch.z, sketch.chi, sketch.unit, sketch.hessian)
    told = _Shares(progress, sketch)
    # each mesh is coarser than the finest in one thing: three changes make the error
    steps = list(_refined(sketch, COARSE_STEPS, told))[-1]
    wide = list(_refined(steps, WIDE_LAST_STEP, told))[-1]
    coarse, fine = _refined(wide, FINEST, told)
    told.done()
    at = {
        name: label_values(found)
        for name, found in (("steps", steps), ("wide", wide), ("mesh", coarse), ("fine", fine))
    }
    values, error = _with_errors(at)
    # no extrapolation: f is stationary, and off by the square of what z is off
    change = np.abs(fine.action.value - np.array([m.action.value for m in (steps, wide, coarse)]))
    values["energy"], error["energy"] = fine.action.value, float(change.sum())
    error["z"] = _change_of_z(steps, fine)
    # no outlier where the margin, extrapolated, is negative: that of the last step is an artefact
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
    """Conversion of costs of evaluations to shares of the total."""

    def __init__(self, progress: Progress, sketch: Maximum) -> None:
        # panels in y: their number is the same at every order
        labels = sketch.of.y.size / SKETCH.order
        self.total, self.told, self.progress = 0.0, 0.0, progress
        for resolution in (COARSE_STEPS, WIDE_LAST_STEP, FINEST):
            steps = resolution.overlaps().size - 1
            # gradients: K + 1 for the Hessian and some, and about five on the full mesh
            for mesh, count in ((_coarse(resolution), steps + 8), (resolution, 5)):
                self.total += count * steps * mesh.fields * mesh.order * labels

    def __call__(self, cost: float) -> None:
        # the counts are estimates: never more than the whole
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
    # linear in the kink, from two widths of the last step to none
    reach = kink / (wide - kink) if wide > kink > 0 else 0.0

    def one(pick: Callable[[dict[str, Any]], Any], extrapolated: bool) -> tuple[Any, Any]:
        found = {name: pick(labels.values) for name, labels in at.items()}
        fine = found["fine"]
        if any(value is None for value in found.values()):
            return fine, None
        # one change for each refinement: they are added, since none is known to cancel another
        error = abs(fine - found["steps"]) + abs(fine - found["mesh"])
        last = fine - found["wide"]
        if extrapolated and reach:
            return fine + reach * last, error + REMAINDER * reach * abs(last)
        return fine, error + abs(last)

    values: dict[str, Any] = {}
    error: dict[str, Any] = {}
    for name in ("chi", "bulk_edge", "outlier", "outlier_overlap", "margin"):
        values[name], error[name] = one(lambda v, name=name: v[name], True)
    values["mu"], error["mu"] = one(lambda v: v["mu"], False)
    if at["fine"].corner:
        # there the edge is μ (full-rsb.md §2), so this is an error that no refinement need show
        missed = abs(values["bulk_edge"] - values["mu"])
        error["bulk_edge"] = max(error["bulk_edge"], missed)
        error["margin"] = max(error["margin"], missed)
    values["moments"], error["moments"] = {}, {}
    for k in at["fine"].values["moments"]:
        values["moments"][k], error["moments"][k] = one(lambda v, k=k: v["moments"][k], False)
    return values, error


def _change_of_z(steps: Maximum, fine: Maximum) -> float:
    """Return the largest difference of z between coarse steps and their parts, 0.05 < q < 0.95."""
    ends = steps.of.mesh.q
    # ∫ z dq: a coarse step is compared with the mean of its parts
    total = np.concatenate([[0.0], np.cumsum(fine.z * fine.of.mesh.step)])
    mean = np.diff(np.interp(ends, fine.of.mesh.q, total)) / np.diff(ends)
    # z vanishes at q = 0 and may diverge at 1: near the ends its value on a step says little
    seen = (ends[:-1] > 0.05) & (ends[1:] < 0.95)
    return float(np.abs(mean - steps.z)[seen].max())


def _discontinuity(found: Maximum) -> float:
    """Return the largest |αλ²E∫Pφ″² − 1| for q between 0.05 and 0.95."""
    at = profile(found)
    seen = (at["q"] > 0.05) & (at["q"] < 0.95)
    return float(np.abs(at["replicon"][seen] - 1).max())
