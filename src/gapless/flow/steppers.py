"""Explicit one-step methods for Ẇ = V(W) on the sphere, each followed by normalisation.

A method maps (velocity field, W, V(W), h) to the next W. Steps `h` have shape (K,): every run
of a design has its own. The exact flow keeps |W|² = N, so dividing by the norm after the step
changes a method of order p by O(h^(p+1)) and leaves its order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.polynomial import chebyshev

State = Float[Array, "K N"]
Field = Callable[[State], State]
Step = Callable[[Field, State, State, Float[Array, " K"]], State]


@dataclass(frozen=True)
class Method:
    """An explicit method.

    Parameters
    ----------
    name
        What records call it.
    order
        Order of convergence.
    stages
        Gradient evaluations a step (the velocity at the start is reused).
    step
        (field, w, velocity, h) → next w, not yet normalised.
    """

    name: str
    order: int
    stages: int
    step: Step


euler = Method("euler", 1, 1, lambda field, w, velocity, h: w + h[:, None] * velocity)
"""Gradient descent, the paper's scheme. Stable while h λ < 2."""


MAX_STAGES = 12
"""Most stages of a Chebyshev step: at 12 a gradient carries 3 times further than in descent."""
DAMPING = 2.0
"""ε of w₀ = 1 + ε/s². The customary 2/13 lets a stiff component keep 95 % of itself in a step: in
the slow descent to a solution it would outlive the slow ones. With 2 it keeps 65 % at most."""


@cache
def chebyshev_method(stages: int) -> Method:
    """Return the stabilised Runge–Kutta–Chebyshev method of order 2 with so many stages."""
    if not 2 <= stages <= MAX_STAGES:
        raise ValueError(f"stages: the Chebyshev method has 2 to {MAX_STAGES}, not {stages}")
    return Method(f"chebyshev-{stages}", 2, stages, partial(chebyshev_step, stages=stages))


def chebyshev_step(
    field: Field, w: State, velocity: State, h: Float[Array, " K"], stages: int | Int[Array, ""]
) -> State:
    """Take a step of the Runge–Kutta–Chebyshev method of order 2 with s = `stages`.

    Stable while h λ < β(s) ≈ 0.54 (s² − 1): per gradient that grows like s, where gradient
    descent has 2 whatever it does. The Jacobian of a gradient flow is symmetric, which is what
    the method needs. `stages` may be traced: one compiled loop serves all of them.

    Source: B. P. Sommeijer, L. F. Shampine, J. G. Verwer, "RKC: an explicit solver for parabolic
    PDEs", J. Comput. Appl. Math. 88 (1998) 315–326, Eqs. 2.1–2.8.
    """
    mu, nu, mu_tilde, gamma_tilde = jnp.asarray(_coefficient_table(), w.dtype)[:, stages]
    hv = h[:, None]

    def stage(j: Int[Array, ""], last: tuple[State, State]) -> tuple[State, State]:
        older, old = last
        slope = mu_tilde[j] * field(w + old) + gamma_tilde[j] * velocity
        return old, mu[j] * old + nu[j] * older + hv * slope

    # recursion in Y_j − W: rounding then shrinks with the step instead of growing like s²
    first = mu_tilde[1] * hv * velocity
    return w + jax.lax.fori_loop(2, stages + 1, stage, (jnp.zeros_like(w), first))[1]


def adams_bashforth_step(
    w: State, velocity: State, h: Float[Array, " K"], before: State, h_before: Float[Array, " K"]
) -> State:
    """Take a step of the two-step Adams–Bashforth method: one gradient, order 2.

    W + h V + h²/(2h₋) (V − V₋), with V₋ the velocity one step of length h₋ ago. With V₋ = V it is
    Euler's step. Source: Hairer, Nørsett, Wanner, "Solving ODEs I", III.5.
    """
    return w + h[:, None] * (velocity + (h / h_before / 2)[:, None] * (velocity - before))


def stable_length(
    stages: Int[Array, ""], stiffness: Float[Array, " K"], h_before: Float[Array, " K"]
) -> Float[Array, " K"]:
    """Return the longest stable h with so many stages; 1 stands for Adams–Bashforth.

    Chebyshev: h λ ≤ β(s) = (w₀ + 1)/w₁. Adams–Bashforth: h (1 + h/h₋) λ ≤ 1.6; it is stable up to
    2, but there a stiff component rings on undamped.
    """
    beta = jnp.asarray(_stability_and_error()[0], stiffness.dtype)[stages]
    one = h_before * (jnp.sqrt(1 + 4 * 1.6 / (h_before * stiffness)) - 1) / 2
    return jnp.where(stages == 1, one, beta / stiffness)


def error_constant(
    stages: Int[Array, ""], h: Float[Array, " K"], h_before: Float[Array, " K"]
) -> Float[Array, " K"]:
    """Return C of the local error W₁ − W(t + h) = −C h³ W‴; 1 stands for Adams–Bashforth.

    Chebyshev: 1/6 − b_s w₁³ T_s‴(w₀)/6. Adams–Bashforth: 1/6 + h₋/4h.
    """
    table = jnp.asarray(_stability_and_error()[1], h.dtype)[stages]
    return jnp.where(stages == 1, 1 / 6 + h_before / (4 * h), table)


@cache
def _coefficient_table() -> np.ndarray:
    """Return μ_j, ν_j, μ̃_j, γ̃_j for every s: shape (4, MAX_STAGES + 1, MAX_STAGES + 1)."""
    table = np.zeros((4, MAX_STAGES + 1, MAX_STAGES + 1))
    for s in range(2, MAX_STAGES + 1):
        table[:, s, : s + 1] = _coefficients(s)
    return table


@cache
def _stability_and_error() -> tuple[np.ndarray, np.ndarray]:
    """Return β(s) and C(s), each (MAX_STAGES + 1,); entries below s = 2 mean nothing."""
    beta, error = np.ones((2, MAX_STAGES + 1))
    for s in range(2, MAX_STAGES + 1):
        w0, w1, t = _chebyshev(s)
        beta[s] = (w0 + 1) / w1
        error[s] = (1 - t[2, s] / t[1, s] ** 2 * w1**3 * t[3, s]) / 6
    return beta, error


def _chebyshev(s: int) -> tuple[float, float, np.ndarray]:
    """Return w₀, w₁ = T_s′/T_s″ and T_j, T_j′, T_j″, T_j‴ at w₀ for j = 0 … s, (4, s + 1)."""
    w0 = 1 + DAMPING / s**2
    t = np.array(
        [[chebyshev.chebval(w0, chebyshev.chebder(u, m)) for u in np.eye(s + 1)] for m in range(4)]
    )
    return w0, t[1, s] / t[2, s], t


def _coefficients(s: int) -> np.ndarray:
    """Return μ_j, ν_j, μ̃_j, γ̃_j for j = 0 … s, shape (4, s + 1); entries without meaning are 0."""
    w0, w1, (t, dt, ddt, _) = _chebyshev(s)
    b = np.empty(s + 1)
    b[2:] = ddt[2:] / dt[2:] ** 2
    b[:2] = b[2]
    a = 1 - b * t
    mu, nu, mu_tilde, gamma_tilde = result = np.zeros((4, s + 1))
    mu_tilde[1] = b[1] * w1
    mu[2:] = 2 * b[2:] * w0 / b[1:-1]
    nu[2:] = -b[2:] / b[:-2]
    mu_tilde[2:] = 2 * b[2:] * w1 / b[1:-1]
    gamma_tilde[2:] = -a[1:-1] * mu_tilde[2:]
    return result


def normalise(w: State) -> State:
    """Return W scaled back to the sphere of radius √N."""
    return w * (w.shape[1] ** 0.5 / jnp.linalg.norm(w, axis=1, keepdims=True))
