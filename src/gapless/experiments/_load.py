"""Find an experiment by its name, also in another process: a figure's, or module:NAME."""

import copyreg
import os
import re
import sys
from dataclasses import fields
from importlib import import_module

from gapless.experiments._experiment import Experiment

NAMES = ("fig1", "fig2", "fig3", "fig4", "fig5", "bbp", "rivals")
"""All figures: the paper's in its order, then our own."""

_OWN = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)")
_FOLDER = re.compile(r"\w[\w.:+-]{0,99}")
_asked: set[str] = set()
"""What was loaded by module:NAME in this process."""


def load(name: str) -> Experiment:
    """Return the experiment of that name: a figure, or ``module:NAME`` of the user's.

    The module is looked for where Python looks, and then in the current folder.

    Raises ``ValueError`` that lists the known names, or says what is wrong with the user's.
    """
    if name in NAMES:
        return import_module(f"gapless.experiments.{name}").EXPERIMENT
    own = _OWN.fullmatch(name)
    if own is None:
        raise ValueError(
            f"figures: {name!r} is not one of {', '.join(NAMES)}, all, nor module:NAME of an "
            "experiment of yours"
        )
    found = _own_experiment(*own.groups())
    _asked.add(name)
    return found


def _own_experiment(module: str, attribute: str) -> Experiment:
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.append(folder)  # console scripts do not look where the user is
    try:
        home = import_module(module)
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ValueError(f"figures: cannot import {module} ({reason})") from None
    found = getattr(home, attribute, None)
    if not isinstance(found, Experiment):
        raise ValueError(f"figures: {module}:{attribute} is not an Experiment")
    if found.name in NAMES or not _FOLDER.fullmatch(found.name):
        raise ValueError(
            f"figures: the name {found.name!r} of {module}:{attribute} must be one of your own "
            "that can name a folder"
        )
    return found


def _pickled(experiment: Experiment) -> tuple:
    """Return how another process gets an experiment: by its name if it has one, else in parts.

    Measurements are functions and often lambdas, which are not pickled as such.
    """
    for name in (experiment.name, *_asked):
        try:
            if load(name) is experiment:
                return load, (name,)
        except ValueError:
            continue
    return Experiment, tuple(getattr(experiment, field.name) for field in fields(experiment))


copyreg.pickle(Experiment, _pickled)
