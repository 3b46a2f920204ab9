"""Teacher–student phase retrieval: energy, gradient, multiplier, Hessian products (Eqs. 1–4).

Conventions (`docs/conventions.md`): X is (M, N) with entries N(0, 1/N); W and W* lie on the
sphere of radius √N; the loss L of Eq. 1 is extensive and the energy is e = L/N. A problem
carries K runs on one X, so states are (K, N) and both products are matrix-matrix.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from functools import partial
from math import log2
from typing import Any

import numpy as np

from gapless.arrays import Array, is_traced, jnp, library, uncompiled
from gapless.flags import as_ever
from gapless.inputs import (
    Field,
    NoSuchRun,
    check_row_norms,
    flag,
    number,
    real_array,
    real_kind,
    shaped,
    whole,
)
from gapless.labels import LabelLaw
from gapless.linalg import (
    Gram,
    WeightedGram,
    through_rows,
    times,
    times_transpose,
)
from gapless.losses import Loss, check_for_runs, divided, quartic
from gapless.precision import Dtype, precision
from gapless.problem.parts import made, registered, unpickled
from gapless.problem.states import Evaluation, at_states, checked_states
from gapless.sensing import SensingMatrix, TransformSensing, converted, is_plain, unscaled
from gapless.shapes import Float, Int
from gapless.sphere import SPACE, SPHERE, Domain, cosine, dot


@registered
@dataclass(frozen=True, eq=False)
class Problem:
    """K instances of phase retrieval that share one sensing matrix.

    Arrays may be NumPy's or JAX's; integers become floats. If one of them is in float64 the
    problem computes in float64, independently of JAX's global flag; otherwise in float32.

    Parameters
    ----------
    sensing : (M, N)
        X, with entries of variance 1/N. It is row-major, with which ``W @ X.T`` and ``r @ X`` are
        fast on a CPU; or a `gapless.sensing.TransformSensing`, which has products and no entries.
        (`gapless.problem.problem_from_arrays` takes an X of any scale.)
    labels : (K, M)
        The labels y of each run. Losses are even in y, so its sign never matters.
    teacher : (K, N) or None
        W*, one for each run; None for labels without a teacher (``gaussian``).
    loss
        ℓ(ŷ, y).
    has_signal
        Whether the labels are the teacher's. Shuffled labels are not, and an overlap with the
        teacher is then accidental.
    sphere
        Whether states stay on the sphere of radius √N. Without it Ẇ = −∇L, the norm of W is free,
        and μ is zero throughout (`gapless.sphere.Domain`).

    Raises
    ------
    ValueError
        For arrays of other shapes, complex numbers, entries that are not finite, a teacher that
        vanishes; for rows of X whose mean squared norm is not 1 within its statistical error; for
        a loss that the precision cannot compute (`gapless.losses.runs.check_for_runs`).
    """

    sensing: SensingMatrix
    labels: Float[Array, "K M"]
    teacher: Float[Array, "K N"] | None
    loss: Loss = field(default=quartic)
    has_signal: bool = True
    sphere: bool = True
    # whether states need no look, because a loop made them
    in_loop: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        arrays = {"sensing": self.sensing, "labels": self.labels, "teacher": self.teacher}
        given = {name: a for name, a in arrays.items() if name != "teacher" or a is not None}
        # inside a compiled function the arrays were checked where they came from
        if is_traced(*self.arrays):
            return
        given = {
            name: a if isinstance(a, TransformSensing) else real_kind(name, a)
            for name, a in given.items()
        }
        # one float64 array is a wish for float64 throughout; X alone may be narrower
        wide = any(a.dtype.itemsize >= 8 and a.dtype.kind == "f" for a in given.values())
        dtype = "float64" if wide else "float32"
        m, n = shaped("sensing", given["sensing"], (None, None), "(M, N)").shape
        if n < 2:
            raise ValueError(f"sensing: N must be at least 2, not {n} (the shape is ({m}, {n}))")
        k, _ = shaped("labels", given["labels"], (None, m), "(K, M)").shape
        if "teacher" in given:
            shaped("teacher", given["teacher"], (k, n), "(K, N)")
        if not self.of_transforms:
            check_row_norms("sensing", given["sensing"])
        with precision(dtype):
            for name, array in given.items():
                # X is stored as it came (float16 halves its memory), all else in the precision
                # computed in
                narrow = name == "sensing" and array.dtype.kind != "i" and array.dtype.itemsize <= 4
                kind = array.dtype if narrow and not self.of_transforms else dtype
                object.__setattr__(self, name, converted(array, partial(jnp.asarray, dtype=kind)))
        for name in ("labels", "teacher"):
            if getattr(self, name) is not None:
                real_array(name, getattr(self, name))
        # overlaps divide by |W*|
        if "teacher" in given and not np.asarray(self.teacher).any(axis=1).all():
            raise ValueError("teacher: a run's W* vanishes; it must be a direction")
        flag("sphere", self.sphere)
        flag("has_signal", self.has_signal)
        check_for_runs(self.loss, dtype)

    def __reduce__(self) -> Any:
        """Pickle as NumPy arrays: JAX's own pickles lose float64 where its global flag is off."""
        given = (self.sensing, self.labels, self.teacher)
        arrays = (None if a is None else converted(a, np.asarray) for a in given)
        return unpickled, (type(self), *arrays, self.loss, self.has_signal, self.sphere)

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All arrays that the problem is made of."""
        x = self.sensing
        return (*((x,) if is_plain(x) else x.arrays), self.labels, self.teacher)

    @property
    def m(self) -> int:
        """M, the number of samples."""
        return self.sensing.shape[0]

    @property
    def n(self) -> int:
        """N, the input dimension."""
        return self.dimension

    @property
    def dimension(self) -> int:
        """Number of real components of a state: N, or 2N for complex signals."""
        return self.sensing.shape[1]

    @property
    def k(self) -> int:
        """K, the number of runs."""
        return self.labels.shape[0]

    @property
    def dtype(self) -> Dtype:
        """The precision computed in (X may be stored in a narrower one)."""
        return "float64" if self.labels.dtype == np.float64 else "float32"

    @property
    def domain(self) -> Domain:
        """The set of the states W, on which the flow and the Hessian depend in one way each."""
        return SPHERE if self.sphere else SPACE

    @property
    def in_numpy(self) -> bool:
        """Whether the arrays are NumPy's: of a design drawn in NumPy (`to_numpy`)."""
        return isinstance(self.labels, np.ndarray)

    @property
    def of_transforms(self) -> bool:
        """Whether X has products and no entries (`gapless.sensing`)."""
        return isinstance(self.sensing, TransformSensing)

    @property
    def label_rounding(self) -> float:
        """Variance of a label's rounding, up to a factor, in units of ε².

        N for a sum of N terms. Transforms round at each of log₂ N levels: at the signal they leave
        e = 1.2 ε² α log₂ N (measured from N = 64 to 262,144), a tenth of what this says.
        """
        return 10 * log2(self.n) if self.of_transforms else self.dimension

    def computing(self) -> AbstractContextManager:
        """Return a context in which the problem computes: its precision, no warning at infinity."""
        return np.errstate(all="ignore") if self.in_numpy else precision(self.dtype)

    @property
    def alpha(self) -> float:
        """M/N of the problem, at which theory is compared."""
        # M = ⌊αN + ½⌋, so this may differ from the α asked for by up to 1/2N
        return self.m / self.n

    def states(self, w: Any, name: str = "w") -> Float[Array, "K N"]:
        """Return K vectors in the precision of the problem; ``v`` may have any length, W not.

        Raises
        ------
        ValueError
            Unless the shape is (K, N) and every entry a finite real number, and |W| is √N within
            a factor of `FARTHEST`.
        """
        return self.array(checked_states(name, w, self.k, self.dimension))

    def array(self, values: Any) -> Array:
        """Return values as an array of the problem's library and precision."""
        if self.in_numpy:
            return np.asarray(values, self.dtype)
        with precision(self.dtype):
            return jnp.asarray(values, self.dtype)

    def run_index(self, run: Any) -> int:
        """Return the number of one run, 0 … K − 1; negative numbers count from the end.

        Raises ``ValueError`` unless it is an integer, `NoSuchRun` (an ``IndexError`` too) where
        the problem has no such run.
        """
        index = whole("run", run)
        if not -self.k <= index < self.k:
            raise NoSuchRun(f"run: there are {self.k} runs, 0 to {self.k - 1}; none is {index}")
        return index % self.k

    def of_runs(self, runs: Int[Array, " k"]) -> "Problem":
        """Return the problem of some of the runs, on the same X.

        Raises as `run_index` does.
        """
        if not is_traced(runs):
            chosen = [self.run_index(run) for run in np.atleast_1d(np.asarray(runs))]
            if not chosen:
                raise ValueError("runs: at least one must be chosen")
            runs = np.array(chosen)
            return self._only(runs)
        teacher = None if self.teacher is None else self.teacher[runs]
        return self._with(labels=self.labels[runs], teacher=teacher)

    def _only(self, runs: np.ndarray) -> "Problem":
        """Return the problem of some runs; rows are selected in NumPy, without compilation."""
        labels = self.array(np.asarray(self.labels)[runs])
        teacher = None if self.teacher is None else self.array(np.asarray(self.teacher)[runs])
        return self._with(labels=labels, teacher=teacher)

    def _with(self, **parts: Any) -> "Problem":
        """Return this problem with parts that are right already; X is not looked at again."""
        # not `in_loop`: states of what is made here may come from a user
        known = {one.name: getattr(self, one.name) for one in fields(self) if one.init}
        return made(type(self), **known | parts)

    def to_numpy(self) -> "Problem":
        """Return this problem in NumPy, where nothing is compiled; X is not looked at again."""
        parts = {name: getattr(self, name) for name in ("sensing", "labels", "teacher")}
        known = {k: v if v is None else converted(v, np.asarray) for k, v in parts.items()}
        return self._with(**known)

    def in_units_of(self, scale: float) -> "Problem":
        """Return the same instances with the loss ℓ/scale; X is not looked at again."""
        return self._with(loss=divided(self.loss, number("scale", scale, above=0)))

    def for_loops(self) -> "Problem":
        """Return this problem for states that a loop makes, which are not checked."""
        return self._with(in_loop=True)

    @at_states("w")
    def student_labels(self, w: Float[Array, "K N"]) -> Float[Array, "K M"]:
        """Return ŷ = W Xᵀ."""
        return times_transpose(w, self.sensing)

    @at_states("w")
    def energy(self, w: Float[Array, "K N"]) -> Float[Array, " K"]:
        """Return e = L/N = (1/2N) Σ ℓ(ŷ, y), Eq. 1."""
        yhat = times_transpose(w, self.sensing)
        # ½ of Eq. 1 and 1/N of e; sums over samples, no 1/M
        return self.loss.value(yhat, self.labels).sum(axis=1) / (2 * self.n)

    @at_states("w")
    def gradient(self, w: Float[Array, "K N"]) -> Float[Array, "K N"]:
        """Return ∇L = ½ Σ ℓ′(ŷ, y) x, the Euclidean gradient."""
        yhat = times_transpose(w, self.sensing)
        return times(self.loss.d1(yhat, self.labels) / 2, self.sensing)

    @at_states("w")
    def multiplier(self, w: Float[Array, "K N"]) -> Float[Array, " K"]:
        """Return μ = (1/2N) Σ ℓ′(ŷ, y) ŷ, Eq. 3; zero without the sphere."""
        return self._mu(times_transpose(w, self.sensing))

    def _mu(self, yhat: Float[Array, "K M"]) -> Float[Array, " K"]:
        # 2⟨∇L, W⟩ and 2|W|² = 2N, at which ∇L − μW is tangent
        radial = (self.loss.d1(yhat, self.labels) * yhat).sum(axis=1)
        return self.domain.multiplier(radial, 2 * self.n)

    @at_states("w")
    def curvature(self, w: Float[Array, "K N"]) -> tuple[Float[Array, "K M"], Float[Array, " K"]]:
        """Return d = ½ℓ″(ŷ, y) of every sample and μ: H = Σ d x xᵀ − μ 1, Eq. 4."""
        yhat = times_transpose(w, self.sensing)
        # both from one product with X, which costs more than all the rest
        return self.loss.d2(yhat, self.labels) / 2, self._mu(yhat)

    def gram(self, curvature: Array, mu: Float[Array, " K"]) -> Gram:
        """Return the K Hessians as operators, from the result of `curvature`."""
        return WeightedGram(self.sensing, curvature, -mu)

    def zero_modes(self, w: Float[Array, "K N"]) -> tuple[Float[Array, "K N"], ...]:
        """Return the directions of continuous symmetries of L at W, of which ± is none."""
        del w
        return ()

    @property
    def field(self) -> Field:
        """Numbers that the signals consist of: ``real`` or ``complex``."""
        return "real"

    @property
    def signals(self) -> Float[Array, "K D N"] | None:
        """Orthogonal directions of one length that span the equivalent signals: W* alone."""
        return None if self.teacher is None else self.teacher[:, None]

    def near_signal(self, w: Float[Array, "K N"]) -> tuple[Float[Array, "K N"], Gram]:
        """Return the solution ±W* nearest to W, and the Hessians there, where μ = 0."""
        assert self.teacher is not None
        signal = library(w).sign(self.signed_overlap(w))[:, None] * self.teacher
        # μ = 0 at the signal (Eq. 3: ℓ′(y, y) = 0), so nothing is subtracted
        curvature = self.loss.d2(self.labels, self.labels) / 2
        return signal, self.gram(curvature, library(w).zeros(self.k, w.dtype))

    def sample_squares(self, v: Float[Array, "P N"]) -> Float[Array, "P M"]:
        """Return ⟨x_m, v⟩² of vectors, x without the factor of X."""
        return (v @ unscaled(self.sensing)[0].T) ** 2

    @at_states("w")
    def evaluate(self, w: Float[Array, "K N"]) -> Evaluation:
        """Return energy, μ and velocity −∇L + μW (Eq. 2) from one pass over X.

        μ is computed as ⟨∇L, W⟩/|W|²; on the sphere that is Eq. 3, and off it (inside a
        multi-stage step) it keeps the velocity tangent to the sphere through W. Without the sphere
        it is zero.
        """

        def weigh(yhat: Array, y: Array) -> tuple[Array, Array]:
            # r = ℓ′/2 weighs x in ∇L; ℓ gets its ½ with the 1/N of e below
            return self.loss.value(yhat, y), self.loss.d1(yhat, y) / 2

        # blocks of one vector a run, p = 1
        sums, totals = through_rows(weigh, self.sensing, self.labels, w[:, None])
        loss, gradient = sums[:, 0], totals[:, 0]
        mu = self.domain.multiplier(dot(gradient, w), dot(w, w))
        # Eq. 2: Ẇ = −∇L + μW
        velocity = mu[:, None] * w - gradient
        # per dimension like e, so that speed2 = −de/dt
        return Evaluation(loss / (2 * self.n), mu, velocity, dot(velocity, velocity) / self.n)

    @at_states("w", "v")
    def hessian_product(
        self, w: Float[Array, "K N"], v: Float[Array, "K N"]
    ) -> Float[Array, "K N"]:
        """Return H v with H = ½ Σ ℓ″(ŷ, y) x xᵀ − μ 1, Eq. 4 as printed.

        The radial direction W is not projected out.
        """
        curvature, mu = self.curvature(w)
        # two products with X, 4 M N operations a run: H itself would take M N² and N² numbers
        image = curvature * times_transpose(v, self.sensing)
        return times(image, self.sensing) - mu[:, None] * v

    @as_ever(loading=False)
    def signed_overlap(self, w: Float[Array, "K N"]) -> Float[Array, " K"]:
        """Return m = ⟨W, W*⟩/(|W||W*|); NaN where there is no teacher."""
        if self.teacher is None:
            w = w if is_traced(w) else self.states(w)
            return library(w).full(w.shape[0], np.nan, w.dtype)
        return self._overlap_with(w, self.teacher)

    @at_states("w", "teacher")
    def _overlap_with(
        self, w: Float[Array, "K N"], teacher: Float[Array, "K N"]
    ) -> Float[Array, " K"]:
        return (uncompiled(cosine) if self.in_numpy else cosine)(w, teacher)

    @as_ever(loading=False)
    def overlap(self, w: Float[Array, "K N"]) -> Float[Array, " K"]:
        """Return q = |⟨W, W*⟩|/(|W||W*|), between 0 and 1."""
        # the losses are even: −W* is the signal as well
        return abs(self.signed_overlap(w))

    def label_law(self, w: Float[Array, "K N"], run: int) -> LabelLaw:
        """Return the empirical law of (ŷ, y) of one run.

        Raises as `run_index` does.
        """
        run = self.run_index(run)
        # theory answers in float64
        yhat = np.asarray(self.student_labels(w), float)[run]
        return LabelLaw.from_run(yhat, np.asarray(self.labels, float)[run])
