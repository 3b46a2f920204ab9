"""Explicit methods for Ẇ = V(W) on the sphere, each followed by normalisation.

A method maps (velocity field, W, V(W), h) to the next W. Steps `h` have shape (K,): every run
of a design has its own. The exact flow keeps |W|² = N, so dividing by the norm after the step
changes a method of order p by O(h^(p+1)) and leaves its order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from gapless.arrays import Array, library, repeat
from gapless.chebyshev import MAX_STAGES, coefficient_table, stability_and_error
from gapless.shapes import Float, Int

States = Float[Array, "K N"]
VelocityField = Callable[[States], States]
Step = Callable[[VelocityField, States, States, Float[Array, " K"]], States]


@dataclass(frozen=True)
class Method:
    """An explicit method.

    Parameters
    ----------
    name
        Name in the records.
    order
        Order of convergence.
    stages
        Gradient evaluations per step (the velocity at the start is reused).
    step
        (field, w, velocity, h) → next w, not yet normalised.
    """

    name: str
    order: int
    stages: int
    step: Step


def _euler_step(field: VelocityField, w: States, velocity: States, h: Float[Array, " K"]) -> States:
    # one gradient: the velocity that is known already
    del field
    return w + h[:, None] * velocity


euler = Method("euler", 1, 1, _euler_step)
"""Gradient descent, the paper's scheme. Stable while h λ < 2."""


@cache
def chebyshev_method(stages: int) -> Method:
    """Return the stabilised Runge–Kutta–Chebyshev method of order 2 with s = `stages`."""
    # of order 2 from two stages on; the table ends where long steps no longer pay
    if not 2 <= stages <= MAX_STAGES:
        raise ValueError(f"stages: the Chebyshev method has 2 to {MAX_STAGES}, not {stages}")
    return Method(f"chebyshev-{stages}", 2, stages, partial(chebyshev_step, stages=stages))


def chebyshev_step(
    field: VelocityField,
    w: States,
    velocity: States,
    h: Float[Array, " K"],
    stages: int | Int[Array, ""],
) -> States:
    """Take a step of the Runge–Kutta–Chebyshev method of order 2 with s = `stages`.

    `gapless.chebyshev` has its coefficients and its stability limit. The method needs a symmetric
    Jacobian, which a gradient flow has. `stages` may be traced: one compiled loop serves every s.
    """
    xp = library(w)
    # the table is float64; cast to W's dtype, or float32 states would be promoted
    mu, nu, mu_tilde, gamma_tilde = xp.asarray(coefficient_table(), w.dtype)[:, stages]
    hv = h[:, None]

    def stage(j: int | Int[Array, ""], last: tuple[States, States]) -> tuple[States, States]:
        older, old = last
        # `old`, `older` are Y_{j−1} − W, Y_{j−2} − W: so the term (1 − μ_j − ν_j) Y_0 drops out
        slope = mu_tilde[j] * field(w + old) + gamma_tilde[j] * velocity
        return old, mu[j] * old + nu[j] * older + hv * slope

    # recursion in Y_j − W: rounding then shrinks with the step instead of growing like s²
    first = mu_tilde[1] * hv * velocity
    return w + repeat(w, 2, stages + 1, stage, (xp.zeros_like(w), first))[1]


def adams_bashforth_step(
    w: States, velocity: States, h: Float[Array, " K"], before: States, h_before: Float[Array, " K"]
) -> States:
    """Take a step of the two-step Adams–Bashforth method: one gradient, order 2.

    The step is W + h V + h²/(2h₋) (V − V₋), with V₋ the velocity one step of size h₋ earlier. With
    V₋ = V it is Euler's step. Source: Hairer, Nørsett, Wanner, "Solving ODEs I", III.5.
    """
    # of order 2 with the one gradient of Euler's step: V₋ stands in for a second stage
    return w + h[:, None] * (velocity + (h / h_before / 2)[:, None] * (velocity - before))


def stable_length(
    stages: Int[Array, "*S"], stiffness: Float[Array, "... K"], h_before: Float[Array, "... K"]
) -> Float[Array, "... K"]:
    """Return the longest stable h with s = `stages`; 1 stands for Adams–Bashforth.

    Chebyshev: h λ ≤ β(s) = (w₀ + 1)/w₁. Adams–Bashforth: h (1 + h/h₋) λ ≤ 1.6; it is stable up to
    2, where a stiff component oscillates undamped.
    """
    xp = library(stiffness)
    # β(s) ≈ 0.54 (s² − 1) at the damping ε = 2 of `gapless.chebyshev`
    beta = xp.asarray(stability_and_error()[0], stiffness.dtype)[stages]
    # the positive root of h (1 + h/h₋) λ = 1.6
    one = h_before * (xp.sqrt(1 + 4 * 1.6 / (h_before * stiffness)) - 1) / 2
    return xp.where(stages == 1, one, beta / stiffness)


def error_constant(
    stages: Int[Array, "*S"], h: Float[Array, "... K"], h_before: Float[Array, "... K"]
) -> Float[Array, "... K"]:
    """Return C of the local error W₁ − W(t + h) = −C h³ W‴; 1 stands for Adams–Bashforth.

    Chebyshev: 1/6 − b_s w₁³ T_s‴(w₀)/6. Adams–Bashforth: 1/6 + h₋/4h.
    """
    xp = library(h)
    table = xp.asarray(stability_and_error()[1], h.dtype)[stages]
    # 5/12 at equal steps, the constant of the textbooks
    return xp.where(stages == 1, 1 / 6 + h_before / (4 * h), table)
