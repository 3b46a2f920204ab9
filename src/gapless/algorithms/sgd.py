"""Mini-batch gradient descent on the sphere."""

import numpy as np
from jaxtyping import Float, Int

from gapless.arrays import Array, compiled, jax, jnp
from gapless.flags import as_ever
from gapless.inputs import number, whole
from gapless.precision import checked_key, precision
from gapless.problem import Problem, check_real
from gapless.sphere import normalise, tangent

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
) -> Float[Array, "K N"]:
    """Return the states after `steps` steps of mini-batch gradient descent.

        W ← √N · U/|U|,   U = W + η (M/B) Σ_{m in batch} v_m(W),

    v_m the part of the velocity −∇L + μW of Eq. 2 that sample m contributes: the gradient of the
    batch is an unbiased estimate of Eq. 2's, and time is t = η × steps. With B = M and no
    replacement this is gradient descent.

    Parameters
    ----------
    key
        Seeds the batches. All K runs of a problem see the same batches, as they share X.
    rate
        η. The gradient's standard deviation is √(M/B) |v_m|: the largest stable rate falls with B.
    batch
        B, 1 ≤ B ≤ M.
    replacement
        True: every batch is drawn anew, samples may repeat. False: each pass over the samples is
        a random permutation, cut into ⌊M/B⌋ batches; the remaining samples are left out of it.

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
    steps, start = whole("steps", steps, 0, MOST_STEPS), problem.states(start, "start")
    with precision(problem.dtype):
        key = checked_key("key", key)
        return finite_states(
            _descend(problem, start, key, rate, batch, steps, bool(replacement)), "rate"
        )


@compiled(static_argnames=("batch", "replacement"))
def _descend(
    problem: Problem,
    start: Array,
    key: Array,
    rate: float | Float[Array, ""],
    batch: int,
    steps: Int[Array, ""] | int,
    replacement: bool,
) -> Array:
    m, n = problem.m, problem.n
    # samples that do not fill a batch are left out of their pass
    per_pass = m // batch

    def chosen(step: Array, order: Array) -> tuple[Array, Array]:
        # with replacement no order is kept
        if replacement:
            return jax.random.randint(jax.random.fold_in(key, step), (batch,), 0, m), order
        place = step % per_pass
        order = jax.lax.cond(
            # a new order at the beginning of every pass
            place == 0,
            # from the number of the pass: an order depends on that and the key alone
            lambda: jax.random.permutation(jax.random.fold_in(key, step // per_pass), m),
            lambda: order,
        )
        return jax.lax.dynamic_slice(order, (place * batch,), (batch,)), order

    def step(i: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        w, order = carry
        rows, order = chosen(i, order)
        # B N numbers are gathered, where a gradient of all samples reads M N
        x, y = problem.sensing[rows], problem.labels[:, rows]
        # M/B: the batch's gradient is an unbiased estimate of the whole one
        gradient = problem.loss.d1(w @ x.T, y) / 2 @ x * (m / batch)
        # the tangent part of ∇L is ∇L − μW of Eq. 2, with the batch's own μ of Eq. 3
        return normalise(w - rate * tangent(gradient, w / n**0.5)), order

    # this order is never used: step 0 begins a pass and draws its own
    first = (normalise(start), jnp.arange(m))
    return jax.lax.fori_loop(0, steps, step, first)[0]


def finite_states(w: Float[Array, "K N"], names: str) -> Float[Array, "K N"]:
    """Return the states; raise ``ValueError`` that names the rate if they are not finite."""
    # an overflow leaves NaN, or zero where a finite vector was divided by an infinite norm
    if not (np.isfinite(np.asarray(w)).all() and np.asarray(w).any(axis=1).all()):
        raise ValueError(f"{names}: a step overflows {w.dtype}, so the states are lost; lower it")
    return w
