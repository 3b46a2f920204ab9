"""Instances whose Hessians are compared, and the key of Lanczos there."""

import jax

from gapless.design import Design
from gapless.flow import integrate
from gapless.problem import Problem, draw_problem

KEY = jax.random.key(7)


def before_the_crossing(n: int) -> tuple[Problem, jax.Array]:
    design = Design(n, 10, seed=1, runs=4)
    problem = draw_problem(design)
    return problem, integrate(problem, design.start(), 0.15).state.w
