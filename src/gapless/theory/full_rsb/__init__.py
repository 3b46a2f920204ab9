"""Full replica symmetry breaking at T = 0: the floor of the landscape."""

from gapless.theory.full_rsb.state import (
    FullRSBState,
    FullRSBThreshold,
    full_rsb_energy,
    full_rsb_state,
    full_rsb_threshold,
)

__all__ = [
    "FullRSBState",
    "FullRSBThreshold",
    "full_rsb_energy",
    "full_rsb_state",
    "full_rsb_threshold",
]
