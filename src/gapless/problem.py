"""Teacher–student phase retrieval: energy, gradient, multiplier, Hessian products (Eqs. 1–4).

Conventions (`docs/conventions.md`): X is (M, N) with entries N(0, 1/N); W and W* lie on the
sphere of radius √N; the loss L of Eq. 1 is extensive and the energy is e = L/N. A problem
carries K runs on one X, so states are (K, N) and both products are matrix-matrix.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from gapless.design import Design
from gapless.flags import as_ever
from gapless.labels import LabelLaw
from gapless.linalg import sample_by_sample, through_rows, times_transpose
from gapless.losses import Loss, quartic
from gapless.quadrature import bivariate_gaussian

LabelKind = Literal["teacher", "shuffled", "gaussian"]
Dtype = Literal["float32", "float64", "float16"]
"""Precision of the computation. ``float16`` stores X in float16 and computes in float32: X takes
half the memory. Rounding to 11 bits leaves its entries i.i.d., of variance 1/N to 1e-7 relative.
(bfloat16 rounds eight times coarser, and XLA widens it ten times slower on a CPU with F16C.)"""


class Evaluation(NamedTuple):
    """What one pass over the data yields at a state W, per run."""

    energy: Float[Array, " K"]
    """e = L/N, Eq. 1."""
    mu: Float[Array, " K"]
    """μ of Eq. 3."""
    velocity: Float[Array, "K N"]
    """−∇L + μW of Eq. 2, tangent to the sphere."""
    speed2: Float[Array, " K"]
    """|−∇L + μW|²/N, which is −de/dt."""


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["sensing", "labels", "teacher", "across"],
    meta_fields=["loss"],
    # compiled code serves labels of every kind
    drop_fields=["has_signal"],
)
@dataclass(frozen=True, eq=False)
class Problem:
    """K instances of phase retrieval that share one sensing matrix.

    Parameters
    ----------
    sensing : (M, N)
        X. Row-major on purpose: ``W @ X.T`` and ``r @ X`` are then fast on a CPU.
    labels : (K, M)
        The labels y of each run. Losses are even in y, so its sign never matters.
    teacher : (K, N) or None
        W*; None where the labels know no teacher (``gaussian``).
    loss
        ℓ(ŷ, y).
    across : (M, K) or None
        The labels sample by sample, where `for_loops` has made them.
    has_signal
        Whether the labels are the teacher's. Those of shuffled ones are not: an overlap with it is
        chance.
    """

    sensing: Float[Array, "M N"]
    labels: Float[Array, "K M"]
    teacher: Float[Array, "K N"] | None
    loss: Loss = field(default=quartic)
    across: Float[Array, "M K"] | None = None
    has_signal: bool = True

    @property
    def m(self) -> int:
        """M, the number of samples."""
        return self.sensing.shape[0]

    @property
    def n(self) -> int:
        """N, the input dimension."""
        return self.sensing.shape[1]

    @property
    def dtype(self) -> Dtype:
        """The precision computed in (X may be stored in a narrower one)."""
        return "float64" if self.labels.dtype == jnp.float64 else "float32"

    @property
    def alpha(self) -> float:
        """M/N as drawn: what theory is compared at."""
        return self.m / self.n

    def of_runs(self, runs: Int[Array, " k"]) -> "Problem":
        """Return the problem of some of the runs, on the same X."""
        teacher = None if self.teacher is None else self.teacher[runs]
        labels = self.labels[runs]
        return Problem(self.sensing, labels, teacher, self.loss, has_signal=self.has_signal)

    def for_loops(self) -> "Problem":
        """Return this problem ready for many gradients: the labels also in a second layout."""
        return replace(self, across=sample_by_sample(self.labels, self.n))

    def student_labels(self, w: Float[Array, "K N"]) -> Float[Array, "K M"]:
        """Return ŷ = W Xᵀ."""
        return times_transpose(w, self.sensing)

    def energy(self, w: Float[Array, "K N"]) -> Float[Array, " K"]:
        """Return e = L/N = (1/2N) Σ ℓ(ŷ, y), Eq. 1."""
        return self.loss.value(self.student_labels(w), self.labels).sum(axis=1) / (2 * self.n)

    def gradient(self, w: Float[Array, "K N"]) -> Float[Array, "K N"]:
        """Return ∇L = ½ Σ ℓ′(ŷ, y) x, the Euclidean gradient."""
        return self.loss.d1(self.student_labels(w), self.labels) / 2 @ self.sensing

    def multiplier(self, w: Float[Array, "K N"]) -> Float[Array, " K"]:
        """Return μ = (1/2N) Σ ℓ′(ŷ, y) ŷ, Eq. 3."""
        yhat = self.student_labels(w)
        return (self.loss.d1(yhat, self.labels) * yhat).sum(axis=1) / (2 * self.n)

    def evaluate(self, w: Float[Array, "K N"]) -> Evaluation:
        """Return energy, μ and velocity from one pass over X.

        μ is computed as ⟨∇L, W⟩/|W|²; on the sphere that is Eq. 3, and off it (inside a
        multi-stage step) it keeps the velocity tangent to the sphere through W.
        """

        def weigh(yhat: Array, y: Array) -> tuple[Array, Array]:
            return self.loss.value(yhat, y), self.loss.d1(yhat, y) / 2

        sums, totals = through_rows(weigh, self.sensing, self.labels, w[:, None], self.across)
        loss, gradient = sums[:, 0], totals[:, 0]
        mu = _dot(gradient, w) / _dot(w, w)
        velocity = mu[:, None] * w - gradient
        return Evaluation(loss / (2 * self.n), mu, velocity, _dot(velocity, velocity) / self.n)

    def hessian_product(
        self, w: Float[Array, "K N"], v: Float[Array, "K N"]
    ) -> Float[Array, "K N"]:
        """Return H v with H = ½ Σ ℓ″(ŷ, y) x xᵀ − μ 1, Eq. 4 as printed.

        The radial direction W is not projected out.
        """
        curvature = self.loss.d2(self.student_labels(w), self.labels) / 2
        return curvature * (v @ self.sensing.T) @ self.sensing - self.multiplier(w)[:, None] * v

    @as_ever()
    def signed_overlap(self, w: Float[Array, "K N"]) -> Float[Array, " K"]:
        """Return m = ⟨W, W*⟩/(|W||W*|); NaN where there is no teacher."""
        if self.teacher is None:
            return jnp.full(w.shape[0], jnp.nan, w.dtype)
        norms = jnp.sqrt(_dot(w, w) * _dot(self.teacher, self.teacher))
        return jnp.clip(_dot(w, self.teacher) / norms, -1, 1)

    @as_ever()
    def overlap(self, w: Float[Array, "K N"]) -> Float[Array, " K"]:
        """Return q = |⟨W, W*⟩|/(|W||W*|), between 0 and 1."""
        return jnp.abs(self.signed_overlap(w))

    def label_law(self, w: Float[Array, "K N"], run: int) -> LabelLaw:
        """Return the empirical law of (ŷ, y) of one run."""
        yhat = self.student_labels(w)[run]
        return LabelLaw.from_run(np.asarray(yhat, float), np.asarray(self.labels[run], float))


def draw_problem(
    design: Design,
    labels: LabelKind = "teacher",
    loss: Loss = quartic,
    dtype: Dtype = "float32",
    noise: float = 0.0,
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
        are shuffled. The energy then vanishes nowhere, and no run is ``recovered`` by it.

    Raises
    ------
    ValueError
        For an unknown kind of labels or dtype, or a negative noise.
    """
    check_noise(noise)
    if labels not in ("teacher", "shuffled", "gaussian"):
        raise ValueError(f"labels: {labels!r} is not one of teacher, shuffled, gaussian")
    with precision(dtype):
        sensing = design.sensing(dtype)
        dtype = "float32" if dtype == "float16" else dtype
        teacher = design.teacher().astype(dtype)
        if labels == "gaussian":
            y = _with_noise(design, design.gaussian_labels().astype(dtype), noise)
            return Problem(sensing, y, None, loss, has_signal=False)
        y = _with_noise(design, times_transpose(teacher, sensing), noise)
        if labels == "shuffled":
            y = design.shuffle(y)
        return Problem(sensing, y, teacher, loss, has_signal=labels == "teacher")


def check_noise(noise: float) -> None:
    """Raise ``ValueError`` unless a variance of label noise is finite and not negative."""
    if not (np.isfinite(noise) and noise >= 0):
        raise ValueError(f"noise: the variance must be a number ≥ 0, not {noise}")


def _with_noise(design: Design, y: Float[Array, "K M"], noise: float) -> Float[Array, "K M"]:
    return y if noise == 0 else y + noise**0.5 * design.label_noise().astype(y.dtype)


def generalisation_error(overlap: np.ndarray, loss: Loss, alpha: float) -> np.ndarray:
    """Return (α/2) E ℓ(ŷ, y) on fresh samples: (ŷ, y) Gaussian, unit variances, covariance q.

    Normalised like the energy e, so that the two meet at a random start (q = 0). For the
    quartic loss it is 2α(1 − q²). `overlap` may have any shape; ``ValueError`` unless |q| ≤ 1.
    """
    q = np.asarray(overlap, float)
    means = [bivariate_gaussian(loss.value, float(one))[0] for one in q.ravel()]
    return np.reshape(alpha / 2 * np.array(means), q.shape)


def precision(dtype: Dtype) -> AbstractContextManager:
    """Return a context in which JAX computes in `dtype`; the user's global flags are restored.

    Off the CPU products of float32 are made in full: by default recent GPUs keep ten bits (TF32).
    """
    if dtype not in get_args(Dtype):
        raise ValueError(f"dtype: {dtype!r} is not one of {', '.join(get_args(Dtype))}")
    return _computing_in(dtype)


@contextmanager
def _computing_in(dtype: Dtype) -> Iterator[None]:
    full = None if jax.default_backend() == "cpu" else "highest"
    with as_ever(), jax.enable_x64(dtype == "float64"), jax.default_matmul_precision(full):
        yield


def _dot(a: Float[Array, "K N"], b: Float[Array, "K N"]) -> Float[Array, " K"]:
    return (a * b).sum(axis=1)
