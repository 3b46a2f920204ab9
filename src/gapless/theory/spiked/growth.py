"""Growth of a small change of the state: along the signal, and in a random direction.

An infinitesimal change δw at t_w, orthogonal to all W_s, changes C, R and μ at second order only.
Its own correlation K(t, t′) = ⟨δw_t, δw_t′⟩ and its overlap m obey (docs/derivations/spiked.md)::

    ∂_t m = −μm + Q″(0)m + ∫_tw^t R(t,s)Q″(C(t,s))m_s ds,
    ∂_t K(t,t′) = −μK + Q″(0)m_t m_t′ + ∫_tw^t R(t,s)Q″(C(t,s))K(s,t′)ds
                  + ∫_tw^t′ R(t′,s)Q″(C(t,s))K(t,s)ds                          (S4)

with m(t_w) = K(t_w, t_w) = 1 along the signal, and m = 0 in a random direction.
"""

from dataclasses import dataclass

import numpy as np

from gapless.flags import as_ever
from gapless.inputs import number
from gapless.shapes import Float
from gapless.theory.spiked.dynamics import SpikedFlow, trapezoid, until


@dataclass(frozen=True, eq=False)
class SmallChange:
    """Growth of a small change made at t_w, along the signal and along a random direction.

    Parameters
    ----------
    t : shape (S,)
        Times from t_w on.
    growth : shape (S,)
        ln m(t)/m(t_w), of the change along the signal.
    signal_norm, random_norm : shape (S,)
        ln |δw(t)|/|δw(t_w)| of the change along the signal, and of the random one.
    """

    t: Float[np.ndarray, " S"]
    growth: Float[np.ndarray, " S"]
    signal_norm: Float[np.ndarray, " S"]
    random_norm: Float[np.ndarray, " S"]

    @property
    def alignment(self) -> np.ndarray:
        """The share m/|δw| of the signal in the change along it."""
        return np.exp(self.growth - self.signal_norm)


@as_ever(loading=False)
def small_change(flow: SpikedFlow, waiting: float) -> SmallChange:
    """Return the growth of a small change that is made at the time `waiting`, (S4).

    Parameters
    ----------
    flow
        At overlap 0, where it is made.
    waiting
        t_w, rounded to a time of the flow's grid, before its last one.

    Raises ``ValueError`` for a flow with a finite overlap, or another time.
    """
    if flow.overlap[0] != 0:
        raise ValueError("flow: must start at overlap 0: a small change is relative to that")
    waiting = number("waiting", waiting, 0, float(flow.t[-2]))
    first, step = round(waiting / flow.step), flow.step
    count = len(flow.t) - first
    response = flow.response[first:, first:]
    curvature = flow.model.curvature(flow.correlation[first:, first:])
    mu, spike = flow.mu[first:], flow.model.spike
    # 1 at t_w: the equations are linear, and growth is relative to it
    m = np.ones(count)
    # along the signal, and in a random direction
    change = np.zeros((2, count, count))
    change[:, 0, 0] = 1.0

    def velocity(n: int) -> tuple[np.ndarray, float]:
        """Return ∂_t K(t_n, t′) for t′ ≤ t_n, of both changes, and ∂_t m."""
        seen = slice(0, n + 1)
        row = change[:, n, seen]
        pull = response[n, seen] * curvature[n, seen]
        kernel = trapezoid(n, step) * pull
        # times first: `until` integrates over them, for both changes at once
        pushed = until(response[seen, seen], (curvature[n, seen] * row).T, step).T
        of_change = -mu[n] * row + kernel @ change[:, seen, seen] + pushed
        of_change[0] += spike * m[n] * m[seen]
        return of_change, (spike - mu[n]) * m[n] + float(kernel @ m[seen])

    before = velocity(0)
    for n in range(1, count):
        past = slice(0, n)
        now = before
        for theirs in (0.0, 0.5):  # predictor, corrector
            mine = 1.0 - theirs
            row = change[:, n - 1, past] + step * (mine * before[0] + theirs * now[0][:, past])
            change[:, n, past] = change[:, past, n] = row
            # K(t, t) changes in both of its times
            change[:, n, n] = change[:, n - 1, n - 1] + 2 * step * (
                mine * before[0][:, -1] + theirs * now[0][:, -1]
            )
            m[n] = m[n - 1] + step * (mine * before[1] + theirs * now[1])
            now = velocity(n)
        before = now
    norms = 0.5 * np.log(np.einsum("vnn->vn", change))
    return SmallChange(flow.t[first:], np.log(m), *norms)
