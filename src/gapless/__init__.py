"""gapless: when plain gradient flow escapes the spurious minima of phase retrieval, and why.

The names below are the ones most users need; each is loaded when it is first used.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gapless.design import Design as Design
    from gapless.flow import FLOW as FLOW
    from gapless.flow import PAPER as PAPER
    from gapless.flow import integrate as integrate
    from gapless.hessian import lowest_eigenpairs as lowest_eigenpairs
    from gapless.labels import LabelLaw as LabelLaw
    from gapless.losses import Loss as Loss
    from gapless.losses import amplitude as amplitude
    from gapless.losses import loss_from_value as loss_from_value
    from gapless.losses import normalised as normalised
    from gapless.losses import quartic as quartic
    from gapless.problem import Problem as Problem
    from gapless.problem import draw_problem as draw_problem
    from gapless.problem import problem_from_arrays as problem_from_arrays
    from gapless.theory import bbp_at_random_start as bbp_at_random_start
    from gapless.theory import bbp_threshold as bbp_threshold
    from gapless.theory import threshold_state as threshold_state

_HOMES = {
    "Design": "design",
    "FLOW": "flow",
    "PAPER": "flow",
    "integrate": "flow",
    "lowest_eigenpairs": "hessian",
    "LabelLaw": "labels",
    "Loss": "losses",
    "amplitude": "losses",
    "loss_from_value": "losses",
    "normalised": "losses",
    "quartic": "losses",
    "Problem": "problem",
    "draw_problem": "problem",
    "problem_from_arrays": "problem",
    "bbp_at_random_start": "theory",
    "bbp_threshold": "theory",
    "threshold_state": "theory",
}

__all__ = [
    "FLOW",
    "PAPER",
    "Design",
    "LabelLaw",
    "Loss",
    "Problem",
    "amplitude",
    "bbp_at_random_start",
    "bbp_threshold",
    "draw_problem",
    "integrate",
    "loss_from_value",
    "lowest_eigenpairs",
    "normalised",
    "problem_from_arrays",
    "quartic",
    "threshold_state",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"gapless.{_HOMES[name]}"), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("gapless")
    # `gapless.flow` without an import of its own, whichever modules are loaded already
    if not name.startswith("_") and find_spec(f"gapless.{name}") is not None:
        return import_module(f"gapless.{name}")
    raise AttributeError(f"module 'gapless' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
