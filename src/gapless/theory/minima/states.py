"""Minima by energy and overlap: the states of Eq. (L5) and their errors."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gapless.flags import as_ever
from gapless.inputs import Field, check_field, number, ratio
from gapless.labels import LabelLaw
from gapless.losses import Loss
from gapless.quadrature import LEVELS, Level
from gapless.theory.branch import HIGHEST_ALPHA
from gapless.theory.label_measure import has_kink
from gapless.theory.minima.curves import (
    DEEPEST,
    Kind,
    along_kappa,
    at_alpha,
    continuation,
    deepest_curve,
    large_alpha_guess,
    most_numerous_curve,
    thin_curve,
    walk_to_end,
    without_complexity,
)
from gapless.theory.minima.law import Multipliers
from gapless.theory.minima.system import Solved, newton
from gapless.theory.minima.values import natural_sizes, state_values, toward_signal
from gapless.theory.replica import check_loss
from gapless.theory.roots import NotConverged
from gapless.theory.saddle import ENOUGH, ROUND_OFF, agree, errors

LABELS = ("quenched", "annealed")
_OVERLAP_STEP = 0.1


@dataclass(frozen=True, eq=False)
class Minima:
    """Minima of one energy and overlap, counted by Kac and Rice (docs/derivations/landscape.md).

    Parameters
    ----------
    alpha
        Samples per dimension, M/N.
    overlap, labels
        |⟨W, W*⟩|/N; "quenched" or "annealed".
    gamma, omega, kappa
        γ with ψ(γ) = μ; the multiplier ω ≥ 0 of the bulk edge; κ = dΣ/de.
    energy, complexity
        e = (α/2) E ℓ; Σ: the number of such minima is e^{NΣ} on average over X.
    mu
        The multiplier of Eq. 3, (α/2) E[ŷ ℓ′].
    bulk_edge
        λ₋ of ½Σℓ″xxᵀ, before μ is subtracted; equal to μ at marginal minima.
    outlier
        Eigenvalue below λ₋ along the signal, before μ is subtracted; None without one.
    moments
        E|ŷ|^k, named ``abs``, ``2``, ``3``, ``4``.
    law
        P(ŷ, y) as quadrature atoms, folded to y ≥ 0 and, at overlap 0, to ŷ ≥ 0.
    flags
        ``gapped`` (the bulk edge lies above zero; otherwise the minima are marginal),
        ``negative_complexity`` (Σ < 0: no such minima in a typical X), ``border`` (φ(γ) − μ),
        ``unstable`` (φ(γ) < μ: a signal with these labels is a direction of descent) and
        ``second_variation`` (below 1 the law is a maximum of the count, Eq. (L9)).
    error
        Estimated absolute error of each value, under the same keys.
    """

    alpha: float
    overlap: float
    labels: str
    gamma: float
    omega: float
    kappa: float
    energy: float
    complexity: float
    mu: float
    bulk_edge: float
    outlier: float | None
    moments: dict[str, float]
    law: LabelLaw = field(repr=False)
    flags: dict[str, Any]
    error: dict[str, Any]

    def record(self) -> dict[str, Any]:
        """Return all but the law, ready for JSON."""
        return {name: value for name, value in vars(self).items() if name != "law"}


@as_ever(loading=False)
def minima(
    loss: Loss,
    alpha: float,
    *,
    kappa: float | None = None,
    energy: float | None = None,
    deepest: bool = False,
    overlap: float = 0.0,
    labels: str = "quenched",
    field: Field = "real",
) -> Minima:
    """Return the minima of one energy and overlap with their law of labels, Eq. (L5).

    At most one of ``kappa``, ``energy`` and ``deepest`` is given; without any the minima are the
    most numerous ones, κ = 0. The first call for a loss follows them along α, which takes about
    0.2 s, and 0.3 s more for the deepest ones; later calls take about 0.1 s.

    Parameters
    ----------
    loss
        Even in ŷ and y, with a continuous slope.
    alpha
        M/N.
    kappa
        dΣ/de: positive below the most numerous minima, negative above.
    energy
        e = L/N, in the units of Eq. 1; minima exist where Σ ≥ 0.
    deepest
        Take those with Σ = 0 below the most numerous ones.
    overlap
        ⟨W, W*⟩/N ≥ 0 with the teacher. The law at 0 is also that of shuffled labels.
    labels
        "quenched": the teacher's labels y are Gaussian, as for a typical X; "annealed": the number
        of minima is averaged over y as well, so that rare y contribute.
    field
        With ``complex`` signals a minimum is a circle e^{iφ}W, Σ is ln(number)/N of them, and the
        overlap is 0 (docs/derivations/complex.md §5).

    Raises
    ------
    ValueError
        If no such minimum exists, with the range of α, energy or overlap in which they do; for a
        loss that is not even or has a kink, and for options that exclude each other.
    NotConverged
        With the last iterate.
    """
    # refused before curves are followed, which takes half a second
    annealed = check_countable(loss, labels)
    check_field(field)
    alpha = ratio(alpha)
    overlap = number("overlap", overlap, 0.0)
    if overlap and field == "complex":
        raise ValueError(
            "overlap: minima of complex signals are counted at overlap 0; leave it out"
        )
    if overlap >= 1:
        raise ValueError(f"overlap: must lie below 1, not at {overlap:g}")
    if (kappa is not None) + (energy is not None) + bool(deepest) > 1:
        raise ValueError("kappa: give one of kappa, energy and deepest; leave the others out")
    kind = Kind(loss, annealed, overlap, field)
    # every other state is reached from the most numerous ones
    top = _most_numerous(kind, alpha)
    if kappa is not None:
        return refined(kind, _at_kappa(kind, top, number("kappa", kappa)).at)
    if energy is not None:
        energy = number("energy", energy, above=0)
        found = _at_energy(kind, top, energy)
        return refined(kind, found.at, ("kappa", "energy"), energy=energy)
    if deepest:
        return refined(kind, _deepest(kind, top).at, DEEPEST)
    return refined(kind, top.at)


def check_countable(loss: Loss, labels: str) -> bool:
    """Return whether labels are annealed, after a check that minima of the loss can be counted.

    Raises ``ValueError`` unless ℓ is even in ŷ and in y with a slope that is continuous at ŷ = 0.
    """
    if labels not in LABELS:
        raise ValueError(f"labels: must be one of {', '.join(LABELS)}, not {labels!r}")
    check_loss(loss)
    if has_kink(loss):
        raise ValueError(
            f"loss: {loss.name} has a kink at ŷ = 0, which its curvature omits: the marginal "
            "minima that are counted exist at no alpha, energy or overlap; take a loss with a "
            "continuous slope, such as quartic or normalised:a=1"
        )
    return labels == "annealed"


def _most_numerous(kind: Kind, alpha: float) -> Solved:
    """Return the minima of κ = 0; raise ``ValueError`` with the range of α without them."""
    # at overlap 0, where curves are kept for later calls; the overlap is gone to from there
    plain = Kind(kind.loss, kind.annealed, field=kind.field)
    if alpha > HIGHEST_ALPHA:
        found = plain.near(large_alpha_guess(kind.loss, alpha, kind.field))
    else:
        curve = most_numerous_curve(kind.loss, kind.annealed, kind.field)
        if alpha < curve.lowest:
            # made only if asked for: it takes as long as all the way from α = 1000
            curve = thin_curve(kind.loss, kind.annealed, kind.field)
        if alpha < curve.lowest:
            raise ValueError(
                f"alpha: minima of the {kind.loss.name} loss are resolved from {curve.lowest:.4g} "
                f"on, not at {alpha:g}: {_why_not_below(plain, curve.at[-1])}; raise it"
            )
        found = at_alpha(plain, curve, alpha)
    return _at_overlap(kind, found) if kind.overlap else found


def _why_not_below(kind: Kind, last: Multipliers) -> str:
    """Return the reason for which the minima end at the smallest α."""
    try:
        # a step beyond the end, for the reason that it fails with
        kind.near(last._replace(alpha=0.9 * last.alpha))
    except NotConverged:
        pass
    except ValueError as reason:
        return str(reason).removeprefix("loss: ")
    return "below, their labels crowd where 1 + γd vanishes"


def _at_overlap(kind: Kind, first: Solved) -> Solved:
    """Return the most numerous minima at an overlap, followed from those at overlap 0."""
    # in steps: c and the support change with q, and Newton does not go far
    found, overlap, step = first, 0.0, _OVERLAP_STEP
    while overlap < kind.overlap:
        ahead = min(overlap + step, kind.overlap)
        try:
            new = Kind(kind.loss, kind.annealed, ahead).near(found.at)
        except (NotConverged, ValueError):
            # never longer again: failures come near the end, where solutions cease to exist
            step /= 2
            if step < 1e-3:
                raise ValueError(
                    f"overlap: at alpha={first.at.alpha:g} minima are resolved up to overlap "
                    f"{overlap:.3f}, not at {kind.overlap:g}; lower it"
                ) from None
            continue
        before, now = found.averages.complexity, new.averages.complexity
        if now < 0:
            # by a straight line in Σ, for the message only: hence two digits
            last = overlap + (ahead - overlap) * before / (before - now)
            raise ValueError(
                f"overlap: at alpha={first.at.alpha:g} minima exist (Σ ≥ 0) up to overlap "
                f"{last:.2f} or so, not at {kind.overlap:g}; lower it"
            )
        found, overlap = new, ahead
    return found


def _at_kappa(kind: Kind, top: Solved, kappa: float) -> Solved:
    """Return the minima at ``kappa``, by one Newton solution or by steps in κ."""
    # κ of a few γ are within reach of one Newton solution
    if abs(kappa) < 5 * top.at.gamma:
        try:
            return kind.near(top.at._replace(kappa=kappa))
        except (NotConverged, ValueError):
            pass
    sign = 1 if kappa > 0 else -1

    def passed(solved: Solved) -> bool:
        # half a step short of it: the last bit is Newton's
        ahead = solved.at.kappa + 0.5 * sign * solved.at.gamma
        return sign * (ahead - kappa) > 0

    last = along_kappa(kind, top, passed, 0.4 * sign)[-1]
    try:
        return kind.near(last.at._replace(kappa=kappa))
    except (NotConverged, ValueError):
        side = "up to" if sign > 0 else "down to"
        raise ValueError(
            f"kappa: at alpha={top.at.alpha:g} minima are resolved {side} {last.at.kappa:.4g} "
            f"(energy {last.averages.energy:.6g}, Σ = {last.averages.complexity:.3g}), not at "
            f"{kappa:g}; move it toward 0"
        ) from None


def _deepest(kind: Kind, top: Solved) -> Solved:
    """Return the minima with Σ = 0; raise ``ValueError`` with the range if not resolved."""
    alpha = top.at.alpha
    if kind.overlap:
        try:
            return without_complexity(kind, top)
        except NotConverged:
            last = walk_to_end(kind, top, 1)[-1].averages
            raise ValueError(
                f"deepest: at alpha={alpha:g} and overlap {kind.overlap:g} minima are resolved "
                f"down to energy {last.energy:.6g}, where Σ = {last.complexity:.3g} > 0; give an "
                "energy above"
            ) from None
    curve = deepest_curve(kind.loss, kind.annealed, kind.field)
    # beyond the kept curve the minima are followed from its end
    inside = min(max(alpha, curve.lowest), curve.at[0].alpha)
    found = at_alpha(kind, curve, inside, DEEPEST)
    if inside != alpha:
        found = continuation(kind, found, 1.3 if alpha > inside else 1 / 1.3, alpha, DEEPEST)[-1]
    if not np.isclose(found.at.alpha, alpha, rtol=1e-12):
        raise ValueError(
            f"alpha: the deepest minima of the {kind.loss.name} loss are resolved as far as "
            f"{found.at.alpha:.4g}, not at {alpha:g}; {'lower' if alpha > 10 else 'raise'} it"
        )
    return found


def _at_energy(kind: Kind, top: Solved, energy: float) -> Solved:
    """Return the minima of one energy; raise ``ValueError`` with the range of Σ ≥ 0."""
    pair = ("kappa", "energy")
    try:
        found = kind.near(top.at, pair, energy=energy)
        # of two minima of one energy the one on the side of κ that belongs to it
        deeper = energy < top.averages.energy
        if found.averages.complexity >= 0 and (found.at.kappa > 0) == deeper:
            return found
    except (NotConverged, ValueError):
        pass
    # the whole range is found only now, for the message: it takes two walks
    low, high = sorted(_end(kind, top, sign) for sign in (1, -1))
    if not low <= energy <= high:
        raise ValueError(
            f"energy: at alpha={top.at.alpha:g} and overlap {kind.overlap:g} minima exist (Σ ≥ 0) "
            f"between {low:.6g} and {high:.6g}, not at {energy:g}"
        )
    # κ > 0 below the most numerous minima, since dΣ/de = κ
    sign = 1 if energy < top.averages.energy else -1
    last = along_kappa(kind, top, lambda s: sign * (s.averages.energy - energy) < 0, 0.2 * sign)[-1]
    return kind.near(last.at, pair, energy=energy)


def _end(kind: Kind, top: Solved, sign: int) -> float:
    """Return the energy at which Σ = 0, or the last one resolved on the way to it."""
    try:
        at = without_complexity(kind, top, sign).at
        # The energy is printed with six digits, and a starting point has three.
        return newton(kind.refined(at, DEEPEST), at, LEVELS[1], 1e-8).averages.energy
    except NotConverged:
        return walk_to_end(kind, top, sign)[-1].averages.energy


def refined(kind: Kind, at: Multipliers, *more: tuple[str, str], energy: float = 1.0) -> Minima:
    """Return the state near ``at``, solved on finer rules until two of them agree."""
    question = kind.refined(at, *more, energy=energy)

    def on(level: Level, start: Multipliers) -> tuple[Solved, dict[str, Any]]:
        solved = newton(question, start, level)
        return solved, state_values(solved.averages)

    # each level starts at the solution of the one before: a few Newton steps
    solved, coarse = on(LEVELS[1], at)
    fine, error = coarse, {}
    for level in LEVELS[2:]:
        solved, fine = on(level, solved.at)
        # rounding of the equations, amplified as the system does: no rule can do better
        noise = ROUND_OFF * solved.condition
        natural = natural_sizes(solved.averages, fine)
        error = errors(coarse, fine, natural, noise)
        # two rules that agree: the change between them is the error of the coarser one, at least
        if agree(fine, error, natural, max(ENOUGH, 10 * noise)):
            break
        coarse = fine
    # an α that was given has no error
    if "alpha" not in question.unknowns:
        del error["alpha"]
    averages = solved.averages
    # at the γ of ψ(γ) = μ, not at that of the edge: for gapped minima they differ
    border = toward_signal(averages.measure, averages.measure.at.gamma) - fine["mu"]
    flags = {
        "gapped": bool(fine["omega"] == 0),
        # beyond its error: at the deepest minima Σ is 0 to rounding
        "negative_complexity": bool(fine["complexity"] < -error["complexity"]),
        "border": border,
        "unstable": bool(border < 0),
        "second_variation": averages.second_variation,
    }
    return Minima(
        overlap=kind.overlap,
        labels=LABELS[kind.annealed],
        law=averages.measure.law(),
        flags=flags,
        error=error,
        **fine,
    )
