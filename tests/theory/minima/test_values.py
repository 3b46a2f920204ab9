"""What is said of counted minima, against matrices."""

import numpy as np
import pytest

from gapless.losses import quartic
from gapless.theory.minima.law import MinimaMeasure, Multipliers
from gapless.theory.minima.values import toward_signal
from gapless.theory.roots import root_between


def test_the_border_term_of_the_gradient_against_a_matrix():
    # A Schur complement of Σ d x xᵀ with x orthogonal to the gradient, N = 400: Eq. (L10).
    rng = np.random.default_rng(5)
    n, alpha, q = 400, 3.0, 0.6
    m = int(alpha * n)
    steep = rng.random(m) < 0.5
    d = np.where(steep, 6.0, 0.2)
    force = 1 + 0.1 * rng.standard_normal(m)
    v = np.where(steep, 1.0, -1.0) + 0.2 * rng.standard_normal(m)
    v -= force * (force @ v) / (force @ force)
    x = rng.standard_normal((m, n)) / np.sqrt(n)
    x -= np.outer(force, force @ x) / (force @ force)
    matrix = x.T @ (d[:, None] * x)
    border = x.T @ (d * v) / np.sqrt(n)
    lam = float(np.linalg.eigvalsh(matrix)[0]) - 2
    measured = float(d @ v**2) / n - border @ np.linalg.solve(matrix - lam * np.eye(n), border)
    gamma = root_between(lambda g: float(np.sum(d / (1 + g * d))) / n - 1 / g - lam, 1e-4, 0.3)
    h = rng.standard_normal(m)
    one = np.ones(m)[:, None]
    measure = MinimaMeasure(
        loss=quartic,
        at=Multipliers(gamma, 0.0, 0.0, 0.0, 0.0, alpha),
        overlap=q,
        annealed=False,
        y=q * h + np.sqrt(1 - q**2) * v,
        y_weight=one[:, 0] / m,
        h=h[:, None],
        weight=one,
        value=one,
        d1=force[:, None],
        responses=(d / (1 + gamma * d))[None, :, None],
        log_norm=0.0,
    )
    # Fluctuations of relative size √(2/N) of φ − λ: 7 %, allowed four times; without the
    # gradient's term φ would be 1.3 lower.
    predicted = toward_signal(measure, gamma)
    assert measured == pytest.approx(predicted, abs=4 * (predicted - lam) * np.sqrt(2 / n) / 4)
