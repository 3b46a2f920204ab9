"""Import of matplotlib with any value of MPLBACKEND; figures are saved without a backend."""

import os
import sys
from contextlib import suppress


def load_matplotlib() -> None:
    """Import matplotlib where MPLBACKEND names a backend that is not installed.

    matplotlib itself raises an error there. A notebook sets the variable for the processes that it
    starts. The named backend is set afterwards if it exists, for users of pyplot beside this
    package.
    """
    if "matplotlib" in sys.modules or "MPLBACKEND" not in os.environ:
        return
    named = os.environ.pop("MPLBACKEND")
    try:
        import matplotlib
    finally:
        os.environ["MPLBACKEND"] = named
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = named


load_matplotlib()
