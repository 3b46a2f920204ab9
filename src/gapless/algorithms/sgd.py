"""Mini-batch gradient descent, on the sphere or without it."""

import numpy as np

from gapless.arrays import Array, compiled, jax, jnp
from gapless.flags import as_ever
from gapless.inputs import number, whole
from gapless.precision import checked_key, precision
from gapless.problem import Problem, check_real
from gapless.shapes import Float, Int

MOST_STEPS = 2**31 - 1


@as_ever()
def sgd(
    problem: Problem,
    start: Float[Array, "K N"],
    *,
    key: Array,
    rate: float,
    batch: int,
    steps: int,
    replacement: bool = False,
    first: int = 0,
) -> Float[Array, "K N"]:
    """Return the states after `steps` steps of mini-batch gradient descent.

        W ← √N · U/|U|,   U = W + η (M/B) Σ_{m in batch} v_m(W),

    v_m the part of the velocity −∇L + μW of Eq. 2 that sample m contributes: the gradient of the
    batch is an unbiased estimate of Eq. 2's, and time is t = η × steps. With B = M and no
    replacement this is gradient descent. Without the sphere v_m has no μ, and W ← U.

    Parameters
    ----------
    key
        Seeds the batches. All K runs of a problem see the same batches, as they share X.
    rate
        η. With replacement the noise of the gradient has the standard deviation (M/√B) std_m(v_m),
        so the largest stable rate falls with B.
    batch
        B, 1 ≤ B ≤ M.
    replacement
        True: every batch is drawn anew, samples may repeat. False: each pass over the samples is
        a random permutation, cut into ⌊M/B⌋ batches; the remaining samples are left out of it.
    first
        Number of steps made before, by calls with the same key: parts of a run see the batches of
        the whole.

    Raises
    ------
    ValueError
        For a rate, batch or number of steps out of range, steps that overflow, or a start that is
        not (K, N) finite vectors near the sphere.
    """
    check_real(problem, "SGD is")
    rate, batch = number("rate", rate, above=0), whole("batch", batch)
    if not 1 <= batch <= problem.m:
        raise ValueError(f"batch: must lie between 1 and M={problem.m}, not {batch}")
    if problem.of_transforms:
        raise ValueError(
            "problem: SGD takes samples one by one, and its X has no rows; use another"
        )
    first = whole("first", first, 0, MOST_STEPS)
    steps = whole("steps", steps, 0, MOST_STEPS - first)
    start = problem.states(start, "start")
    with precision(problem.dtype):
        key = checked_key("key", key)
        return finite_states(
            _descend(problem, start, key, rate, batch, first, steps, bool(replacement)), "rate"
        )


@compiled(static_argnames=("batch", "replacement"))
def _descend(
    problem: Problem,
    start: Array,
    key: Array,
    rate: float | Float[Array, ""],
    batch: int,
    first: Int[Array, ""] | int,
    steps: Int[Array, ""] | int,
    replacement: bool,
) -> Array:
    m, n, domain = problem.m, problem.n, problem.domain
    # samples that do not fill a batch are left out of their pass
    per_pass = m // batch

    def order_of(number: Array | int) -> Array:
        # from the number of the pass: an order depends on that and the key alone
        return jax.random.permutation(jax.random.fold_in(key, number), m)

    def chosen(step: Array, order: Array) -> tuple[Array, Array]:
        # with replacement no order is kept
        if replacement:
            return jax.random.randint(jax.random.fold_in(key, step), (batch,), 0, m), order
        place = step % per_pass
        # a new order at the beginning of every pass
        order = jax.lax.cond(place == 0, lambda: order_of(step // per_pass), lambda: order)
        return jax.lax.dynamic_slice(order, (place * batch,), (batch,)), order

    def step(i: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        w, order = carry
        rows, order = chosen(i, order)
        # B N numbers are gathered, where a gradient of all samples reads M N
        x, y = problem.sensing[rows], problem.labels[:, rows]
        # M/B: the batch's gradient is an unbiased estimate of the whole one
        gradient = problem.loss.d1(w @ x.T, y) / 2 @ x * (m / batch)
        # the tangent part of ∇L is ∇L − μW of Eq. 2, with the batch's own μ of Eq. 3
        return domain.retract(w - rate * domain.tangent(gradient, w / n**0.5)), order

    # of the pass that the first step is in, which need not begin one
    order = jnp.arange(m) if replacement else order_of(first // per_pass)
    begun = (domain.retract(start), order)
    return jax.lax.fori_loop(first, first + steps, step, begun)[0]


def finite_states(w: Float[Array, "K N"], names: str) -> Float[Array, "K N"]:
    """Return the states; raise ``ValueError`` that names the rate if they are not finite."""
    # an overflow leaves NaN, or zero where a finite vector was divided by an infinite norm
    if not (np.isfinite(np.asarray(w)).all() and np.asarray(w).any(axis=1).all()):
        raise ValueError(f"{names}: a step overflows {w.dtype}, so the states are lost; lower it")
    return w
