"""Steps at N = ∞: gradient descent with given steps, or the flow with steps of its own."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gapless.chebyshev import MAX_STAGES, coefficient_table, stability_and_error
from gapless.theory import bulk
from gapless.theory.dmft.sensing import Motion
from gapless.theory.dmft.state import Here, State

RISE = 0.02
"""A step of descent that raises the energy by more than this part of it is taken to be unstable."""
FLOOR = 1e-3
"""Energies below this part of α may rise."""
SAFETY = 1.1
"""The largest curvatures are samples of their law: the flow's steps leave so much room."""
STIFFNESS_EVERY = 8
"""Steps after which the largest eigenvalue of the Hessian is found anew."""
SHORTEST = 1e-7
"""A step that has to be shorter than this has lost its way."""


class Unstable(ValueError):
    """The step is beyond the stability limit of gradient descent; it happened at time `t`."""

    t: float


@dataclass(frozen=True, eq=False)
class Descent:
    """Gradient descent: Euler's steps.

    Parameters
    ----------
    steps : float64, shape (T,)
        δ_k > 0, one a step; time is their sum.
    saved : int, shape (S,)
        Numbers of the states that are saved, ascending from 0; all T + 1 by default.
    """

    steps: np.ndarray
    saved: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", np.asarray(self.steps, float).ravel())
        if not (self.steps.size and np.isfinite(self.steps).all() and (self.steps > 0).all()):
            raise ValueError("step: steps must be positive numbers, at least one")
        last = len(self.steps)
        saved = np.arange(last + 1) if self.saved is None else np.asarray(self.saved)
        if saved[0] != 0 or (np.diff(saved) <= 0).any() or saved[-1] > last:
            raise ValueError(f"saved: states must ascend from 0 to at most {last}")
        object.__setattr__(self, "saved", saved)

    @property
    def clock(self) -> np.ndarray:
        """Times of all states, shape (T + 1,)."""
        return np.concatenate([[0.0], np.cumsum(self.steps)])

    @property
    def t(self) -> np.ndarray:
        """Times of the saved states, shape (S,)."""
        return self.clock[self.saved]

    def run(self, state: State) -> Iterator[tuple[Here, bool]]:
        """Go through the states that are left, yielding each and whether it is saved."""
        clock, saved, energy = self.clock, set(np.asarray(self.saved).tolist()), np.inf
        resumed = state.begun
        for k in range(state.steps, len(clock)):
            here = state.evaluate(state.motions)
            state.motions = here.motions
            # close to zero energy single paths that change sides make it rise
            self._check(here.energy, max(energy, FLOOR * state.dynamics.alpha), k, clock[k])
            energy = here.energy
            if not resumed:
                yield here, k in saved
            resumed = False
            if k < len(self.steps):
                here = _with_new_probes(state, here)
                state.move(state.combine([1.0, self.steps[k]], state.motions, here.velocities))
                state.t, state.steps = float(clock[k + 1]), k + 1

    def _check(self, energy: float, before: float, k: int, t: float) -> None:
        if np.isfinite(energy) and not energy - before > RISE * abs(before):
            return
        step = self.steps[max(0, k - 1)]
        error = Unstable(
            f"step: {step:g} is beyond the stability limit of gradient descent at t = {t:.3g} "
            "(the energy rises); halve it"
        )
        error.t = float(t)
        raise error


@dataclass(frozen=True, eq=False)
class Flow:
    """The flow: Runge–Kutta–Chebyshev steps of order 2 (`gapless.chebyshev`).

    Accuracy sets their length, by the method's own error estimate
    0.8 (W₀ − W₁) + 0.4 h (V₀ + V₁), and the largest eigenvalue of the Hessian at N = ∞, which is
    the right edge of Eq. 5's spectrum, the number of their stages. So steps grow as the flow slows
    down.

    Parameters
    ----------
    t : float64, shape (S,)
        Times of the saved states, from 0 on, ascending.
    accuracy
        Largest error of a step, in units of the sphere's radius.
    """

    t: np.ndarray
    accuracy: float = 3e-3

    def __post_init__(self) -> None:
        object.__setattr__(self, "t", np.asarray(self.t, float).ravel())
        if not (self.t.size > 1 and self.t[0] == 0 and (np.diff(self.t) > 0).all()):
            raise ValueError("t: times must begin with 0 and ascend, at least two")
        if not 0 < self.accuracy < 1:
            raise ValueError(f"accuracy: must lie between 0 and 1, not {self.accuracy}")

    def run(self, state: State) -> Iterator[tuple[Here, bool]]:
        """Go through the states that are left, yielding each and whether it is saved."""
        resumed = state.begun
        here = state.evaluate(state.motions)
        state.motions = here.motions
        if not resumed:
            yield here, True
            here = _with_new_probes(state, here)
        for goal in self.t[self.t > state.t]:
            while state.t < goal:
                if state.steps % STIFFNESS_EVERY == 0:
                    state.stiffness = SAFETY * _stiffness(state, here)
                here = self._step(state, here, goal)
                yield here, state.t == goal
                here = _with_new_probes(state, here)

    def _step(self, state: State, here: Here, goal: float) -> Here:
        """Move to the end of an accepted step, and return what is there."""
        beta, _ = stability_and_error()
        start, t, stiffness = here, state.t, state.stiffness
        motions, logs = state.motions, state.logs
        while True:
            h = min(state.length, beta[MAX_STAGES] / stiffness)
            last = state.t + h * (1 + 1e-9) >= goal
            h = goal - t if last else h
            stages = max(2, int(np.searchsorted(beta[2:], h * stiffness)) + 2)
            state.move(_chebyshev(state, motions, start.velocities, h, min(stages, MAX_STAGES)))
            here = state.evaluate(state.motions)
            error = state.views[0].combined(
                [0.8, -0.8, 0.4 * h, 0.4 * h],
                [motions[0], here.motions[0], start.velocities[0], here.velocities[0]],
            )
            ratio = error.length / self.accuracy
            if not np.isfinite(here.energy):
                ratio = np.inf
            room = float(np.clip(0.8 * max(ratio, 1e-9) ** (-1 / 3), 0.2, 2))
            if ratio <= 1:
                # a step that was cut to meet a goal says little about the next
                state.length = max(state.length, h * room) if last else h * room
                state.motions, state.t = here.motions, float(goal) if last else t + h
                state.steps += 1
                return here
            state.length = h * room
            state.motions, state.logs = motions, logs
            if state.length < SHORTEST:
                error = Unstable(
                    f"accuracy: the flow needs steps below {SHORTEST:g} at t = {t:g}; "
                    "raise --accuracy"
                )
                error.t = t
                raise error


def _with_new_probes(state: State, here: Here) -> Here:
    """Return what is there, evaluated anew if probes have started since."""
    if len(here.motions) == len(state.motions):
        return here
    here = state.evaluate(state.motions)
    state.motions = here.motions
    return here


def _chebyshev(
    state: State, motions: list[Motion], velocities: list[Motion], h: float, stages: int
) -> list[Motion]:
    """Return where a step of so many stages leads."""
    mu, nu, mu_tilde, gamma_tilde = coefficient_table()[:, stages]
    older, old = motions, state.combine([1.0, mu_tilde[1] * h], motions, velocities)
    for j in range(2, stages + 1):
        here = state.evaluate(old)
        new = state.combine(
            [1 - mu[j] - nu[j], mu[j], nu[j], mu_tilde[j] * h, gamma_tilde[j] * h],
            motions,
            here.motions,
            older,
            here.velocities,
            velocities,
        )
        older, old = here.motions, new
    return old


def _stiffness(state: State, here: Here) -> float:
    """Return the largest eigenvalue of the Hessian, after μ: the right edge of its spectrum.

    It is the left edge of the spectrum of −∇²L, whose weights are F′.
    """
    weights = here.slope.astype(float)
    law = bulk.Curvatures(
        weights, weights**2, np.full(len(weights), 1 / len(weights)), state.dynamics.alpha
    )
    return max(-bulk.edge(law).value - here.mu, 1e-3)
