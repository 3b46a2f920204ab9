"""Gradient flow: solvers, stops, outcomes, and the one loop that runs them."""

from gapless.flow.explicit import Method, chebyshev_method, euler
from gapless.flow.fixed_steps import (
    FixedSteps,
    GradientDescent,
    HeavyBall,
    NormalisedDescent,
)
from gapless.flow.integrate import (
    ACCURATE,
    FLOW,
    PAPER,
    SWEEP,
    CannotResume,
    IntegrationState,
    Observables,
    Trajectory,
    integrate,
    paper_budget,
)
from gapless.flow.norm import NormFit, fit_norm
from gapless.flow.outcome import Outcome
from gapless.flow.protocol import Protocol, parse_protocol
from gapless.flow.route import numpy_is_sooner, transforms_in_numpy
from gapless.flow.solvers import GradientFlow, Solver
from gapless.flow.state import State
from gapless.flow.stops import PASSAGE_LEVELS, AtEnergy, Stop
from gapless.flow.units import loss_scale

__all__ = [
    "ACCURATE",
    "FLOW",
    "PAPER",
    "PASSAGE_LEVELS",
    "SWEEP",
    "AtEnergy",
    "CannotResume",
    "FixedSteps",
    "GradientDescent",
    "GradientFlow",
    "HeavyBall",
    "IntegrationState",
    "Method",
    "NormFit",
    "NormalisedDescent",
    "Observables",
    "Outcome",
    "Protocol",
    "Solver",
    "State",
    "Stop",
    "Trajectory",
    "chebyshev_method",
    "euler",
    "fit_norm",
    "integrate",
    "loss_scale",
    "numpy_is_sooner",
    "paper_budget",
    "parse_protocol",
    "transforms_in_numpy",
]
