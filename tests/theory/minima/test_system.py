"""The conditions of the law: their derivatives, and that it maximises the count."""

import numpy as np
import pytest

from gapless.losses import normalised, quartic
from gapless.quadrature import LEVELS
from gapless.theory.minima import minima
from gapless.theory.minima.law import MinimaMeasure, Multipliers, minima_measure
from gapless.theory.minima.system import EQUATIONS, Question, moved
from gapless.theory.roots import root_between


@pytest.mark.parametrize(
    ("annealed", "overlap"),
    [
        *((False, 0.0), (True, 0.3)),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in ((False, 0.3), (True, 0.0))),
    ],
)
def test_the_jacobian_is_that_of_the_equations(annealed, overlap):
    # Away from any solution; central differences, step² times a third derivative.
    at = Multipliers(0.08, 0.0015, 0.02, 0.01, 0.02 if overlap else 0.0, 9.0)
    names = ("gamma", "force", "omega", "gap", "kappa", "alpha", *["signal"] * bool(overlap))
    question = Question(quartic, names, EQUATIONS, overlap, annealed, 5.0)
    _check_jacobian(question, at, names, overlap)


@pytest.mark.parametrize("loss", [quartic, normalised(1.0)], ids=repr)
def test_the_jacobian_of_complex_labels_is_that_of_the_equations(loss):
    at = Multipliers(0.1, 0.003, 0.08, 0.02, 0.0, 9.0)
    names = ("gamma", "force", "omega", "gap", "kappa", "alpha")
    _check_jacobian(Question(loss, names, EQUATIONS, energy=5.0, field="complex"), at, names, 0.0)


def _check_jacobian(question, at, names, overlap):
    jacobian, step = question.averages(at, LEVELS[2]).jacobian(), 1e-4
    for name in names:
        low, high = (
            question.averages(moved(at, {name: size}), LEVELS[2]).residuals(5.0)
            for size in (-step, step)
        )
        for equation in EQUATIONS:
            if equation == "border" and overlap:
                continue
            slope = (high[equation] - low[equation]) / (2 * step)
            assert slope == pytest.approx(jacobian[equation, name], rel=1e-5, abs=1e-5)


class Atoms:
    """K[ν] by its definition, Eq. (L4), on the atoms of a measure at overlap 0."""

    def __init__(self, measure: MinimaMeasure) -> None:
        self.measure = measure
        at, h = measure.at, measure.h
        self.kept = measure.weight > 1e-15
        d = measure.response / (1 - at.gamma * measure.response)
        self.h, self.d, self.d1 = h[self.kept], d[self.kept], measure.d1[self.kept]
        # log(ν/N) at the nodes, up to the norm at each y: the exponent of Eq. (L5).
        self.exponent = (
            np.log1p(at.gamma * np.where(self.kept, d, 0))
            - at.force * measure.d1**2
            - (at.gamma + at.omega) / 2 * h * measure.d1
            - at.kappa / 2 * measure.value
            + at.omega * np.where(self.kept, measure.response, 0)
        )

    def functional(self, tilt: np.ndarray) -> tuple[float, float]:
        """Return K and the gap λ₋ − μ of ν e^tilt, normalised at each y."""
        m, at = self.measure, self.measure.at
        weight = np.where(self.kept, m.weight * np.exp(tilt), 0)
        norm = weight.sum(axis=1, keepdims=True)
        weight /= norm
        # KL(ν′|N) = KL(ν|N) + E′ of what changed; log Z_y is averaged already.
        log_ratio = self.exponent + tilt - np.log(norm)
        kl = float(m.y_weight @ np.sum(weight * log_ratio, axis=1)) - m.log_norm
        w = (m.y_weight[:, None] * weight)[self.kept]
        mu = at.alpha / 2 * float(w @ (self.h * self.d1))

        def psi(gamma: float) -> float:
            return at.alpha * float(w @ (self.d / (1 + gamma * self.d))) - 1 / gamma

        def slope(gamma: float) -> float:
            return 1 - at.alpha * float(w @ (gamma * self.d / (1 + gamma * self.d)) ** 2)

        pole = -1 / self.d.min() if self.d.min() < 0 else np.inf
        top = min(pole * (1 - 1e-9), 5 * at.gamma)
        edge = top if slope(top) > 0 else root_between(slope, 1e-3 * at.gamma, top)
        gap = psi(edge) - mu
        if gap < -1e-9:
            return -np.inf, gap
        gamma = edge if gap < 1e-9 else root_between(lambda g: psi(g) - mu, 1e-4 * edge, edge)
        determinant = at.alpha * float(w @ np.log1p(gamma * self.d)) - np.log(gamma) - 1
        force = np.log(at.alpha / 4 * float(w @ self.d1**2))
        return (1 - force) / 2 - at.alpha * kl + determinant - gamma * mu, gap


@pytest.mark.parametrize(("loss", "alpha"), [(quartic, 4.0), (quartic, 10.0), (normalised(1.0), 4)])
def test_the_law_maximises_the_count_among_laws_of_minima(loss, alpha):
    state = minima(loss, alpha)
    force = 1 / (2 * alpha * state.law.mean(lambda h, y: loss.d1(h, y) ** 2))
    at = Multipliers(state.gamma, force, state.omega, 0.0, 0.0, alpha)
    measure = minima_measure(loss, at, LEVELS[1])
    atoms = Atoms(measure)
    best, gap = atoms.functional(np.zeros(measure.h.shape))
    assert best == pytest.approx(state.complexity, abs=1e-8)
    assert gap == pytest.approx(0, abs=1e-7)

    def centred(f):
        return f - measure.rows(f)[:, None]

    def inner(a, b):
        return float(measure.y_weight @ measure.rows(a * b))

    constraint = centred(np.where(atoms.kept, measure.response, 0) - measure.h * measure.d1 / 2)
    push = centred(np.clip(constraint, -5, 5))
    rng = np.random.default_rng(3)
    for _ in range(4):
        phase, wave, tilt = rng.uniform(0, 6), 3 * rng.normal(), rng.normal()
        eta = centred(np.cos(wave * measure.h + tilt * measure.y[:, None] + phase))
        eta -= push * inner(eta, constraint) / inner(push, constraint)
        losses = []
        for size in (0.05, 0.1):
            # Back on the manifold λ₋ = μ, then also off it, to where the minima are gapped.
            share = root_between(
                lambda b, size=size, eta=eta: atoms.functional(size * eta + b * push)[1], -0.1, 0.1
            )
            along = max(
                atoms.functional(size * eta + (share + nudge) * push)[0]
                for nudge in (0, 1e-9, -1e-9)
            )
            gapped = max(
                atoms.functional(size * eta + (share + nudge) * push)[0] for nudge in (3e-3, -3e-3)
            )
            assert gapped < along < best
            losses.append((best - along) / size**2)
        # No first order is left: halving the size divides the loss by four.
        assert losses[0] == pytest.approx(losses[1], rel=0.1)
    assert 0 < state.flags["second_variation"] < 1
