"""The flow of the spiked matrix–tensor model at N = ∞: one record for each model, no sampling."""

from math import inf
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from gapless.measure.point import Cost, Point
from gapless.theory.spiked import SpikedModel, small_change, spiked_flow

STATES = 64
"""Times that are saved, spaced by a factor, as those of the phase-retrieval flow at N = ∞."""

RECORDS = pa.schema(
    {"p": pa.int64()}
    | {name: pa.float64() for name in ("delta_p", "delta_2", "t_max", "step", "waiting")}
    | {name: pa.string() for name in ("outcome", "reason")}
    | {name: pa.list_(pa.float64()) for name in ("t", "energy_t", "mu_t")}
    | {f"{name}_t": pa.list_(pa.float64()) for name in ("growth", "perturbation_growth")}
    | {"alignment_t": pa.list_(pa.float64())}
)
"""Columns of a model.

The point's parameters (Δ₂ null where there is no matrix); `outcome` (``followed`` or ``failed``);
curves over the saved times: energy, μ, and of a small change at the time `waiting`, NaN before it:
ln m, ln |δw| of a random one, and the share m/|δw|.
"""


class SpikedPoint(Point):
    """One spiked matrix–tensor model, followed to `t_max`, with a small change at `waiting`.

    `delta_2` None leaves the matrix out. Its transition is known: `theory.spiked.transition`.
    """

    SCHEMA = RECORDS
    p: int
    delta_p: float
    delta_2: float | None
    t_max: float
    step: float
    waiting: float

    @model_validator(mode="after")
    def _check(self) -> "SpikedPoint":
        _ = self.model
        if not 0 <= self.waiting < self.t_max:
            raise ValueError(f"waiting: must be a time from 0 to below {self.t_max:g}")
        return self

    @property
    def model(self) -> SpikedModel:
        """The model."""
        return SpikedModel(self.p, self.delta_p, inf if self.delta_2 is None else self.delta_2)

    def measure(self) -> pa.Table:
        """Return the record of `RECORDS`."""
        flow = spiked_flow(self.model, self.t_max, self.step)
        change = small_change(flow, self.waiting)
        times = np.geomspace(max(self.step, 1e-3 * self.t_max), self.t_max, STATES)
        saved = np.unique(np.round(times / self.step).astype(int))
        none = np.full(len(flow.t) - len(change.t), np.nan)

        def later(curve: np.ndarray) -> list[np.ndarray]:
            return [np.concatenate([none, curve])[saved]]

        columns: dict[str, Any] = {
            "t": [flow.t[saved]],
            "energy_t": [flow.energy[saved]],
            "mu_t": [flow.mu[saved]],
            "growth_t": later(change.growth),
            "perturbation_growth_t": later(change.random_norm),
            "alignment_t": later(change.alignment),
        }
        return self.table(outcome="followed", **columns)

    def cost(self) -> Cost:
        """Return the expected cost: five products with a triangle's worth of rows, twice a step."""
        count = self.t_max / self.step + 1
        # memory-bound: an operation for each byte that is read
        return Cost(80.0 * count**3 / 3, 40.0 * count**2)
