"""The spectral estimator has the overlap that theory gives."""

import jax.numpy as jnp
import numpy as np
import pytest

from gapless.algorithms import spectral, spectral_estimate
from gapless.channels import preprocessing
from gapless.design import Design
from gapless.inputs import Field
from gapless.problem import draw_problem
from gapless.theory.spectral import spectral_overlap
from sampling import SIGMAS, mean_over_designs


@pytest.mark.parametrize("field", ["real", "complex"])
@pytest.mark.parametrize("dense_up_to", [512, 0], ids=["LAPACK", "Lanczos"])
def test_the_estimate_has_the_largest_weighted_square_of_labels(
    field: Field, dense_up_to, monkeypatch
):
    """Σ T(y) |⟨x, v⟩|² is at most λ |v|² for any v, and that at the estimate."""
    monkeypatch.setattr(spectral, "DENSE_UP_TO", dense_up_to)
    design = Design(n=40, alpha=8, seed=0, runs=4, field=field)
    problem = draw_problem(design)
    w, pairs = spectral_estimate(problem, key=design.key("spectral"))
    assert pairs.converged.all()
    weight = preprocessing("weak", 8, field).transform(np.asarray(problem.labels, float))
    weight = np.maximum(weight, -spectral.DEEPEST * weight.max(axis=1, keepdims=True))

    def ratio(states):
        # states of a complex W are √2 (Re W, Im W), whose square is twice |W|²
        squares = (2 if field == "complex" else 1) * np.asarray(problem.student_labels(states)) ** 2
        return (weight * squares).sum(axis=1) / (np.asarray(states, float) ** 2).sum(axis=1)

    # Rayleigh: the residual is at most `TOLERANCE` of the width, and so is the error of λ
    slack = spectral.TOLERANCE * np.asarray(pairs.width)
    assert (abs(ratio(w) - pairs.values[:, 0]) < slack).all()
    for size in (0.01, 0.1, 1, 10):
        away = size * np.random.default_rng(0).standard_normal(w.shape)
        states = problem.array(np.asarray(w) + away)
        assert (ratio(states) <= pairs.values[:, 0] + slack).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "alpha"),
    [*(("weak", alpha) for alpha in (0.8, 1.2, 2.0, 3.0, 5.0)), ("best", 1.2)],
)
def test_the_spectral_start_has_its_exact_overlap(name, alpha):
    transform = preprocessing(name, alpha)
    overlaps = []
    for index in range(6):
        design = Design(n=4000, alpha=alpha, seed=0, index=index, runs=4)
        problem = draw_problem(design)
        w, pairs = spectral_estimate(problem, key=design.key("spectral"), transform=transform)
        assert pairs.converged.all()
        assert w.dtype == jnp.float32
        overlaps.append(np.asarray(problem.overlap(w), float).mean())
    mean, error = mean_over_designs(overlaps)
    exact, _ = spectral_overlap(transform, alpha)
    assert abs(mean - exact) < SIGMAS * error
    assert error < 0.03
    assert exact > 0.3
