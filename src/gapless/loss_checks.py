"""Conditions on a loss: consistent derivatives, symmetry, zeros, and precision in float32.

All tolerances are relative to the size of the loss at labels of order one, because a constant
factor in the loss is a unit of energy and time only.
"""

from collections.abc import Callable

import numpy as np

from gapless.arrays import Pointwise

Functions = tuple[Pointwise, Pointwise, Pointwise]
NAMES = ("value", "d1 = ∂ℓ/∂ŷ", "d2 = ∂²ℓ/∂ŷ²")

FARTHEST_STUDENT, FARTHEST_TEACHER = 1e3, 10.0
"""Labels at which theory evaluates a loss: the scan for the end of the support of P(ŷ | y), and
the last teacher's label of the quadrature."""
PAIRS = 2000
STRAYS = PAIRS // 200
"""Pairs of labels at which a derivative may miss the differences: next to a kink."""
DIFFERENCE = 1e-3
"""Largest relative distance of a derivative from the differences of its primitive."""
DIGITS_LOST = 0.05
"""Relative error of a mean energy that float32 may make: an energy that falls like exp(−t/τ) from
1 to 1e-8 in 18 τ is then late or early by 0.05 τ, 0.3 %."""
FLOAT32_LEVELS = (1e-4, 1e-6, 1e-8, 1e-10)
"""Mean ℓ near ŷ = y, over that at independent labels, where float32 is compared with float64: down
to the last energy whose first passage is recorded."""


def size_of(name: str, value: Pointwise) -> float:
    """Return the median of |ℓ| at independent labels of order one: the unit of a loss.

    Raises ``ValueError`` where that is zero, not finite, or beyond what float64 can square.
    """
    # independent labels: at ŷ ≈ y a loss is as small as the labels are close
    yhat, y = _labels(0.3, 3.0)
    found = _at("value", name, value, yhat, y)
    size = float(np.median(np.abs(found)))
    # theory squares slopes, and float64 ends at 1e308
    if not 1e-100 < size < 1e100:
        what = "vanishes" if size == 0 else f"has values around {size:.3g}"
        raise ValueError(
            f"loss: {name} {what} at labels of order one, out of reach of floating point; "
            "multiply it by a constant"
        )
    return size


def check_functions(name: str, functions: Functions) -> float:
    """Check three functions ℓ, ℓ′ and ℓ″ for consistency; return the unit of the loss (`size_of`).

    At 2000 pairs of labels they must be real, finite and elementwise, and each derivative must
    agree with differences of the function before it. Kinks are allowed: few pairs lie next to one.

    Raises ``ValueError`` that names the function and the pair of labels.
    """
    size = size_of(name, functions[0])
    # beyond what Gaussian labels reach, so that tails are looked at too
    yhat, y = _labels(1e-2, 30.0)
    for what, function in zip(NAMES, functions, strict=True):
        found = _at(what, name, function, yhat, y)
        _check_elementwise(what, name, function, (yhat, y), found)
    for of, derivative in ((0, 1), (1, 2)):
        _check_derivative(name, functions[of], functions[derivative], derivative, size)
    return size


def check_law(name: str, functions: Functions) -> None:
    """Raise ``ValueError`` unless a loss meets the conditions of theory and simulation.

    Beyond `check_functions`, on labels up to |ŷ| = 1000, |y| = 10: value and derivatives are
    finite; even in ŷ and in y; zero at ŷ = ±y and nowhere negative (a run has found the signal
    when its energy vanishes); no cusp at ŷ = 0 that points down (it would hold labels at zero);
    and no jump of ∂ℓ/∂ŷ at ŷ = y (the Hessian at a solution would be infinite). A kink that points
    up at ŷ = 0, like the amplitude loss has, is allowed. Other jumps of the slope are not
    searched for.
    """
    value, d1, d2 = functions
    # zero itself included: that is where kinks of even functions lie
    size = np.concatenate([[0.0], np.geomspace(1e-3, FARTHEST_STUDENT, 61)])
    y = np.concatenate([[0.0], np.geomspace(1e-3, FARTHEST_TEACHER, 40)])
    here, there = size[:, None] + 0 * y, y + 0 * size[:, None]
    ell, _, curvature = (
        _at(what, name, function, here, there)
        for what, function in zip(NAMES, functions, strict=True)
    )
    unit = check_functions(name, functions)
    # relative to the values, with a floor of the loss's own unit
    close = 1e-9 * (unit + np.abs(ell))
    for sign, mirrored in (("ŷ", value(-here, there)), ("y", value(here, -there))):
        if (np.abs(mirrored - ell) > close).any():
            raise ValueError(f"loss: {name} must be even in {sign}; labels carry no sign here")
    # the values themselves are sums of terms as large as ℓ(0, y)
    rounding = 1e-12 * (unit + np.abs(ell[0]))
    at_label = np.abs(_at("value", name, value, y, y))
    if (at_label > rounding).any() or (ell < -rounding).any():
        raise ValueError(
            f"loss: {name} must vanish at ŷ = ±y and be nowhere negative: a run has found the "
            "signal when its energy is zero"
        )
    # beside zero: at a kink itself the slope may be given any value
    near = 1e-6
    if (d1(near + 0 * y, y) > 10 * near * (unit + np.abs(curvature[0]))).any():
        raise ValueError(f"loss: {name} has a cusp at ŷ = 0 that points down, which is not covered")
    # for small y the well at ŷ = y merges with its mirror image
    inner = y[y > 0.1]
    ahead, behind = (d1(inner + s * near, inner) for s in (1, -1))
    around = sum(np.abs(d2(inner + s * near, inner)) for s in (1, -1))
    if (np.abs(ahead - behind) > 10 * near * (unit + around)).any():
        raise ValueError(
            f"loss: the slope of {name} jumps at ŷ = y, so its second derivative is infinite there"
        )


def check_traced(name: str, functions: Functions, dtype: str) -> None:
    """Raise ``ValueError`` unless JAX can compile the functions, to arrays of their arguments'."""
    import jax

    # two unequal axes, so that a transposed answer is noticed; shapes only, nothing is computed
    label = jax.ShapeDtypeStruct((2, 3), dtype)
    for what, function in zip(NAMES, functions, strict=True):
        try:
            with jax.enable_x64(dtype == "float64"):
                found = jax.eval_shape(function, label, label)
        except (Exception, SystemExit) as error:
            raise ValueError(_no_arithmetic(name, what, error)) from None
        if getattr(found, "shape", None) != (2, 3) or found.dtype != dtype:
            kind = f"{found.dtype}{list(found.shape)}" if hasattr(found, "dtype") else type(found)
            raise ValueError(
                f"loss: {what} of {name} must return one number of its arguments' precision for "
                f"each pair of labels ({dtype}[2, 3] here), not {kind}; a constant is written "
                "2 + 0 * yhat"
            )


def check_range(name: str, value: Pointwise) -> None:
    """Raise ``ValueError`` where the squares of a loss's slopes leave the range of float32."""
    unit, tiny = size_of(name, value), float(np.finfo(np.float32).tiny)
    # the cube root: a squared slope times a label or two must be representable
    if not tiny ** (1 / 3) < unit < tiny ** (-1 / 3):
        raise ValueError(
            f"loss: {name} has values around {unit:.3g}, and squares of its slopes leave the range "
            "of float32; multiply it by a constant, or compute in float64 (dtype)"
        )


def check_float32(name: str, functions: Functions) -> None:
    """Raise ``ValueError`` where float32 loses the digits of a loss, such as near ŷ = ±y.

    Compared with float64 at the same labels: mean ℓ, and ℓ′ and ℓ″ in mean square, at independent
    labels and where mean ℓ is one of `FLOAT32_LEVELS`.
    """
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(False):
        narrow = jax.jit(lambda yhat, y: tuple(f(yhat, y) for f in functions))

    def error(yhat: np.ndarray, y: np.ndarray) -> list[float]:
        yhat, y = yhat.astype(np.float32), y.astype(np.float32)
        with jax.enable_x64(False):
            found = [np.asarray(a, float) for a in narrow(jnp.asarray(yhat), jnp.asarray(y))]
        exact = [
            np.asarray(_at(what, name, f, yhat.astype(float), y.astype(float)))
            for what, f in zip(NAMES, functions, strict=True)
        ]
        # energies are sums over labels, so it is the mean that counts, not the worst label
        energy = abs(found[0].sum() / exact[0].sum() - 1)
        slopes = [
            float(np.linalg.norm(a - b) / max(float(np.linalg.norm(b)), 1e-300))
            for a, b in zip(found[1:], exact[1:], strict=True)
        ]
        return [float(energy), *slopes]

    # the same labels each time: a loss is accepted or not, whoever asks
    rng = np.random.default_rng(0)
    y, across = rng.standard_normal((2, PAIRS))
    cases = [(np.inf, across)]
    typical = float(np.abs(functions[0](across, y)).mean())
    for level in FLOAT32_LEVELS:
        spread = _spread(lambda s: functions[0](y + s * across, y), level * typical)
        cases.append((level, y + spread * across))
    for level, yhat in cases:
        for what, wrong in zip(NAMES, error(yhat, y), strict=True):
            if not wrong <= DIGITS_LOST:
                where = "" if level == np.inf else f" near ŷ = ±y, where ℓ has fallen by {level:g}"
                raise ValueError(
                    f"loss: in float32 {what} of {name} is off by {wrong:.0%}{where}. Write it "
                    "without a difference of nearly equal numbers (o²/(1 + √(1 + o²)) for "
                    "√(1 + o²) − 1, log1p(u) for log(1 + u), expm1(u) for eᵘ − 1, log1p(2 "
                    "sinh²(o/2)) for log cosh o), or compute in float64 (dtype)"
                )


def _spread(mean_at: Callable[[float], np.ndarray], target: float) -> float:
    """Return the spread of ŷ about y that gives a mean loss, to a per cent, by bisection."""
    # on a logarithmic scale: the spread is the square root of the level, or another power
    low, high = 1e-12, 1.0
    for _ in range(40):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if float(mean_at(middle).mean()) < target else (low, middle)
    return (low * high) ** 0.5


def _labels(lowest: float, highest: float) -> tuple[np.ndarray, np.ndarray]:
    """Return fixed pairs of labels > 0, log-uniform and in general position."""
    rng = np.random.default_rng(0)
    yhat, y = np.exp(rng.uniform(np.log(lowest), np.log(highest), (2, PAIRS)))
    # the last labels scattered below the limit, not piled up on it
    return yhat, np.minimum(y, FARTHEST_TEACHER * rng.uniform(0.5, 1, PAIRS))


def _no_arithmetic(name: str, what: str, error: BaseException) -> str:
    reason = " ".join(str(error).split())[:200]
    return (
        f"loss: {name} must be elementwise arithmetic on arrays, value(yhat, y), made of "
        f"operators and jax.numpy; evaluating its {what} raised {type(error).__name__}: {reason}"
    )


def _at(what: str, name: str, function: Pointwise, yhat: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return a function's values at pairs of labels; raise unless real, finite, one for each."""
    try:
        with np.errstate(all="ignore"):
            found = np.asarray(function(yhat, y))
    except (Exception, SystemExit) as error:
        raise ValueError(_no_arithmetic(name, what, error)) from None
    if found.dtype.kind not in "fiu":
        raise ValueError(f"loss: the {what} of {name} must be real numbers, not {found.dtype}")
    if found.shape not in ((), yhat.shape):
        raise ValueError(
            f"loss: {name} must be elementwise: its {what} is of shape {found.shape} for labels "
            f"of shape {yhat.shape}"
        )
    found = np.broadcast_to(found.astype(float), yhat.shape)
    if not (finite := np.isfinite(found)).all():
        worst = tuple(np.argwhere(~finite)[0])
        raise ValueError(
            f"loss: the {what} of {name} is not finite at ŷ={yhat[worst]:g}, y={y[worst]:g}; write "
            "it so that large labels do not overflow and square roots stay off zero"
        )
    return found


def _check_elementwise(
    what: str,
    name: str,
    function: Pointwise,
    labels: tuple[np.ndarray, np.ndarray],
    together: np.ndarray,
) -> None:
    """Raise ``ValueError`` where a pair's number depends on the other pairs, or on their order."""
    # reversed, thinned and alone: means, sorts and padding show in one of them
    orders = (np.arange(PAIRS)[::-1], np.arange(0, PAIRS, 3), np.arange(1))
    typical = float(np.median(np.abs(together)))
    for chosen in orders:
        alone = _at(what, name, function, labels[0][chosen], labels[1][chosen])
        if (np.abs(alone - together[chosen]) > 1e-9 * (typical + np.abs(alone))).any():
            raise ValueError(
                f"loss: {name} must be elementwise: its {what} at a pair of labels changes with "
                "the other pairs, or from call to call"
            )


def _check_derivative(
    name: str, function: Pointwise, derivative: Pointwise, order: int, size: float
) -> None:
    """Raise ``ValueError`` unless a derivative is the slope of a function, by differences.

    The truncation error is estimated from differences of two lengths; the rounding error is that of
    terms as large as the function nearby, at ŷ = 0, or at twice ŷ.
    """
    yhat, y = _labels(1e-2, 30.0)
    # relative: labels span four decades
    step = 1e-3 * yhat

    def slope(h: np.ndarray) -> np.ndarray:
        ahead, behind = (np.asarray(function(yhat + s * h, y), float) for s in (1, -1))
        return (ahead - behind) / (2 * h)

    # their difference estimates the error of the shorter: a kink nearby makes it large
    long, short = slope(step), slope(step / 2)
    terms = sum(np.abs(np.asarray(function(at, y), float)) for at in (yhat, 0 * yhat, 2 * yhat))
    rounding = 1e-13 * (terms + size) / step
    claimed = np.broadcast_to(np.asarray(derivative(yhat, y), float), yhat.shape)
    allowed = DIFFERENCE * (np.abs(short) + np.abs(claimed)) + 10 * np.abs(long - short) + rounding
    wrong = np.abs(claimed - short) > allowed
    # a few pairs may lie next to a kink
    if wrong.sum() > STRAYS:
        k = int(np.argmax(wrong))
        raise ValueError(
            f"loss: {NAMES[order]} of {name} is not the derivative of its "
            f"{'value' if order == 1 else 'd1'}: at ŷ={yhat[k]:.4g}, y={y[k]:.4g} it is "
            f"{claimed[k]:.6g}, and differences give {short[k]:.6g}; or give the value alone "
            "(loss_from_value)"
        )
