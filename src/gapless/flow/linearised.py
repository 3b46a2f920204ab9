"""The last decades of energy of a run that has recovered the signal, in one Krylov step.

Close to ±W* the flow is linear: with δ = W ∓ W* and H the Hessian at the signal, where μ = 0,

    δ̇ = −P H P δ,   H = ½ Σ ℓ″(y, y) x xᵀ,   e(t) = ⟨δ(t), H δ(t)⟩/2N,

where P is the projector on the tangent space. Twelve Lanczos steps from δ resolve the whole
remaining decay, for which the steps of the flow take several gradients per decade of the energy.
"""

from functools import partial

import numpy as np

from gapless.arrays import Array, compiled, jax, jnp
from gapless.flow.control import energy_rounding
from gapless.flow.solvers import NEAR_SIGNAL
from gapless.flow.state import State, select
from gapless.linalg import Gram, krylov
from gapless.problem import Problem
from gapless.shapes import Float, Int
from gapless.sphere import Domain

LANCZOS_STEPS = 12
"""Dimension of the Krylov space: first passages are accurate to 1e-4 with ten steps, and 24 steps
do not change them (N = 64, 256; α = 6, 8)."""
AGREES = 0.2
"""Largest relative difference of the measured last energy from the linear flow's."""


def finish(
    problem: Problem, state: State, t_max: float, levels: tuple[float, ...], floor: float
) -> tuple[State, bool]:
    """Advance runs close to the signal to energy `floor`, or to `t_max` if that is earlier.

    First passages of `levels` are those of the linear flow, scaled to the energy measured at the
    beginning. The energy is measured again at the end. Where it differs from the linear flow's
    (with noisy labels, for instance, whose minimum is not the signal), the run is not moved.

    Returns
    -------
    state, left
        The new state, and whether some run close to the signal was not moved.
    """
    # gaussian labels: there is no signal to be near to
    if problem.teacher is None:
        return state, False
    near, signal, operator, delta = _linear_flow(problem, state)
    near = np.asarray(near)
    if not near.any():
        return state, False
    # at most N − 1: the tangent space has no more directions
    space = krylov(operator, delta, min(LANCZOS_STEPS, problem.dimension - 1))
    # float64: energies fall by ten decades, rates differ by as many as the spectrum has
    decay = _Decay(space.nodes, space.overlaps, np.asarray(state.energy, float))
    begun = np.asarray(state.t, float)
    reached = decay.times(np.array([floor, *levels]))
    # to the energy at which runs end, or to the end of the time: whichever comes first
    lasting = np.minimum(reached[:, 0], t_max - begun)
    amplitude = space.overlaps * np.exp(-space.nodes * lasting[:, None])
    passage = begun[:, None] + reached[:, 1:]
    # a Lanczos step costs one pass over X like a gradient, the evaluation at the end one more
    gradients = np.array(space.nodes.shape[1] + 1, np.int32)
    moved = _arrive(problem, state, signal, delta, space.vectors, amplitude, lasting, gradients)
    # a level passed before is kept: `passage` is the first time
    new = np.isnan(np.asarray(state.passage)) & (passage <= (begun + lasting)[:, None])
    # from here on in NumPy: nothing is compiled for what is done once
    moved, state = moved.on_host(), state.on_host()
    moved = moved._replace(
        passage=np.where(new, passage.astype(state.t.dtype), state.passage),
        passage_gradients=np.where(new, moved.gradients[:, None], state.passage_gradients),
        running=begun + lasting >= t_max,
    )
    # the check of the whole step: nonlinear terms or another minimum show in the energy
    expected, measured = decay.energy(lasting), np.asarray(moved.energy, float)
    slack = AGREES * expected + energy_rounding(problem, expected.astype(state.t.dtype))
    made = near & (np.abs(measured - expected) < slack)
    # told, since the loop would otherwise hold these runs back for ever
    return select(made, moved, state), bool((near & ~made).any())


class _Decay:
    """e(t) = e(0) S(t)/S(0) with S(t) = Σ c² θ exp(−2θt), for K runs."""

    def __init__(self, nodes: np.ndarray, overlaps: np.ndarray, energy: np.ndarray) -> None:
        # e is quadratic in δ, so rates are twice the eigenvalues; negative ones are rounding
        self.rates = 2 * np.maximum(nodes, 0)
        # ⟨δ, H δ⟩ = Σ c² θ, scaled below to the measured energy
        weights = overlaps**2 * nodes
        self.weights = energy[:, None] * weights / weights.sum(axis=1, keepdims=True)

    def energy(self, t: np.ndarray) -> np.ndarray:
        """Return e(t) for one t per run, (K,)."""
        return (self.weights * np.exp(-self.rates * t[:, None])).sum(axis=1)

    def times(self, levels: np.ndarray) -> np.ndarray:
        """Return the times at which e falls to each of L levels, (K, L); 0 if e is below.

        Newton's iteration on log e converges from the left, since log e(t) is convex.
        """
        t = np.zeros((len(self.rates), len(levels)))
        with np.errstate(all="ignore"):
            for _ in range(60):
                terms = self.weights[:, None] * np.exp(-self.rates[:, None] * t[..., None])
                e = terms.sum(axis=2)
                slope = (self.rates[:, None] * terms).sum(axis=2)
                # a level that is not positive has no logarithm and is never reached: NaN becomes ∞
                step = np.maximum(np.nan_to_num(np.log(e / levels) * e / slope, nan=np.inf), 0)
                t += step
                if (step <= 1e-9 * (1 + t)).all():
                    break
        return t


def tangent_product(
    domain: Domain, hessian: Gram, unit: Float[Array, "K N"], v: Float[Array, "K p N"]
) -> Float[Array, "K p N"]:
    """Return the product P H P v of the tangent Hessian."""
    # P on both sides: rounding of W* must not leak the radial direction into the space
    project = jax.vmap(partial(domain.tangent, unit=unit), in_axes=1, out_axes=1)
    return project(hessian(project(v)))


@compiled()
def _linear_flow(problem: Problem, state: State):
    """Return the mask of runs close to the signal, the signal, P H P at it, and the tangent δ."""
    near = state.running & (1 - problem.overlap(state.w) < NEAR_SIGNAL)
    signal, hessian = problem.near_signal(state.w)
    unit = signal / problem.dimension**0.5
    # of a run that is elsewhere nothing is asked, but the batch is one
    delta = jnp.where(near[:, None], problem.domain.tangent(state.w - signal, unit), 1)
    product = partial(tangent_product, problem.domain)
    return near, signal, jax.tree_util.Partial(product, hessian, unit), delta


@compiled()
def _arrive(
    problem: Problem,
    state: State,
    signal: Float[Array, "K N"],
    delta: Float[Array, "K N"],
    vectors: Float[Array, "K S N"],
    amplitude: Float[Array, "K S"],
    lasting: Float[Array, " K"],
    gradients: Int[Array, ""],
) -> State:
    """Return the state evaluated at W = ±W* + |δ| Σ c exp(−θt) u, projected on the sphere."""
    length = jnp.linalg.norm(delta, axis=1, keepdims=True)
    path = jnp.einsum("ks,ksn->kn", amplitude.astype(delta.dtype), vectors)
    # δ is the tangent part; the division supplies the radial one, of the order of |δ|²
    w = problem.domain.retract(signal + length * path)
    return state.moved(w, problem.evaluate(w))._replace(
        t=(state.t + lasting).astype(state.t.dtype),
        steps=state.steps + 1,
        gradients=state.gradients + gradients,
    )
