"""Algorithms beside the flow on the same instances: K runs of one method on one design."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from gapless.algorithms import amp, langevin, parse_start, sgd, start_states, warm_states
from gapless.arrays import Array
from gapless.design import Design
from gapless.flow import Outcome, integrate, paper_budget
from gapless.losses import amplitude, normalised, quartic
from gapless.measure.design_point import DESIGN_COLUMNS, DesignPoint
from gapless.measure.point import Cost
from gapless.problem import Problem, draw_problem

AMP_START, AMP_ITERATIONS = 0.1, 200
"""Message passing begins at this overlap, below every fixed point that is drawn."""
BATCHES, SGD_RATE = 8, 1e-3
"""A batch is M/8 samples. Stable while rate × (M/B) × |x|² d ≲ 2, and d reaches 100 at a start."""
TEMPERATURE, LANGEVIN_RATE = 0.2, 1e-3
NOISE = 0.1

States = Float[Array, "K N"]


def _flow(problem: Problem, start: States) -> States:
    """Return where Eq. 2 leads within the paper's budget."""
    return integrate(problem, start, paper_budget(problem.n)).state.w


def _flow_of(loss: Any = quartic, start: str = "random", noise: float = 0.0) -> Any:
    def run(design: Design) -> tuple[Problem, States]:
        problem = draw_problem(design, loss=loss, noise=noise)
        return problem, _flow(problem, start_states(design, problem, parse_start(start)))

    return run


def _spectral(design: Design) -> tuple[Problem, States]:
    problem = draw_problem(design)
    return problem, start_states(design, problem, parse_start("spectral"))


def _amp(design: Design) -> tuple[Problem, States]:
    problem = draw_problem(design)
    start = warm_states(design.teacher(), design.start(), AMP_START)
    return problem, amp(problem, start, AMP_START, iterations=AMP_ITERATIONS).estimate


def _sgd(design: Design) -> tuple[Problem, States]:
    problem = draw_problem(design)
    steps = round(paper_budget(design.n) / SGD_RATE)
    batch = max(1, design.m // BATCHES)
    key = design.key("batch")
    return problem, sgd(problem, design.start(), key=key, rate=SGD_RATE, batch=batch, steps=steps)


def _langevin(design: Design) -> tuple[Problem, States]:
    problem = draw_problem(design)
    steps = round(paper_budget(design.n) / LANGEVIN_RATE)
    w, _ = langevin(
        problem,
        design.start(),
        key=design.key("thermal"),
        temperature=TEMPERATURE,
        rate=LANGEVIN_RATE,
        steps=steps,
    )
    return problem, w


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
"""What is compared: name in the records → caption, and design → (problem, states at the end)."""
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
        """Refuse parameters that no design or method has."""
        super().model_post_init(context)
        if self.method not in METHODS:
            raise ValueError(f"method: {self.method!r} is not one of {', '.join(METHODS)}")

    def measure(self) -> pa.Table:
        """Return the records of `RECORDS`, one a run."""
        problem, w = METHODS[self.method][1](self.design)
        assert problem.teacher is not None
        # in NumPy: nothing is compiled for what is computed once a design
        state, signal = np.asarray(w, float), np.asarray(problem.teacher, float)
        state *= self.n**0.5 / np.linalg.norm(state, axis=1, keepdims=True)
        overlap = np.abs((state * signal).sum(axis=1)) / self.n
        yhat = state @ np.asarray(problem.sensing, float).T
        loss = problem.loss.value(yhat, np.asarray(problem.labels, float))
        return self.table(
            outcome=np.where(np.isfinite(overlap), "finished", str(Outcome.not_finite)),
            overlap=overlap,
            energy=loss.sum(axis=1) / (2 * self.n),
        )

    def cost(self) -> Cost:
        """Return what a point is expected to take; 1e9 operations stand for compiling."""
        design = self.design
        budget = paper_budget(self.n)
        products = {
            "amp": AMP_ITERATIONS,
            "spectral": 100.0,
            "sgd": budget / SGD_RATE / BATCHES,
            "langevin": budget / LANGEVIN_RATE,
        }.get(self.method, 400.0)
        flops = 4.0 * (design.k + 20) * design.m * design.n * products
        return self.priced(
            flops + 1e9, 4.0 * (2.0 * design.m * design.n + 8.0 * design.k * design.m)
        )
