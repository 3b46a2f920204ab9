"""One forward sweep of the discrete N → ∞ dynamics (docs/derivations/dmft.md §1–§4).

    h_k = ζ_k + Σ_{s<k} R(k,s) δ_s F_s,        F = −½ ∂ℓ/∂ŷ,   ζ ~ GP(C)
    w_{k+1} = c_k {w_k + δ_k [μ_k w_k + Σ_{s≤k} M_R(k,s) w_s + u_k]},  u ~ GP(M_C)
    R(k+1,s) = c_k {R(k,s) + δ_k [μ_k R(k,s) + Σ_{s<r≤k} M_R(k,r) R(r,s)]},  R(s+1,s) = c_s

with M_C(k,s) = α⟨F_k F_s⟩, M_R(k,s) = α⟨∂F_k/∂ζ_s⟩ and c_k = 1/|·|: gradient descent with step
δ_k in which every step is followed by division by the norm.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gapless.losses import Loss
from gapless.theory.dmft.history import History
from gapless.theory.dmft.paths import QUASI, Draws
from gapless.theory.dmft.response import mean_response
from gapless.theory.measure import evaluate

Labels = Literal["shuffled", "gaussian", "teacher"]
CONTROLS = 32
"""Control variates of the path responses, of the first coordinates ξ."""
RISE = 0.02
"""A step that raises the energy by more than this part of it is taken to be unstable."""


class Unstable(ValueError):
    """The step is beyond the stability limit of gradient descent; it happened at time `t`."""

    t: float


@dataclass(frozen=True, eq=False)
class Dynamics:
    """What is to be followed.

    Parameters
    ----------
    loss, alpha
        ℓ(ŷ, y) and M/N.
    steps : float64, shape (T,)
        δ_k > 0, one a step; time is their sum.
    labels
        ``shuffled`` and ``gaussian`` are the same as N → ∞: y is independent of everything else.
        ``teacher``: y = ⟨x, W*⟩, from the signed overlap `overlap`.
    overlap
        m_0, only with a teacher.
    """

    loss: Loss
    alpha: float
    steps: np.ndarray
    labels: Labels = "shuffled"
    overlap: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", np.asarray(self.steps, float).ravel())
        _check_alpha(self.alpha)
        if self.labels not in ("shuffled", "gaussian", "teacher"):
            raise ValueError(f"labels: {self.labels!r} is not one of teacher, shuffled, gaussian")
        if not (self.steps.size and np.isfinite(self.steps).all() and (self.steps > 0).all()):
            raise ValueError("step: steps must be positive numbers, at least one")
        if not abs(self.overlap) < 1:
            raise ValueError(f"overlap: must lie between −1 and 1, not {self.overlap}")
        if self.labels != "teacher" and self.overlap:
            raise ValueError(f"overlap: {self.labels} labels have no teacher; use --labels teacher")
        _refuse_jumps(self.loss)

    @property
    def t(self) -> np.ndarray:
        """Times of the states 0 … T, shape (T + 1,)."""
        return np.concatenate([[0.0], np.cumsum(self.steps)])


def _refuse_jumps(loss: Loss) -> None:
    """Raise ``ValueError`` if ∂ℓ/∂ŷ jumps at ŷ = 0: path derivatives would miss the jump."""
    y = np.array([0.5, 1.0, 2.0])
    tiny = np.full_like(y, 1e-6)
    jump = evaluate(loss.d1, tiny, y) - evaluate(loss.d1, -tiny, y)
    if (abs(jump) > 1e-3).any():
        raise ValueError(
            f"loss: the slope of {loss.name} jumps at ŷ = 0, which the response of sampled paths "
            "does not see; use a smooth loss"
        )


@dataclass(frozen=True, eq=False)
class Paths:
    """Arrays that hold a sweep: everything that resuming needs. T steps, P paths.

    `done` counts the states that are evaluated. Rows beyond it are undefined.
    """

    ready: np.ndarray
    """The quasi-random coordinates before matching, (`QUASI`, P)."""
    coordinates: np.ndarray
    """y and ξ_0, ξ_1, …, (T + 2, P)."""
    student: np.ndarray
    """Student's labels h_k, (T + 1, P)."""
    force: np.ndarray
    """F_s, (T + 1, P)."""
    slope: np.ndarray
    """F′_s, (T + 1, P)."""
    history: History
    m: np.ndarray
    """Signed overlap, (T + 1,)."""
    response: np.ndarray
    """R, (T + 1, T + 1)."""
    memory_y: np.ndarray
    """α⟨y² ∂F_k/∂ζ_s⟩, (T + 1, T + 1): the memory of a small overlap."""
    observed: np.ndarray
    """`OBSERVED` at each state, (T + 1, ·)."""
    done: int = 0

    @property
    def y(self) -> np.ndarray:
        """Teacher's labels, (P,)."""
        return self.coordinates[0]


OBSERVED = ("energy", "mu", "mu_tangent", "speed2", "norm", "abs", "2", "3", "4")


def sweep_bytes(steps: int, paths: int) -> float:
    """Return the memory that a sweep takes: five float32 arrays (T, P), four float64 (T, T)."""
    return 5.0 * 4 * steps * paths + 4 * 8.0 * steps**2


def sweep_flops(steps: int, paths: int) -> float:
    """Return the floating-point operations of a sweep: P T³/3, and what grows like P T²."""
    return paths * (steps**3 / 3 + 10 * steps**2 + 60 * steps)


def begin(dynamics: Dynamics, draws: Draws) -> Paths:
    """Return the state before the first evaluation."""
    steps, paths = len(dynamics.steps), draws.paths
    ready = draws.first()
    coordinates = np.zeros((steps + 2, paths), np.float32)
    for index in range(2):
        coordinates[index] = draws.matched(ready[index], coordinates[:index])
    shape = (steps + 1, paths)
    square = (steps + 1, steps + 1)
    m = np.zeros(steps + 1)
    m[0] = dynamics.overlap
    radius = float(np.sqrt(1 - dynamics.overlap**2))
    student = np.zeros(shape, np.float32)
    student[0] = m[0] * coordinates[0] + radius * coordinates[1]
    return Paths(
        ready=ready,
        coordinates=coordinates,
        student=student,
        force=np.zeros(shape, np.float32),
        slope=np.zeros(shape, np.float32),
        history=History.begin(steps, paths, radius),
        m=m,
        response=np.zeros(square),
        memory_y=np.zeros(square),
        observed=np.full((steps + 1, len(OBSERVED)), np.nan),
    )


def sweep(
    dynamics: Dynamics,
    draws: Draws,
    state: Paths | None = None,
    watch: Callable[[Paths], object] = lambda _: None,
) -> Paths:
    """Return the paths after all steps.

    Parameters
    ----------
    state
        Where to go on from; the start by default. Its arrays are used up.
    watch
        Called after each step with the state so far.

    Raises
    ------
    Unstable
        If the energy rises: gradient descent does so beyond its stability limit.
    """
    state = begin(dynamics, draws) if state is None else state
    for k in range(state.done, len(dynamics.steps) + 1):
        _evaluate(dynamics, state, k)
        _check_descent(dynamics, state, k)
        if k < len(dynamics.steps):
            _step(dynamics, draws, state, k)
        state = replace(state, done=k + 1)
        watch(state)
    return state


def _evaluate(dynamics: Dynamics, state: Paths, k: int) -> None:
    """Fill in forces and averages at state k."""
    loss, h, y = dynamics.loss, state.student[k], state.y
    h, y = h.astype(float), y.astype(float)
    force = -evaluate(loss.d1, h, y) / 2
    state.force[k] = force
    state.slope[k] = -evaluate(loss.d2, h, y) / 2
    size = abs(h)
    found = state.observed[k]
    found[0] = dynamics.alpha / 2 * evaluate(loss.value, h, y).mean()
    found[1] = -dynamics.alpha * (force * h).mean()
    found[5:9] = [(size**power).mean() for power in (1, 2, 3, 4)]


def _check_descent(dynamics: Dynamics, state: Paths, k: int) -> None:
    energy = state.observed[: k + 1, 0]
    if not np.isfinite(energy[k]) or (k and energy[k] - energy[k - 1] > RISE * abs(energy[k - 1])):
        step = dynamics.steps[k - 1]
        error = Unstable(
            f"step: {step:g} is beyond the stability limit of gradient descent at "
            f"t = {dynamics.t[k]:.3g} (the energy rises); halve it"
        )
        error.t = float(dynamics.t[k])
        raise error


def _check_alpha(alpha: float) -> None:
    if not (np.isfinite(alpha) and alpha > 0):
        raise ValueError(f"alpha: must be a positive number, not {alpha}")


def stable_step(alpha: float) -> float:
    """Return a step that gradient descent on the quartic loss bears with 10⁴ paths, 0.1/α.

    Raises ``ValueError`` unless α is a positive number.
    """
    _check_alpha(alpha)
    return float(f"{0.1 / alpha:.1g}")


def _step(dynamics: Dynamics, draws: Draws, state: Paths, k: int) -> None:
    """Make w_{k+1}, row k + 1 of R, and the labels h_{k+1}."""
    alpha, delta = dynamics.alpha, dynamics.steps[k]
    now, paths = slice(0, k + 1), draws.paths
    weight = np.stack([np.ones_like(state.y), state.y**2])
    kernel = state.response[now, now].astype(np.float32)
    step = np.append(dynamics.steps[:k], 0).astype(np.float32)
    coordinates, m, xi = state.history.coordinates, state.m, state.coordinates[1:]
    controls = slice(0, min(CONTROLS, k + 1))
    # row k of M_R; no later step needs it
    memory, state.memory_y[k, now] = alpha * mean_response(
        state.slope[now],
        kernel,
        step,
        weight,
        state.force[k] * xi[controls],
        coordinates[now, controls].astype(np.float32),
    )
    # the total force on w, along the basis and along W*
    force = state.history.project(k, state.force[k] * np.float32(np.sqrt(alpha / paths)))
    force[now] += memory @ coordinates[now, now]
    teacher = dynamics.labels == "teacher"
    along = alpha * float(state.force[k] @ state.y) / paths if teacher else 0.0
    w = np.append(coordinates[k, now], 0)
    mu = -float(force @ w) - along * m[k]
    velocity, velocity_m = force + mu * w, along + mu * m[k]
    w, w_m = w + delta * velocity, m[k] + delta * velocity_m
    c = 1 / np.sqrt(w @ w + w_m**2)
    coordinates[k + 1, : k + 2], m[k + 1] = c * w, c * w_m
    response = state.response[now, now]
    state.response[k + 1, now] = c * ((1 + delta * mu) * response[k] + delta * (memory @ response))
    state.response[k + 1, k] = c
    state.observed[k, 2:5] = mu, velocity @ velocity + velocity_m**2, c
    # the field, and the labels
    before = state.coordinates[: k + 2]
    if k + 2 < QUASI:
        xi[k + 1] = draws.matched(state.ready[k + 2], before)
    else:
        xi[k + 1] = draws.coordinate(k + 2, before)
    zeta = coordinates[k + 1, : k + 2].astype(np.float32) @ xi[: k + 2]
    past = (state.response[k + 1, now] * dynamics.steps[now]).astype(np.float32)
    state.student[k + 1] = np.float32(m[k + 1]) * state.y + zeta + past @ state.force[now]
