"""Curvatures, atom by atom, and laws of labels."""

import numpy as np
import scipy.linalg

from gapless.labels import LabelLaw
from gapless.quadrature import LEVELS, half_gaussian_pair
from gapless.theory import (
    Curvatures,
)


def atoms(d, alpha, y2: np.ndarray | float = 1.0, weight=None):
    d = np.atleast_1d(np.asarray(d, float))
    weight = np.full(d.size, 1 / d.size) if weight is None else np.asarray(weight, float)
    return Curvatures(d, np.broadcast_to(np.asarray(y2, float), d.shape), weight, alpha)


def planted(seed=0, size=400, alpha=3.0):
    """A law with negative curvature where y² is large: an outlier on the left."""
    rng = np.random.default_rng(seed)
    y2 = rng.standard_normal(size) ** 2
    return atoms(rng.uniform(0, 2, size) + 2 - 4 * np.tanh(y2 / 2), alpha, y2)


def gaussian_law():
    h, y, weight = half_gaussian_pair(LEVELS[1])
    return LabelLaw(h, y, weight)


def second_derivative(law, gamma):
    """ψ″ at a root of F = 1, where ψ′ = (1 − F)/γ² vanishes: −F′/γ²."""
    slope = 2 * law.alpha * law.weight @ (gamma * law.d**2 / (1 + gamma * law.d) ** 3)
    return -slope / gamma**2


def completions(d, images, forces, n, draws, seed=0):
    """Lowest eigenvalue of Σ d x xᵀ and its vector along E, for fresh X beside the same history.

    X is the images on E, and Gaussian of variance 1/N, orthogonal to the forces, elsewhere.
    """
    rng = np.random.default_rng(seed)
    values, along = [], []
    for _ in range(draws):
        fresh = rng.standard_normal((d.size, n - images.shape[1])) / np.sqrt(n)
        x = np.hstack([images, fresh - forces @ (forces.T @ fresh)])
        value, vector = scipy.linalg.eigh((x.T * d) @ x, subset_by_index=[0, 0])
        values.append(value[0])
        along.append(vector[: images.shape[1], 0])
    return np.array(values), np.array(along)
