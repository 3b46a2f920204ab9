"""Starts of the flow, and the algorithms that it is compared with."""

from gapless.algorithms.amp import AMPRun, amp
from gapless.algorithms.langevin import langevin
from gapless.algorithms.sgd import sgd
from gapless.algorithms.spectral import spectral_estimate
from gapless.algorithms.starts import Start, parse_start, start_states, warm_states

__all__ = [
    "AMPRun",
    "Start",
    "amp",
    "langevin",
    "parse_start",
    "sgd",
    "spectral_estimate",
    "start_states",
    "warm_states",
]
