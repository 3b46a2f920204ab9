"""Teacher–student phase retrieval on a design: what is drawn, and all that is computed of it.

One thing a file: `draw` makes the instances, `problem` has energy, gradient, multiplier and
Hessian products, `states` what may be given to them.
"""

from gapless.precision import Dtype, precision
from gapless.problem.draw import LabelKind, check_noise, draw_problem
from gapless.problem.problem import Evaluation, Problem
from gapless.problem.states import FARTHEST

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
