"""The instances of a design: X, teachers and labels of a kind, with noise or without."""

import numpy as np

from gapless.arrays import Array
from gapless.design import Design
from gapless.inputs import LabelKind, check_labels, flag, number
from gapless.linalg import times_transpose
from gapless.losses import Loss, check_for_runs, quartic
from gapless.precision import Dtype, precision
from gapless.problem.complex import ComplexProblem, label_parts, modulus
from gapless.problem.parts import made
from gapless.problem.problem import Problem
from gapless.shapes import Float

HIGHEST_NOISE = 1e15
"""Largest variance of label noise, so that float32 holds energies, which go like its square."""


def draw_problem(
    design: Design,
    labels: LabelKind = "teacher",
    loss: Loss = quartic,
    dtype: Dtype = "float32",
    noise: float = 0.0,
    *,
    sphere: bool = True,
) -> Problem:
    """Draw the instances of a design.

    Parameters
    ----------
    labels
        ``teacher``: y = ⟨x, W*⟩. ``shuffled``: a permutation of those, of its own for each run.
        ``gaussian``: fresh N(0, 1). The last two share no information with X.
    dtype
        Every draw is made in float32 and then cast, so both precisions see the same instances
        (the labels y are computed in `dtype`).
    noise
        Δ, the variance of noise added to every label, y → y + √Δ n with n ~ N(0, 1), before they
        are shuffled. The energy then vanishes nowhere, and no run is solved.
    sphere
        Whether states stay on the sphere of radius √N (`Problem`). Teachers are on it either way.

    Raises
    ------
    ValueError
        For an unknown kind of labels or dtype, a negative noise, or a loss that the precision
        cannot compute (`gapless.losses.runs.check_for_runs`).
    """
    noise, sphere = check_noise(noise), flag("sphere", sphere)
    if not isinstance(design, Design):
        raise ValueError(f"design: must be a Design, not {type(design).__name__}")
    check_labels(labels)
    # before anything is drawn: an unknown dtype is refused at no cost
    context = np.errstate(all="ignore") if design.in_numpy else precision(dtype)
    check_for_runs(loss, dtype)
    with context:
        sensing = design.sensing_matrix(dtype)
        # float16 is how X is stored; labels and states are computed in float32
        dtype = "float32" if dtype == "float16" else dtype
        kind = Problem if design.field == "real" else ComplexProblem
        # |W*| = √N and rows of unit norm make y = ⟨x, W*⟩ of order one, N(0, 1) as N → ∞
        teacher = design.teacher().astype(dtype)
        # no teacher is kept: an overlap with it would be chance
        if labels == "gaussian":
            y = _observed(design, design.gaussian_labels().astype(dtype), noise)
            return made(kind, sensing, y, None, loss, has_signal=False, sphere=sphere)
        # noise before the shuffle, so that twins share the multiset of labels
        if design.field == "complex":
            y = _observed(design, label_parts(teacher, sensing), noise)
        else:
            y = _observed(design, times_transpose(teacher, sensing), noise)
        if labels == "shuffled":
            y = design.shuffle(y)
        has_signal = labels == "teacher"
        return made(kind, sensing, y, teacher, loss, has_signal=has_signal, sphere=sphere)


def check_noise(noise: float) -> float:
    """Return a variance of label noise; ``ValueError`` unless it is from 0 to `HIGHEST_NOISE`."""
    try:
        # Python's own number: one of NumPy's would set the precision of the labels
        return number("noise", noise, 0, HIGHEST_NOISE)
    except ValueError:
        raise ValueError(
            f"noise: the variance must be a number from 0 to {HIGHEST_NOISE:g}, not {noise!r}"
        ) from None


def _observed(design: Design, y: Float[Array, "K *P M"], noise: float) -> Float[Array, "K M"]:
    """Return labels with noise; of complex ones, given by their parts, the moduli."""
    # Δ is a variance, hence its root; without noise nothing is drawn
    y = y if noise == 0 else y + noise**0.5 * design.label_noise().astype(y.dtype)
    return y if design.field == "real" else modulus(y)
