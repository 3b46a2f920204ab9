"""Problems from measurements of the user's own: X, and intensities y² or amplitudes |y|.

X is not copied. The rows of A as measured have the root mean squared norm c, and a signal of norm
ρ gives labels c ρ/√N times those of a state on the sphere. So the problem has X = A/c (by its
products, `gapless.sensing.ScaledSensing`), labels y √N/(c ρ), and states W = w √N/ρ; losses keep
their meaning, and spectra and theory their units. `OwnProblem.signal` and `OwnProblem.labels` undo
both factors. A complex A is stored as rows (Re a, −Im a), of 2N real numbers, which is one copy.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from typing import Any, Literal

import numpy as np

from gapless.arrays import Array, jax
from gapless.design import Design
from gapless.inputs import real_array, shaped, whole
from gapless.losses import Loss, check_for_runs, is_built_in, quartic
from gapless.precision import Dtype, precision
from gapless.problem.complex import ComplexProblem, as_complex
from gapless.problem.measured import (
    LARGEST_NORM,
    amplitudes,
    blocks,
    check_rank,
    check_within,
    given_vectors,
    look_at,
    matrix_and_field,
)
from gapless.problem.parts import made
from gapless.problem.problem import Problem
from gapless.sensing import ScaledSensing
from gapless.shapes import Float

NormFrom = Literal["teacher", "given", "labels"]


@dataclass(frozen=True, eq=False)
class OwnProblem:
    """A problem of measured labels, with the factors between its units and those of the data."""

    problem: Problem
    """X = A/c, labels of order one, teachers on the sphere of radius √N."""
    start: Float[Array, "K N"]
    """W(0)."""
    row_norm: float
    """c, the root mean squared norm of the rows of A as given."""
    norm: np.ndarray
    """ρ, the norm of the signal in the units of the data, (K,)."""
    norm_from: NormFrom
    """Source of ρ: the teacher, the argument, or the labels.

    From labels it is an estimate, ρ = √(N mean y²)/c, with a relative error of about 1/√M.
    """
    design: Design
    """Keys of all that is drawn: starts, permutations, signs."""
    given: tuple[np.ndarray | None, ...]
    """A, |y|, teachers and norms as they were given."""

    def signal(self, w: Float[Array, "K N"]) -> np.ndarray:
        """Return w = W ρ/√N in the units of the data, (K, N), up to signs, or phases if complex."""
        w = self.problem.states(w)
        vectors = as_complex(w) if self.problem.field == "complex" else np.asarray(w)
        return vectors * (self.norm[:, None] / self.problem.n**0.5)

    def labels(self, w: Float[Array, "K N"]) -> np.ndarray:
        """Return ŷ = A w of states W, |ŷ| if complex, in the units of the data, (K, M)."""
        return np.asarray(self.problem.student_labels(w)) * self.label_norm[:, None]

    @property
    def label_norm(self) -> np.ndarray:
        """c ρ/√N, the labels of the data over those of the problem, (K,)."""
        return self.row_norm * self.norm / self.problem.n**0.5

    def misfit(self, w: Float[Array, "K N"]) -> np.ndarray:
        """Return |ŷ² − y²|/|y²| over the samples, (K,): 0 where all intensities are explained."""
        y2 = np.asarray(self.problem.labels, float) ** 2
        found = np.asarray(self.problem.student_labels(w), float) ** 2
        return np.linalg.norm(found - y2, axis=1) / np.linalg.norm(y2, axis=1)

    def energy(self, w: Float[Array, "K N"]) -> np.ndarray:
        """Return e = (1/2N) Σ ℓ(ŷ, y) of the labels in the units of the data, (K,)."""
        y = np.asarray(self.problem.labels, float) * self.label_norm[:, None]
        value = self.problem.loss.value(np.asarray(self.labels(w), float), y)
        return np.asarray(value.sum(axis=1) / (2 * self.problem.n))

    def shuffled(self) -> "OwnProblem":
        """Return the problem whose labels are a permutation of the data's, one for each run."""
        problem = self.problem
        labels = problem.array(self.design.shuffle(np.array(problem.labels)))
        parts = problem.sensing, labels, problem.teacher, problem.loss
        return replace(self, problem=made(type(problem), *parts, has_signal=False))

    def of_norm(self, factor: np.ndarray) -> "OwnProblem":
        """Return the problem with ρ times a factor for each run, (K,)."""
        problem = self.problem
        factor = np.asarray(real_array("factor", factor, (problem.k,)), float)
        if not (factor > 0).all():
            raise ValueError("factor: must be positive for every run")
        labels = problem.array(np.asarray(problem.labels) / factor[:, None])
        parts = problem.sensing, labels, problem.teacher, problem.loss
        changed = made(type(problem), *parts, has_signal=problem.has_signal)
        return replace(self, problem=changed, norm=self.norm * factor)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the given arrays, with their shapes and precisions."""
        return digest_of(*self.given)


def problem_from_arrays(
    x: Any,
    y2: Any = None,
    *,
    y: Any = None,
    teacher: Any = None,
    loss: Loss = quartic,
    start: Any = None,
    norm: Any = None,
    runs: int | None = None,
    seed: int = 0,
    in_numpy: bool | None = None,
) -> OwnProblem:
    """Return the problem of measurements: X with intensities y² or amplitudes |y|.

    The flow, spectra and theory are those of rows of mean squared norm 1 and labels of order one;
    `OwnProblem.signal` and `OwnProblem.labels` give W and ŷ in the units of the data. X is used
    where it lies, also if it is mapped from a file (``numpy.load(…, mmap_mode="r")``).

    Parameters
    ----------
    x : (M, N)
        X in float64, float32 or float16, whose precision is computed in (float32 for float16), or
        complex, which makes the problem one of complex signals (`ComplexProblem`). Its rank must be
        N; this is computed up to N = `gapless.problem.measured.RANK_UP_TO` (half of it if complex),
        beyond which M ≥ N and columns that do not vanish are required.
    y2, y : (M,) or (K, M)
        Intensities y² ≥ 0, or amplitudes, whose sign plays no part; one of the two, of any real
        type. Of rank 1 they are those of all runs.
    teacher : (N,) or (K, N)
        The signal in the units of the data, where it is known: overlaps are those with it.
    loss
        ℓ(ŷ, y).
    start : (K, N)
        W(0), of any length; random by default, as `gapless.design.Design.start` draws it.
    norm
        Norm ρ of the signal, where it is known, one number or (K,); by default that of the teacher
        or, without one, an estimate from the labels (`gapless.flow.fit_norm` improves it).
    runs, seed
        K and the seed of random starts; K is 1 by default, or the number of given rows.
    in_numpy
        Compute in NumPy, without compilation; by default for all losses of this package.

    Raises
    ------
    ValueError
        For arrays of other shapes or kinds, entries that are not finite, negative intensities, an X
        of deficient rank; the message names the array and the remedy.
    """
    x = x if hasattr(x, "shape") else np.asarray(x)
    m, n = shaped("X", x, (None, None), "(M, N)").shape
    matrix, field = matrix_and_field(x)
    labels, size = amplitudes(y2, y, m, n), matrix.shape[1]
    rows = look_at("X", matrix)
    check_rank(rows, m, n, matrix.dtype)
    dtype: Dtype = "float64" if matrix.dtype.itemsize >= 8 else "float32"
    check_for_runs(loss, dtype)
    signal = None if teacher is None else given_vectors("teacher", teacher, n, field)
    first = None if start is None else given_vectors("start", start, n, field)
    k = _number_of_runs(labels, signal, first, runs)
    given = (matrix, labels, signal, None if norm is None else np.asarray(norm))
    length, source = _norms(norm, signal, labels, rows.norm, n, k)
    length = np.broadcast_to(length, (k,)).copy()
    labels = np.broadcast_to(labels, (k, m)) * (n**0.5 / (rows.norm * length))[:, None]
    # what float32 holds of them and of their squares
    name = {"given": "norm", "teacher": "teacher", "labels": "labels"}[source]
    said = f"{name}: the labels are {{:.3g}} times those of a signal of this norm"
    check_within(LARGEST_NORM, labels.max(axis=1), said)
    if signal is not None:
        signal = (
            np.broadcast_to(signal, (k, size))
            * (size**0.5 / np.linalg.norm(signal, axis=1))[:, None]
        )
    in_numpy = is_built_in(loss) if in_numpy is None else in_numpy
    design = Design(n=n, alpha=m / n, seed=seed, runs=k, in_numpy=in_numpy, field=field)
    put: Callable[[Any], Any] = partial(np.asarray, dtype=dtype)
    sensing = ScaledSensing(matrix, 1 / rows.norm)
    with precision(dtype) if not in_numpy else np.errstate():
        if not in_numpy:
            sensing, put = sensing.map(shared), partial(jax.numpy.asarray, dtype=dtype)
        first = design.start() if first is None else first
        y0, w0, started = put(labels), None if signal is None else put(signal), put(first)
    kind = ComplexProblem if field == "complex" else Problem
    problem = made(kind, sensing, y0, w0, loss, has_signal=signal is not None)
    return OwnProblem(problem, started, rows.norm, length, source, design, given)


def digest_of(*arrays: Array | None) -> str:
    """Return the SHA-256 of arrays, of their shapes and precisions; none counts as well."""
    found = sha256()
    for array in arrays:
        if array is None:
            found.update(b"none")
            continue
        whole = np.asarray(array)
        found.update(f"{whole.dtype.str}{whole.shape}".encode())
        # block by block: an array in columns, or one mapped from a file, is not copied
        for block in blocks(np.atleast_1d(whole)):
            found.update(np.ascontiguousarray(block).data)
    return found.hexdigest()


def shared(array: np.ndarray) -> Array:
    """Return an array of JAX on the memory of one of NumPy, or a copy if that is not aligned."""
    return jax.device_put(np.asarray(array), may_alias=True)


def _number_of_runs(
    labels: np.ndarray, signal: np.ndarray | None, first: np.ndarray | None, runs: int | None
) -> int:
    """Return K, in which all given arrays must agree."""
    # labels of shape (M,) are of one signal, which any number of runs may look for
    sizes = {"y": len(labels)} if labels.ndim == 2 else {}
    if signal is not None and len(signal) != (len(labels) if labels.ndim == 2 else 1):
        raise ValueError(
            f"teacher: has {len(signal)} rows; give one for each row of labels, of shape "
            "(N,) for labels of shape (M,)"
        )
    if first is not None:
        sizes["start"] = len(first)
    if runs is not None:
        sizes["runs"] = whole("runs", runs, 1)
    if len(set(sizes.values())) > 1:
        shown = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(f"{', '.join(sizes)}: must have one number of runs, not {shown}")
    return next(iter(sizes.values()), 1)


def _norms(
    norm: Any, signal: np.ndarray | None, labels: np.ndarray, row_norm: float, n: int, k: int
) -> tuple[np.ndarray, NormFrom]:
    """Return ρ of each row of labels and its source."""
    if norm is not None:
        given = np.ravel(np.asarray(real_array("norm", norm), float))
        if given.size not in (1, k) or not (given > 0).all():
            raise ValueError(f"norm: must be one positive number, or (K,) = ({k},) of them")
        return given, "given"
    # exact, where labels give an estimate
    if signal is not None:
        return np.linalg.norm(signal, axis=1), "teacher"
    # E y² = c² ρ²/N for samples in random directions
    return np.sqrt((np.atleast_2d(labels) ** 2).mean(axis=1) * n) / row_norm, "labels"
