"""Find an experiment by its name: a figure's, or module:NAME."""

import os
import re
import sys
from importlib import import_module

from gapless.figures.experiment import Experiment

NAMES = (
    "fig1",
    "fig2",
    "fig3",
    "fig4",
    "fig5",
    "bbp",
    "baselines",
    "late",
    "escape",
    "border",
    "band",
    "calibration",
    "reach",
)
"""All figures: the paper's in its order, then our own."""

_OWN = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)")
_FOLDER = re.compile(r"\w[\w.:+-]{0,99}")


def load(name: str) -> Experiment:
    """Return the experiment of that name: a figure, or ``module:NAME`` of the user's.

    The module is looked for where Python looks, and then in the current folder.

    Raises ``ValueError`` that lists the known names, or says what is wrong with the user's.
    """
    if name in NAMES:
        return import_module(f"gapless.figures.{name}").EXPERIMENT
    own = _OWN.fullmatch(name)
    if own is None:
        raise ValueError(
            f"figures: {name!r} is not one of {', '.join(NAMES)}, all, nor module:NAME of an "
            "experiment of yours"
        )
    return _own_experiment(*own.groups())


def _own_experiment(module: str, attribute: str) -> Experiment:
    look_here()
    try:
        home = import_module(module)
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ValueError(f"figures: cannot import {module} ({reason})") from None
    found = getattr(home, attribute, None)
    if not isinstance(found, Experiment):
        raise ValueError(f"figures: {module}:{attribute} is not an Experiment")
    if not (isinstance(found.version, int) and found.version > 0):
        raise ValueError(f"figures: version of {module}:{attribute} must be 1, 2, 3, …")
    is_text = isinstance(found.name, str)
    if not is_text or found.name in NAMES or not _FOLDER.fullmatch(found.name):
        raise ValueError(
            f"figures: the name {found.name!r} of {module}:{attribute} must be one of your own "
            "that can name a folder"
        )
    return found


def look_here() -> None:
    """Have modules looked for in the current folder too, as console scripts do not."""
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.append(folder)
