"""States that a problem is given from outside, checked by name, and its values at a state."""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from gapless.arrays import Array, is_traced, jnp
from gapless.inputs import real_array, real_kind, shaped
from gapless.shapes import Float

Method = Callable[..., Any]
FARTHEST = 1e4
"""States may be longer or shorter than √N by this factor: a unit vector up to N = 10⁸ is one, and
ŷ⁶, which |∇L|² of the quartic loss grows like, stays within float32."""
LONGEST = FARTHEST**3
"""Largest length of a direction v."""


class Evaluation(NamedTuple):
    """Energy, μ and velocity of each run at a state W, from one pass over the data."""

    energy: Float[Array, " K"]
    """e = L/N, Eq. 1."""
    mu: Float[Array, " K"]
    """μ of Eq. 3."""
    velocity: Float[Array, "K N"]
    """−∇L + μW of Eq. 2, tangent to the sphere."""
    speed2: Float[Array, " K"]
    """|−∇L + μW|²/N, which is −de/dt."""


def at_states(*names: str) -> Callable[[Method], Method]:
    """Return a decorator of methods of states: inputs are checked, the precision is the problem's.

    Inside a loop inputs are not checked, because the caller of the loop has checked them.
    """

    def decorate(method: Method) -> Method:
        @wraps(method)
        def call(self: Any, *arrays: Any) -> Any:
            if self.in_loop:
                return method(self, *arrays)
            if is_traced(*self.arrays, *arrays):
                # the caller's own: JAX would compute in float32, and its flag is not ours to set
                if self.dtype == "float64" and jnp.result_type(float) != np.float64:
                    raise ValueError(
                        "dtype: a float64 problem inside a compiled function of yours needs JAX's "
                        "flag; call it within jax.enable_x64(True)"
                    )
                return method(self, *arrays)
            with self.computing():
                given = [self.states(a, n) for a, n in zip(arrays, names, strict=True)]
                found = method(self, *given)
                # inputs are finite, so anything else is an overflow
                parts = found if isinstance(found, tuple) else (found,)
                if not all(np.isfinite(part).all() for part in parts):
                    raise ValueError(
                        f"{', '.join(names)}, labels: {method.__name__} overflows {self.dtype} "
                        "here; give labels and states of order one, or a float64 problem"
                    )
                return found

        return call

    return decorate


def checked_states(name: str, w: Any, k: int, n: int) -> Any:
    """Return K vectors as they came: states W near the sphere, or directions named ``v``.

    Raises
    ------
    ValueError
        Unless the shape is (K, N) and every entry a finite real number, and |W| is √N within
        a factor of `FARTHEST`, or |v| at most `LONGEST`.
    """
    found = shaped(name, real_kind(name, w), (k, n), "(K, N)")
    # float64: squares of float32 entries up to 10³⁸ overflow
    host = np.asarray(real_array(name, found), float)
    largest = np.abs(host).max(axis=1)
    # scaled by the largest entry first, so that no square over- or underflows
    length = largest * np.linalg.norm(host / np.maximum(largest, 1e-300)[:, None], axis=1)
    far = length > LONGEST if name == "v" else ~_near(length / n**0.5)
    if far.any():
        run = int(np.argmax(far))
        sphere = f"states lie on the sphere of radius √N = {n**0.5:.4g}"
        bound = f"directions are at most {LONGEST:g} long" if name == "v" else sphere
        raise ValueError(
            f"{name}: run {run} has a vector of length {length[run]:.3g}; {bound}, rescale it"
        )
    return found


def _near(length: np.ndarray) -> np.ndarray:
    return (length > 1 / FARTHEST) & (length < FARTHEST)
