"""Gradient descent at finite N with a fixed step: what the dynamical mean-field theory predicts.

    python benchmarks/dmft_runs.py N ALPHA STEP STEPS LABELS RUNS DESIGNS OUT.csv

Writes, for every run and step, e, μ, C(t, 0) and the signed overlap. LABELS: shuffled, or
teacher:m for a start at signed overlap m.
"""

import sys
from pathlib import Path
from typing import cast

import numpy as np

from gapless.threads import pin_threads

pin_threads()

import jax
import pandas as pd

from gapless.algorithms.starts import parse_start, start_states
from gapless.design import Design
from gapless.inputs import LabelKind
from gapless.problem import draw_problem
from gapless.sphere import normalise


@jax.jit
def descend(problem, w, start, step):
    """Return the next state, and e, μ, C(t, 0), m of the present one."""
    here = problem.evaluate(w)
    c = (w * start).sum(axis=1) / problem.n
    return normalise(w + step * here.velocity), (here.energy, here.mu, c, problem.signed_overlap(w))


def main() -> None:
    """Run what the arguments say; append after each design."""
    n, alpha, step, steps = int(sys.argv[1]), *map(float, sys.argv[2:4]), int(sys.argv[4])
    labels, _, overlap = sys.argv[5].partition(":")
    runs, designs, out = int(sys.argv[6]), int(sys.argv[7]), Path(sys.argv[8])
    frames = []
    for index in range(designs):
        design = Design(n, alpha, seed=8, index=index, runs=runs)
        problem = draw_problem(design, cast(LabelKind, labels))
        start = start_states(
            design, problem, parse_start(f"overlap:{overlap}" if overlap else "random")
        )
        w = start
        for k in range(steps + 1):
            w, seen = descend(problem, w, start, step)
            columns = dict(zip(("energy", "mu", "correlation", "overlap"), seen, strict=True))
            frames.append(
                pd.DataFrame({name: np.asarray(value) for name, value in columns.items()}).assign(
                    design=index, run=range(runs), t=k * step
                )
            )
        pd.concat(frames).to_csv(out, index=False)
        print(f"{out.name}: design {index + 1} of {designs}", flush=True)


main()
