"""The conditions of Eq. (L6) as one system, and its Jacobian in closed form.

The law is an exponential family in A, ω, κ and c, and nearly one in γ, so every derivative of an
average is a covariance at the same nodes (docs/derivations/landscape.md §5). A step of Newton's
method therefore costs one evaluation of the measure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gapless.inputs import Field
from gapless.losses import Loss
from gapless.quadrature import Level
from gapless.theory.minima.law import MinimaMeasure, Multipliers, minima_measure
from gapless.theory.roots import NotConverged

EQUATIONS = ("force", "spectrum", "edge", "signal", "energy", "complexity", "border")
"""Equations that a system may contain.

force: 2αA E ℓ′² = 1 (complex: αA E ℓ′² = 1); spectrum: ψ(γ) = μ; edge: F(γ) = 1; signal:
E[ℓ′(y − qŷ)] = 0; energy: e has a given value; complexity: Σ = 0; border: φ(γ) = μ, at overlap 0.
"""
_LONGEST = 0.7
"""Longest Newton step, in logarithms."""


@dataclass(frozen=True, eq=False)
class Averages:
    """Averages over one law of labels, and their derivatives.

    Parameters
    ----------
    measure
        Nodes of the law.
    """

    measure: MinimaMeasure

    @cached_property
    def _functions(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Return means and covariances of six functions of the labels, and E r³, E r²y².

        In order: ℓ′², r − ŷℓ′/2, r², ℓ, ℓ′(y − qŷ), ry² − ŷℓ′/2, with r = d/(1+γd).
        """
        m = self.measure
        column = m.y[:, None]
        square = m.d1 * m.d1
        # with its half, so that α E[pull] is μ
        pull = m.h * m.d1 / 2
        response, response2 = m.response, m.responses_to_the(2)
        # what must vanish in the mean along the signal, Eq. (L6)
        toward = m.d1 * (column - m.overlap * m.h)
        # every derivative of Eq. (L6) is a covariance of these (landscape.md §5)
        functions = (
            square,
            # ψ − μ and φ − μ, which are to vanish, without a difference of two averages
            response - pull,
            response2,
            m.value,
            toward,
            response * column**2 - pull,
        )
        weight = (m.y_weight[:, None] * m.weight).ravel()
        flat = np.stack([f.ravel() for f in functions])
        rows = np.stack([m.rows(f) for f in functions])
        means = rows @ m.y_weight
        # one product for all 36 covariances
        second = (flat * weight) @ flat.T
        if m.annealed:
            covariance = second - np.outer(means, means)
        else:
            # ν is normalised at each y, so only the scatter within a y responds to the multipliers
            covariance = second - (rows * m.y_weight) @ rows.T
        # γ stands inside r too: ∂r/∂γ = −r² and ∂r²/∂γ = −2r³
        cubes = np.array(
            [m.mean(m.responses_to_the(3)), float(m.y_weight @ (m.rows(response2) * m.y**2))]
        )
        return means, covariance, cubes, float(m.y_weight @ m.rows(pull))

    @property
    def second_variation(self) -> float:
        """Largest eigenvalue of the convex terms of K relative to α; below 1, ν is a maximum.

        By Eq. (L9) the second variation of K, on laws that keep the constraints, is −αE η² plus
        the squares of two linear forms. The value is the largest eigenvalue of their Gram matrix
        over α.
        """
        m, at = self.measure, self.measure.at
        means, covariance, cubes, _ = self._functions
        # functions whose mean a perturbation must keep: edge, energy, gradient along the signal
        constraints = {1: at.omega > 0, 3: at.kappa != 0, 4: m.overlap != 0}
        held = [index for index, active in constraints.items() if active]
        # ℓ′² and r², of the two terms of K that are convex; without ω the edge is no constraint
        free = [0, 2] if at.omega > 0 else [0]
        gram = covariance[np.ix_(free, free)]
        if held:
            across = covariance[np.ix_(held, free)]
            # Least squares: two constraints may coincide.
            gram = (
                gram
                - across.T @ np.linalg.lstsq(covariance[np.ix_(held, held)], across, rcond=None)[0]
            )
        # −ψ″(γ), positive since ψ is largest at the edge
        bend = 2 / at.gamma**3 - 2 * at.alpha * float(cubes[0])
        # prefactors of the two squares in Eq. (L9), as linear forms
        forms = np.array([np.sqrt(m.copies / 2) / means[0], at.alpha * np.sqrt(at.omega / bend)])
        forms = forms[: len(free)]
        return float(np.linalg.eigvalsh(forms[:, None] * gram * forms)[-1]) / at.alpha

    @property
    def square(self) -> float:
        """E ℓ′²."""
        return float(self._functions[0][0])

    @property
    def mu(self) -> float:
        """μ = (α/2) E[ŷℓ′], Eq. 3."""
        return self.measure.at.alpha * self._functions[3]

    @property
    def psi(self) -> float:
        """ψ(γ) = α E[d/(1+γd)] − 1/γ."""
        at = self.measure.at
        return at.alpha * float(self._functions[0][1]) + self.mu - 1 / at.gamma

    @property
    def phi(self) -> float:
        """φ(γ) = α E[dy²/(1+γd)]."""
        return self.measure.at.alpha * float(self._functions[0][5]) + self.mu

    @property
    def marginality(self) -> float:
        """F(γ) = α E[(γd/(1+γd))²]."""
        at = self.measure.at
        return at.alpha * at.gamma**2 * float(self._functions[0][2])

    @property
    def energy(self) -> float:
        """e = (α/2) E ℓ, Eq. 1."""
        return self.measure.at.alpha / 2 * float(self._functions[0][3])

    @property
    def complexity(self) -> float:
        """Σ at the stationary law, Eq. (L7)."""
        m, at = self.measure, self.measure.at
        # (α/4) E ℓ′² is the variance of the gradient in a tangent direction, Eq. (L1)
        # of complex signals for each of the two real dimensions of a component
        found = -m.copies * (np.log(at.alpha * self.square / 4) / 2 + np.log(at.gamma))
        found += at.alpha * m.log_norm + at.kappa * self.energy - at.omega / at.gamma
        return float(found + np.log1p(-(m.overlap**2)) / 2)

    def residuals(self, energy: float | None) -> dict[str, float]:
        """Return the residual of each equation, scaled to order one off the solution."""
        at, means = self.measure.at, self._functions[0]
        scale, copies = at.gamma * at.alpha, self.measure.copies
        found = {
            # logarithms where both sides are positive: of order one at every α
            "force": np.log(2 / copies * at.alpha * at.force * means[0]),
            # γ(ψ − μ): 1/γ is large at large α
            "spectrum": scale * means[1] - 1,
            "edge": np.log(self.marginality),
            "signal": scale * means[4],
            "complexity": self.complexity,
            "border": scale * means[5],
        }
        if energy is not None:
            found["energy"] = np.log(self.energy / energy)
        return {name: float(value) for name, value in found.items()}

    def jacobian(self) -> dict[tuple[str, str], float]:
        """Return ∂(equation)/∂(unknown), per unit of a step of the unknown as in `moved`."""
        at = self.measure.at
        means, covariance, cubes, _ = self._functions
        scale, copies = at.gamma * at.alpha, self.measure.copies
        # Derivatives of log-weights, in terms of the functions, per unit of each unknown.
        score = {
            "gamma": np.array([0, copies, -at.omega, 0, 0, 0]) * at.gamma,
            "force": np.array([-1.0, 0, 0, 0, 0, 0]) * at.force,
            "omega": np.array([0, 1.0, 0, 0, 0, 0]) * at.omega,
            "gap": np.array([0, 1.0, 0, 0, 0, 0]) * at.gamma,
            "kappa": np.array([0, 0, 0, -0.5, 0, 0]) * at.gamma,
            "signal": np.array([0, 0, 0, 0, 1.0, 0]) * at.gamma,
            # α stands in no weight: it acts beside the averages alone
            "alpha": np.zeros(6),
        }
        found: dict[tuple[str, str], float] = {}
        for name, weights in score.items():
            # of an exponential family: ∂E f/∂θ = Cov(f, ∂ log weight/∂θ)
            change = covariance @ weights
            if name == "gamma":
                change[1] -= at.gamma * means[2]
                change[2] -= 2 * at.gamma * cubes[0]
                change[5] -= at.gamma * cubes[1]
            found["force", name] = change[0] / means[0]
            found["spectrum", name] = scale * change[1]
            found["edge", name] = change[2] / means[2]
            found["signal", name] = scale * change[4]
            found["border", name] = scale * change[5]
            found["energy", name] = change[3] / means[3]
            # all terms of Σ: only at the solution is it stationary in ν
            found["complexity", name] = (
                -copies * change[0] / means[0] / 2
                + at.alpha * float(weights @ means)
                + at.kappa * at.alpha / 2 * change[3]
            )
        # What stands beside the averages: α, γ, A, κ, ω.
        for name in ("alpha", "gamma"):
            found["spectrum", name] += scale * means[1]
            found["signal", name] += scale * means[4]
            found["border", name] += scale * means[5]
        found["force", "alpha"] += 1
        found["force", "force"] += 1
        found["edge", "alpha"] += 1
        found["edge", "gamma"] += 2
        found["energy", "alpha"] += 1
        found["complexity", "alpha"] += (
            -copies / 2 + at.alpha * self.measure.log_norm + at.kappa * self.energy
        )
        found["complexity", "gamma"] += at.omega / at.gamma - copies
        found["complexity", "omega"] -= at.omega / at.gamma
        found["complexity", "gap"] -= 1
        found["complexity", "kappa"] += at.gamma * self.energy
        return found


@dataclass(frozen=True)
class Question:
    """System of equations for a state: unknowns and the equations that determine them.

    Parameters
    ----------
    loss, overlap, annealed, field
        The arguments of `minima_measure`.
    unknowns
        Names of `Multipliers`; the others keep their values. "gap" is ω without the logarithm,
        which may then cross zero.
    equations
        The same number of `EQUATIONS`.
    energy
        The value of e in the equation "energy".
    """

    loss: Loss
    unknowns: tuple[str, ...]
    equations: tuple[str, ...]
    overlap: float = 0.0
    annealed: bool = False
    energy: float | None = None
    field: Field = "real"

    def averages(self, at: Multipliers, level: Level) -> Averages:
        """Return averages over the law with these multipliers."""
        kind = self.overlap, self.annealed, self.field
        return Averages(minima_measure(self.loss, at, level, *kind))


def moved(at: Multipliers, step: Mapping[str, float]) -> Multipliers:
    """Return the multipliers after a step, in log γ, log A, log ω, log α, κ/γ and c/γ."""
    changed = {}
    for name, size in step.items():
        field = "omega" if name == "gap" else name
        value = getattr(at, field)
        # logarithms keep γ, A, ω and α positive however long a step; κ and c have either sign
        linear = name in ("kappa", "signal", "gap")
        changed[field] = float(value + at.gamma * size if linear else value * np.exp(size))
    return at._replace(**changed)


@dataclass(frozen=True, eq=False)
class Solved:
    """Solution of a system of equations at one level of quadrature.

    Parameters
    ----------
    averages
        Averages at the solution, to the tolerance of `newton`.
    condition
        ‖Jacobian⁻¹‖, at least 1: the amplification of noise in the equations.
    """

    averages: Averages
    condition: float

    @property
    def at(self) -> Multipliers:
        """The multipliers."""
        return self.averages.measure.at


def newton(
    question: Question,
    start: Multipliers,
    level: Level,
    tolerance: float = 1e-12,
    steps: int = 40,
) -> Solved:
    """Return the solution near ``start``, by Newton's method with steps of limited length.

    Parameters
    ----------
    tolerance
        Largest relative size of the remaining step. A step that stopped decreasing at round-off is
        accepted too.
    steps
        Largest number of steps.

    Raises `NotConverged` with the last multipliers.
    """
    at = start
    here = question.averages(at, level)
    residual = _vector(question, here)
    smallest = np.inf
    for _ in range(steps):
        slopes = here.jacobian()
        jacobian = np.array(
            [[slopes[row, name] for name in question.unknowns] for row in question.equations]
        )
        if not (np.isfinite(jacobian).all() and np.isfinite(residual).all()):
            break
        # least squares: next to a fold the Jacobian is singular, and this is its shortest step
        step = -np.linalg.lstsq(jacobian, residual, rcond=None)[0]
        size = float(np.abs(step).max())
        # at round-off steps no longer halve; 1e-9 is what two rules are asked to agree to
        if size <= tolerance or (size < 1e-9 and size >= smallest / 2):
            # how much noise of the equations is amplified: the error estimate needs it
            inverse = np.linalg.norm(np.linalg.pinv(jacobian), 2)
            return Solved(here, max(1.0, float(inverse)))
        smallest = min(smallest, size)
        # a factor of two or so in the multipliers: farther off the law's support is another
        step *= min(1.0, _LONGEST / size)
        # down to 1/243: shorter steps mean a start too far away, and callers have others
        for shorter in 3.0 ** -np.arange(6):
            pairs = zip(question.unknowns, shorter * step, strict=True)
            ahead = question.averages(moved(at, dict(pairs)), level)
            left = _vector(question, ahead)
            # residuals may grow by two, since Newton's way along a curved valley is not monotonic
            if np.abs(left).max() < 2 * np.abs(residual).max() + 1e-10:
                break
        else:
            break
        at, here, residual = ahead.measure.at, ahead, left
    raise NotConverged("minima", at._asdict(), residual)


def _vector(question: Question, averages: Averages) -> np.ndarray:
    found = averages.residuals(question.energy)
    return np.array([found[name] for name in question.equations])
