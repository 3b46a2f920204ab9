"""Minima along α, κ and overlap, starting points of solvers (docs/derivations/landscape.md §5)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gapless.inputs import Field
from gapless.losses import Loss
from gapless.quadrature import LEVELS, half_gaussian_pair, half_modulus_pair
from gapless.theory.branch import HIGHEST_ALPHA
from gapless.theory.label_measure import evaluate
from gapless.theory.minima.law import Multipliers, stretches
from gapless.theory.minima.samples import curvature_functions, log_base
from gapless.theory.minima.system import Question, Solved, newton
from gapless.theory.roots import NotConverged

_SKETCH = 1e-3
"""Tolerance of starting points; Newton's method takes one step more from there than from 1e-6."""
_FEW = 12
"""Largest number of Newton steps to a starting point; more mean that its guess was too far away."""
_THINNEST = 1e-4
"""Smallest ω/γ of a law with a boundary 1 + γd = 0: below it the quadrature does not resolve the
factor e^{−(ω/γ)/(1+γd)}."""
_THIN = 5e-3
"""ω/γ below which starting points need the finer rule too."""
_NOBODY = 1e-9
"""Largest probability of labels at which a boundary 1 + γd = 0 is neglected."""
_THIN_ALPHA = 1.5
"""α below which ω/γ is small; continuation below takes as long as from α = 1000 down to it."""
DEEPEST = ("kappa", "complexity")
"""Unknown and equation of the deepest minima, Σ = 0."""


@dataclass(frozen=True)
class Kind:
    """Loss, law of the labels and overlap of a family of minima.

    Parameters
    ----------
    loss, annealed, overlap, field
        The arguments of `minima_measure`.
    """

    loss: Loss
    annealed: bool = False
    overlap: float = 0.0
    field: Field = "real"

    def marginal(self, at: Multipliers, *more: tuple[str, str], energy: float = 1.0) -> Question:
        """Return the system of equations of the marginal minima near ``at``.

        Parameters
        ----------
        more
            Further pairs of an unknown and an equation: (kappa, energy), (kappa, complexity),
            (alpha, border).
        """
        # Without a boundary ω may cross zero, where the minima become gapped.
        omega = "gap" if self.boundary(at.gamma) == 0 else "omega"
        return self._question(
            ("gamma", "force", omega), ("force", "spectrum", "edge"), more, energy
        )

    def gapped(self, *more: tuple[str, str], energy: float = 1.0) -> Question:
        """Return the system of equations of the minima with a bulk edge above zero (ω = 0)."""
        return self._question(("gamma", "force"), ("force", "spectrum"), more, energy)

    def _question(
        self,
        unknowns: tuple[str, ...],
        equations: tuple[str, ...],
        more: tuple[tuple[str, str], ...],
        energy: float,
    ) -> Question:
        # at overlap 0 E[ℓ′y] vanishes by symmetry, and c with it
        pairs = (*more, ("signal", "signal")) if self.overlap else more
        return Question(
            self.loss,
            (*unknowns, *(unknown for unknown, _ in pairs)),
            (*equations, *(equation for _, equation in pairs)),
            self.overlap,
            self.annealed,
            energy,
            self.field,
        )

    def boundary(self, gamma: float) -> float:
        """Return the probability of the teacher's labels at which 1 + γd vanishes at some ŷ."""
        # midpoints of panels of 0.05: the share is needed to be told from zero, not to digits
        y = np.linspace(0.025, 9.975, 200)
        bounded = y[stretches(self.loss, gamma, y, self.field) > 0]
        return float(0.05 * np.exp(log_base(self.field, bounded)).sum())

    def near(self, at: Multipliers, *more: tuple[str, str], energy: float = 1.0) -> Solved:
        """Return a starting point near ``at``: marginal minima, or gapped ones without them.

        Raises `NotConverged` if neither is found.
        """
        # gapped minima stay so along a curve until F reaches 1, where they are refused
        if at.omega == 0:
            return self._without_edge(at, *more, energy=energy)
        # the last drop of the law is too narrow for the coarsest rule
        level = LEVELS[1] if at.omega < _THIN * at.gamma else LEVELS[0]
        try:
            found = newton(self.marginal(at, *more, energy=energy), at, level, _SKETCH, _FEW)
        # ω may have fallen to zero on the way: the family goes on gapped
        except NotConverged:
            return self._without_edge(at, *more, energy=energy)
        if found.at.omega < self._floor(found.at):
            return self._without_edge(found.at, *more, energy=energy)
        return found

    def _floor(self, at: Multipliers) -> float:
        """Return the smallest ω that the quadrature resolves."""
        # without a boundary the law is smooth down to ω = 0
        return _THINNEST * at.gamma if self.boundary(at.gamma) else 0.0

    def _without_edge(self, at: Multipliers, *more: tuple[str, str], energy: float) -> Solved:
        found = newton(
            self.gapped(*more, energy=energy), at._replace(omega=0.0), LEVELS[0], _SKETCH, _FEW
        )
        # F > 1: the edge would lie below zero, and these would be no minima
        if found.averages.marginality > 1 + 1e-6 or self.boundary(found.at.gamma) > _NOBODY:
            raise NotConverged(
                "minima (ω too small to be resolved)", found.at._asdict(), np.zeros(2)
            )
        return found

    def refined(self, at: Multipliers, *more: tuple[str, str], energy: float = 1.0) -> Question:
        """Return the system of equations that ``at``, a solution of `near`, solves."""
        if at.omega > 0:
            return self.marginal(at, *more, energy=energy)
        return self.gapped(*more, energy=energy)


def large_alpha_guess(loss: Loss, alpha: float, field: Field = "real") -> Multipliers:
    """Return the most numerous minima as α → ∞, where ŷ and y become independent.

    F = 1 gives γ = 1/√(α E d²) and ψ = μ, to first order in γ, ω/γ = 2E d²/Var g − C, with
    g = d − ½ŷℓ′ and C curvatures d of a sample, over which d and d² are averaged.
    """
    h, y, weight = (half_gaussian_pair if field == "real" else half_modulus_pair)(LEVELS[0])
    # ŷ and y independent: plain Gaussian averages of the loss (landscape.md §3)
    d = np.stack([evaluate(f, h, y) / 2 for f in curvature_functions(loss, field)])
    slope = evaluate(loss.d1, h, y)
    curvature, square = float(weight @ (d**2).mean(axis=0)), float(weight @ slope**2)
    # by parts E g = 0
    variance = float(weight @ (d.mean(axis=0) - h * slope / 2) ** 2)
    gamma = 1 / np.sqrt(alpha * curvature)
    omega = gamma * (2 * curvature / variance - len(d))
    force = len(d) / (2 * alpha * square)
    # 0.01 γ: where the limit of ω is negative the marginal family is tried all the same
    return Multipliers(gamma, force, max(omega, 0.01 * gamma), 0.0, 0.0, alpha)


@dataclass(frozen=True, eq=False)
class Curve:
    """Minima along α, starting points of solvers.

    Parameters
    ----------
    at
        Multipliers, in order of decreasing α.
    border
        γ(φ − μ) of each of them.
    """

    at: tuple[Multipliers, ...]
    border: tuple[float, ...]

    @property
    def lowest(self) -> float:
        """The smallest α of the curve."""
        return self.at[-1].alpha

    def guess(self, alpha: float) -> Multipliers:
        """Return multipliers at ``alpha``, interpolated in log α, or those of the nearest end."""
        # negative: `np.interp` wants increasing abscissae, and curves run to smaller α
        logs = -np.log([at.alpha for at in self.at])
        # held at the ends: extrapolated multipliers may leave the region of solutions
        x = float(np.clip(-np.log(alpha), logs[0], logs[-1]))
        columns = np.array(self.at)
        values = [float(np.interp(x, logs, column)) for column in columns.T]
        return Multipliers(*values)._replace(alpha=alpha)


def _ahead(then: Multipliers, now: Multipliers, share: float) -> Multipliers:
    """Return multipliers extrapolated in logarithms, by ``share`` of the way from then to now."""
    return Multipliers(
        *(b * (b / a) ** share if a > 0 and b > 0 else b for a, b in zip(then, now, strict=True))
    )


def continuation(
    kind: Kind, first: Solved, ratio: float, end: float, *more: tuple[str, str]
) -> list[Solved]:
    """Return minima from ``first`` to α = ``end``, with first step a factor ``ratio`` in α.

    The step in log α is halved where the solver fails, and the curve ends where it falls to 0.02.
    """
    # in log α, where multipliers are nearly powers
    found, step = [first], np.log(ratio)
    while abs(step) > 0.02 and (end - found[-1].at.alpha) * step > 0:
        last = found[-1].at
        alpha = last.alpha * float(np.exp(step))
        alpha = min(alpha, end) if step > 0 else max(alpha, end)
        ahead = last._replace(alpha=alpha)
        if len(found) > 1:
            # extrapolated as powers of α; κ may vanish or change its sign, and is kept
            share = np.log(alpha / last.alpha) / np.log(last.alpha / found[-2].at.alpha)
            ahead = _ahead(found[-2].at, last, share)._replace(alpha=alpha)
        try:
            new = kind.near(ahead, *more)
        except (NotConverged, ValueError):
            new = None
        # Σ = 0 above the most numerous minima too: κ < 0.
        if new is None or new.at.kappa < 0:
            step /= 2
            continue
        found.append(new)
        # longer again after a success, at most by a factor e^0.5 in α
        step = float(np.clip(1.3 * step, -0.5, 0.5))
    return found


def _border(solved: Solved) -> float:
    # times γ, of order one at every α: the zero is interpolated in it
    return solved.at.gamma * (solved.averages.phi - solved.averages.mu)


def _curve(solved: list[Solved]) -> Curve:
    return Curve(tuple(s.at for s in solved), tuple(_border(s) for s in solved))


def _continued(kind: Kind, above: Curve, ratio: float, end: float, *more: tuple[str, str]) -> Curve:
    """Return a curve with the minima that follow its last point, to α = ``end``."""
    below = _curve(continuation(kind, kind.near(above.at[-1], *more), ratio, end, *more))
    # both have the point in common
    return Curve((*above.at, *below.at[1:]), (*above.border, *below.border[1:]))


@lru_cache(maxsize=32)
def most_numerous_to_ten(loss: Loss, annealed: bool, field: Field = "real") -> Curve:
    """Return the most numerous minima (κ = 0) from α = 1000 down to 10.

    Raises ``ValueError`` if there are none at α = 1000.
    """
    kind = Kind(loss, annealed, field=field)
    try:
        # from large α, where the law is known in closed form
        first = kind.near(large_alpha_guess(loss, HIGHEST_ALPHA, field))
    except NotConverged:
        raise ValueError(
            f"loss: {loss.name} has no minima that the count resolves at α = {HIGHEST_ALPHA:g}, "
            "from where it is continued"
        ) from None
    return _curve(continuation(kind, first, 1 / 1.4, 10.0))


@lru_cache(maxsize=32)
def most_numerous_curve(loss: Loss, annealed: bool, field: Field = "real") -> Curve:
    """Return the most numerous minima (κ = 0) from α = 1000 down to 1.5.

    Raises ``ValueError`` if there are none at α = 1000.
    """
    above, kind = most_numerous_to_ten(loss, annealed, field), Kind(loss, annealed, field=field)
    # where the first half ends before α = 10, so does the curve
    return _continued(kind, above, 1 / 1.4, _THIN_ALPHA) if above.lowest == 10 else above


@lru_cache(maxsize=32)
def thin_curve(loss: Loss, annealed: bool, field: Field = "real") -> Curve:
    """Return the most numerous minima from α = 1.5 down to the smallest resolved α."""
    kind = Kind(loss, annealed, field=field)
    first = kind.near(most_numerous_curve(loss, annealed, field).at[-1])
    return _curve(continuation(kind, first, 1 / 1.1, 1.0))


@lru_cache(maxsize=32)
def deepest_from_ten(loss: Loss, annealed: bool, field: Field = "real") -> Curve:
    """Return the deepest minima (Σ = 0) along α, from 100 down to 10.

    Raises `NotConverged` if they are not found at α = 10.
    """
    kind = Kind(loss, annealed, field=field)
    # from α = 10, where the deepest minima are resolved for the losses that have any
    first = without_complexity(
        kind, kind.near(most_numerous_to_ten(loss, annealed, field).guess(10.0))
    )
    return _curve(continuation(kind, first, 1.3, 100.0, DEEPEST)[::-1])


@lru_cache(maxsize=32)
def deepest_curve(loss: Loss, annealed: bool, field: Field = "real") -> Curve:
    """Return the deepest minima (Σ = 0) along α, from 100 down to 2.

    Raises `NotConverged` if they are not found at α = 10.
    """
    above, kind = deepest_from_ten(loss, annealed, field), Kind(loss, annealed, field=field)
    return _continued(kind, above, 1 / 1.3, 2.0, DEEPEST)


def at_alpha(kind: Kind, curve: Curve, alpha: float, *more: tuple[str, str]) -> Solved:
    """Return the minima at α, interpolated in a curve or continued from its nearest point.

    Raises `NotConverged` if neither gives a solution.
    """
    try:
        found = kind.near(curve.guess(alpha), *more)
        # Σ = 0 has a solution above the most numerous minima too, which is not meant
        if found.at.kappa >= 0:
            return found
    except (NotConverged, ValueError):
        pass
    # interpolation may miss where the curve bends: then its nearest point is followed
    nearest = min(curve.at, key=lambda at: abs(np.log(at.alpha / alpha)))
    ratio = 1.1 if alpha > nearest.alpha else 1 / 1.1
    last = continuation(kind, kind.near(nearest, *more), ratio, alpha, *more)[-1]
    if not np.isclose(last.at.alpha, alpha, rtol=1e-12):
        raise NotConverged("minima", last.at._asdict(), np.zeros(1))
    return last


def along_kappa(
    kind: Kind, solved: Solved, until: Callable[[Solved], bool], step: float
) -> list[Solved]:
    """Return minima along κ, in steps of ``step`` γ, from ``solved`` to the first with ``until``.

    The list ends earlier where the step falls to 0.02.
    """
    found = [solved]
    while not until(found[-1]) and abs(step) > 0.02 and len(found) < 200:
        last = found[-1].at
        try:
            # κ in units of γ: both scale alike with α
            found.append(kind.near(last._replace(kappa=last.kappa + step * last.gamma)))
        except (NotConverged, ValueError):
            step /= 2
            continue
        # after a success: with the halvings above steps adapt to the curve
        step *= 1.3
    return found


def without_complexity(kind: Kind, solved: Solved, sign: int = 1) -> Solved:
    """Return the minima with Σ = 0 below (sign 1) or above (−1) those of κ = 0.

    Raises `NotConverged` if the last resolved minima have Σ > 0.
    """
    straight = _without_walk(kind, solved, sign)
    if straight is not None:
        return straight
    found = walk_to_end(kind, solved, sign)
    last = found[-1]
    if last.averages.complexity > 0:
        raise NotConverged("minima with Σ = 0", last.at._asdict(), np.zeros(1))
    above, below = found[-2].averages.complexity, last.averages.complexity
    # a secant in Σ: the start of Newton, whose steps κ limits
    kappa = float(np.interp(0, [below, above], [last.at.kappa, found[-2].at.kappa]))
    near = min(found[-2:], key=lambda one: abs(one.at.kappa - kappa))
    ends = kind.near(near.at._replace(kappa=kappa), DEEPEST)
    # Newton may land on the other zero of Σ, on the far side of the most numerous minima
    if ends.at.kappa * sign < 0:
        raise NotConverged("minima with Σ = 0", ends.at._asdict(), np.zeros(1))
    return ends


def _without_walk(kind: Kind, solved: Solved, sign: int) -> Solved | None:
    """Return the minima with Σ = 0 by one step in κ and a parabola, or None if that fails."""
    # dΣ/de = κ, and e is linear in κ near κ = 0: Σ falls by a square of κ.
    step = 0.5 * sign * solved.at.gamma
    try:
        aside = kind.near(solved.at._replace(kappa=step))
        fall = solved.averages.complexity - aside.averages.complexity
        if fall <= 0:
            return None
        kappa = step * float(np.sqrt(solved.averages.complexity / fall))
        ahead = _ahead(solved.at, aside.at, kappa / step - 1)._replace(kappa=kappa)
        ends = kind.near(ahead, DEEPEST)
    except (NotConverged, ValueError):
        return None
    return ends if ends.at.kappa * sign > 0 else None


def walk_to_end(kind: Kind, solved: Solved, sign: int) -> list[Solved]:
    """Return minima from κ = 0 down (sign 1) or up (−1) in energy to the first with Σ < 0."""
    return along_kappa(kind, solved, lambda s: s.averages.complexity < 0, 0.5 * sign)
