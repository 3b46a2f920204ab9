"""Losses ℓ(ŷ, y) of Eq. 1, their names, and the conditions of runs on them.

Each file has one subject: `loss` is a loss and its formulas, `names` finds losses by their names,
and pickles them so, `runs` checks that runs can compute them.
"""

from gapless.losses.loss import (
    Loss,
    amplitude,
    check_consistent,
    computes_in_numpy,
    divided,
    loss_from_value,
    normalised,
    quartic,
)
from gapless.losses.names import is_built_in, parse_loss, recorded_loss
from gapless.losses.runs import check_for_runs, name_for_runs

__all__ = [
    "Loss",
    "amplitude",
    "check_consistent",
    "check_for_runs",
    "computes_in_numpy",
    "divided",
    "is_built_in",
    "loss_from_value",
    "name_for_runs",
    "normalised",
    "parse_loss",
    "quartic",
    "recorded_loss",
]
