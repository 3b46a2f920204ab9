"""The dynamics at N = ∞: dynamical mean-field theory on sampled paths."""

from gapless.flags import as_ever
from gapless.theory.dmft.estimate import Estimate, combine, settle
from gapless.theory.dmft.paths import Draws
from gapless.theory.dmft.solution import Solution
from gapless.theory.dmft.state import TOLERANCE, Dynamics
from gapless.theory.dmft.stepping import Descent, Flow, Unstable

__all__ = [
    "TOLERANCE",
    "Descent",
    "Draws",
    "Dynamics",
    "Estimate",
    "Flow",
    "Solution",
    "Unstable",
    "combine",
    "settle",
    "solve",
]


@as_ever()
def solve(
    dynamics: Dynamics, draws: Draws, stepping: Descent | Flow, tolerance: float = TOLERANCE
) -> Solution:
    """Return the solution on one set of paths; raises `Unstable` if the step is too long."""
    return Solution.begin(dynamics, draws, stepping, tolerance).advance()
