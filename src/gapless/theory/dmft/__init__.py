"""The dynamics at N = ∞: dynamical mean-field theory on sampled paths."""

from gapless.theory.dmft.estimate import ENERGY_BIAS, Estimate, combine, power_law_limit
from gapless.theory.dmft.paths import PathDraws
from gapless.theory.dmft.run import Run, solve
from gapless.theory.dmft.solution import Solution
from gapless.theory.dmft.solvers import GradientDescent, GradientFlow, Unstable
from gapless.theory.dmft.state import RESIDUAL, Dynamics

__all__ = [
    "ENERGY_BIAS",
    "RESIDUAL",
    "Dynamics",
    "Estimate",
    "GradientDescent",
    "GradientFlow",
    "PathDraws",
    "Run",
    "Solution",
    "Unstable",
    "combine",
    "power_law_limit",
    "solve",
]
