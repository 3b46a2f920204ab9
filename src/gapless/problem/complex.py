"""Phase retrieval of complex signals: the quantities of `Problem` (docs/derivations/complex.md).

W, W* and x are complex, y = |⟨x, W*⟩| is a modulus, and the loss ℓ(r, s) is that of the moduli
r = |ŷ| and s = |y|. A state is 2N real numbers, √2 (Re W, Im W), on the sphere of radius √(2N):
flow, Lanczos and records are those of real states, with e = L/N, μ, t and |∇L − μW|²/N of
W itself, |W|² = N.
"""

from dataclasses import dataclass

import numpy as np

from gapless.arrays import Array, library
from gapless.inputs import Field
from gapless.labels import ComplexLabelLaw
from gapless.linalg import (
    Gram,
    PhasedGram,
    both_readings,
    readings,
    through_rows,
    times,
    times_i,
)
from gapless.losses import Loss, quartic
from gapless.problem.parts import registered
from gapless.problem.problem import Problem
from gapless.problem.states import Evaluation, at_states
from gapless.sensing import unscaled
from gapless.shapes import Complex, Float
from gapless.sphere import dot

ROOT_HALF = 0.5**0.5
"""A reading of W, over that of its state √2 (Re W, Im W)."""
TINY = 1e-30
"""Modulus below which the phase of ŷ does not matter."""


def as_complex(states: Float[Array, "... D"]) -> Complex[np.ndarray, "... N"]:
    """Return the complex vectors W of states √2 (Re W, Im W), in NumPy."""
    states = np.asarray(states)
    half = states.shape[-1] // 2
    # √2: |W|² = N, and |state|² = 2N
    return ROOT_HALF * (states[..., :half] + 1j * states[..., half:])


def as_real(w: Complex[np.ndarray, "... N"]) -> Float[np.ndarray, "... D"]:
    """Return the states √2 (Re W, Im W) of complex vectors W, in NumPy."""
    return np.concatenate([np.real(w), np.imag(w)], axis=-1) / ROOT_HALF


def check_real(problem: Problem, what: str) -> None:
    """Raise ``ValueError`` that says that something is defined for real signals only."""
    if problem.field != "real":
        raise ValueError(f"problem: {what} for real signals only; its field is {problem.field}")


def label_parts(w: Float[Array, "K N"], x: Float[Array, "M N"]) -> Float[Array, "K 2 M"]:
    """Return Re ŷ and Im ŷ, ŷ = ⟨x, W⟩, of states."""
    return ROOT_HALF * readings(w, x)


def modulus(both: Float[Array, "K 2 M"]) -> Float[Array, "K M"]:
    """Return |ŷ| of both parts of labels."""
    return library(both).sqrt((both**2).sum(axis=1))


@registered
@dataclass(frozen=True, eq=False)
class ComplexProblem(Problem):
    """K instances of complex phase retrieval that share one sensing matrix.

    Parameters
    ----------
    sensing : (M, 2N)
        Rows (Re x, Im x) of variance 1/(2N), of norm one on average.
    labels : (K, M)
        The moduli s = |y|.
    teacher : (K, 2N) or None
        √2 (Re W*, Im W*), one for each run.
    loss, has_signal
        As of `Problem`.

    Raises
    ------
    ValueError
        As `Problem` does; for a sensing matrix with an odd number of columns, or by transforms.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.of_transforms:
            raise ValueError("sensing: complex signals need an X with entries, not by transforms")
        if self.dimension % 2:
            raise ValueError(
                f"sensing: complex signals need rows (Re x, Im x) of 2N numbers, not "
                f"{self.dimension}"
            )

    @property
    def n(self) -> int:
        """N, the complex input dimension."""
        return self.dimension // 2

    @property
    def field(self) -> Field:
        """Numbers that the signals consist of."""
        return "complex"

    @property
    def signals(self) -> Float[Array, "K D N"] | None:
        """W* and iW*: a global phase is not observed."""
        if self.teacher is None:
            return None
        # orthogonal and of one length: they span W* with every phase
        with self.computing():
            return library(self.teacher).stack([self.teacher, times_i(self.teacher)], axis=1)

    def zero_modes(self, w: Float[Array, "K N"]) -> tuple[Float[Array, "K N"], ...]:
        """Return iW, the direction of the global phase, whose eigenvalue is zero at rest (C5)."""
        return (times_i(w),)

    @at_states("w")
    def student_labels(self, w: Float[Array, "K N"]) -> Float[Array, "K M"]:
        """Return the moduli r = |ŷ|, ŷ = ⟨x, W⟩."""
        return modulus(self.label_parts(w))

    @at_states("w")
    def energy(self, w: Float[Array, "K N"]) -> Float[Array, " K"]:
        """Return e = L/N = (1/2N) Σ ℓ(r, s), (C1)."""
        return self.loss.value(modulus(self.label_parts(w)), self.labels).sum(axis=1) / (2 * self.n)

    @at_states("w")
    def gradient(self, w: Float[Array, "K N"]) -> Float[Array, "K N"]:
        """Return ∇L = ½ Σ (ℓ′(r, s)/r) ŷ x, as a state (docs/derivations/complex.md §1)."""
        both = self.label_parts(w)
        # ℓ′/r stays finite at r = 0, where ŷ has no phase
        slope = self.loss.across(modulus(both), self.labels) / 2
        return self.adjoint(both * slope[:, None])

    def label_parts(self, w: Float[Array, "K N"]) -> Float[Array, "K 2 M"]:
        """Return Re ŷ and Im ŷ, ŷ = ⟨x, W⟩, of states."""
        return label_parts(w, self.sensing)

    def adjoint(self, forces: Float[Array, "K 2 M"]) -> Float[Array, "K N"]:
        """Return Σ_m (f₁ + if₂) x as a state, of complex numbers f given by their parts."""
        # both parts as rows of one product with X
        runs, _, m = forces.shape
        found = times(forces.reshape(2 * runs, m), self.sensing).reshape(runs, 2, -1)
        # a state is √2 times its vector
        return (found[:, 0] + times_i(found[:, 1])) / ROOT_HALF

    @at_states("w")
    def multiplier(self, w: Float[Array, "K N"]) -> Float[Array, " K"]:
        """Return μ = (1/2N) Σ ℓ′(r, s) r, Eq. 3 and (C1)."""
        # that of real signals, for ⟨x ŷ, W⟩ = r²
        return self._mu(modulus(self.label_parts(w)))

    @at_states("w")
    def curvature(self, w: Float[Array, "K N"]) -> tuple[Float[Array, "K 3 M"], Float[Array, " K"]]:
        """Return B₁₁, B₁₂, B₂₂ of every sample, and μ (`PhasedGram`).

        In the frame of ŷ's phase B is diagonal: d_R = ½ℓ″ along it and d_I = ½ℓ′/r across.
        """
        both = self.label_parts(w)
        r = modulus(both)
        across = self.loss.across(r, self.labels) / 2
        along = self.loss.d2(r, self.labels) / 2
        # B = d_I 1 + (d_R − d_I) n nᵀ, n the direction of (Re ŷ, Im ŷ)
        # at ŷ = 0 both curvatures are equal, and any direction will do
        re, im = (both[:, j] / library(r).maximum(r, TINY) for j in (0, 1))
        excess = along - across
        parts = [across + excess * re**2, excess * re * im, across + excess * im**2]
        return library(r).stack(parts, axis=1), self._mu(r)

    def gram(self, curvature: Array, mu: Float[Array, " K"]) -> Gram:
        """Return the K Hessians as operators, from the result of `curvature`."""
        return PhasedGram(self.sensing, curvature, -mu)

    def near_signal(self, w: Float[Array, "K N"]) -> tuple[Float[Array, "K N"], Gram]:
        """Return the solution e^{iφ}W* nearest to W, and the Hessians there, where μ = 0."""
        assert self.teacher is not None
        re, im = dot(self.teacher, w), dot(times_i(self.teacher), w)
        size = library(w).sqrt(re**2 + im**2)
        turned = re[:, None] * self.teacher + im[:, None] * times_i(self.teacher)
        signal = turned / size[:, None]
        curvature, _ = self.curvature(signal)
        return signal, self.gram(curvature, library(w).zeros(self.k, w.dtype))

    def sample_squares(self, v: Float[Array, "P N"]) -> Float[Array, "P M"]:
        """Return |⟨x_m, v⟩|² of vectors, x without the factor of X."""
        return (readings(v, unscaled(self.sensing)[0]) ** 2).sum(axis=1)

    @at_states("w")
    def evaluate(self, w: Float[Array, "K N"]) -> Evaluation:
        """Return energy, μ and velocity from one pass over X; see `Problem.evaluate`."""

        def weigh(images: Array, s: Array) -> tuple[Array, Array]:
            # both readings of a run stand along the one axis on which samples have length one
            axis = next(i for i in range(3) if images.shape[i] != s.shape[i])
            xp = library(images)
            r = ROOT_HALF * xp.sqrt((images**2).sum(axis=axis, keepdims=True))
            value = self.loss.value(r, s)
            return xp.concatenate([value, value], axis), images * (self.loss.across(r, s) / 2)

        sums, totals = through_rows(weigh, self.sensing, self.labels, both_readings(w))
        gradient = totals[:, 0] + times_i(totals[:, 1])
        mu = self.domain.multiplier(dot(gradient, w), dot(w, w))
        velocity = mu[:, None] * w - gradient
        # |velocity|²/2 is that of W itself
        return Evaluation(
            sums[:, 0] / (2 * self.n), mu, velocity, dot(velocity, velocity) / self.dimension
        )

    @at_states("w", "v")
    def hessian_product(
        self, w: Float[Array, "K N"], v: Float[Array, "K N"]
    ) -> Float[Array, "K N"]:
        """Return H v, H = Σ (d_R aaᵀ + d_I bbᵀ) − μ 1 (C4); the phase iW is not projected out."""
        return self.gram(*self.curvature(w))(v[:, None])[:, 0]

    @at_states("w", "teacher")
    def _overlap_with(
        self, w: Float[Array, "K N"], teacher: Float[Array, "K N"]
    ) -> Float[Array, " K"]:
        # the modulus |⟨W, W*⟩|: a phase cannot be observed, and there is no sign
        parts = (dot(w, teacher), dot(w, times_i(teacher)))
        norms = dot(w, w) * dot(teacher, teacher)
        xp = library(w)
        # rounding may pass 1 near the signal, where 1 − q is what is asked for
        return xp.minimum(xp.sqrt((parts[0] ** 2 + parts[1] ** 2) / norms), 1)

    def label_law(self, w: Float[Array, "K N"], run: int) -> ComplexLabelLaw:
        """Return the empirical law of (r, s) of one run.

        Raises as `run_index` does.
        """
        run = self.run_index(run)
        r = np.asarray(self.student_labels(w), float)[run]
        return ComplexLabelLaw.from_run(r, np.asarray(self.labels, float)[run])


def complex_problem(
    x: Complex[np.ndarray, "M N"],
    labels: Complex[np.ndarray, "K M"] | Float[np.ndarray, "K M"],
    teacher: Complex[np.ndarray, "K N"] | None = None,
    loss: Loss = quartic,
) -> ComplexProblem:
    """Return the problem of complex arrays: rows x of norm 1 on average, labels y or |y|.

    Raises ``ValueError`` as `ComplexProblem` does.
    """
    rows = np.concatenate([np.real(x), np.imag(x)], axis=-1)
    signal = None if teacher is None else as_real(teacher)
    return ComplexProblem(rows, np.abs(labels), signal, loss, has_signal=teacher is not None)
