"""Options that several verbs take."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter, Token

from gapless.page.panels import Print


def _whole(_: type, tokens: Sequence[Token]) -> int:
    """Convert a token to an integer, without rounding 6.5 to 6."""
    text = tokens[0].value
    try:
        return int(text)
    except ValueError:
        raise ValueError(f'unable to convert "{text}" into int') from None


Whole = Annotated[int, Parameter(converter=_whole)]
"""An integer option."""
SensingOption = Annotated[
    str,
    Parameter(
        help="Ensemble of X: gaussian, signs (±1/√N entries), unit-norm (rows), fast (singular "
        "values of a Gaussian X, products by transforms: N may be a million), orthogonal (fast, "
        "equal ones)."
    ),
]
"""The option ``--sensing`` of a command that takes every ensemble of `gapless.sensing`."""
Json = Annotated[bool, Parameter(name="--json", negative="")]
"""The switch for JSON on stdout."""
PrintSize = Annotated[Print, Parameter(name="*")]
"""The options ``--width`` and ``--font-size`` of a command that draws."""
