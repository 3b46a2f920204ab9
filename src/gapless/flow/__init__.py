"""Gradient flow on the sphere: methods, step control, stopping, recording."""

from gapless.flow.advance import LEVELS, Stop
from gapless.flow.integrate import (
    ACCURATE,
    FLOW,
    PAPER,
    SWEEP,
    Observables,
    Partway,
    Trajectory,
    integrate,
    paper_budget,
)
from gapless.flow.outcome import Outcome
from gapless.flow.steppers import Method, chebyshev_method, euler
from gapless.flow.stepping import Adaptive, FixedStep, State, Stepping
from gapless.flow.units import loss_scale

__all__ = [
    "ACCURATE",
    "FLOW",
    "LEVELS",
    "PAPER",
    "SWEEP",
    "Adaptive",
    "FixedStep",
    "Method",
    "Observables",
    "Outcome",
    "Partway",
    "State",
    "Stepping",
    "Stop",
    "Trajectory",
    "chebyshev_method",
    "euler",
    "integrate",
    "loss_scale",
    "paper_budget",
]
