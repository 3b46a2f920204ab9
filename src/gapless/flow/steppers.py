"""Explicit one-step methods for Ẇ = V(W) on the sphere, each followed by normalisation.

A method maps (velocity field, W, V(W), h) to the next W. Steps `h` have shape (K,): every run
of a design has its own. The exact flow keeps |W|² = N, so dividing by the norm after the step
changes a method of order p by O(h^(p+1)) and leaves its order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import chebyshev

State = Float[Array, "K N"]
Field = Callable[[State], State]


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
    step: Callable[[Field, State, State, Float[Array, " K"]], State]


euler = Method("euler", 1, 1, lambda field, w, velocity, h: w + h[:, None] * velocity)
"""Gradient descent, the paper's scheme. Stable while h λ < 2."""


@cache
def chebyshev_method(stages: int) -> Method:
    """Return the stabilised Runge–Kutta–Chebyshev method of order 2 with s ≥ 2 stages.

    Stable while h λ < (2/3)(s² − 1)(1 − 2ε/15), ε = 2/13: per gradient that grows like s, where
    gradient descent has 2 whatever it does. The Jacobian of a gradient flow is symmetric, which
    is what the method needs.

    Source: B. P. Sommeijer, L. F. Shampine, J. G. Verwer, "RKC: an explicit solver for parabolic
    PDEs", J. Comput. Appl. Math. 88 (1998) 315–326, Eqs. 2.1–2.8.
    """
    if stages < 2:
        raise ValueError(f"stages: the Chebyshev method needs at least 2, not {stages}")
    mu, nu, mu_tilde, gamma_tilde = _coefficients(stages)

    def step(field: Field, w: State, velocity: State, h: Float[Array, " K"]) -> State:
        hv = h[:, None]
        older, old = w, w + mu_tilde[1] * hv * velocity
        for j in range(2, stages + 1):
            new = (
                (1 - mu[j] - nu[j]) * w
                + mu[j] * old
                + nu[j] * older
                + hv * (mu_tilde[j] * field(old) + gamma_tilde[j] * velocity)
            )
            older, old = old, new
        return old

    return Method(f"chebyshev-{stages}", 2, stages, step)


def _coefficients(s: int) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return μ_j, ν_j, μ̃_j, γ̃_j for j = 0 … s (entries without meaning are 0)."""
    w0 = 1 + (2 / 13) / s**2
    values = [
        [chebyshev.chebval(w0, chebyshev.chebder(np.eye(s + 1)[j], order)) for order in range(3)]
        for j in range(s + 1)
    ]
    t, dt, ddt = (np.array([v[order] for v in values]) for order in range(3))
    w1 = dt[s] / ddt[s]
    b = np.empty(s + 1)
    b[2:] = ddt[2:] / dt[2:] ** 2
    b[:2] = b[2]
    a = 1 - b * t
    mu, nu, mu_tilde, gamma_tilde = np.zeros((4, s + 1))
    mu_tilde[1] = b[1] * w1
    mu[2:] = 2 * b[2:] * w0 / b[1:-1]
    nu[2:] = -b[2:] / b[:-2]
    mu_tilde[2:] = 2 * b[2:] * w1 / b[1:-1]
    gamma_tilde[2:] = -a[1:-1] * mu_tilde[2:]
    return mu.tolist(), nu.tolist(), mu_tilde.tolist(), gamma_tilde.tolist()


def normalise(w: State) -> State:
    """Return W scaled back to the sphere of radius √N."""
    return w * (w.shape[1] ** 0.5 / jnp.linalg.norm(w, axis=1, keepdims=True))
