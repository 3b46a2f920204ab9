"""Points of SGD and Langevin dynamics: K runs on one design, with their trajectories."""

from abc import abstractmethod
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from gapless.algorithms import langevin, parse_start, sgd, start_states
from gapless.algorithms.starts import start_name
from gapless.arrays import Array
from gapless.flow import loss_scale, paper_budget
from gapless.flow.outcome import REST_SPEED2, ZERO_ENERGY, outcomes
from gapless.inputs import LabelKind, number, whole
from gapless.losses import name_for_runs, parse_loss
from gapless.measure.design_point import DESIGN_COLUMNS, DesignPoint, gradient_operations
from gapless.measure.point import Cost, finite
from gapless.precision import Dtype
from gapless.problem import Problem, check_noise, draw_problem
from gapless.sensing import OF_ENTRIES, check_storage, stored_numbers
from gapless.shapes import Float

SGD_RATE, LANGEVIN_RATE, TEMPERATURE = 1e-3, 1e-3, 0.2
"""Default rates, and temperature. SGD is stable for rate × (M/B) × |x|² d ≲ 2, and d reaches 100 at
a start."""
BATCHES = 8
"""Default number of batches per pass, of M/8 samples each."""
SAVES = 64
"""Number of save times of a run after its start."""

States = Float[Array, "K N"]

RECORDS = pa.schema(
    DESIGN_COLUMNS
    | {name: pa.string() for name in ("labels", "loss", "dtype", "protocol", "start")}
    | {"noise": pa.float64(), "sphere": pa.bool_(), "rate": pa.float64(), "t_max": pa.float64()}
    | {"outcome": pa.string(), "reason": pa.string()}
    | {name: pa.float64() for name in ("energy", "overlap", "mu", "rho", "speed2")}
    | {"overlap_start": pa.float64(), "steps": pa.int64()}
    | {name: pa.list_(pa.float64()) for name in ("t", "energy_t", "overlap_t", "mu_t", "rho_t")}
    | {"batch": pa.int64(), "replacement": pa.bool_(), "temperature": pa.float64()}
)
"""Columns of a run's record: those of `gapless.measure.simulation.RECORDS` that the algorithm has,
and its parameters. `outcome` follows the rules of the flow (a run that is still moving timed out);
values are of the full gradient at the states of the save times."""


class NoisyDescent(DesignPoint):
    """Parameters of K runs of an algorithm with noisy steps of fixed size.

    Fields are those of `gapless.measure.simulation.Simulation`; `rate` is the step size in units of
    the time of Eq. 2, and `t_max` defaults to 0.3 log2 N.
    """

    SCHEMA = RECORDS
    labels: LabelKind = "teacher"
    loss: str = "quartic"
    dtype: Dtype = "float32"
    t_max: float | None = None
    start: str = "random"
    noise: float = 0.0
    sphere: bool = True
    rate: float = 1e-3

    @model_validator(mode="after")
    def _check_run(self) -> "NoisyDescent":
        object.__setattr__(self, "loss", name_for_runs(self.loss, self.dtype))
        object.__setattr__(self, "start", start_name(self.start, self.labels))
        check_noise(self.noise)
        check_storage(self.sensing, self.dtype, self.n)
        if self.dtype == "float16":
            raise ValueError("dtype: batches and noise are in float32 or float64; give one of them")
        number("rate", self.rate, above=0)
        number("t_max", self.budget, above=0)
        if self.rate > self.budget:
            raise ValueError(
                f"rate: a step of {self.rate:g} is longer than the time budget {self.budget:g}; "
                "lower it"
            )
        # counted in 32 bits
        if not self.steps < 2**31:
            raise ValueError(f"rate: steps of {self.rate:g} to t = {self.budget:g} are too many")
        return self

    @property
    def budget(self) -> float:
        """Time budget, `t_max` or else 0.3 log2 N."""
        return paper_budget(self.n) if self.t_max is None else self.t_max

    @property
    def steps(self) -> int:
        """Number of steps."""
        return round(self.budget / self.rate)

    @property
    @abstractmethod
    def protocol(self) -> str:
        """Name of the algorithm in the records."""

    @property
    @abstractmethod
    def samples(self) -> int:
        """Number of samples in the gradient of a step."""

    @abstractmethod
    def advance(self, problem: Problem, w: States, first: int, steps: int) -> States:
        """Return the states after `steps` steps, `first` having been made before."""

    def identity(self) -> dict[str, Any]:
        """Return the columns of the design, the labels, the loss and the algorithm."""
        return super().identity() | {"t_max": self.budget, "protocol": self.protocol}

    def measure(self, on_share: Callable[[float], None] | None = None) -> pa.Table:
        """Return the records of `RECORDS`, one per run.

        `on_share` is called with the share of the steps made since its last call.
        """
        loss = parse_loss(self.loss)
        problem = draw_problem(
            self.design, self.labels, loss, self.dtype, self.noise, sphere=self.sphere
        )
        # values are computed in NumPy: they are few, and a program more would be compiled
        look = problem.to_numpy()
        begun = start_states(self.design, problem, parse_start(self.start))
        w: States = look.domain.retract(look.array(begun))
        edges = np.unique(np.linspace(0, self.steps, SAVES + 1).round().astype(int))
        seen = [_values(look, w)]
        for first, last in pairwise(edges.tolist()):
            w = self.advance(problem, w, first, last - first)
            seen.append(_values(look, w))
            if on_share is not None:
                on_share((last - first) / self.steps)
        saved = {name: np.stack([one[name] for one in seen], axis=1) for name in seen[0]}
        end, scale = {name: values[:, -1] for name, values in saved.items()}, loss_scale(loss)
        ended = outcomes(
            overlap=np.abs(end["overlap"]),
            has_signal=problem.has_signal,
            zero=np.asarray((saved["energy"] <= ZERO_ENERGY * scale).any(axis=1)),
            at_rest=end["speed2"] < REST_SPEED2 * scale**2,
            stopped=np.zeros(self.rows, bool),
            finite=np.isfinite(end["energy"]),
        )
        return self.table(
            outcome=[str(one) for one in ended],
            steps=np.full(self.rows, self.steps),
            overlap_start=finite(saved["overlap"][:, 0]),
            **{name: finite(values) for name, values in end.items()},
            t=[edges * self.rate] * self.rows,
            **{f"{name}_t": finite(v) for name, v in saved.items() if name != "speed2"},
        )

    @property
    def bytes(self) -> float:
        """Expected peak memory: X and its copy in a batch, labels and states of K runs."""
        design, width = self.design, 8 if self.dtype == "float64" else 4
        stored = stored_numbers(design.of_transforms, design.m, self.n)
        batch = 0.0 if design.of_transforms else float(self.samples) * self.n
        return width * (stored + batch + 10.0 * design.k * design.m + 20.0 * design.k * self.n)

    def cost(self) -> Cost:
        """Return the expected cost of the point."""
        design = self.design
        share = self.samples / design.m
        flops = gradient_operations(design) * (self.steps * share + SAVES)
        return self.priced(flops, self.bytes, (self.protocol, design.m, self.n, design.k))


class SGDPoint(NoisyDescent):
    """Parameters of K runs of mini-batch gradient descent (`gapless.algorithms.sgd`).

    `batch` is the number B of samples in a step, M/8 by default.
    """

    rate: float = SGD_RATE
    batch: int | None = None
    replacement: bool = False

    @model_validator(mode="after")
    def _check_batch(self) -> "SGDPoint":
        if self.design.of_transforms:
            raise ValueError(
                f"sensing: SGD takes samples one by one, and a {self.sensing} X has no rows; use "
                f"{', '.join(OF_ENTRIES)}"
            )
        m = self.design.m
        if not 1 <= whole("batch", self.samples) <= m:
            raise ValueError(f"batch: must lie between 1 and M = {m}, not {self.batch}")
        return self

    @property
    def protocol(self) -> str:
        """Name of the algorithm in the records."""
        return "sgd"

    @property
    def samples(self) -> int:
        """B, the number of samples in a step."""
        # ⌊M/8⌋ is 0 for the smallest designs
        return max(1, self.design.m // BATCHES) if self.batch is None else self.batch

    def identity(self) -> dict[str, Any]:
        """Return the columns of the design, the labels, the loss and the algorithm."""
        return super().identity() | {"batch": self.samples}

    def advance(self, problem: Problem, w: States, first: int, steps: int) -> States:
        """Return the states after `steps` steps, `first` having been made before."""
        # a child of its own: batches are drawn apart from X, teacher and start
        key, rate, batch = self.design.key("batch"), self.rate, self.samples
        how: dict[str, Any] = dict(rate=rate, batch=batch, replacement=self.replacement)
        return sgd(problem, w, key=key, first=first, steps=steps, **how)


class LangevinPoint(NoisyDescent):
    """Parameters of K runs of Langevin dynamics (`gapless.algorithms.langevin`).

    The Gibbs measure of `temperature` T is ∝ exp(−L/T), L the extensive loss of Eq. 1.
    """

    rate: float = LANGEVIN_RATE
    temperature: float = TEMPERATURE

    @model_validator(mode="after")
    def _check_temperature(self) -> "LangevinPoint":
        number("temperature", self.temperature, 0)
        return self

    @property
    def protocol(self) -> str:
        """Name of the algorithm in the records."""
        return "langevin"

    @property
    def samples(self) -> int:
        """M, the number of samples in a step."""
        return self.design.m

    def advance(self, problem: Problem, w: States, first: int, steps: int) -> States:
        """Return the states after `steps` steps, `first` having been made before."""
        key, how = self.design.key("thermal"), dict(temperature=self.temperature, rate=self.rate)
        return langevin(problem, w, key=key, first=first, steps=steps, **how)[0]


def _values(look: Problem, w: States) -> dict[str, np.ndarray]:
    """Return the columns of K states, by a problem in NumPy."""
    w = np.asarray(w)
    here = look.evaluate(w)
    return {
        "energy": np.asarray(here.energy, float),
        "overlap": np.asarray(look.signed_overlap(w), float),
        "mu": np.asarray(here.mu, float),
        "rho": np.asarray(look.domain.mean_square(w), float),
        "speed2": np.asarray(here.speed2, float),
    }
