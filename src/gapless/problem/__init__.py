"""Teacher–student phase retrieval on a design: its instances and all quantities of a state.

Each file has one subject: `draw` makes the instances, `own` takes them from measurements, which
`measured` judges, `problem` has energy, gradient, multiplier and Hessian products, `complex` those
of complex signals, `parts` puts problems together without a look, `states` checks the arguments.
"""

from gapless.problem.complex import ComplexProblem, as_complex, as_real, check_real, complex_problem
from gapless.problem.draw import check_noise, draw_problem
from gapless.problem.own import OwnProblem, problem_from_arrays
from gapless.problem.parts import can_be_widened, widened
from gapless.problem.problem import Problem
from gapless.problem.states import FARTHEST, Evaluation

__all__ = [
    "FARTHEST",
    "ComplexProblem",
    "Evaluation",
    "OwnProblem",
    "Problem",
    "as_complex",
    "as_real",
    "can_be_widened",
    "check_noise",
    "check_real",
    "complex_problem",
    "draw_problem",
    "problem_from_arrays",
    "widened",
]
