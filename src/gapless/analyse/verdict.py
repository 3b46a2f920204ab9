"""Verdicts on the paper's statements: one rule for all figures.

A statement is that a number lies strictly between two bounds, for a range of N. The verdict follows
from the number's interval alone: it is "agrees" when the interval lies within the bounds, "differs"
when it lies outside, and "cannot tell" when it contains a bound. Equal inputs therefore have equal
verdicts, and a narrower interval never turns one definite verdict into the other. At an N outside
the range, or with too few runs, the verdict is "cannot tell at this size", and the claim names the
sizes of the number and of the statement.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isnan
from typing import Literal, get_args

Verdict = Literal["agrees", "differs", "cannot tell", "cannot tell at this size"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

NOT_MEASURED: Verdict = "cannot tell"
"""Verdict on a part of a statement without a measurement."""

RARELY = 0.05
"""Reading of "never" and "none": in fewer than one run of twenty."""
CLOSE = 0.05
"""Reading of "good approximation", "nicely", "is": within 5 %. The paper gives no number."""
MINUS = re.compile(r"(?<![\w.])-(?=\d)")
"""A hyphen in place of a minus: before a number, and not in 1e-8 or a range."""
LEAST_RUNS = 4
"""Smallest number of runs for a verdict on the runs of a size."""
MOSTLY = 0.5
"""Reading of "a large fraction", "falls to zero": in more than half of the runs."""
INFORMED = 0.1
"""Overlap of a state with the signal from which on it is no longer of order 1/√N."""
REJECTED = 0.01
"""Probability of a larger χ² below which a law does not describe the data."""
REJECTED_LINE = 0.005
"""The same for a straight line in ln N through crossings or times of many sizes."""


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, the measured number with its interval, and the verdict.

    `size` has the N and the number of runs of the measurement, and the N of the statement.
    """

    statement: str
    ours: str
    verdict: Verdict
    size: str = ""


@dataclass(frozen=True)
class Statement:
    """Statement that a number lies strictly between `low` and `high`.

    Parameters
    ----------
    low, high
        Bounds; infinite where there is none.
    least_n, largest_n
        Range of the sizes N of the statement, both included.
    least_runs
        Smallest number of runs for a verdict.
    """

    low: float = -inf
    high: float = inf
    least_n: float = 0
    largest_n: float = inf
    least_runs: int = 1

    @property
    def sizes(self) -> str:
        """Sizes of the statement, in words."""
        if self.least_n == self.largest_n:
            return f"N = {_counted(self.least_n)}"
        if self.largest_n == inf:
            return f"N ≥ {_counted(self.least_n)}" if self.least_n > 0 else "every N"
        return f"N = {_counted(self.least_n)} to {_counted(self.largest_n)}"


def of_paper(sizes: Sequence[int], low: float = -inf, high: float = inf) -> Statement:
    """Return a statement that the paper makes of runs at these N."""
    return Statement(low, high, min(sizes), max(sizes), LEAST_RUNS)


def near(value: float) -> Statement:
    """Return the statement that a positive number is this one, within `CLOSE`."""
    return Statement(value * (1 - CLOSE), value * (1 + CLOSE))


@dataclass(frozen=True)
class Sample:
    """Sample of a measured number: the size N and the number of runs."""

    n: float
    runs: int


def verdict(
    statement: Statement,
    estimate: float | None,
    interval: tuple[float, float] | None,
    size: Sample,
) -> Verdict:
    """Return whether an estimate with its interval agrees with a statement.

    Parameters
    ----------
    statement
        Bounds on the number, and the N of the statement.
    estimate, interval
        The number and both ends of its interval (95 % in the figures; equal to the number if it
        is exact); None or NaN without a measurement.
    size
        N and number of runs.

    Returns
    -------
    verdict
        ``cannot tell`` without runs, estimate or interval, and where the interval contains a bound;
        ``cannot tell at this size`` at an N outside the range of the statement, or with too few
        runs; else ``agrees`` or ``differs``.

    Raises
    ------
    ValueError
        If the interval does not contain the estimate.
    """
    if size.runs < 1 or estimate is None or interval is None:
        return NOT_MEASURED
    low, high = interval
    if isnan(estimate) or isnan(low) or isnan(high):
        return NOT_MEASURED
    # an interval of another number: a slip in a figure, not a property of data
    if not low <= estimate <= high:
        raise ValueError(f"interval: {low:g} to {high:g} does not hold the estimate {estimate:g}")
    # before the bounds: at another N not even a clear number speaks for or against
    about = statement.least_n <= size.n <= statement.largest_n
    if not about or size.runs < statement.least_runs:
        return "cannot tell at this size"
    # strictly outside: at equality the interval meets the bound
    if high < statement.low or low > statement.high:
        return "differs"
    above = statement.low == -inf or low > statement.low
    below = statement.high == inf or high < statement.high
    return "agrees" if above and below else "cannot tell"


def together(*verdicts: Verdict) -> Verdict:
    """Return the verdict on a statement of several parts, all of which must hold.

    It is "differs" if one part differs, else "cannot tell" if one part cannot be decided.
    """
    # in order of how much they say: one part refuted is the statement refuted
    for decisive in ("differs", "cannot tell at this size", "cannot tell"):
        if decisive in verdicts:
            return decisive
    return "agrees" if verdicts else NOT_MEASURED


def judged(
    statement: str,
    ours: str,
    *parts: Verdict,
    size: Sample | None = None,
    of: Statement | None = None,
) -> Claim:
    """Return the claim of a statement whose parts have these verdicts.

    Parameters
    ----------
    size, of
        Sample of the parts, and the statement with the bounds and sizes.
    """
    told = (
        []
        if size is None
        else [f"N = {_counted(size.n)}, {size.runs} {'run' if size.runs == 1 else 'runs'}"]
    )
    told += [] if of is None else [f"stated of {of.sizes}"]
    return Claim(statement, MINUS.sub("−", ours), together(*parts), "; ".join(told))


def _counted(n: float) -> str:
    """Return an N with all its digits: six of a million are a power of ten."""
    return f"{n:,.0f}" if n >= 1e6 else f"{n:g}"
