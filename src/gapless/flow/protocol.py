"""Protocols by name: the flow, the paper's gradient descent, momentum, normalised descent."""

from dataclasses import dataclass, fields, replace

from gapless.flow.fixed_steps import FixedSteps, HeavyBall, NormalisedDescent
from gapless.flow.integrate import PAPER, paper_budget

LONGEST_PATH = 10.0
"""Default budget of normalised descent, whose time is the length of the path in units of √N. Paths
of the flow to the signal are 2.1 to 2.4 long in the median, and 3.9 at most (32 runs each at
N = 64 and 256, α = 10)."""

_FIXED: dict[str, FixedSteps] = {
    "heavy-ball": HeavyBall(PAPER.rate),
    "normalised-descent": NormalisedDescent(1e-3),
}
_OPTIONS = {"rate", "momentum"}


@dataclass(frozen=True)
class Protocol:
    """Rule by which runs are stepped.

    Parameters
    ----------
    name
        Full name, with every parameter: one protocol has one name.
    solver
        Solver of fixed steps; None for the flow, whose tolerance depends on its use.
    """

    name: str
    solver: FixedSteps | None = None

    def budget(self, n: int) -> float:
        """Return the default time budget: 0.3 log2 N, or the length of a path."""
        return LONGEST_PATH if isinstance(self.solver, NormalisedDescent) else paper_budget(n)


def parse_protocol(text: str) -> Protocol:
    """Return the protocol named ``flow``, ``paper``, ``heavy-ball`` or ``normalised-descent``.

    The last two have parameters: ``heavy-ball:rate=2e-4,momentum=0.9`` (these are the defaults) and
    ``normalised-descent:rate=1e-3``.

    Raises ``ValueError`` with these names for any other text, and for parameters out of range.
    """
    if not isinstance(text, str):
        raise ValueError(f"protocol: must be text such as flow or paper, not {text!r}")
    family, colon, arguments = text.partition(":")
    if text in ("flow", "paper"):
        return Protocol(text, PAPER if text == "paper" else None)
    if family not in _FIXED:
        known = ", ".join(map(repr, ("flow", "paper", *_FIXED)))
        raise ValueError(f"protocol: {text!r} is not one of {known}; see the help for parameters")
    solver = _FIXED[family]
    names = [one.name for one in fields(solver) if one.name in _OPTIONS]
    example = f"{family}:" + ",".join(f"{name}={getattr(solver, name):g}" for name in names)
    try:
        pairs = [item.split("=") for item in arguments.split(",")] if colon else []
        given = {name: float(value) for name, value in pairs}
        if len(given) < len(pairs) or not given.keys() <= set(names):
            raise ValueError
    except ValueError:
        raise ValueError(f"protocol: {text!r} is wrong, write parameters as {example}") from None
    try:
        solver = replace(solver, **given)
    except ValueError as error:
        raise ValueError(f"protocol: {error}") from None
    full = ",".join(f"{name}={getattr(solver, name)!r}" for name in names)
    return Protocol(f"{family}:{full}", solver)
