"""Flows of measurements of the user's own, with the records of drawn ones.

A point of this module has the SHA-256 of its arrays among its parameters, so that its address
depends on their content; the arrays themselves are no parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import PrivateAttr

from gapless.algorithms.starts import Start, parse_start, start_states, warm_states
from gapless.arrays import Array
from gapless.design import default_runs_per_design
from gapless.files import write_durably
from gapless.flow import FLOW, Solver, Trajectory, fit_norm
from gapless.measure.point import finite
from gapless.measure.simulation import RECORDS, Simulation
from gapless.problem import OwnProblem, Problem
from gapless.problem.own import digest_of
from gapless.shapes import Float

FACTORS = ("norm", "misfit", "energy_data")
OWN_RECORDS = pa.schema([*RECORDS, *(pa.field(name, pa.float64()) for name in FACTORS)])
"""Columns of a run on the user's labels.

Those of `gapless.measure.simulation.RECORDS`, and at the end: the `norm` of the signal in the units
of the data, fitted where it was estimated (`gapless.flow.fit_norm`); `misfit`, |ŷ² − y²|/|y²|; and
`energy_data`, (1/2N) Σ ℓ(ŷ, y) in the units of the data.
"""


class OwnSimulation(Simulation):
    """Parameters of K runs on the user's X and labels.

    `digest` is the SHA-256 of the arrays, and `states` that of starts and norms.
    """

    SCHEMA = OWN_RECORDS
    digest: str
    states: str
    _own: OwnProblem = PrivateAttr()

    @classmethod
    def of(cls, own: OwnProblem, **parameters: Any) -> "OwnSimulation":
        """Return the point of a problem of the user's, with other parameters of `Simulation`."""
        point = cls.model_validate(address_of(own) | {"dtype": own.problem.dtype} | parameters)
        point._own = own
        return point

    def instances(self) -> tuple[Problem, Float[Array, "K N"]]:
        """Return the problem and the initial states of the K runs."""
        own = of_labels(self._own, self.labels)
        return own.problem, states_from(own, parse_start(self.start))

    def measure(self, on_share: Callable[[float], None] | None = None) -> pa.Table:
        """Return the records of `OWN_RECORDS`, one per run."""
        return self.own_records(*self.fitted(on_share))

    def fitted(
        self, on_share: Callable[[float], None] | None = None
    ) -> tuple[OwnProblem, Trajectory]:
        """Return the problem and the trajectories, with the norm fitted where it is estimated."""
        _, run = self.followed(on_share)
        own = of_labels(self._own, self.labels)
        # permuted labels are of no signal, and have no norm to fit
        return (
            fitted(own, run, self.budget, self.solver) if self.labels == "teacher" else (own, run)
        )

    def own_records(self, own: OwnProblem, run: Trajectory) -> pa.Table:
        """Return the records of trajectories that `fitted` returned."""
        w = run.state.w
        values = (own.norm, own.misfit(w), own.energy(w))
        columns = {name: finite(one) for name, one in zip(FACTORS, values, strict=True)}
        return self.records(own.problem, run, **columns)


def fitted(
    own: OwnProblem, run: Trajectory, t_max: float, solver: Solver = FLOW
) -> tuple[OwnProblem, Trajectory]:
    """Return a problem and its runs with the norms fitted, where they were estimated."""
    if own.norm_from != "labels":
        return own, run
    found = fit_norm(own, run, t_max, solver=solver)
    return found.own, found.run


def shape_of(own: OwnProblem) -> dict[str, Any]:
    """Return the parameters of the shape, the seed and the loss of a problem of the user's."""
    design = own.design
    names = {"n": design.n, "alpha": design.alpha, "seed": design.seed, "runs": design.k}
    names |= {"loss": own.problem.loss.name, "in_numpy": own.problem.in_numpy}
    return names | {"field": design.field}


def address_of(own: OwnProblem) -> dict[str, Any]:
    """Return the parameters of a point of runs on a problem of the user's."""
    arrays = {"digest": own.digest, "states": digest_of(own.start, own.norm)}
    return shape_of(own) | arrays


def of_labels(own: OwnProblem, labels: str) -> OwnProblem:
    """Return the problem of the user's labels (``teacher``), or of their permutation."""
    return own.shuffled() if labels == "shuffled" else own


def states_from(own: OwnProblem, start: Start) -> Float[Array, "K N"]:
    """Return initial states: those of the data for ``random``, or those of `Start`."""
    if start.kind == "random":
        return own.start
    if start.kind == "overlap" and own.problem.teacher is not None:
        return warm_states(own.problem.teacher, own.start, start.overlap)
    if start.kind == "overlap":
        raise ValueError("start: the data have no teacher to overlap with; use random or spectral")
    return start_states(own.design, own.problem, start)


class ContinuedSimulation(Simulation):
    """Parameters of runs on a design from given states; `digest` is the SHA-256 of the states."""

    digest: str
    _states: np.ndarray = PrivateAttr()
    _k: int = PrivateAttr()

    @classmethod
    def of(cls, states: np.ndarray, runs: int, parameters: dict[str, Any]) -> "ContinuedSimulation":
        """Return the template of the points of `runs` runs from states (K, N)."""
        point = cls.model_validate(parameters | {"digest": digest_of(states)})
        point._states = states
        point._k = point.runs or min(runs, default_runs_per_design(point.n))
        return point

    def instances(self) -> tuple[Problem, Float[Array, "K N"]]:
        """Return the problem and the initial states of the K runs."""
        problem, _ = super().instances()
        # all designs but the last have the K of the first
        first = self.index * self._k
        return problem, problem.array(self._states[first : first + self.design.k])


@dataclass(frozen=True, eq=False)
class SavedState:
    """States of runs, to be written to a file and to start from.

    Parameters
    ----------
    w : (K, N)
        W; of the user's data in their units.
    y_hat : (K, M)
        ŷ in the same units.
    energy, time : (K,)
        e = L/N, and the time of the states; NaN where there is none.
    eigenvalues, eigenvectors : (K, k), (K, k, N)
        The lowest eigenpairs of the Hessian, where they were computed.
    """

    w: np.ndarray
    y_hat: np.ndarray
    energy: np.ndarray
    time: np.ndarray
    eigenvalues: np.ndarray | None = None
    eigenvectors: np.ndarray | None = None

    def save(self, path: Path) -> None:
        """Write the arrays to an .npz file, whole or not at all."""
        arrays = {name: array for name, array in vars(self).items() if array is not None}
        buffer = BytesIO()
        np.savez(buffer, **arrays)
        # released also where the file cannot be written: a buffer in use cannot be freed
        with buffer.getbuffer() as data:
            write_durably(path, data)
