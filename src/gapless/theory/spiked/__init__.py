"""The spiked matrix–tensor model at N = ∞: a transition and a growth rate that are known exactly.

Estimators that read α_BBP off the dynamics of phase retrieval are tried on it
(docs/derivations/spiked.md).
"""

from gapless.theory.spiked.dynamics import SpikedFlow, spiked_flow
from gapless.theory.spiked.growth import SmallChange, small_change
from gapless.theory.spiked.model import SpikedModel, at_rate, transition

__all__ = [
    "SmallChange",
    "SpikedFlow",
    "SpikedModel",
    "at_rate",
    "small_change",
    "spiked_flow",
    "transition",
]
