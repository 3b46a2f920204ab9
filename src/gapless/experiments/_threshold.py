"""The threshold energy of a run: where its shuffled twin comes to rest."""

from dataclasses import dataclass

import numpy as np

from gapless.design import Design
from gapless.flow import integrate
from gapless.losses import Loss, quartic
from gapless.problem import Dtype, draw_problem

T_TWIN = 20.0
"""Time at which a twin that still moves is read off."""


@dataclass(frozen=True, eq=False)
class TwinThreshold:
    """Threshold energies of the K runs of a design."""

    energy: np.ndarray
    """e of each run's shuffled twin at the end, (K,)."""
    speed2: np.ndarray
    """|∇L − μW|²/N of the twin then, (K,): what it might still fall by."""
    settled: np.ndarray
    """Whether the twin came to rest (|∇L − μW|²/N < 1e-10 s²) before t = 20, (K,)."""


def twin_threshold(design: Design, loss: Loss = quartic, dtype: Dtype = "float32") -> TwinThreshold:
    """Return the energy of each run's shuffled twin when it comes to rest, or at t = 20.

    Rest: |∇L − μW|²/N < 1e-10 s², s being the scale of the loss.

    The twin has the run's sensing matrix, start and multiset of y², and no teacher to find. Its
    plateau follows the instance (mostly through Σy⁴), so comparing a run with its own twin takes
    that scatter out.
    """
    twin = integrate(
        draw_problem(design, "shuffled", loss, dtype),
        design.start(),
        T_TWIN,
    )
    return TwinThreshold(twin.end.energy, twin.end.speed2, twin.at_rest)
