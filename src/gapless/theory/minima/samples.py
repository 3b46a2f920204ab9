"""Curvatures and base law of real and complex samples in the count (complex.md §5).

A real sample has the curvature ½ℓ″ and a Gaussian label. A complex one has two curvatures, ½ℓ″
along the phase of ŷ and ½ℓ′/r across it, and the moduli of its labels have the density 2r e^{−r²}.
"""

from collections.abc import Iterable
from functools import reduce

import numpy as np

from gapless.arrays import Pointwise
from gapless.inputs import Field
from gapless.losses import Loss
from gapless.quadrature import Level, half_gaussian, half_modulus
from gapless.theory.label_measure import evaluate

COPIES: dict[Field, int] = {"real": 1, "complex": 2}
"""Curvatures of a sample, and real dimensions of a component of W."""


def curvature_functions(loss: Loss, field: Field) -> tuple[Pointwise, ...]:
    """Return 2d as functions of (ŷ, y): ℓ″ alone, or ℓ″ and ℓ′/r."""
    return (loss.d2,) if field == "real" else (loss.d2, loss.across)


def inside(loss: Loss, field: Field, gamma: float, h: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the mask of labels at which 1 + γd > 0 for every curvature."""
    functions = curvature_functions(loss, field)
    return reduce(np.logical_and, (1 + gamma / 2 * evaluate(f, h, y) > 0 for f in functions))


def teacher_labels(
    field: Field, breaks: Iterable[float], level: Level
) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of the labels y ≥ 0."""
    return (half_gaussian if field == "real" else half_modulus)(breaks, level)


def log_base(field: Field, h: np.ndarray) -> np.ndarray:
    """Return the logarithm of the density of |ŷ| on ŷ > 0 at overlap 0."""
    if field == "real":
        return -(h**2) / 2 + np.log(2 / np.pi) / 2
    # at ŷ = 0 itself the density vanishes
    return np.log(2 * np.maximum(h, 1e-300)) - h**2
