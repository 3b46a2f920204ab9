"""Teacher–student phase retrieval on a design: its instances and all quantities of a state.

Each file has one subject: `draw` makes the instances, `problem` has energy, gradient, multiplier
and Hessian products, `states` checks the arguments.
"""

from gapless.precision import Dtype, precision
from gapless.problem.draw import LabelKind, check_noise, draw_problem
from gapless.problem.problem import Problem
from gapless.problem.states import FARTHEST, Evaluation

__all__ = [
    "FARTHEST",
    "Dtype",
    "Evaluation",
    "LabelKind",
    "Problem",
    "check_noise",
    "draw_problem",
    "precision",
]
