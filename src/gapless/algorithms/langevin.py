"""Langevin dynamics at a temperature: the flow with thermal noise."""

from gapless.algorithms.sgd import MOST_STEPS, finite_states
from gapless.arrays import Array, compiled, jax, jnp
from gapless.flags import as_ever
from gapless.inputs import number, whole
from gapless.precision import checked_key, precision
from gapless.problem import Problem, check_real
from gapless.shapes import Float, Int


@as_ever()
def langevin(
    problem: Problem,
    start: Float[Array, "K N"],
    *,
    key: Array,
    temperature: float,
    rate: float,
    steps: int,
    first: int = 0,
) -> tuple[Float[Array, "K N"], Float[Array, "K T"]]:
    """Run Langevin dynamics; return the last states, and the energy e = L/N before each step.

        W ← √N · U/|U|,   U = W + h V(W) + √(2Th) P ξ,   ξ ~ N(0, 1_N),

    which is (A10): V is the velocity of Eq. 2, P the projector on the tangent space. As h → 0 this
    is Brownian motion on the sphere with drift V (A11); it leaves the Gibbs measure ∝ exp(−L/T)
    invariant, L the extensive loss of Eq. 1. Dividing by the norm makes the Itô drift −T(N−1)/N W
    that keeps W on the sphere. Averages are off by O(h). Without the sphere P is 1, W ← U, and
    exp(−L/T) is a density on R^N.

    Parameters
    ----------
    key
        Seeds the noise, of its own for each run.
    temperature
        T ≥ 0; at 0 this is gradient descent.
    rate
        h, in units of the time of Eq. 2.
    first
        Number of steps made before, by calls with the same key: parts of a run see the noise of
        the whole.

    Raises ``ValueError`` for a temperature, rate or number of steps out of range, steps that
    overflow, or a start that is not (K, N) finite vectors near the sphere.
    """
    check_real(problem, "Langevin dynamics is")
    temperature, rate = number("temperature", temperature, 0), number("rate", rate, above=0)
    first = whole("first", first, 0, MOST_STEPS)
    steps = whole("steps", steps, 1, MOST_STEPS - first)
    start = problem.states(start, "start")
    with precision(problem.dtype):
        key = checked_key("key", key)
        w, energies = _walk(problem, start, key, temperature, rate, first, steps)
        return finite_states(w, "rate, temperature"), energies


@compiled(static_argnames="steps")
def _walk(
    problem: Problem,
    start: Array,
    key: Array,
    temperature: float | Float[Array, ""],
    rate: float | Float[Array, ""],
    first: int | Int[Array, ""],
    steps: int,
) -> tuple[Array, Array]:
    domain = problem.domain

    def step(w: Array, i: Array) -> tuple[Array, Array]:
        here = problem.evaluate(w)
        # from the number of the step: no key is carried along
        noise = jax.random.normal(jax.random.fold_in(key, i), w.shape, w.dtype)
        # noise on the sphere: N − 1 components
        noise = domain.tangent(noise, w / problem.n**0.5)
        # variance 2Th a component: the Gibbs measure is that of L, extensive
        moved = w + rate * here.velocity + (2 * temperature * rate) ** 0.5 * noise
        # division by the norm gives the Itô drift −T(N−1)/N W (baselines.md §5); the energy is that
        # of the state before the step, which is on the sphere
        return domain.retract(moved), here.energy

    w, energies = jax.lax.scan(step, domain.retract(start), first + jnp.arange(steps))
    # `scan` stacks steps first
    return w, energies.T
