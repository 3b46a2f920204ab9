"""The flow of the spiked matrix–tensor model at N = ∞: Volterra equations for C, R, m and μ.

With C(t, t′) = ⟨W_t, W_t′⟩/N, R its response and m = ⟨W, W*⟩/N (docs/derivations/spiked.md)

    ∂_t C(t,t′) = −μC + Q′(m_t)m_t′ + ∫₀^t R(t,s)Q″(C(t,s))C(t′,s)ds + ∫₀^t′ R(t′,s)Q′(C(t,s))ds,
    ∂_t R(t,t′) = −μR + ∫_t′^t R(t,s)Q″(C(t,s))R(s,t′)ds,   R(t,t) = 1,
    ∂_t m = −μm + Q′(m) + ∫₀^t R(t,s)Q″(C(t,s))m_s ds,
    μ = Q′(m)m + ∫₀^t R(t,s)[Q′(C(t,s)) + Q″(C(t,s))C(t,s)]ds                  (S3).

Second order in the step: Euler's predictor, the trapezoidal rule as corrector and in all integrals.
T steps take O(T³) operations, products of rows with the matrices C and R, and O(T²) memory.
"""

from dataclasses import dataclass

import numpy as np

from gapless.flags import as_ever
from gapless.inputs import number
from gapless.shapes import Float
from gapless.theory.spiked.model import SpikedModel

LONGEST_STEP = 0.15
"""Steps in units of 1/√Q″(1), at most: the flow's largest rate is 4√Q″(1)."""


@dataclass(frozen=True, eq=False)
class SpikedFlow:
    """The flow of one model on a grid of times.

    Parameters
    ----------
    model
        What is followed.
    t : shape (T,)
        Times 0, h, 2h …
    correlation : shape (T, T)
        C(t, t′), symmetric, 1 on the diagonal.
    response : shape (T, T)
        R(t, t′), 0 for t < t′, 1 on the diagonal.
    overlap : shape (T,)
        m(t).
    mu, energy : shape (T,)
        μ(t) and e(t) = H/N = −Q(m) − ∫R(t,s)Q′(C(t,s))ds.
    """

    model: SpikedModel
    t: Float[np.ndarray, " T"]
    correlation: Float[np.ndarray, "T T"]
    response: Float[np.ndarray, "T T"]
    overlap: Float[np.ndarray, " T"]
    mu: Float[np.ndarray, " T"]
    energy: Float[np.ndarray, " T"]

    @property
    def step(self) -> float:
        """The step h."""
        return float(self.t[1])


@as_ever(loading=False)
def spiked_flow(model: SpikedModel, t_max: float, step: float, overlap: float = 0.0) -> SpikedFlow:
    """Return the flow from a random start at overlap `overlap` to t_max, (S3).

    Parameters
    ----------
    t_max
        Last time; rounded to a whole number of steps.
    step
        h; errors fall like h².
    overlap
        m(0), between −1 and 1. At 0 it stays 0: the growth of a small one is `small_change`'s.

    Raises ``ValueError`` for a step too long to be stable, or longer than t_max.
    """
    step = number("step", step, above=0)
    longest = LONGEST_STEP / model.noise**0.5
    if step > longest:
        raise ValueError(f"step: {step:g} is too long for this model; take at most {longest:.2g}")
    t_max = number("t_max", t_max, step)
    count = round(t_max / step) + 1
    # |W|² = N, and R(t, t) = 1: a push at t has moved W by itself
    correlation, response = np.eye(count), np.eye(count)
    m, mu, energy = np.zeros(count), np.zeros(count), np.zeros(count)
    m[0] = number("overlap", overlap, -1, 1)

    def velocity(n: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Return ∂_t C(t_n, t′) and ∂_t R(t_n, t′) for t′ ≤ t_n, ∂_t m; note μ and e."""
        # causality: times up to t_n alone
        seen = slice(0, n + 1)
        c, r = correlation[n, seen], response[n, seen]
        weight = trapezoid(n, step)
        slope, curvature = model.slope(c), model.curvature(c)
        kernel = weight * r * curvature
        at_m = m[n : n + 1]
        # the signal's own force, Q′(m)
        own = float(model.slope(at_m)[0])
        mu[n] = own * m[n] + weight @ (r * slope) + kernel @ c
        energy[n] = -float(model.covariance(at_m)[0]) - weight @ (r * slope)
        pushed = until(response[seen, seen], slope, step)
        of_c = -mu[n] * c + own * m[seen] + kernel @ correlation[seen, seen] + pushed
        of_r = -mu[n] * r + _since(response[seen, seen], kernel, r * curvature, step)
        return of_c, of_r, -mu[n] * m[n] + own + kernel @ m[seen]

    before = velocity(0)
    for n in range(1, count):
        # t′ < t_n: on the diagonal both stay 1, C because μ holds the norm
        past, now = slice(0, n), before
        for theirs in (0.0, 0.5):  # predictor, corrector
            mine = 1.0 - theirs
            correlation[n, past] = correlation[n - 1, past] + step * (
                mine * before[0] + theirs * now[0][past]
            )
            # later rows read it as C(t′, t_n)
            correlation[past, n] = correlation[n, past]
            response[n, past] = response[n - 1, past] + step * (
                mine * before[1] + theirs * now[1][past]
            )
            m[n] = m[n - 1] + step * (mine * before[2] + theirs * now[2])
            now = velocity(n)
        before = now
    return SpikedFlow(model, step * np.arange(count), correlation, response, m, mu, energy)


def trapezoid(n: int, step: float) -> np.ndarray:
    """Return the weights of the trapezoidal rule at n + 1 times."""
    weight = np.full(n + 1, step)
    weight[[0, -1]] = step / 2
    return weight if n else np.zeros(1)


def until(response: np.ndarray, source: np.ndarray, step: float) -> np.ndarray:
    """Return ∫₀^t′ R(t′, s) source(s) ds at every t′ of the grid."""
    # both ends of every interval have half a weight; at t′ = 0 the two halves leave nothing
    first = np.multiply.outer(response[:, 0], source[0])
    return step * (response @ source - 0.5 * (first + source))


def _since(
    response: np.ndarray, kernel: np.ndarray, integrand: np.ndarray, step: float
) -> np.ndarray:
    """Return ∫_t′^t kernel(s) R(s, t′) ds at every t′; `kernel` holds weights of all of [0, t]."""
    found = kernel @ response - 0.5 * step * integrand
    # at t′ = 0 the weights have halved this end already; at t′ = t there is no interval
    found[0] += 0.5 * step * integrand[0]
    found[-1] = 0.0
    return found
