"""The dynamics of gradient descent at N = ∞: dynamical mean-field theory by sampled paths."""

from gapless.theory.dmft.estimate import Estimate, combine, settle
from gapless.theory.dmft.paths import Draws
from gapless.theory.dmft.solution import Solution
from gapless.theory.dmft.solver import (
    Dynamics,
    Paths,
    Unstable,
    begin,
    stable_step,
    sweep,
    sweep_bytes,
    sweep_flops,
)

__all__ = [
    "Draws",
    "Dynamics",
    "Estimate",
    "Paths",
    "Solution",
    "Unstable",
    "begin",
    "combine",
    "settle",
    "solve",
    "stable_step",
    "sweep",
    "sweep_bytes",
    "sweep_flops",
]


def solve(dynamics: Dynamics, draws: Draws) -> Solution:
    """Return the solution on one set of paths; raises `Unstable` if the step is too long."""
    return Solution(dynamics, sweep(dynamics, draws))
