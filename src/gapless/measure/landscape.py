"""States of the landscape at one α, without any run: minima by energy, 1RSB, the floor."""

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from gapless.losses import parse_loss
from gapless.measure.point import Cost, Point, finite, words
from gapless.theory import full_rsb_energy, ground_state, threshold_state
from gapless.theory.minima import minima

MINIMA, MARGINAL, GROUND, FLOOR = "minima", "1RSB marginal", "1RSB ground", "full RSB"
"""States of a record."""
OPERATIONS = 2e11
"""Of an α: two CPU seconds, mostly of the floor, at the speed of products with X."""
RECORDS = pa.schema(
    {"alpha": pa.float64(), "run": pa.int64()}
    | {name: pa.string() for name in ("loss", "state", "outcome", "reason")}
    | {name: pa.float64() for name in ("share", "energy", "energy_error", "complexity", "border")}
)
"""Columns of a state.

The point's α and loss; which `state`; `outcome` (``solved`` or ``failed``). Of minima: the `share`
of the way down from the most numerous ones (0) to the deepest (1), Σ and φ(γ̄) − μ. Energy and its
numerical error.
"""


class LandscapePoint(Point):
    """Parameters of the states at one α: minima at `levels` energies, evenly from top to bottom."""

    SCHEMA = RECORDS
    alpha: float
    loss: str = "quartic"
    levels: int = 9

    @model_validator(mode="after")
    def _check(self) -> "LandscapePoint":
        object.__setattr__(self, "loss", parse_loss(self.loss).name)
        if self.levels < 2:
            raise ValueError(f"levels: must be at least 2, not {self.levels}")
        return self

    @property
    def rows(self) -> int:
        """The number of states."""
        return self.levels + 3

    def measure(self) -> pa.Table:
        """Return the records of `RECORDS`, one a state."""
        loss, alpha = parse_loss(self.loss), self.alpha
        top, bottom = minima(loss, alpha), minima(loss, alpha, deepest=True)
        shares = np.linspace(0, 1, self.levels)
        between = [
            minima(loss, alpha, energy=(1 - share) * top.energy + share * bottom.energy)
            for share in shares[1:-1]
        ]
        counted = [top, *between, bottom]
        marginal, ground = threshold_state(loss, alpha), ground_state(loss, alpha)
        floor, floor_error = full_rsb_energy(loss, alpha)
        none = [np.nan] * 3
        energies = [one.energy for one in counted] + [marginal.energy, ground.energy, floor]
        errors = [one.error["energy"] for one in counted]
        errors += [marginal.error["energy"], ground.error["energy"], floor_error]
        return self.table(
            state=words([MINIMA] * self.levels + [MARGINAL, GROUND, FLOOR]),
            outcome="solved",
            share=finite([*shares, *none]),
            energy=finite(energies),
            energy_error=finite(errors),
            complexity=finite([one.complexity for one in counted] + none),
            border=finite([one.flags["border"] for one in counted] + none),
        )

    def cost(self) -> Cost:
        """Return the expected cost."""
        return Cost(OPERATIONS, 3e8)
