"""Coefficients of the stabilised Runge–Kutta–Chebyshev methods of order 2.

    Y_1 = Y_0 + μ̃_1 h V_0,
    Y_j = (1 − μ_j − ν_j) Y_0 + μ_j Y_{j−1} + ν_j Y_{j−2} + h (μ̃_j V(Y_{j−1}) + γ̃_j V_0),  j = 2 … s

The methods are stable for h λ < β(s) ≈ 0.54 (s² − 1) and a Jacobian with eigenvalues in [−λ, 0].
Per gradient this limit grows like s; that of gradient descent is 2.

Source: B. P. Sommeijer, L. F. Shampine, J. G. Verwer, "RKC: an explicit solver for parabolic
PDEs", J. Comput. Appl. Math. 88 (1998) 315–326, Eqs. 2.1–2.8.
"""

from functools import cache

import numpy as np

MAX_STAGES = 24
"""Largest number of stages in the table; the stable h λ per gradient is 6 times that of descent."""
USUAL_STAGES = 12
"""Largest number of stages of a step whose error is not compared with the step's length. A step
of any size leaves up to 72 % of a stiff component, so that a run of few long steps comes to rest
too late."""
DAMPING = 2.0
"""ε of w₀ = 1 + ε/s². With the customary 2/13 a stiff component keeps up to 96 % of its amplitude
in a step and would decay more slowly than the slow ones near a solution. With 2 it keeps 72 % at
most, and 65 % from three stages on."""


@cache
def coefficient_table() -> np.ndarray:
    """Return μ_j, ν_j, μ̃_j, γ̃_j for every s: shape (4, MAX_STAGES + 1, MAX_STAGES + 1)."""
    # one table for all s, padded with zeros: compiled loops pick a column by a traced s
    table = np.zeros((4, MAX_STAGES + 1, MAX_STAGES + 1))
    for s in range(2, MAX_STAGES + 1):
        table[:, s, : s + 1] = _coefficients(s)
    return table


@cache
def stability_and_error() -> tuple[np.ndarray, np.ndarray]:
    """Return β(s) = (w₀ + 1)/w₁ and C(s), each (MAX_STAGES + 1,), which have a meaning for s ≥ 2.

    C is that of the local error W₁ − W(t + h) = −C h³ W‴: 1/6 − b_s w₁³ T_s‴(w₀)/6.
    """
    beta, error = np.ones((2, MAX_STAGES + 1))
    for s in range(2, MAX_STAGES + 1):
        w0, w1, t = _chebyshev(s)
        beta[s] = (w0 + 1) / w1
        # the stability polynomial's third coefficient beside 1/6, that of e^z
        error[s] = (1 - t[2, s] / t[1, s] ** 2 * w1**3 * t[3, s]) / 6
    return beta, error


def _chebyshev(s: int) -> tuple[float, float, np.ndarray]:
    """Return w₀, w₁ = T_s′/T_s″ and T_j, T_j′, T_j″, T_j‴ at w₀ for j = 0 … s, (4, s + 1)."""
    # beyond 1, so that |T_s(w₀)| > 1 and every stiff component is damped
    w0 = 1 + DAMPING / s**2
    t = np.zeros((4, s + 1))
    t[0, :2], t[1, 1] = (1, w0), 1
    # T_{j+1} = 2w T_j − T_{j−1}, differentiated m times
    for j in range(1, s):
        t[:, j + 1] = 2 * w0 * t[:, j] - t[:, j - 1]
        t[1:, j + 1] += (2, 4, 6) * t[:-1, j]
    return w0, t[1, s] / t[2, s], t


def _coefficients(s: int) -> np.ndarray:
    """Return μ_j, ν_j, μ̃_j, γ̃_j for j = 0 … s, shape (4, s + 1); entries without meaning are 0."""
    w0, w1, (t, dt, ddt, _) = _chebyshev(s)
    b = np.empty(s + 1)
    # those of order 2; the first two, which it leaves open, are as the third
    b[2:] = ddt[2:] / dt[2:] ** 2
    b[:2] = b[2]
    # what is left of the constant: stability polynomials are a_j + b_j T_j(w₀ + w₁ z)
    a = 1 - b * t
    mu, nu, mu_tilde, gamma_tilde = result = np.zeros((4, s + 1))
    mu_tilde[1] = b[1] * w1
    mu[2:] = 2 * b[2:] * w0 / b[1:-1]
    nu[2:] = -b[2:] / b[:-2]
    mu_tilde[2:] = 2 * b[2:] * w1 / b[1:-1]
    gamma_tilde[2:] = -a[1:-1] * mu_tilde[2:]
    return result
