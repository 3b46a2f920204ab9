"""Matplotlib, loaded whatever backend MPLBACKEND names: figures are made and saved without one."""

import os
import sys
from contextlib import suppress


def load_matplotlib() -> None:
    """Import matplotlib, which refuses to be imported where the backend named is not installed.

    A notebook names its own, also to the processes that it starts. The name is heeded afterwards,
    if it can be: whoever uses pyplot beside this package finds what they asked for.
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
