"""Algorithms beside the flow on the same instances: K runs of one method on one design."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from gapless.algorithms import amp, langevin, parse_start, sgd, start_states, warm_states
from gapless.arrays import Array
from gapless.design import Design
from gapless.flow import Outcome, integrate, paper_budget
from gapless.losses import amplitude, normalised, quartic
from gapless.measure.design_point import DESIGN_COLUMNS, DesignPoint
from gapless.measure.message_passing import AMP_ITERATIONS, AMP_START
from gapless.measure.noisy import BATCHES, LANGEVIN_RATE, SGD_RATE, TEMPERATURE
from gapless.measure.point import Cost
from gapless.problem import Problem, draw_problem
from gapless.shapes import Float

NOISE = 0.1

States = Float[Array, "K N"]


def _flow(problem: Problem, start: States) -> States:
    """Return the states of Eq. 2 at the end of the paper's budget."""
    # one budget of time for all: what is compared is what each method has found by then
    return integrate(problem, start, paper_budget(problem.n)).state.w


def _flow_of(loss: Any = quartic, start: str = "random", noise: float = 0.0) -> Any:
    # X, teacher and start depend on no loss or noise: methods meet the same instances
    def run(design: Design) -> tuple[Problem, States]:
        problem = draw_problem(design, loss=loss, noise=noise)
        return problem, _flow(problem, start_states(design, problem, parse_start(start)))

    return run


def _spectral(design: Design) -> tuple[Problem, States]:
    problem = draw_problem(design)
    # the estimate as it is: what the flow makes of it is `flow_spectral`
    return problem, start_states(design, problem, parse_start("spectral"))


def _amp(design: Design) -> tuple[Problem, States]:
    problem = draw_problem(design)
    # overlap 0 is a fixed point by symmetry, which no iteration would leave
    start = warm_states(design.teacher(), design.start(), AMP_START)
    return problem, amp(problem, start, AMP_START, iterations=AMP_ITERATIONS).estimate


def _sgd(design: Design) -> tuple[Problem, States]:
    problem = draw_problem(design)
    # SGD has the flow's clock, t = rate × steps, so the same budget counts its steps
    steps = round(paper_budget(design.n) / SGD_RATE)
    # ⌊M/8⌋ is 0 for the smallest designs
    batch = max(1, design.m // BATCHES)
    # a child of its own: batches are drawn apart from X, teacher and start
    key = design.key("batch")
    return problem, sgd(problem, design.start(), key=key, rate=SGD_RATE, batch=batch, steps=steps)


def _langevin(design: Design) -> tuple[Problem, States]:
    problem = draw_problem(design)
    steps = round(paper_budget(design.n) / LANGEVIN_RATE)
    # its energies on the way, of states at T > 0, are of no use here: the end is compared
    w, _ = langevin(
        problem,
        design.start(),
        key=design.key("thermal"),
        temperature=TEMPERATURE,
        rate=LANGEVIN_RATE,
        steps=steps,
    )
    return problem, w


# from the fewest α needed to the most, roughly: the order of colours and captions
METHODS: dict[str, tuple[str, Callable[[Design], tuple[Problem, States]]]] = {
    "amp": (f"message passing from q = {AMP_START:g}", _amp),
    "spectral": ("spectral estimator", _spectral),
    "flow_spectral": ("flow, spectral start", _flow_of(start="spectral")),
    "flow_normalised": ("flow, normalised a = 0.1", _flow_of(normalised(0.1))),
    "flow": ("flow, quartic", _flow_of()),
    "sgd": ("SGD, quartic, batches of M/8", _sgd),
    "langevin": (f"Langevin, quartic, T = {TEMPERATURE:g}", _langevin),
    "flow_noise": (f"flow, quartic, label noise Δ = {NOISE:g}", _flow_of(noise=NOISE)),
    "flow_amplitude": ("flow, amplitude", _flow_of(amplitude)),
}
"""Methods by their names in the records: caption, and design → (problem, final states)."""
RECORDS = pa.schema(
    DESIGN_COLUMNS
    | {name: pa.string() for name in ("method", "outcome", "reason")}
    | {"overlap": pa.float64(), "energy": pa.float64()}
)
"""Columns of a run: the point's parameters; `outcome` (``finished``: the method ran to its end,
``not_finite``, ``failed``) and a `reason`; at the end the overlap q with the signal and the
energy L/N of the state (message passing: of its estimate, scaled to the sphere)."""


class BaselinePoint(DesignPoint):
    """Parameters of K runs of one method on one design; see `METHODS`."""

    SCHEMA = RECORDS
    method: str

    def model_post_init(self, context: Any) -> None:
        """Raise ``ValueError`` for parameters that no design or method has."""
        super().model_post_init(context)
        if self.method not in METHODS:
            raise ValueError(f"method: {self.method!r} is not one of {', '.join(METHODS)}")

    def measure(self) -> pa.Table:
        """Return the records of `RECORDS`, one per run."""
        problem, w = METHODS[self.method][1](self.design)
        # every method above has a teacher's labels: without one there is no overlap to compare
        assert problem.teacher is not None
        # in NumPy: nothing is compiled for what is computed once a design
        state, signal = np.asarray(w, float), np.asarray(problem.teacher, float)
        # the length of AMP's estimate is its certainty; the result is its direction
        state *= self.n**0.5 / np.linalg.norm(state, axis=1, keepdims=True)
        # W and −W give the same labels, so either is the signal
        overlap = np.abs((state * signal).sum(axis=1)) / self.n
        # evaluated anew for all: AMP and the spectral estimator have no energy of their own
        yhat = state @ np.asarray(problem.sensing, float).T
        loss = problem.loss.value(yhat, np.asarray(problem.labels, float))
        return self.table(
            # SGD and Langevin never rest: a run is at its end, and its q tells what it found
            outcome=np.where(np.isfinite(overlap), "finished", str(Outcome.not_finite)),
            overlap=overlap,
            energy=loss.sum(axis=1) / (2 * self.n),
        )

    def cost(self) -> Cost:
        """Return the expected cost of the point; 1e9 operations stand for compilation."""
        design = self.design
        budget = paper_budget(self.n)
        # in gradients of the whole batch; one of SGD is a BATCHES-th of that
        products = {
            "amp": AMP_ITERATIONS,
            "spectral": 100.0,
            "sgd": budget / SGD_RATE / BATCHES,
            "langevin": budget / LANGEVIN_RATE,
        }.get(self.method, 400.0)
        # two reads of X for a gradient take as long as 20 more runs would
        flops = 4.0 * (design.k + 20) * design.m * design.n * products
        return self.priced(
            flops + 1e9, 4.0 * (2.0 * design.m * design.n + 8.0 * design.k * design.m)
        )
