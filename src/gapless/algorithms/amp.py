"""Bayes-optimal approximate message passing for y = |⟨x, W*⟩ + √Δ n|.

Its N → ∞ limit, iteration by iteration, is `gapless.theory.state_evolution`.
Source: S. Rangan, "Generalized approximate message passing", arXiv 1010.5141; in the form of
Barbier et al. (2019), arXiv 1708.03395; docs/derivations/baselines.md §2.
"""

from dataclasses import dataclass

import numpy as np

from gapless.arrays import Array, compiled, jax, jnp
from gapless.channels import (
    complex_score,
    posterior_score,
    posterior_score_slope,
)
from gapless.flags import as_ever
from gapless.inputs import number, whole
from gapless.linalg import times, times_transpose
from gapless.precision import precision
from gapless.problem import ComplexProblem, Problem, check_noise
from gapless.problem.complex import modulus
from gapless.shapes import Float

SMALLEST_VARIANCE = 1e-10
"""Floor of the estimate's variance V, below which it is dominated by rounding."""
SMALLEST_LENGTH = 1e-20
"""|ω| below which its phase does not matter."""


@dataclass(frozen=True, eq=False)
class AMPRun:
    """Overlaps, variances and estimates of K runs of message passing, in NumPy.

    Parameters
    ----------
    overlap : (K, T + 1)
        q = |⟨Ŵ, W*⟩|/(|Ŵ||W*|).
    variance : (K, T + 1)
        V, the algorithm's own estimate of |Ŵ − W*|²/N.
    estimate : (K, N)
        Ŵ at the end, not on the sphere: |Ŵ|²/N → q².
    """

    overlap: np.ndarray
    variance: np.ndarray
    estimate: Float[Array, "K N"]


@as_ever()
def amp(
    problem: Problem,
    start: Float[Array, "K N"],
    overlap: float,
    *,
    iterations: int,
    noise: float = 0.0,
) -> AMPRun:
    """Run Bayes-optimal message passing from states of a known overlap with the teacher.

    With Gaussian prior W* ~ N(0, 1) (on the sphere to leading order) and X_ij ~ N(0, 1/N):

        ω = X Ŵ − V g_old,  g = g(ω, y, V + Δ),  1/Σ = −(1/N) Σ_m ∂g/∂ω,
        R = Ŵ + Σ Xᵀ g,     Ŵ ← R/(1 + Σ),  V ← Σ/(1 + Σ),

    g of `gapless.channels.posterior_score`. On the Bayes-optimal line (1/N) Σ g² has the same limit
    as 1/Σ, but at finite N it underestimates the error: g is large where the sign is wrong.

    Of complex signals g is `gapless.channels.complex_score` along the phase of ω, V = E|Ŵ − W*|²
    and 1/Σ = (1/N) Σ |g|² (docs/derivations/complex.md §4).

    Parameters
    ----------
    start, overlap
        States W on the sphere and their overlap q₀ > 0: the estimate begins as q₀ W, V = 1 − q₀²,
        on the Bayes-optimal line ⟨Ŵ, W*⟩ = |Ŵ|². q₀ = 0 is excluded: ω = 0 is a fixed point.
    iterations
        T.
    noise
        Δ, the variance of label noise that the algorithm assumes.

    Raises
    ------
    ValueError
        For 0 ≥ overlap or overlap ≥ 1, no teacher, iterations < 1, negative noise, or a start
        that is not (K, N) finite vectors near the sphere.
    """
    if not 0 < number("overlap", overlap) < 1:
        raise ValueError(f"overlap: message passing starts between 0 and 1, not at {overlap}")
    if problem.teacher is None:
        raise ValueError("labels: gaussian labels have no teacher to find")
    iterations = whole("iterations", iterations, 1)
    noise = check_noise(noise)
    start = problem.states(start, "start")
    with precision(problem.dtype):
        estimate, overlaps, variances = _iterate(problem, start, overlap, noise, iterations)
    return AMPRun(np.asarray(overlaps, float), np.asarray(variances, float), estimate)


@compiled(static_argnames="iterations")
def _iterate(
    problem: Problem,
    start: Array,
    overlap: float | Float[Array, ""],
    noise: float | Float[Array, ""],
    iterations: int,
) -> tuple[Array, Array, Array]:
    # the sign, or the phase, of a label is not observed
    size = jnp.abs(problem.labels)
    channel = _Phases(problem) if isinstance(problem, ComplexProblem) else _Signs(problem)

    def step(carry: tuple[Array, Array, Array], _: None) -> tuple[tuple, tuple]:
        estimate, variance, old = carry
        # V + Δ: given ω the noisy field z + √Δ n is N(ω, V + Δ) (baselines.md §2)
        g, information = channel.scores(estimate, variance, old, size, variance[:, None] + noise)
        # in a small system the sum can have the wrong sign: then nothing was learnt
        sigma = 1 / jnp.maximum(information, SMALLEST_VARIANCE)
        # rows of X have unit norm on average: no factor of N stands before Xᵀ g
        field = estimate + sigma[:, None] * channel.back(g)
        # R is W* seen with Gaussian noise of variance Σ: mean and variance of W* ~ N(0, 1) given it
        estimate = field / (1 + sigma[:, None])
        variance = jnp.maximum(sigma / (1 + sigma), SMALLEST_VARIANCE)
        return (estimate, variance, g), (problem.overlap(estimate), variance)

    runs, dtype = start.shape[0], start.dtype
    variance = jnp.full(runs, 1 - overlap**2, dtype)
    # on the Bayes-optimal line |Ŵ|²/N = q²: the estimate is shorter than W
    # g_old = 0: the start owes nothing to X, so there is nothing to take back
    first = (overlap * start, variance, channel.nothing(size))
    (estimate, _, _), (overlaps, variances) = jax.lax.scan(step, first, None, iterations)
    # `scan` stacks iterations first: (T, K), turned to (K, T + 1) with the start before them
    overlaps = jnp.concatenate([problem.overlap(start)[None], overlaps]).T
    return estimate, overlaps, jnp.concatenate([variance[None], variances]).T


class _Signs:
    """Fields, scores and information of real labels: g is (K, M)."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def nothing(self, size: Array) -> Array:
        """Return the score of a start, which owes nothing to X."""
        return jnp.zeros_like(size)

    def scores(
        self, estimate: Array, variance: Array, old: Array, size: Array, spread: Array
    ) -> tuple[Array, Array]:
        """Return g at ω = X Ŵ − V g_old, for V + Δ in `spread`, and 1/Σ."""
        # the Onsager term V g_old takes back what an estimate has told itself
        omega = times_transpose(estimate, self.problem.sensing) - variance[:, None] * old
        # 1/Σ = −(1/N) Σ ∂g/∂ω, not (1/N) Σ g²: the two agree on the Bayes-optimal line as N → ∞,
        # but at N = 1000 the latter left overlaps 0.02 short (baselines.md §2)
        slope = posterior_score_slope(omega, size, spread).sum(axis=1)
        return posterior_score(omega, size, spread), -slope / self.problem.n

    def back(self, g: Array) -> Array:
        """Return Xᵀ g."""
        return times(g, self.problem.sensing)


class _Phases(_Signs):
    """Fields, scores and information of complex labels: g is both its parts, (K, 2, M)."""

    problem: ComplexProblem

    def nothing(self, size: Array) -> Array:
        """Return the score of a start, which owes nothing to X."""
        return jnp.zeros((len(size), 2, size.shape[1]), size.dtype)

    def scores(
        self, estimate: Array, variance: Array, old: Array, size: Array, spread: Array
    ) -> tuple[Array, Array]:
        """Return g at ω = X Ŵ − V g_old, for V + Δ in `spread`, and 1/Σ."""
        omega = self.problem.label_parts(estimate) - variance[:, None, None] * old
        length = modulus(omega)
        g = complex_score(length, size, spread)
        # 1/Σ = (1/N) Σ |g|², not the slope, whose sum scatters more: there is no wrong sign that
        # makes g large, and with the slope overlaps fall again at N = 1000 (complex.md §4)
        information = (g**2).sum(axis=1) / self.problem.n
        # along the phase of ω; at ω = 0 the score vanishes, and any phase will do
        along = g / jnp.maximum(length, SMALLEST_LENGTH)
        return along[:, None] * omega, information

    def back(self, g: Array) -> Array:
        """Return X† g."""
        return self.problem.adjoint(g)
