"""Losses and laws with which the N → ∞ dynamics is compared."""

import numpy as np
from scipy import stats

from gapless.losses import Loss, quartic
from gapless.theory.dmft import (
    Dynamics,
    GradientDescent,
    PathDraws,
    solve,
)

square = Loss("square", lambda h, y: h**2, lambda h, y: 2 * h, lambda h, y: 2 + 0 * h, 2.0)
"""ℓ = ŷ²: descent is power iteration on a Wishart matrix."""

bounded = Loss(
    "bounded",
    lambda h, y: np.cos(h) * np.sin(y) + h**2 / 4,
    lambda h, y: -np.sin(h) * np.sin(y) + h / 2,
    lambda h, y: -np.cos(h) * np.sin(y) + 0.5,
    2.0,
)
"""Not quadratic, of bounded curvature: any step that is short enough is stable."""


def descent(alpha, step, steps, paths=2048, path_set=0, loss=quartic, **more):
    dynamics, times = Dynamics(loss, alpha, **more), step * np.arange(steps + 1)
    return solve(dynamics, PathDraws(paths, 0, path_set), GradientDescent(step), times)


def finished(run):
    while not run.is_finished:
        run = run.advanced()
    return run


def spread_bound(values):
    """How far the mean of independent sets may be from its law: once in a million further.

    Student's quantile times the standard error; sets along the first axis.
    """
    sets = len(values)
    return stats.t.isf(5e-7, sets - 1) * np.std(values, axis=0, ddof=1) / np.sqrt(sets)


def linear_flow(matrix, w, t):
    """Where dw/dt = −A w + μ w leads on the sphere."""
    values, vectors = np.linalg.eigh(matrix)
    w = (w @ vectors) * np.exp(-(values - values[0]) * t)
    return vectors @ (w / np.linalg.norm(w))


def images(sensing):
    """X in the directions that were drawn, float64, (J, P)."""
    return sensing.images.array().astype(float)
