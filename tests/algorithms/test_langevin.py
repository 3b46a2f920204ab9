"""Langevin dynamics samples the Gibbs measure."""

import jax
import numpy as np
import pytest

from gapless.algorithms import (
    langevin,
)
from gapless.design import Design
from gapless.losses import Loss
from gapless.problem import draw_problem
from sampling import SIGMAS

quadratic = Loss(
    "quadratic",
    lambda yhat, y: yhat**2 + 0 * y,
    lambda yhat, y: 2 * yhat + 0 * y,
    lambda yhat, y: 2 + 0.0 * (yhat + y),
    2.0,
)
"""L = ½ Wᵀ XᵀX W: its Gibbs measure on the sphere is Bingham's."""


def bingham_energy(eigenvalues, temperature):
    """⟨½ Σ a_i w_i²⟩ for density ∝ exp(−Σ a_i w_i²/2T) on |w|² = N, from Z as an inverse Laplace
    transform: Z ∝ ∫ ds e^{Ns} Π (s + a_i/2T)^{−1/2} along Re s = s₀ > 0, and ⟨L⟩ = −∂ log Z/∂(1/T).
    """
    n = eigenvalues.size
    s = 0.5 + 1j * np.linspace(-400, 400, 800_001)
    log_weight, mean = n * s, np.zeros_like(s)
    for a in eigenvalues:
        log_weight = log_weight - 0.5 * np.log(s + a / (2 * temperature))
        mean = mean + a / 4 / (s + a / (2 * temperature))
    weight = np.exp(log_weight - log_weight.real.max())
    return float(((weight * mean).sum() / weight.sum()).real)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.5, 4.0])
def test_langevin_samples_the_gibbs_measure_of_a_quadratic_energy(temperature):
    design = Design(n=8, alpha=3, seed=5, runs=512)
    problem = draw_problem(design, loss=quadratic)
    x = np.asarray(problem.sensing, float)
    exact = bingham_energy(np.linalg.eigvalsh(x.T @ x), temperature)
    hot = bingham_energy(np.linalg.eigvalsh(x.T @ x), 1e6)
    assert hot == pytest.approx(np.trace(x.T @ x) / 2, rel=1e-4)  # uniform on the sphere

    def mean(rate):
        # slowest relaxation time is below 1; the first 5 units of time are left out
        steps = round(15 / rate)
        _, energy = langevin(
            problem,
            design.start(),
            key=jax.random.key(7),
            temperature=temperature,
            rate=rate,
            steps=steps,
        )
        runs = 8 * np.asarray(energy[:, steps // 3 :], float).mean(axis=1)
        return runs.mean(), runs.std(ddof=1) / 512**0.5

    (coarse, e1), (fine, e2) = mean(0.02), mean(0.01)
    # the error is linear in the step: extrapolate it away
    found, error = 2 * fine - coarse, (4 * e2**2 + e1**2) ** 0.5
    assert error < 0.01 * exact
    assert abs(found - exact) < SIGMAS * error
    assert abs(exact - hot) > 20 * error  # a uniform sampler would fail
