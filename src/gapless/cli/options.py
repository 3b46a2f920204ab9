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
ENSEMBLES = {
    "gaussian": "",
    "signs": "±1/√N entries",
    "unit-norm": "rows",
    "fast": "singular values of a Gaussian X, products by transforms: N may be a million",
    "orthogonal": "fast, equal ones",
}
"""Words for the ensembles of `gapless.sensing`."""


def _sensing(*names: str) -> Parameter:
    words = (f"{name} ({ENSEMBLES[name]})" if ENSEMBLES[name] else name for name in names)
    return Parameter(help=f"Ensemble of X: {', '.join(words)}.")


SensingOption = Annotated[str, _sensing(*ENSEMBLES)]
"""The option ``--sensing`` of a command that takes every ensemble."""
LikeGaussianOption = Annotated[str, _sensing("gaussian", "signs", "unit-norm", "fast")]
"""That of a command that needs the limit of a Gaussian X."""
EntriesOption = Annotated[str, _sensing("gaussian", "signs", "unit-norm")]
"""That of a command that needs rows of X."""
Json = Annotated[bool, Parameter(name="--json", negative="")]
"""The switch for JSON on stdout."""
PrintSize = Annotated[Print, Parameter(name="*")]
"""The options ``--width`` and ``--font-size`` of a command that draws."""
