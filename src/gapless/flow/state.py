"""State of K runs: the argument and the result of a step."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gapless.arrays import Array, library
from gapless.problem import Evaluation
from gapless.shapes import Bool, Float, Int


class State(NamedTuple):
    """State of K runs at one time, with step control, counters and first passages."""

    w: Float[Array, "K N"]
    velocity: Float[Array, "K N"]
    energy: Float[Array, " K"]
    mu: Float[Array, " K"]
    speed2: Float[Array, " K"]
    t: Float[Array, " K"]
    length: Float[Array, " K"]
    """Step size that accuracy allows for a local error of h³ W‴."""
    before: Float[Array, "K N"]
    """Velocity one step earlier (the present one at the start)."""
    h_before: Float[Array, " K"]
    """Size of the last step."""
    direction: Float[Array, "K N"]
    """Unit vectors of the power method, which approach the stiffest direction."""
    stiffness: Float[Array, " K"]
    """Estimate of the largest |eigenvalue| of the Jacobian of the velocity."""
    energy_start: Float[Array, " K"]
    running: Bool[Array, " K"]
    finite: Bool[Array, " K"]
    steps: Int[Array, " K"]
    gradients: Int[Array, " K"]
    passage: Float[Array, "K L"]
    """First time at which L/N fell to each level; NaN before."""
    passage_gradients: Int[Array, "K L"]

    @classmethod
    def at(
        cls,
        w: Float[Array, "K N"],
        here: Evaluation,
        length: Float[Array, " K"],
        levels: Sequence[float],
    ) -> "State":
        """Return the state of runs that start from W at t = 0 with first step sizes `length`."""
        xp = library(w)
        finite = is_finite(here)
        (k, n), dtype = w.shape, w.dtype
        # a run that starts below a level takes no step to it
        passed = here.energy[:, None] <= xp.asarray([levels], dtype)
        return cls(
            w=w,
            velocity=here.velocity,
            energy=here.energy,
            mu=here.mu,
            speed2=here.speed2,
            t=xp.zeros(k, dtype),
            length=length,
            # V₋ = V makes Adams–Bashforth's first step one of Euler's
            before=here.velocity,
            h_before=length,
            # a unit vector, |V|² = N speed2; 1e-30 lets a start at rest pass
            direction=here.velocity / xp.sqrt(n * here.speed2 + 1e-30)[:, None],
            # unknown: the power method is due in the first steps
            stiffness=xp.zeros(k, dtype),
            # errors are judged against √(e/e(0)), the distance to a solution relative to the start
            energy_start=here.energy,
            running=finite,
            finite=finite,
            steps=xp.zeros(k, int),
            # the evaluation at the start is one
            gradients=xp.ones(k, int),
            passage=xp.where(passed, xp.zeros((), dtype), xp.nan),
            # −1: not reached; counts have no NaN
            passage_gradients=xp.where(passed, 1, -1),
        )

    def on_host(self) -> "State":
        """Return the state in NumPy, in which operations done once are not compiled."""
        return State(*map(np.asarray, self))

    def moved(self, w: Float[Array, "K N"], here: Evaluation) -> "State":
        """Return the state at W, where `here` was evaluated; t and counters are unchanged."""
        return self._replace(
            w=w,
            velocity=here.velocity,
            energy=here.energy,
            mu=here.mu,
            speed2=here.speed2,
        )

    def in_units_of(self, scale: float) -> "State":
        """Return the state of a loss ℓ/s as that of ℓ: energies × s, squared speeds × s², t/s."""
        if scale == 1:
            return self
        # ℓ/s runs on the clock t s (docs/conventions.md, scale of a loss)
        powers = {
            1: ("velocity", "energy", "mu", "before", "stiffness", "energy_start"),
            2: ("speed2",),
            -1: ("t", "length", "h_before", "passage"),
        }
        return self._replace(
            **{
                name: getattr(self, name) * scale**power
                for power, names in powers.items()
                for name in names
            }
        )


def is_finite(here: Evaluation) -> Bool[Array, " K"]:
    """Return the mask of runs with finite energy and velocity."""
    return library(here.energy).isfinite(here.energy) & library(here.energy).isfinite(here.speed2)


def select(mask: Bool[Array, " K"], yes: State, no: State) -> State:
    """Return, run by run, the state `yes` where the mask holds and `no` elsewhere."""
    xp = library(mask)
    # the mask is over runs, the first axis of every column
    found = (
        xp.where(mask.reshape(mask.shape + (1,) * (a.ndim - 1)), a, b)
        for a, b in zip(yes, no, strict=True)
    )
    return State(*found)
